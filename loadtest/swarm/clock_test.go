package swarm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

func TestQuickestAnswerSetsTheRoomsClock(t *testing.T) {
	var c roomClock
	_, known := c.at(0, 20)
	require.False(t, known)
	at := func(now time.Duration) float64 {
		v, known := c.at(now, 20)
		require.True(t, known)
		return v
	}
	// The room is 100 ticks ahead. The first answer took 2 s, all of it on the way back.
	c.sample(time.Second, 3*time.Second, protocol.Moment{Tick: 120}, 20)
	require.InDelta(t, 140, at(3*time.Second), 1e-9, "wrong by half a round trip")
	c.sample(4*time.Second, 4010*time.Millisecond, protocol.Moment{Tick: 180, Fraction: 26}, 20)
	require.InDelta(t, 200, at(5*time.Second), 0.01)
	c.sample(5*time.Second, 6*time.Second, protocol.Moment{Tick: 200}, 20)
	require.InDelta(t, 200, at(5*time.Second), 0.01, "a slow answer changes nothing")
	c.sample(20*time.Second, 20011*time.Millisecond, protocol.Moment{Tick: 510}, 20)
	require.Greater(t, at(20*time.Second), 505., "but a newer one as good does")

	c.sample(21*time.Second, 21010*time.Millisecond, protocol.Moment{Tick: 530, Fraction: 26}, 20)
	require.InDelta(t, 530, at(21*time.Second), 0.01)
	// The room was held up for a second and skipped half of that. Even a slow answer tells.
	c.sample(23*time.Second, 23100*time.Millisecond, protocol.Moment{Tick: 561}, 20)
	require.InDelta(t, 560, at(23*time.Second), 0.01)
}
