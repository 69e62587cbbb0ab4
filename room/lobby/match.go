package lobby

import (
	"slices"
	"time"

	"github.com/tickhall/tickhall/room"
)

// Wanting is a room of a match.
type Wanting struct {
	Room  string
	Teams []int // that ask for a player each, see room.Tick.Backfill; nil while nobody is asked for
}

// Matches lists the rooms of a kind that were made for matches and have not ended, oldest first. The error wraps
// ErrUnknownKind.
func (l *Lobby) Matches(name string) ([]Wanting, error) {
	k, err := l.kind(name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(time.Now())
	var list []Wanting
	for _, e := range k.rooms {
		if e.match && !e.over() {
			list = append(list, Wanting{Room: e.room.ID(), Teams: l.wantedLocked(e)})
		}
	}
	return list, nil
}

// wantedLocked is what a match asks for, as far as the server can give it.
func (l *Lobby) wantedLocked(e *entry) []int {
	info := e.room.Info()
	if l.draining || e.barred || e.full() || info.Expected != e.expected { // who was placed last is not known to the game yet
		return nil
	}
	return info.Wanted
}

// Place holds a seat for one who was found in the queue, in the room of a match that asks for a player in that team. The
// error is ErrRoomUnknown, ErrRoomLocked, ErrFull or ErrDraining.
func (l *Lobby) Place(id string, m Member) (*Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := l.findLocked(id)
	switch {
	case err != nil:
		return nil, err
	case !e.match || e.barred || !slices.Contains(e.room.Info().Wanted, m.Team):
		return nil, ErrRoomLocked
	case l.strained || l.players >= l.cfg.MaxPlayers || e.full():
		return nil, ErrFull
	}
	l.placesOf.Add(m.By)
	s := l.holdLocked(e, time.Now(), false, m.By)
	if s == nil {
		l.placesOf.Give(m.By)
		return nil, ErrRoomUnknown
	}
	s.member = true
	e.expected++
	e.room.Expected(room.Member{User: m.By.User, Team: m.Team})
	return s, nil
}

// openLocked opens the rooms of matches to everybody in which one player at the most has been left for a while, and for which
// nobody was found in the queue: otherwise the player would sit in a locked room for ever.
func (l *Lobby) openLocked(e *entry, now time.Time) (opened bool) {
	if !e.match || !e.locked || e.barred || e.seats > 1 || len(e.room.Info().Wanted) == 0 {
		e.alone = time.Time{}
		return false
	}
	if e.alone.IsZero() {
		e.alone = now
	}
	if now.Sub(e.alone) < e.kind.spec.Queue.LateAfter {
		return false
	}
	e.locked = false
	return true
}
