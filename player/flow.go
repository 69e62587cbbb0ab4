package player

import (
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	flowTrips  = 10 * time.Second      // how long a round trip counts as the shortest
	flowProbe  = 10 * time.Second      // least time from one drained line to the next
	flowAgain  = 2 * time.Second       // likewise after a keyframe, when what measures spans many ticks, and is large
	flowSlow   = 50 * time.Millisecond // a line that adds so much to a round trip is a slow one
	flowEase   = 2 * time.Second       // how long the window of a slow line outlives the last snapshot held back
	flowMarks  = 32                    // unacknowledged snapshots kept track of
	flowUnseen = 5                     // unacknowledged snapshots allowed before the first round trip is known
	flowRetry  = 5 * time.Second       // with nothing acknowledged for so long, another snapshot is sent now and then

	flowQueue  = 1.25 // snapshots that may wait at the narrowest place of a slow line: FAST's alpha
	flowSmooth = 0.5  // FAST's gamma
)

// Flow decides whether a client may be sent another snapshot. No more may be unacknowledged than its shortest round
// trip explains. On a line that does not carry all snapshots that is too many, since each waits behind others; there,
// a window follows from how much longer than the shortest the round trips are, such that about one snapshot waits at the
// line's narrowest place. So what waits in the network stays as short as it can be without leaving the line idle, and
// what the client sees stays fresh, however slow the line. The window is FAST TCP's, in snapshots (Jin, Wei and Low,
// "FAST TCP: Motivation, Architecture, Algorithms, Performance", INFOCOM 2004).
//
// The shortest round trip of a line that is never empty can't be seen, nor behind a keyframe, whose own bytes take long.
// So when snapshots are held back and none is known, and now and then later, Flow lets the line run dry and measures with
// the next one: BBR's PROBE_RTT (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 2016).
//
// The room sends, the reader acknowledges; the lock is between these two only. The zero value is ready for a new
// connection.
type Flow struct {
	mu      sync.Mutex
	base    time.Time       // of the marks' times
	marks   [flowMarks]mark // sent and not acknowledged, oldest first from head
	head, n int
	newest  uint32 // newest tick sent
	acked   uint32 // newest tick acknowledged
	key     uint32 // tick of the newest keyframe

	held  bool      // a snapshot was held back since the last one sent
	drain bool      // nothing is sent until all is acknowledged
	probe uint32    // tick of the snapshot that measures the empty line; 0: none is under way
	next  time.Time // when the line may be drained again

	waiting time.Time // since when nothing was acknowledged that should have been; zero: nothing is under way
	retry   time.Time // when a snapshot may be sent although too many are unacknowledged

	least, leastBefore time.Duration // shortest round trip of this half window and the one before; 0: none
	half               time.Time     // when this half window ends

	window float64   // unacknowledged snapshots allowed; 0: as many as the round trip explains
	eased  time.Time // when the window is over if nothing is held back
}

// mark is a snapshot under way. It is small since every session has many.
type mark struct {
	tick   uint32
	at     uint32 // when it was sent: microseconds after base, modulo 2^32
	flight uint8  // unacknowledged snapshots then, with this one
	held   bool   // some were held back before it, so that the line and not the room sets the pace
	behind bool   // a keyframe was under way, or it is one
}

func (f *Flow) microsLocked(now time.Time) uint32 { return uint32(now.Sub(f.base).Microseconds()) }

// Reset starts over for a new connection whose client holds the snapshot of tick, 0 for none.
func (f *Flow) Reset(tick uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.n, f.newest, f.acked, f.key = 0, 0, tick, tick, 0
	f.held, f.drain, f.probe, f.next = false, false, 0, time.Time{}
	f.least, f.leastBefore, f.half = 0, 0, time.Time{}
	f.window = 0
	f.waiting, f.retry = time.Time{}, time.Time{}
}

// Sent notes that the snapshot of tick, a keyframe or not, left at now.
func (f *Flow) Sent(tick uint32, key bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base.IsZero() {
		f.base = now
	}
	if f.n == flowMarks { // the oldest is forgotten
		f.head, f.n = (f.head+1)%flowMarks, f.n-1
	}
	if f.waiting.IsZero() {
		f.waiting = now
	}
	f.retry = now.Add(flowRetry)
	switch {
	case key:
		f.key, f.least, f.leastBefore, f.next = tick, 0, 0, now.Add(flowAgain)
	case f.drain && f.n == 0:
		f.drain, f.probe = false, tick
		if now.After(f.next) {
			f.next = now.Add(flowProbe)
		}
	}
	f.marks[(f.head+f.n)%flowMarks] = mark{tick, f.microsLocked(now), uint8(f.n + 1), f.held, f.acked < f.key}
	f.n++
	f.newest, f.held = tick, false
}

// Unsent takes the last Sent back: that snapshot did not leave after all.
func (f *Flow) Unsent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 1 {
		f.waiting = time.Time{}
	}
	if f.n > 0 {
		f.n--
		m := f.marks[(f.head+f.n)%flowMarks]
		f.held = m.held
		if f.probe == m.tick {
			f.drain, f.probe = true, 0
		}
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
		m := f.marks[f.head]
		f.head, f.n = (f.head+1)%flowMarks, f.n-1
		if m.tick == tick && !m.behind {
			f.measureLocked(m, now)
		}
	}
	f.retry = now.Add(flowRetry)
	if f.waiting = now; f.n == 0 {
		f.waiting = time.Time{}
	}
	return nil
}

// Few reports whether at most one snapshot is unacknowledged, or nothing was acknowledged for so long that another may be sent.
func (f *Flow) Few(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n < 2 || !now.Before(f.retry)
}

// Stalled is for how long nothing has been acknowledged at now, although something is under way.
func (f *Flow) Stalled(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting.IsZero() {
		return 0
	}
	return now.Sub(f.waiting)
}

// measureLocked takes the round trip of m, acknowledged at now.
func (f *Flow) measureLocked(m mark, now time.Time) {
	// The difference outlives the wrap, and is right for half an hour; the clock may also have run ahead.
	trip := max(time.Duration(int32(f.microsLocked(now)-m.at))*time.Microsecond, time.Microsecond)
	if f.probe != 0 && f.probe <= m.tick {
		// The line was empty: this is how long it is now, whatever it was before.
		f.probe, f.least, f.leastBefore = 0, 0, 0
	}
	if now.After(f.half) {
		f.leastBefore, f.least = f.least, 0
		f.half = now.Add(flowTrips / 2)
	}
	if f.least == 0 || trip < f.least {
		f.least = trip
	}
	least := f.minLocked()
	window := float64(m.flight)*float64(least)/float64(trip) + flowQueue
	switch {
	case m.held && f.window == 0:
		if trip > least+flowSlow { // else something was lost on the way, and that is over
			f.window, f.eased = window, now.Add(flowEase)
		}
	case m.held:
		f.window, f.eased = f.window+flowSmooth*(window-f.window), now.Add(flowEase)
	case f.window != 0 && now.After(f.eased):
		f.window = 0
	case f.window != 0: // fewer were under way than might have been: that shows no limit
		f.window = max(f.window, window)
	}
}

// Acked is the newest tick that the client has acknowledged, 0 for none.
func (f *Flow) Acked() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acked
}

// MinRTT is the shortest time from a snapshot's send to its acknowledgement in the last 5 to 10 s, or since the line
// was last seen empty; 0 while none is known.
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

// Open reports whether a snapshot may be sent, at now, to a client of a room that ticks every step. With it, at most
// ceil(MinRTT / step) + 2 are unacknowledged, 5 while MinRTT is not known, never more than 32; fewer on a slow line, and
// one alone where the line was to run dry. While it is false the client's next snapshot grows: it spans the ticks between.
// Who acknowledges nothing may be sent one every 5 s all the same: an acknowledgement that was lost is made good by the next.
func (f *Flow) Open(now time.Time, step time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.openLocked(now, step) || f.n > 0 && !now.Before(f.retry)
}

func (f *Flow) openLocked(now time.Time, step time.Duration) bool {
	if f.drain {
		return f.n == 0
	}
	limit, least := flowUnseen, f.minLocked()
	if least > 0 {
		limit = int(math.Ceil(float64(least)/float64(step))) + 2
	}
	if f.window != 0 {
		limit = min(limit, int(f.window)) // at least 1, as flowQueue is
	}
	if f.n < min(limit, flowMarks) {
		return true
	}
	f.held = least > 0 // else this says nothing about the line
	f.drain = f.probe == 0 && (least == 0 || now.After(f.next))
	return false
}
