package player

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Receiver is what a room does with what a player sends. The methods run on the connection's reader
// goroutine, one at a time for a session, and must not wait. What they return as an error ends the
// connection, with its code if it is a protocol.CloseError.
type Receiver interface {
	// Inputs decodes n inputs from r, the first with number h.Seq.
	Inputs(h protocol.InputHead, n int, r *wire.Reader) error
	// Message takes a typed message. name and body are only valid during the call.
	Message(request uint32, name, body []byte) error
	// Limited tells that the first of a row of messages was dropped for being over the rate limit.
	Limited()
	// Leave gives the seat up.
	Leave()
	// Announce takes an event from outside the game, and reports whether it will reach the player. It may
	// be called from any goroutine.
	Announce(e *Event) bool
	// Kick removes the player, who is shown the reason. It may be called from any goroutine.
	Kick(reason string)
	// Moment is the room's time at now.
	Moment(now time.Time) protocol.Moment
}

// Limits bounds what one player may send. The zero value of each field is its default.
type Limits struct {
	Messages float64 // messages per second, WebSocket control frames included; 120 by default
	Bytes    float64 // bytes per second; 32 KiB by default
}

// burst is how many seconds' worth may come at once: what a client sends while its line stands still, until it finds out.
const burst = 8

func (l Limits) withDefaults() Limits {
	if l.Messages == 0 {
		l.Messages = 120
	}
	if l.Bytes == 0 {
		l.Bytes = 32 << 10
	}
	return l
}

// Stats counts what sessions refuse, over all rooms of a server.
type Stats struct {
	Limited   atomic.Int64 // messages dropped for being over a player's rate limit
	Flooded   atomic.Int64 // connections closed for staying over it
	Malformed atomic.Int64 // connections closed for what the protocol does not allow
	Early     atomic.Int64 // of these: inputs before joining
	Stale     atomic.Int64 // inputs dropped, their number having been received before
	Merged    atomic.Int64 // inputs merged, too many waiting
	Busy      atomic.Int64 // typed messages refused, too many waiting
}

// Session is one player's seat in one room as seen from the network. It outlives its connections: a
// player who resumes attaches a new one.
type Session struct {
	User   string // id of the person, the same in every room
	Name   string // display name
	Room   string // id of the room
	Kind   string // its kind
	Number uint32 // of the seat, from 1; 0 for a spectator
	Flow   Flow   // sent by the room, acknowledged by the reader

	receiver Receiver
	stats    *Stats

	mu       sync.Mutex // one message at a time, also while a new connection replaces an old one
	conn     Conn       // nil while away
	reader   wire.Reader
	clock    [1][]byte // the last CLOCK; kept, so that the next one allocates nothing
	messages *rate.Limiter
	bytes    *rate.Limiter
	patience *rate.Limiter // what may be over the limits before the connection is closed
	limited  bool          // the player has been told
	asked    bool          // this message asks for the time
	askedAt  float64       // client time of the newest TIME in it
}

// NewSession returns a session without a connection.
func NewSession(user, name string, to Receiver, limits Limits, stats *Stats) *Session {
	limits = limits.withDefaults()
	messages, bytes := rate.Limit(limits.Messages), rate.Limit(limits.Bytes)
	return &Session{
		User: user, Name: name, receiver: to, stats: stats,
		messages: rate.NewLimiter(messages, int(burst*limits.Messages)),
		bytes:    rate.NewLimiter(bytes, max(int(burst*limits.Bytes), protocol.MaxInbound)),
		patience: rate.NewLimiter(messages/10, int(4*limits.Messages)),
	}
}

// Announce sends an event from outside the game, with the next snapshot: reliable and in order, like the
// game's own. It reports whether it will reach the player. It may be called from any goroutine and does not wait.
func (s *Session) Announce(e *Event) bool { return s.receiver.Announce(e) }

// Kick removes the player from the room. It may be called from any goroutine and does not wait.
func (s *Session) Kick(reason string) { s.receiver.Kick(reason) }

// Away reports whether the session has no connection at present.
func (s *Session) Away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil
}

// Attach makes c the session's connection and returns the one that it replaces, or nil. The client
// holds the snapshot of tick, 0 for none.
func (s *Session) Attach(c Conn, tick uint32) (old Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, s.conn = s.conn, c
	s.Flow.Reset(tick)
	return old
}

// Detach takes c away and reports whether it was the session's connection.
func (s *Session) Detach(c Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return false
	}
	s.conn = nil
	return true
}

// Receive takes one binary WebSocket message that c read at now. What c sends after it was replaced
// is dropped. An error ends the connection; it is a *protocol.CloseError.
//
// Of what is over the player's limits acknowledgements and LEAVE count all the same: without the first, the room
// would send nothing more, and the client have nothing left to acknowledge.
func (s *Session) Receive(c Conn, now time.Time, message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return nil
	}
	s.reader.Reset(message)
	s.asked = false
	err := s.readLocked(now, s.bytes.AllowN(now, len(message)))
	switch {
	case err != nil:
		if !isFlood(err) {
			s.stats.Malformed.Add(1)
		}
	case s.asked:
		s.clock[0] = protocol.AppendClock(s.clock[0][:0], s.askedAt, s.receiver.Moment(now))
		// A congested client asks again; a clock that came late would mislead it.
		_ = c.Send(s.clock[:]...)
	}
	return err
}

func isFlood(err error) bool {
	var e *protocol.CloseError
	return errors.As(err, &e) && e.Code == protocol.CodeFlood
}

// Control counts n WebSocket frames that are no messages, such as pings, of a client at now. They are limited as messages are. An
// error ends the connection.
func (s *Session) Control(c Conn, now time.Time, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return nil
	}
	for range n {
		if s.messages.AllowN(now, 1) {
			continue
		}
		if err := s.overLocked(now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) overLocked(now time.Time) error {
	s.stats.Limited.Add(1)
	if !s.patience.AllowN(now, 1) {
		s.stats.Flooded.Add(1)
		return protocol.Closef(protocol.CodeFlood, "too many messages: at most %.0f a second", float64(s.messages.Limit()))
	}
	if !s.limited {
		s.limited = true
		s.receiver.Limited()
	}
	return nil
}

// readLocked takes what is in a message, of which small tells that it is within the limit of bytes.
func (s *Session) readLocked(now time.Time, small bool) error {
	r := &s.reader
	if r.Rest() == 0 {
		return protocol.Closef(protocol.CodeProtocol, "empty message")
	}
	within := true
	for r.Rest() > 0 {
		n := r.Array()
		kind := protocol.Kind(min(r.Uint32(), 255))
		if err := r.Err(); err != nil {
			return protocol.Closef(protocol.CodeProtocol, "malformed message: %v", err)
		}
		// Both limiters are asked each time, so that many tiny messages and few large ones count alike.
		allowed := s.messages.AllowN(now, 1) && small
		if !allowed {
			within = false
			if err := s.overLocked(now); err != nil {
				return err
			}
		}
		if err := s.takeLocked(kind, n, now, allowed); err != nil {
			return err
		}
	}
	if within {
		s.limited = false
	}
	return nil
}

// takeLocked takes one message of n elements whose kind has been read. One that is not allowed is over the limits.
func (s *Session) takeLocked(kind protocol.Kind, n int, now time.Time, allowed bool) error {
	r := &s.reader
	switch kind {
	case protocol.KindInput:
		return s.inputLocked(now, n, allowed)
	case protocol.KindMessage:
		request, name, body, err := protocol.ReadMessage(r, n)
		if err != nil || !allowed {
			return err
		}
		return s.receiver.Message(request, name, body)
	case protocol.KindAck:
		tick, err := protocol.ReadAck(r, n)
		if err != nil {
			return err
		}
		return s.ackLocked(tick, now)
	case protocol.KindTime:
		at, err := protocol.ReadTime(r, n)
		if err == nil && allowed {
			s.asked, s.askedAt = true, at // one CLOCK answers them all
		}
		return err
	case protocol.KindLeave:
		if n != 1 {
			return protocol.Closef(protocol.CodeProtocol, "malformed message of kind %d: %d elements, not 1", kind, n)
		}
		s.receiver.Leave()
		return nil
	}
	return protocol.Closef(protocol.CodeProtocol, "unknown message kind %d", kind)
}

func (s *Session) inputLocked(now time.Time, n int, allowed bool) error {
	var h protocol.InputHead
	n, err := h.Read(&s.reader, n)
	if err != nil {
		return err
	}
	if h.Ack == 0 {
		s.stats.Early.Add(1)
		return protocol.Closef(protocol.CodeProtocol, "input before joining: apply the first snapshot and acknowledge it")
	}
	if err := s.ackLocked(h.Ack, now); err != nil {
		return err
	}
	if allowed {
		return s.receiver.Inputs(h, n, &s.reader)
	}
	for range n {
		s.reader.Skip()
	}
	return protocol.Malformed(protocol.KindInput, s.reader.Err())
}

func (s *Session) ackLocked(tick uint32, now time.Time) error {
	if err := s.Flow.Ack(tick, now); err != nil {
		return protocol.Closef(protocol.CodeProtocol, "%v", err)
	}
	return nil
}
