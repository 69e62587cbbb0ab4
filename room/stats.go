package room

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Stats counts what happens in rooms; all rooms of a server share one. The zero value is ready. All methods may
// be called from any goroutine.
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
	Idle    atomic.Int64 // and these: the player did nothing for Kind.IdleFor

	Snapshots             atomic.Int64 // sent
	Keyframes             atomic.Int64 // of these
	Bytes                 atomic.Int64 // in these, events included
	SkippedCongested      atomic.Int64 // snapshots not sent, an earlier message not having left yet
	SkippedUnacknowledged atomic.Int64 // likewise, too many being unacknowledged
	SendFailed            atomic.Int64
	Outgrown              atomic.Int64 // rooms ended since their world took more memory than Kind.MaxMemory
	TooLarge              atomic.Int64 // connections closed since the room's world is too large to be sent
	Unacknowledged        atomic.Int64 // connections closed since the client acknowledged no snapshot
	EventsDropped         atomic.Int64 // events not kept for a player for whom too many waited

	mu     sync.Mutex                            // for who adds a kind, or to logged
	kinds  atomic.Pointer[map[string]*KindStats] // replaced, never changed
	logged map[unsent]struct{}
}

// unsent is a value that can't be sent, as far as the log tells such values apart.
type unsent struct{ kind, what, why string }

// maxLogged is how many different ones are logged: names may be a player's.
const maxLogged = 256

// unsendable counts a value that can't be sent, and reports whether it is the first of its kind.
func (s *Stats) unsendable(kind, what string, err error) bool {
	s.Kind(kind).Unsendable.Add(1)
	why := err.Error()
	for _, class := range []error{errTooLarge, errName, wire.ErrDepth, wire.ErrKey, wire.ErrType} {
		if errors.Is(err, class) {
			why = class.Error()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := unsent{kind, what, why}
	if _, known := s.logged[key]; known || len(s.logged) >= maxLogged {
		return false
	}
	if s.logged == nil {
		s.logged = map[unsent]struct{}{}
	}
	s.logged[key] = struct{}{}
	return true
}

// KindStats is what is measured of all rooms of one kind.
type KindStats struct {
	Tick         *Histogram         // nanoseconds of work, once per waking: of all ticks made then
	Phases       [phases]*Histogram // of these, by Phase
	Lateness     *Histogram         // nanoseconds from when a tick was due to when it began; none of OnDemand rooms
	Overruns     atomic.Int64       // ticks that took longer than the time to the next, and wakings that came too late to make up for
	SkippedNanos atomic.Int64       // game time skipped
	Unsendable   atomic.Int64       // values that games were to send, or list, and that can't be: dropped
	Size         *Histogram         // bytes of a snapshot's message, events included
	RTT          *Histogram         // nanoseconds: each connected player's shortest of the last 5 to 10 s, about once a second
	Staleness    *Histogram         // nanoseconds: how old the world is that each connected player is known to have, about once a second; none of OnDemand rooms

	Joins, Refused, Resumes, Leaves, Expired, Idle atomic.Int64 // as in Stats
	Panics                                         atomic.Int64
	Snapshots, Keyframes                           atomic.Int64
	SkippedCongested, SkippedUnacknowledged        atomic.Int64
	SendFailed                                     atomic.Int64
	Outgrown, TooLarge                             atomic.Int64
	Unacknowledged, EventsDropped                  atomic.Int64

	// The lobby counts these.
	Opened, Ended, Stuck, Slow, Broken atomic.Int64
}

// Phase is a part of a tick.
type Phase int

// The phases, in order. Snapshot and Send alternate, player by player.
const (
	PhaseMailbox  Phase = iota // joins, leaves, resumes, typed messages
	PhaseStep                  // timers, inputs, the game's Step, quantising
	PhaseRecord                // the recorder, and the past that spectators see
	PhaseSnapshot              // what each player is to be told, encoded
	PhaseSend                  // handed to the connections
	phases
)

func (p Phase) String() string {
	return [phases]string{"mailbox", "step", "record", "snapshot", "send"}[p]
}

// Upper bounds of histograms' buckets.
var (
	durationBounds = bounds(time.Microsecond, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000)
	latenessBounds = bounds(time.Microsecond, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000)
	sizeBounds     = bounds(1, 32, 64, 128, 256, 512, 1024, 1400, 2048, 4096, 8192, 16384, 65536)
	staleBounds    = bounds(time.Millisecond, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 5000, 10_000, 30_000)
	rttBounds      = bounds(time.Millisecond, 1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 1000, 2000)
)

func bounds[T ~int | ~int64](unit T, multiples ...int64) []int64 {
	for i := range multiples {
		multiples[i] *= int64(unit)
	}
	return multiples
}

// Kind is what is measured of the kind of that name. It allocates for a new one only, and takes no lock otherwise.
func (s *Stats) Kind(name string) *KindStats {
	if kinds := s.kinds.Load(); kinds != nil {
		if k := (*kinds)[name]; k != nil {
			return k
		}
	}
	return s.addKind(name)
}

func (s *Stats) addKind(name string) *KindStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	kinds := map[string]*KindStats{}
	if old := s.kinds.Load(); old != nil {
		if k := (*old)[name]; k != nil {
			return k // somebody was faster
		}
		maps.Copy(kinds, *old)
	}
	k := &KindStats{
		Tick: NewHistogram(durationBounds...), Lateness: NewHistogram(latenessBounds...),
		Size: NewHistogram(sizeBounds...), RTT: NewHistogram(rttBounds...), Staleness: NewHistogram(staleBounds...),
	}
	for i := range k.Phases {
		k.Phases[i] = NewHistogram(durationBounds...)
	}
	kinds[name] = k
	s.kinds.Store(&kinds)
	return k
}

// Kinds yields the kinds that have had a room, by name.
func (s *Stats) Kinds() iter.Seq2[string, *KindStats] {
	return func(yield func(string, *KindStats) bool) {
		kinds := s.kinds.Load()
		if kinds == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(*kinds)) {
			if !yield(name, (*kinds)[name]) {
				return
			}
		}
	}
}

func (s *Stats) late(kind string, by, skipped time.Duration) {
	s.LateNanos.Add(int64(by))
	k := s.Kind(kind)
	k.Lateness.Observe(int64(by))
	if skipped > 0 {
		s.Skipped.Add(int64(skipped))
		k.SkippedNanos.Add(int64(skipped))
	}
}

// worked accounts for the ticks of one waking.
func (s *Stats) worked(kind string, ticks int, took *laps, overruns int) {
	k := s.Kind(kind)
	for i, d := range took {
		k.Phases[i].Observe(int64(d))
	}
	sum := took.sum()
	k.Tick.Observe(int64(sum))
	add(&k.Overruns, overruns)
	s.Ticks.Add(int64(ticks))
	s.WorkedNanos.Add(int64(sum))
}

func (s *Stats) sent(kind string, n *sent) {
	add(&s.Snapshots, n.snapshots)
	add(&s.Keyframes, n.keyframes)
	add(&s.Bytes, n.bytes)
	add(&s.SkippedCongested, n.congested)
	add(&s.SkippedUnacknowledged, n.unacknowledged)
	k := s.Kind(kind)
	add(&k.SkippedCongested, n.congested)
	add(&k.SkippedUnacknowledged, n.unacknowledged)
	k.Staleness.flush(&n.ages)
	if n.snapshots == 0 {
		return
	}
	add(&k.Snapshots, n.snapshots)
	add(&k.Keyframes, n.keyframes)
	k.Size.flush(&n.sizes)
	k.RTT.flush(&n.rtts)
}

// count adds one to what is counted for all kinds together and for one.
func count(all, kind *atomic.Int64) {
	all.Add(1)
	kind.Add(1)
}

// add leaves a counter alone that does not change: its cache line is shared by all rooms.
func add(c *atomic.Int64, n int) {
	if n != 0 {
		c.Add(int64(n))
	}
}

// laps is how long the phases of a waking's ticks took.
type laps [phases]time.Duration

func (l *laps) sum() (sum time.Duration) {
	for _, d := range l {
		sum += d
	}
	return sum
}

// maxBuckets is how many buckets a Histogram may have, that of what is above all bounds included.
const maxBuckets = 16

// Histogram counts observations by size, in buckets whose bounds are fixed. Its methods may be called from any
// goroutine and take no lock.
type Histogram struct {
	bounds []int64
	counts [maxBuckets]atomic.Int64
	sum    atomic.Int64
}

// NewHistogram returns an empty histogram of buckets with these upper bounds, which are included: 1 to 15 of them,
// ascending.
func NewHistogram(bounds ...int64) *Histogram {
	if len(bounds) == 0 || len(bounds) >= maxBuckets || !slices.IsSorted(bounds) {
		panic("room: NewHistogram takes 1 to 15 ascending bounds")
	}
	return &Histogram{bounds: slices.Clone(bounds)}
}

// Observe counts v. It allocates nothing.
func (h *Histogram) Observe(v int64) {
	h.counts[bucketOf(h.bounds, v)].Add(1)
	h.sum.Add(v)
}

// flush adds what a room has counted by itself, so that the shared counters are touched less often.
func (h *Histogram) flush(t *tally) {
	for i, n := range t.counts {
		if n != 0 {
			h.counts[i].Add(int64(n))
		}
	}
	if t.sum != 0 {
		h.sum.Add(t.sum)
	}
}

// Read returns the bounds, how many observations were not above each of them, how many there were in all, and
// their sum. bounds must not be changed. What is observed meanwhile may be in the sum and not in the counts.
func (h *Histogram) Read() (bounds []int64, counts []uint64, count uint64, sum int64) {
	counts = make([]uint64, len(h.bounds))
	for i := range counts {
		count += uint64(h.counts[i].Load())
		counts[i] = count
	}
	return h.bounds, counts, count + uint64(h.counts[len(h.bounds)].Load()), h.sum.Load()
}

// tally is a histogram of one goroutine.
type tally struct {
	counts [maxBuckets]int32
	sum    int64
}

func (t *tally) observe(bounds []int64, v int64) {
	t.counts[bucketOf(bounds, v)]++
	t.sum += v
}

func bucketOf(bounds []int64, v int64) int {
	for i, b := range bounds {
		if v <= b {
			return i
		}
	}
	return len(bounds)
}
