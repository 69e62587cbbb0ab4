package room_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Mote is one of few ids, so that one is used again soon.
type Mote struct {
	Kind int `sync:"kind"`
}

// An id that was freed and used again while a client was away, or stalled for longer than the ring holds, is a leave and an
// enter for it.
func TestAnIDThatWasUsedAgainMeanwhileIsALeaveAndAnEnter(t *testing.T) {
	for _, how := range []string{"away", "stalled", "away without its world"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, kind(func(s *room.Setup) room.Game[struct{}] {
					motes := room.Table[Mote](s, "mote")
					return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
						switch t.Number() {
						case 1:
							motes.Add(0)
							_, m := motes.Add(0)
							m.Kind = 5
						case 10:
							motes.Remove(1)
						case 60:
							_, m := motes.Add(0)
							m.Kind = 1
						}
					}}
				}))
				c, s := r.join("Ada")
				require.NoError(t, c.readAndAck(s))
				var seen []state.Change
				c.replica.Observe(func(ch state.Change) { seen = append(seen, ch) })
				if how == "stalled" {
					c.setFull(true)
				} else {
					r.Lost(s, c)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.Empty(t, seen)
				if how == "stalled" {
					c.setFull(false)
				} else {
					again := &client{replica: c.replica}
					_, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: c.replica.Tick(), Key: how != "away", Conn: again})
					require.NoError(t, err)
					c = again
				}
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				require.NoError(t, c.readAndAck(s))
				require.Equal(t, []state.Change{{Table: 0, ID: 1, What: state.Left}, {Table: 0, ID: 1, What: state.Entered}}, seen)
				require.NoError(t, r.stop())
			})
		})
	}
}
