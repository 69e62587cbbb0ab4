// Package player is a person's side of a room: the Session that takes what a connection receives,
// checks it, limits it and hands it to the room; flow control; the Inbox of decoded inputs; the
// heartbeat Wheel; and the Registry of sessions by user id.
//
// It knows no transport: a Conn is what the gateway implements and tests fake. The only goroutine is
// the one in which a Wheel's Run is called. A Session's Receive runs on its connection's reader
// goroutine; which other methods belong to the room's goroutine stands at each.
package player

import (
	"errors"

	"github.com/tickhall/tickhall/protocol"
)

// ErrCongested is returned by Conn.Send while an earlier message has not left yet.
var ErrCongested = errors.New("connection is congested: an earlier message has not left yet")

// Conn is one connection as a room sees it. All methods may be called from any goroutine and none
// ever waits for the network.
type Conn interface {
	// Send writes parts, joined, as one binary message. It does not keep them. With ErrCongested the
	// message was dropped whole; any other error means that the connection is ending.
	Send(parts ...[]byte) error
	// Ready reports whether Send would take a message now.
	Ready() bool
	// Close ends the connection: a BYE with the reason, the advice of the code and result (one msgpack
	// value, or nil), then a close frame, both bounded in time. Only the first call counts.
	Close(code protocol.Code, reason string, result []byte)
	// RemoteAddr is the peer's address without its port.
	RemoteAddr() string
}

// LastSender is an optional interface of a Conn that is about to be closed: SendLast is a Send that works while earlier
// messages have not left yet. What is sent so, and Close's farewell behind it, have a bounded time to leave. An error
// means that the connection is ending, or that more waits than it keeps.
type LastSender interface {
	SendLast(parts ...[]byte) error
}
