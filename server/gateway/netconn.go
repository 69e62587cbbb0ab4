package gateway

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

const (
	// maxSmall bounds what gws may add by itself to a message that has not left yet: a close frame. It
	// has 127 bytes at the most (RFC 6455, 5.5).
	maxSmall = 131
	// maxSilent is how many bytes a peer may send without completing a message or answering a ping. It
	// bounds what no rate limit sees: pings, and fragments of nothing.
	maxSilent = 64 << 10
	// maxLast bounds what may wait of a connection that is being closed: what had not left, what was sent last, and the
	// BYE with its result, for which maxBye of it is kept.
	maxLast = 512 << 10
	maxBye  = 64<<10 + 1024
	// maxControl is the longest payload of a control frame (RFC 6455, 5.5).
	maxControl = 125
	// flushChunk is what must leave within the write time-out, so that a large message to a slow but
	// steady reader has time.
	flushChunk = 16 << 10
	// flushWhole is in how many write time-outs all that waits must have left, so that no reader, however
	// steady, holds memory for ever.
	flushWhole = 3
	// keepPending is the largest buffer that an idle connection keeps.
	keepPending = 2 << 10
	// notSentLowat keeps what the kernel holds and has not sent yet short: what is in there grows old
	// (W. Chan and E. Dumazet, "TCP_NOTSENT_LOWAT socket option", 2013).
	notSentLowat = 16 << 10
)

var (
	errSlowReader = errors.New("the peer did not read in time")
	errSilent     = errors.New("the peer sent too many bytes without a message")
	errPending    = errors.New("written while an earlier message had not left yet")
	errFrame      = errors.New("the peer sent a frame of an impossible length")
	errFrames     = errors.New("the peer sent too many frames")
)

// netConn is the connection under gws. A Write never waits: it tries the socket once; what the kernel
// does not take is kept and leaves by a goroutine that lives as long as there is something to flush.
// Meanwhile the connection is congested, and only small frames are added. gws writes whole frames, one
// per Write; after an error, which may have left half a frame on the wire, nothing is written any more.
//
// Close lets what waits leave within farewell, and then the peer answer the close frame within linger. Whatever comes of
// it, the socket is closed then; finish waits for that.
type netConn struct {
	net.Conn                 // Read and the addresses
	raw      syscall.RawConn // nil: no socket that can be tried (a net.Pipe, TLS)
	try      func(fd uintptr) bool
	stats    *Stats
	timeout  time.Duration // to write flushChunk
	linger   time.Duration
	farewell time.Duration

	state atomic.Int32 // of the three below; for those who only ask

	conn   *Conn // whose this is; gws's events find it here
	silent int   // bytes since the last message; the reader's, like the next three
	frames frames
	pong   [maxControl]byte // payload of the newest ping, which is yet to be answered
	pongs  int              // 1 + its length; 0: none is

	mu       sync.Mutex
	pending  []byte // what waits, without what the flusher is writing
	allowed  int    // what may be added to it
	flushing bool   // the flusher runs
	closing  bool   // Close was called: read on for the peer's answer, write only what waits
	err      error  // why nothing is written any more
	flusher  sync.WaitGroup

	// Arguments and results of try, under mu.
	out     []byte
	written int
	errno   error
}

func newNetConn(c net.Conn, cfg *Config, stats *Stats) *netConn {
	n := &netConn{Conn: c, stats: stats, timeout: cfg.WriteTimeout, linger: cfg.Linger, farewell: cfg.Farewell}
	if tcp, ok := c.(*net.TCPConn); ok {
		// Without these the connection works all the same, a little less freshly.
		_ = tcp.SetNoDelay(true)
		_ = setNotSentLowat(tcp, notSentLowat)
	}
	if s, ok := c.(syscall.Conn); ok && canTry {
		if raw, err := s.SyscallConn(); err == nil {
			n.raw, n.try = raw, n.tryOnce // made once: a closure per write would be an allocation
		}
	}
	return n
}

// States of a netConn.
const (
	stateReady     int32 = iota
	stateCongested       // something waits
	stateEnding          // closing or broken
)

// tryOnce runs inside RawConn.Write. It returns true so that nothing waits until the socket is ready.
func (c *netConn) tryOnce(fd uintptr) bool {
	c.written, c.errno = writeOnce(fd, c.out)
	return true
}

// ready reports whether Write would take a message of any size.
func (c *netConn) ready() bool { return c.state.Load() == stateReady }

// ending reports whether Write can't take anything any more.
func (c *netConn) ending() bool { return c.state.Load() == stateEnding }

// Read is called by gws's reader alone.
func (c *netConn) Read(p []byte) (int, error) {
	if c.pongs > 0 { // all that has been read is processed
		// One that is dropped, the connection being congested, is asked for again.
		c.conn.control(gws.OpcodePong, c.pong[:c.pongs-1])
		c.pongs = 0
	}
	n, err := c.Conn.Read(p)
	c.stats.BytesIn.Add(int64(n))
	extra, ok := c.frames.scan(p[:n])
	if !ok {
		c.conn.badFrame()
		return 0, errFrame
	}
	if extra > 0 && !c.conn.extra(extra) {
		return 0, errFrames
	}
	if c.silent += n; c.silent > maxSilent && err == nil {
		c.conn.Close(protocol.CodeFlood, "too many bytes that are part of no message", nil)
		return 0, errSilent
	}
	return n, err
}

// ping keeps the payload of a ping. Of those that come together only the newest is answered (RFC 6455, 5.5.3).
func (c *netConn) ping(payload []byte) { c.pongs = 1 + copy(c.pong[:], payload) }

// Write takes p whole, or fails and ends the connection.
func (c *netConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case c.closing:
		return 0, net.ErrClosed
	case c.flushing:
		if len(p) > c.allowed {
			c.failLocked(errPending)
			return 0, errPending
		}
		c.allowed -= len(p)
		c.pending = append(c.pending, p...)
		return len(p), nil
	}
	n := 0
	if c.raw != nil {
		var err error
		if n, err = c.tryLocked(p); err != nil {
			c.failLocked(err)
			return n, err
		}
	}
	c.stats.BytesOut.Add(int64(n))
	if n < len(p) {
		c.pending = append(c.pending[:0], p[n:]...)
		c.allowed = maxSmall
		c.flushing = true
		c.state.Store(stateCongested)
		c.flusher.Go(c.flush)
	}
	return len(p), nil
}

func (c *netConn) tryLocked(p []byte) (n int, err error) {
	c.out, c.written, c.errno = p, 0, nil
	err = c.raw.Write(c.try)
	c.out = nil
	if err == nil {
		err = c.errno
	}
	return c.written, err
}

// makeRoom lets n more bytes be written although something waits. False: there would be more than limit.
func (c *netConn) makeRoom(n, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flushing {
		return true // Write takes a message of any size
	}
	if len(c.pending)+n > limit {
		return false
	}
	c.allowed = max(c.allowed, n)
	return true
}

// flush writes what waits until nothing does.
func (c *netConn) flush() {
	var out []byte
	until := time.Now().Add(flushWhole * c.timeout)
	for {
		out = c.next(out)
		if out == nil {
			return
		}
		for at := 0; at < len(out); {
			chunk := out[at:min(at+flushChunk, len(out))]
			c.extendDeadline(until)
			n, err := c.Conn.Write(chunk)
			c.stats.BytesOut.Add(int64(n))
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					err = errSlowReader
				}
				c.mu.Lock()
				c.flushing = false
				c.failLocked(err)
				c.mu.Unlock()
				return
			}
			at += n
			c.conn.beat.Heard() // slow, but alive
		}
	}
}

// next swaps what waits for the buffer just written. Nil: nothing waits, and the flusher ends.
func (c *netConn) next(written []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 && c.err == nil {
		out := c.pending
		c.pending = written[:0]
		return out
	}
	if c.pending = written[:0]; cap(written) > keepPending {
		c.pending = nil
	}
	c.flushing = false
	switch {
	case c.err != nil:
	case c.closing: // all has left: the peer may answer
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.linger))
	default:
		_ = c.Conn.SetWriteDeadline(time.Time{})
		c.state.Store(stateReady)
	}
	return nil
}

// extendDeadline gives the next chunk its time, until at the most. One that is closing has farewell in all: see Close.
func (c *netConn) extendDeadline(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		by := time.Now().Add(c.timeout)
		if until.Before(by) {
			by = until
		}
		_ = c.Conn.SetWriteDeadline(by)
	}
}

// failLocked ends the connection at once. The reader notices.
func (c *netConn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.state.Store(stateEnding)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the kernel need not keep trying to send what nobody reads
	}
	// A Close that waits, as that of TLS does for its last record, must not hold up a room.
	_ = c.Conn.SetDeadline(time.Unix(1, 0))
}

// Close is what gws calls after the close frame. It waits for nothing: what waits to be sent gets until farewell is over,
// the peer's close frame until linger is over after that, then Read fails.
func (c *netConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.err != nil {
		return nil
	}
	c.closing = true
	c.state.Store(stateEnding)
	if c.flushing {
		return c.Conn.SetDeadline(time.Now().Add(c.farewell))
	}
	return c.Conn.SetDeadline(time.Now().Add(c.linger))
}

// abort ends the connection at once, whatever waits.
func (c *netConn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(net.ErrClosed)
}

// drain reads on for what a peer still sends, unheard, until it hangs up or linger is over: closing a socket
// with something unread in it would reset the connection, and destroy the close frame on its way.
func (c *netConn) drain() { _, _ = io.CopyN(io.Discard, c.Conn, maxSilent) }

// finish closes the socket after the reader has ended, and waits for the flusher, which has until
// farewell is over. The error is why the connection broke, nil if it was closed in good order.
func (c *netConn) finish() error {
	_ = c.Close()
	c.flusher.Wait()
	_ = c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// SetDeadline is used by gws around the handshake only. It must not touch the flusher's deadline, nor
// that of a connection which is ending.
func (c *netConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.closing {
		return c.err
	}
	return c.Conn.SetReadDeadline(t)
}
