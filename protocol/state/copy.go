package state

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"unsafe"
)

// Copy reads one table of a Replica into the author's struct T. It reads what the Replica holds at the
// moment, and belongs to the Replica's goroutine.
type Copy[T any] struct {
	replica *Replica
	index   int
	fields  []bound
}

// bound is a field of T with the place that its value comes from.
type bound struct {
	member
	from  *replicaField
	scale float64 // a value is the integer times scale / den
	den   float64
}

// Bind returns a Copy of the table called name. The fields of T with a sync tag are filled, by the tag's
// name; T need not have all that the schema has. For a client's struct the tag's other parts may be left
// out. Bind fails if the schema has no such table, or lacks a field or has it with another type.
func Bind[T any](r *Replica, name string) (*Copy[T], error) {
	typ := reflect.TypeFor[T]()
	list, err := members(typ, false)
	if err != nil {
		return nil, fmt.Errorf("state.Bind: %w", err)
	}
	c := &Copy[T]{replica: r, index: r.schema.Table(name)}
	if c.index < 0 {
		return nil, fmt.Errorf("state.Bind: the schema has no table %q for %s", name, typ)
	}
	schema := &r.schema.Tables[c.index]
	for i := range list {
		m := &list[i]
		at := -1
		for j := range schema.Fields {
			if schema.Fields[j].Name == m.Name {
				at = j
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("state.Bind: table %q has no field %q, which %s wants", name, m.Name, typ)
		}
		f := &schema.Fields[at]
		if m.Type != f.Type && !(m.Type == Float && !m.step && f.Type == Angle) {
			return nil, fmt.Errorf("state.Bind: field %q of table %q is of type %s, but %s wants %s", m.Name, name, f.Type, typ, m.Type)
		}
		b := bound{member: *m, from: &r.tables[c.index].fields[at], scale: float64(f.Num), den: float64(f.Den)}
		if f.Type == Angle {
			b.scale = 2 * math.Pi
		}
		c.fields = append(c.fields, b)
	}
	return c, nil
}

// Index is the table's number on the wire.
func (c *Copy[T]) Index() int { return c.index }

// Len is how many entities are held.
func (c *Copy[T]) Len() int { return c.replica.Len(c.index) }

// Mine reports whether an entity is the player's own.
func (c *Copy[T]) Mine(id ID) bool { return c.replica.Mine(c.index, id) }

// Get returns an entity, and whether it is held. A float is what the wire carries times its step, an
// angle is in radians from 0 to below 2 pi, an integer that does not fit T's field is the nearest that does.
// The owner fields of another's entity are zero.
func (c *Copy[T]) Get(id ID) (value T, ok bool) {
	row, ok := c.replica.tables[c.index].find(id, 0)
	if ok {
		c.read(&value, row)
	}
	return value, ok
}

// All yields every entity in ascending order of id. The Replica is not changed meanwhile.
func (c *Copy[T]) All() iter.Seq2[ID, T] {
	return func(yield func(ID, T) bool) {
		for row, id := range c.replica.tables[c.index].ids {
			var value T
			c.read(&value, row)
			if !yield(id, value) {
				return
			}
		}
	}
}

func (c *Copy[T]) read(into *T, row int) {
	t := &c.replica.tables[c.index]
	for i := range c.fields {
		b := &c.fields[i]
		p := unsafe.Add(unsafe.Pointer(into), b.offset)
		if b.Type == String {
			*(*string)(p) = t.text(row, b.from)
			continue
		}
		b.store(p, t.number(row, b.from))
	}
}

func (b *bound) store(p unsafe.Pointer, v int64) {
	switch b.kind {
	case reflect.Bool:
		*(*bool)(p) = v != 0
	case reflect.Int8:
		*(*int8)(p) = int8(min(max(v, math.MinInt8), math.MaxInt8))
	case reflect.Int16:
		*(*int16)(p) = int16(min(max(v, math.MinInt16), math.MaxInt16))
	case reflect.Int32:
		*(*int32)(p) = int32(min(max(v, math.MinInt32), math.MaxInt32))
	case reflect.Int64:
		*(*int64)(p) = v
	case reflect.Int:
		*(*int)(p) = int(min(max(v, math.MinInt), math.MaxInt))
	case reflect.Uint8:
		*(*uint8)(p) = uint8(min(max(v, 0), math.MaxUint8))
	case reflect.Uint16:
		*(*uint16)(p) = uint16(min(max(v, 0), math.MaxUint16))
	case reflect.Uint32:
		*(*uint32)(p) = uint32(min(max(v, 0), math.MaxUint32))
	case reflect.Uint64:
		*(*uint64)(p) = uint64(max(v, 0))
	case reflect.Uint:
		*(*uint)(p) = uint(min(uint64(max(v, 0)), math.MaxUint))
	case reflect.Float32:
		*(*float32)(p) = float32(float64(v) * b.scale / b.den)
	case reflect.Float64:
		*(*float64)(p) = float64(v) * b.scale / b.den
	}
}
