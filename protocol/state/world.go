package state

import (
	"fmt"
	"math/bits"
	"slices"
)

// World is the server's side: tables of entities, and their newest Ring+1 snapshots. It belongs to one
// goroutine.
type World struct {
	rate   int
	schema Schema
	sealed bool
	tables []*table

	ring  [Ring + 1]snapshot
	count uint64 // snapshots taken; the newest is ring[(count-1)%len(ring)]
	owned map[uint32]*holdings
	spare []*holdings

	// What is encoded of the newest snapshot, each when first asked for.
	deltas []*delta // the first used of them are of the newest snapshot
	used   int
	key    []byte // empty if not yet encoded
	// keyHead is where in key the tables begin.
	keyHead int

	keySize int // bytes of the KEY that was last encoded
	// Scratch of encode.
	stage     []byte
	residuals [][block]int64 // by shared index
	gathered  [2]gathered
}

// snapshot is the quantised world of one tick.
type snapshot struct {
	tick   uint32
	count  uint64 // World.count with it
	pinned bool   // see World.pin
	tables []tableSnapshot
}

// tableSnapshot is one table of a snapshot. What did not change since the snapshot before is shared with it.
type tableSnapshot struct {
	ids     []ID // ascending
	version uint64
	columns []*column // by field, then that of ids
}

// holding is one entity of a player, in the newest snapshot; holdings are all of a player, in ascending order of
// table and id.
type holding struct {
	table int
	id    ID
}

type holdings struct{ list []holding }

func (h holding) compare(o holding) int {
	if h.table != o.table {
		return h.table - o.table
	}
	return int(int64(h.id) - int64(o.id))
}

// NewWorld returns an empty world of a room with rate ticks per second, 1 to MaxRate; it panics if
// rate is another.
func NewWorld(rate int) *World {
	if rate < 1 || rate > MaxRate {
		panic(fmt.Sprintf("state.NewWorld: %d ticks per second: use 1 to %d", rate, MaxRate))
	}
	return &World{rate: rate, owned: map[uint32]*holdings{}}
}

// Rate is the number of ticks per second.
func (w *World) Rate() int { return w.rate }

// Schema returns what describes the world to clients. From then on NewTable panics.
func (w *World) Schema() *Schema {
	w.sealed = true
	return &w.schema
}

// Tick is the tick of the newest snapshot, 0 before the first.
func (w *World) Tick() uint32 {
	if w.count == 0 {
		return 0
	}
	return w.newest().tick
}

func (w *World) newest() *snapshot { return &w.ring[(w.count-1)%uint64(len(w.ring))] }

// at returns the snapshot of tick, nil if the ring has none.
func (w *World) at(tick uint32) *snapshot {
	if tick == 0 {
		return nil
	}
	for back := uint64(1); back <= min(w.count, uint64(len(w.ring))); back++ {
		if s := &w.ring[(w.count-back)%uint64(len(w.ring))]; s.tick <= tick {
			if s.tick == tick {
				return s
			}
			return nil
		}
	}
	return nil
}

// Snapshot quantises the world as it is now, as that of tick, which is above the last one's; it panics
// if not. The oldest of Ring+1 snapshots is forgotten, and bytes that views gave out are no longer valid.
func (w *World) Snapshot(tick uint32) {
	if tick <= w.Tick() {
		panic(fmt.Sprintf("state.World.Snapshot: tick %d is not above %d, the last one's", tick, w.Tick()))
	}
	w.sealed = true
	var last *snapshot
	if w.count > 0 {
		last = w.newest()
	}
	w.count++
	s := w.newest()
	w.drop(s)
	s.tick, s.count = tick, w.count
	for len(s.tables) < len(w.tables) {
		s.tables = append(s.tables, tableSnapshot{columns: make([]*column, len(w.tables[len(s.tables)].members)+1)})
	}
	for i, t := range w.tables {
		var before *tableSnapshot
		if last != nil {
			before = &last.tables[i]
		}
		w.take(t, &s.tables[i], before)
	}
	w.used = 0
	w.key = w.key[:0]
	if w.count%trimEvery == 0 {
		for _, t := range w.tables {
			for i := range t.spare {
				t.spare[i].trim()
			}
		}
	}
}

// trimEvery is after how many snapshots columns are freed that were spare all the while.
const trimEvery = 1024

// drop empties a snapshot, whose columns may be used again.
func (w *World) drop(s *snapshot) {
	for i := range s.tables {
		t, ts := w.tables[i], &s.tables[i]
		for f, c := range ts.columns {
			if c != nil {
				t.spare[f].put(c)
				ts.columns[f] = nil
			}
		}
		ts.ids = nil
	}
	s.tick = 0
}

// Forget forgets every snapshot but the newest, and the memory that they took: for a world of which no
// client holds anything. Views of it begin with a KEY again.
func (w *World) Forget() {
	for i := range w.ring {
		if s := &w.ring[i]; w.count == 0 || s != w.newest() {
			w.drop(s)
		}
	}
	for _, t := range w.tables {
		for i := range t.spare {
			t.spare[i] = columns{}
		}
	}
	w.deltas, w.used, w.key = nil, 0, nil
}

// take quantises t into s. before is the snapshot before, nil for the first.
func (w *World) take(t *table, s, before *tableSnapshot) {
	s.version = t.version
	n := len(t.members)
	stays := before != nil && t.seen == t.version
	if stays {
		s.hold(n, before.columns[n])
	} else {
		c := t.spare[n].take()
		c.ids = sized(c.ids, t.n)
		t.list(c.ids)
		var gone []ID
		if before != nil {
			gone = before.ids
		}
		w.regroup(t, gone, c.ids)
		t.seen = t.version
		s.hold(n, c)
	}
	s.ids = s.columns[n].ids
	changed := !stays
	for f := range t.members {
		c := t.spare[f].take()
		if m := &t.members[f]; m.Type == String {
			t.texts[f].quantise(c, m, t.rows, s.ids, len(t.owners))
		} else {
			c.quantise(m, t.rows)
		}
		if stays && c.equal(before.columns[f]) {
			t.spare[f].put(c)
			c = before.columns[f]
		} else {
			changed = true
		}
		s.hold(f, c)
	}
	if changed {
		t.reset(len(s.ids))
	}
}

func (s *tableSnapshot) hold(i int, c *column) {
	c.users++
	s.columns[i] = c
}

// list fills ids, rows and ranks from the table's members, and clears rows that were removed.
func (t *table) list(ids []ID) {
	for i := len(t.removed) - 1; i >= t.next && t.removed[i].at+1 == t.world.count; i-- {
		t.clear(t.removed[i].slot)
	}
	old := len(t.rows)
	t.rows = sized(t.rows, t.n)
	if old > t.n {
		clear(t.rows[t.n:old])
	}
	t.ranks = sized(t.ranks, len(t.owners))
	n := 0
	for w, word := range t.live {
		for ; word != 0; word &= word - 1 {
			slot := w<<6 | bits.TrailingZeros64(word)
			ids[n] = ID(slot + 1)
			t.rows[n] = t.row(slot)
			t.ranks[slot] = int32(n)
			n++
		}
	}
}

// regroup brings the players' holdings in t from the entities of before to those of now. The owners of
// both still stand in owners: a slot that became free is in quarantine.
func (w *World) regroup(t *table, before, now []ID) {
	i, j := 0, 0
	for i < len(before) || j < len(now) {
		switch {
		case j == len(now) || i < len(before) && before[i] < now[j]:
			w.release(t.owners[before[i]-1], holding{t.index, before[i]})
			i++
		case i == len(before) || now[j] < before[i]:
			w.hold(t.owners[now[j]-1], holding{t.index, now[j]})
			j++
		default:
			i++
			j++
		}
	}
}

func (w *World) hold(owner uint32, h holding) {
	if owner == 0 {
		return
	}
	o := w.owned[owner]
	if o == nil {
		if n := len(w.spare); n > 0 {
			o, w.spare = w.spare[n-1], w.spare[:n-1]
		} else {
			o = &holdings{}
		}
		w.owned[owner] = o
	}
	at, _ := slices.BinarySearchFunc(o.list, h, holding.compare)
	o.list = slices.Insert(o.list, at, h)
}

func (w *World) release(owner uint32, h holding) {
	if owner == 0 {
		return
	}
	o := w.owned[owner]
	at, _ := slices.BinarySearchFunc(o.list, h, holding.compare)
	o.list = slices.Delete(o.list, at, at+1)
	if len(o.list) == 0 {
		delete(w.owned, owner)
		w.spare = append(w.spare, o)
	}
}

// holdings are the entities of owner in the newest snapshot.
func (w *World) holdings(owner uint32) []holding {
	if o := w.owned[owner]; o != nil && owner != 0 {
		return o.list
	}
	return nil
}

// Checksum is the sum that the protocol's HASH defines, over every entity of the newest snapshot with
// all of its fields, as if each were the receiver's own; 0 before the first. Two worlds that agree on
// what they send to anybody have the same.
func (w *World) Checksum() uint32 {
	if w.count == 0 {
		return 0
	}
	var sum uint32
	for i, t := range w.tables {
		s := &w.newest().tables[i]
		for rank := range s.ids {
			h := t.hashShared(s, rank)
			t.hashOwner(&h, s, rank)
			sum += h.sum()
		}
	}
	return sum
}
