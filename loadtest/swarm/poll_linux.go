package swarm

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// edges are what epoll tells of, once each: a Read that fills its buffer goes on without it.
const edges = syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, which package syscall has as a negative number

const (
	deadlinesEvery = 100 * time.Millisecond // so late may a deadline be noticed
	writeAgain     = 2 * time.Millisecond   // when the kernel took nothing
)

// poller wakes the readers of many connections together. A goroutine that is woken for each message costs a
// load generator more than to deal with the message: so the connections leave the runtime's poller, and
// all that is readable is asked for every pollEvery.
type poller struct {
	set int // epoll's

	mu    sync.Mutex
	conns map[int32]*polled // by descriptor
}

// newPoller returns nil if there is none to be had.
func newPoller() *poller {
	set, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	return &poller{set: set, conns: map[int32]*polled{}}
}

// run wakes readers until ctx ends. All connections must be closed by then.
func (p *poller) run(ctx context.Context) {
	defer syscall.Close(p.set)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var events []syscall.EpollEvent
	var swept time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		if n := len(p.conns) + 1; n > len(events) { // so that all fit in
			events = make([]syscall.EpollEvent, 2*n)
		}
		p.mu.Unlock()
		n, _ := syscall.EpollWait(p.set, events, 0) // interrupted: the next time
		now := time.Now()
		p.mu.Lock()
		for i := range max(n, 0) {
			if c := p.conns[events[i].Fd]; c != nil {
				if events[i].Events&^syscall.EPOLLIN != 0 {
					c.over.Store(true)
				}
				c.wake()
			}
		}
		if now.Sub(swept) > deadlinesEvery {
			swept = now
			for _, c := range p.conns {
				if passed(&c.readBy, now) {
					c.wake()
				}
			}
		}
		p.mu.Unlock()
	}
}

// adopt takes a connection over, and returns what is to be used in its place: itself if it is none of TCP.
func (p *poller) adopt(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if p == nil || !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	fd := -1
	err = raw.Control(func(old uintptr) {
		if n, _, e := syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0); e == 0 {
			fd = int(n)
		}
	})
	if err != nil || fd < 0 {
		return conn
	}
	c := &polled{poller: p, fd: fd, local: tcp.LocalAddr(), remote: tcp.RemoteAddr(), readable: make(chan struct{}, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if syscall.EpollCtl(p.set, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: edges, Fd: int32(fd)}) != nil {
		_ = syscall.Close(fd) // a second one of a connection that goes on
		return conn
	}
	p.conns[int32(fd)] = c
	_ = tcp.Close() // the connection goes on in fd
	return c
}

// polled is a connection whose Read waits for the poller. One goroutine reads, one at a time writes.
type polled struct {
	poller        *poller
	local, remote net.Addr
	readable      chan struct{} // capacity 1
	more          bool          // reader: there may be more without waiting
	over          atomic.Bool   // the other end has closed, or the connection broke: nothing is to be waited for

	readBy, writeBy atomic.Int64 // deadlines in nanoseconds of Unix time, 0: none

	mu sync.RWMutex // held for reading while fd is used
	fd int          // -1: closed
}

var _ net.Conn = (*polled)(nil)

func (c *polled) wake() {
	select {
	case c.readable <- struct{}{}:
	default:
	}
}

func (c *polled) Read(b []byte) (int, error) {
	for {
		if !c.more && !c.over.Load() {
			<-c.readable
		}
		n, err := c.use(syscall.Read, b)
		switch {
		case err == syscall.EINTR:
			c.more = true
			continue
		case err == syscall.EAGAIN:
			c.more = false
			c.over.Store(false)
			if passed(&c.readBy, time.Now()) {
				return 0, os.ErrDeadlineExceeded
			}
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		c.more = n == len(b)
		return n, nil
	}
}

func (c *polled) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		n, err := c.use(syscall.Write, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if passed(&c.writeBy, time.Now()) {
				return written, os.ErrDeadlineExceeded
			}
			time.Sleep(writeAgain)
			continue
		case err != nil:
			return written, err
		}
		written, b = written+n, b[n:]
	}
	return written, nil
}

// use makes a system call that does not wait.
func (c *polled) use(call func(fd int, b []byte) (int, error), b []byte) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	return call(c.fd, b)
}

func (c *polled) Close() error {
	c.poller.mu.Lock()
	c.mu.Lock()
	fd := c.fd
	c.fd = -1
	delete(c.poller.conns, int32(fd)) // before the kernel gives the number to another
	c.mu.Unlock()
	c.poller.mu.Unlock()
	if fd < 0 {
		return net.ErrClosed
	}
	c.wake()
	return syscall.Close(fd)
}

func (c *polled) LocalAddr() net.Addr  { return c.local }
func (c *polled) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is for both directions. It is noticed up to deadlinesEvery late, by a Read that goes on too.
func (c *polled) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // these don't fail
	return c.SetWriteDeadline(t)
}

func (c *polled) SetReadDeadline(t time.Time) error  { return set(&c.readBy, t) }
func (c *polled) SetWriteDeadline(t time.Time) error { return set(&c.writeBy, t) }

func set(deadline *atomic.Int64, t time.Time) error {
	if t.IsZero() {
		deadline.Store(0)
	} else {
		deadline.Store(t.UnixNano())
	}
	return nil
}

func passed(deadline *atomic.Int64, now time.Time) bool {
	by := deadline.Load()
	return by != 0 && now.UnixNano() >= by
}
