package lobby

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// Limits of a page of rooms.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// Query says which of the public rooms to list. The zero value is the first page of all.
type Query struct {
	Kind   string // "" for all
	Filter Filter
	After  string // RoomList.Next of the page before
	Limit  int    // rooms in a page, 1 to MaxPage; DefaultPage by default
}

// Rooms lists public rooms in the order of their ids, so that a room that stays is on exactly one page of those who
// turn them while others come and go. The error wraps ErrUnknownKind, or is a *room.Error.
func (l *Lobby) Rooms(q Query) (protocol.RoomList, error) {
	if q.Kind != "" {
		if _, err := l.kind(q.Kind); err != nil {
			return protocol.RoomList{}, err
		}
	}
	if err := q.Filter.check(); err != nil {
		return protocol.RoomList{}, err
	}
	orDefault(&q.Limit, DefaultPage)
	l.mu.Lock()
	list := []protocol.RoomInfo{}
	for id, e := range l.rooms {
		if e.public() && id > q.After && (q.Kind == "" || e.kind.spec.Name == q.Kind) && !e.over() && e.lists(q.Filter) {
			list = append(list, e.info())
		}
	}
	l.mu.Unlock()
	slices.SortFunc(list, func(a, b protocol.RoomInfo) int { return strings.Compare(a.ID, b.ID) })
	if len(list) <= q.Limit {
		return protocol.RoomList{Rooms: list}, nil
	}
	list = slices.Clip(list[:q.Limit])
	return protocol.RoomList{Rooms: list, Next: list[len(list)-1].ID}, nil
}

// lists is fits for who reads a list: of a room that says nothing nothing is known.
func (e *entry) lists(f Filter) bool {
	return len(f) == 0 || len(e.room.Info().Data) > 0 && e.fits(f)
}

// Change is what happened to the public rooms since the last one.
type Change struct {
	Whole bool                // Rooms are all that there are: forget what you know
	Rooms []protocol.RoomInfo // that are new, or have changed
	Gone  []string            // ids
}

// Watch calls f with all public rooms, and then, at most four times a second, with what has changed. f runs on
// Run's goroutine and must not wait. After stop, f is not called any more, but a call may be under way.
func (l *Lobby) Watch(f func(Change)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &watcher{call: f}
	l.watchLocked(w)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watchers = slices.DeleteFunc(l.watchers, func(o *watcher) bool { return o == w })
	}
}

// watcher is somebody who is told of changes: a function, or a room of ListingKind.
type watcher struct {
	call    func(Change)
	listing *room.Room
	knows   bool // the whole list; Run's goroutine alone
}

func (l *Lobby) watchLocked(w *watcher) {
	l.watchers = append(l.watchers, w)
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// shown is what watchers were told about a room, for telling whether it has changed.
type shown struct {
	told            bool
	info            *room.Info
	seats, watching int
	locked          bool
}

// tell tells the watchers what has changed.
func (l *Lobby) tell() {
	watchers, changed, whole := l.changes()
	for _, w := range watchers {
		switch {
		case !w.knows:
			w.knows = w.tell(whole)
		case len(changed.Rooms)+len(changed.Gone) > 0:
			w.knows = w.tell(changed)
		}
	}
}

// changes finds what has changed since it was last called, and all public rooms if a watcher needs them.
func (l *Lobby) changes() (watchers []*watcher, changed, whole Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed.Gone, l.gone = l.gone, nil
	if len(l.watchers) == 0 {
		changed.Gone = nil
		return
	}
	all := slices.ContainsFunc(l.watchers, func(w *watcher) bool { return !w.knows })
	whole.Whole = true
	for _, s := range l.specs {
		for _, e := range l.kinds[s.Name].rooms {
			if !e.public() {
				continue
			}
			now := shown{true, e.room.Info(), e.seats, e.watching, e.isLocked()}
			if now != e.shown {
				e.shown = now
				changed.Rooms = append(changed.Rooms, e.info())
			}
			if all {
				whole.Rooms = append(whole.Rooms, e.info())
			}
		}
	}
	return slices.Clone(l.watchers), changed, whole
}

// signalPatience is how long a listing room may let Run wait. It never should: nothing in it is slow.
const signalPatience = 50 * time.Millisecond

// tell reports whether w knows c now.
func (w *watcher) tell(c Change) bool {
	if w.call != nil {
		w.call(c)
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), signalPatience)
	defer cancel()
	for _, signal := range signalsOf(c) {
		if w.listing.Signal(ctx, changeSignal, signal) != nil {
			return false // it gets the whole list next time, if it has not ended
		}
	}
	return true
}
