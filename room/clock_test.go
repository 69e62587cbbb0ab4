package room

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClockDeadlinesDoNotDrift(t *testing.T) {
	start := time.Unix(1000, 0)
	c := NewClock(30, start)
	made := 0
	// A room that is always 3 ms late still makes 30 ticks a second.
	for s := 0; s < 3600*30; s++ {
		made += c.Advance(c.Next().Add(3 * time.Millisecond))
	}
	require.Equal(t, 3600*30, made)
	require.Equal(t, start.Add(time.Hour), c.due(c.done))
	require.Zero(t, c.Skipped)
}

func TestClockAdvance(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, test := range []struct {
		name    string
		after   time.Duration
		ticks   int
		skipped time.Duration
		next    time.Duration // after start
	}{
		{"before the first deadline", 49 * time.Millisecond, 0, 0, 50 * time.Millisecond},
		{"on the deadline", 50 * time.Millisecond, 1, 0, 100 * time.Millisecond},
		{"late by less than a tick", 99 * time.Millisecond, 1, 0, 100 * time.Millisecond},
		{"late by what can be made up for", 270 * time.Millisecond, 5, 0, 300 * time.Millisecond},
		{"late by more", 520 * time.Millisecond, 5, 250 * time.Millisecond, 550 * time.Millisecond},
		{"time running backwards", -time.Second, 0, 0, 50 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewClock(20, start)
			require.Equal(t, test.ticks, c.Advance(start.Add(test.after)))
			require.Equal(t, test.skipped, c.Skipped)
			require.Equal(t, start.Add(test.next), c.Next())
		})
	}
}

func TestClockResumesWithoutTheTimeAsleep(t *testing.T) {
	for _, rate := range []int{7, 10, 30, 60} {
		c := NewClock(rate, time.Unix(0, 0))
		for n := range 100 { // whatever a tick's share of a rounded nanosecond is
			now := c.Next().Add(time.Minute)
			c.Resume(now)
			require.Equal(t, now, c.Next())
			require.Equal(t, 1, c.Advance(now))
			require.EqualValues(t, n+1, c.done)
		}
		require.Zero(t, c.Skipped)
	}
}

func TestClockJumpsToTheTickThatIsDue(t *testing.T) {
	c := NewClock(10, time.Unix(0, 0))
	require.EqualValues(t, 1, c.Jump(time.Unix(0, 1)), "at least one tick, even if none is due")
	require.EqualValues(t, 49, c.Jump(time.Unix(5, 0)))
	require.EqualValues(t, 50, c.done)
}
