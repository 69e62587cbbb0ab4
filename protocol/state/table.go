package state

import (
	"fmt"
	"iter"
	"math/bits"
	"reflect"
	"unsafe"
)

// Table holds the entities of one kind. Its rows are the author's own structs, of which the fields with
// a sync tag are sent; NewTable tells what tags there are. Its methods belong to the World's goroutine
// and allocate only when the table outgrows what it ever held.
type Table[T any] struct {
	core   *table
	chunks [][]T // of 8, 16, 32... rows, so that rows never move
}

const firstChunk = 8

// NewTable registers a table of T in w, under a name of 1 to MaxName bytes, before w's schema is first
// asked for. A field of T, exported or not, is sent if it has a tag
//
//	sync:"name[,step=N/D][,rate=other][,turn=N][,owner]"
//
// A field of any integer kind, such as an ID, saturates at MaxInt from 0. A float needs a step, a positive number such
// as 1/8, 0.125 or 2, of which it is rounded to a multiple, at most MaxFloat steps from 0; or turn=N, N
// from 2 to MaxTurn, which makes it an angle in radians with N units to the turn. NaN becomes 0. A string
// is cut at MaxString bytes and made valid UTF-8. rate= names the float field that is this float's rate
// of change per second: clients then predict it, and what follows its prediction costs no bytes. A field
// with owner goes to the entity's owner alone. Fields without the tag stay private to the server. A
// change costs fewest bytes if it is to the first seven shared fields alone.
//
// NewTable panics, with a sentence that names struct, field and remedy, if a tag or name is wrong, if
// there are more than MaxTables tables, or if the schema was already asked for: these are mistakes in a
// program, which its first run shows.
func NewTable[T any](w *World, name string) *Table[T] {
	t := &Table[T]{}
	t.core = w.register(name, reflect.TypeFor[T]())
	t.core.row = func(slot int) unsafe.Pointer { return unsafe.Pointer(t.row(slot)) }
	t.core.clear = func(slot int) { clear(unsafe.Slice(t.row(slot), 1)) }
	t.core.grow = t.grow
	return t
}

// grow makes rows up to that of a slot.
func (t *Table[T]) grow(slot int) {
	for at := slot + firstChunk; at >= firstChunk<<len(t.chunks); {
		t.chunks = append(t.chunks, make([]T, firstChunk<<len(t.chunks)))
	}
}

// row returns the row of a slot. Chunk c starts at slot firstChunk<<c - firstChunk.
func (t *Table[T]) row(slot int) *T {
	at := slot + firstChunk
	c := bits.Len(uint(at)) - bits.Len(firstChunk)
	return &t.chunks[c][at-firstChunk<<c]
}

// Add adds an entity that belongs to player owner, 0 for nobody, which never changes. It returns its
// id and its row, zeroed, at an address that stays the entity's. Ids are small; one is used again when
// the entity that had it was removed at least Ring+1 snapshots ago.
func (t *Table[T]) Add(owner uint32) (ID, *T) {
	slot := t.core.add(owner)
	t.grow(slot)
	row := t.row(slot)
	*row = *new(T)
	return ID(slot + 1), row
}

// Get returns the row of id, nil if there is no such entity.
func (t *Table[T]) Get(id ID) *T {
	if !t.core.has(id) {
		return nil
	}
	return t.row(int(id) - 1)
}

// Remove removes an entity and reports whether there was one. Its row keeps its values until the next
// snapshot.
func (t *Table[T]) Remove(id ID) bool { return t.core.remove(id) }

// Owner returns the player to whom id belongs, 0 if nobody or if there is no such entity.
func (t *Table[T]) Owner(id ID) uint32 {
	if !t.core.has(id) {
		return 0
	}
	return t.core.owners[id-1]
}

// Len is how many entities there are.
func (t *Table[T]) Len() int { return t.core.n }

// Index is the table's number on the wire: its position in the schema.
func (t *Table[T]) Index() int { return t.core.index }

// All yields every entity in ascending order of id. Meanwhile any may be removed, and is then not
// yielded; one that is added is yielded if its id is above the current one.
func (t *Table[T]) All() iter.Seq2[ID, *T] {
	return func(yield func(ID, *T) bool) {
		for w := 0; w < len(t.core.live); w++ {
			for todo := ^uint64(0); ; {
				left := t.core.live[w] & todo
				if left == 0 {
					break
				}
				bit := bits.TrailingZeros64(left)
				todo = ^uint64(1) << bit
				slot := w<<6 | bit
				if !yield(ID(slot+1), t.row(slot)) {
					return
				}
			}
		}
	}
}

// table is what of a Table does not depend on its type.
type table struct {
	world   *World
	index   int
	members []member
	shared  []int // indices of the shared fields
	owner   []int // and of the owner fields
	predict []predictor
	strings uint32       // bit per shared index: the field is a string
	typ     reflect.Type // of a row
	row     func(slot int) unsafe.Pointer
	clear   func(slot int)
	grow    func(slot int)
	leaves  []leaf // set by World.Layout

	live    []uint64 // bit per slot
	owners  []uint32 // by slot
	born    []uint32 // by slot: no snapshot before that of this tick has its entity, 0 if the id had no other before
	n       int
	version uint64 // of the membership, up by one for each Add and Remove
	removed []removal
	next    int // first removal that is still in quarantine

	// Of the newest snapshot.
	rows  []unsafe.Pointer
	ranks []int32 // by slot, its rank among ids
	seen  uint64  // version of rows and ranks
	texts []textCache
	spare []columns // by field, then those of ids
	derived
}

// removal is a slot in quarantine, in the order of removal.
type removal struct {
	slot int
	at   uint64 // how many snapshots there had been
}

func (t *table) has(id ID) bool {
	slot := uint(id) - 1
	return id != 0 && slot < uint(len(t.owners)) && t.live[slot>>6]>>(slot&63)&1 != 0
}

func (t *table) add(owner uint32) (slot int) {
	if t.next < len(t.removed) && t.removed[t.next].at+Ring+1 <= t.world.count {
		slot = t.removed[t.next].slot
		t.next++
		t.owners[slot] = owner
		t.born[slot] = t.world.Tick() + 1
	} else {
		slot = len(t.owners)
		t.owners = append(t.owners, owner)
		t.born = append(t.born, 0)
		if slot&63 == 0 {
			t.live = append(t.live, 0)
		}
	}
	t.live[slot>>6] |= 1 << (slot & 63)
	t.n++
	t.version++
	return slot
}

func (t *table) remove(id ID) bool {
	if !t.has(id) {
		return false
	}
	slot := int(id) - 1
	t.live[slot>>6] &^= 1 << (slot & 63)
	t.n--
	t.version++
	if t.next > len(t.removed)/2 {
		t.removed = t.removed[:copy(t.removed, t.removed[t.next:])]
		t.next = 0
	}
	t.removed = append(t.removed, removal{slot, t.world.count})
	return true
}

func (w *World) register(name string, typ reflect.Type) *table {
	fail := func(err error) { panic(fmt.Sprintf("state.NewTable(%q): %v", name, err)) }
	if w.sealed {
		fail(fmt.Errorf("the world's schema is already in use: register every table when the room is made"))
	}
	list, err := members(typ, true)
	if err != nil {
		fail(err)
	}
	s := Schema{Tables: append(w.schema.Tables[:len(w.schema.Tables):len(w.schema.Tables)], TableSchema{name, schemaOf(list)})}
	if err := s.check(); err != nil {
		fail(fmt.Errorf("%s: %w", typ, err))
	}
	w.schema = s
	t := &table{world: w, index: len(w.tables), typ: typ, members: list, predict: make([]predictor, len(list)), texts: make([]textCache, len(list)), spare: make([]columns, len(list)+1)}
	ts := &s.Tables[t.index]
	t.shared, t.owner = ts.indices()
	if t.predict, err = ts.predictors(w.rate); err != nil {
		fail(fmt.Errorf("%s: %w", typ, err))
	}
	for i, f := range t.shared {
		if list[f].Type == String {
			t.strings |= 1 << i
		}
	}
	w.tables = append(w.tables, t)
	return t
}
