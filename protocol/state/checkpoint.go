package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/tickhall/tickhall/protocol/wire"
)

// ErrEntities is returned by World.ReadCheckpoint for entities that contradict each other.
var ErrEntities = errors.New("entities of a checkpoint contradict each other")

// leaf is one plain value within a row: a checkpoint holds them all, those without a sync tag too.
type leaf struct {
	offset uintptr
	typ    reflect.Type
}

// leaves appends the plain values within a t at an offset, and to layout what they are.
func leaves(list []leaf, layout []byte, t reflect.Type, at uintptr, path string) ([]leaf, []byte, error) {
	var err error
	switch t.Kind() {
	case reflect.Struct:
		for i := 0; i < t.NumField() && err == nil; i++ {
			if f := t.Field(i); f.Name != "_" {
				list, layout, err = leaves(list, layout, f.Type, at+f.Offset, path+"."+f.Name)
			}
		}
	case reflect.Array:
		for i := 0; i < t.Len() && err == nil; i++ {
			list, layout, err = leaves(list, layout, t.Elem(), at+uintptr(i)*t.Elem().Size(), path+"[]")
		}
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return append(list, leaf{at, t}), fmt.Appendf(layout, "%s %s\n", path, t.Kind()), nil
	default:
		err = fmt.Errorf("%s is a %s, which a checkpoint can't hold: use numbers, bools, strings, and arrays and structs of them, "+
			"or keep it in the game, by the entity's id", path, t)
	}
	return list, layout, err
}

// Layout names all that AppendCheckpoint's bytes depend on beside the entities: the rate, the schema, and every field
// of the rows. The error tells which field of a row is no plain value.
func (w *World) Layout() (string, error) {
	layout := fmt.Appendf(nil, "%d\n%s\n", w.rate, w.Schema().Hash())
	for i, t := range w.tables {
		var err error
		if t.leaves, layout, err = leaves(t.leaves[:0], layout, t.typ, 0, t.typ.String()); err != nil {
			return "", fmt.Errorf("table %q: %w", w.schema.Tables[i].Name, err)
		}
	}
	sum := sha256.Sum256(layout)
	return hex.EncodeToString(sum[:8]), nil
}

// AppendCheckpoint appends every entity as it is now, with all fields of its row, and which ids are not to be used
// again yet: all that the world's later snapshots depend on. Layout must have returned no error. It is called
// between a Snapshot and the next change.
func (w *World) AppendCheckpoint(b []byte) []byte {
	b = wire.AppendArray(b, 2*len(w.tables))
	for _, t := range w.tables {
		resting := t.removed[t.next:]
		b = wire.AppendArray(b, 2*len(resting))
		for _, r := range resting {
			b = wire.AppendUint(b, uint64(r.slot+1))
			b = wire.AppendUint(b, min(w.count-r.at, Ring+1))
		}
		b = wire.AppendArray(b, t.n*(3+len(t.leaves)))
		for slot, owner := range t.owners {
			if !t.has(ID(slot + 1)) {
				continue
			}
			b = wire.AppendUint(b, uint64(slot+1))
			b = wire.AppendUint(b, uint64(owner))
			b = wire.AppendUint(b, uint64(t.born[slot]))
			for i := range t.leaves {
				b = t.leaves[i].append(b, t.row(slot))
			}
		}
	}
	return b
}

// ReadCheckpoint replaces the entities of a world that has made no snapshot by those of a checkpoint of a world with
// the same Layout, which it trusts in nothing else, and makes the snapshot of tick from them, at least 1. After
// an error the world is good for nothing.
func (w *World) ReadCheckpoint(r *wire.Reader, tick uint32) error {
	if w.count > 0 {
		panic("state.World.ReadCheckpoint: the world has made snapshots")
	}
	if wantArray(r, 2*len(w.tables)); r.Err() != nil {
		return r.Err()
	}
	resting := make([][]removal, len(w.tables))
	for i, t := range w.tables {
		resting[i] = t.readEntities(r)
	}
	if r.Err() != nil {
		return r.Err()
	}
	w.Snapshot(tick)
	w.count += uint64(len(w.ring)) // the same place in the ring, and a past to which ages reach back
	for i, t := range w.tables {
		for j := range resting[i] {
			resting[i][j].at = w.count - resting[i][j].at
		}
		t.removed, t.next = resting[i], 0
	}
	return nil
}

// readEntities reads one table, and returns the ids that rest, with their ages.
func (t *table) readEntities(r *wire.Reader) []removal {
	n := r.Array()
	if n%2 != 0 {
		r.Fail(wire.ErrLength)
	}
	var resting []removal
	for age := uint32(Ring + 1); n > 0 && r.Err() == nil; n -= 2 {
		id, next := readID(r), r.Uint32()
		if next == 0 || next > age { // oldest first; the youngest was removed before the newest snapshot
			r.Fail(wire.ErrRange)
		}
		age = next
		resting = append(resting, removal{int(id) - 1, uint64(age)})
	}
	n = r.Array()
	width := 3 + len(t.leaves)
	if n%width != 0 {
		r.Fail(wire.ErrLength)
	}
	if r.Err() != nil {
		return nil
	}
	t.empty(n/width + len(resting))
	taken := make([]bool, len(t.owners))
	claim := func(slot int) bool {
		if slot >= len(taken) || taken[slot] {
			r.Fail(ErrEntities)
			return false
		}
		taken[slot] = true
		return true
	}
	for _, removed := range resting {
		claim(removed.slot)
	}
	for ; n > 0 && r.Err() == nil; n -= width {
		slot := int(readID(r)) - 1
		owner, born := r.Uint32(), r.Uint32()
		if r.Err() != nil || !claim(slot) {
			break
		}
		t.live[slot>>6] |= 1 << (slot & 63)
		t.owners[slot], t.born[slot] = owner, born
		t.n++
		for i := range t.leaves {
			t.leaves[i].read(r, t.row(slot))
		}
	}
	return resting
}

// empty makes t a table of so many slots without an entity.
func (t *table) empty(slots int) {
	for slot := range t.owners {
		t.clear(slot)
	}
	t.owners, t.born = make([]uint32, slots), make([]uint32, slots)
	t.live = make([]uint64, (slots+63)/64)
	t.n, t.removed, t.next = 0, nil, 0
	t.version++
	if slots > 0 {
		t.grow(slots - 1)
	}
}

func (l *leaf) append(b []byte, row unsafe.Pointer) []byte {
	v := l.value(row)
	switch l.typ.Kind() {
	case reflect.Bool:
		return wire.AppendBool(b, v.Bool())
	case reflect.String:
		return wire.AppendBytes(b, []byte(v.String())) // which need not be UTF-8
	case reflect.Float32, reflect.Float64:
		return wire.AppendFloat(b, v.Float())
	}
	if v.CanUint() {
		return wire.AppendInt(b, int64(v.Uint())) // as a Reader reads 64 bits
	}
	return wire.AppendInt(b, v.Int())
}

func (l *leaf) read(r *wire.Reader, row unsafe.Pointer) {
	v := l.value(row)
	switch l.typ.Kind() {
	case reflect.Bool:
		v.SetBool(r.Bool())
	case reflect.String:
		v.SetString(string(r.Bytes()))
	case reflect.Float32, reflect.Float64:
		f := r.Float()
		if v.OverflowFloat(f) {
			r.Fail(wire.ErrRange)
		}
		v.SetFloat(f)
	default:
		n := r.Int()
		switch {
		case v.CanUint() && !v.OverflowUint(uint64(n)):
			v.SetUint(uint64(n))
		case v.CanInt() && !v.OverflowInt(n):
			v.SetInt(n)
		default:
			r.Fail(wire.ErrRange)
		}
	}
}

// value is the leaf of a row, which may be an unexported field.
func (l *leaf) value(row unsafe.Pointer) reflect.Value {
	return reflect.NewAt(l.typ, unsafe.Add(row, l.offset)).Elem()
}
