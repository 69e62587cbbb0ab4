package room_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// scrap is a row of which players make too many.
type scrap struct {
	Text string `sync:"text"`
}

func hoard(left *[]room.Cause) room.Kind[struct{}] {
	return kind(func(s *room.Setup) room.Game[struct{}] {
		scraps := room.Table[scrap](s, "scrap")
		room.Handle(s, "hoard", func(t *room.Tick, p *room.Player, n int) (struct{}, error) {
			for range n {
				_, row := scraps.Add(0)
				row.Text = strings.Repeat("x", 100)
			}
			return struct{}{}, nil
		})
		return &rig{leave: func(_ *room.Tick, _ *room.Player, why room.Cause) { *left = append(*left, why) }}
	})
}

func TestARoomThatOutgrowsItsMemoryIsEnded(t *testing.T) {
	var left []room.Cause
	k := hoard(&left)
	k.MaxMemory = 1 << 20
	stats := new(room.Stats)
	m, err := room.NewManual(t.Context(), k, room.Config{ID: "r1", Stats: stats, Log: silent})
	require.NoError(t, err)
	c, s := joinManual(t, m, "Ada")
	send(t, s, c, protocol.AppendMessage(nil, 1, "hoard", []byte{0xcd, 0x03, 0xe8})) // 1000
	for range 3 * room.DefaultTickRate {
		over, err := m.Tick() // nobody acknowledges: the ring fills all the same
		require.NoError(t, err)
		require.False(t, over, "below the limit")
	}
	send(t, s, c, protocol.AppendMessage(nil, 2, "hoard", []byte{0xcd, 0x75, 0x30})) // 30000
	over := false
	for range 3 * room.DefaultTickRate {
		if over, err = m.Tick(); over {
			break
		}
	}
	require.True(t, over)
	require.NoError(t, err, "nothing panicked")
	require.EqualValues(t, 1, stats.Outgrown.Load())
	require.Equal(t, protocol.CodeRoomFailed, c.closeError().Code)
	require.Equal(t, []room.Cause{room.CauseEnded}, left, "the game may still save")
}

func TestAnEmptyRoomKeepsNoRing(t *testing.T) {
	var left []room.Cause
	m, err := room.NewManual(t.Context(), hoard(&left), room.Config{ID: "r1", Log: silent})
	require.NoError(t, err)
	c, s := joinManual(t, m, "Ada")
	for range 2 * protocol.Ring {
		send(t, s, c, protocol.AppendMessage(nil, 1, "hoard", []byte{10}))
		_, err = m.Tick()
		require.NoError(t, err)
	}
	full := m.Room().Memory()
	require.Greater(t, full, 20*protocol.Ring*100)
	send(t, s, c, protocol.AppendLeave(nil))
	_, err = m.Tick()
	require.NoError(t, err)
	require.Less(t, m.Room().Memory(), full/2)
	c, s = joinManual(t, m, "Bob")
	for range 10 { // in parts
		require.NoError(t, c.readAndAck(s))
		_, err = m.Tick()
		require.NoError(t, err)
	}
	require.Equal(t, 20*protocol.Ring, c.replica.Len(0), "the world is still there")
}

func joinManual(t *testing.T, m *room.Manual, name string) (*client, *player.Session) {
	t.Helper()
	c := new(client)
	s, err := m.Join(room.Join{Who: room.Identity{User: "user-" + name, Name: name}, Conn: c})
	require.NoError(t, err)
	return c, s
}
