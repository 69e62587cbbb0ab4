package room

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

// Game is the rules of one room, written by an author. In is what a player sends once per tick.
//
// One goroutine makes all calls, so a Game needs no locks. It must be deterministic: what it does may
// depend on its arguments, on earlier calls and on the Tick, never on the wall clock, on another
// source of chance, on goroutines or on the order in which Go walks a map. No call may block: a room
// that does not return from one for long is given up. What a Game keeps of inputs is its own;
// pointers to entities stay valid until they are removed. A panic ends this room alone.
type Game[In any] interface {
	// Join is called when a player has a seat, before the Step of that tick. An error refuses the
	// player, who is shown its text, after what Join has sent to it; see Error for whether its client stops at that.
	Join(t *Tick, p *Player) error
	// Leave is called once for each player who joined, when the seat is given up for good.
	Leave(t *Tick, p *Player, why Cause)
	// Step moves the world on by one tick. inputs has one element per player, in the order of joining;
	// it is only valid during the call.
	Step(t *Tick, inputs []Input[In])
}

// Admitter is an optional interface of a Game: Admit is asked before a player gets a seat and before
// Join, so that a refusal leaves no trace in the world. It is asked for spectators too, who have no Join: see
// Identity.Spectator.
type Admitter interface {
	Admit(t *Tick, who Identity) error
}

// Rejoiner is an optional interface of a Game that wants to know when a player's connection is lost
// and when it is back. Between the two the player's inputs are zero and the seat is kept.
type Rejoiner interface {
	Away(t *Tick, p *Player)
	Back(t *Tick, p *Player)
}

// Seer is an optional interface of a Game with custom visibility: Sees reports whether p is shown the
// entity. It is called for each player and entity after each tick and must be cheap; it must not change
// anything. A player always sees the entities that it owns. For a spectator p is nil.
type Seer interface {
	Sees(p *Player, table int, id state.ID) bool
}

// Checkpointer is an optional interface of a Game that can be written down between two ticks, and go on from there in
// another process: see Room.Checkpoint and Restore. The room keeps all that is its own: tables with every field of their
// rows, players, inputs, chance, and timers of OnTimer. New fails if a row has a field that can't be kept. Package
// roomtest has a test for it: Room.Shadow.
type Checkpointer interface {
	// Save returns what the game holds beside that, nil for nothing; it is encoded by msgpack before the next tick. It must
	// change nothing, and not draw from t's chance.
	Save(t *Tick) any
	// Restore is called on a game that New has just made, when tables and players are as they were after tick t.Number(), what
	// New put into tables being replaced. decode decodes what Save returned into v, a pointer. It must only take
	// back what is the game's own. An error, or a panic, is one of the function that restores the room.
	Restore(t *Tick, decode func(v any) error) error
}

// Merger is an optional interface of an input type: Merge returns what two inputs that fall due in
// the same tick come to. Without it the newer one counts.
type Merger[In any] interface {
	Merge(next In) In
}

// Input is what one player does in one tick.
type Input[In any] struct {
	Player *Player
	Value  In              // the zero value if there has been none for 250 ms: ask Held before taking an aim from it
	Seq    uint32          // number of the newest input merged into Value, 0 before the first
	View   protocol.Moment // what the player was looking at when sending it
	Held   bool            // nothing new came: Value is the last one repeated, or zero
}

// Identity is who a player is.
type Identity struct {
	User   string          // id, the same in every room
	Name   string          // display name: valid UTF-8, 1 to 32 characters, no control characters
	Claims json.RawMessage // what the user's token says beside that, an object; nil for guests
	Team   int             // from a match by skill: the player's team, from 1; else 0

	Spectator bool // only in Admit: who comes to watch
}

// Player is one seat of a room.
type Player struct {
	number uint32
	who    Identity
	away   bool
	gone   bool
	feed   feeder
	seat   *seat    // nil in a playback
	out    *backlog // nil in a playback
}

// Number is the seat's number, from 1, never used twice in a room. It is the owner to give to
// state.Table.Add.
func (p *Player) Number() uint32 { return p.number }

// User is the person's id, the same in every room.
func (p *Player) User() string { return p.who.User }

// Name is the display name: 1 to 32 characters.
func (p *Player) Name() string { return p.who.Name }

// Team is the player's team in a match by skill, from 1; 0 in a room that players joined otherwise.
func (p *Player) Team() int { return p.who.Team }

// Claims decodes what the user's token says beside id and name into v, as encoding/json does. For a guest
// it leaves v as it is.
func (p *Player) Claims(v any) error {
	if len(p.who.Claims) == 0 {
		return nil
	}
	return json.Unmarshal(p.who.Claims, v)
}

// Away reports whether the connection is lost and the seat waits for a resume.
func (p *Player) Away() bool { return p.away }

// Cause is why a player left.
type Cause uint8

// The causes.
const (
	CauseLeft   Cause = iota + 1 // the player asked to
	CauseLost                    // the connection was lost and did not come back within the grace period
	CauseKicked                  // the game or an operator removed the player
	CauseEnded                   // the room ended
	CauseIdle                    // the player did nothing for Kind.IdleFor
)

func (c Cause) String() string {
	switch c {
	case CauseLeft:
		return "left"
	case CauseLost:
		return "lost"
	case CauseKicked:
		return "kicked"
	case CauseIdle:
		return "idle"
	case CauseEnded:
		return "ended"
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// Error is an error that a player's client is shown: the answer to a typed message or a refused join.
// Any other error becomes one with code "failed".
type Error struct {
	Code    string // for programs, such as "not_your_turn"
	Message string // for a person
	// Again, in a refusal by Join or Admit, lets the client match again by itself: another room, or this one in a moment,
	// may take the player. Else it stops, and leaves it to the person.
	Again bool
}

func (e *Error) Error() string { return e.Message }

// Errorf returns an Error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Againf returns an Error for a refused join after which the client matches again by itself.
func Againf(code, format string, args ...any) *Error {
	e := Errorf(code, format, args...)
	e.Again = true
	return e
}

// asError makes any error one that a client can be shown.
func asError(err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Code: "failed", Message: err.Error()}
}
