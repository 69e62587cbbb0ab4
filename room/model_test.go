package room_test

import (
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
// own seat over and leave at random, and compares what they know with a player whom nothing befalls. No
// seat may be lost or doubled, and every event must arrive once and in order.
func TestRandomLivesOfPlayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seats, ticks = 12, 3000
		rnd := rand.New(rand.NewPCG(3, 4))
		k := stormKind(20)
		k.New = func(s *room.Setup) (room.Game[Shot], error) {
			g, err := stormKind(20).New(s)
			return calm{g.(*storm)}, err
		}
		r := start(t, k)
		witness, sw := r.join("Witness")
		type life struct {
			c       *client
			s       *player.Session
			seq     uint32
			first   int // index of the first event in the witness's list
			stalled bool
			away    bool
		}
		var lives [seats]*life
		joined, left := 1, 0
		for range ticks {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, witness.readAndAck(sw))
			seated := r.Info().Players
			require.LessOrEqual(t, seated, seats+1)
			require.Equal(t, seated, r.users.Len(), "one session for each seat")
			require.Equal(t, seated, witness.replica.Len(0), "one entity for each seat")
			for i, l := range lives {
				if l == nil {
					if rnd.IntN(20) == 0 {
						c, s := r.join("p")
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
					c := &client{replica: l.c.replica, events: l.c.events, welcome: l.c.welcome}
					_, err := r.Resume(t.Context(), room.Resume{Token: l.c.welcome.Token, Tick: last, Conn: c})
					if err != nil {
						require.ErrorIs(t, err, room.ErrToken)
						lives[i] = nil
						left++
						continue
					}
					l.c, l.away = c, false
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
					r.Lost(l.s, l.c)
					l.away = true
					continue
				case n < 6: // a second tab
					c := &client{welcome: l.c.welcome}
					_, err := r.Resume(t.Context(), room.Resume{Token: l.c.welcome.Token, Tick: l.c.tick(), Key: true, Conn: c})
					require.NoError(t, err)
					require.Equal(t, protocol.CodeReplaced, l.c.closeError().Code)
					c.events = l.c.events
					l.c = c
					continue
				case n < 16:
					l.stalled = !l.stalled
					l.c.setFull(l.stalled)
				}
				if l.stalled && rnd.IntN(2) == 0 {
					continue
				}
				require.NoError(t, l.c.readAndAck(l.s))
				if l.c.tick() == 0 {
					continue
				}
				l.seq = max(l.seq, l.c.lastInput) + 1
				b := protocol.InputHead{Seq: l.seq, Ack: l.c.replica.Tick()}.Append(nil, 1)
				send(t, l.s, l.c, append(b, 0x92, byte(rnd.IntN(10)), 0xc3))
				if rnd.IntN(20) == 0 {
					send(t, l.s, l.c, protocol.AppendMessage(nil, 0, "label", encode(t, Say{"x"})))
				}
				if l.c.replica.Tick() == witness.replica.Tick() && len(l.c.events) > 0 {
					have := witness.events[len(witness.events)-len(l.c.events):]
					require.Equal(t, have, l.c.events, "every event once and in order")
				}
			}
		}
		require.Greater(t, left, 20, "enough has happened")
		time.Sleep(3 * time.Second) // every grace period is over
		synctest.Wait()
		for _, l := range lives {
			if l == nil || l.away || l.c.closeError() != nil {
				continue
			}
			l.c.setFull(false)
		}
		require.NoError(t, witness.readAndAck(sw))
		require.NoError(t, r.stop())
		require.EqualValues(t, joined, r.free.Load(), "every seat was given back exactly once")
		require.EqualValues(t, joined, r.stats.Leaves.Load())
		require.Zero(t, r.users.Len())
		require.Equal(t, 1, witness.keys)
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
