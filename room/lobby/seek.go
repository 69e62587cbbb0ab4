package lobby

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// CreateOptions are of a room that somebody creates. The zero value makes a public room.
type CreateOptions struct {
	Options  json.RawMessage // for the game, see room.Setup.Options
	Private  bool            // the room is not listed, and Quick does not find it
	Password string          // whoever joins has to know it; "" for none
}

// QuickOptions are of a quick match.
type QuickOptions struct {
	Options json.RawMessage // for the game of the room that is made if none is found
	Filter  Filter          // only rooms whose listing data is so
}

// SpectateOptions say what somebody wants to watch: the room called Room, or the fullest of kind Kind that fits
// Filter.
type SpectateOptions struct {
	Room     string
	Password string
	Kind     string
	Filter   Filter
}

// Quick holds a seat for SeatFor in the fullest public room of that kind that has one free, fits the filter
// and is neither locked nor kept by a password, else in a new room. It returns when the seat is held: at once,
// or after the game's New.
func (l *Lobby) Quick(name string, o QuickOptions) (*Seat, error) {
	k, err := l.kind(name)
	if err != nil {
		return nil, err
	}
	if name == ListingName && (len(o.Options) > 0 || len(o.Filter) > 0) {
		return nil, ErrListing
	}
	if err := o.Filter.check(); err != nil {
		return nil, err
	}
	if s, err := l.hold(k, o.Filter, time.Now()); s != nil || err != nil {
		return s, err
	}
	k.making.Lock()
	defer k.making.Unlock()
	if s, err := l.hold(k, o.Filter, time.Now()); s != nil || err != nil {
		return s, err // somebody made a room meanwhile
	}
	return one(l.open(k, recipe{options: o.Options, wanted: o.Filter, seats: 1}))
}

// Create makes a room and holds a seat in it for SeatFor. A password takes about 50 ms.
func (l *Lobby) Create(name string, o CreateOptions) (*Seat, error) {
	k, err := l.kind(name)
	if err != nil {
		return nil, err
	}
	if name == ListingName {
		return nil, ErrListing
	}
	p, err := l.newPassword(o.Password)
	if err != nil {
		return nil, err
	}
	return one(l.open(k, recipe{options: o.Options, private: o.Private, password: p, seats: 1}))
}

// Reserve makes a room that others can't join, for a match, and holds n seats in it for SeatFor: all or none.
func (l *Lobby) Reserve(name string, n int) ([]*Seat, error) {
	k, err := l.kind(name)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > k.spec.MaxPlayers {
		return nil, fmt.Errorf("a room of kind %s has %d seats, not %d", name, k.spec.MaxPlayers, n)
	}
	return l.open(k, recipe{locked: true, seats: n})
}

// Join holds a seat in the room with that id, as a person may have typed it. A password takes about 50 ms.
func (l *Lobby) Join(id, password string) (*Seat, error) {
	return l.enter(id, password, (*Lobby).joinLocked)
}

// Spectate holds a spectator's place, which is no seat. It makes no room.
func (l *Lobby) Spectate(o SpectateOptions) (*Seat, error) {
	if o.Room != "" {
		return l.enter(o.Room, o.Password, (*Lobby).watchRoomLocked)
	}
	k, err := l.kind(o.Kind)
	if err != nil {
		return nil, err
	}
	if err := o.Filter.check(); err != nil {
		return nil, err
	}
	if k.spec.Spectators == 0 {
		return nil, fmt.Errorf("%w, kind %s", ErrNotWatched, o.Kind)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return nil, ErrDraining
	}
	now := time.Now()
	l.expireLocked(now)
	var best *entry
	for _, e := range k.rooms {
		if e.watching < k.spec.Spectators && e.open(o.Filter) && (best == nil || e.seats > best.seats) {
			best = e
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%w: there is none to watch", ErrRoomUnknown)
	}
	return l.placeLocked(best, now, true)
}

func one(seats []*Seat, err error) (*Seat, error) {
	if err != nil {
		return nil, err
	}
	return seats[0], nil
}

func (l *Lobby) kind(name string) (*kind, error) {
	if k := l.kinds[name]; k != nil {
		return k, nil
	}
	names := make([]string, len(l.specs))
	for i, s := range l.specs {
		names[i] = s.Name
	}
	return nil, fmt.Errorf("%w %.40q: this server has %s", ErrUnknownKind, name, strings.Join(names, ", "))
}

// open reports whether a stranger may come in who asks for rooms as f does.
func (e *entry) open(f Filter) bool {
	return !e.private && e.password == nil && !e.over() && e.fits(f)
}

// hold holds a seat in a room that there is, nil if there is none.
func (l *Lobby) hold(k *kind, f Filter, now time.Time) (*Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return nil, ErrDraining
	}
	l.expireLocked(now)
	for {
		var best *entry
		for _, e := range k.rooms {
			if !e.full() && (best == nil || e.seats > best.seats) && !e.isLocked() && e.open(f) {
				best = e
			}
		}
		if best == nil {
			return nil, nil
		}
		if s, err := l.placeLocked(best, now, false); !errors.Is(err, ErrRoomUnknown) {
			return s, err
		}
	}
}

// enter holds a place in the room with that id. The password is checked without the lock, and what the lock guards after it.
func (l *Lobby) enter(id, password string, place func(*Lobby, *entry, time.Time) (*Seat, error)) (*Seat, error) {
	l.mu.Lock()
	e, err := l.findLocked(id)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := l.check(e.password, password); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, err = l.findLocked(id); err != nil {
		return nil, err
	}
	now := time.Now()
	l.expireLocked(now)
	return place(l, e, now)
}

func (l *Lobby) findLocked(id string) (*entry, error) {
	if l.draining {
		return nil, ErrDraining
	}
	e := l.rooms[CleanID(id)]
	if e == nil || e.over() {
		return nil, ErrRoomUnknown
	}
	return e, nil
}

func (l *Lobby) joinLocked(e *entry, now time.Time) (*Seat, error) {
	switch {
	case e.isLocked():
		return nil, ErrRoomLocked
	case e.full():
		return nil, ErrRoomFull
	}
	return l.placeLocked(e, now, false)
}

func (l *Lobby) watchRoomLocked(e *entry, now time.Time) (*Seat, error) {
	switch places := e.kind.spec.Spectators; {
	case places == 0:
		return nil, fmt.Errorf("%w, kind %s", ErrNotWatched, e.kind.spec.Name)
	case e.watching >= places:
		return nil, fmt.Errorf("%w: all places for spectators are taken", ErrRoomFull)
	}
	return l.placeLocked(e, now, true)
}

// placeLocked holds a place that the room has free, if the server has.
func (l *Lobby) placeLocked(e *entry, now time.Time, spectate bool) (*Seat, error) {
	if l.strained || l.players >= l.cfg.MaxPlayers {
		return nil, ErrFull
	}
	if s := l.holdLocked(e, now, spectate); s != nil {
		return s, nil
	}
	return nil, ErrRoomUnknown
}
