package state

import (
	"math/bits"

	"github.com/tickhall/tickhall/protocol/wire"
)

// delta is what leads from one baseline to the newest snapshot, for every entity, encoded once for all
// views with that baseline.
type delta struct {
	base   *snapshot
	tables []tableDelta
	whole  []byte // the DELTA of a view that sees everything; empty if not yet encoded
}

type tableDelta struct {
	was      []int32 // by rank in the newest, the rank in the baseline, -1 if none; nil if both have the same entities
	enters   []int32 // ranks in the newest
	leaves   []ID
	masks    []uint32 // by rank in the newest; 0 if the entity followed its prediction, or enters
	ends     []uint32 // by rank, where in records its record ends
	records  []byte
	elements int // msgpack values in records

	wasBuffer []int32
}

// delta returns that from base to the newest snapshot.
func (w *World) delta(base *snapshot) *delta {
	for _, d := range w.deltas[:w.used] {
		if d.base == base {
			return d
		}
	}
	if w.used == len(w.deltas) {
		w.deltas = append(w.deltas, &delta{tables: make([]tableDelta, len(w.tables))})
	}
	d := w.deltas[w.used]
	w.used++
	d.base = base
	d.whole = d.whole[:0]
	now := w.newest()
	ticks := int64(min(now.tick-base.tick, MaxSpan))
	for i, t := range w.tables {
		d.tables[i].join(&base.tables[i], &now.tables[i])
		if base.pinned {
			d.tables[i].renew(t, &base.tables[i], &now.tables[i], base.tick)
		}
		w.encode(t, &d.tables[i], &base.tables[i], &now.tables[i], ticks)
	}
	return d
}

// join finds who stayed, entered and left.
func (d *tableDelta) join(base, now *tableSnapshot) {
	d.was, d.enters, d.leaves = nil, d.enters[:0], d.leaves[:0]
	if base.version == now.version {
		return
	}
	d.wasBuffer = sized(d.wasBuffer, len(now.ids))
	d.was = d.wasBuffer
	i := 0
	for j, id := range now.ids {
		for ; i < len(base.ids) && base.ids[i] < id; i++ {
			d.leaves = append(d.leaves, base.ids[i])
		}
		if i < len(base.ids) && base.ids[i] == id {
			d.was[j] = int32(i)
			i++
		} else {
			d.was[j] = -1
			d.enters = append(d.enters, int32(j))
		}
	}
	d.leaves = append(d.leaves, base.ids[i:]...)
}

// renew finds entities that carry the id of another which the baseline has: they leave and enter. That can't be in the ring,
// where ids rest, but with a baseline that is older.
func (d *tableDelta) renew(t *table, base, now *tableSnapshot, tick uint32) {
	if base.version == now.version {
		return
	}
	for j, id := range now.ids {
		if d.was[j] >= 0 && t.born[id-1] > tick {
			d.was[j] = -1
			d.leaves = append(d.leaves, id)
			d.enters = append(d.enters, int32(j))
		}
	}
}

// before is the rank in the baseline of the entity at rank, -1 if it was not there.
func (d *tableDelta) before(rank int) int {
	if d.was == nil {
		return rank
	}
	return int(d.was[rank])
}

func (d *tableDelta) record(rank int) []byte {
	from := uint32(0)
	if rank > 0 {
		from = d.ends[rank-1]
	}
	return d.records[from:d.ends[rank]]
}

func (d *tableDelta) happened() bool {
	return d.elements > 0 || len(d.enters) > 0 || len(d.leaves) > 0
}

const (
	block      = 32 // entities that are compared column by column before their records are written
	maxInteger = 9  // bytes of an integer on the wire
)

// encode writes the records of entities that left their prediction. It goes by blocks so that what lies
// between comparing (by column) and writing (by entity) stays in the cache.
func (w *World) encode(t *table, d *tableDelta, base, now *tableSnapshot, ticks int64) {
	n := len(now.ids)
	d.masks, d.ends = sized(d.masks, n), sized(d.ends, n)
	d.records, d.elements = d.records[:0], 0
	if d.was != nil && len(d.enters) == n {
		clear(d.masks)
		clear(d.ends)
		return
	}
	if size := block * (5 + 5 + maxInteger*len(t.shared)); len(w.stage) < size {
		w.stage = make([]byte, size)
	}
	for len(w.residuals) < len(t.shared) {
		w.residuals = append(w.residuals, [block]int64{})
	}
	for lo := 0; lo < n; lo += block {
		hi := min(lo+block, n)
		b := diffBlock{
			lo: lo, hi: hi, was: d.was, masks: d.masks[lo:hi], base: base, now: now, table: t, ticks: ticks, residuals: w.residuals,
			x: &w.gathered[0], v: &w.gathered[1],
		}
		b.compare()
		w.write(t, d, now, lo, hi)
	}
}

// write writes the records of the entities at ranks lo to hi.
func (w *World) write(t *table, d *tableDelta, now *tableSnapshot, lo, hi int) {
	out, p, done := w.stage, 0, len(d.records)
	residuals := w.residuals
	for i, mask := range d.masks[lo:hi] {
		if mask == 0 {
			d.ends[lo+i] = uint32(done + p)
			continue
		}
		d.elements += 2 + bits.OnesCount32(mask)
		if id := uint32(now.ids[lo+i]); id < 1<<7 && mask < 1<<7 {
			out[p], out[p+1] = byte(id), byte(mask)
			p += 2
		} else {
			p = putInt(out, putInt(out, p, int64(id)), int64(mask))
		}
		if mask&t.strings == 0 {
			for m := mask; m != 0; m &= m - 1 {
				v := residuals[bits.TrailingZeros32(m)][i]
				if uint64(v+32) < 160 {
					out[p] = byte(v)
					p++
				} else {
					p = putInt(out, p, v)
				}
			}
		} else {
			d.records = append(d.records, out[:p]...)
			for m := mask; m != 0; m &= m - 1 {
				s := bits.TrailingZeros32(m)
				if t.strings>>s&1 != 0 {
					d.records = wire.AppendString(d.records, now.columns[t.shared[s]].text[lo+i])
				} else {
					d.records = wire.AppendInt(d.records, residuals[s][i])
				}
			}
			p, done = 0, len(d.records)
		}
		d.ends[lo+i] = uint32(done + p)
	}
	d.records = append(d.records, out[:p]...)
}

// putInt writes v at b[p:], in the form of wire.AppendInt, and returns where it ends.
func putInt(b []byte, p int, v int64) int {
	switch {
	case v >= -32 && v < 1<<7:
		b[p] = byte(v)
		return p + 1
	case v >= -1<<7 && v < 1<<8:
		b[p], b[p+1] = 0xcc, byte(v)
		if v < 0 {
			b[p] = 0xd0
		}
		return p + 2
	case v >= -1<<15 && v < 1<<16:
		b[p], b[p+1], b[p+2] = 0xcd, byte(v>>8), byte(v)
		if v < 0 {
			b[p] = 0xd1
		}
		return p + 3
	}
	return p + len(wire.AppendInt(b[p:p], v))
}

// message returns the DELTA of a view that sees everything.
func (w *World) message(d *delta) []byte {
	if len(d.whole) > 0 {
		return d.whole
	}
	busy := 0
	for i := range d.tables {
		if d.tables[i].happened() {
			busy++
		}
	}
	now := w.newest()
	b := appendDeltaHead(d.whole, now.tick, d.base.tick, busy)
	for i, t := range w.tables {
		td := &d.tables[i]
		if !td.happened() {
			continue
		}
		b = wire.AppendUint(b, uint64(i))
		b = appendIDs(b, td.leaves)
		b = wire.AppendArray(b, td.elements)
		b = append(b, td.records...)
		b = t.appendEnters(b, &now.tables[i], td.enters)
	}
	d.whole = b
	return b
}

func appendDeltaHead(b []byte, tick, base uint32, busy int) []byte {
	b = wire.AppendArray(b, 3+4*busy)
	b = append(b, kindDelta)
	b = wire.AppendUint(b, uint64(tick))
	return wire.AppendUint(b, uint64(tick-base))
}

func appendIDs(b []byte, ids []ID) []byte {
	b = wire.AppendArray(b, len(ids))
	for _, id := range ids {
		b = wire.AppendUint(b, uint64(id))
	}
	return b
}

func (t *table) appendEnters(b []byte, now *tableSnapshot, ranks []int32) []byte {
	b = wire.AppendArray(b, len(ranks)*(1+len(t.shared)))
	for _, rank := range ranks {
		b = append(b, t.enter(now, int(rank))...)
	}
	return b
}

// keyMessage returns the KEY of a view that sees everything.
func (w *World) keyMessage() []byte {
	if len(w.key) > 0 {
		return w.key
	}
	now := w.newest()
	b := append(appendKeyHead(w.key, now.tick, len(w.tables)), 0x90)
	w.keyHead = len(b)
	for i, t := range w.tables {
		s := &now.tables[i]
		b = wire.AppendArray(b, len(s.ids)*(1+len(t.shared)))
		for rank := range s.ids {
			b = append(b, t.enter(s, rank)...)
		}
	}
	w.key = b
	return b
}

// AppendEmptyKey appends a KEY of a world in which there is nothing.
func (w *World) AppendEmptyKey(b []byte, tick uint32) []byte {
	b = append(appendKeyHead(b, tick, len(w.tables)), 0x90)
	for range w.tables {
		b = wire.AppendArray(b, 0)
	}
	return b
}

// appendKeyHead appends a KEY that is whole, up to its list of renewed entities.
func appendKeyHead(b []byte, tick uint32, tables int) []byte {
	b = wire.AppendArray(b, keyHead+tables)
	b = append(b, kindKey)
	b = wire.AppendUint(b, uint64(tick))
	b = wire.AppendUint(b, uint64(tick))
	return append(b, 1, 1)
}
