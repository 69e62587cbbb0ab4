package room_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

func TestWhoDoesNothingIsRemoved(t *testing.T) {
	for name, onDemand := range map[string]bool{"at a fixed rate": false, "on demand": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				causes := map[string]room.Cause{}
				g := &rig{leave: func(_ *room.Tick, p *room.Player, why room.Cause) { causes[p.Name()] = why }}
				k := steered(g)
				k.IdleFor, k.OnDemand = time.Minute, onDemand
				r := start(t, k)
				type who struct {
					*client
					*player.Session
				}
				join := func(name string) who { c, s := r.join(name); return who{c, s} }
				silent, still, moving, writing, late := join("silent"), join("still"), join("moving"), join("writing"), join("late")
				seq := uint32(0)
				input := func(w who, x byte) {
					h := protocol.InputHead{Seq: seq, Ack: w.replica.Tick()}
					send(t, w.Session, w.client, append(h.Append(nil, 1), 0x91, x))
				}
				for i := range 14 {
					for _, w := range []who{silent, still, moving, writing, late} {
						if w.closeError() == nil {
							require.NoError(t, w.readAndAck(w.Session))
						}
					}
					seq++
					if still.closeError() == nil {
						input(still, 5)
					}
					input(moving, byte(i%2))
					send(t, writing.Session, writing.client, protocol.AppendMessage(nil, 0, "anything", []byte{0xc0}))
					if i == 4 {
						input(late, 1)
					}
					time.Sleep(10 * time.Second)
					synctest.Wait()
					if i == 4 {
						require.Nil(t, silent.closeError(), "50 s are no minute")
					}
					if i == 7 {
						require.Nil(t, late.closeError(), "a minute from when something was done")
					}
				}
				for _, w := range []who{silent, still} {
					require.Equal(t, protocol.CodeIdle, w.closeError().Code)
				}
				require.Equal(t, protocol.AdviceStop, protocol.CodeIdle.Advice())
				for _, w := range []who{moving, writing} {
					require.Nil(t, w.closeError())
				}
				require.NotNil(t, late.closeError())
				require.EqualValues(t, 3, r.stats.Idle.Load())
				require.NoError(t, r.stop())
				require.Equal(t, map[string]room.Cause{
					"silent": room.CauseIdle, "still": room.CauseIdle, "late": room.CauseIdle, "moving": room.CauseEnded, "writing": room.CauseEnded,
				}, causes)
			})
		})
	}
}

func TestNobodyIsIdleByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(new(rig)))
		c, s := r.join("Ada")
		for range 60 * 6 {
			require.NoError(t, c.readAndAck(s))
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		require.Nil(t, c.closeError())
		require.NoError(t, r.stop())
	})
}

// wheel is an input with something to say.
type wheel struct {
	X int8 `msgpack:"x"`
}

type steering struct{ *rig }

func (s steering) Step(t *room.Tick, _ []room.Input[wheel]) { s.rig.Step(t, nil) }

func steered(g *rig) room.Kind[wheel] {
	return room.Kind[wheel]{Name: "steered", TickRate: 10, New: func(*room.Setup) (room.Game[wheel], error) { return steering{g}, nil }}
}
