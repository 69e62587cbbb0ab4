package client

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	writeTimeout = 5 * time.Second
	writeSlack   = time.Second // the write deadline is set anew this often

	// maxHandshake is how many bytes a server may take to answer a request before it is a
	// WebSocket: the standard library bounds no header.
	maxHandshake = 64 << 10
)

var (
	errBroken    = errors.New("an earlier write failed")
	errHandshake = errors.New("the server's answer is too long")
	errSilent    = errors.New("the server has gone silent")
	errLate      = errors.New("the room did not answer in time")
)

// link is the net.Conn under a WebSocket. It gives every write a deadline, has idle called when a
// read has waited long enough, and counts bytes. After a failed write it writes nothing more.
type link struct {
	net.Conn
	counters *counters

	shaking bool // handshake: reads are counted against budget, and Close waits for the end of it
	budget  int
	drained func() time.Time          // reader: called before each read, when all that has been read is processed
	idle    func() (time.Time, error) // reader: called when nothing has come until the time that either returned
	until   time.Time                 // reader: the read deadline
	final   atomic.Bool               // the end is near: the read deadline stays where finish put it

	writable time.Time // writer: when the write deadline was last set
	broken   bool      // writer
}

func (l *link) Read(b []byte) (int, error) {
	if l.shaking {
		if l.budget <= 0 {
			return 0, errHandshake
		}
		b = b[:min(len(b), l.budget)]
		n, err := l.Conn.Read(b)
		l.budget -= n
		l.counters.in.Add(uint64(n))
		return n, err
	}
	until := l.drained()
	for {
		if err := l.wait(until); err != nil {
			return 0, err
		}
		n, err := l.Conn.Read(b)
		l.counters.in.Add(uint64(n))
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || l.final.Load() {
			return n, err
		}
		if until, err = l.idle(); err != nil {
			_ = l.Conn.Close() // nobody is there for a close frame
			return 0, err
		}
	}
}

// wait sets the read deadline, unless the end is near.
func (l *link) wait(until time.Time) error {
	if until.Equal(l.until) || l.final.Load() {
		return nil
	}
	l.until = until
	if err := l.Conn.SetReadDeadline(until); err != nil {
		return err
	}
	if l.final.Load() { // finish came between
		l.finish()
	}
	return nil
}

func (l *link) Write(b []byte) (int, error) {
	if l.broken {
		return 0, errBroken
	}
	if now := time.Now(); now.Sub(l.writable) > writeSlack {
		l.writable = now
		if err := l.Conn.SetWriteDeadline(now.Add(writeTimeout + writeSlack)); err != nil {
			return 0, err
		}
	}
	n, err := l.Conn.Write(b)
	l.counters.out.Add(uint64(n))
	l.broken = err != nil
	return n, err
}

// shaken ends the handshake. gws has taken its deadlines away.
func (l *link) shaken(drained func() time.Time, idle func() (time.Time, error)) {
	l.shaking, l.drained, l.idle, l.writable = false, drained, idle, time.Time{}
}

// Close closes the connection; during the handshake it does nothing, because gws closes before the
// body of a refusal has been read.
func (l *link) Close() error {
	if l.shaking {
		return nil
	}
	return l.Conn.Close()
}

// finish leaves the server a short time to say goodbye.
func (l *link) finish() {
	l.final.Store(true)
	_ = l.Conn.SetReadDeadline(time.Now().Add(leavePatience))
}

// closeOn closes c when ctx is done. The function that it returns ends that, and must be called
// once; it returns when no such call is under way any more.
func closeOn(ctx context.Context, c net.Conn) (stop func()) {
	closed := make(chan struct{})
	halt := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = c.Close()
	})
	return func() {
		if !halt() {
			<-closed
		}
	}
}
