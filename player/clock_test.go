package player_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
)

// stepped is t after the wall clock was set an hour ahead: its monotonic reading is the same. The layout is time.Time's: the
// wall clock's seconds stand above 30 bits of nanoseconds.
func stepped(t time.Time) time.Time {
	const hour = 3600 << 30
	*(*uint64)(unsafe.Pointer(&t)) += hour
	return t
}

func TestABanShowsWhatHoldsAfterTheClockWasSet(t *testing.T) {
	var r player.Registry
	now := time.Now()
	r.Ban("eve", now.Add(10*time.Minute), "cheating")
	later := stepped(now)
	require.Zero(t, later.Sub(now), "no time has passed")
	require.Equal(t, time.Hour, later.Round(0).Sub(now.Round(0)), "by the wall clock it has")

	until, _, banned := r.Banned(later, "eve")
	require.True(t, banned, "an hour of the wall clock is none")
	require.Equal(t, 10*time.Minute, until.Round(0).Sub(later.Round(0)), "it is shown as it holds, by the clock on the wall")
	list := r.Bans(later)
	require.Len(t, list, 1)
	require.Equal(t, until, list[0].Until)
	_, _, banned = r.Banned(later.Add(10*time.Minute), "eve")
	require.False(t, banned)
}
