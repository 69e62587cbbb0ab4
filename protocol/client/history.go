package client

import (
	"math"
	"reflect"
	"strings"
	"unsafe"

	"github.com/tickhall/tickhall/protocol/state"
)

// historyLength is how many snapshots of an entity are kept: enough for the shown moment to lie well
// behind the newest when some come late. See jumps for the others.
const (
	historyLength = 16
	jumpFactor    = 4
	jumpSteps     = 64
)

// history keeps the last snapshots of a table's entities, to show moments between them.
type history[T any] struct {
	rate   float64 // ticks per second
	fields []shownField
	tracks map[state.ID]*track[T]
}

// shownField is a field of T that is not a step function.
type shownField struct {
	offset uintptr
	double bool // float64, else float32
	angle  bool // in radians
	rate   int  // its rate's index among the fields, -1 if T has none
	step   float64
}

// track is the row of an entity's snapshots.
type track[T any] struct {
	samples [historyLength]sample[T] // a ring
	next, n int
}

type sample[T any] struct {
	tick uint32
	v    T
}

// back is the sample i before the newest.
func (t *track[T]) back(i int) *sample[T] {
	return &t.samples[(t.next-1-i+2*historyLength)%historyLength]
}

func newHistory[T any]() *history[T] {
	return &history[T]{tracks: map[state.ID]*track[T]{}}
}

// reset forgets all, and learns from the schema of the table which fields of T to interpolate and how.
func (h *history[T]) reset(schema []state.Field, rate int) {
	h.rate = float64(rate)
	clear(h.tracks)
	h.fields = h.fields[:0]
	var names []string
	collect(reflect.TypeFor[T](), 0, func(name string, offset uintptr, kind reflect.Kind) {
		for _, f := range schema {
			if f.Name == name && (f.Type == state.Float || f.Type == state.Angle) {
				names = append(names, name)
				step := 1.0
				if f.Num != 0 && f.Den != 0 {
					step = float64(f.Num) / float64(f.Den)
				}
				h.fields = append(h.fields, shownField{offset, kind == reflect.Float64, f.Type == state.Angle, -1, step})
			}
		}
	})
	for i, name := range names {
		for _, f := range schema {
			if f.Name != name || f.Rate < 0 {
				continue
			}
			for j, other := range names {
				if other == schema[f.Rate].Name {
					h.fields[i].rate = j
				}
			}
		}
	}
}

// collect calls f for each field of a struct with a sync tag, embedded structs included, as package
// state reads them.
func collect(t reflect.Type, at uintptr, f func(name string, offset uintptr, kind reflect.Kind)) {
	for i := range t.NumField() {
		field := t.Field(i)
		tag, ok := field.Tag.Lookup("sync")
		if ok {
			name, _, _ := strings.Cut(tag, ",")
			f(name, at+field.Offset, field.Type.Kind())
		} else if field.Anonymous && field.Type.Kind() == reflect.Struct {
			collect(field.Type, at+field.Offset, f)
		}
	}
}

func (h *history[T]) drop(id state.ID) { delete(h.tracks, id) }

// record keeps v as the entity's value at tick. It allocates for a new entity only.
func (h *history[T]) record(id state.ID, tick uint32, v T) {
	t := h.tracks[id]
	if t == nil {
		t = &track[T]{}
		h.tracks[id] = t
	}
	if t.n > 0 && t.back(0).tick >= tick {
		if t.back(0).tick == tick {
			t.back(0).v = v
		}
		return
	}
	t.samples[t.next] = sample[T]{tick, v}
	t.next = (t.next + 1) % historyLength
	t.n = min(t.n+1, historyLength)
}

// at is the entity's value at a moment: see Table.At. Before the oldest snapshot kept it is that one's.
func (h *history[T]) at(id state.ID, tick float64) (v T, ok bool) {
	t := h.tracks[id]
	if t == nil {
		return v, false
	}
	i := 0 // back to the newest sample that is not after tick
	for i < t.n-1 && float64(t.back(i).tick) > tick {
		i++
	}
	a := t.back(i)
	v = a.v
	elapsed := (tick - float64(a.tick)) / h.rate
	switch {
	case !(elapsed > 0):
	case i > 0 && !h.jumps(a, t.back(i-1)):
		h.between(&v, a, t.back(i-1), elapsed)
	default:
		var before *sample[T]
		if i+1 < t.n && !h.jumps(t.back(i+1), a) {
			before = t.back(i + 1)
		}
		h.extrapolate(&v, before, a, extrapolated(elapsed))
	}
	return v, true
}

// jumps reports whether an entity is somewhere else in b, the snapshot after a, rather than on its way there: a field with a
// rate has gone more than jumpFactor times as far as the faster of both rates would take it, and more than jumpSteps
// steps besides. Nothing is said of long gaps, in which much can have happened.
func (h *history[T]) jumps(a, b *sample[T]) bool {
	way := float64(b.tick-a.tick) / h.rate
	if way > maxExtrapolate {
		return false
	}
	for i := range h.fields {
		f := &h.fields[i]
		if f.rate < 0 {
			continue
		}
		// In whole steps, as on the wire: a float32 may be a little off.
		x := f.steps(unsafe.Pointer(&b.v)) - f.steps(unsafe.Pointer(&a.v))
		v := &h.fields[f.rate]
		fastest := max(math.Abs(v.steps(unsafe.Pointer(&a.v))), math.Abs(v.steps(unsafe.Pointer(&b.v)))) * v.step
		if math.Abs(x) > jumpSteps+jumpFactor*fastest*way/f.step {
			return true
		}
	}
	return false
}

// between moves v, which is a's, on towards b. elapsed are the seconds since a.
func (h *history[T]) between(v *T, a, b *sample[T], elapsed float64) {
	way := float64(b.tick-a.tick) / h.rate
	s := elapsed / way
	for i := range h.fields {
		f := &h.fields[i]
		from, to := f.number(unsafe.Pointer(&a.v)), f.number(unsafe.Pointer(&b.v))
		switch {
		case f.angle:
			from = lerpAngle(from, to, s, 2*math.Pi)
		case f.rate >= 0 && from != to: // what stands still is shown still, whatever its rate: a ship that pushes against a wall
			rate := &h.fields[f.rate]
			from = hermite(from, rate.number(unsafe.Pointer(&a.v)), to, rate.number(unsafe.Pointer(&b.v)), way, s)
		default:
			from = lerp(from, to, s)
		}
		f.store(unsafe.Pointer(v), from)
	}
}

// extrapolate moves v, which is a's, on by elapsed seconds: by the rate where it is known, else as it
// went from the sample before, which may be nil. What is a rate itself stays.
func (h *history[T]) extrapolate(v *T, before, a *sample[T], elapsed float64) {
	for i := range h.fields {
		f := &h.fields[i]
		now := f.number(unsafe.Pointer(&a.v))
		switch {
		case f.rate >= 0:
			f.store(unsafe.Pointer(v), now+h.fields[f.rate].number(unsafe.Pointer(&a.v))*elapsed)
		case before == nil || h.isRate(i):
		default:
			s := 1 + elapsed*h.rate/float64(a.tick-before.tick)
			if f.angle {
				f.store(unsafe.Pointer(v), lerpAngle(f.number(unsafe.Pointer(&before.v)), now, s, 2*math.Pi))
			} else {
				f.store(unsafe.Pointer(v), lerp(f.number(unsafe.Pointer(&before.v)), now, s))
			}
		}
	}
}

func (h *history[T]) isRate(i int) bool {
	for j := range h.fields {
		if h.fields[j].rate == i {
			return true
		}
	}
	return false
}

// number reads the field of the T at p, by offset as package state does: a field may be unexported.
func (f *shownField) number(p unsafe.Pointer) float64 {
	p = unsafe.Add(p, f.offset)
	if f.double {
		return *(*float64)(p)
	}
	return float64(*(*float32)(p))
}

// steps is the field of the T at p as it was on the wire.
func (f *shownField) steps(p unsafe.Pointer) float64 { return math.Round(f.number(p) / f.step) }

// store sets the field of the T at p.
func (f *shownField) store(p unsafe.Pointer, x float64) {
	p = unsafe.Add(p, f.offset)
	if f.double {
		*(*float64)(p) = x
		return
	}
	*(*float32)(p) = float32(x)
}
