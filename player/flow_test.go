package player_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
)

const step = 50 * time.Millisecond

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fill sends snapshots from tick on until f is closed, and returns how many.
func fill(f *player.Flow, tick uint32, now time.Time) int {
	for n := 0; ; n++ {
		if !f.Open(start, step) {
			return n
		}
		f.Sent(tick+uint32(n), false, now)
	}
}

func TestFlowAllowsWhatTheRoundTripExplains(t *testing.T) {
	for _, c := range []struct {
		rtt  time.Duration
		want int // unacknowledged at the most
	}{
		{time.Millisecond, 3}, {50 * time.Millisecond, 3}, {51 * time.Millisecond, 4}, {200 * time.Millisecond, 6},
		{time.Minute, 32}, // as many as there are marks for
	} {
		t.Run(c.rtt.String(), func(t *testing.T) {
			var f player.Flow
			f.Sent(1, false, start)
			require.NoError(t, f.Ack(1, start.Add(c.rtt)))
			require.Equal(t, c.rtt, f.MinRTT())
			require.Equal(t, c.want, fill(&f, 2, start.Add(c.rtt)))
			later := start.Add(2 * c.rtt)
			require.NoError(t, f.Ack(uint32(c.want), later))
			require.False(t, f.Open(later, step), "held back for the first time: the line runs dry, to be measured")
			require.NoError(t, f.Ack(uint32(c.want+1), later))
			require.Equal(t, c.want, fill(&f, uint32(c.want+2), later))
		})
	}
}

func TestFlowBeforeTheFirstRoundTrip(t *testing.T) {
	var f player.Flow
	require.Zero(t, f.MinRTT())
	require.Equal(t, 5, fill(&f, 1, start))
	require.NoError(t, f.Ack(5, start.Add(time.Hour)), "whoever acknowledges late gets more")
	require.True(t, f.Open(start, step))
}

func TestFlowRefusesWhatWasNeverSent(t *testing.T) {
	var f player.Flow
	require.Error(t, f.Ack(1, start))
	f.Sent(7, false, start)
	require.Error(t, f.Ack(8, start))
	require.NoError(t, f.Ack(7, start.Add(step)))
	require.NoError(t, f.Ack(7, start.Add(time.Hour)), "again does no harm")
	require.NoError(t, f.Ack(3, start.Add(time.Hour)), "nor does an old one")
	require.Equal(t, uint32(7), f.Acked())
	require.Equal(t, step, f.MinRTT())
}

func TestFlowTakesNoRoundTripFromASkippedTick(t *testing.T) {
	var f player.Flow
	f.Sent(10, false, start)
	f.Sent(20, false, start.Add(step))
	require.NoError(t, f.Ack(15, start.Add(time.Second)))
	require.Zero(t, f.MinRTT(), "snapshot 15 was not sent: it measures nothing")
	require.Equal(t, uint32(15), f.Acked())
}

func TestFlowForgetsTheShortestRoundTripInTime(t *testing.T) {
	var f player.Flow
	now := start
	tick := uint32(0)
	for i := range 400 { // 20 s
		tick++
		f.Sent(tick, false, now)
		rtt := 20 * time.Millisecond
		if i >= 100 { // after 5 s the player walks away from the access point
			rtt = 300 * time.Millisecond
		}
		require.NoError(t, f.Ack(tick, now.Add(rtt)))
		now = now.Add(step)
		if i == 110 {
			require.Equal(t, 20*time.Millisecond, f.MinRTT())
		}
	}
	require.Equal(t, 300*time.Millisecond, f.MinRTT())
}

func TestFlowStartsOverOnANewConnection(t *testing.T) {
	var f player.Flow
	fill(&f, 1, start)
	f.Reset(3)
	require.Equal(t, uint32(3), f.Acked())
	require.True(t, f.Open(start, step))
	require.Error(t, f.Ack(4, start), "the new connection got nothing yet")
}

// FuzzFlow: whatever is sent and acknowledged, the state stays within its bounds.
func FuzzFlow(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 4, 250, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var flow player.Flow
		now, sent, acked := start, uint32(0), uint32(0)
		for _, op := range ops {
			now = now.Add(time.Duration(op) * time.Millisecond)
			switch {
			case op < 128:
				sent += uint32(op)%3 + 1
				flow.Sent(sent, op%16 == 0, now)
			case op < 140:
				flow.Open(now, step)
			case op < 255:
				tick := acked + uint32(op)%8
				err := flow.Ack(tick, now)
				require.Equal(t, tick > sent, err != nil)
				if err == nil {
					acked = max(acked, tick)
				}
			default:
				flow.Reset(sent)
				acked = sent
			}
			require.Equal(t, acked, flow.Acked())
			require.GreaterOrEqual(t, flow.MinRTT(), time.Duration(0))
			if acked == sent {
				require.True(t, flow.Open(now, step))
			}
		}
	})
}

func TestASnapshotThatDidNotLeaveCannotBeAcknowledged(t *testing.T) {
	var f player.Flow
	now := time.Unix(1000, 0)
	f.Reset(0)
	f.Sent(1, false, now)
	f.Sent(2, false, now)
	f.Unsent()
	require.Error(t, f.Ack(2, now))
	require.NoError(t, f.Ack(1, now))
	f.Sent(3, false, now)
	f.Unsent()
	require.Error(t, f.Ack(3, now))
	require.EqualValues(t, 1, f.Acked())
}

func TestFlowMeasuresNothingBehindAKeyframe(t *testing.T) {
	var f player.Flow
	f.Sent(1, true, start)
	require.Equal(t, 4, fill(&f, 2, start))
	at := start.Add(900 * time.Millisecond)
	for tick := range uint32(4) {
		require.NoError(t, f.Ack(tick+1, at))
		require.Zero(t, f.MinRTT(), "the keyframe's bytes took that long, not the way")
		require.False(t, f.Open(at, step), "the line runs dry, to be measured")
	}
	require.NoError(t, f.Ack(5, at))
	require.True(t, f.Open(at, step))

	f.Sent(19, false, at)
	f.Unsent()
	f.Sent(20, false, at) // the last one did not leave: this one measures
	require.NoError(t, f.Ack(20, at.Add(step)))
	require.Equal(t, step, f.MinRTT())
}

func TestWhoAcknowledgesNothingIsSentASnapshotNowAndThen(t *testing.T) {
	var f player.Flow
	now, tick, sent := start, uint32(0), []time.Duration(nil)
	for ; now.Before(start.Add(20 * time.Second)); now = now.Add(step) {
		tick++
		if f.Open(now, step) {
			f.Sent(tick, tick == 1, now)
			sent = append(sent, now.Sub(start).Truncate(time.Second))
		}
	}
	require.Equal(t, []time.Duration{0, 0, 0, 0, 0, 5 * time.Second, 10 * time.Second, 15 * time.Second}, sent)
	require.Equal(t, 20*time.Second, f.Stalled(now))
	require.NoError(t, f.Ack(5, now))
	require.Zero(t, f.Stalled(now))
	require.Equal(t, time.Second, f.Stalled(now.Add(time.Second)), "others are under way")
	require.NoError(t, f.Ack(305, now))
	require.Zero(t, f.Stalled(now.Add(time.Hour)), "nothing is")
	require.True(t, f.Open(now, step))
}
