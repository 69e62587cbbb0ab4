package room

import (
	"fmt"
	"reflect"

	"github.com/tickhall/tickhall/protocol"
)

// Event is an event of a kind: a name, and the Go type of its body. Events that are declared are listed by
// GET /v1/kinds, so that the author of a client can look them up; see Tick.Send for what sending does.
type Event[T any] struct{ name string }

// NewEvent declares the event called name. It panics if name is taken, empty or longer than 64 bytes.
func NewEvent[T any](s *Setup, name string) Event[T] {
	if _, taken := s.events[name]; name == "" || len(name) > protocol.MaxName || taken {
		panic(fmt.Sprintf("room.NewEvent: event name %q is empty, too long or taken", name))
	}
	s.events[name] = reflect.TypeFor[T]()
	return Event[T]{name}
}

// Send sends the event to the players given: see Tick.Send.
func (e Event[T]) Send(t *Tick, body T, to ...*Player) { t.Send(e.name, body, to...) }

// Broadcast sends the event to every player and spectator: see Tick.Broadcast.
func (e Event[T]) Broadcast(t *Tick, body T) { t.Broadcast(e.name, body) }

// SendUser sends the event to a user in every room of the server: see Tick.SendUser.
func (e Event[T]) SendUser(t *Tick, user string, body T) { t.SendUser(user, e.name, body) }

// SendRoom sends the event to every player of another room: see Tick.SendRoom.
func (e Event[T]) SendRoom(t *Tick, id string, body T) { t.SendRoom(id, e.name, body) }
