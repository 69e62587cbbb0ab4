// Package protocol is the wire between a Tickhall server and its clients: message kinds, their
// layout, limits, close codes and the bodies of the HTTP calls. Its README is the specification;
// state, below it, is how worlds become snapshots. Both sides of the connection and the room import
// it; it knows no transport and starts no goroutine.
package protocol

// Subprotocol is the WebSocket subprotocol that both sides name in the handshake.
const Subprotocol = "tickhall.1"

// ResumePrefix begins a second subprotocol, which a client that resumes names beside Subprotocol: the resume token
// follows it. In the query a proxy might log it.
const ResumePrefix = "tickhall.resume."

// Version is the first number of a WELCOME. A client that knows another one gives up.
const Version = 1

// Kind is the first element of every message array. The two directions number theirs separately.
type Kind uint8

// Kinds that a server sends.
const (
	KindWelcome Kind = 1  // [1, version, room, kind, player, user, token, rate, on demand, tick, last input, schema, inputs, resumed, grace]
	KindKey     Kind = 2  // [2, tick, of, part, parts, renewed, records of table 0, records of table 1, ...]
	KindDelta   Kind = 3  // [3, tick, span, (table, leaves, changes, enters)...]
	KindOwn     Kind = 4  // [4, last input, slack, (table, id, mask, values...)...]
	KindEvent   Kind = 5  // [5, tick, name, body]
	KindReply   Kind = 6  // [6, tick, request, body]
	KindError   Kind = 7  // [7, tick, request, code, message]
	KindClock   Kind = 8  // [8, client time, tick, fraction]
	KindHash    Kind = 9  // [9, tick, checksum]
	KindBye     Kind = 10 // [10, code, reason, advice, result]
	KindDropped Kind = 11 // [11, tick, count]
)

// Kinds that a client sends.
const (
	KindInput   Kind = 1 // [1, first seq, view tick, view fraction, ack, input...]
	KindMessage Kind = 2 // [2, request, name, body]
	KindAck     Kind = 3 // [3, ack]
	KindTime    Kind = 4 // [4, client time]
	KindLeave   Kind = 5 // [5]
)

// Limits of the protocol. A server's configuration may tighten what a client sends, never loosen it.
const (
	// MaxInbound is the largest WebSocket message a client may send, in bytes.
	MaxInbound = 4096
	// MaxOutbound is the largest WebSocket message a client need accept, in bytes.
	MaxOutbound = 64 << 10
	// MaxBody is the longest body of an event or a reply, and the longest result, in bytes: one fits into a message, whatever
	// stands around it.
	MaxBody = 60 << 10
	// MaxInputs is how many inputs one INPUT may carry.
	MaxInputs = 32
	// MaxSeqJump is how far an input's sequence number may be ahead of the newest one received.
	MaxSeqJump = 1024
	// MaxName is the longest player or message name, in bytes.
	MaxName = 64
	// MaxText is the longest text for a person that a server sends: an ERROR's message, a BYE's reason, in bytes.
	MaxText = 1024
	// MaxReason is the longest reason in a WebSocket close frame, in bytes (RFC 6455, 5.5).
	MaxReason = 123
	// Ring is how many of the newest snapshots can be the baseline of a DELTA.
	Ring = 32
	// FractionsPerTick is the unit of a tick's fraction: 1/256.
	FractionsPerTick = 256
)
