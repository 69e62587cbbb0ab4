package client

import (
	"math"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

const (
	maxQueued     = 64                     // typed messages that wait for a connection, or behind a stalled write
	idleSlack     = 200 * time.Millisecond // a TIME that is due waits for something to arrive, so that the reader need not wake for it
	wakeLeast     = 20 * time.Millisecond  // what is overdue and can't be written is looked at again
	leavePatience = 2 * time.Second        // how long the answer to a LEAVE is waited for
	inputSmooth   = 4                      // the time between two inputs follows a change by one in so many
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

	away     bool     // the connection was lost, and the seat may still be ours: messages wait
	queue    [][]byte // encoded MESSAGEs
	pacing   bool     // they have waited, or come after some that have
	pace     pacer
	paceAt   time.Duration // when the next of them may go
	calls    map[uint32]*call
	lastCall uint32

	rate      float64 // ticks per second
	clock     clock
	head      playhead
	steering  steering
	streaming bool // inputs are paced by steering
	pulse     pulse
	burst     int           // questions still to be asked soon after one another
	asked     time.Duration // when the last one was
	leaving   bool
}

// open starts a connection. A WELCOME has been read.
func (o *outbox) open(s socket, w *protocol.Welcome, kept bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.socket, o.joined = s, false
	o.step, o.onDemand = time.Second/time.Duration(w.Rate), w.OnDemand
	o.ackDue = false
	o.inputAt, o.inputEvery = 0, 0
	o.burst, o.asked, o.pulse = clockBurst, 0, pulse{}
	o.steering = steering{}
	if kept {
		o.inputs.resume(w.LastInput)
		o.clock.reroute()
	} else {
		o.ack, o.acked, o.queue = 0, 0, nil
		o.inputs.restart(w.LastInput)
		o.clock, o.head = clock{}, playhead{}
	}
	o.rate, o.away = float64(w.Rate), false
	for _, id := range sortedCalls(o.calls) { // asked for while there was no connection
		if c := o.calls[id]; !c.sent {
			c.sent = true
			o.queue = append(o.queue, c.message)
			c.message = nil
		}
	}
	o.pacing, o.paceAt = len(o.queue) > 0, 0
}

// close ends the connection.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = o.away || o.socket != nil
	o.socket, o.joined = nil, false
}

// processed notes that a message was processed, the newest with a snapshot, or a part of one, being that of
// tick. whole tells that the connection has brought a world, which is that of tick world.
func (o *outbox) processed(tick uint32, whole bool, world uint32, now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if whole {
		o.joined = true
		o.clock.snapshot(milliseconds(now), o.msLocked(float64(world)))
	}
	if tick != o.ack {
		if o.ack == o.acked {
			o.ackSince = now
		}
		o.ack = tick
	}
}

// drained writes what is due, now that everything that has arrived is processed: several snapshots
// that came together are acknowledged once. It returns when idle is due if nothing arrives.
func (o *outbox) drained(now time.Duration) (next time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pulse.heard()
	o.ackDue = o.ack != o.acked && !o.inputSoonLocked(now)
	o.flushLocked(now)
	return o.nextLocked(now)
}

// nextLocked is when something is due if nothing arrives.
func (o *outbox) nextLocked(now time.Duration) time.Duration {
	next := o.timeAtLocked() + idleSlack
	if o.pulse.unanswered >= deadTimes {
		next = min(next, o.pulse.since+deadAfter)
	}
	if o.pacing {
		next = min(next, o.paceAt)
	}
	return max(next, now+wakeLeast)
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

// idle writes what is due, acknowledgements too, now that nothing has come for a while. It reports whether the connection
// is alive, and when idle is due again.
func (o *outbox) idle(now time.Duration) (next time.Duration, alive bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pulse.dead(now) {
		return 0, false
	}
	o.ackDue = o.ack != o.acked
	o.flushLocked(now)
	return o.nextLocked(now), true
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

// message writes a MESSAGE, or keeps it for the next connection to this seat.
func (o *outbox) message(b []byte, now time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.socket == nil && !o.away {
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
	o.clock.sample(asked, milliseconds(now), o.msLocked(float64(m.Tick)+float64(m.Fraction)/protocol.FractionsPerTick))
}

// told takes what the room tells of the inputs.
func (o *outbox) told(last uint32, slack int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inputs.consumed(last)
	if o.streaming {
		o.steering.told(slack)
	}
}

// stream starts or ends the pacing of inputs.
func (o *outbox) stream(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.streaming, o.steering = on, steering{}
}

// period is the time from one input to the next.
func (o *outbox) period() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.onDemand {
		return o.step
	}
	return time.Duration(float64(o.step) * o.steering.period())
}

// timeAtLocked is when the room's time is to be asked for.
func (o *outbox) timeAtLocked() time.Duration {
	switch {
	case o.asked == 0:
		return 0
	case o.burst > 0:
		return o.asked + clockBurstEvery
	}
	return o.asked + clockEvery
}

func (o *outbox) timeDueLocked(now time.Duration) bool { return o.joined && now >= o.timeAtLocked() }

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
		o.asked, o.burst = now, max(o.burst-1, 0)
		o.pulse.asked(now)
		b = protocol.AppendTime(b, milliseconds(now))
	}
	for len(o.queue) > 0 && len(b)+len(o.queue[0]) <= protocol.MaxInbound {
		if o.pacing && !o.leaving {
			if wait := o.pace.take(now, len(o.queue[0])); wait > 0 {
				o.paceAt = now + wait
				break
			}
		}
		b = append(b, o.queue[0]...)
		o.queue = o.queue[1:]
	}
	o.pacing = o.pacing && len(o.queue) > 0
	if o.leaving && len(o.queue) == 0 && len(b)+2 <= protocol.MaxInbound {
		o.leaving = false
		b = protocol.AppendLeave(b)
	}
	return b
}

// shownLocked is the moment that the player is shown, in ticks. The ticks of a room on demand don't tell the time.
func (o *outbox) shownLocked(now time.Duration) float64 {
	if o.delay > 0 && !o.onDemand && o.clock.known {
		at := milliseconds(now)
		if t := o.head.advance(at, o.clock.arriving(at)-o.msLocked(o.delay)); t > 0 {
			return t * o.rate / 1000
		}
	}
	return float64(o.ack)
}

// msLocked is how many milliseconds so many ticks take.
func (o *outbox) msLocked(ticks float64) float64 { return ticks * 1000 / o.rate }

// now estimates the room's time.
func (o *outbox) now(now time.Duration) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock.at(milliseconds(now)) * o.rate / 1000
}

// milliseconds is the client time that a TIME carries: exact in a float 64 and different for different
// durations.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func fromMilliseconds(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}
