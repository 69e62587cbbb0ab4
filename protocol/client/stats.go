package client

import (
	"sync/atomic"
	"time"
)

// Stats counts what happened since New, over all connections.
type Stats struct {
	Snapshots     uint64 // applied, keyframes included
	Keyframes     uint64
	SkippedTicks  uint64 // ticks that a DELTA spanned beyond one: the server held back
	BytesIn       uint64 // as read from the socket, handshakes and frame headers included
	BytesOut      uint64
	Mismatches    uint64        // checksums that differed: bugs
	Faults        uint64        // connections ended because the server broke the protocol
	Joins         uint64        // connections that brought a snapshot
	Reconnects    uint64        // joins but the first
	Inputs        uint64        // given to Inputs.Send
	InputsDropped uint64        // of these, never sent, or given up unacknowledged: more than 128 waited, or the seat was lost
	Dropped       uint64        // events that the server could not keep for this client: see Config.OnDropped
	Undecoded     uint64        // events whose body did not fit the type given to On
	Corrections   uint64        // times that the clock was wrong by more than a quarter of a second
	Slack         int           // inputs that waited at the room when it took the last one; negative: ticks without one
	RTT           time.Duration // last round trip of a clock sample, 0 while there is none
	MinRTT        time.Duration // shortest of the last 10 s
}

// counters are those of Stats that are counted on Run's goroutine or in a Write.
type counters struct {
	snapshots, keyframes, skipped, in, out atomic.Uint64
	mismatches, faults, joins, undecoded   atomic.Uint64
	dropped                                atomic.Uint64
	slack                                  atomic.Int64
}

// Stats returns the counts. They are read one by one, not at one moment.
func (r *Room) Stats() Stats {
	c := &r.counters
	s := Stats{
		Snapshots: c.snapshots.Load(), Keyframes: c.keyframes.Load(), SkippedTicks: c.skipped.Load(),
		BytesIn: c.in.Load(), BytesOut: c.out.Load(),
		Mismatches: c.mismatches.Load(), Faults: c.faults.Load(), Joins: c.joins.Load(),
		Undecoded: c.undecoded.Load(), Dropped: c.dropped.Load(), Slack: int(c.slack.Load()),
	}
	if s.Joins > 1 {
		s.Reconnects = s.Joins - 1
	}
	o := &r.out
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Inputs, s.InputsDropped = o.inputs.put, o.inputs.dropped
	s.Corrections, s.RTT, s.MinRTT = o.clock.corrections, fromMilliseconds(o.clock.rtt), fromMilliseconds(o.clock.floor)
	return s
}
