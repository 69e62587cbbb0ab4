package room

import (
	"sync/atomic"
	"time"
)

// Stats counts what happens in rooms; all rooms of a server share one.
type Stats struct {
	Ticks       atomic.Int64
	WorkedNanos atomic.Int64 // time spent in ticks, sending included
	LateNanos   atomic.Int64 // how late ticks began, summed up
	Skipped     atomic.Int64 // nanoseconds of game time skipped, a room being later than it can make up for
	Panics      atomic.Int64 // rooms ended by a game's panic

	Joins   atomic.Int64
	Refused atomic.Int64 // joins refused by a game or a full room
	Resumes atomic.Int64
	Leaves  atomic.Int64 // seats given up, for whatever cause
	Expired atomic.Int64 // of these: the grace period was over

	Snapshots             atomic.Int64 // sent
	Keyframes             atomic.Int64 // of these
	Bytes                 atomic.Int64 // in these, events included
	SkippedCongested      atomic.Int64 // snapshots not sent, an earlier message not having left yet
	SkippedUnacknowledged atomic.Int64 // likewise, too many being unacknowledged
	SendFailed            atomic.Int64
	Backlogs              atomic.Int64 // players lost since too many events waited for them
}

func (s *Stats) late(by, skipped time.Duration) {
	s.LateNanos.Add(int64(by))
	if skipped > 0 {
		s.Skipped.Add(int64(skipped))
	}
}

func (s *Stats) sent(n *sent) {
	add(&s.Snapshots, n.snapshots)
	add(&s.Keyframes, n.keyframes)
	add(&s.Bytes, n.bytes)
	add(&s.SkippedCongested, n.congested)
	add(&s.SkippedUnacknowledged, n.unacknowledged)
}

// add leaves a counter alone that does not change: its cache line is shared by all rooms.
func add(c *atomic.Int64, n int) {
	if n != 0 {
		c.Add(int64(n))
	}
}
