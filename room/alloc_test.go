package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
)

// sink is a connection that takes everything and keeps nothing.
type sink struct {
	bytes, messages int
}

func (s *sink) Send(parts ...[]byte) error {
	for _, p := range parts {
		s.bytes += len(p)
	}
	s.messages++
	return nil
}
func (*sink) Ready() bool                         { return true }
func (*sink) Close(protocol.Code, string, []byte) {}
func (*sink) RemoteAddr() string                  { return "192.0.2.1" }

// crowd is a room driven by hand with n players who send an input each tick.
type crowd struct {
	m        *room.Manual
	conns    []*sink
	sessions []*player.Session
	tick     uint32
	inputs   []byte
}

func newCrowd(tb testing.TB, n int) *crowd {
	k := Kind
	k.MaxPlayers = n
	m, err := room.NewManual(tb.Context(), k, room.Config{ID: "crowd", Limits: player.Limits{Messages: 1e6, Bytes: 1e9}})
	require.NoError(tb, err)
	c := &crowd{m: m}
	for i := range n {
		conn := new(sink)
		s, err := m.Join(room.Join{Who: room.Identity{Name: fmt.Sprint(i)}, Conn: conn})
		require.NoError(tb, err)
		c.conns, c.sessions, c.tick = append(c.conns, conn), append(c.sessions, s), c.tick+1
		c.ack(tb)
	}
	return c
}

func (c *crowd) ack(tb testing.TB) {
	for i, s := range c.sessions {
		if err := s.Receive(c.conns[i], c.m.Now(), protocol.AppendAck(c.inputs[:0], c.tick)); err != nil {
			tb.Fatal(err)
		}
	}
}

// step makes a tick in which every player has sent an input.
func (c *crowd) step(tb testing.TB) {
	c.tick++
	for i, s := range c.sessions {
		b := protocol.InputHead{Seq: c.tick, View: protocol.Moment{Tick: c.tick - 2}, Ack: c.tick - 1}.Append(c.inputs[:0], 1)
		b = wire.AppendArray(b, 2)
		b = wire.AppendInt(b, int64(i%3)-1)
		b = wire.AppendInt(b, int64(c.tick/7%3)-1)
		c.inputs = b
		if err := s.Receive(c.conns[i], c.m.Now(), b); err != nil {
			tb.Fatal(err)
		}
	}
	if over, err := c.m.Tick(); over || err != nil {
		tb.Fatal(over, err)
	}
}

func TestATickAllocatesNothing(t *testing.T) {
	c := newCrowd(t, 50)
	for range 200 {
		c.step(t)
	}
	before := c.conns[0].messages
	require.Zero(t, testing.AllocsPerRun(100, func() { c.step(t) }), "inbound decode, step, snapshot and send of 50 players")
	require.Equal(t, before+101, c.conns[0].messages)
}

func TestAskingTheClockAllocatesNothing(t *testing.T) {
	c := newCrowd(t, 1)
	b := protocol.AppendTime(nil, 12.5)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := c.sessions[0].Receive(c.conns[0], c.m.Now(), b); err != nil {
			t.Fatal(err)
		}
	}))
}

func BenchmarkTick(b *testing.B) {
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprintf("players=%d", n), func(b *testing.B) {
			c := newCrowd(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			start, bytes := time.Now(), c.conns[0].bytes
			for range b.N {
				c.step(b)
			}
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N*n), "ns/snapshot")
			b.ReportMetric(float64(c.conns[0].bytes-bytes)/float64(b.N), "B/snapshot")
		})
	}
}
