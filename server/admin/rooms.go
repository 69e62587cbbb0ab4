package admin

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/api"
)

// maxBody is the largest body of a request, in bytes. An event's own bound is lower.
const maxBody = 16 << 10

// RoomList is the answer to GET /v1/admin/rooms.
type RoomList struct {
	Rooms []room.Info `json:"rooms"`
}

// PlayerList is the answer to GET /v1/admin/players, by user and room.
type PlayerList struct {
	Players []PlayerInfo `json:"players"`
}

// Room is the answer to GET /v1/admin/rooms/{id}: a room, and who is in it.
type Room struct {
	Room    room.Info    `json:"room"`
	Players []PlayerInfo `json:"players"`
}

// PlayerInfo is one session: a user who is in several rooms has one in each.
type PlayerInfo struct {
	User      string `json:"user"`
	Name      string `json:"name"`
	Room      string `json:"room"`
	Kind      string `json:"kind"`
	Number    uint32 `json:"number,omitempty"`    // of the seat
	Spectator bool   `json:"spectator,omitempty"` // there is no seat
	Away      bool   `json:"away,omitempty"`      // the connection is lost, and may come back
	RTT       int64  `json:"rtt_ms,omitempty"`    // shortest round trip of late, in milliseconds; 0 while unknown
}

// Done is the answer to a request to close or lock a room.
type Done struct {
	Room   string `json:"room"`
	Locked *bool  `json:"locked,omitempty"`
}

func (a *API) rooms(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, err := query(r, "kind")
	if err != nil {
		return nil, err
	}
	list := RoomList{[]room.Info{}}
	for _, i := range a.cfg.Rooms.List() {
		if kind := q.Get("kind"); kind == "" || i.Kind == kind {
			list.Rooms = append(list.Rooms, i)
		}
	}
	return list, nil
}

func (a *API) players(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, err := query(r, "user", "room")
	if err != nil {
		return nil, err
	}
	id := ""
	if q.Has("room") {
		in, err := a.find(q.Get("room"))
		if err != nil {
			return nil, err
		}
		id = in.ID()
	}
	sessions := a.cfg.Registry.All
	if user := q.Get("user"); user != "" {
		sessions = func() []*player.Session { return a.cfg.Registry.User(user) }
	}
	return PlayerList{playersOf(sessions(), id)}, nil
}

func (a *API) room(_ http.ResponseWriter, r *http.Request) (any, error) {
	in, err := a.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	info := *in.Info()
	for _, i := range a.cfg.Rooms.List() { // what is locked from outside, the room does not know
		if i.ID == info.ID {
			info = i
		}
	}
	return Room{info, playersOf(a.cfg.Registry.All(), info.ID)}, nil
}

// playersOf tells of those sessions that are in a room, "" for all.
func playersOf(sessions []*player.Session, id string) []PlayerInfo {
	list := []PlayerInfo{}
	for _, s := range sessions {
		if id == "" || s.Room == id {
			list = append(list, PlayerInfo{
				User: s.User, Name: s.Name, Room: s.Room, Kind: s.Kind, Number: s.Number, Spectator: s.Number == 0,
				Away: s.Away(), RTT: s.Flow.MinRTT().Milliseconds(),
			})
		}
	}
	slices.SortFunc(list, func(x, y PlayerInfo) int {
		return cmp.Or(cmp.Compare(x.User, y.User), cmp.Compare(x.Room, y.Room), cmp.Compare(x.Number, y.Number))
	})
	return list
}

func (a *API) closeRoom(w http.ResponseWriter, r *http.Request) (any, error) {
	var req struct {
		Reason string `json:"reason"`
	}
	if err := api.Read(w, r, maxBody, `{"reason": "the server is being repaired"}`, &req); err != nil {
		return nil, err
	}
	if err := checkReason(&req.Reason, "an operator closed the room"); err != nil {
		return nil, err
	}
	to, err := a.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !a.cfg.Rooms.Close(to.ID(), req.Reason) {
		return nil, unknownRoom(to.ID())
	}
	return done{Done{Room: to.ID()}, "close room", []any{"room", to.ID(), "kind", to.Info().Kind, "reason", req.Reason}}, nil
}

func (a *API) lockRoom(w http.ResponseWriter, r *http.Request) (any, error) {
	var req struct {
		Locked *bool `json:"locked"`
	}
	if err := api.Read(w, r, maxBody, `{"locked": true}`, &req); err != nil {
		return nil, err
	}
	if req.Locked == nil {
		return nil, bad(`field "locked" is missing: it must be true or false`)
	}
	to, err := a.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !a.cfg.Rooms.Lock(to.ID(), *req.Locked) {
		return nil, unknownRoom(to.ID())
	}
	action := "unlock room"
	if *req.Locked {
		action = "lock room"
	}
	return done{Done{to.ID(), req.Locked}, action, []any{"room", to.ID(), "kind", to.Info().Kind}}, nil
}

func (a *API) find(id string) (*room.Room, error) {
	if to := a.cfg.Rooms.Find(id); to != nil {
		return to, nil
	}
	return nil, unknownRoom(id)
}

func unknownRoom(id string) error {
	return refuse(http.StatusNotFound, protocol.ErrRoomUnknown, "there is no room %.40q: GET %srooms lists them", id, Prefix)
}

// query returns the request's parameters, which must be some of those allowed.
func query(r *http.Request, allowed ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("the query is malformed: %v", err)
	}
	for name, values := range q {
		if !slices.Contains(allowed, name) || len(values) > 1 {
			return nil, bad("parameter %.40q is unknown, or there twice: there may be one each of %q", name, allowed)
		}
	}
	return q, nil
}
