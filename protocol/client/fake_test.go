package client

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rate = 20

type ship struct {
	X    float32 `sync:"x,step=1/8,rate=vx"`
	VX   float32 `sync:"vx,step=1/2"`
	HP   uint8   `sync:"hp"`
	Ammo uint8   `sync:"ammo,owner"`
}

type move struct {
	DX, DY int8
	Fire   bool
}

// fake is a server that a test plays by hand, over pipes.
type fake struct {
	t     *testing.T
	http  *http.Server
	serve sync.WaitGroup
	dials chan net.Conn // to the listener
	done  chan struct{}
	conns chan *conn // upgraded, for the test to take

	mu       sync.Mutex
	open     []*conn
	matches  int
	dialled  []time.Time
	queries  []string // of connects
	attempts []string
	tokens   []string                                          // with which they resume, "" for a ticket
	refuse   func(w http.ResponseWriter, r *http.Request) bool // before anything else
	down     bool
	clock    bool // TIME is answered, if by a clock that stands still

	world   *state.World
	ships   *state.Table[ship]
	players []*player
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, dials: make(chan net.Conn), done: make(chan struct{}), conns: make(chan *conn, 16),
		world: state.NewWorld(rate),
	}
	f.ships = state.NewTable[ship](f.world, "ship")
	f.http = &http.Server{Handler: f}
	f.serve.Go(func() { _ = f.http.Serve(f) })
	return f
}

func (f *fake) close() {
	close(f.done)
	for _, p := range f.players {
		p.stop()
	}
	_ = f.http.Close()
	f.mu.Lock()
	for _, c := range f.open {
		_ = c.socket.NetConn().Close()
	}
	f.mu.Unlock()
	f.serve.Wait()
}

// Accept, Close and Addr make the fake a net.Listener.
func (f *fake) Accept() (net.Conn, error) {
	select {
	case c := <-f.dials:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *fake) Close() error   { return nil }
func (f *fake) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fake) dial(ctx context.Context, _, address string) (net.Conn, error) {
	f.mu.Lock()
	f.dialled = append(f.dialled, time.Now())
	down := f.down
	f.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case f.dials <- far:
		return near, nil
	case <-f.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	refuse := f.refuse
	f.mu.Unlock()
	if refuse != nil && refuse(w, r) {
		return
	}
	if r.URL.Path == "/v1/match" {
		f.mu.Lock()
		f.matches++
		n := strconv.Itoa(f.matches)
		f.mu.Unlock()
		_ = json.NewEncoder(w).Encode(protocol.MatchReply{
			Room: "room-" + n, Ticket: n, URL: "ws://fake/v1/connect?ticket=" + n, Player: "user-1",
		})
		return
	}
	c := &conn{fake: f, in: make(chan said, 4096), closed: make(chan error, 1), stall: make(chan struct{}, 1)}
	if !strings.Contains(r.URL.RawQuery, "watch") {
		c.seat = 1
	}
	c.view = f.world.NewView(c.seat, nil)
	u := gws.NewUpgrader(c, &gws.ServerOption{SubProtocols: []string{protocol.Subprotocol}})
	socket, err := u.Upgrade(w, r)
	if err != nil {
		return
	}
	c.socket = socket
	f.mu.Lock()
	f.open = append(f.open, c)
	query, attempt, _ := strings.Cut(r.URL.RawQuery, "&attempt=") // it is never the same
	f.queries = append(f.queries, query)
	f.attempts = append(f.attempts, attempt)
	f.tokens = append(f.tokens, resumed(r))
	f.mu.Unlock()
	f.conns <- c
	f.serve.Go(socket.ReadLoop)
}

func (f *fake) lastQuery() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queries[len(f.queries)-1]
}

func (f *fake) lastToken() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens[len(f.tokens)-1]
}

// resumed is the token with which r asks for a seat back, "" if it does not.
func resumed(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), protocol.ResumePrefix)
	return token
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// conn is one connection, at the server's side.
type conn struct {
	gws.BuiltinEventHandler
	fake   *fake
	socket *gws.Conn
	view   *state.View
	in     chan said
	closed chan error
	seat   uint32        // number of the player, 0 for a spectator
	stall  chan struct{} // a lock, held while a message is taken: mutexes stop a bubble's time
}

// said is one array that a client sent.
type said struct {
	kind    protocol.Kind
	head    protocol.InputHead
	inputs  [][]byte
	ack     uint32
	request uint32
	name    string
	time    float64
}

func (c *conn) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.stall <- struct{}{}
	defer func() { <-c.stall }()
	require.LessOrEqual(c.fake.t, m.Data.Len(), protocol.MaxInbound)
	r := wire.NewReader(append([]byte(nil), m.Bytes()...))
	for r.Rest() > 0 {
		n := r.Array()
		s := said{kind: protocol.Kind(r.Uint32())}
		var err error
		switch s.kind {
		case protocol.KindInput:
			n, err = s.head.Read(r, n)
			for range n {
				s.inputs = append(s.inputs, r.Raw())
			}
		case protocol.KindMessage:
			var name []byte
			s.request, name, _, err = protocol.ReadMessage(r, n)
			s.name = string(name)
		case protocol.KindAck:
			s.ack, err = protocol.ReadAck(r, n)
		case protocol.KindTime:
			s.time, err = protocol.ReadTime(r, n)
			c.fake.mu.Lock()
			if c.fake.clock { // not here: the client may be writing, and read no more until that is done
				c.fake.serve.Go(func() {
					_ = c.socket.WriteMessage(gws.OpcodeBinary, protocol.AppendClock(nil, s.time, protocol.Moment{Tick: 1}))
				})
			}
			c.fake.mu.Unlock()
		}
		require.NoError(c.fake.t, err)
		require.NoError(c.fake.t, r.Err())
		c.in <- s
	}
}

func (c *conn) OnClose(_ *gws.Conn, err error) { c.closed <- err }

// next returns the next array of a kind that the client says; others are dropped.
func (c *conn) next(kind protocol.Kind) said {
	for s := range c.in {
		if s.kind == kind {
			return s
		}
	}
	panic("unreachable")
}

// heard returns the kinds that wait, without waiting.
func (c *conn) heard() (all []said) {
	for {
		select {
		case s := <-c.in:
			all = append(all, s)
		default:
			return all
		}
	}
}

func (c *conn) send(b []byte) {
	require.NoError(c.fake.t, c.socket.WriteMessage(gws.OpcodeBinary, b))
}

func (f *fake) accept() *conn { return <-f.conns }

func (c *conn) welcome(resumed bool, lastInput uint32) {
	w := protocol.Welcome{
		Room: "room", Kind: "arena", Player: c.seat, User: "user-1", Token: "token", Rate: rate,
		Tick: c.fake.world.Tick(), LastInput: lastInput, Schema: c.fake.world.Schema().Append(nil),
		Inputs: []protocol.Field{{Name: "DX", Type: "int8"}, {Name: "DY", Type: "int8"}, {Name: "Fire", Type: "bool"}}, Resumed: resumed, Grace: 20,
	}
	c.send(w.Append(nil))
}

// snapshot sends what brings the client to the world's newest snapshot, with OWN and HASH.
func (c *conn) snapshot(lastInput uint32, after ...[]byte) {
	b, _ := c.view.Next()
	b = append([]byte(nil), b...)
	b = c.view.AppendOwn(b, lastInput, 0)
	b = protocol.AppendHash(b, c.fake.world.Tick(), c.view.Checksum())
	for _, a := range after {
		b = append(b, a...)
	}
	c.send(b)
}

func (c *conn) bye(code protocol.Code, reason string, result []byte) {
	c.send(protocol.AppendBye(nil, code, reason, result))
	_ = c.socket.WriteClose(uint16(code), []byte(reason))
}

// cut breaks the connection without a word.
func (c *conn) cut() { _ = c.socket.NetConn().Close() }

// tick makes the next snapshot of the world.
func (f *fake) tick() uint32 {
	n := f.world.Tick() + 1
	f.world.Snapshot(n)
	return n
}

// config is that of a client of f whose waits are as long as they can be.
func (f *fake) config() Config { return Config{URL: "http://fake", Kind: "arena", Dial: f.dial} }

// player runs a Room and knows how it ended.
type player struct {
	*Room
	cancel context.CancelFunc
	wg     sync.WaitGroup
	err    error
}

func (f *fake) play(r *Room) *player {
	r.random = func() float64 { return math.Nextafter(1, 0) }
	ctx, cancel := context.WithCancel(context.Background())
	p := &player{Room: r, cancel: cancel}
	p.wg.Go(func() { p.err = r.Run(ctx) })
	f.players = append(f.players, p)
	return p
}

func (p *player) wait() error {
	p.wg.Wait()
	return p.err
}

func (p *player) stop() {
	p.cancel()
	p.wg.Wait()
}
