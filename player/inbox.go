package player

import (
	"sync"

	"github.com/tickhall/tickhall/protocol"
)

// InboxSize is how many decoded inputs wait for a room at the most.
const InboxSize = 64

// Entry is one decoded input as it waits.
type Entry[In any] struct {
	Seq   uint32
	View  protocol.Moment
	Value In
}

// Inbox holds the decoded inputs of one seat, in sequence. Its connection's reader puts, its room
// takes; the lock is between these two only. The zero value is ready.
type Inbox[In any] struct {
	mu      sync.Mutex
	ring    [InboxSize]Entry[In]
	head, n int
	newest  uint32 // sequence number of the newest input ever put
}

// Put keeps e if it is newer than every input before it; stale tells that it is not. When InboxSize
// inputs wait already, the newest of them becomes merge(newest, e) and merged is true: nothing that
// the player did is lost.
func (b *Inbox[In]) Put(e Entry[In], merge func(old, next In) In) (stale, merged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Seq <= b.newest {
		return true, false
	}
	b.newest = e.Seq
	if b.n == InboxSize {
		last := &b.ring[(b.head+b.n-1)%InboxSize]
		e.Value = merge(last.Value, e.Value)
		*last = e
		return false, true
	}
	b.ring[(b.head+b.n)%InboxSize] = e
	b.n++
	return false, false
}

// Newest is the sequence number of the newest input ever put, 0 for none.
func (b *Inbox[In]) Newest() uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.newest
}

// Len is how many inputs wait.
func (b *Inbox[In]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// Take moves up to len(into) inputs, oldest first, and returns how many.
func (b *Inbox[In]) Take(into []Entry[In]) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(into), b.n)
	for i := range n {
		e := &b.ring[b.head]
		into[i] = *e
		*e = Entry[In]{}
		b.head = (b.head + 1) % InboxSize
	}
	b.n -= n
	return n
}
