package protocol

import "encoding/json"

// MatchRequest is the body of POST /v1/match, at most 4 KiB of JSON. Which fields count depends on Mode;
// one that does not is refused.
type MatchRequest struct {
	Kind string `json:"kind"`           // name of the game kind, such as "arena"; "join" may leave it out
	Mode string `json:"mode"`           // one of the Mode constants; "quick" if left out
	Name string `json:"name,omitempty"` // display name; a guest without one gets one

	Guest string `json:"guest,omitempty"` // MatchReply.Guest of an earlier match: be the same guest again

	Room     string `json:"room,omitempty"`     // join: id of the room, which is also its code; case and dashes don't count
	Password string `json:"password,omitempty"` // create: sets it; join: must be it
	Private  bool   `json:"private,omitempty"`  // create: the room is not listed, and quick does not find it
	Spectate bool   `json:"spectate,omitempty"` // quick, join: watch without a seat

	Options json.RawMessage `json:"options,omitempty"` // create, quick: an object, for the game that is made if one is
	Filter  json.RawMessage `json:"filter,omitempty"`  // quick: an object; only rooms whose listing data has these properties

	Skill      float64           `json:"skill,omitempty"`      // queue: the player's rating, where the kind lets clients say it
	Properties map[string]string `json:"properties,omitempty"` // queue: must be equal within a match, such as region
	Party      string            `json:"party,omitempty"`      // queue: a code that friends share, to be matched together
	PartySize  int               `json:"party_size,omitempty"` // queue: how many friends share it, themselves included
}

// The modes of a MatchRequest.
const (
	ModeQuick  = "quick"  // join the fullest open room that fits, or create one
	ModeCreate = "create" // create a room
	ModeJoin   = "join"   // join the room named by id
	ModeQueue  = "queue"  // wait for others of the same skill
)

// MatchReply is the answer to a MatchRequest, with status 200.
type MatchReply struct {
	Room      string `json:"room"`                // id of the room in which a seat is held
	Ticket    string `json:"ticket"`              // opaque, single use, expires after 15 s
	URL       string `json:"url"`                 // absolute: ws:// or wss:// address to connect to, ticket included
	Public    bool   `json:"public,omitempty"`    // URL is below the server's public address; else it is a guess from the request
	Player    string `json:"player"`              // user id of the player
	Guest     string `json:"guest,omitempty"`     // a guest's proof of that id, to be kept and sent with later matches
	Spectator bool   `json:"spectator,omitempty"` // no seat is held: the ticket is for watching
	Team      int    `json:"team,omitempty"`      // queue: the player's team, from 1
}

// ConnectRequest is the body of POST /v1/connect, which asks why an upgrade failed: it is refused as that was, or with 426
// if there is nothing wrong with what it names. It uses up neither.
type ConnectRequest struct {
	Ticket string `json:"ticket,omitempty"`
	Resume string `json:"resume,omitempty"` // a token; one of the two
}

// QueueReply is the answer, with status 202, to a MatchRequest of mode "queue", and to GET
// /v1/match/{queue}, which waits up to 20 s for news, while the player has not been matched. Then that call
// answers with a MatchReply. DELETE /v1/match/{queue} leaves the queue; a client that does not ask for 30 s leaves it too.
type QueueReply struct {
	Queue   string  `json:"queue"`           // names the place in the queue; unguessable
	Waited  float64 `json:"waited"`          // seconds so far
	Waiting int     `json:"waiting"`         // players in this queue
	Window  float64 `json:"window"`          // largest difference in skill that is accepted by now
	Missing int     `json:"missing"`         // friends of the party who have not come yet
	Guest   string  `json:"guest,omitempty"` // as in MatchReply
}

// KindInfo is one element of the answer to GET /v1/kinds, an array.
type KindInfo struct {
	Name       string `json:"name"`
	Title      string `json:"title"`
	About      string `json:"about"`
	Players    int    `json:"players"` // in all of its rooms, away ones included
	Rooms      int    `json:"rooms"`
	MaxPlayers int    `json:"max_players"`    // of one room
	Full       bool   `json:"full,omitempty"` // a quick match finds no seat right now

	Interface *Interface `json:"interface,omitempty"` // nil if no room of the kind could be made without options
}

// Interface is what clients of a kind of room can send and get. Types are written as in WELCOME's inputs: see the
// README, under "Bodies".
type Interface struct {
	Rate     int           `json:"rate"` // ticks per second
	OnDemand bool          `json:"on_demand,omitempty"`
	Inputs   []Field       `json:"inputs"` // in the order of the wire
	Messages []MessageType `json:"messages"`
	Events   []EventType   `json:"events"` // that the game has declared
	Tables   []TableType   `json:"tables"`
}

// MessageType is a typed message that a room takes.
type MessageType struct {
	Name    string `json:"name"`
	Request string `json:"request"` // type of the body
	Reply   string `json:"reply"`   // likewise
}

// EventType is an event that a room sends.
type EventType struct {
	Name string `json:"name"`
	Body string `json:"body"` // its type
}

// TableType is a table of a room's world. How its fields travel is told by WELCOME's schema.
type TableType struct {
	Name   string       `json:"name"`
	Fields []TableField `json:"fields"`
}

// TableField is a field of a table.
type TableField struct {
	Name  string `json:"name"`
	Type  string `json:"type"`            // int, bool, float, angle or string
	Rate  string `json:"rate,omitempty"`  // the field that is its rate of change per second
	Owner bool   `json:"owner,omitempty"` // only the entity's owner is sent it
}

// RoomList is the answer to GET /v1/rooms.
type RoomList struct {
	Rooms []RoomInfo `json:"rooms"`
	Next  string     `json:"next,omitempty"` // "after" for the next page; empty on the last
}

// RoomInfo is one listed room.
type RoomInfo struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Players    int             `json:"players"` // seats taken or held
	MaxPlayers int             `json:"max_players"`
	Spectators int             `json:"spectators,omitempty"`
	Locked     bool            `json:"locked,omitempty"`   // nobody may join at present
	Password   bool            `json:"password,omitempty"` // needed to join
	Data       json.RawMessage `json:"data,omitempty"`     // what the game says about the room
}

// HTTPError is the body of every refusal of the HTTP API.
type HTTPError struct {
	Code    string `json:"code"`    // stable, for programs: one of the Err constants, or a game's own
	Message string `json:"message"` // for a person: what was wrong, and what to change
}

func (e *HTTPError) Error() string { return e.Code + ": " + e.Message }

// Codes of an HTTPError. The README lists the status that goes with each.
const (
	ErrBadRequest    = "bad_request"
	ErrUnknownKind   = "unknown_kind"
	ErrUnknownMode   = "unknown_mode"
	ErrServerFull    = "server_full"
	ErrUnavailable   = "kind_unavailable" // no room of the kind can be made at present
	ErrTooMany       = "too_many"         // the user or the address has as many of something as they may
	ErrFilterUnmet   = "filter_unmet"     // no room fits, nor would a new one
	ErrRoomUnknown   = "room_unknown"
	ErrRoomFull      = "room_full"
	ErrRoomLocked    = "room_locked"
	ErrPassword      = "password_wrong"
	ErrQueueUnknown  = "queue_unknown"
	ErrQueueReplaced = "queue_replaced" // the same player took a newer place: stop
	ErrUnauthorized  = "unauthorized"   // who are you: the token is missing, malformed or expired
	ErrBanned        = "banned"
	ErrTicketInvalid = "ticket_invalid"
	ErrTicketExpired = "ticket_expired"
	ErrTicketUsed    = "ticket_used"
	ErrTokenUnknown  = "token_unknown" // match again
	ErrOrigin        = "origin_refused"
	ErrHost          = "host_refused" // the server is not called that
	ErrRateLimited   = "rate_limited"
	ErrShuttingDown  = "shutting_down"
	ErrUpgrade       = "upgrade_required" // the ticket or token is good: open a WebSocket
	ErrNotFound      = "not_found"
	ErrMethod        = "method_not_allowed"
	ErrInternal      = "internal"
)
