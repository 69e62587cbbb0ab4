package client

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

// withFake runs test in a bubble with a server whose world has one ship of player 1's, at tick 1.
func withFake(t *testing.T, test func(t *testing.T, f *fake)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		defer f.close()
		_, s := f.ships.Add(1)
		*s = ship{X: 10, VX: 4, HP: 100, Ammo: 7}
		f.tick()
		test(t, f)
	})
}

// join takes a connection as far as its first snapshot.
func (f *fake) join() *conn {
	c := f.accept()
	c.welcome(false, 0)
	c.snapshot(0)
	synctest.Wait()
	return c
}

func TestJoinFollowAndLeave(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		cfg := f.config()
		var joins []bool
		var ticks []uint32
		cfg.OnJoin = func(resumed bool) { joins = append(joins, resumed) }
		cfg.OnSnapshot = func(tick uint32) { ticks = append(ticks, tick) }
		r := New(cfg)
		ships := Bind[ship](r, "ship")
		var entered, changed []ship
		var left []state.ID
		ships.OnEnter(func(_ state.ID, v ship) { entered = append(entered, v) })
		ships.OnChange(func(_ state.ID, v ship) { changed = append(changed, v) })
		ships.OnLeave(func(id state.ID) { left = append(left, id) })
		var said []string
		On(r, "said", func(s string) { said = append(said, s) })
		p := f.play(r)
		c := f.join()
		require.NoError(t, r.Ready(t.Context()))
		require.Equal(t, "ticket=1", f.lastQuery())
		require.Equal(t, []bool{false}, joins)
		require.Equal(t, ship{10, 4, 100, 7}, entered[0], "with the owner's fields")
		require.Equal(t, uint32(1), c.next(protocol.KindAck).ack)

		f.ships.Get(1).HP = 90
		id, _ := f.ships.Add(0)
		f.tick()
		c.snapshot(0, protocol.AppendEvent(nil, 2, "said", []byte{0xa2, 'h', 'i'}))
		synctest.Wait()
		require.Equal(t, []string{"hi"}, said)
		require.Equal(t, uint8(90), changed[len(changed)-1].HP)
		require.Equal(t, []uint32{1, 2}, ticks)
		require.Equal(t, uint32(2), c.next(protocol.KindAck).ack)
		r.Do(func() {
			require.Equal(t, uint32(2), r.Tick())
			require.Equal(t, 2, ships.Len())
			require.True(t, ships.Mine(1))
		})

		f.ships.Remove(id)
		f.tick()
		f.tick()
		c.snapshot(0)
		synctest.Wait()
		require.Equal(t, []state.ID{id}, left)
		require.EqualValues(t, 1, r.Stats().SkippedTicks)

		r.Leave()
		c.next(protocol.KindLeave)
		c.bye(protocol.CodeNormal, "", nil)
		require.NoError(t, p.wait())
		s := r.Stats()
		require.EqualValues(t, 3, s.Snapshots)
		require.EqualValues(t, 1, s.Keyframes)
		require.Zero(t, s.Reconnects+s.Mismatches+s.Faults)
	})
}

func TestLeaveDoesNotWaitForASilentServer(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		p := f.play(r)
		f.join()
		began := time.Now()
		r.Leave()
		require.NoError(t, p.wait())
		require.Equal(t, leavePatience, time.Since(began))
	})
}

func TestLeaveBeforeAndWithoutAConnection(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.set(func() { f.down = true })
		r := New(f.config())
		p := f.play(r)
		time.Sleep(time.Second)
		r.Leave()
		require.NoError(t, p.wait())

		early := New(f.config())
		early.Leave()
		require.NoError(t, early.Run(t.Context()))
		require.Error(t, early.Run(t.Context()), "a second time")
	})
}

func TestReplySurvivesAResume(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		type result struct {
			s   string
			err error
		}
		results := make(chan result, 3)
		ask := func(ctx context.Context) {
			s, err := Call[string](ctx, r, "say", "hi")
			results <- result{s, err}
		}
		p.wg.Go(func() { ask(t.Context()) })
		request := c.next(protocol.KindMessage).request
		c.cut()
		synctest.Wait()
		p.wg.Go(func() { ask(t.Context()) }) // while away: sent at the next join
		c = f.accept()
		c.welcome(true, 0)
		f.tick()
		c.snapshot(0, protocol.AppendReply(nil, 2, request, []byte{0xa2, 'h', 'o'}))
		require.Equal(t, result{"ho", nil}, <-results)
		s := c.next(protocol.KindMessage)
		require.Equal(t, "say", s.name)
		require.NotEqual(t, request, s.request)
		c.send(protocol.AppendError(nil, 2, s.request, "too_loud", "whisper"))
		var refused *Error
		require.ErrorAs(t, (<-results).err, &refused)
		require.Equal(t, &Error{"too_loud", "whisper"}, refused)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.wg.Go(func() { ask(ctx) })
		require.ErrorIs(t, (<-results).err, context.DeadlineExceeded)
		p.wg.Go(func() { ask(t.Context()) })
		c.next(protocol.KindMessage)
		c.next(protocol.KindMessage)
		p.stop()
		require.ErrorIs(t, (<-results).err, ErrLost)
		require.ErrorIs(t, r.Send("say", "hi"), ErrAway)
	})
}

func TestMatchesAgainWhenTheSeatIsGone(t *testing.T) {
	gone := map[string]func(f *fake, c *conn){
		"close code 4102": func(f *fake, c *conn) { c.bye(protocol.CodeShuttingDown, "stopping", nil) },
		"close frame alone": func(f *fake, c *conn) {
			_ = c.socket.WriteClose(uint16(protocol.CodeGone), nil)
		},
		"token unknown": func(f *fake, c *conn) {
			f.set(func() {
				f.refuse = func(w http.ResponseWriter, r *http.Request) bool {
					if resumed(r) == "" {
						return false
					}
					w.WriteHeader(http.StatusNotFound)
					_, _ = w.Write([]byte(`{"code":"token_unknown","message":"the seat is gone"}`))
					return true
				}
			})
			c.cut()
		},
	}
	for name, lose := range gone {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake) {
				r := New(f.config())
				ships := Bind[ship](r, "ship")
				moves := NewInputs[move](r)
				left := 0
				ships.OnLeave(func(state.ID) { left++ })
				p := f.play(r)
				c := f.join()
				require.NoError(t, moves.Send(move{}))
				failed := make(chan error, 1)
				p.wg.Go(func() {
					_, err := Call[string](t.Context(), r, "say", "hi")
					failed <- err
				})
				c.next(protocol.KindMessage)
				lose(f, c)
				require.ErrorIs(t, <-failed, ErrLost)
				c = f.accept()
				require.Equal(t, "ticket=2", f.lastQuery())
				require.Zero(t, left)
				c.welcome(false, 0)
				synctest.Wait()
				require.Equal(t, 1, left, "the old world has gone")
				c.snapshot(0)
				synctest.Wait()
				require.True(t, r.Joined())
				require.EqualValues(t, 1, r.Stats().InputsDropped)
				require.NoError(t, moves.Send(move{}))
				require.Equal(t, uint32(1), c.next(protocol.KindInput).head.Seq, "numbers start over")
				p.stop()
			})
		})
	}
}

func TestStopsWhenTheServerSaysSo(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		p := f.play(New(f.config()))
		f.join().bye(protocol.CodeKicked, "be nice", nil)
		var stop *StopError
		require.ErrorAs(t, p.wait(), &stop)
		require.Equal(t, &StopError{Code: protocol.CodeKicked, Reason: "be nice"}, stop)

		p = f.play(New(f.config()))
		f.join().bye(protocol.CodeRoomEnded, "", []byte{0x2a})
		require.ErrorAs(t, p.wait(), &stop)
		require.Equal(t, []byte{0x2a}, stop.Result)

		p = f.play(New(f.config()))
		_ = f.join().socket.WriteClose(uint16(protocol.CodeReplaced), nil) // no BYE
		require.ErrorAs(t, p.wait(), &stop)
		require.Equal(t, protocol.CodeReplaced, stop.Code)
	})
}

func TestMatchesAgainSoonWhenTheServerIsBackWithoutTheSeat(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		cfg := f.config()
		var down atomic.Bool
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if down.Load() {
				return nil, errors.New("connection refused")
			}
			return f.dial(ctx, network, addr)
		}
		p := f.play(New(cfg))
		c := f.join()
		var back time.Time
		f.set(func() {
			f.refuse = func(w http.ResponseWriter, r *http.Request) bool {
				if resumed(r) == "" {
					return false
				}
				back = time.Now()
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`{"code":"token_unknown","message":"the seat is gone"}`))
				return true
			}
		})
		down.Store(true)
		c.cut()
		time.Sleep(time.Minute) // the waits have become long
		down.Store(false)
		f.accept()
		require.LessOrEqual(t, time.Since(back), backoffFirst)
		p.stop()
	})
}

func TestRefusals(t *testing.T) {
	stop, resume, again := protocol.AdviceStop, protocol.AdviceResume, protocol.AdviceMatch
	for _, c := range []struct {
		status int
		code   string
		advice protocol.Advice
	}{
		{400, protocol.ErrUnknownKind, stop}, {403, protocol.ErrOrigin, stop}, {404, protocol.ErrTokenUnknown, again},
		{404, protocol.ErrNotFound, stop}, {405, protocol.ErrMethod, stop}, {410, protocol.ErrTicketUsed, again}, {400, protocol.ErrTicketInvalid, again},
		{429, protocol.ErrRateLimited, resume}, {500, protocol.ErrInternal, resume},
		{503, protocol.ErrServerFull, again}, {503, protocol.ErrShuttingDown, again}, {404, protocol.ErrQueueUnknown, again}, {410, protocol.ErrQueueReplaced, stop},
		{404, protocol.ErrRoomUnknown, stop}, {409, protocol.ErrRoomFull, stop}, {401, protocol.ErrUnauthorized, stop},
		{403, protocol.ErrBanned, stop}, {400, "bad_options", stop}, {410, "too_late", stop}, {429, "too_many_seats", resume}, {503, "identity_unavailable", resume},
	} {
		e := &refused{HTTPError: protocol.HTTPError{Code: c.code}, status: c.status, wait: time.Second}
		end := refusal("connect", e)
		require.Equal(t, c.advice, end.advice, c.code)
		require.False(t, end.foreign, c.code)
		require.Equal(t, time.Second, end.wait)
		var public *protocol.HTTPError
		require.ErrorAs(t, end.err, &public)
		require.Equal(t, c.code, public.Code)
	}
	for status, foreign := range map[int]bool{
		200: true, 302: true, 401: true, 403: true, 404: true, 408: false, 425: false, 429: false, 500: false, 502: false, 503: false,
	} {
		end := refusal("connect", noServer(&http.Response{StatusCode: status}))
		require.Equal(t, resume, end.advice, status)
		require.Equal(t, foreign, end.foreign, status)
	}
	require.True(t, refusal("connect", &refused{HTTPError: protocol.HTTPError{Code: protocol.ErrUpgrade}, status: 426}).foreign)
	require.Equal(t, resume, refusal("connect", errors.New("connection refused")).advice)
	require.True(t, refusal("connect", gws.ErrSubprotocolNegotiation).foreign)
}

func TestRefusedMatchOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(protocol.HTTPError{Code: protocol.ErrUnknownKind, Message: r.URL.Path})
	}))
	defer server.Close()
	err := New(Config{URL: server.URL, Kind: "chess", TLS: server.Client().Transport.(*http.Transport).TLSClientConfig}).Run(t.Context())
	var refused *protocol.HTTPError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, &protocol.HTTPError{Code: protocol.ErrUnknownKind, Message: "/v1/match"}, refused)
}

func TestRetryAfterIsObeyed(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		first := true
		f.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if !first {
				return false
			}
			first = false
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		began := time.Now()
		p := f.play(New(f.config()))
		f.join()
		require.Equal(t, 7*time.Second+backoffFirst, time.Since(began).Round(time.Millisecond))
		p.stop()
	})
}

func TestMismatchAsksForAKey(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		cfg := f.config()
		var reported []error
		cfg.OnError = func(err error) { reported = append(reported, err) }
		r := New(cfg)
		p := f.play(r)
		c := f.join()
		c.send(protocol.AppendHash(nil, 1, c.view.Checksum()+1))
		c = f.accept()
		q, err := url.ParseQuery(f.lastQuery())
		require.NoError(t, err)
		require.Equal(t, url.Values{"tick": {"1"}, "key": {"1"}}, q)
		require.Equal(t, "token", f.lastToken())
		require.ErrorIs(t, reported[0], ErrMismatch)
		c.welcome(true, 0)
		c.snapshot(0)
		synctest.Wait()
		s := r.Stats()
		require.EqualValues(t, 1, s.Mismatches)
		require.EqualValues(t, 2, s.Keyframes)
		require.Zero(t, s.Faults)
		c.cut()
		f.accept()
		require.Equal(t, "tick=1", f.lastQuery(), "the world is to be trusted again")
		p.stop()
	})
}

func TestBackoffGrowsAndStartsOverAfterAHealthyConnection(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.set(func() { f.down = true })
		p := f.play(New(f.config()))
		time.Sleep(30 * time.Second)
		want := []time.Duration{250, 400, 640, 1024, 1200, 1200, 1200}
		f.mu.Lock()
		for i, d := range want {
			require.InDelta(t, float64(d), float64(f.dialled[i+1].Sub(f.dialled[i]).Milliseconds()), 1, i)
		}
		f.down = false
		f.mu.Unlock()
		c := f.join()
		time.Sleep(healthyAfter)
		c.cut()
		began := time.Now()
		f.accept()
		require.InDelta(t, 250, float64(time.Since(began).Milliseconds()), 1)
		p.stop()
	})
}

func TestSilentServerIsGivenUpSoon(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		var reported error
		cfg := f.config()
		cfg.OnError = func(err error) { reported = err }
		r := New(cfg)
		p := f.play(r)
		c := f.join()
		for range 10 { // whatever comes keeps it
			time.Sleep(5 * time.Second)
			require.NoError(t, c.socket.WritePing(nil))
		}
		require.True(t, r.Joined())
		began := time.Now()
		f.accept()
		require.InDelta(t, 7, time.Since(began).Seconds(), 1.3)
		require.ErrorIs(t, reported, errSilent)
		p.stop()
	})
}

func TestQuietRoomIsAskedForASign(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.clock = true
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		time.Sleep(time.Minute)
		require.True(t, r.Joined())
		times := 0
		for _, s := range c.heard() {
			if s.kind == protocol.KindTime {
				times++
			}
		}
		require.InDelta(t, clockBurst+27, times, 2)
		p.stop()
	})
}

func TestRoomThatDoesNotAnswerIsGivenUp(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		p := f.play(New(f.config()))
		for range 2 { // one that says nothing, one that only greets
			c := f.accept()
			began := time.Now()
			require.Eventually(t, func() bool {
				select {
				case <-c.closed:
					return true
				default:
					return false
				}
			}, time.Minute, 100*time.Millisecond)
			require.InDelta(t, joinTimeout.Seconds(), time.Since(began).Seconds(), 0.2)
		}
		p.stop()
	})
}

func TestTableThatDoesNotFitStopsRun(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		Bind[ship](r, "rock")
		p := f.play(r)
		f.accept().welcome(false, 0)
		require.ErrorContains(t, p.wait(), "rock")
		require.ErrorIs(t, r.Ready(t.Context()), ErrLost)

		r = New(f.config())
		NewInputs[struct{ Jump bool }](r)
		p = f.play(r)
		f.accept().welcome(false, 0)
		require.ErrorContains(t, p.wait(), "Jump")
		require.ErrorContains(t, New(Config{}).Run(t.Context()), "URL")
		require.Panics(t, func() { NewInputs[move](r) })
	})
}

func TestClockIsAskedInABurstAndThenEveryTwoSeconds(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		began := time.Now()
		clock := func() float64 { return 100 + time.Since(began).Seconds()*rate }
		for range clockBurst {
			s := c.next(protocol.KindTime)
			time.Sleep(10 * time.Millisecond)
			at := moment(clock())
			time.Sleep(10 * time.Millisecond)
			c.send(protocol.AppendClock(nil, s.time, at))
			synctest.Wait()
		}
		require.Equal(t, 20*time.Millisecond, r.Stats().RTT)
		require.InDelta(t, clock(), r.Now(), 0.01)
		time.Sleep(time.Second)
		require.InDelta(t, clock(), r.Now(), 0.01)
		c.heard()
		f.tick()
		c.snapshot(0)
		synctest.Wait()
		require.Len(t, c.heard(), 1, "an ACK, no TIME")
		time.Sleep(time.Second)
		f.tick()
		c.snapshot(0)
		c.next(protocol.KindTime)
		p.stop()
	})
}

func TestSnapshotsThatCameTogetherAreAcknowledgedOnce(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		c.heard()
		var together []byte
		for range 3 {
			f.tick()
			b, _ := c.view.Next()
			together = append(append(together, 0x82, byte(len(b))), b...)
		}
		_, err := c.socket.NetConn().Write(together)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []said{{kind: protocol.KindAck, ack: 4}}, c.heard())
		require.EqualValues(t, 4, r.Stats().Snapshots)
		p.stop()
	})
}
