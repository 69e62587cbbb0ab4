package client

import (
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

const (
	maxQueued     = 64              // typed messages that wait behind a stalled write
	leavePatience = 2 * time.Second // how long the answer to a LEAVE is waited for
	inputSmooth   = 4               // the time between two inputs follows a change by one in so many
)

// socket is what a feed and an outbox write to: a gws.Conn.
type socket interface {
	WriteMessage(opcode gws.Opcode, payload []byte) error
	WriteClose(code uint16, reason []byte) error
}

var _ socket = (*gws.Conn)(nil)

// outbox is everything that goes to the server: acknowledgements, inputs, typed messages, questions
// for the time. Whoever adds something writes it, together with all else that is due; what the reader adds,
// when all that has arrived is processed. While a write is
// going on others only add, and the writer goes on until nothing is due. So a stalled server holds up
// one caller at the most, for the length of a write deadline, and never the lock.
type outbox struct {
	mu      sync.Mutex
	socket  socket // nil while there is no connection, and before its WELCOME
	writing bool
	joined  bool   // a whole snapshot was applied on this connection
	buf     []byte // the writer's, while writing

	step     time.Duration // one tick
	onDemand bool
	delay    float64 // ticks that the shown moment lies behind the room's time; 0: the last snapshot is shown

	ack, acked uint32        // newest snapshot processed whole, and the one last written
	ackSince   time.Duration // when the first one after acked was processed
	ackDue     bool

	inputs     inputQueue
	inputAt    time.Duration // when the last input came
	inputEvery time.Duration // between two, smoothed; 0: not known

	queue    [][]byte // encoded MESSAGEs
	calls    map[uint32]*call
	lastCall uint32

	clock   clock
	burst   int           // questions still to be asked one after another
	asked   time.Duration // when the last one was
	asking  bool          // it has not been answered
	leaving bool
}

// open starts a connection. A WELCOME has been read.
func (o *outbox) open(s socket, w *protocol.Welcome, kept bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.socket, o.joined = s, false
	o.step, o.onDemand = time.Second/time.Duration(w.Rate), w.OnDemand
	o.ackDue = false
	o.inputAt, o.inputEvery = 0, 0
	o.burst, o.asking, o.asked = clockBurst, false, 0
	if kept {
		o.inputs.resume(w.LastInput)
	} else {
		o.ack, o.acked, o.queue = 0, 0, nil
		o.inputs.restart(w.LastInput)
		o.clock = clock{}
	}
	o.clock.rate = float64(w.Rate)
	for _, id := range sortedCalls(o.calls) { // asked for while there was no connection
		if c := o.calls[id]; !c.sent {
			c.sent = true
			o.queue = append(o.queue, c.message)
			c.message = nil
		}
	}
}

// close ends the connection.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.socket, o.joined = nil, false
}

// processed notes that a message was processed, the newest with a snapshot, or a part of one, being that of
// tick. whole tells that the connection has brought a world.
func (o *outbox) processed(tick uint32, whole bool, now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if whole {
		o.joined = true
	}
	if tick != o.ack {
		if o.ack == o.acked {
			o.ackSince = now
		}
		o.ack = tick
	}
}

// drained writes what is due, now that everything that has arrived is processed: several snapshots
// that came together are acknowledged once.
func (o *outbox) drained(now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ackDue = o.ack != o.acked && !o.inputSoonLocked(now)
	o.flushLocked(now)
}

// inputSoonLocked reports whether an input is about to come that carries the acknowledgement within a
// tick of the snapshot. Inputs come a little early or late.
func (o *outbox) inputSoonLocked(now time.Duration) bool {
	if o.onDemand || o.inputEvery == 0 {
		return false
	}
	next := o.inputAt + o.inputEvery
	return next >= now-o.step/4 && next <= o.ackSince+o.step+o.step/4
}

// idle acknowledges what has not been: no snapshot came for long.
func (o *outbox) idle(now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ackDue = o.ack != o.acked
	o.flushLocked(now)
}

// addInput keeps a copy of an encoded input.
func (o *outbox) addInput(b []byte, now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inputs.add(b)
	if o.inputAt != 0 {
		every := now - o.inputAt
		if o.inputEvery > 0 && every < 2*o.inputEvery {
			every = o.inputEvery + (every-o.inputEvery)/inputSmooth
		}
		o.inputEvery = every
	}
	o.inputAt = now
}

// flushInputs writes the inputs that are due, if there is a connection.
func (o *outbox) flushInputs(now time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.joined {
		return ErrAway
	}
	o.flushLocked(now)
	return nil
}

// consumed forgets the inputs up to number last.
func (o *outbox) consumed(last uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inputs.consumed(last)
}

// message writes a MESSAGE.
func (o *outbox) message(b []byte, now time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.socket == nil {
		return ErrAway
	}
	if len(o.queue) >= maxQueued {
		return ErrBusy
	}
	o.queue = append(o.queue, b)
	o.flushLocked(now)
	return nil
}

// leave writes a LEAVE; false means that there is no connection to write it to.
func (o *outbox) leave(now time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.socket == nil {
		return false
	}
	o.leaving = true
	o.flushLocked(now)
	return true
}

// answered takes the room's time m, the answer to the question asked at client time asked.
func (o *outbox) answered(asked float64, m protocol.Moment, now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.asking || asked != milliseconds(o.asked) {
		return // not what was asked: nothing can be concluded from it
	}
	o.asking = false
	o.burst = max(o.burst-1, 0)
	o.clock.sample(o.asked, now, m)
}

func (o *outbox) timeDueLocked(now time.Duration) bool {
	return o.joined && (o.burst > 0 && !o.asking || now-o.asked >= clockEvery)
}

// flushLocked writes everything that is due, unless someone is at it. It releases the lock meanwhile.
func (o *outbox) flushLocked(now time.Duration) {
	if o.writing {
		return
	}
	o.writing = true
	for o.socket != nil {
		b := o.composeLocked(o.buf[:0], now)
		if len(b) == 0 {
			break
		}
		o.buf = b
		s := o.socket
		o.mu.Unlock()
		// A failed write ends the connection under gws; Run's goroutine sees it and resumes.
		_ = s.WriteMessage(gws.OpcodeBinary, b)
		o.mu.Lock()
	}
	o.writing = false
}

// composeLocked appends what is due, as much as one WebSocket message may hold.
func (o *outbox) composeLocked(b []byte, now time.Duration) []byte {
	switch {
	case o.joined && o.inputs.due():
		b = o.inputs.append(b, moment(o.shownLocked(now)), o.ack)
		o.acked, o.ackDue = o.ack, false
	case o.ackDue:
		b = protocol.AppendAck(b, o.ack)
		o.acked, o.ackDue = o.ack, false
	}
	if o.timeDueLocked(now) && len(b)+2+9 <= protocol.MaxInbound {
		o.asked, o.asking = now, true
		b = protocol.AppendTime(b, milliseconds(now))
	}
	for len(o.queue) > 0 && len(b)+len(o.queue[0]) <= protocol.MaxInbound {
		b = append(b, o.queue[0]...)
		o.queue = o.queue[1:]
	}
	if o.leaving && len(o.queue) == 0 && len(b)+2 <= protocol.MaxInbound {
		o.leaving = false
		b = protocol.AppendLeave(b)
	}
	return b
}

// shownLocked is the moment that the player is shown, in ticks.
func (o *outbox) shownLocked(now time.Duration) float64 {
	if o.delay > 0 {
		if t := o.clock.at(now) - o.delay; t > 0 {
			return t
		}
	}
	return float64(o.ack)
}

// now estimates the room's time.
func (o *outbox) now(now time.Duration) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock.at(now)
}

// milliseconds is the client time that a TIME carries: exact in a float 64 and different for different
// durations.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
