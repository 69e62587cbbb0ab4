package state

import (
	"iter"
	"math/bits"

	"github.com/tickhall/tickhall/protocol/wire"
)

// View is what one client holds of a World, and makes the messages that bring it up to date. It belongs
// to the World's goroutine; a view that is no longer wanted is simply dropped.
type View struct {
	world *World
	owner uint32
	sees  func(table int, id ID) bool

	base  uint32 // tick that the client holds, 0 for none
	given uint32 // tick of the message last given out
	holds
	before holds // the last Next
	last   step
	count  uint64 // World.count at the last Next

	large    *large    // a KEY in parts, until the client is known to be beyond it
	past     []passed  // those before it, likewise
	unclear  uint32    // ticks up to this one may be of parts of which nothing else is known
	kept     *snapshot // the base, if it has left the ring and is kept all the same
	split    bool      // see Split
	stands   bool      // holds is right: see Hold
	tooLarge int
	undo     undo   // before the last Next
	own      []byte // scratch
	ownCut   bool   // see OwnCut
	ownLacks bool   // see OwnLacks

	// Of a filtered view.
	tables []viewTable
	buffer []byte
}

// holds is which world the client has, whether or not there is a way on from it.
type holds struct {
	held uint32 // its tick, 0 for none
	lost bool   // which one it is, is not known
}

// step is what the last Next did, for AppendOwn.
type step struct {
	key   bool
	delta *delta // nil after a KEY, or if there was nothing to give
	part  bool   // it gave a part of a KEY
}

// undo is what Unsent goes back to.
type undo struct {
	base, given uint32
	ownLacks    bool
}

// viewTable is what a filtered view holds of a table.
type viewTable struct {
	known, before []uint64 // bit per slot, after and before the last Next
	changes       []byte
	elements      int
	enters        []int32
	leaves        []ID
}

// NewView returns the view of a player who holds nothing yet. With sees nil it shows everything; else
// those entities for which sees, asked at each Next for every entity of the newest snapshot, returns true,
// and always the player's own. owner 0 is a spectator, who owns nothing.
func (w *World) NewView(owner uint32, sees func(table int, id ID) bool) *View {
	w.sealed = true
	v := &View{world: w, owner: owner, sees: sees}
	if sees != nil {
		v.tables = make([]viewTable, len(w.tables))
	}
	return v
}

// Base is the tick of the snapshot that the client holds when it has applied all that Next returned, 0
// for none, and while parts of a KEY are missing.
func (v *View) Base() uint32 { return v.base }

// Rewind tells that the client has applied the messages up to that of tick, not what was last given, as when it resumes,
// and reports whether the next message can be a DELTA from there. It can if the snapshot that the client then holds is in the
// ring, or the world of a KEY in parts all of which it has, and tick is not above the last given; for a view with a
// filter, only if it is the last given. Otherwise, and for tick 0, the next message is a KEY.
func (v *View) Rewind(tick uint32) bool {
	v.base = 0
	last := v.sees == nil || tick == v.given
	if l := v.large; l != nil && (l.partial() || tick <= l.last) {
		if tick != 0 && tick == l.last && !l.partial() && last {
			v.holds, v.stands = holds{held: l.snapshot.tick}, true
			v.base = l.snapshot.tick
			return true
		}
		v.setAside()
	}
	if tick == 0 {
		return false
	}
	v.pruneParts(tick)
	if h, ok := v.heldAt(tick); ok {
		v.holds, v.stands = h, true
		return false
	}
	v.stands = false
	ok := tick <= v.given && v.world.at(tick) != nil && last
	if ok {
		v.base = tick
	}
	return ok
}

// Hold tells that the client has the world of tick, 0 for none, though it may be too late to continue from there. A KEY
// names the entities that carry the id of another in that world; all that it has if known is false, the tick being none
// that the client was given here.
func (v *View) Hold(tick uint32, known bool) {
	if v.stands { // Rewind knows better: tick is that of a part of a KEY
		v.stands = false
		return
	}
	v.holds = holds{tick, !known}
}

// Unsent takes the last Next back: the client does not get what it returned.
func (v *View) Unsent() {
	v.holds, v.ownLacks = v.before, v.undo.ownLacks
	if v.last.part {
		l := v.large
		l.next--
		if v.given, l.last = v.undo.given, v.undo.given; l.next > 0 {
			v.base = 0
			return
		}
		v.large = nil
	}
	if v.base = v.undo.base; v.sees != nil {
		v.base = 0 // what is known has moved on
	}
}

// Next returns the message that brings the client from its base to the newest snapshot, and moves the
// base there: a KEY if the base is none or has left the ring, else a DELTA. What is larger than MaxSnapshot becomes a KEY in parts, of which
// each Next returns one, until the last; see Partial. It returns nil if the client
// is up to date, and if the world is larger than MaxKey, which TooLarge tells. Without a filter the bytes are shared with other views and valid until the next
// Snapshot; with one, until the view's next Next. They must not be changed.
func (v *View) Next() (snapshot []byte, key bool) {
	w := v.world
	v.last, v.count, v.tooLarge, v.stands = step{}, w.count, 0, false
	v.undo, v.before = undo{v.base, v.given, v.ownLacks}, v.holds
	if w.count == 0 || !v.Due() {
		return nil, false
	}
	if v.Partial() {
		v.last.part = true
		return v.part(), true
	}
	base := v.baseline()
	if v.kept != nil && base != v.kept {
		v.kept = nil
	}
	if v.split {
		base = nil
	}
	v.base = w.newest().tick
	v.given = v.base
	v.last.key = base == nil
	if base != nil {
		v.last.delta = w.delta(base)
	}
	if v.sees != nil {
		v.filter()
	}
	if base != nil {
		if v.sees != nil {
			snapshot = v.filteredDelta(base)
		} else {
			snapshot = w.message(v.last.delta)
		}
		if len(snapshot) <= MaxSnapshot {
			v.holds = holds{held: v.base}
			return snapshot, false
		}
		v.last.key, v.last.delta = true, nil
	}
	snapshot = v.keyMessage()
	w.keySize = len(snapshot)
	switch {
	case len(snapshot) > MaxKey:
		v.base, v.tooLarge = 0, len(snapshot)
		return nil, true
	case len(snapshot) > MaxSnapshot, v.split:
		v.begin(len(snapshot), v.split)
		v.split = false
		v.last.part = true
		return v.part(), true
	}
	v.holds = holds{held: v.base}
	return snapshot, true
}

// keyMessage returns the KEY of what the view shows.
func (v *View) keyMessage() []byte {
	w := v.world
	if v.sees != nil {
		return v.filteredKey()
	}
	whole := w.keyMessage()
	if !v.renews() {
		return whole
	}
	v.buffer = v.appendRenewed(appendKeyHead(v.buffer[:0], w.newest().tick, len(w.tables)))
	v.buffer = append(v.buffer, whole[w.keyHead:]...)
	return v.buffer
}

// renews reports whether the client may hold an id as another entity's.
func (v *View) renews() bool {
	for i := range v.world.tables {
		for range v.renewed(i) {
			return true
		}
	}
	return false
}

// renewed yields the entities of a table which the view shows, and whose id the client may hold as another's.
func (v *View) renewed(table int) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		if v.held == 0 {
			return
		}
		t := v.world.tables[table]
		for _, id := range v.world.newest().tables[table].ids {
			slot := uint32(id - 1)
			if !v.lost && t.born[slot] <= v.held || v.sees != nil && v.tables[table].known[slot>>6]>>(slot&63)&1 == 0 {
				continue
			}
			if !yield(id) {
				return
			}
		}
	}
}

func (v *View) appendRenewed(b []byte) []byte {
	n := 0
	for i := range v.world.tables {
		for range v.renewed(i) {
			n += 2
		}
	}
	b = wire.AppendArray(b, n)
	for i := range v.world.tables {
		for id := range v.renewed(i) {
			b = wire.AppendUint(b, uint64(i))
			b = wire.AppendUint(b, uint64(id))
		}
	}
	return b
}

// TooLarge is how many bytes the KEY would have that the last Next did not return, since no client takes it; 0 if that is
// not so.
func (v *View) TooLarge() int { return v.tooLarge }

// filter decides what the client is to hold, and collects how it gets there.
func (v *View) filter() {
	now := v.world.newest()
	for i, t := range v.world.tables {
		vt, s := &v.tables[i], &now.tables[i]
		vt.known, vt.before = vt.before, vt.known
		if v.last.key {
			clear(vt.before)
		}
		vt.known = sized(vt.known, len(t.live))
		clear(vt.known)
		for len(vt.before) < len(vt.known) {
			vt.before = append(vt.before, 0)
		}
		vt.changes, vt.elements, vt.enters, vt.leaves = vt.changes[:0], 0, vt.enters[:0], vt.leaves[:0]
		var d *tableDelta
		if v.last.delta != nil {
			d = &v.last.delta.tables[i]
		}
		for rank, id := range s.ids {
			slot := uint32(id - 1)
			if owner := t.owners[slot]; (owner == 0 || owner != v.owner) && !v.sees(i, id) {
				continue
			}
			word, bit := slot>>6, uint64(1)<<(slot&63)
			vt.known[word] |= bit
			switch {
			case vt.before[word]&bit == 0:
				vt.enters = append(vt.enters, int32(rank))
				continue
			case d.before(rank) < 0: // the client holds another entity with this id
				vt.leaves = append(vt.leaves, id)
				vt.enters = append(vt.enters, int32(rank))
				continue
			}
			if mask := d.masks[rank]; mask != 0 {
				vt.changes = append(vt.changes, d.record(rank)...)
				vt.elements += 2 + bits.OnesCount32(mask)
			}
		}
		for w, known := range vt.known {
			for gone := vt.before[w] &^ known; gone != 0; gone &= gone - 1 {
				vt.leaves = append(vt.leaves, ID(w<<6+bits.TrailingZeros64(gone)+1))
			}
		}
	}
}

// filteredKey returns the KEY of what the client is shown.
func (v *View) filteredKey() []byte {
	now := v.world.newest()
	b := v.appendRenewed(appendKeyHead(v.buffer[:0], now.tick, len(v.tables)))
	for i, t := range v.world.tables {
		vt, s := &v.tables[i], &now.tables[i]
		vt.enters = vt.enters[:0]
		for rank, id := range s.ids {
			if v.knows(i, id) {
				vt.enters = append(vt.enters, int32(rank))
			}
		}
		b = t.appendEnters(b, s, vt.enters)
	}
	v.buffer = b
	return b
}

func (v *View) filteredDelta(base *snapshot) []byte {
	now := v.world.newest()
	busy := 0
	for i := range v.tables {
		if v.tables[i].happened() {
			busy++
		}
	}
	b := appendDeltaHead(v.buffer[:0], now.tick, base.tick, busy)
	for i, t := range v.world.tables {
		vt := &v.tables[i]
		if !vt.happened() {
			continue
		}
		b = wire.AppendUint(b, uint64(i))
		b = appendIDs(b, vt.leaves)
		b = wire.AppendArray(b, vt.elements)
		b = append(b, vt.changes...)
		b = t.appendEnters(b, &now.tables[i], vt.enters)
	}
	v.buffer = b
	return b
}

func (t *viewTable) happened() bool {
	return t.elements > 0 || len(t.enters) > 0 || len(t.leaves) > 0
}

// AppendOwn appends the OWN message that follows what Next returned: the newest input consumed, the
// slack in ticks with which it came, and the owner fields that the client does not have yet. It is
// called once after each Next but those after which Partial is true, before the next Snapshot; after a Next that
// returned nil, or a Snapshot since, it has no records.
func (v *View) AppendOwn(b []byte, lastInput uint32, slack int) []byte {
	var records []byte
	elements := 0
	if v.last.part {
		records, elements = v.large.own, v.large.elements
	} else if v.count == v.world.count && (v.last.key || v.last.delta != nil) {
		v.own, elements = v.ownRecords(v.own[:0])
		records = v.own
	}
	b = wire.AppendArray(b, 3+elements)
	b = append(b, kindOwn)
	b = wire.AppendUint(b, uint64(lastInput))
	b = wire.AppendInt(b, int64(slack))
	return append(b, records...)
}

// OwnCut reports whether owner fields of the player were left out of the last OWN, since it would have had more than 56 KiB.
func (v *View) OwnCut() bool { return v.ownCut }

// OwnLacks reports whether the client may lack owner fields that were left out of an OWN since the last KEY: no HASH can be
// sent until a KEY's OWN has them all.
func (v *View) OwnLacks() bool { return v.ownLacks }

// ownRecords appends OWN's records for the newest snapshot, and tells how many elements they have.
func (v *View) ownRecords(b []byte) (_ []byte, elements int) {
	w := v.world
	v.ownCut = false
	if v.last.key {
		v.ownLacks = false
	}
	for _, h := range w.holdings(v.owner) {
		mask, send := v.ownMask(h)
		if !send {
			continue
		}
		from := len(b)
		b = wire.AppendUint(b, uint64(h.table))
		b = wire.AppendUint(b, uint64(h.id))
		b = wire.AppendUint(b, uint64(mask))
		fields := bits.OnesCount32(mask)
		t := w.tables[h.table]
		s := &w.newest().tables[h.table]
		for ; mask != 0; mask &= mask - 1 {
			f := t.owner[bits.TrailingZeros32(mask)]
			b = s.columns[f].append(b, t.members[f].Type, int(t.ranks[h.id-1]))
		}
		if len(b) > maxOwn {
			v.ownCut, v.ownLacks = true, true
			return b[:from], elements
		}
		elements += 3 + fields
	}
	return b, elements
}

// ownMask returns which owner fields of one of the player's entities to send, and whether to send a
// record at all.
func (v *View) ownMask(h holding) (mask uint32, send bool) {
	t := v.world.tables[h.table]
	rank, was := int(t.ranks[h.id-1]), -1
	if d := v.last.delta; d != nil {
		was = d.tables[h.table].before(rank)
		if v.sees != nil && v.tables[h.table].before[(h.id-1)>>6]>>((h.id-1)&63)&1 == 0 {
			was = -1
		}
	}
	if was < 0 {
		return uint32(1<<len(t.owner) - 1), true
	}
	base, now := &v.last.delta.base.tables[h.table], &v.world.newest().tables[h.table]
	for i, f := range t.owner {
		if !now.columns[f].same(rank, base.columns[f], was) {
			mask |= 1 << i
		}
	}
	return mask, mask != 0
}

func (c *column) same(i int, o *column, j int) bool {
	switch {
	case c.narrow != nil:
		return c.narrow[i] == o.narrow[j]
	case c.wide != nil:
		return c.wide[i] == o.wide[j]
	}
	return c.text[i] == o.text[j]
}

// Checksum is the protocol's checksum of what the client holds once it has applied the last Next and
// its OWN. It is called before the next Snapshot; it returns 0 if the client's base is neither the newest
// snapshot nor that of a KEY whose last part was just given out.
func (v *View) Checksum() uint32 {
	switch w := v.world; {
	case v.last.part && !v.Partial():
		return v.large.sum
	case w.count == 0 || v.base != w.newest().tick:
		return 0
	}
	return v.checksum()
}

func (v *View) checksum() uint32 {
	w := v.world
	var sum uint32
	for i, t := range w.tables {
		s := &w.newest().tables[i]
		t.hash(s)
		if v.sees == nil {
			sum += t.sum
			continue
		}
		for word, known := range v.tables[i].known {
			for ; known != 0; known &= known - 1 {
				slot := word<<6 + bits.TrailingZeros64(known)
				sum += t.hashes[t.ranks[slot]].sum()
			}
		}
	}
	for _, h := range w.holdings(v.owner) {
		t := w.tables[h.table]
		rank := t.ranks[h.id-1]
		full := t.hashes[rank]
		sum -= full.sum()
		t.hashOwner(&full, &w.newest().tables[h.table], int(rank))
		sum += full.sum()
	}
	return sum
}
