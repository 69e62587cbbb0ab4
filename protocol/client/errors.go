package client

import (
	"errors"
	"fmt"

	"github.com/tickhall/tickhall/protocol"
)

// What a send can fail with.
var (
	// ErrAway tells that there is no connection at the moment, so that nothing was sent.
	ErrAway = errors.New("not connected at the moment: send again after the next join")
	// ErrLost tells that the seat was lost, or Run has returned, before an answer came. Whether the
	// room did what was asked is not known.
	ErrLost = errors.New("the seat was lost before an answer came")
	// ErrTooLarge tells that what was to be sent is longer than a server takes: see protocol.MaxInbound.
	ErrTooLarge = errors.New("message is too large to be sent")
	// ErrSpectator tells that a spectator sends no inputs.
	ErrSpectator = errors.New("a spectator sends no inputs")
	// ErrBusy tells that too many messages wait behind a write that is stalled.
	ErrBusy = errors.New("too many messages wait to be written")
)

// Error is the room's refusal of a request, or, from Config.OnError, a notice such as "rate_limited".
type Error struct {
	Code    string // stable, for programs
	Message string // for a person
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// StopError is why Run ended when the server closed the connection with the advice to stop. Refusals
// of HTTP calls are a *protocol.HTTPError instead.
type StopError struct {
	Code   protocol.Code
	Reason string
	Result []byte // one msgpack value that the room gave at its end, nil for none
}

func (e *StopError) Error() string {
	return fmt.Sprintf("the server said to stop (%s): %s", e.Code, e.Reason)
}

// ErrMismatch is wrapped by what Config.OnError gets when a checksum differs: a bug in server or client.
// Run asks for the whole world again.
var ErrMismatch = errors.New("the copy of the world has another checksum than the server's")

// bye ends a connection as the server asked for.
type bye struct {
	code   protocol.Code
	reason string
	advice protocol.Advice
	result []byte
}

func (b *bye) Error() string { return fmt.Sprintf("closed by the server (%s): %s", b.code, b.reason) }

// fatal ends Run: trying again would end the same way.
type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }
