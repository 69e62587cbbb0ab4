package protocol

// MatchRequest is the body of POST /v1/match, at most 4 KiB of JSON.
type MatchRequest struct {
	Kind string `json:"kind"`           // name of the game kind, such as "arena"
	Mode string `json:"mode"`           // "quick": join the fullest open room, or create one
	Name string `json:"name,omitempty"` // display name; a guest without one gets one
}

// MatchReply is the answer to a MatchRequest.
type MatchReply struct {
	Room   string `json:"room"`   // id of the room in which a seat is held
	Ticket string `json:"ticket"` // opaque, single use, expires after 15 s
	URL    string `json:"url"`    // ws:// or wss:// address to connect to, ticket included
	Player string `json:"player"` // user id of the player
}

// HTTPError is the body of every refusal of the HTTP API.
type HTTPError struct {
	Code    string `json:"code"`    // stable, for programs: one of the Err constants
	Message string `json:"message"` // for a person: what was wrong, and what to change
}

func (e *HTTPError) Error() string { return e.Code + ": " + e.Message }

// Codes of an HTTPError. The README lists the status that goes with each.
const (
	ErrBadRequest    = "bad_request"
	ErrUnknownKind   = "unknown_kind"
	ErrUnknownMode   = "unknown_mode"
	ErrServerFull    = "server_full"
	ErrTicketInvalid = "ticket_invalid"
	ErrTicketExpired = "ticket_expired"
	ErrTicketUsed    = "ticket_used"
	ErrTokenUnknown  = "token_unknown" // match again
	ErrOrigin        = "origin_refused"
	ErrRateLimited   = "rate_limited"
	ErrShuttingDown  = "shutting_down"
	ErrUpgrade       = "upgrade_required" // the ticket or token is good: open a WebSocket
	ErrNotFound      = "not_found"
	ErrMethod        = "method_not_allowed"
	ErrInternal      = "internal"
)
