package lobby

import (
	"maps"
	"slices"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// ListingName is the name of ListingKind.
const ListingName = "lobby"

// MaxShown is how many public rooms a room of ListingKind shows, so that its keyframe stays far below
// protocol.MaxOutbound. Rooms beyond it have to be asked for by Lobby.Rooms.
const MaxShown = 2000

// Listing is one public room as a room of ListingKind shows it, in table "room".
type Listing struct {
	Players    int    `sync:"players"` // seats taken or held
	Spectators int    `sync:"spectators"`
	Locked     bool   `sync:"locked"`
	Data       string `sync:"data"` // the listing data as JSON; "" if there is none, or more than fits into a string field
	Room       string `sync:"room"` // id
	Kind       string `sync:"kind"`
	MaxPlayers int    `sync:"max_players"`
	Password   bool   `sync:"password"` // needed to join
}

// ListingKind is the kind of room whose world is the list of the public rooms, rooms of its own kind left out. A
// Lobby has it beside those of its Config; it is joined by a quick match.
func ListingKind() room.Kind[struct{}] {
	return room.Kind[struct{}]{
		Name: ListingName, Title: "Lobby", About: "The list of open rooms, live.",
		TickRate: 10, OnDemand: true, MaxPlayers: room.MaxMaxPlayers,
		New: func(s *room.Setup) (room.Game[struct{}], error) {
			g := &listing{rooms: room.Table[Listing](s, "room"), ids: map[string]state.ID{}, rest: map[string]Listing{}}
			room.OnSignal(s, changeSignal, g.change)
			return g, nil
		},
	}
}

// listing is the game of ListingKind.
type listing struct {
	rooms *state.Table[Listing]
	ids   map[string]state.ID
	rest  map[string]Listing // beyond MaxShown: they move up as others vanish
}

func (*listing) Join(*room.Tick, *room.Player) error        { return nil }
func (*listing) Leave(*room.Tick, *room.Player, room.Cause) {}
func (*listing) Step(*room.Tick, []room.Input[struct{}])    {}

const changeSignal = "rooms"

// change is a Change as a signal.
type change struct {
	Whole bool
	Rooms []Listing
	Gone  []string
}

// signalRooms is how many rooms travel in a signal, which is a few hundred KiB at the most.
const signalRooms = 256

// signalsOf is c as signals, one at least.
func signalsOf(c Change) []change {
	list := []change{{Whole: c.Whole, Gone: c.Gone}}
	for i := range c.Rooms {
		r := &c.Rooms[i]
		v := Listing{
			Room: r.ID, Kind: r.Kind, Players: r.Players, MaxPlayers: r.MaxPlayers, Spectators: r.Spectators,
			Locked: r.Locked, Password: r.Password,
		}
		if len(r.Data) <= state.MaxString { // cut short, it would be no JSON
			v.Data = string(r.Data)
		}
		last := &list[len(list)-1]
		if len(last.Rooms) == signalRooms {
			list = append(list, change{})
			last = &list[len(list)-1]
		}
		last.Rooms = append(last.Rooms, v)
	}
	return list
}

func (g *listing) change(_ *room.Tick, c change) {
	if c.Whole {
		for id := range g.rooms.All() {
			g.rooms.Remove(id)
		}
		clear(g.ids)
		clear(g.rest)
	}
	for _, name := range c.Gone {
		g.rooms.Remove(g.ids[name])
		delete(g.ids, name)
		delete(g.rest, name)
	}
	for _, v := range c.Rooms {
		row := g.rooms.Get(g.ids[v.Room])
		if row == nil {
			if len(g.ids) >= MaxShown {
				g.rest[v.Room] = v
				continue
			}
			delete(g.rest, v.Room)
			g.ids[v.Room], row = g.rooms.Add(0)
		}
		*row = v
	}
	free := MaxShown - len(g.ids)
	if free <= 0 || len(g.rest) == 0 {
		return
	}
	moved := slices.Sorted(maps.Keys(g.rest)) // in an order that a playback has, too
	for _, name := range moved[:min(free, len(moved))] {
		var row *Listing
		g.ids[name], row = g.rooms.Add(0)
		*row = g.rest[name]
		delete(g.rest, name)
	}
}
