package player

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

const (
	// DefaultHeartbeat is how often a Wheel pings each connection.
	DefaultHeartbeat = 15 * time.Second

	wheelSlots = 60 // pings go out in this many portions per interval
	maxMissed  = 2  // heartbeats in a row without an answer, before the connection is closed
)

// Beater is a connection that a Wheel keeps alive. Its methods are called on the goroutine of Run and
// must not wait.
type Beater interface {
	// Ping sends a ping with payload, which it does not keep. False: it could not be sent, an earlier
	// message not having left yet.
	Ping(payload []byte) bool
	// Close is Conn's.
	Close(code protocol.Code, reason string, result []byte)
}

// Beat is a connection's place in a Wheel, and what its heartbeats have measured. It stands inside the
// connection, so that no heartbeat allocates anything. The zero value is ready for Wheel.Add.
type Beat struct {
	prev, next *Beat // in a slot's ring; nil while in none; under the wheel's lock
	to         Beater
	start      time.Time // the wheel's

	// The goroutine of Wheel.Run owns these.
	missed  int
	pinged  bool // in its last turn
	skipped bool // in its last turn: the ping could not be sent

	stamp  atomic.Int64 // of the last ping sent: nanoseconds after start; 0 for none
	ponged atomic.Bool  // since its last turn
	heard  atomic.Bool  // likewise, but anything at all

	last, smooth atomic.Int64 // round trips in nanoseconds, 0 for none; the reader stores
}

// RTT is the round trip of the last heartbeat and the smoothed one (an EWMA of gain 1/8, as in RFC
// 6298), 0 while none is known. It may be called from any goroutine.
func (b *Beat) RTT() (last, smooth time.Duration) {
	return time.Duration(b.last.Load()), time.Duration(b.smooth.Load())
}

// Heard tells that something other than a pong arrived. The connection's reader calls it.
func (b *Beat) Heard() {
	if !b.heard.Load() { // the load is cheap, and nearly always enough
		b.heard.Store(true)
	}
}

// Pong tells that a pong with payload arrived at now. The connection's reader calls it. One that no
// ping asked for is no fault (RFC 6455, 5.5.3), but measures nothing; asked reports which it was.
func (b *Beat) Pong(now time.Time, payload []byte) (asked bool) {
	b.ponged.Store(true)
	if len(payload) != 8 {
		return false
	}
	stamp := int64(binary.BigEndian.Uint64(payload))
	// Only the newest ping's stamp counts, and once, so that no client can make up a short round trip.
	if stamp == 0 || !b.stamp.CompareAndSwap(stamp, 0) {
		return false
	}
	rtt := max(int64(now.Sub(b.start))-stamp, 1)
	b.last.Store(rtt)
	if s := b.smooth.Load(); s != 0 {
		rtt = max(s+(rtt-s)/8, 1)
	}
	b.smooth.Store(rtt)
	return true
}

// Wheel sends the heartbeats of all connections of a server from one goroutine. Each connection is in
// one of its slots, which take turns, so that pings spread evenly over the interval (a timing wheel:
// Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987). A connection that leaves two
// heartbeats in a row unanswered is closed with protocol.CodePongTimeout.
type Wheel struct {
	interval time.Duration
	start    time.Time

	mu    sync.Mutex
	slots [wheelSlots]Beat // heads of the rings
	place int              // slot of the next connection
	n     int

	// The goroutine of Run owns these.
	turn    int
	batch   []*Beat // whose turn it is; empty between turns
	payload [8]byte
}

// NewWheel returns a Wheel whose Run pings each connection once per interval, 0 for DefaultHeartbeat.
func NewWheel(interval time.Duration) *Wheel {
	if interval <= 0 {
		interval = DefaultHeartbeat
	}
	w := &Wheel{interval: interval, start: time.Now()}
	for i := range w.slots {
		w.slots[i].prev, w.slots[i].next = &w.slots[i], &w.slots[i]
	}
	return w
}

// Add makes b, which lies inside to and is in no wheel, take part. The first ping comes within the
// interval.
func (w *Wheel) Add(b *Beat, to Beater) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b.to, b.start = to, w.start
	head := &w.slots[w.place]
	w.place = (w.place + 1) % wheelSlots
	b.prev, b.next = head.prev, head
	b.prev.next, b.next.prev = b, b
	w.n++
}

// Remove ends b's part. A ping that is on its way may still be sent after it returns. A Beat that is in
// no wheel is left alone.
func (w *Wheel) Remove(b *Beat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.next == nil {
		return
	}
	b.prev.next, b.next.prev = b.next, b.prev
	b.prev, b.next = nil, nil
	w.n--
}

// Len is how many connections take part.
func (w *Wheel) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// Run sends the heartbeats until ctx ends. The error is ctx's.
func (w *Wheel) Run(ctx context.Context) error {
	t := time.NewTicker(max(w.interval/wheelSlots, 1))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			w.advance()
		}
	}
}

// advance gives the next slot its turn.
func (w *Wheel) advance() {
	w.collect()
	for _, b := range w.batch {
		w.beat(b, time.Now())
	}
	clear(w.batch)
	w.batch = w.batch[:0]
	if cap(w.batch) > 4*wheelSlots && w.Len() < cap(w.batch) {
		w.batch = nil // the crowd for which it grew is gone
	}
}

// collect copies the slot whose turn it is, so that connections can come and go while pings are sent.
func (w *Wheel) collect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	head := &w.slots[w.turn]
	w.turn = (w.turn + 1) % wheelSlots
	for b := head.next; b != head; b = b.next {
		w.batch = append(w.batch, b)
	}
}

func (w *Wheel) beat(b *Beat, now time.Time) {
	ponged, heard := b.ponged.Swap(false), b.heard.Swap(false)
	switch {
	case ponged:
		b.missed = 0
	case b.pinged:
		b.missed++
	}
	if b.missed < maxMissed && !w.ping(b, now) {
		// Unable to send for a whole interval, and not a word: as good as a pong missed. So a peer that
		// is gone while its socket is full is found as well.
		switch {
		case ponged || heard:
			b.missed = 0
		case b.skipped:
			b.missed++
		}
		b.pinged, b.skipped = false, true
	}
	if b.missed >= maxMissed {
		b.to.Close(protocol.CodePongTimeout, "two heartbeats went unanswered", nil)
	}
}

func (w *Wheel) ping(b *Beat, now time.Time) bool {
	stamp := int64(now.Sub(w.start)) + 1 // never 0
	binary.BigEndian.PutUint64(w.payload[:], uint64(stamp))
	before := b.stamp.Swap(stamp) // before it is sent: the pong may be faster than this goroutine
	if !b.to.Ping(w.payload[:]) {
		b.stamp.Store(before)
		return false
	}
	b.pinged, b.skipped = true, false
	return true
}
