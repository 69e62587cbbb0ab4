package state

import (
	"iter"
	"slices"

	"github.com/tickhall/tickhall/protocol/wire"
)

const (
	// MaxSnapshot is the largest KEY or DELTA that goes out whole, in bytes. It leaves room in a message for what goes with it.
	MaxSnapshot = 48 << 10
	// MaxKey is the largest world that a client is sent, in bytes of the KEY that holds all of it.
	MaxKey = 4 << 20

	minPart  = 16 << 10 // bytes of a part: few, so that what is small and urgent gets between them on a slow line
	keyParts = 120      // about so many parts at the most; a part is at least half full on the average
	largeOwn = 8 << 10  // an OWN of more bytes gets a last part without records to go with
	maxOwn   = 56 << 10 // bytes of an OWN
)

// large is a KEY on its way in parts. The snapshot that it tells of is kept: parts are encoded one by one, and the next DELTA
// continues from it, however long the parts take.
type large struct {
	snapshot *snapshot
	size     int     // of the KEY as a whole, in bytes
	cuts     []place // where each part begins; the last is the end of the world
	next     int     // parts given out
	first    uint32
	last     uint32 // ticks of the messages with the first and the last part given out

	holds // the world that the client has until the last part

	// OWN's records, and the checksum, of that snapshot.
	own      []byte
	elements int
	sum      uint32
}

// place is where a record begins, or would.
type place struct{ table, rank int }

// passed is what is still known of a KEY in parts when there is no way on from it: which world a client holds that has
// applied some of its messages, and comes back with the tick of the newest of these.
type passed struct {
	first, last uint32 // ticks of the messages
	of          uint32 // tick of the world that a client holds after the last; 0 if that was never given out
	holds              // the world that it holds until then
}

// maxPast is how many KEYs in parts are remembered. Flow control lets fewer be under way.
const maxPast = 16

func (l *large) partial() bool { return l.next < len(l.cuts)-1 }

// pin keeps a snapshot beyond its time in the ring. What has not changed since is shared with the world.
func (w *World) pin(s *snapshot) *snapshot {
	p := &snapshot{tick: s.tick, count: s.count, pinned: true, tables: make([]tableSnapshot, len(s.tables))}
	for i := range s.tables {
		from, to := &s.tables[i], &p.tables[i]
		to.ids, to.version, to.columns = from.ids, from.version, make([]*column, len(from.columns))
		for f, c := range from.columns {
			to.hold(f, c)
		}
	}
	return p
}

// Size is how many bytes the KEY takes that is on its way in parts, or was the last to be; 0 for none.
func (v *View) Size() int {
	if v.large == nil {
		return 0
	}
	return v.large.size
}

// Partial reports whether the last Next returned a part of a KEY that is not its last one: no OWN and no HASH
// follow it, and the client does not hold the newest world when it has applied it.
func (v *View) Partial() bool { return v.large != nil && v.large.partial() }

// Due reports whether Next has something to give. A part of a KEY needs a snapshot that is newer than that of the part before, for its tick.
func (v *View) Due() bool {
	if v.Partial() {
		return v.world.Tick() > v.given
	}
	return v.base != v.world.Tick()
}

// Split makes the next message a KEY in parts, of which the first has no records: for what else is to travel, and does not fit
// into a message with a DELTA.
func (v *View) Split() { v.split = true }

// Acked tells that the client has applied the messages up to that of tick.
func (v *View) Acked(tick uint32) {
	if v.large != nil && !v.large.partial() && tick > v.large.last {
		v.large = nil
	}
	if tick > v.unclear {
		v.unclear = 0
	}
	if len(v.past) > 0 && tick > v.past[0].last {
		v.past = slices.DeleteFunc(v.past, func(p passed) bool { return p.last < tick })
	}
}

// Unclear is the tick of the newest message that was a part of a KEY and that the client is not known to be beyond; 0 if
// there is none.
func (v *View) Unclear() uint32 {
	tick := v.unclear
	if len(v.past) > 0 {
		tick = max(tick, v.past[len(v.past)-1].last)
	}
	if v.large != nil {
		tick = max(tick, v.large.last)
	}
	return tick
}

// SetUnclear tells that messages up to that of tick may have been parts of KEYs, of which the view knows nothing: which
// world a client holds that comes back with such a tick is not known.
func (v *View) SetUnclear(tick uint32) { v.unclear = tick }

// setAside gives up the KEY in parts, and remembers what its messages were.
func (v *View) setAside() {
	l := v.large
	v.large = nil
	if l.next == 0 {
		return
	}
	if len(v.past) == maxPast {
		v.unclear = v.past[0].last
		v.past = slices.Delete(v.past, 0, 1)
	}
	p := passed{first: l.first, last: l.last, holds: l.holds}
	if !l.partial() {
		p.of = l.snapshot.tick
	}
	v.past = append(v.past, p)
}

// pruneParts forgets all that does not matter to a client that has applied the messages up to that of tick, and no later ones.
func (v *View) pruneParts(tick uint32) {
	v.past = slices.DeleteFunc(v.past, func(p passed) bool { return tick < p.first || tick > p.last })
}

// heldAt returns which world the client holds if the message of tick was a part of a KEY; false if it was none.
func (v *View) heldAt(tick uint32) (holds, bool) {
	for _, p := range v.past {
		switch {
		case tick < p.first || tick > p.last:
		case tick == p.last && p.of != 0:
			return holds{held: p.of}, true
		default:
			return p.holds, true
		}
	}
	return holds{held: tick, lost: true}, tick <= v.unclear
}

// Keep is called before each Snapshot or now and then, for a view that is not being brought up to date. It keeps the snapshot
// that the client holds from leaving the ring, if a KEY instead would be a large one.
func (v *View) Keep() {
	w := v.world
	if v.kept != nil || w.count == 0 || w.keySize <= MaxSnapshot && !w.looksLarge() {
		return
	}
	if s := w.at(v.base); s != nil && w.count-s.count > Ring/2 {
		v.kept = w.pin(s)
	}
}

// looksLarge reports whether a KEY is larger than MaxSnapshot at the least.
func (w *World) looksLarge() bool {
	n := 0
	for i, t := range w.tables {
		n += len(w.newest().tables[i].ids) * (1 + len(t.shared))
	}
	return n > MaxSnapshot
}

// baseline is the snapshot that the client holds, nil if that is gone.
func (v *View) baseline() *snapshot {
	if s := v.world.at(v.base); s != nil || v.base == 0 {
		return s
	}
	switch {
	case v.kept != nil && v.kept.tick == v.base:
		return v.kept
	case v.large != nil && v.large.snapshot.tick == v.base:
		return v.large.snapshot
	}
	return nil
}

// begin starts a KEY in parts, of the newest snapshot. size is that of the KEY as a whole.
func (v *View) begin(size int, carrier bool) {
	w := v.world
	now := w.newest()
	if v.large != nil {
		v.setAside()
	}
	l := &large{snapshot: w.pin(now), size: size, holds: v.holds}
	v.large, v.last.key, v.last.delta = l, true, nil
	l.own, l.elements = v.ownRecords(nil)
	l.sum = v.checksum()
	if carrier {
		l.cuts = append(l.cuts, place{})
	}
	part, target := 0, max(minPart, size/keyParts)
	l.cuts = append(l.cuts, place{})
	for i, t := range w.tables {
		s := &now.tables[i]
		for rank, id := range s.ids {
			if !v.knows(i, id) {
				continue
			}
			n := len(t.enter(s, rank))
			if part > 0 && part+n > target {
				l.cuts = append(l.cuts, place{i, rank})
				part = 0
			}
			part += n
		}
	}
	end := place{table: len(w.tables)}
	if len(l.own) > largeOwn {
		l.cuts = append(l.cuts, end)
	}
	l.cuts = append(l.cuts, end)
	if len(l.cuts) == 2 { // there is no KEY in parts that has but one
		l.cuts = append(l.cuts, end)
	}
}

// knows reports whether the client is shown an entity of the newest snapshot, after filter.
func (v *View) knows(table int, id ID) bool {
	return v.sees == nil || v.tables[table].known[(id-1)>>6]>>((id-1)&63)&1 != 0
}

// part returns the next part of the KEY.
func (v *View) part() []byte {
	l, w := v.large, v.world
	from, to := l.cuts[l.next], l.cuts[l.next+1]
	l.next++
	v.given = w.Tick()
	if l.last = v.given; l.next == 1 {
		l.first = v.given
	}
	if v.base = 0; !l.partial() {
		v.base = l.snapshot.tick
		v.holds = holds{held: v.base}
	}
	b := wire.AppendArray(v.buffer[:0], keyHead+len(w.tables))
	b = append(b, kindKey)
	b = wire.AppendUint(b, uint64(v.given))
	b = wire.AppendUint(b, uint64(l.snapshot.tick))
	b = wire.AppendUint(b, uint64(l.next))
	b = wire.AppendUint(b, uint64(len(l.cuts)-1))
	n := 0
	for i := range w.tables {
		for range v.renewedIn(i, from, to) {
			n += 2
		}
	}
	b = wire.AppendArray(b, n)
	for i := range w.tables {
		for id := range v.renewedIn(i, from, to) {
			b = wire.AppendUint(b, uint64(i))
			b = wire.AppendUint(b, uint64(id))
		}
	}
	for i, t := range w.tables {
		s := &l.snapshot.tables[i]
		low, high := ranks(i, len(s.ids), from, to)
		n := 0
		for _, id := range s.ids[low:high] {
			if v.knows(i, id) {
				n++
			}
		}
		b = wire.AppendArray(b, n*(1+len(t.shared)))
		for rank := low; rank < high; rank++ {
			if v.knows(i, s.ids[rank]) {
				b = t.appendRecord(b, s, rank)
			}
		}
	}
	v.buffer = b
	return b
}

// ranks is what of a table of n entities lies between two places.
func ranks(table, n int, from, to place) (low, high int) {
	if table < from.table || table > to.table {
		return 0, 0
	}
	if high = n; table == to.table {
		high = to.rank
	}
	if table == from.table {
		low = from.rank
	}
	return low, high
}

// renewedIn yields the entities of a table in a part whose id the client may hold as another's.
func (v *View) renewedIn(table int, from, to place) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		l, t := v.large, v.world.tables[table]
		if l.held == 0 {
			return
		}
		ids := l.snapshot.tables[table].ids
		low, high := ranks(table, len(ids), from, to)
		for _, id := range ids[low:high] {
			if (l.lost || t.born[id-1] > l.held) && v.knows(table, id) && !yield(id) {
				return
			}
		}
	}
}

// appendRecord appends the record of a KEY for the entity at a rank of s.
func (t *table) appendRecord(b []byte, s *tableSnapshot, rank int) []byte {
	b = wire.AppendUint(b, uint64(s.ids[rank]))
	for _, f := range t.shared {
		b = s.columns[f].append(b, t.members[f].Type, rank)
	}
	return b
}
