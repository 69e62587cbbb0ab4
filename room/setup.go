package room

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/state"
)

// Setup is what Kind.New gets: the place to register the tables, the typed messages and to read the
// seed. It is only valid until New returns.
type Setup struct {
	seed     uint64
	options  json.RawMessage
	asked    bool // Options was called
	world    *state.World
	handlers map[string]handler
	events   map[string]reflect.Type // of their bodies
	signals  map[string]signal
	timers   map[string]namedTimer
	listing  json.RawMessage
	unlisted error // why the last SetListing failed
	match    *Match
}

// SetListing sets what the lobby shows about the room from the start, as Tick.SetListing does later: whoever
// looks for a room with a property finds this one before its first tick.
func (s *Setup) SetListing(data any) {
	b, err := encodeListing(data)
	if s.unlisted = err; err == nil {
		s.listing = b
	}
}

// Options decodes into v, as encoding/json does, what the player who asked for the room wants of it. A field that v
// does not have is an error, of code "bad_options", which New should return: the player is shown it. Without
// options v stays as it is.
func (s *Setup) Options(v any) error {
	s.asked = true
	if len(s.options) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(s.options))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badOptions(err)
	}
	return nil
}

// Seed is the room's seed. A game that needs chance while it is being made takes it from there; later
// it asks Tick.Rand.
func (s *Setup) Seed() uint64 { return s.seed }

// Table adds a table of entities to the world: plain structs whose fields are tagged with `sync`, as
// package state describes. It panics if a tag is wrong; the room is then not created.
func Table[T any](s *Setup, name string) *state.Table[T] {
	return state.NewTable[T](s.world, name)
}

type signal func(t *Tick, body []byte) error

// OnSignal registers f for the signal called name, which the server's own code sends by Room.Signal: what
// comes neither from a player nor from the game, such as a list of rooms. Signals are handled as typed
// messages are, and recorded like them. OnSignal panics if name is taken, empty or longer than 64 bytes.
func OnSignal[T any](s *Setup, name string, f func(t *Tick, v T)) {
	if name == "" || len(name) > protocol.MaxName || s.signals[name] != nil {
		panic(fmt.Sprintf("room.OnSignal: signal name %q is empty, too long or taken", name))
	}
	s.signals[name] = func(t *Tick, body []byte) error {
		var v T
		if err := msgpack.Unmarshal(body, &v); err != nil {
			return fmt.Errorf("signal %q: %w", name, err)
		}
		f(t, v)
		return nil
	}
}

// namedTimer decodes what a timer was set with, and returns the call to make when it is due.
type namedTimer func(arg []byte) (func(t *Tick), error)

// Timer is a timer that is known by name, made by OnTimer.
type Timer[T any] struct{ name string }

// OnTimer registers f under a name, to be called by the timers that the Timer's After sets. Unlike the closures of
// Tick.After these can be written down: a game that is a Checkpointer uses them for all that takes long. OnTimer
// panics if name is taken, empty or longer than 64 bytes.
func OnTimer[T any](s *Setup, name string, f func(t *Tick, arg T)) *Timer[T] {
	if name == "" || len(name) > protocol.MaxName || s.timers[name] != nil {
		panic(fmt.Sprintf("room.OnTimer: timer name %q is empty, too long or taken", name))
	}
	s.timers[name] = func(arg []byte) (func(t *Tick), error) {
		var v T
		if err := restoreValue(arg, &v); err != nil {
			return nil, err
		}
		return func(t *Tick) { f(t, v) }, nil
	}
	return &Timer[T]{name}
}

// After calls the Timer's function once with arg, as Tick.After would. arg is encoded by msgpack, and what the function
// gets is decoded from that, now. A timer whose arg can't be is not set, and counts as what can't be sent: see Tick.Send.
func (m *Timer[T]) After(t *Tick, d time.Duration, arg T) {
	b, err := saveValue(arg)
	if err == nil {
		err = t.core.setTimer(t.core.due(d), m.name, b)
	}
	if err != nil {
		t.core.drop("timer "+m.name, err)
	}
}

// handler is what is known of a typed message.
type handler struct {
	request *body.Codec
	reply   reflect.Type
	// call handles a message, and encodes the reply if one is wanted.
	call func(t *Tick, p *Player, b []byte, wanted bool) (reply []byte, err error)
}

// Handle registers f for the typed message called name: what is not sent once per tick, such as a
// line of chat or a move in a turn-based game. Messages are handled on the room's goroutine before the
// Step of their tick, in the order in which they arrived. The player's client gets what f returns. An error
// that is a *Error is shown as it is.
//
// What a player sends is decoded as an input is, and has been checked when f gets it: numbers fit their fields and are
// finite, strings are valid UTF-8. A message that does not fit is answered with "bad_request", which names the field. A
// reply that can't be encoded is answered with "failed": see Tick.Send.
//
// Handle panics if name is taken, empty or longer than 64 bytes, or if Req has a field that can't be decoded safely: an
// interface, a map whose keys are neither strings nor integers, or a type that decodes itself, such as time.Time.
func Handle[Req, Res any](s *Setup, name string, f func(t *Tick, p *Player, req Req) (Res, error)) {
	if _, taken := s.handlers[name]; name == "" || len(name) > protocol.MaxName || taken {
		panic(fmt.Sprintf("room.Handle: message name %q is empty, too long or taken", name))
	}
	codec, err := body.New(reflect.TypeFor[Req]())
	if err != nil {
		panic(fmt.Sprintf("room.Handle: message %q: %v", name, err))
	}
	s.handlers[name] = handler{codec, reflect.TypeFor[Res](), func(t *Tick, p *Player, b []byte, wanted bool) ([]byte, error) {
		req := new(Req)
		if err := t.core.decode(codec, b, unsafe.Pointer(req)); err != nil {
			return nil, Errorf("bad_request", "message %q: %v", name, err)
		}
		res, err := f(t, p, *req)
		if err != nil || !wanted {
			return nil, err
		}
		reply, err := encodeBody(res)
		if err != nil {
			t.core.drop("reply to "+name, err)
			return nil, Errorf("failed", "the reply to %q can't be sent", name)
		}
		return reply, nil
	}}
}
