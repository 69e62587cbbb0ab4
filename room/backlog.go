package room

import (
	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// DefaultBacklog is how many bytes of the game's own events wait for a player by default: see Kind.Backlog.
const DefaultBacklog = 256 << 10

const (
	minBacklog      = 64 << 10
	maxBacklog      = 16 << 20
	maxBacklogItems = 4096 // of events, whoever sent them
	senderShare     = 8    // one sender's part of a backlog's bytes, and of its items
	maxReplies      = 256  // answers that wait; with as many, or so many bytes, no more requests are taken
	maxReplyBytes   = 64 << 10
)

// Who sends what no user does: the server's own code, and the game of another room, whose id follows. No user id
// begins like that.
const (
	byServer = "\x00server"
	byRoom   = "\x00room "
)

// backlog is what a player must get exactly once and in order: encoded EVENT, REPLY, ERROR and DROPPED
// arrays. They leave with the next messages and are kept until the client has acknowledged them, to be sent again
// after a resume. Nothing in it ends a seat:
//
//   - Answers are never dropped. Too many of them, and the room takes no more requests: see busy.
//   - Events that one user causes, in this room or another, are bounded by user. One that does not fit is not kept,
//     and add says so, for its sender to be told.
//   - The game's own events are bounded together. The oldest make way for new ones.
//
// Where events are missing the client is told by a DROPPED.
type backlog struct {
	limit int // bytes of events, the game's own and others' each; 0: DefaultBacklog

	bytes []byte // of all items, oldest first
	items []item // those sent come before those not
	sent  int    // how many
	out   int    // their bytes

	replies, replyBytes int
	own, ownBytes       int     // the game's own events
	others, otherBytes  int     // all others
	senders             []share // of these, by sender
	dropped             int64   // events, so far
}

type item struct {
	size int
	sent uint32 // tick of the message that it left with, 0: not yet
	kind protocol.Kind
	from string // whose message caused the event, "" for the game
}

// share is what waits of one sender.
type share struct {
	from         string
	items, bytes int
}

// announce is add for an event from outside the room; its sender is told if it is not kept.
func (b *backlog) announce(array []byte, e *player.Event) {
	from := e.From()
	if from == "" {
		from = byServer
	}
	if !b.add(array, from) {
		e.Refuse()
	}
}

func (b *backlog) max() int {
	if b.limit == 0 {
		return DefaultBacklog
	}
	return b.limit
}

// add keeps an encoded array, which from caused, "" for the game. It reports false for an event that is not
// kept since too much of its sender's waits already.
func (b *backlog) add(array []byte, from string) bool {
	it := item{size: len(array), kind: kindOf(array), from: from}
	if it.kind == protocol.KindEvent {
		switch {
		case from == "":
			if b.own == maxBacklogItems || b.ownBytes+it.size > b.max() {
				b.makeWay(it.size)
			}
		case !b.admits(from, it.size):
			b.miss(array, 1)
			return false
		}
	}
	b.append(it, array)
	return true
}

// admits reports whether one more event from outside may wait with those that do for the next tick, in a kind of that Backlog.
func admits(waiting []*player.Event, e *player.Event, limit int) bool {
	all, same, items := e.Size(), e.Size(), 0
	for _, o := range waiting {
		all += o.Size()
		if o.From() == e.From() {
			same += o.Size()
			items++
		}
	}
	return len(waiting) < maxBacklogItems && all <= limit && items < maxBacklogItems/senderShare && same <= limit/senderShare
}

// admits reports whether one more event of a sender fits.
func (b *backlog) admits(from string, size int) bool {
	if b.others == maxBacklogItems || b.otherBytes+size > b.max() {
		return false
	}
	s := share{}
	if i := b.sender(from); i >= 0 {
		s = b.senders[i]
	}
	// One always fits, however small the share is.
	return s.items == 0 || s.items < maxBacklogItems/senderShare && s.bytes+size <= b.max()/senderShare
}

func (b *backlog) sender(from string) int {
	for i := range b.senders {
		if b.senders[i].from == from {
			return i
		}
	}
	return -1
}

// busy reports whether so many answers wait that no more requests are to be taken.
func (b *backlog) busy() bool { return b.replies >= maxReplies || b.replyBytes >= maxReplyBytes }

func (b *backlog) append(it item, array []byte) {
	b.bytes = append(b.bytes, array...)
	b.items = append(b.items, it)
	b.count(it, 1)
}

// count adds an item to the sums, or with -1 takes it off.
func (b *backlog) count(it item, n int) {
	switch {
	case it.kind == protocol.KindReply, it.kind == protocol.KindError:
		b.replies += n
		b.replyBytes += n * it.size
	case it.kind != protocol.KindEvent:
	case it.from == "":
		b.own += n
		b.ownBytes += n * it.size
	default:
		b.others += n
		b.otherBytes += n * it.size
		i := b.sender(it.from)
		if i < 0 {
			i = len(b.senders)
			b.senders = append(b.senders, share{from: it.from})
		}
		s := &b.senders[i]
		s.items += n
		s.bytes += n * it.size
		if s.items == 0 {
			last := len(b.senders) - 1
			b.senders[i], b.senders[last] = b.senders[last], share{}
			b.senders = b.senders[:last]
		}
	}
}

// miss notes at the end that count events are missing, of which array is the first.
func (b *backlog) miss(array []byte, count uint32) {
	b.dropped += int64(count)
	tick := tickOf(array)
	if last := len(b.items) - 1; last >= b.sent && b.items[last].kind == protocol.KindDropped {
		at := len(b.bytes) - b.items[last].size
		var before uint32
		tick, before = readDropped(b.bytes[at:])
		b.bytes, b.items = b.bytes[:at], b.items[:last]
		count += before
	}
	at := len(b.bytes)
	b.bytes = protocol.AppendDropped(b.bytes, tick, count)
	b.items = append(b.items, item{size: len(b.bytes) - at, kind: protocol.KindDropped})
}

// makeWay drops the oldest of the game's own events until one of that size fits, and a quarter of the bound besides,
// so that this is not done for each event. Where they were stands a DROPPED, which the client gets if it
// has not got the events.
func (b *backlog) makeWay(size int) {
	items, bytes := b.own-maxBacklogItems*3/4, b.ownBytes+size-b.max()*3/4
	old := *b
	b.bytes, b.items, b.sent, b.out = make([]byte, 0, len(old.bytes)), make([]item, 0, len(old.items)), 0, 0
	at := 0
	for _, it := range old.items {
		array := old.bytes[at : at+it.size]
		at += it.size
		drop := it.kind == protocol.KindEvent && it.from == "" && (items > 0 || bytes > 0)
		if drop {
			items--
			bytes -= it.size
			b.count(it, -1)
			b.dropped++
		}
		if drop || it.kind == protocol.KindDropped {
			array = b.merge(array, it.sent, drop)
			it = item{size: len(array), sent: it.sent, kind: protocol.KindDropped}
		}
		b.bytes = append(b.bytes, array...)
		b.items = append(b.items, it)
		if it.sent != 0 {
			b.sent, b.out = len(b.items), len(b.bytes)
		}
	}
}

// merge returns the DROPPED for an event that is dropped, or for a DROPPED, at the end of what makeWay has kept so far: with the one
// that stands there already, if both belong to the same message.
func (b *backlog) merge(array []byte, sent uint32, event bool) []byte {
	tick, count := uint32(0), uint32(1)
	if event {
		tick = tickOf(array)
	} else {
		tick, count = readDropped(array)
	}
	if last := len(b.items) - 1; last >= 0 && b.items[last].kind == protocol.KindDropped && b.items[last].sent == sent {
		at := len(b.bytes) - b.items[last].size
		first, before := readDropped(b.bytes[at:])
		b.bytes, b.items = b.bytes[:at], b.items[:last]
		tick, count = first, count+before
	}
	return protocol.AppendDropped(nil, tick, count)
}

// kindOf is the kind of an array that the room has encoded.
func kindOf(array []byte) protocol.Kind { return protocol.Kind(array[1]) }

func tickOf(array []byte) uint32 { return wire.NewReader(array[2:]).Uint32() }

func readDropped(array []byte) (tick, count uint32) {
	r := wire.NewReader(array[2:])
	return r.Uint32(), r.Uint32()
}

// unsent reports whether something waits that has not been sent.
func (b *backlog) unsent() bool { return b.sent < len(b.items) }

// appendUnsent appends what has not been sent to a message with the snapshot of tick: as much as fits into room
// bytes, in order.
func (b *backlog) appendUnsent(to []byte, tick uint32, room int) []byte {
	from := b.out
	for b.sent < len(b.items) && b.out-from+b.items[b.sent].size <= room {
		b.items[b.sent].sent = tick
		b.out += b.items[b.sent].size
		b.sent++
	}
	return append(to, b.bytes[from:b.out]...)
}

// unsend takes back what appendUnsent gave for the message of tick, which did not leave.
func (b *backlog) unsend(tick uint32) {
	for b.sent > 0 && b.items[b.sent-1].sent == tick {
		b.sent--
		b.items[b.sent].sent = 0
		b.out -= b.items[b.sent].size
	}
}

// ack drops what left with messages up to that of tick.
func (b *backlog) ack(tick uint32) {
	n, size := 0, 0
	for n < b.sent && b.items[n].sent <= tick {
		size += b.items[n].size
		b.count(b.items[n], -1)
		n++
	}
	if n == 0 {
		return
	}
	rest := copy(b.items, b.items[n:])
	clear(b.items[rest:])
	b.items = b.items[:rest]
	b.bytes = b.bytes[:copy(b.bytes, b.bytes[size:])]
	b.sent -= n
	b.out -= size
}

// rewind is for a client that comes back, having processed all messages up to that of tick: what left
// with later ones is sent again.
func (b *backlog) rewind(tick uint32) {
	b.ack(tick)
	for i := range b.items[:b.sent] {
		b.items[i].sent = 0
	}
	b.sent, b.out = 0, 0
}

// read reads a checkpoint's backlog: the bytes of all items, and their sizes and ticks. Who caused an event is not written
// down: all count as the game's own.
func (b *backlog) read(r *wire.Reader) {
	rest := r.Bytes()
	n := r.Array()
	if n%2 != 0 {
		r.Fail(wire.ErrLength)
	}
	for ; n > 0 && r.Err() == nil; n -= 2 {
		size, sent := r.Uint32(), r.Uint32()
		if r.Err() == nil && (int64(size) > int64(len(rest)) || !readable(rest[:size]) || sent != 0 && b.unsent()) {
			r.Fail(wire.ErrLength)
		}
		if r.Err() != nil {
			return
		}
		b.append(item{size: int(size), sent: sent, kind: kindOf(rest)}, rest[:size])
		rest = rest[size:]
		if sent != 0 {
			b.sent, b.out = len(b.items), len(b.bytes)
		}
	}
	if len(rest) > 0 {
		r.Fail(wire.ErrLength)
	}
}

// readable reports whether array is what a backlog keeps: one array that begins with a small kind and a tick.
func readable(array []byte) bool {
	r := wire.NewReader(array)
	n := r.Array()
	kind := protocol.Kind(r.Uint32())
	r.Uint32()
	if kind == protocol.KindDropped {
		r.Uint32()
	}
	return n >= 3 && n < 16 && r.Err() == nil && kind >= protocol.KindEvent && kind <= protocol.KindDropped
}
