package state

import "github.com/tickhall/tickhall/protocol/wire"

// derived is what is derived from a table of the newest snapshot, each when first asked for.
type derived struct {
	enterAt  []span // by rank, where in enters its record stands; empty if not yet encoded
	enters   []byte
	entering bool

	hashes []hasher // by rank, after the shared fields
	sum    uint32   // of all hashes
	hashed bool
}

type span struct{ from, to uint32 }

// reset forgets what was derived, for a snapshot of so many entities.
func (t *table) reset(entities int) {
	if t.entering || entities != len(t.enterAt) {
		t.enterAt = sized(t.enterAt, entities)
		clear(t.enterAt)
		t.enters = t.enters[:0]
		t.entering = false
	}
	t.hashed = false
}

// enter returns the record of a KEY, or of enters, for the entity at a rank of s, the newest.
func (t *table) enter(s *tableSnapshot, rank int) []byte {
	at := &t.enterAt[rank]
	if at.to == 0 {
		t.entering = true
		at.from = uint32(len(t.enters))
		b := wire.AppendUint(t.enters, uint64(s.ids[rank]))
		for _, f := range t.shared {
			b = s.columns[f].append(b, t.members[f].Type, rank)
		}
		t.enters = b
		at.to = uint32(len(b))
	}
	return t.enters[at.from:at.to]
}

// append appends the absolute value at a rank.
func (c *column) append(b []byte, typ Type, rank int) []byte {
	if typ == String {
		return wire.AppendString(b, c.text[rank])
	}
	return wire.AppendInt(b, c.number(rank))
}

func (t *table) hashShared(s *tableSnapshot, rank int) hasher {
	h := newHasher(t.index, s.ids[rank])
	for _, f := range t.shared {
		s.columns[f].hash(&h, t.members[f].Type, rank)
	}
	return h
}

func (t *table) hashOwner(h *hasher, s *tableSnapshot, rank int) {
	for _, f := range t.owner {
		s.columns[f].hash(h, t.members[f].Type, rank)
	}
}

func (c *column) hash(h *hasher, typ Type, rank int) {
	if typ == String {
		h.text(c.text[rank])
	} else {
		h.number(c.number(rank))
	}
}

// hash computes hashes and sum of s, the newest.
func (t *table) hash(s *tableSnapshot) {
	if t.hashed {
		return
	}
	t.hashed = true
	t.hashes = sized(t.hashes, len(s.ids))
	t.sum = 0
	for rank := range s.ids {
		t.hashes[rank] = t.hashShared(s, rank)
		t.sum += t.hashes[rank].sum()
	}
}
