package state

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Faults of a snapshot message, beside those of package wire. A Replica's errors wrap them, with the
// byte at which the fault was found.
var (
	ErrBaseline = errors.New("delta does not continue from the snapshot that is held: resume without a tick")
	ErrTable    = errors.New("table is unknown, or stands twice or out of order")
	ErrEntity   = errors.New("entity is unknown")
	ErrTwice    = errors.New("entity stands twice")
	ErrMask     = errors.New("mask has a bit beyond the table's fields")
	ErrPart     = errors.New("part of a KEY is out of order: its parts come one after another, with no DELTA or OWN between")
)

// What tells what happened to an entity.
type What uint8

// What can happen to an entity.
const (
	Entered What = iota + 1 // it is held now and was not before
	Changed                 // a field has another value, by record or by prediction, or it became the player's own
	Left                    // it was held before and is not now
)

// Change is one entity to which a message did something.
type Change struct {
	Table int
	ID    ID
	What  What
}

// Replica is a client's copy of a World. It applies KEY, DELTA and OWN messages and believes none of
// them: what the protocol does not allow is an error, memory stays in proportion to the size of
// messages. After an error it may hold a part of what the message brought, and refuses any DELTA until
// the next KEY. It belongs to one goroutine.
type Replica struct {
	schema  *Schema
	tick    uint32
	taken   uint32 // tick of the last KEY or DELTA applied
	parts   parts
	renewed []Change // of the KEY that is coming, in order; What says nothing
	tables  []replicaTable
	epoch   uint32
	observe func(Change)
	changes []Change
	scratch scratch
}

// parts is how far a KEY in parts has come. The zero value is for none.
type parts struct{ of, part, parts uint32 }

func (p parts) partial() bool { return p.part < p.parts }

// NewReplica returns a Replica that holds nothing, for a room with rate ticks per second, 1 to MaxRate. It
// fails with ErrSchema or ErrPrediction if s is not a schema that the protocol allows.
func NewReplica(s *Schema, rate int) (*Replica, error) {
	if rate < 1 || rate > MaxRate {
		return nil, fmt.Errorf("%w: %d ticks per second", ErrSchema, rate)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	r := &Replica{schema: s, tables: make([]replicaTable, len(s.Tables))}
	for i := range s.Tables {
		predict, err := s.Tables[i].predictors(rate)
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", s.Tables[i].Name, err)
		}
		r.tables[i].init(&s.Tables[i], predict)
	}
	return r, nil
}

// Schema is the schema of the world.
func (r *Replica) Schema() *Schema { return r.schema }

// Observe has f called for each entity that entered, changed or left by a message, when all of it was
// applied: table by table, first those that left. After an error it is called for the part that was
// applied, so that who follows the entities need not start over. nil is for none. f must not apply
// messages.
func (r *Replica) Observe(f func(Change)) { r.observe = f }

// Tick is the tick of the snapshot held, 0 for none.
func (r *Replica) Tick() uint32 { return r.tick }

// Taken is the tick of the last KEY or DELTA applied, 0 for none: what a client acknowledges. It differs from Tick
// after a KEY in parts.
func (r *Replica) Taken() uint32 { return r.taken }

// Partial reports whether some parts of a KEY have come and some not. Until the last has, the Replica
// holds what it held before.
func (r *Replica) Partial() bool { return r.parts.partial() }

// Len is how many entities of a table are held.
func (r *Replica) Len(table int) int { return len(r.tables[table].ids) }

// IDs yields the entities of a table in ascending order of id. The Replica is not changed meanwhile.
func (r *Replica) IDs(table int) iter.Seq[ID] { return slices.Values(r.tables[table].ids) }

// Has reports whether an entity is held.
func (r *Replica) Has(table int, id ID) bool {
	_, ok := r.tables[table].find(id, 0)
	return ok
}

// Mine reports whether an entity is the player's own.
func (r *Replica) Mine(table int, id ID) bool {
	row, ok := r.tables[table].find(id, 0)
	return ok && r.tables[table].mine[row] != 0
}

// Value returns the value of a field, by its index in the schema: text of a string, number, as it stands
// on the wire, of any other. ok tells whether the entity is held. The owner fields of another's entity are 0 or "".
func (r *Replica) Value(table int, id ID, field int) (number int64, text string, ok bool) {
	t := &r.tables[table]
	row, ok := t.find(id, 0)
	if !ok {
		return 0, "", false
	}
	at := &t.fields[field]
	if at.typ == String {
		return 0, t.text(row, at), true
	}
	return t.number(row, at), "", true
}

// Checksum is the protocol's checksum of what is held.
func (r *Replica) Checksum() uint32 {
	var sum uint32
	for i := range r.tables {
		t := &r.tables[i]
		for row, id := range t.ids {
			h := newHasher(i, id)
			for _, f := range t.shared {
				t.hash(&h, row, &t.fields[f])
			}
			if t.mine[row] != 0 {
				for _, f := range t.owner {
					t.hash(&h, row, &t.fields[f])
				}
			}
			sum += h.sum()
		}
	}
	return sum
}

// Key applies what follows the kind of a KEY of n elements. Nothing is the player's own until the OWN
// after it. A part of a KEY changes nothing until the last one comes. It fails with ErrPart if a part is
// missing.
func (r *Replica) Key(rd *wire.Reader, n int) error {
	r.begin()
	if n != keyHead+len(r.tables) {
		rd.Fail(wire.ErrLength)
	}
	tick, p := readTick(rd), parts{readTick(rd), rd.Uint32(), rd.Uint32()}
	switch {
	case rd.Err() != nil:
	case p.of > tick || p.parts == 1 && p.of != tick || p.part == 0 || p.part > p.parts || p.parts > MaxParts:
		rd.Fail(wire.ErrRange)
	case p.part > 1 && (tick <= r.taken || r.parts != parts{p.of, p.part - 1, p.parts}):
		rd.Fail(ErrPart)
	}
	if p.part == 1 {
		r.renewed = r.renewed[:0]
	}
	r.readRenewed(rd)
	for i := range r.tables {
		t := &r.tables[i]
		if p.part == 1 {
			t.incoming.reset()
		}
		t.readRecords(rd)
	}
	if rd.Err() != nil {
		return r.failed("KEY", rd)
	}
	r.taken, r.parts = tick, p
	if p.partial() {
		return nil
	}
	for i := range r.tables {
		t := &r.tables[i]
		if r.observe != nil {
			r.compare(i, t)
		}
		t.replace()
	}
	r.finish(p.of)
	return nil
}

// readRenewed reads the list of entities that carry another's id.
func (r *Replica) readRenewed(rd *wire.Reader) {
	n := rd.Array()
	if n%2 != 0 {
		rd.Fail(wire.ErrLength)
	}
	for ; n > 0 && rd.Err() == nil; n -= 2 {
		table := rd.Uint32()
		if rd.Err() == nil && table >= uint32(len(r.tables)) {
			rd.Fail(ErrTable)
		}
		r.renewed = append(r.renewed, Change{Table: int(table), ID: readID(rd)})
	}
	slices.SortFunc(r.renewed, Change.compare)
}

// isRenewed reports whether the KEY that has come says that an id is another entity's than before.
func (r *Replica) isRenewed(table int, id ID) bool {
	_, ok := slices.BinarySearchFunc(r.renewed, Change{Table: table, ID: id}, Change.compare)
	return ok
}

func (c Change) compare(o Change) int {
	return cmp.Or(cmp.Compare(c.Table, o.Table), cmp.Compare(c.ID, o.ID))
}

// compare notes how the incoming rows of a table differ from those held.
func (r *Replica) compare(table int, t *replicaTable) {
	was, now := &t.rows, &t.incoming
	for _, id := range was.ids {
		if _, ok := slices.BinarySearch(now.ids, id); !ok || r.isRenewed(table, id) {
			r.note(table, id, Left)
		}
	}
	i := 0
	for j, id := range now.ids {
		for i < len(was.ids) && was.ids[i] < id {
			i++
		}
		switch {
		case i == len(was.ids) || was.ids[i] != id || r.isRenewed(table, id):
			r.note(table, id, Entered)
		case was.mine[i] != 0 || !slices.Equal(t.rowNumbers(was, i), t.rowNumbers(now, j)) ||
			!slices.Equal(t.rowTexts(was, i), t.rowTexts(now, j)):
			r.note(table, id, Changed)
		}
	}
}

// Delta applies what follows the kind of a DELTA of n elements. It fails with ErrBaseline if that does
// not continue from the snapshot held.
func (r *Replica) Delta(rd *wire.Reader, n int) error {
	r.begin()
	if n < 3 || (n-3)%4 != 0 {
		rd.Fail(wire.ErrLength)
	}
	tick, span := readTick(rd), rd.Uint32()
	if rd.Err() == nil && span == 0 {
		rd.Fail(wire.ErrRange)
	}
	if rd.Err() == nil && (r.tick == 0 || span > tick || tick-span != r.tick) {
		rd.Fail(ErrBaseline)
	}
	if rd.Err() == nil && r.Partial() {
		rd.Fail(ErrPart)
	}
	if rd.Err() != nil {
		return r.failed("DELTA", rd)
	}
	ticks := int64(min(span, MaxSpan))
	next := 0 // the first table not yet advanced
	for range (n - 3) / 4 {
		table := rd.Uint32()
		if rd.Err() == nil && (table >= uint32(len(r.tables)) || int(table) < next) {
			rd.Fail(ErrTable)
		}
		if rd.Err() != nil {
			return r.failed("DELTA", rd)
		}
		for ; next < int(table); next++ {
			r.follow(rd, next, ticks)
		}
		r.advance(rd, next, ticks)
		next++
	}
	for ; next < len(r.tables); next++ {
		r.follow(rd, next, ticks)
	}
	if rd.Err() != nil {
		return r.failed("DELTA", rd)
	}
	r.taken = tick
	r.finish(tick)
	return nil
}

// advance reads and applies leaves, changes and enters of a table.
func (r *Replica) advance(rd *wire.Reader, table int, ticks int64) {
	t := &r.tables[table]
	r.leave(rd, table)
	r.change(rd, table, ticks)
	r.follow(rd, table, ticks)
	t.incoming.reset()
	t.readRecords(rd)
	if rd.Err() != nil {
		return
	}
	if !t.merge() {
		rd.Fail(ErrTwice)
		return
	}
	if r.observe != nil {
		for _, id := range t.incoming.ids {
			r.note(table, id, Entered)
		}
	}
}

func (r *Replica) leave(rd *wire.Reader, table int) {
	t := &r.tables[table]
	r.epoch++
	first, hint, noted := len(t.ids), 0, len(r.changes)
	for range rd.Array() {
		id := readID(rd)
		row, ok := t.find(id, hint)
		if !ok || t.marks[row] == r.epoch {
			rd.Fail(ErrEntity)
		}
		if rd.Err() != nil {
			r.changes = r.changes[:noted]
			return
		}
		t.marks[row] = r.epoch
		first, hint = min(first, row), row+1
		if r.observe != nil {
			r.note(table, id, Left)
		}
	}
	t.sweep(first, r.epoch)
}

// change applies a table's records, and marks their entities with the epoch.
func (r *Replica) change(rd *wire.Reader, table int, ticks int64) {
	t := &r.tables[table]
	r.epoch++
	hint := 0
	for left := rd.Array(); left > 0 && rd.Err() == nil; {
		id, mask := readID(rd), rd.Uint32()
		if rd.Err() != nil {
			return
		}
		row, ok := t.find(id, hint)
		hint = row + 1
		left -= 2 + bits.OnesCount32(mask)
		switch {
		case !ok:
			rd.Fail(ErrEntity)
		case t.marks[row] == r.epoch:
			rd.Fail(ErrTwice)
		case mask&^uint32(1<<len(t.shared)-1) != 0:
			rd.Fail(ErrMask)
		case left < 0:
			rd.Fail(wire.ErrLength)
		}
		if rd.Err() != nil {
			return
		}
		t.marks[row] = r.epoch
		moved := t.apply(rd, row, mask, ticks, &r.scratch)
		if moved && r.observe != nil {
			r.note(table, id, Changed)
		}
	}
}

// follow has the entities of a table that are not marked with the epoch follow their prediction. For a
// table without records the epoch is one that marks nothing.
func (r *Replica) follow(rd *wire.Reader, table int, ticks int64) {
	t := &r.tables[table]
	if len(t.predicted) == 0 || rd.Err() != nil {
		return
	}
	for row, mark := range t.marks {
		if mark == r.epoch {
			continue
		}
		if t.follow(rd, row, ticks) && r.observe != nil {
			r.note(table, t.ids[row], Changed)
		}
	}
}

// Own applies what follows the kind of an OWN of n elements. It returns the newest input consumed, and
// its slack in ticks.
func (r *Replica) Own(rd *wire.Reader, n int) (lastInput uint32, slack int, err error) {
	r.begin()
	r.epoch++
	if n < 3 {
		rd.Fail(wire.ErrLength)
	}
	if r.Partial() {
		rd.Fail(ErrPart)
	}
	lastInput = rd.Uint32()
	s := rd.Int()
	if s < -MaxFloat || s > MaxFloat {
		rd.Fail(wire.ErrRange)
	}
	for left := n - 3; left > 0 && rd.Err() == nil; {
		table, id, mask := rd.Uint32(), readID(rd), rd.Uint32()
		if rd.Err() == nil && table >= uint32(len(r.tables)) {
			rd.Fail(ErrTable)
		}
		if rd.Err() != nil {
			break
		}
		t := &r.tables[table]
		row, ok := t.find(id, 0)
		left -= 3 + bits.OnesCount32(mask)
		switch {
		case !ok:
			rd.Fail(ErrEntity)
		case t.marks[row] == r.epoch:
			rd.Fail(ErrTwice)
		case mask&^uint32(1<<len(t.owner)-1) != 0:
			rd.Fail(ErrMask)
		case left < 0:
			rd.Fail(wire.ErrLength)
		}
		if rd.Err() != nil {
			break
		}
		t.marks[row] = r.epoch
		if t.applyOwn(rd, row, mask) && r.observe != nil {
			r.note(int(table), id, Changed)
		}
	}
	if rd.Err() != nil {
		return 0, 0, r.failed("OWN", rd)
	}
	r.finish(r.tick)
	return lastInput, int(s), nil
}

func (r *Replica) begin() {
	r.changes = r.changes[:0]
	r.epoch++
}

func (r *Replica) note(table int, id ID, what What) {
	r.changes = append(r.changes, Change{table, id, what})
}

func (r *Replica) failed(kind string, rd *wire.Reader) error {
	r.taken, r.parts = 0, parts{}
	r.finish(0)
	return fmt.Errorf("%s: %w", kind, rd.Err())
}

func (r *Replica) finish(tick uint32) {
	r.tick = tick
	if r.observe == nil {
		return
	}
	for _, c := range r.changes {
		r.observe(c)
	}
}

func readTick(rd *wire.Reader) uint32 {
	tick := rd.Uint32()
	if rd.Err() == nil && tick == 0 {
		rd.Fail(wire.ErrRange)
	}
	return tick
}

func readID(rd *wire.Reader) ID {
	id := rd.Uint32()
	if rd.Err() == nil && id == 0 {
		rd.Fail(wire.ErrRange)
	}
	return ID(id)
}
