package gateway

import (
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Conn is one WebSocket connection as a room and the heartbeat wheel see it. It serves
// player.Conn: nothing in it waits for the network.
type Conn struct {
	gateway *Gateway
	ws      *gws.Conn
	net     *netConn
	addr    string
	by      quota.Holder // of whose connections it is counted
	room    Room
	beat    player.Beat

	mu   sync.Mutex    // one message, ping or farewell at a time, so that nothing comes between Ready and Writev
	code protocol.Code // of the first Close; 0: there was none

	// The reader's goroutine owns the rest.
	session *player.Session // nil until joined
	end     error           // what gws says about the end
}

var (
	_ player.Conn       = (*Conn)(nil)
	_ player.LastSender = (*Conn)(nil)
	_ player.Beater     = (*Conn)(nil)
)

// Send implements player.Conn.
func (c *Conn) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != 0 || c.net.ending() {
		return net.ErrClosed
	}
	if !c.net.ready() {
		c.gateway.stats.Congested.Add(1)
		return player.ErrCongested
	}
	if err := c.ws.Writev(gws.OpcodeBinary, parts...); err != nil {
		return err
	}
	c.gateway.stats.MessagesOut.Add(1)
	return nil
}

// SendLast implements player.LastSender.
func (c *Conn) SendLast(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != 0 || c.net.ending() {
		return net.ErrClosed
	}
	size := maxHeader
	for _, p := range parts {
		size += len(p)
	}
	if !c.net.makeRoom(size, maxLast-maxBye) {
		return player.ErrCongested
	}
	if err := c.ws.Writev(gws.OpcodeBinary, parts...); err != nil {
		return err
	}
	c.gateway.stats.MessagesOut.Add(1)
	return nil
}

// Ready implements player.Conn.
func (c *Conn) Ready() bool { return c.net.ready() }

// RemoteAddr implements player.Conn. Behind a trusted proxy it is the address that the proxy saw.
func (c *Conn) RemoteAddr() string { return c.addr }

// RTT is the round trip of the last heartbeat and the smoothed one, 0 while none is known.
func (c *Conn) RTT() (last, smooth time.Duration) { return c.beat.RTT() }

// Ping implements player.Beater.
func (c *Conn) Ping(payload []byte) bool { return c.control(gws.OpcodePing, payload) }

func (c *Conn) control(op gws.Opcode, payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code == 0 && c.net.ready() && c.ws.WriteMessage(op, payload) == nil
}

// Close implements player.Conn. What waits to leave has Config.Farewell to do so, and then the peer Config.Linger to
// answer.
func (c *Conn) Close(code protocol.Code, reason string, result []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != 0 {
		return
	}
	c.code = code
	reason = wire.Cut(reason, protocol.MaxText)
	bye := protocol.AppendBye(nil, code, reason, result)
	if !c.net.makeRoom(len(bye)+maxHeader+maxSmall, maxLast) {
		bye = protocol.AppendBye(nil, code, wire.Cut(reason, protocol.MaxReason), nil)
	}
	// Errors mean that the connection broke before: there is nobody to tell.
	_ = c.ws.Writev(gws.OpcodeBinary, bye)
	_ = c.ws.WriteClose(uint16(code), []byte(wire.Cut(reason, protocol.MaxReason)))
}

// maxHeader is the longest header of a frame that a server sends, in bytes (RFC 6455, 5.2).
const maxHeader = 10

// fail closes c for an error of the session.
func (c *Conn) fail(err error) {
	e := protocol.Closef(protocol.CodeProtocol, "%s", err.Error())
	if given := (*protocol.CloseError)(nil); errors.As(err, &given) {
		e = given
	}
	c.logFault(e.Code, e.Reason)
	c.Close(e.Code, e.Reason, nil)
}

// logFault logs what was wrong with what the peer sent, if nothing like it was logged lately.
func (c *Conn) logFault(code protocol.Code, reason string) {
	log, more := c.gateway.faults.note(time.Now(), reason)
	if !log {
		return
	}
	room, user := "", ""
	if c.room != nil {
		room = c.room.ID()
	}
	if c.session != nil {
		user = c.session.User
	}
	c.gateway.cfg.Log.Warn("a client was closed for what it sent", "code", code.String(), "fault", reason, "room", room, "user", user,
		"addr", c.addr, "others", more)
}

// codeBadFrame closes a connection whose peer sends what is no WebSocket frame (RFC 6455, 7.4.1).
const codeBadFrame protocol.Code = 1002

// badFrame closes c for a frame whose length is none.
func (c *Conn) badFrame() {
	c.gateway.cfg.Log.Warn("a client sent a frame of an impossible length", "addr", c.addr)
	c.Close(codeBadFrame, "a frame's length has its top bit set", nil)
}

// extra counts n frames that are no messages, and reports false when they are too many: c is closed then.
func (c *Conn) extra(n int) bool {
	if c.session == nil { // being refused: few bytes are read
		return true
	}
	if err := c.session.Control(c, time.Now(), n); err != nil {
		c.fail(err)
		return false
	}
	return true
}

// read runs gws's loop until the connection has ended. A panic in it, of ours or of gws, ends this
// connection alone.
func (c *Conn) read() {
	defer func() {
		if v := recover(); v != nil {
			c.gateway.stats.Panics.Add(1)
			c.gateway.cfg.Log.Error("a connection's reader panicked", "addr", c.addr, "panic", v, "stack", string(debug.Stack()))
			c.Close(protocol.CodeLost, "the server failed to handle what you sent", nil)
		}
	}()
	c.ws.ReadLoop()
}

// unread reports whether c was ended by gws for a fault in what the peer sent, or by a panic: the rest
// of it was not read.
func (c *Conn) unread() bool {
	c.mu.Lock()
	code := c.code
	c.mu.Unlock()
	var peer *gws.CloseError
	switch {
	case errors.Is(c.end, errFrame), errors.Is(c.end, errFrames), errors.Is(c.end, errSilent):
		return true
	}
	return c.end == nil || code == 0 && !errors.As(c.end, &peer) && !isLost(c.end)
}

// outcome says under which counter the end of c goes, broken being what netConn.finish says.
func (c *Conn) outcome(broken error) outcome {
	c.mu.Lock()
	code := c.code
	c.mu.Unlock()
	switch code {
	case 0:
	case codeBadFrame:
		return outcomeBadFrame
	default:
		return outcomeOf(code)
	}
	var peer *gws.CloseError
	var status interface{ Uint16() uint16 } // gws's own close codes, whose type is internal to it
	switch {
	case errors.Is(broken, errSlowReader):
		return outcomeOf(protocol.CodeSlowReader)
	case errors.As(c.end, &peer):
		return outcomeOf(protocol.CodeNormal)
	case isLost(c.end):
		return outcomeOf(protocol.CodeLost)
	case errors.As(c.end, &status) && status.Uint16() == 1009:
		return outcomeTooLarge
	}
	return outcomeBadFrame
}

// isLost tells the network's errors from those that gws finds in what the peer sent.
func isLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed)
}

// events are gws's, on the reader's goroutine.
type events struct{}

var _ gws.Event = events{}

func connOf(ws *gws.Conn) *Conn { return ws.NetConn().(*netConn).conn }

func (events) OnOpen(*gws.Conn) {}

func (events) OnClose(ws *gws.Conn, err error) { connOf(ws).end = err }

func (events) OnPing(ws *gws.Conn, payload []byte) { connOf(ws).net.ping(payload) }

func (events) OnPong(ws *gws.Conn, payload []byte) {
	c := connOf(ws)
	if c.session != nil && c.beat.Pong(time.Now(), payload) {
		c.net.silent = 0
	}
}

func (events) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer m.Close() // its bytes are used again
	c := connOf(ws)
	if c.session == nil { // being refused: only the answer to our close frame counts
		return
	}
	c.net.silent = 0
	c.beat.Heard()
	c.gateway.stats.MessagesIn.Add(1)
	if m.Opcode != gws.OpcodeBinary {
		c.fail(protocol.Closef(protocol.CodeProtocol, "text frames are not allowed: send binary"))
		return
	}
	if err := c.session.Receive(c, time.Now(), m.Bytes()); err != nil {
		c.fail(err)
	}
}
