package protocol

import "fmt"

// Code is a WebSocket close code. It also stands in the BYE that comes before the close frame. Its
// range tells a client what to do next: see Advice.
type Code uint16

// CodeNormal closes a connection whose client asked to leave, or whose page went away.
const CodeNormal Code = 1000

// Codes whose advice is to resume: the seat is kept.
const (
	CodeSlowReader     Code = 4000 // the client did not read what it was sent in time
	CodePongTimeout    Code = 4001 // two heartbeats went unanswered
	CodeUnacknowledged Code = 4002 // the client got snapshots, and acknowledged none for too long
	CodeLost           Code = 4003 // the connection broke
)

// Codes whose advice is to match again: this room has no seat for the client any more.
const (
	CodeRoomFailed   Code = 4100 // the game failed in this room; the room is gone
	CodeRoomStuck    Code = 4101 // the game stopped answering; the room is gone
	CodeShuttingDown Code = 4102 // the server is stopping
	CodeGone         Code = 4103 // the seat's grace period is over, or the room has ended meanwhile
	CodeRefusedNow   Code = 4105 // the join was refused for now: another room, or this one later, may take the player
)

// Codes whose advice is to stop: doing the same again would end the same way.
const (
	CodeProtocol  Code = 4200 // the client sent what the protocol does not allow; the reason names the fault
	CodeFlood     Code = 4201 // the client kept sending more than its rate limit
	CodeKicked    Code = 4202 // the game or an operator removed the player
	CodeReplaced  Code = 4203 // the same seat was taken by a newer connection
	CodeRefused   Code = 4204 // the game refused the join
	CodeRoomEnded Code = 4205 // the room ended as it should; a result may stand in the BYE
	CodeIdle      Code = 4206 // the player did nothing for longer than this kind of room allows
)

// Advice is what a client does after a connection ended.
type Advice string

// The advices. A client follows them by itself, with backoff.
const (
	AdviceResume Advice = "resume" // connect again with the resume token
	AdviceMatch  Advice = "match"  // ask for a match again
	AdviceStop   Advice = "stop"   // leave it to the person
)

// Advice tells what a client does after being closed with c. Codes below 4000 are made by networks and
// WebSocket libraries: the connection was lost, or, by 1002 to 1010 (RFC 6455, 7.4.1) but for the reserved ones,
// what the client sent was at fault.
func (c Code) Advice() Advice {
	switch {
	case c == CodeNormal, c == 1002, c == 1003, c >= 1007 && c <= 1010:
		return AdviceStop
	case c < 4100:
		return AdviceResume
	case c < 4200:
		return AdviceMatch
	}
	return AdviceStop
}

var codeNames = map[Code]string{
	CodeNormal: "normal", CodeSlowReader: "slow_reader", CodePongTimeout: "pong_timeout", CodeUnacknowledged: "unacknowledged",
	CodeLost: "lost", CodeRoomFailed: "room_failed", CodeRoomStuck: "room_stuck",
	CodeShuttingDown: "shutting_down", CodeGone: "gone", CodeProtocol: "protocol", CodeFlood: "flood",
	CodeKicked: "kicked", CodeReplaced: "replaced", CodeRefused: "refused", CodeRefusedNow: "refused_now", CodeRoomEnded: "room_ended", CodeIdle: "idle",
}

// String is the code's name in metrics and logs, such as "slow_reader".
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("code_%d", uint16(c))
}

// CloseError is why a connection must end. Whoever finds the fault returns one; the gateway sends it.
type CloseError struct {
	Code   Code
	Reason string // for a person: what was wrong, and what to do; at most MaxReason bytes reach the close frame
}

func (e *CloseError) Error() string { return fmt.Sprintf("closed (%s): %s", e.Code, e.Reason) }

// Closef returns a CloseError.
func Closef(c Code, format string, args ...any) *CloseError {
	return &CloseError{Code: c, Reason: fmt.Sprintf(format, args...)}
}
