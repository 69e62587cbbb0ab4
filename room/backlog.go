package room

const (
	maxBacklogBytes = 64 << 10
	maxBacklogItems = 1024
)

// backlog is what a player must get exactly once and in order: encoded EVENT, REPLY and ERROR arrays.
// They leave with the next message and are kept until the client has acknowledged the snapshot in it,
// to be sent again after a resume. It is bounded; what overflows ends the connection.
type backlog struct {
	bytes []byte // of all items, oldest first
	items []item // those sent come before those not
	full  bool   // something did not fit: the client can't be told all any more
}

type item struct {
	size int
	sent uint32 // tick of the message that it left with, 0: not yet
}

func (b *backlog) add(array []byte) {
	if len(b.items) == maxBacklogItems || len(b.bytes)+len(array) > maxBacklogBytes {
		b.full = true
	}
	if b.full {
		return
	}
	b.bytes = append(b.bytes, array...)
	b.items = append(b.items, item{size: len(array)})
}

// appendUnsent appends what has not been sent to a message with the snapshot of tick.
func (b *backlog) appendUnsent(to []byte, tick uint32) []byte {
	at := len(b.bytes)
	for i := len(b.items) - 1; i >= 0 && b.items[i].sent == 0; i-- {
		b.items[i].sent = tick
		at -= b.items[i].size
	}
	return append(to, b.bytes[at:]...)
}

// unsend takes back what appendUnsent gave for the message of tick, which did not leave.
func (b *backlog) unsend(tick uint32) {
	for i := len(b.items) - 1; i >= 0 && (b.items[i].sent == tick || b.items[i].sent == 0); i-- {
		b.items[i].sent = 0
	}
}

// ack drops what left with messages up to that of tick.
func (b *backlog) ack(tick uint32) {
	n, size := 0, 0
	for n < len(b.items) && b.items[n].sent != 0 && b.items[n].sent <= tick {
		size += b.items[n].size
		n++
	}
	if n == 0 {
		return
	}
	b.items = b.items[:copy(b.items, b.items[n:])]
	b.bytes = b.bytes[:copy(b.bytes, b.bytes[size:])]
}

// rewind is for a client that comes back, having processed all messages up to that of tick: what left
// with later ones is sent again.
func (b *backlog) rewind(tick uint32) {
	b.ack(tick)
	for i := range b.items {
		b.items[i].sent = 0
	}
}
