package client

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

const (
	writeTimeout = 5 * time.Second
	writeSlack   = time.Second      // likewise that of writes
	readTimeout  = 45 * time.Second // three pings of the server
	readSlack    = 5 * time.Second  // the read deadline is set anew this often

	// maxHandshake is how many bytes a server may take to answer a request before it is a WebSocket:
	// the standard library bounds no header.
	maxHandshake = 64 << 10
)

var (
	errBroken    = errors.New("an earlier write failed")
	errHandshake = errors.New("the server's answer is too long")
)

// link is the net.Conn under a WebSocket. It gives every write a deadline, every read one that moves
// with what arrives, and counts bytes. After a failed write it writes nothing more.
type link struct {
	net.Conn
	counters *counters

	shaking bool // handshake: reads are counted against budget, and Close waits for the end of it
	budget  int
	drained func()      // reader: called before each read, when all that has been read is processed
	armed   time.Time   // reader: when the read deadline was last set
	final   atomic.Bool // the end is near: the read deadline stays where finish put it

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
	l.drained()
	if now := time.Now(); now.Sub(l.armed) > readSlack && !l.final.Load() {
		l.armed = now
		if err := l.Conn.SetReadDeadline(now.Add(readTimeout + readSlack)); err != nil {
			return 0, err
		}
		if l.final.Load() { // finish came between
			l.finish()
		}
	}
	n, err := l.Conn.Read(b)
	l.counters.in.Add(uint64(n))
	return n, err
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
func (l *link) shaken(drained func()) {
	l.shaking, l.drained, l.writable = false, drained, time.Time{}
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

// closeOn closes c when ctx is done. The function that it returns ends that, and must be called once;
// it returns when no such call is under way any more.
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
