package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

// feed is one connection as gws sees it. All of it runs on Run's goroutine.
type feed struct {
	room     *Room
	link     *link
	socket   socket
	loop     func() // reads until the connection ends
	welcomed bool
	kept     bool          // the WELCOME gave the seat back
	arrived  bool          // a snapshot has been applied, or a part of one
	whole    bool          // and all of it
	joinBy   time.Duration // the first snapshot, or its next part, is to come until then
	joinedAt time.Duration // when the whole of it had
	over     bool          // nothing more is to be taken
	inside   bool          // our own code runs, not gws
	err      error         // why it is over
}

var _ gws.Event = (*feed)(nil)

// handshake makes the link a WebSocket that speaks the first of the subprotocols given.
func (f *feed) handshake(u *url.URL, protocols string) error {
	socket, resp, err := gws.NewClientFromConn(f, &gws.ClientOption{
		Addr:                u.String(),
		RequestHeader:       http.Header{"Sec-Websocket-Protocol": {protocols}},
		HandshakeTimeout:    handshakeTimeout,
		ReadMaxPayloadSize:  protocol.MaxOutbound,
		WriteMaxPayloadSize: protocol.MaxInbound,
		ParallelGolimit:     1,
		NewSession:          func() gws.SessionStorage { return nil },
		Logger:              silence{},
	}, f.link)
	if err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = readRefusal(resp)
	}
	f.joinBy = f.room.since() + joinTimeout
	f.link.shaken(f.drained, f.idle)
	if err != nil {
		return err
	}
	f.socket, f.loop = socket, socket.ReadLoop
	return nil
}

// drained writes what is due once all that has arrived is processed, and returns when idle is.
func (f *feed) drained() time.Time {
	r := f.room
	next := f.joinBy
	if f.arrived && !f.over {
		if due := r.out.drained(r.since()); f.whole {
			next = due
		}
	}
	return r.born.Add(next)
}

// idle writes what is due although nothing has arrived. It fails when nothing has for too long.
func (f *feed) idle() (time.Time, error) {
	r := f.room
	now := r.since()
	if !f.whole || f.over {
		if now >= f.joinBy {
			return time.Time{}, errLate
		}
		return r.born.Add(f.joinBy), nil
	}
	next, alive := r.out.idle(now)
	if !alive {
		return time.Time{}, errSilent
	}
	return r.born.Add(next), nil
}

type silence struct{}

func (silence) Error(...any) {}

// run reads until the connection ends, and returns why.
func (f *feed) run() error {
	r := f.room
	defer func() {
		r.joined.Store(false)
		r.out.close()
		r.setLink(nil)
	}()
	f.readLoop()
	return f.err
}

// readLoop ends with err set. A frame whose length has its top bit set makes gws panic; so a panic in
// gws ends the connection, while one in our code or in a callback goes on.
func (f *feed) readLoop() {
	defer func() {
		if f.inside {
			return // a panic on its way up
		}
		if p := recover(); p != nil {
			f.over, f.err = true, fmt.Errorf("reading a frame: %v", p)
			_ = f.socket.WriteClose(1002, []byte("a frame's length is none"))
		}
	}()
	f.loop()
}

// OnOpen implements gws.Event.
func (f *feed) OnOpen(*gws.Conn) {}

// OnPong implements gws.Event.
func (f *feed) OnPong(*gws.Conn, []byte) {}

// OnPing implements gws.Event: it answers, and sends what has waited.
func (f *feed) OnPing(socket *gws.Conn, payload []byte) {
	_ = socket.WritePong(payload)
	_, _ = f.room.out.idle(f.room.since())
}

// OnClose implements gws.Event.
func (f *feed) OnClose(_ *gws.Conn, err error) {
	if f.err == nil {
		f.err = err
	}
}

// OnMessage implements gws.Event. gws makes one allocation for each message read.
func (f *feed) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer message.Close()
	if f.over { // gws goes on with what it has buffered
		return
	}
	f.inside = true
	var err error
	if message.Opcode == gws.OpcodeBinary {
		err = f.receive(message.Bytes(), f.room.since())
	} else {
		err = protocol.Closef(protocol.CodeProtocol, "text message")
	}
	f.inside = false
	if err != nil {
		f.end(err)
	}
}

// end closes the connection because of err.
func (f *feed) end(err error) {
	f.over, f.err = true, err
	code, reason := protocol.CodeNormal, ""
	var fault *protocol.CloseError
	var b *bye
	switch {
	case errors.As(err, &b):
		code = b.code
	case errors.As(err, &fault):
		code, reason = fault.Code, fault.Reason
		if !errors.Is(err, ErrMismatch) {
			f.room.counters.faults.Add(1)
		}
	}
	_ = f.socket.WriteClose(uint16(code), []byte(reason[:min(len(reason), protocol.MaxReason)]))
}
