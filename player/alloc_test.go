package player_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

type echo struct{ beat player.Beat }

func (e *echo) Ping(payload []byte) bool {
	e.beat.Pong(time.Now(), payload)
	return true
}

func (*echo) Close(protocol.Code, string, []byte) {}

func TestHeartbeatsDoNotAllocate(t *testing.T) {
	w := player.NewWheel(0)
	conns := make([]echo, 120)
	for i := range conns {
		w.Add(&conns[i].beat, &conns[i])
	}
	require.Zero(t, testing.AllocsPerRun(600, w.Advance))
	last, smooth := conns[0].beat.RTT()
	require.Positive(t, last)
	require.Positive(t, smooth)
}

func BenchmarkWheel(b *testing.B) {
	w := player.NewWheel(0)
	conns := make([]echo, 10_000)
	for i := range conns {
		w.Add(&conns[i].beat, &conns[i])
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 60 {
			w.Advance()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(conns)), "ns/heartbeat")
}
