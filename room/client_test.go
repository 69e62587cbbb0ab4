package room_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// client is the far end of a connection without a network: what the room sends waits in a queue until
// the test reads it, as it would in a socket.
type client struct {
	mu      sync.Mutex
	queue   [][]byte
	full    bool // the socket takes nothing
	refuse  int  // so many messages, though it was ready
	closed  *protocol.CloseError
	result  []byte
	replica *state.Replica
	welcome protocol.Welcome
	// what was learnt from messages read
	keys, deltas, hashes int
	spans                []uint32
	lastInput            uint32
	slack                int
	events               []string
	replies              map[uint32]string
	clock                protocol.Moment
}

func (c *client) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return errors.New("closed")
	}
	if c.refuse > 0 {
		c.refuse--
		return player.ErrCongested
	}
	if c.full {
		return player.ErrCongested
	}
	c.queue = append(c.queue, bytes.Join(parts, nil))
	return nil
}

// SendLast implements player.LastSender: it waits behind what the socket has not taken.
func (c *client) SendLast(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return errors.New("closed")
	}
	c.queue = append(c.queue, bytes.Join(parts, nil))
	return nil
}

func (c *client) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.full && c.closed == nil
}

func (c *client) Close(code protocol.Code, reason string, result []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed, c.result = protocol.Closef(code, "%s", reason), result
	}
}

func (c *client) RemoteAddr() string { return "192.0.2.1" }

func (c *client) setFull(full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = full
}

func (c *client) closeError() *protocol.CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// read applies up to n of the waiting messages, all for n < 0, and returns how many there were.
func (c *client) read(n int) (int, error) {
	c.mu.Lock()
	if n < 0 || n > len(c.queue) {
		n = len(c.queue)
	}
	messages := c.queue[:n]
	c.queue = c.queue[n:]
	c.mu.Unlock()
	for _, m := range messages {
		r := wire.NewReader(m)
		for r.Rest() > 0 {
			n := r.Array()
			if err := c.apply(protocol.Kind(r.Uint32()), r, n); err != nil {
				return 0, err
			}
		}
		if r.Err() != nil {
			return 0, r.Err()
		}
	}
	return n, nil
}

// drop loses what waits, as a connection does that breaks.
func (c *client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = nil
}

func (c *client) apply(kind protocol.Kind, r *wire.Reader, n int) error {
	switch kind {
	case protocol.KindWelcome:
		if err := c.welcome.Read(r, n); err != nil {
			return err
		}
		if c.welcome.Resumed && c.replica != nil {
			return nil
		}
		schema, err := state.ReadSchema(wire.NewReader(c.welcome.Schema))
		if err != nil {
			return err
		}
		c.replica, err = state.NewReplica(schema, int(c.welcome.Rate))
		return err
	case protocol.KindKey:
		c.keys++
		return c.replica.Key(r, n)
	case protocol.KindDelta:
		c.deltas++
		before := c.replica.Tick()
		err := c.replica.Delta(r, n)
		c.spans = append(c.spans, c.replica.Tick()-before)
		return err
	case protocol.KindOwn:
		var err error
		c.lastInput, c.slack, err = c.replica.Own(r, n)
		return err
	case protocol.KindHash:
		c.hashes++
		tick, sum, err := protocol.ReadHash(r, n)
		if err == nil && (tick != c.replica.Tick() || sum != c.replica.Checksum()) {
			return fmt.Errorf("tick %d: checksum %08x, not %08x", tick, c.replica.Checksum(), sum)
		}
		return err
	case protocol.KindEvent:
		_, name, body, err := protocol.ReadEvent(r, n)
		c.events = append(c.events, string(name)+" "+string(body[1:]))
		return err
	case protocol.KindDropped:
		_, count, err := protocol.ReadDropped(r, n)
		c.events = append(c.events, fmt.Sprintf("dropped %d", count))
		return err
	case protocol.KindReply:
		_, request, body, err := protocol.ReadReply(r, n)
		if c.replies == nil {
			c.replies = map[uint32]string{}
		}
		if old, ok := c.replies[request]; ok {
			return fmt.Errorf("request %d was answered twice: %q", request, old)
		}
		c.replies[request] = string(body)
		return err
	case protocol.KindError:
		_, request, code, message, err := protocol.ReadError(r, n)
		if c.replies == nil {
			c.replies = map[uint32]string{}
		}
		c.replies[request] = code + ": " + message
		return err
	case protocol.KindClock:
		var err error
		_, c.clock, err = protocol.ReadClock(r, n)
		return err
	}
	return fmt.Errorf("kind %d", kind)
}

// readAndAck does what a client does with what has come.
func (c *client) readAndAck(s *player.Session) error {
	n, err := c.read(-1)
	if err != nil || n == 0 || c.replica == nil {
		return err
	}
	return s.Receive(c, time.Now(), protocol.AppendAck(nil, c.replica.Taken()))
}

// tick is that of the last snapshot applied, 0 for none.
func (c *client) tick() uint32 {
	if c.replica == nil {
		return 0
	}
	return c.replica.Taken()
}
