package room_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// What a game sends before it lets somebody go comes before the farewell, whether the line is quick or slow.
func TestWhatIsSentBeforeTheFarewellArrives(t *testing.T) {
	say := func(t *room.Tick, p *room.Player, n int) {
		for i := range n {
			t.Send("word", fmt.Sprint(i), p)
		}
	}
	for _, test := range []struct {
		name string
		game func(s *room.Setup) room.Game[struct{}]
		do   func(r *live, c *client, s *player.Session)
		code protocol.Code
		want func(t *testing.T, c *client)
	}{
		{name: "a kick in Step", code: protocol.CodeKicked, game: func(*room.Setup) room.Game[struct{}] {
			return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
				if t.Number() == 20 {
					say(t, t.Players()[0], 3)
					t.Kick(t.Players()[0], "be nice")
				}
			}}
		}, want: func(t *testing.T, c *client) { require.Equal(t, []string{"word 0", "word 1", "word 2"}, c.events) }},
		{name: "the end", code: protocol.CodeRoomEnded, game: func(*room.Setup) room.Game[struct{}] {
			return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
				if t.Number() == 20 {
					t.Broadcast("word", "over")
					t.End("won")
				}
			}}
		}, want: func(t *testing.T, c *client) {
			require.Equal(t, []string{"word over"}, c.events)
			require.Equal(t, encode(t, "won"), c.result)
			require.EqualValues(t, 20, c.replica.Tick(), "the last tick is seen")
		}},
		{name: "a reply before LEAVE", code: protocol.CodeNormal, game: func(s *room.Setup) room.Game[struct{}] {
			room.Handle(s, "save", func(*room.Tick, *room.Player, Say) (string, error) { return "saved", nil })
			return base{}
		}, do: func(r *live, c *client, s *player.Session) {
			send(r.t, s, c, protocol.AppendLeave(protocol.AppendMessage(nil, 4, "save", encode(r.t, Say{"x"}))))
		}, want: func(t *testing.T, c *client) { require.Equal(t, string(encode(t, "saved")), c.replies[4]) }},
		{name: "a kick by the server", code: protocol.CodeKicked, game: func(*room.Setup) room.Game[struct{}] { return base{} },
			do: func(r *live, c *client, s *player.Session) {
				e, err := player.NewEvent("word", "bye")
				require.NoError(r.t, err)
				require.True(r.t, s.Announce(e))
				s.Kick("be nice")
			}, want: func(t *testing.T, c *client) { require.Equal(t, []string{"word bye"}, c.events) }},
		{name: "the server's stop", code: protocol.CodeShuttingDown, game: func(*room.Setup) room.Game[struct{}] {
			return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
				if t.Number() == 20 {
					t.Broadcast("word", "hear")
				}
			}}
		}, do: func(r *live, c *client, s *player.Session) {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			r.cancel()
		}, want: func(t *testing.T, c *client) { require.Equal(t, []string{"word hear"}, c.events) }},
		{name: "the game's panic", code: protocol.CodeRoomFailed, game: func(*room.Setup) room.Game[struct{}] {
			return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
				if t.Number() == 20 {
					t.Broadcast("word", "oh")
					panic("no")
				}
			}}
		}, want: func(t *testing.T, c *client) { require.Equal(t, []string{"word oh"}, c.events) }},
	} {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, slow %v", test.name, slow), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := start(t, kind(test.game))
					c, s := r.join("Ada")
					send(t, s, c, protocol.AppendAck(nil, c.replica.Tick()))
					c.setFull(slow)
					if test.do != nil {
						test.do(r, c, s)
					}
					time.Sleep(3 * time.Second)
					synctest.Wait()
					require.NotNil(t, c.closeError())
					require.Equal(t, test.code, c.closeError().Code)
					_, err := c.read(-1)
					require.NoError(t, err)
					test.want(t, c)
					require.EqualValues(t, 1, r.free.Load())
					_ = r.stop() // the panic, where there was one
				})
			})
		}
	}
}

func TestWhatARefusalSaysArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
			if p.Name() == "Eve" {
				t.Send("why", "no ships left", p)
				t.SendUser(p.User(), "mail", "come back later")
				return room.Errorf("full", "no ships left")
			}
			if p.Name() == "Sue" {
				t.Kick(p, "at once")
				t.Send("why", "kicked", p)
			}
			return nil
		}}), func(cfg *room.Config) { cfg.Courier = toUsers{cfg.Registry} })
		r.join("Ada")
		c := new(client)
		_, err := r.Join(t.Context(), room.Join{Who: room.Identity{User: "Eve", Name: "Eve"}, Conn: c})
		require.ErrorContains(t, err, "no ships left")
		_, err = c.read(-1)
		require.NoError(t, err)
		require.Equal(t, []string{"why no ships left", "mail come back later"}, c.events)
		require.Empty(t, c.welcome.Token, "there is no seat to come back to")
		require.Equal(t, 1, r.users.Len())

		c, _ = r.join("Sue") // welcomed, told and thrown out in one tick
		require.Equal(t, []string{"why kicked"}, c.events)
		require.Equal(t, protocol.CodeKicked, c.closeError().Code)
		require.Equal(t, 1, c.keys)
		require.NoError(t, r.stop())
	})
}

// toUsers is the part of a courier that a lobby has.
type toUsers struct{ users *player.Registry }

func (c toUsers) ToUser(user string, e *player.Event) int { return c.users.Send(user, e) }
func (toUsers) ToRoom(string, *player.Event) bool         { return false }

func TestSendUserInJoinReachesTheOneWhoJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
			t.SendUser(p.User(), "mail", "hello "+p.Name())
			return nil
		}}), func(cfg *room.Config) { cfg.Courier = toUsers{cfg.Registry} })
		c, s := r.join("Ada")
		require.EqualValues(t, 1, s.Number)
		require.Equal(t, []string{"mail hello Ada"}, c.events)
		require.NoError(t, r.stop())
	})
}

func TestLastWordsWaitForWhoWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rig{}
		r := start(t, rigKind(g))
		gone := map[string]string{}
		for _, name := range []string{"Ada", "Bob", "Cy", "Dan", "Eve"} {
			c, s := r.join(name)
			send(t, s, c, protocol.AppendAck(nil, c.replica.Tick()))
			gone[name] = c.welcome.Token
			switch name {
			case "Eve":
				send(t, s, c, protocol.AppendLeave(nil))
			case "Dan": // here until the end, and may not hear of it
			default:
				r.Lost(s, c)
			}
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
		}
		find := func(name string) (room.Words, bool) { return r.words.Find(time.Now(), gone[name]) }
		_, ok := find("Ada")
		require.False(t, ok, "the seat is kept")
		require.Equal(t, 1, r.users.Kick("Bob", "cheating"))
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		w, ok := find("Bob")
		require.True(t, ok)
		require.Equal(t, room.Words{Code: protocol.CodeKicked, Reason: "cheating"}, w)
		require.ErrorIs(t, r.CheckToken(gone["Bob"]), room.ErrToken)

		r.Stop(protocol.CodeRoomEnded, "for repairs")
		require.NoError(t, <-r.ended)
		for _, name := range []string{"Ada", "Cy", "Dan"} {
			w, ok = find(name)
			require.True(t, ok, name)
			require.Equal(t, room.Words{Code: protocol.CodeRoomEnded, Reason: "for repairs"}, w)
		}
		_, ok = find("Eve")
		require.False(t, ok, "who has left knows")
		time.Sleep(time.Hour)
		_, ok = find("Ada")
		require.False(t, ok, "they are not kept for ever")
		r.cancel()
	})
}

func TestASeatThatWasLostHasNoLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{}))
		r.join("Bob")
		c, s := r.join("Ada")
		r.Lost(s, c)
		time.Sleep(room.DefaultGrace + time.Second)
		synctest.Wait()
		_, ok := r.words.Find(time.Now(), c.welcome.Token)
		require.False(t, ok, "a client matches again")
		require.NoError(t, r.stop())
	})
}

// saver saves when somebody leaves, which takes a second, and notes what came of it.
type saver struct {
	base
	saved []string
}

func (g *saver) Leave(t *room.Tick, p *room.Player, why room.Cause) {
	name := p.Name()
	room.Go(t, func(ctx context.Context) (string, error) {
		wait := time.Second
		if name == "slow" {
			wait = time.Hour
		}
		select {
		case <-time.After(wait):
			return name, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}, func(t *room.Tick, v string, err error) {
		if err != nil {
			v = err.Error()
		}
		g.saved = append(g.saved, v)
		if v == "Ada" { // and then something else
			room.Go(t, func(context.Context) (int, error) { return 7, nil }, func(_ *room.Tick, n int, err error) {
				g.saved = append(g.saved, fmt.Sprint(n, err))
			})
		}
		if err != nil { // in vain: it is too late
			room.Go(t, func(context.Context) (int, error) { return 8, nil }, func(*room.Tick, int, error) { g.saved = append(g.saved, "again") })
		}
	})
}

func TestSlowWorkBegunInLeaveIsFinished(t *testing.T) {
	for name, end := range map[string]func(r *live, g *saver){
		"the server stops":  func(r *live, _ *saver) { r.cancel() },
		"the room is ended": func(r *live, _ *saver) { r.Stop(protocol.CodeRoomEnded, "over") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec tape
				g := &saver{}
				k := kind(func(*room.Setup) room.Game[struct{}] { return g })
				r := start(t, k, func(cfg *room.Config) { cfg.Recorder = &rec })
				ada, _ := r.join("Ada")
				r.join("Bob")
				began := time.Now()
				end(r, g)
				synctest.Wait()
				time.Sleep(200 * time.Millisecond)
				require.NotNil(t, ada.closeError(), "nobody waits for the work")
				require.NoError(t, <-r.ended)
				require.ElementsMatch(t, []string{"Ada", "Bob", "7 <nil>"}, g.saved)
				require.Less(t, time.Since(began), 2*time.Second)
				r.cancel()

				again := &saver{}
				play, err := room.NewPlayback(kind(func(*room.Setup) room.Game[struct{}] { return again }), 7, nil)
				require.NoError(t, err)
				for _, frame := range rec.frames {
					require.NoError(t, play.Step(frame))
				}
				require.Equal(t, g.saved, again.saved, "the end is recorded as all before it")
			})
		})
	}
}

func TestSlowWorkThatTakesTooLongIsEndedAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &saver{}
		r := start(t, kind(func(*room.Setup) room.Game[struct{}] { return g }), func(cfg *room.Config) { cfg.WorkGrace = 5 * time.Second })
		r.join("slow")
		began := time.Now()
		r.Stop(protocol.CodeRoomEnded, "over")
		require.NoError(t, <-r.ended)
		require.InDelta(t, 5, time.Since(began).Seconds(), 0.2)
		require.Equal(t, []string{context.Canceled.Error()}, g.saved, "the game is told")
		r.cancel()
	})
}

func TestSlowWorkIsFinishedInRoomtestToo(t *testing.T) {
	g := &saver{}
	r := roomtest.New(t, kind(func(s *room.Setup) room.Game[struct{}] {
		room.Handle(s, "end", func(t *room.Tick, _ *room.Player, _ Say) (bool, error) {
			t.End(nil)
			return true, nil
		})
		return g
	}))
	p := r.Join("Bob")
	require.NoError(t, p.Call("end", Say{}, nil))
	require.True(t, r.Ended())
	require.Equal(t, []string{"Bob"}, g.saved)
}

func TestAPanicAtTheEndLeavesTheOtherPlayersTheirLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []string
		r := start(t, rigKind(&rig{leave: func(_ *room.Tick, p *room.Player, _ room.Cause) {
			left = append(left, p.Name())
			if p.Name() == "Ada" {
				panic("no")
			}
		}}))
		a, _ := r.join("Ada")
		b, _ := r.join("Bob")
		require.NoError(t, r.stop())
		require.Equal(t, []string{"Ada", "Bob"}, left)
		require.Equal(t, protocol.CodeShuttingDown, a.closeError().Code)
		require.Equal(t, protocol.CodeShuttingDown, b.closeError().Code)
	})
}

// delayedKind ends at tick 60, and shows spectators what happened 40 ticks before.
func delayedKind() room.Kind[struct{}] {
	k := rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
		t.Broadcast("n", fmt.Sprint(t.Number()))
		if t.Number() == 60 {
			t.End("won")
		}
	}})
	k.New = func(s *room.Setup) (room.Game[struct{}], error) {
		return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			t.Broadcast("n", fmt.Sprint(t.Number()))
			if t.Number() == 60 {
				t.End("won")
			}
		}}, nil
	}
	k.Spectators, k.SpectatorDelay = 3, 40
	return k
}

func TestSpectatorsOfThePastSeeTheEndBeforeTheyAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, delayedKind())
		c, s := r.join("Ada")
		w, ws := r.watch("Sue")
		gone, gs := r.watch("Sam")
		var ended time.Time
		for w.closeError() == nil {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
			require.NoError(t, w.readAndAck(ws))
			if ended.IsZero() && c.closeError() != nil {
				ended = time.Now()
				require.Equal(t, protocol.CodeRoomEnded, r.Ended())
				_, err := r.Join(t.Context(), room.Join{Conn: new(client)})
				require.ErrorIs(t, err, room.ErrClosed)
				r.Lost(gs, gone)
			}
		}
		require.Equal(t, protocol.CodeRoomEnded, w.closeError().Code)
		require.Equal(t, encode(t, "won"), w.result)
		require.EqualValues(t, 60, w.replica.Tick())
		require.Equal(t, "n 60", w.events[len(w.events)-1])
		require.Equal(t, c.events[len(c.events)-40:], w.events[len(w.events)-40:])
		require.InDelta(t, 4, time.Since(ended).Seconds(), 0.3, "at the room's pace")
		require.NoError(t, <-r.ended)
		r.cancel()
	})
}

func TestSpectatorsOfThePastSeeTheRestAtOnceWhenTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, delayedKind())
		c, s := r.join("Ada")
		w, _ := r.watch("Sue")
		for c.closeError() == nil {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		began := time.Now()
		require.NoError(t, r.stop())
		require.Less(t, time.Since(began), time.Second)
		_, err := w.read(-1)
		require.NoError(t, err)
		require.Equal(t, protocol.CodeRoomEnded, w.closeError().Code)
		require.EqualValues(t, 60, w.replica.Tick())
		require.Equal(t, "n 60", w.events[len(w.events)-1])
	})
}

func TestNobodyWaitsForSpectatorsWhoHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, delayedKind())
		c, s := r.join("Ada")
		w, ws := r.watch("Sue")
		for c.closeError() == nil {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		send(t, ws, w, protocol.AppendLeave(nil))
		require.NoError(t, <-r.ended)
		require.Equal(t, protocol.CodeNormal, w.closeError().Code)
		r.cancel()
	})
}

// bouncer admits whom it knows.
type bouncer struct {
	base
	asked []room.Identity
}

func (b *bouncer) Admit(t *room.Tick, who room.Identity) error {
	b.asked = append(b.asked, who)
	if who.User == "Eve" {
		return errors.New("not you")
	}
	return nil
}

func TestAdmitIsAskedForSpectatorsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec tape
		g := new(bouncer)
		k := kind(func(*room.Setup) room.Game[struct{}] { return g })
		k.Spectators = 2
		r := start(t, k, func(cfg *room.Config) { cfg.Recorder = &rec })
		r.join("Ada")
		r.watch("Sue")
		c := new(client)
		_, err := r.Join(t.Context(), room.Join{Who: room.Identity{User: "Eve"}, Conn: c, Spectate: true, Released: func() { r.free.Add(1) }})
		require.ErrorContains(t, err, "not you")
		require.EqualValues(t, 1, r.free.Load())
		require.Equal(t, 1, r.Info().Spectators)
		require.Equal(t, 2, r.users.Len())
		require.Equal(t, []room.Identity{{User: "Ada", Name: "Ada"}, {User: "Sue", Name: "Sue", Spectator: true}, {User: "Eve", Spectator: true}}, g.asked)
		require.NoError(t, r.stop())

		again := new(bouncer)
		k.New = func(*room.Setup) (room.Game[struct{}], error) { return again, nil }
		play, err := room.NewPlayback(k, 7, nil)
		require.NoError(t, err)
		for _, frame := range rec.frames {
			require.NoError(t, play.Step(frame))
		}
		require.Equal(t, g.asked, again.asked)
	})
}
