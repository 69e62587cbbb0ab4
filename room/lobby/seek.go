package lobby

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tickhall/tickhall/player/quota"
)

// CreateOptions are of a room that somebody creates. The zero value makes a public room.
type CreateOptions struct {
	By       quota.Holder    // whose room it is
	Options  json.RawMessage // for the game, see room.Setup.Options
	Private  bool            // the room is not listed, and Quick does not find it
	Password string          // whoever joins has to know it; "" for none
}

// QuickOptions are of a quick match.
type QuickOptions struct {
	By      quota.Holder    // whose seat it is, as below
	Options json.RawMessage // for the game of the room that is made if none is found
	Filter  Filter          // only rooms whose listing data is so
}

// SpectateOptions say what somebody wants to watch: the room called Room, or the fullest of kind Kind that fits
// Filter.
type SpectateOptions struct {
	By       quota.Holder
	Room     string
	Password string
	Kind     string
	Filter   Filter
}

// JoinOptions are of a seat in a room that is known.
type JoinOptions struct {
	By       quota.Holder
	Room     string // its id, as a person may have typed it
	Password string
}

// Member is one of those for whom a match is made.
type Member struct {
	By   quota.Holder
	Team int // from 1
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
	if s, err := l.hold(k, &o, time.Now()); s != nil || err != nil {
		return s, err
	}
	until := time.Now().Add(stuckAfter)
	patience := time.NewTimer(stuckAfter)
	defer patience.Stop()
	select {
	case k.making <- struct{}{}:
	case <-patience.C:
		return nil, hangs(k)
	}
	defer func() { <-k.making }()
	if s, err := l.hold(k, &o, time.Now()); s != nil || err != nil {
		return s, err // somebody made a room meanwhile
	}
	asked := o.Filter.key(o.Options)
	if err := l.made(k, &o, asked); err != nil {
		return nil, err
	}
	maker := o.By
	if name == ListingName {
		maker = quota.Holder{} // everybody's
	}
	return one(l.open(k, recipe{options: o.Options, wanted: o.Filter, asked: asked, quick: true, maker: maker, until: until}))
}

// made finds a room that was made for the same quick match, and was something else as soon as it said what it is.
func (l *Lobby) made(k *kind, o *QuickOptions, asked string) error {
	if asked == "" {
		return nil
	}
	l.mu.Lock()
	var first json.RawMessage
	for _, e := range k.rooms {
		if e.asked == asked && !e.over() {
			if first = e.room.Info().First; len(first) > 0 && !o.Filter.matches(propertiesOf(first)) {
				break
			}
			first = nil
		}
	}
	l.mu.Unlock()
	return l.contradicts(k, o.Filter, first)
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
	return one(l.open(k, recipe{options: o.Options, private: o.Private, password: p, maker: o.By, until: time.Now().Add(stuckAfter)}))
}

// Reserve makes a room that others can't join, for a match, and holds a seat in it for each member, for SeatFor: all or none.
func (l *Lobby) Reserve(name string, match []Member) ([]*Seat, error) {
	k, err := l.kind(name)
	if err != nil {
		return nil, err
	}
	if n := len(match); n < 1 || n > k.spec.MaxPlayers {
		return nil, fmt.Errorf("a room of kind %s has %d seats, not %d", name, k.spec.MaxPlayers, n)
	}
	return l.open(k, recipe{match: match, until: time.Now().Add(stuckAfter)})
}

// Fits says why by may not have one more seat, if so, as a *quota.Error.
func (l *Lobby) Fits(by quota.Holder) error { return l.placesOf.Fits(by) }

// Join holds a seat in a room. Who gives wrong passwords has to wait: see WaitError.
func (l *Lobby) Join(o JoinOptions) (*Seat, error) {
	return l.enter(o, (*Lobby).joinLocked)
}

// Spectate holds a spectator's place, which is no seat. It makes no room.
func (l *Lobby) Spectate(o SpectateOptions) (*Seat, error) {
	if o.Room != "" {
		return l.enter(JoinOptions{By: o.By, Room: o.Room, Password: o.Password}, (*Lobby).watchRoomLocked)
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
	return l.placeLocked(best, now, true, o.By)
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
func (l *Lobby) hold(k *kind, o *QuickOptions, now time.Time) (*Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return nil, ErrDraining
	}
	l.expireLocked(now)
	for {
		var best *entry
		for _, e := range k.rooms {
			if e.haunted(o.By) && e.open(o.Filter) {
				best = e // the player's own seat waits there
				break
			}
			if !e.full() && (best == nil || e.seats > best.seats) && !e.isLocked() && e.open(o.Filter) {
				best = e
			}
		}
		if best == nil {
			return nil, nil
		}
		if s, err := l.placeLocked(best, now, false, o.By); !errors.Is(err, ErrRoomUnknown) {
			return s, err
		}
	}
}

// enter holds a place in a room. The password is checked without the lock, and what the lock guards after it.
func (l *Lobby) enter(o JoinOptions, place func(*Lobby, *entry, time.Time, quota.Holder) (*Seat, error)) (*Seat, error) {
	l.mu.Lock()
	e, err := l.findLocked(o.Room)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := l.check(e, o.Password, o.By); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, err = l.findLocked(o.Room); err != nil {
		return nil, err
	}
	now := time.Now()
	l.expireLocked(now)
	return place(l, e, now, o.By)
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

func (l *Lobby) joinLocked(e *entry, now time.Time, by quota.Holder) (*Seat, error) {
	switch {
	case e.haunted(by):
	case e.isLocked():
		return nil, ErrRoomLocked
	case e.full():
		return nil, ErrRoomFull
	}
	return l.placeLocked(e, now, false, by)
}

func (l *Lobby) watchRoomLocked(e *entry, now time.Time, by quota.Holder) (*Seat, error) {
	switch places := e.kind.spec.Spectators; {
	case places == 0:
		return nil, fmt.Errorf("%w, kind %s", ErrNotWatched, e.kind.spec.Name)
	case e.watching >= places:
		return nil, fmt.Errorf("%w: all places for spectators are taken", ErrRoomFull)
	}
	return l.placeLocked(e, now, true, by)
}

// placeLocked holds a place that the room has free, if the server has one, and by may have it.
func (l *Lobby) placeLocked(e *entry, now time.Time, spectate bool, by quota.Holder) (*Seat, error) {
	if l.strained || l.players >= l.cfg.MaxPlayers {
		return nil, ErrFull
	}
	if err := l.placesOf.Take(by); err != nil {
		return nil, err
	}
	if s := l.holdLocked(e, now, spectate, by); s != nil {
		return s, nil
	}
	l.placesOf.Give(by)
	return nil, ErrRoomUnknown
}
