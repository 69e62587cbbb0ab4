package player

import (
	"fmt"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
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

// NewEvent returns an Event. name is 1 to protocol.MaxName bytes; v is encoded by msgpack, as package body does it, and must
// come to at most protocol.MaxInbound bytes. Text in both is made valid UTF-8.
func NewEvent(name string, v any) (*Event, error) {
	if name = wire.Clean(name); name == "" || len(name) > protocol.MaxName {
		return nil, fmt.Errorf("event name %q must be 1 to %d bytes", name, protocol.MaxName)
	}
	b, err := body.Encode(v, wire.MaxOutboundDepth-1)
	switch {
	case err != nil:
		return nil, fmt.Errorf("event %q: %w", name, err)
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
