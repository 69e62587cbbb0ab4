package player

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Event is an event from outside a room's game: from the server's own code, an operator, another room.
// It is encoded once, for however many it is sent to.
type Event struct {
	name    string
	body    []byte
	from    string
	refused func()
}

// NewEvent returns an Event. name is 1 to protocol.MaxName bytes; body is encoded by msgpack, and must
// come to no extension types and at most protocol.MaxInbound bytes.
func NewEvent(name string, body any) (*Event, error) {
	b, err := msgpack.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("event %q: %w", name, err)
	}
	r := wire.NewReader(b)
	r.Skip()
	switch {
	case name == "" || len(name) > protocol.MaxName:
		return nil, fmt.Errorf("event name %q must be 1 to %d bytes", name, protocol.MaxName)
	case r.Finish() != nil:
		return nil, fmt.Errorf("event %q: the body does not travel: use numbers, strings, lists and maps: %w", name, r.Err())
	case len(b) > protocol.MaxInbound:
		return nil, fmt.Errorf("event %q: the body is %d bytes, at most %d", name, len(b), protocol.MaxInbound)
	}
	return &Event{name: name, body: b}, nil
}

// By says whose event it is, before it is sent: a user, by id. What waits for somebody is bounded by sender, too. refused is called for
// each player whom the event does not reach since too much of the sender's waits there already: from any goroutine, and
// it must not wait. It may be nil.
func (e *Event) By(user string, refused func()) *Event {
	e.from, e.refused = user, refused
	return e
}

// From is whose event it is, "" for the server's own.
func (e *Event) From() string { return e.from }

// Size is about how many bytes the event has on the wire.
func (e *Event) Size() int { return len(e.name) + len(e.body) }

// Refuse tells the sender that the event does not reach somebody.
func (e *Event) Refuse() {
	if e.refused != nil {
		e.refused()
	}
}

// Append appends the event as an EVENT of tick.
func (e *Event) Append(b []byte, tick uint32) []byte {
	return protocol.AppendEvent(b, tick, e.name, e.body)
}
