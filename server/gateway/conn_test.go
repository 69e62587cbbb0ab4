package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// within runs f in a bubble of synctest with a gateway on net.Pipes, and checks that all is over in
// the end.
func within(t *testing.T, cfg Config, f func(t *testing.T, e *edge)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, cfg)
		defer e.pipes()()
		f(t, e)
	})
}

// settle lets everything come to rest.
func settle() {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

func say(name string) []byte { return protocol.AppendMessage(nil, 0, name, []byte{0xc0}) }

func TestConnectionJoinsTalksAndLeaves(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket()).listen()
		settle()
		require.Equal(t, room.Identity{User: "u1", Name: "Ada"}, e.room.joined[0].Who)
		require.Equal(t, 1, e.lobby.seatsTaken())
		require.Equal(t, int64(1), e.Stats().Open.Load())
		require.Equal(t, "unknown", e.room.connection().RemoteAddr())

		c.setDeaf(true) // no pong between the halves
		c.write(2, say("one"))
		for _, b := range [][]byte{mask(2, say("two"))[:7], mask(2, say("two"))[7:]} { // cut in the middle, but all there
			_, err := c.Write(b)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		whole := say("three") // in three frames
		first := mask(2, whole[:3])
		first[0] &^= 0x80
		_, _ = c.Write(first)
		c.write(9, []byte("between"))
		next := mask(0, whole[3:5])
		next[0] &^= 0x80
		_, _ = c.Write(next)
		c.write(0, whole[5:])
		settle()
		require.Equal(t, []string{"one", "two", "three"}, e.room.messages)

		require.NoError(t, e.room.connection().Send([]byte("hello "), nil, []byte("world")))
		settle()
		c.write(8, []byte{0x03, 0xe9}) // 1001: the page goes away
		settle()
		time.Sleep(2 * DefaultLinger)
		require.Equal(t, 1, e.room.losses())
		var got []string
		for _, f := range c.frames() {
			if f.op == 9 {
				continue
			}
			got = append(got, string(rune('0'+f.op))+string(f.payload))
		}
		require.Equal(t, []string{"2welcome", ":between", "2hello world", "8\x03\xe8"}, got)
		require.Equal(t, int64(1), e.Stats().Closed(protocol.CodeNormal))
		require.ErrorIs(t, e.room.connection().Send([]byte("late")), net.ErrClosed)
	})
}

func TestACloseWithoutLeaveIsALossWhateverItsCode(t *testing.T) {
	for _, payload := range [][]byte{{0x03, 0xe8}, {0x03, 0xe9}, {0x0f, 0xa3}} { // 1000, 1001, 4003
		within(t, Config{}, func(t *testing.T, e *edge) {
			c := e.connect("ticket=" + e.ticket()).listen()
			settle()
			c.write(8, payload)
			settle()
			time.Sleep(2 * DefaultLinger)
			require.Equal(t, 1, e.room.losses(), "%x", payload)
		})
	}
}

func TestTicketWorksOnceAndTokenAgain(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		q := "ticket=" + e.ticket()
		c := e.connect(q).listen()
		settle()
		r := newGet(q)
		status, he, _, _ := e.do(r)
		require.Equal(t, 410, status)
		require.Equal(t, protocol.ErrTicketUsed, he.Code)
		_ = c.Close()
		d := e.resume("r1.secret", "tick=12&key=1&attempt=1764300000000").listen()
		settle()
		require.Len(t, e.room.resumed, 1)
		v := e.room.resumed[0]
		require.Equal(t, room.Resume{Token: "r1.secret", Tick: 12, Key: true, Attempt: 1764300000000, Conn: v.Conn}, v)
		_ = d.Close()
		<-c.done
		<-d.done
	})
}

func TestResumeIntoARoomThatHangsIsAnsweredInTime(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		e.room.set(func(r *fakeRoom) { r.hang = true })
		began := time.Now()
		c := e.resume("r1.secret", "").listen() // the upgrade waits for no tick
		require.Less(t, time.Since(began), time.Second)
		reason, _ := c.ended(protocol.CodeRoomStuck)
		require.Contains(t, reason, "does not answer")
		require.Less(t, time.Since(began), DefaultJoinTimeout+time.Second)
	})
}

// Faults of a client, and what becomes of its connection.
func TestConnectionEnds(t *testing.T) {
	oversize := mask(2, make([]byte, protocol.MaxInbound+1))
	negative := []byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}
	for _, c := range []struct {
		name  string
		do    func(e *edge, c *client)
		code  protocol.Code // of a BYE; 0: none came
		says  string
		close int    // code of the close frame if no BYE came; 0: none did
		label string // of the counter
		lost  int
	}{
		{name: "a text frame", do: func(e *edge, c *client) { c.write(1, []byte("hello")) },
			code: protocol.CodeProtocol, says: "text frames are not allowed: send binary", label: "protocol", lost: 1},
		{name: "a message that is no protocol", do: func(e *edge, c *client) { c.write(2, []byte{0xc1}) },
			code: protocol.CodeProtocol, says: "malformed", label: "protocol", lost: 1},
		{name: "too much", do: func(e *edge, c *client) { _, _ = c.Write(oversize) }, close: 1009, label: "too_large", lost: 1},
		{name: "too much in pieces", do: func(e *edge, c *client) {
			for i := range 5 {
				b := mask(2, make([]byte, 1000))
				b[0] = 0
				if i == 0 {
					b[0] = 2
				}
				_, _ = c.Write(b)
			}
		}, close: 1009, label: "too_large", lost: 1},
		{name: "garbage", do: func(e *edge, c *client) { _, _ = c.Write(bytes.Repeat([]byte{0xf7}, 64)) },
			close: 1002, label: "bad_frame", lost: 1},
		{name: "a frame that is not masked", do: func(e *edge, c *client) { _, _ = c.Write([]byte{0x82, 1, 0}) },
			close: 1002, label: "bad_frame", lost: 1},
		{name: "an unknown opcode", do: func(e *edge, c *client) { c.write(5, nil) }, close: 1002, label: "bad_frame", lost: 1},
		// gws would make an int of it, which is negative, and slice by it.
		{name: "a length of 2^64-1", do: func(e *edge, c *client) { _, _ = c.Write(negative) },
			code: 1002, says: "top bit", label: "bad_frame", lost: 1},
		{name: "a length of 2^64-1, byte by byte, after a message", do: func(e *edge, c *client) {
			for _, b := range append(mask(2, say("x")), negative...) {
				_, _ = c.Write([]byte{b})
			}
		}, code: 1002, says: "top bit", label: "bad_frame", lost: 1},
		{name: "a panic of ours", do: func(e *edge, c *client) {
			e.room.set(func(r *fakeRoom) { r.panics = true })
			c.write(2, say("x"))
		}, code: protocol.CodeLost, says: "failed", label: "lost", lost: 1},
		{name: "the socket cut", do: func(e *edge, c *client) { _ = c.Close() }, label: "lost", lost: 1},
		{name: "the socket cut within a frame", do: func(e *edge, c *client) {
			_, _ = c.Write(mask(2, say("x"))[:9])
			_ = c.Close()
		}, label: "lost", lost: 1},
		{name: "the socket cut within a header", do: func(e *edge, c *client) {
			_, _ = c.Write([]byte{0x82})
			_ = c.Close()
		}, label: "lost", lost: 1},
		{name: "nothing but pings", do: func(e *edge, c *client) {
			for range 600 {
				c.write(9, make([]byte, 125))
			}
		}, code: protocol.CodeFlood, says: "part of no message", label: "flood", lost: 1},
		{name: "many pings between messages", do: func(e *edge, c *client) {
			for i := range 4000 {
				c.write(9, make([]byte, 16))
				if i%100 == 0 {
					c.write(2, say("x"))
				}
			}
		}, code: protocol.CodeFlood, says: "at most 120 a second", label: "flood", lost: 1},
		{name: "nothing but fragments of nothing", do: func(e *edge, c *client) {
			_, _ = c.Write([]byte{2, 0x80, 0, 0, 0, 0})
			for range 12000 {
				_, _ = c.Write([]byte{0, 0x80, 0, 0, 0, 0})
			}
		}, code: protocol.CodeFlood, says: "at most 120 a second", label: "flood", lost: 1},
		{name: "too many messages", do: func(e *edge, c *client) {
			for range 1500 {
				c.write(2, protocol.AppendLeave(nil))
			}
		}, code: protocol.CodeFlood, says: "at most 120 a second", label: "flood", lost: 1},
		{name: "no answer to pings", do: func(e *edge, c *client) {
			c.setDeaf(true)
			time.Sleep(3 * player.DefaultHeartbeat)
		}, code: protocol.CodePongTimeout, says: "two heartbeats", label: "pong_timeout", lost: 1},
		{name: "closed by the room, which goes on to talk", do: func(e *edge, c *client) {
			conn := e.room.connection()
			conn.Close(protocol.CodeRoomEnded, "it is over", []byte{0x07})
			conn.Close(protocol.CodeKicked, "twice", nil)
			require.False(c.t, conn.Ready())
			require.Error(c.t, conn.Send([]byte("late")))
		}, code: protocol.CodeRoomEnded, says: "it is over", label: "room_ended", lost: 1},
		{name: "closed by a watchdog", do: func(e *edge, c *client) {
			e.CloseRoom(&fakeRoom{}, protocol.CodeRoomStuck, "another room")
			e.CloseRoom(e.room, protocol.CodeRoomStuck, "the game hangs")
		}, code: protocol.CodeRoomStuck, says: "the game hangs", label: "room_stuck", lost: 1},
		{name: "a reason that is too long for a close frame", do: func(e *edge, c *client) {
			e.room.connection().Close(protocol.CodeKicked, strings.Repeat("é", 100), nil)
		}, code: protocol.CodeKicked, says: strings.Repeat("é", 100), label: "kicked", lost: 1},
		{name: "a reason that is no text", do: func(e *edge, c *client) {
			e.room.connection().Close(protocol.CodeKicked, "be \xff\xfenice", nil)
		}, code: protocol.CodeKicked, says: "be \ufffdnice", label: "kicked", lost: 1},
		{name: "the server stops", do: func(e *edge, c *client) { require.NoError(c.t, e.Close(context.Background())) },
			code: protocol.CodeShuttingDown, says: "stopping", label: "shutting_down", lost: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, Config{}, func(t *testing.T, e *edge) {
				cl := e.connect("ticket=" + e.ticket()).listen()
				settle()
				began := time.Now()
				c.do(e, cl)
				switch {
				case c.code != 0:
					reason, result := cl.ended(c.code)
					require.Contains(t, reason, c.says)
					require.Equal(t, c.code == protocol.CodeRoomEnded, bytes.Equal(result, []byte{7}))
				case c.close != 0:
					all := cl.frames()
					last := all[len(all)-1]
					require.Equal(t, byte(8), last.op)
					require.Equal(t, c.close, last.closeCode())
				}
				<-cl.done
				settle()
				if c.code != protocol.CodePongTimeout {
					require.LessOrEqual(t, time.Since(began), DefaultLinger+10*time.Millisecond)
				}
				time.Sleep(2 * DefaultLinger)
				require.Equal(t, c.lost, e.room.losses())
				closed := map[string]int64{}
				e.Stats().Each(func(name, _, value string, n int64) {
					if name == "closed" && n > 0 {
						closed[value] = n
					}
				})
				require.Equal(t, map[string]int64{c.label: 1}, closed)
				require.Zero(t, e.Stats().Open.Load())
			})
		})
	}
}

func TestOfPingsThatComeTogetherTheNewestIsAnswered(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket()).listen()
		settle()
		var many []byte
		for i := range byte(60) { // they fit into one read
			many = append(many, mask(9, []byte{i})...)
		}
		_, _ = c.Write(many)
		settle()
		_ = c.Close()
		var pongs []byte
		for _, f := range c.frames() {
			if f.op == 10 {
				pongs = append(pongs, f.payload...)
			}
		}
		require.Equal(t, []byte{59}, pongs, "one for what was read at once")
	})
}

func TestAnImpossibleFrameIsOneLineInTheLog(t *testing.T) {
	var lines bytes.Buffer
	within(t, Config{Log: slog.New(slog.NewTextHandler(&lines, nil))}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket()).listen()
		settle()
		_, _ = c.Write([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4})
		<-c.done
		settle()
		require.Equal(t, 1, strings.Count(lines.String(), "impossible length"), lines.String())
		require.Zero(t, e.Stats().Panics.Load())
	})
}

func TestSilentConnectionIsKeptAlive(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket()).listen()
		time.Sleep(time.Hour)
		require.Equal(t, int64(1), e.Stats().Open.Load())
		pings := 0
		c.mu.Lock()
		for _, f := range c.all {
			if f.op == 9 {
				pings++
			}
		}
		c.mu.Unlock()
		require.InDelta(t, 240, pings, 1)
		last, smooth := e.room.connection().(*Conn).RTT()
		require.Positive(t, last)
		require.Positive(t, smooth)
		_ = c.Close()
		<-c.done
	})
}

func TestPeerThatStopsReadingIsSkippedThenClosed(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		f, err := c.read()
		require.NoError(t, err)
		require.Equal(t, "welcome", string(f.payload))
		settle()
		conn := e.room.connection()
		require.True(t, conn.Ready())
		require.NoError(t, conn.Send([]byte("one that nobody reads")))
		for range 9 {
			require.False(t, conn.Ready())
			require.ErrorIs(t, conn.Send([]byte("skipped")), player.ErrCongested)
			time.Sleep(time.Second)
		}
		require.Zero(t, e.room.losses())
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, e.room.losses())
		require.Equal(t, int64(1), e.Stats().Closed(protocol.CodeSlowReader))
		require.Equal(t, int64(9), e.Stats().Congested.Load())
		_, err = c.read()
		require.Error(t, err, "nothing is written after a frame that was cut")
		_ = c.Close()
	})
}

func TestSlowButSteadyReaderGetsALargeMessage(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		_, err := c.read()
		require.NoError(t, err)
		settle()
		conn := e.room.connection()
		large := bytes.Repeat([]byte{7}, 50<<10)
		require.NoError(t, conn.Send(large))
		buf := make([]byte, 2<<10) // 2 KiB a second: 25 s
		got := 0
		for got < len(large)+10 {
			time.Sleep(time.Second)
			n, err := c.br.Read(buf)
			require.NoError(t, err)
			got += n
		}
		settle()
		require.True(t, conn.Ready())
		_ = c.Close()
	})
}

func TestASteadyReaderThatIsTooSlowInAllIsCutOff(t *testing.T) {
	within(t, Config{WriteTimeout: time.Second}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		_, err := c.read()
		require.NoError(t, err)
		settle()
		conn := e.room.connection()
		require.NoError(t, conn.Send(bytes.Repeat([]byte{7}, 64<<10)))
		buf := make([]byte, 180) // 18,000 bytes a second: enough for each 16 KiB, too little for 64
		began := time.Now()
		for err == nil {
			time.Sleep(10 * time.Millisecond)
			_, err = c.br.Read(buf)
		}
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.5)
		settle()
		require.Equal(t, int64(1), e.Stats().Closed(protocol.CodeSlowReader))
	})
}

func TestFarewellWaitsBehindWhatIsPending(t *testing.T) {
	for _, c := range []struct {
		name   string
		result []byte
		want   []byte
	}{
		{"with a result", []byte{0xa3, 'w', 'o', 'n'}, []byte{0xa3, 'w', 'o', 'n'}},
		{"with one too large to wait", append([]byte{0xc6, 0, 8, 0, 0}, make([]byte, maxLast)...), []byte{0xc0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, Config{}, func(t *testing.T, e *edge) {
				cl := e.connect("ticket=" + e.ticket())
				_, err := cl.read()
				require.NoError(t, err)
				settle()
				conn := e.room.connection()
				require.NoError(t, conn.Send([]byte("pending")))
				conn.Close(protocol.CodeRoomEnded, "over", c.result)
				time.Sleep(2 * DefaultLinger)
				reason, result := cl.listen().ended(protocol.CodeRoomEnded)
				require.Equal(t, "over", reason)
				require.Equal(t, c.want, result)
				require.Equal(t, "pending", string(cl.all[0].payload))
			})
		})
	}
}

func TestWhatIsSentLastHasTimeToLeaveASlowLine(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		_, err := c.read()
		require.NoError(t, err)
		settle()
		conn := e.room.connection().(*Conn)
		require.NoError(t, conn.Send(bytes.Repeat([]byte("a"), 20<<10)))
		require.False(t, conn.Ready())
		require.ErrorIs(t, conn.Send([]byte("b")), player.ErrCongested)
		require.NoError(t, conn.SendLast([]byte("scores "), []byte("of all")))
		require.NoError(t, conn.SendLast(bytes.Repeat([]byte("c"), 30<<10)))
		require.ErrorIs(t, conn.SendLast(make([]byte, maxLast)), player.ErrCongested, "it is bounded")
		conn.Close(protocol.CodeRoomEnded, "over", bytes.Repeat([]byte{0xc0}, 1))
		require.ErrorIs(t, conn.SendLast([]byte("late")), net.ErrClosed)
		time.Sleep(DefaultFarewell - 100*time.Millisecond) // the line takes its time
		c.listen().ended(protocol.CodeRoomEnded)
		all := c.frames()
		require.Len(t, all, 5)
		require.Equal(t, "scores of all", string(all[1].payload))
		require.Len(t, all[2].payload, 30<<10)
		time.Sleep(DefaultLinger)
		require.Zero(t, e.Stats().Open.Load())
	})
}

func TestCloseDoesNotWaitForADeafPeer(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		_, err := c.read()
		require.NoError(t, err)
		settle()
		began := time.Now()
		e.room.connection().Close(protocol.CodeKicked, "away with you", nil)
		require.Zero(t, time.Since(began))
		time.Sleep(DefaultFarewell + time.Millisecond)
		require.Zero(t, e.Stats().Open.Load())
		require.Equal(t, 1, e.room.losses())
		_ = c.Close()
	})
}

func TestRefusedJoinSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		hang bool
		code protocol.Code
		says string
	}{
		{name: "by the game", err: room.Errorf("no_ship", "no ships left"), code: protocol.CodeRefused, says: "no ships left"},
		{name: "by the game, plainly", err: errRefusedByGame, code: protocol.CodeRefused, says: "no ships left"},
		{name: "the room has ended", err: room.ErrClosed, code: protocol.CodeGone},
		{name: "the room is full", err: room.ErrFull, code: protocol.CodeGone},
		{name: "the room hangs", hang: true, code: protocol.CodeRoomStuck},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, Config{}, func(t *testing.T, e *edge) {
				e.room.set(func(r *fakeRoom) { r.err, r.hang = c.err, c.hang })
				cl := e.connect("ticket=" + e.ticket()).listen()
				cl.write(2, []byte{0xc1}) // what is sent meanwhile does not matter
				reason, _ := cl.ended(c.code)
				require.Contains(t, reason, c.says)
				time.Sleep(2 * DefaultLinger)
				require.Zero(t, e.lobby.seatsTaken())
				require.Zero(t, e.room.losses())
			})
		})
	}
}

func TestCloseReachesThoseWhoStillWaitForASeat(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		e.room.set(func(r *fakeRoom) { r.hang = true })
		c := e.connect("ticket=" + e.ticket()).listen()
		settle()
		require.NoError(t, e.Close(context.Background()))
		c.ended(protocol.CodeShuttingDown)
		require.Zero(t, e.lobby.seatsTaken())
	})
}

func TestCloseCutsWhoeverLingersTooLong(t *testing.T) {
	within(t, Config{Linger: time.Hour}, func(t *testing.T, e *edge) {
		c := e.connect("ticket=" + e.ticket())
		settle()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		require.NoError(t, e.Close(ctx))
		require.Equal(t, time.Second, time.Since(began))
		_ = c.Close()
	})
}

func TestClientThatDoesNotWaitForTheUpgradeIsCutOff(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		c := e.dial()
		r := newGet("ticket=" + e.ticket())
		r.Header = upgradeHeaders()
		var b bytes.Buffer
		require.NoError(t, r.Write(&b))
		b.Write(mask(2, say("early")))
		_, _ = c.Write(b.Bytes())
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err)
		require.Zero(t, e.lobby.seatsTaken())
		_ = c.Close()
	})
}
