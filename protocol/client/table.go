package client

import (
	"iter"

	"github.com/tickhall/tickhall/protocol/state"
)

// Table is the client's copy of one table of the world, with entities as values of T. Its methods are
// called in a callback or in Room.Do. Before the first join it is empty.
type Table[T any] struct {
	room *Room
	name string
	copy *state.Copy[T]

	enter, changed func(id state.ID, v T)
	left           func(id state.ID)
	history        *history[T] // nil unless Interpolate was called
}

// Bind makes the table called name readable as values of T: a struct whose fields are tagged as the
// game's own entity is, all or some of them. Run fails if the room has no such table or T does not
// fit. Call it before Run.
func Bind[T any](r *Room, name string) *Table[T] {
	r.mustBeNew("Bind")
	t := &Table[T]{room: r, name: name}
	r.tables = append(r.tables, t)
	return t
}

// Get returns an entity, and whether it is there.
func (t *Table[T]) Get(id state.ID) (v T, ok bool) {
	if t.copy == nil {
		return v, false
	}
	return t.copy.Get(id)
}

// Len is the number of entities.
func (t *Table[T]) Len() int {
	if t.copy == nil {
		return 0
	}
	return t.copy.Len()
}

// All yields every entity.
func (t *Table[T]) All() iter.Seq2[state.ID, T] {
	if t.copy == nil {
		return func(func(state.ID, T) bool) {}
	}
	return t.copy.All()
}

// Mine reports whether the entity is the player's own.
func (t *Table[T]) Mine(id state.ID) bool { return t.copy != nil && t.copy.Mine(id) }

// OnEnter sets what is called when an entity has come. Call it before Run.
func (t *Table[T]) OnEnter(f func(id state.ID, v T)) {
	t.room.mustBeNew("OnEnter")
	t.enter = f
}

// OnChange sets what is called when an entity has changed. Call it before Run.
func (t *Table[T]) OnChange(f func(id state.ID, v T)) {
	t.room.mustBeNew("OnChange")
	t.changed = f
}

// OnLeave sets what is called when an entity has gone; it also goes, without another word from the
// server, when the client gets another seat. Call it before Run.
func (t *Table[T]) OnLeave(f func(id state.ID)) {
	t.room.mustBeNew("OnLeave")
	t.left = f
}

// Interpolate makes the table keep the last snapshots of each entity, for At, at a cost for each
// entity and snapshot. Call it before Run.
func (t *Table[T]) Interpolate() {
	t.room.mustBeNew("Interpolate")
	t.history = newHistory[T]()
	t.room.out.delay = showDelay
}

// At returns an entity as it was at a moment of the room's time, given in ticks: between two snapshots
// interpolated, a number whose rate is known along the curve that fits both rates, an angle the
// shortest way, what is not a number as it was before. What jumps, further than its rates explain, goes on as it went and is
// at the new place at that snapshot. After the newest snapshot it is extrapolated for 250 ms at
// the most. Room.Shown is the moment to ask for. Interpolate must have been called.
func (t *Table[T]) At(id state.ID, tick float64) (v T, ok bool) {
	if t.history == nil {
		return t.Get(id)
	}
	return t.history.at(id, tick)
}

// Shown is the moment to show: two ticks behind what arrives now, following it evenly. Where no table interpolates, in a room
// on demand, or while the clock is not known yet, it is the last snapshot. It is what inputs carry as their view.
func (r *Room) Shown() float64 {
	o := &r.out
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.shownLocked(r.since())
}

func (t *Table[T]) bind(r *state.Replica, rate int) error {
	c, err := state.Bind[T](r, t.name)
	if err != nil {
		return err
	}
	t.copy = c
	if t.history != nil {
		t.history.reset(r.Schema().Tables[c.Index()].Fields, rate)
	}
	return nil
}

func (t *Table[T]) index() int { return t.copy.Index() }

func (t *Table[T]) wants() bool {
	return t.enter != nil || t.changed != nil || t.left != nil || t.history != nil
}

func (t *Table[T]) change(c state.Change) {
	switch c.What {
	case state.Left:
		if t.left != nil {
			t.left(c.ID)
		}
		return
	case state.Entered:
		t.tell(t.enter, c.ID)
	case state.Changed:
		t.tell(t.changed, c.ID)
	}
}

// drop forgets what was kept of an entity that has left.
func (t *Table[T]) drop(id state.ID) {
	if t.history != nil {
		t.history.drop(id)
	}
}

func (t *Table[T]) tell(f func(id state.ID, v T), id state.ID) {
	if f == nil {
		return
	}
	if v, ok := t.copy.Get(id); ok {
		f(id, v)
	}
}

// forget tells that every entity has gone.
func (t *Table[T]) forget() {
	if t.copy == nil {
		return
	}
	if t.left != nil {
		for id := range t.copy.All() {
			t.left(id)
		}
	}
	t.copy = nil
}

// record keeps the snapshot of tick for At.
func (t *Table[T]) record(tick uint32) {
	if t.history == nil || t.copy == nil {
		return
	}
	for id, v := range t.copy.All() {
		t.history.record(id, tick, v)
	}
}
