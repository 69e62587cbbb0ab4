package room

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// seat is one player in one live room: the connection's side of a Player.
type seat struct {
	room     *Room
	player   *Player
	feed     feeder // nil for a spectator
	session  *player.Session
	letters  letters
	pass     pass
	released func()

	// Set by other goroutines, read by the room's.
	leaving atomic.Bool
	kicked  atomic.Pointer[string]
	limited atomic.Bool
	stirred atomic.Bool // the player has done something
	unheard atomic.Bool // an event that the player has caused was not kept for its recipient

	see       func(input []byte) // noteInput, nil unless the kind has IdleFor
	lastInput []byte             // as it came; the reader's

	// The room's goroutine owns the rest.
	conn      player.Conn // nil while away
	attempt   uint64      // Resume.Attempt of the newest connection
	awayUntil time.Time
	activeAt  time.Time    // when the player was last known to do something
	world     *state.World // what the player sees of it is the view
	view      *state.View
	backlog   backlog
	welcome   bool      // WELCOME is due
	resumed   bool      // and says so
	ended     bool      // conn was closed since nothing was acknowledged
	began     time.Time // of the KEY that is on its way in parts, zero for none
	stuck     int       // messages in a row into which the next event did not fit
	warned    time.Time // when the client was last told that it acknowledges nothing
	told      uint32    // tick in which the player was last told that events were not kept
	last      bool      // what is sent now is the last
	met       bool      // the client has acknowledged a snapshot
	checked   uint32    // tick of the last HASH
	aged      uint32    // tick when it was measured last how old its world is
	newest    uint32    // tick of the last snapshot sent
	own       []byte
	head      []byte
	parts     [3][]byte
}

var _ player.Receiver = (*seat)(nil)

// Inputs implements player.Receiver.
func (s *seat) Inputs(h protocol.InputHead, n int, r *wire.Reader) error {
	if s.feed == nil {
		return protocol.Closef(protocol.CodeProtocol, "a spectator sends no inputs")
	}
	if err := s.feed.decode(h, n, r, s.room.cfg.PlayerStats, s.see); err != nil {
		return err
	}
	if s.room.spec.OnDemand {
		s.room.nudge()
	}
	return nil
}

// Message implements player.Receiver.
func (s *seat) Message(request uint32, name, body []byte) error {
	if !s.letters.put(s.room.names, request, name, body) {
		s.room.cfg.PlayerStats.Busy.Add(1)
		if !s.letters.refuse(request) {
			return protocol.Closef(protocol.CodeFlood, "too many messages wait for the room")
		}
	}
	s.stirred.Store(true)
	s.room.nudge()
	return nil
}

// noteInput notes whether an input differs from the one before: a page sends one per tick, whoever sits at it.
func (s *seat) noteInput(input []byte) {
	if !bytes.Equal(input, s.lastInput) {
		s.lastInput = append(s.lastInput[:0], input...)
		s.stirred.Store(true)
	}
}

// idle reports whether the player has done nothing for too long.
func (s *seat) idle(now time.Time) bool {
	if s.activeAt.IsZero() || s.stirred.Swap(false) {
		s.activeAt = now
	}
	return s.room.spec.IdleFor > 0 && s.conn != nil && now.Sub(s.activeAt) >= s.room.spec.IdleFor
}

// Limited implements player.Receiver.
func (s *seat) Limited() {
	s.limited.Store(true)
	s.room.nudge()
}

// Leave implements player.Receiver.
func (s *seat) Leave() {
	s.leaving.Store(true)
	s.room.nudge()
}

// Announce implements player.Receiver.
func (s *seat) Announce(e *player.Event) bool {
	ok := s.letters.announce(e, s.room.spec.Backlog)
	if !ok {
		e.Refuse()
	}
	s.room.nudge()
	return ok
}

// notHeard is called when an event that the player has sent to another room does not reach somebody there.
func (s *seat) notHeard() {
	s.unheard.Store(true)
	s.room.nudge()
}

// answer queues an ERROR, on the room's goroutine.
func (s *seat) answer(tick, request uint32, code, message string) {
	s.backlog.add(protocol.AppendError(nil, tick, request, code, message), "")
}

// Kick implements player.Receiver.
func (s *seat) Kick(reason string) {
	s.kicked.CompareAndSwap(nil, &reason)
	s.room.nudge()
}

// Moment implements player.Receiver.
func (s *seat) Moment(now time.Time) protocol.Moment {
	m := s.room.moment(now)
	if s.feed == nil {
		m.Tick -= min(m.Tick, uint32(s.room.spec.SpectatorDelay))
	}
	return m
}

const (
	maxLetters      = 64
	maxLetterBytes  = 16 << 10
	maxRefusedCalls = 256
)

// letters are the typed messages that wait for the next tick. The reader puts, the room swaps the
// filled half for the empty one; the lock is between these two only.
type letters struct {
	mu      sync.Mutex
	in      mail
	refused []uint32
	events  []*player.Event // from outside the game

	out mail // the room's goroutine
}

type mail struct {
	list  []letter
	bytes []byte
}

type letter struct {
	request uint32
	name    string
	size    int
}

// put copies a message and reports false if there is no room for it. A name in names needs no copy.
func (l *letters) put(names map[string]string, request uint32, name, body []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.in.list) == maxLetters || len(l.in.bytes)+len(body) > maxLetterBytes {
		return false
	}
	known, ok := names[string(name)]
	if !ok {
		known = string(name)
	}
	l.in.list = append(l.in.list, letter{request, known, len(body)})
	l.in.bytes = append(l.in.bytes, body...)
	return true
}

// refuse notes that a request gets the answer "busy"; false if too many do.
func (l *letters) refuse(request uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.refused) == maxRefusedCalls {
		return false
	}
	l.refused = append(l.refused, request)
	return true
}

// announce keeps an event; false if too many of its sender wait.
func (l *letters) announce(e *player.Event, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !admits(l.events, e, limit) {
		return false
	}
	l.events = append(l.events, e)
	return true
}

// takeEvents moves the events that wait to a backlog, as those of tick.
func (l *letters) takeEvents(to *backlog, tick uint32, scratch []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.events {
		scratch = e.Append(scratch[:0], tick)
		to.announce(scratch, e)
		l.events[i] = nil
	}
	l.events = l.events[:0]
	return scratch
}

// take returns what waits; it is valid until the next call. busy are the requests refused.
func (l *letters) take(busy []uint32) (mail, []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in, l.out = mail{l.out.list[:0], l.out.bytes[:0]}, l.in
	busy = append(busy[:0], l.refused...)
	l.refused = l.refused[:0]
	return l.out, busy
}
