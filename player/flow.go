package player

import (
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	flowWindow = 10 * time.Second // how long a round trip counts as the shortest
	flowMarks  = 64               // unacknowledged snapshots kept track of
	flowUnseen = 4                // unacknowledged snapshots allowed before the first round trip is known
)

// Flow decides whether a client may be sent another snapshot: while no more are unacknowledged than
// its shortest round trip explains. So what waits in the network stays short, and what the client
// sees stays fresh, however slow the line (the idea of BBR's in-flight limit: Cardwell et al., "BBR:
// Congestion-Based Congestion Control", ACM Queue 2016). The room sends, the reader acknowledges; the
// lock is between these two only. The zero value is ready for a new connection.
type Flow struct {
	mu      sync.Mutex
	base    time.Time       // of the marks' times
	marks   [flowMarks]mark // sent and not acknowledged, oldest first from head
	head, n int
	newest  uint32 // newest tick sent
	acked   uint32 // newest tick acknowledged

	least, leastBefore time.Duration // shortest round trip of this half window and the one before; 0: none
	half               time.Time     // when this half window ends
}

// mark is small since every session has many.
type mark struct {
	tick uint32
	at   uint32 // microseconds after base, modulo 2^32
}

func (f *Flow) microsLocked(now time.Time) uint32 { return uint32(now.Sub(f.base).Microseconds()) }

// Reset starts over for a new connection whose client holds the snapshot of tick, 0 for none.
func (f *Flow) Reset(tick uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.n, f.newest, f.acked = 0, 0, tick, tick
	f.least, f.leastBefore, f.half = 0, 0, time.Time{}
}

// Sent notes that the snapshot of tick left at now.
func (f *Flow) Sent(tick uint32, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base.IsZero() {
		f.base = now
	}
	if f.n == flowMarks { // Open keeps this from happening; the oldest is forgotten all the same
		f.head, f.n = (f.head+1)%flowMarks, f.n-1
	}
	f.marks[(f.head+f.n)%flowMarks] = mark{tick, f.microsLocked(now)}
	f.n++
	f.newest = tick
}

// Unsent takes the last Sent back: that snapshot did not leave after all.
func (f *Flow) Unsent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n > 0 {
		f.n--
	}
	f.newest = f.acked
	if f.n > 0 {
		f.newest = f.marks[(f.head+f.n-1)%flowMarks].tick
	}
}

// Ack notes that the client has applied the snapshot of tick. It fails for one that was never sent.
func (f *Flow) Ack(tick uint32, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if tick > f.newest {
		return fmt.Errorf("acknowledged snapshot %d, but the newest sent is %d", tick, f.newest)
	}
	if tick <= f.acked {
		return nil
	}
	f.acked = tick
	for f.n > 0 && f.marks[f.head].tick <= tick {
		if m := f.marks[f.head]; m.tick == tick {
			// The difference outlives the wrap, and is right for half an hour; the clock may also have run ahead.
			rtt := time.Duration(int32(f.microsLocked(now)-m.at)) * time.Microsecond
			f.sampleLocked(max(rtt, time.Microsecond), now)
		}
		f.head, f.n = (f.head+1)%flowMarks, f.n-1
	}
	return nil
}

func (f *Flow) sampleLocked(rtt time.Duration, now time.Time) {
	if now.After(f.half) {
		f.leastBefore, f.least = f.least, 0
		f.half = now.Add(flowWindow / 2)
	}
	if f.least == 0 || rtt < f.least {
		f.least = rtt
	}
}

// Acked is the newest tick that the client has acknowledged, 0 for none.
func (f *Flow) Acked() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acked
}

// MinRTT is the shortest time from a snapshot's send to its acknowledgement in the last 5 to 10 s, 0
// while none is known.
func (f *Flow) MinRTT() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.minLocked()
}

func (f *Flow) minLocked() time.Duration {
	if f.least == 0 || f.leastBefore != 0 && f.leastBefore < f.least {
		return f.leastBefore
	}
	return f.least
}

// Open reports whether a snapshot may be sent to a client of a room that ticks every step: at most
// ceil(MinRTT / step) + 1 are unacknowledged.
func (f *Flow) Open(step time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := flowUnseen
	if least := f.minLocked(); least > 0 {
		limit = int(math.Ceil(float64(least)/float64(step))) + 1
	}
	return f.n <= min(limit, flowMarks-1)
}
