package lobby

import (
	crand "crypto/rand"
	"time"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// Seat is a place in a room: held for a player who is on the way, then taken, at last released. Those
// held and those taken together are never more than the room's MaxPlayers. A spectator's place is one too, and
// counted apart: those are never more than the kind's Spectators.
type Seat struct {
	id       string
	lobby    *Lobby
	entry    *entry
	by       quota.Holder
	expiry   time.Time
	spectate bool

	// Lobby.mu guards the rest.
	released bool
	member   bool // of the match that the room was made for
	counted  bool // as one that by has
}

// ID is the seat's id: 130 random bits as text. Whoever knows it may take the seat.
func (s *Seat) ID() string { return s.id }

// Room is the room that the seat is in.
func (s *Seat) Room() *room.Room { return s.entry.room }

// Spectate reports whether this is a spectator's place.
func (s *Seat) Spectate() bool { return s.spectate }

// Release frees the seat, held or taken. Further calls do nothing.
func (s *Seat) Release() {
	s.lobby.mu.Lock()
	defer s.lobby.mu.Unlock()
	s.lobby.releaseLocked(s)
}

// Take takes a held seat, once: the caller now owns it and has to Release it. It reports false if the seat
// was taken or released, if its time is over, or if its room has ended.
func (l *Lobby) Take(id string) (*Seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(time.Now())
	s := l.held[id]
	if s == nil {
		return nil, false
	}
	l.unholdLocked(s)
	s.entry.visited = true
	return s, true
}

// Held reports whether Take would find the seat.
func (l *Lobby) Held(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(time.Now())
	return l.held[id] != nil
}

// holdLocked holds a place that the room has free, for somebody of whose places it is counted already. nil: the room has
// just ended, being empty.
func (l *Lobby) holdLocked(e *entry, now time.Time, spectate bool, by quota.Holder) *Seat {
	if !e.room.Expect(1) { // until the seat is released
		e.closing = true
		return nil
	}
	s := &Seat{id: crand.Text(), lobby: l, entry: e, by: by, expiry: now.Add(l.cfg.SeatFor), spectate: spectate, counted: true}
	l.held[s.id] = s
	l.holds = append(l.holds, s)
	e.places[s] = struct{}{}
	if spectate {
		e.watching++
	} else {
		e.seats++
	}
	l.players++
	l.meetLocked(e, by, 1)
	return s
}

// meetLocked counts who is in a room, or on the way to it, that comes from elsewhere than its maker: while there is
// somebody, the room is not one that the maker keeps from others.
func (l *Lobby) meetLocked(e *entry, by quota.Holder, n int) {
	if by.Near(e.maker) || !e.listed {
		return
	}
	was := e.others > 0
	e.others += n
	switch is := e.others > 0; {
	case is && !was:
		l.roomsOf.Give(e.maker)
	case was && !is:
		l.roomsOf.Add(e.maker)
	}
}

func (l *Lobby) unholdLocked(s *Seat) {
	if l.held[s.id] == s {
		delete(l.held, s.id)
	}
}

func (l *Lobby) releaseLocked(s *Seat) {
	if s.released {
		return
	}
	s.released = true
	l.unholdLocked(s)
	if s.spectate {
		s.entry.watching--
	} else {
		s.entry.seats--
	}
	if s.member {
		s.entry.room.Absent(s.by.User) // unless it came
	}
	s.entry.room.Expect(-1)
	delete(s.entry.places, s)
	l.meetLocked(s.entry, s.by, -1)
	l.discountLocked(s)
	if !s.entry.stuck {
		l.players--
	}
}

// discountLocked no longer counts a place as one that somebody has.
func (l *Lobby) discountLocked(s *Seat) {
	if s.counted {
		s.counted = false
		l.placesOf.Give(s.by)
	}
}

// expireLocked releases the held seats whose time is over at now, and ends rooms that were made for players of whom none
// came: else who asks for rooms and stays away could fill the server for as long as a kind's empty rooms stay. All seats
// are held equally long, so the oldest are the first.
func (l *Lobby) expireLocked(now time.Time) {
	n := 0
	for ; n < len(l.holds); n++ {
		s := l.holds[n]
		if l.held[s.id] != s {
			continue
		}
		if now.Before(s.expiry) {
			break
		}
		l.cfg.Stats.Expired.Add(1)
		l.releaseLocked(s)
		if e := s.entry; !e.visited && e.seats+e.watching == 0 {
			e.closeLocked(protocol.CodeRoomEnded, "nobody came")
		}
	}
	clear(l.holds[:n])
	l.holds = l.holds[n:]
}
