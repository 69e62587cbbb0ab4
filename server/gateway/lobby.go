package gateway

import (
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/auth"
)

var (
	_ Room    = (*room.Room)(nil)
	_ Tickets = (*auth.Tickets)(nil)
)

// FromLobby makes a lobby one of a Config.
func FromLobby(l *lobby.Lobby) Lobby { return fromLobby{l} }

type fromLobby struct{ *lobby.Lobby }

func (l fromLobby) Quick(kind string) (Seat, error) {
	s, err := l.Lobby.Quick(kind)
	if err != nil {
		return nil, err
	}
	return fromSeat{s}, nil
}

func (l fromLobby) Take(id string) (Seat, bool) {
	s, ok := l.Lobby.Take(id)
	if !ok {
		return nil, false
	}
	return fromSeat{s}, true
}

func (l fromLobby) Find(id string) (Room, bool) {
	r := l.Lobby.Find(id)
	return r, r != nil
}

type fromSeat struct{ *lobby.Seat }

func (s fromSeat) Room() Room { return s.Seat.Room() }
