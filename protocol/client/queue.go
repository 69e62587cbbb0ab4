package client

import (
	"github.com/tickhall/tickhall/protocol"
)

// keptInputs is how many inputs are kept until the room says that it has consumed them, and keptBytes of how many bytes:
// sent again after a resume, more would be over the server's limits.
const (
	keptInputs = 128
	keptBytes  = 16 << 10
)

// inputQueue holds encoded inputs, oldest first, until the room has consumed them. An input gets its
// number when it is first written, so that inputs dropped unwritten leave no gap. The zero value is
// ready. Its buffers are used again: in steady state it allocates nothing.
type inputQueue struct {
	ring     [][]byte // keptInputs of them once there is one
	head, n  int
	bytes    int    // of the n
	numbered int    // how many of the n have a number; the last of them is newest
	sent     int    // how many of the n were written on this connection; never more than numbered
	newest   uint32 // number of the newest numbered input
	put      uint64
	dropped  uint64
}

// add keeps a copy of b, of less than keptBytes, as the newest input. The oldest go when there are too many.
func (q *inputQueue) add(b []byte) {
	if q.ring == nil {
		q.ring = make([][]byte, keptInputs)
	}
	q.put++
	for q.n == keptInputs || q.bytes+len(b) > keptBytes {
		q.pop()
		q.dropped++
	}
	q.bytes += len(b)
	i := (q.head + q.n) % keptInputs
	q.ring[i] = append(q.ring[i][:0], b...)
	q.n++
}

func (q *inputQueue) pop() {
	q.bytes -= len(q.ring[q.head])
	q.head = (q.head + 1) % keptInputs
	q.n--
	q.numbered = max(q.numbered-1, 0)
	q.sent = max(q.sent-1, 0)
}

// first is the number of the oldest input, if it has one.
func (q *inputQueue) first() uint32 { return q.newest - uint32(q.numbered) + 1 }

// consumed forgets the inputs up to number last.
func (q *inputQueue) consumed(last uint32) {
	for q.numbered > 0 && q.first() <= last {
		q.pop()
	}
}

// resume starts a connection to the same seat, whose room has consumed the inputs up to number last:
// those after it are due again.
func (q *inputQueue) resume(last uint32) {
	q.consumed(last)
	q.sent = 0
	// Numbers far ahead of what the room has seen would be a protocol error, so what made them goes.
	if q.numbered > 0 && q.first() > last+protocol.MaxSeqJump/2 || q.numbered == 0 && q.newest > last+protocol.MaxSeqJump/2 {
		for q.numbered > 0 {
			q.pop()
			q.dropped++
		}
		q.newest = last
	}
	q.newest = max(q.newest, last)
}

// restart starts at a new seat, whose room has consumed inputs up to number last.
func (q *inputQueue) restart(last uint32) {
	q.dropped += uint64(q.n)
	q.head, q.n, q.bytes, q.numbered, q.sent, q.newest = 0, 0, 0, 0, 0, last
}

// due reports whether an input waits to be written.
func (q *inputQueue) due() bool { return q.sent < q.n }

// append appends an INPUT of those that are due, as many as fit: at least one, at most MaxInputs. It
// gives them their numbers.
func (q *inputQueue) append(b []byte, view protocol.Moment, ack uint32) []byte {
	size, k := 0, 0
	for k < protocol.MaxInputs && q.sent+k < q.n {
		size += len(q.ring[(q.head+q.sent+k)%keptInputs])
		if k > 0 && size > protocol.MaxInbound-inputOverhead {
			break
		}
		k++
	}
	h := protocol.InputHead{Seq: q.first() + uint32(q.sent), View: view, Ack: ack}
	b = h.Append(b, k)
	for i := range k {
		b = append(b, q.ring[(q.head+q.sent+i)%keptInputs]...)
	}
	q.sent += k
	if q.sent > q.numbered {
		q.newest += uint32(q.sent - q.numbered)
		q.numbered = q.sent
	}
	return b
}

// inputOverhead bounds the bytes of an INPUT but for its inputs: array header, kind and four numbers.
const inputOverhead = 3 + 1 + 4*5
