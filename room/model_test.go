package room_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// TestRandomLivesOfPlayers lets players join, play, stall, lose their connections, resume, take their
// own seat over, stay away for too long and leave at random, and compares what they know with a player whom nothing befalls.
// No seat may be lost or doubled, every event must arrive once and in order, and every input be taken once and in
// order, though connections break with inputs on their way and clients repeat them.
func TestRandomLivesOfPlayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seats, ticks, tick = 12, 3000, 50 * time.Millisecond
		rnd := rand.New(rand.NewPCG(3, 4))
		seen := &watchful{taken: map[uint32]uint32{}, away: map[uint32]bool{}}
		k := stormKind(20)
		k.New = func(s *room.Setup) (room.Game[Shot], error) {
			g, err := stormKind(20).New(s)
			seen.calm = calm{g.(*storm)}
			return seen, err
		}
		r := start(t, k)
		witness, sw := r.join("Witness")
		type life struct {
			c       *client
			s       *player.Session
			seq     uint32 // of the newest input made
			sent    bool   // all that the room has not consumed were sent on this connection
			first   int    // index of the first event in the witness's list
			stalled bool
			steady  int // ticks since the connection last was new or stalled
			away    bool
			since   time.Time
		}
		var lives [seats]*life
		joined, left, resumed, replaced, expired := 1, 0, 0, 0, 0
		// play sends the inputs after those that the client knows to be consumed.
		play := func(l *life, consumed uint32) {
			b := protocol.InputHead{Seq: consumed + 1, Ack: l.c.replica.Tick()}.Append(nil, int(l.seq-consumed))
			for seq := consumed + 1; seq <= l.seq; seq++ {
				b = append(b, 0x92, byte(aimOf(seq)), 0xc3)
			}
			send(t, l.s, l.c, b)
		}
		for range ticks {
			time.Sleep(tick)
			synctest.Wait()
			require.NoError(t, witness.readAndAck(sw))
			seated := r.Info().Players
			require.LessOrEqual(t, seated, seats+1)
			require.Equal(t, seated, r.users.Len(), "one session for each seat")
			require.Equal(t, seated, witness.replica.Len(0), "one entity for each seat")
			for i, l := range lives {
				if l == nil {
					if rnd.IntN(20) == 0 {
						c, s := r.join(fmt.Sprint("p", joined)) // users differ: one would take over a seat that it never heard of
						joined++
						lives[i] = &life{c: c, s: s, first: -1}
					}
					continue
				}
				if l.c.closeError() != nil {
					require.Contains(t, []protocol.Code{protocol.CodeNormal, protocol.CodeGone}, l.c.closeError().Code)
					lives[i] = nil
					left++
					continue
				}
				if l.away {
					if rnd.IntN(15) != 0 {
						continue
					}
					last := l.c.tick()
					c := &client{replica: l.c.replica, events: l.c.events, welcome: protocol.Welcome{Token: l.c.welcome.Token}}
					_, err := r.Resume(t.Context(), room.Resume{Token: l.c.welcome.Token, Tick: last, Conn: c})
					switch gone := time.Since(l.since); {
					case gone < k.Grace: // the room learns of the loss in the tick after it
						require.NoError(t, err)
					case gone > k.Grace+2*tick:
						require.ErrorIs(t, err, room.ErrToken)
					}
					if err != nil {
						lives[i] = nil
						left++
						expired++
						continue
					}
					resumed++
					l.c, l.away, l.sent, l.steady = c, false, false, 0
					continue
				}
				switch n := rnd.IntN(300); {
				case n == 0:
					send(t, l.s, l.c, protocol.AppendLeave(nil))
					continue
				case n < 4: // the connection breaks, with messages on their way
					_, err := l.c.read(rnd.IntN(4))
					require.NoError(t, err)
					l.c.drop()
					if l.c.tick() > 0 {
						l.seq += uint32(rnd.IntN(4)) // these do not arrive
					}
					r.Lost(l.s, l.c)
					l.away, l.since = true, time.Now()
					continue
				case n < 6: // a second tab
					c, old := &client{welcome: protocol.Welcome{Token: l.c.welcome.Token}}, l.c
					_, err := r.Resume(t.Context(), room.Resume{Token: old.welcome.Token, Tick: old.tick(), Key: true, Conn: c})
					require.NoError(t, err)
					replaced++
					require.Equal(t, protocol.CodeReplaced, old.closeError().Code)
					send(t, l.s, old, protocol.AppendLeave(nil)) // what the first one still says does not count
					r.Lost(l.s, old)                             // nor that its reader ends
					c.events = old.events
					l.c, l.sent, l.stalled, l.steady = c, false, false, 0
					continue
				case n < 16:
					l.stalled = !l.stalled
					l.c.setFull(l.stalled)
				}
				if l.steady++; l.stalled {
					l.steady = 0
				}
				if l.stalled && rnd.IntN(2) == 0 {
					continue
				}
				require.NoError(t, l.c.readAndAck(l.s))
				if l.c.tick() == 0 {
					continue
				}
				if l.steady > 3 {
					require.GreaterOrEqual(t, l.c.replica.Tick(), witness.replica.Tick(), "nobody who reads is forgotten")
				}
				l.seq++
				switch {
				case !l.sent:
					play(l, l.c.welcome.LastInput)
					l.sent = true
				case rnd.IntN(3) == 0: // some again
					play(l, max(l.seq, 3)-3)
				default:
					play(l, l.seq-1)
				}
				if rnd.IntN(20) == 0 {
					send(t, l.s, l.c, protocol.AppendMessage(nil, 0, "label", encode(t, Say{"x"})))
				}
				if l.c.replica.Tick() == witness.replica.Tick() && len(l.c.events) > 0 {
					have := witness.events[len(witness.events)-len(l.c.events):]
					require.Equal(t, have, l.c.events, "every event once and in order")
				}
			}
		}
		for what, n := range map[string]int{"left": left, "resumed": resumed, "replaced": replaced, "expired": expired} {
			require.Greater(t, n, 20, "enough has %s", what)
		}
		time.Sleep(3 * time.Second) // every grace period is over
		synctest.Wait()
		for _, l := range lives {
			switch {
			case l == nil || l.c.closeError() != nil:
			case l.away:
				expired++
			default:
				l.c.setFull(false)
				if l.sent {
					require.Equal(t, l.seq, seen.taken[l.s.Number], "no input is lost")
				}
			}
		}
		require.EqualValues(t, resumed+replaced, r.stats.Resumes.Load())
		require.EqualValues(t, expired, r.stats.Expired.Load())
		require.NoError(t, witness.readAndAck(sw))
		require.NoError(t, r.stop())
		require.EqualValues(t, joined, r.free.Load(), "every seat was given back exactly once")
		require.EqualValues(t, joined, r.stats.Leaves.Load())
		require.Zero(t, r.users.Len())
		require.Equal(t, 1, witness.keys)
		require.Empty(t, seen.faults)
	})
}

// calm is a storm that neither refuses nor kicks, and tells everybody the number of each tenth tick.
type calm struct{ *storm }

func (g calm) Join(t *room.Tick, p *room.Player) error {
	id, d := g.dust.Add(p.Number())
	g.ids[p.Number()] = id
	d.Label = p.Name()
	return nil
}

func (g calm) Step(t *room.Tick, inputs []room.Input[Shot]) {
	for _, in := range inputs {
		d := g.dust.Get(g.ids[in.Player.Number()])
		d.VX = float64(in.Value.Aim)
		d.X += d.VX * t.Delta()
		d.Mine++
	}
	if t.Number()%10 == 0 {
		t.Broadcast("tick", t.Number())
	}
}

// watchful is a calm that looks at what befalls its players. Input number n must aim as aimOf tells.
type watchful struct {
	calm
	taken  map[uint32]uint32 // the newest input of each player
	away   map[uint32]bool
	faults []string
}

func aimOf(seq uint32) int16 { return int16(seq % 10) }

func (g *watchful) Away(t *room.Tick, p *room.Player) {
	g.expect(!g.away[p.Number()], "player %d is away twice", p.Number())
	g.away[p.Number()] = true
	g.calm.Away(t, p)
}

func (g *watchful) Back(t *room.Tick, p *room.Player) {
	g.expect(g.away[p.Number()], "player %d is back without having been away", p.Number())
	g.away[p.Number()] = false
	g.calm.Back(t, p)
}

func (g *watchful) Step(t *room.Tick, inputs []room.Input[Shot]) {
	for _, in := range inputs {
		n := in.Player.Number()
		g.expect(in.Player.Away() == g.away[n], "tick %d: player %d was not told of", t.Number(), n)
		if in.Held {
			continue
		}
		g.expect(in.Seq > g.taken[n], "tick %d: input %d of player %d after %d", t.Number(), in.Seq, n, g.taken[n])
		g.expect(g.away[n] || in.Value.Aim == aimOf(in.Seq), "tick %d: input %d of player %d is another one", t.Number(), in.Seq, n)
		g.taken[n] = in.Seq
	}
	g.calm.Step(t, inputs)
}

func (g *watchful) expect(ok bool, format string, args ...any) {
	if !ok && len(g.faults) < 5 { // more would say no more
		g.faults = append(g.faults, fmt.Sprintf(format, args...))
	}
}
