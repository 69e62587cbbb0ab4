package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRoom seats everybody, unless told otherwise, and sends what a test tells it to.
type fakeRoom struct {
	id    string
	stats player.Stats

	mu       sync.Mutex
	err      error // of Join, Resume and CheckToken
	late     error // of Resume alone
	hang     bool  // these wait for their context
	joined   []room.Join
	resumed  []room.Resume
	lost     int
	messages []string
	conn     player.Conn
	session  *player.Session
	limits   player.Limits
	panics   bool
	forget   bool // don't note who resumed
}

func (r *fakeRoom) ID() string { return r.id }

func (r *fakeRoom) answer(ctx context.Context) error {
	r.mu.Lock()
	hang, err := r.hang, r.err
	r.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (r *fakeRoom) Join(ctx context.Context, j room.Join) (*player.Session, error) {
	err := r.answer(ctx)
	untilReady(j.Conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.joined = append(r.joined, j)
	if err != nil {
		j.Released()
		return nil, err
	}
	return r.attachLocked(j.Who, j.Conn), nil
}

func (r *fakeRoom) Resume(ctx context.Context, v room.Resume) (*player.Session, error) {
	if err := r.answer(ctx); err != nil {
		return nil, err
	}
	untilReady(v.Conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late != nil {
		return nil, r.late
	}
	if !r.forget {
		r.resumed = append(r.resumed, v)
	}
	return r.attachLocked(room.Identity{User: "u", Name: "n"}, v.Conn), nil
}

// untilReady waits, in a bubble's time, until the answer to the upgrade has gone through the net.Pipe,
// as a room would that sends in its next tick. A socket takes it at once.
func untilReady(c player.Conn) {
	for range 1000 {
		if c.Ready() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *fakeRoom) attachLocked(who room.Identity, c player.Conn) *player.Session {
	r.conn = c
	r.session = player.NewSession(who.User, who.Name, (*fakeReceiver)(r), r.limits, &r.stats)
	r.session.Attach(c, 0)
	_ = c.Send([]byte("welcome"))
	return r.session
}

func (r *fakeRoom) CheckToken(token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if token != r.id+".secret" {
		return room.ErrToken
	}
	return nil
}

func (r *fakeRoom) Lost(s *player.Session, c player.Conn) {
	s.Detach(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
}

func (r *fakeRoom) set(f func(r *fakeRoom)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

func (r *fakeRoom) losses() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *fakeRoom) connection() player.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn
}

type fakeReceiver fakeRoom

func (*fakeReceiver) Inputs(protocol.InputHead, int, *wire.Reader) error { return nil }
func (r *fakeReceiver) Message(_ uint32, name, _ []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.panics {
		panic("a fault of ours")
	}
	r.messages = append(r.messages, string(name))
	return nil
}
func (*fakeReceiver) Limited()                         {}
func (*fakeReceiver) Leave()                           {}
func (*fakeReceiver) Announce(*player.Event) bool      { return true }
func (*fakeReceiver) Kick(string)                      {}
func (*fakeReceiver) Moment(time.Time) protocol.Moment { return protocol.Moment{Tick: 1} }

// fakeLobby has one room.
type fakeLobby struct {
	room *fakeRoom

	mu    sync.Mutex
	err   error
	held  map[string]bool
	words map[string]room.Words
	taken int // and not released
	next  int

	// What was asked for last.
	quick    lobby.QuickOptions
	create   lobby.CreateOptions
	join     lobby.JoinOptions
	spectate lobby.SpectateOptions
	query    lobby.Query
}

type fakeSeat struct {
	id    string
	lobby *fakeLobby
	once  sync.Once
	watch bool
}

func (s *fakeSeat) ID() string     { return s.id }
func (s *fakeSeat) Room() Room     { return s.lobby.room }
func (s *fakeSeat) Kind() string   { return "arena" }
func (s *fakeSeat) Spectate() bool { return s.watch }
func (s *fakeSeat) Release() {
	s.once.Do(func() {
		s.lobby.mu.Lock()
		defer s.lobby.mu.Unlock()
		s.lobby.taken--
	})
}

func (l *fakeLobby) Quick(kind string, o lobby.QuickOptions) (Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quick = o
	return l.holdLocked(kind, false)
}

func (l *fakeLobby) Create(kind string, o lobby.CreateOptions) (Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.create = o
	return l.holdLocked(kind, false)
}

func (l *fakeLobby) Join(o lobby.JoinOptions) (Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.join = o
	return l.holdLocked("arena", false)
}

func (l *fakeLobby) Spectate(o lobby.SpectateOptions) (Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spectate = o
	return l.holdLocked("arena", true)
}

func (l *fakeLobby) Rooms(q lobby.Query) (protocol.RoomList, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.query = q
	return protocol.RoomList{Rooms: []protocol.RoomInfo{{ID: "r1", Kind: "arena", MaxPlayers: 4}}}, l.err
}

func (l *fakeLobby) holdLocked(kind string, watch bool) (Seat, error) {
	if l.err != nil {
		return nil, l.err
	}
	if kind != "arena" {
		return nil, lobby.ErrUnknownKind
	}
	l.next++
	s := &fakeSeat{id: "seat" + string(rune('0'+l.next)), lobby: l, watch: watch}
	l.held[s.id] = true
	return s, nil
}

func (l *fakeLobby) Held(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[id]
}

func (l *fakeLobby) Take(id string) (Seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held[id] {
		return nil, false
	}
	delete(l.held, id)
	l.taken++
	return &fakeSeat{id: id, lobby: l}, true
}

func (l *fakeLobby) LastWords(token string) (room.Words, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.words[token]
	return w, ok
}

func (l *fakeLobby) Find(id string) (Room, bool) { return l.room, id == l.room.id }

func (l *fakeLobby) seatsTaken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// edge is a gateway behind an http.Server, on net.Pipes or on loopback sockets.
type edge struct {
	*Gateway
	t       testing.TB
	room    *fakeRoom
	lobby   *fakeLobby
	tickets *auth.Tickets
	mux     *http.ServeMux
	server  *http.Server
	wg      sync.WaitGroup
	dial    func() net.Conn
}

func newEdge(t testing.TB, cfg Config) *edge {
	e := &edge{t: t, room: &fakeRoom{id: "r1"}, mux: http.NewServeMux()}
	e.lobby = &fakeLobby{room: e.room, held: map[string]bool{}}
	e.tickets, _ = auth.NewTickets(nil)
	cfg.Lobby, cfg.Tickets = e.lobby, e.tickets
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	e.Gateway, err = New(cfg)
	require.NoError(t, err)
	e.Routes(e.mux)
	return e
}

// serve starts the http.Server and the heartbeat. The returned function stops all, and checks that
// everything is over.
func (e *edge) serve(l net.Listener, dial func() net.Conn) (stop func()) {
	e.dial = dial
	var handler sync.WaitGroup
	e.server = &http.Server{Handler: e.mux, ConnState: func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			handler.Add(1)
		case http.StateHijacked, http.StateClosed:
			handler.Done()
		}
	}}
	ctx, cancel := context.WithCancel(context.Background())
	e.wg.Go(func() { _ = e.server.Serve(l) })
	e.wg.Go(func() { _ = e.Run(ctx) })
	return func() {
		limit, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		require.NoError(e.t, e.Close(limit))
		_ = e.server.Close()
		cancel()
		e.wg.Wait()
		handler.Wait()
		require.Zero(e.t, e.Stats().Open.Load())
		require.Zero(e.t, e.wheel.Len())
	}
}

// pipes serves on net.Pipes, which fit into a bubble of synctest.
func (e *edge) pipes() (stop func()) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	return e.serve(l, func() net.Conn {
		ours, theirs := net.Pipe()
		l.conns <- theirs
		return ours
	})
}

// sockets serves on loopback.
func (e *edge) sockets() (stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(e.t, err)
	return e.serve(l, func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(e.t, err)
		return c
	})
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// ticket is one for a seat that is held.
func (e *edge) ticket() string {
	s, err := e.lobby.Quick("arena", lobby.QuickOptions{})
	require.NoError(e.t, err)
	return e.tickets.Issue(time.Now(), auth.Ticket{Seat: s.ID(), Room: "r1", User: "u1", Name: "Ada"})
}

func upgradeHeaders(protocols ...string) http.Header {
	return http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"WebSocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":      {base64.StdEncoding.EncodeToString(make([]byte, 16))},
		"Sec-Websocket-Protocol": {strings.Join(append([]string{"chat", protocol.Subprotocol}, protocols...), ", ")},
	}
}

// frame is one WebSocket frame as a client got it.
type frame struct {
	op      byte
	payload []byte
}

func (f frame) closeCode() int { return int(binary.BigEndian.Uint16(f.payload)) }

// client is a WebSocket client that is as rude as a test wants it to be.
type client struct {
	net.Conn
	t    testing.TB
	br   *bufio.Reader
	deaf bool // to pings
	mu   sync.Mutex
	all  []frame
	err  error
	done chan struct{} // closed when reading has ended
}

// resume upgrades with a resume token.
func (e *edge) resume(token, query string) *client {
	return e.connect(query, protocol.ResumePrefix+token)
}

// connect upgrades, naming further subprotocols beside ours, and fails the test if that is refused.
func (e *edge) connect(query string, protocols ...string) *client {
	c := &client{Conn: e.dial(), t: e.t, done: make(chan struct{})}
	c.br = bufio.NewReader(c.Conn)
	r, err := http.NewRequest(http.MethodGet, "http://tickhall.test/v1/connect?"+query, nil)
	require.NoError(e.t, err)
	r.Header = upgradeHeaders(protocols...)
	require.NoError(e.t, r.Write(c.Conn))
	res, err := http.ReadResponse(c.br, r)
	require.NoError(e.t, err)
	if res.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(res.Body)
		require.FailNow(e.t, "not upgraded", "%s %s", res.Status, b)
	}
	require.Equal(e.t, protocol.Subprotocol, res.Header.Get("Sec-Websocket-Protocol"))
	require.Empty(e.t, res.Header.Get("Sec-Websocket-Extensions"))
	return c
}

// listen reads until the end, and answers as a WebSocket client does.
func (c *client) listen() *client {
	go func() {
		defer close(c.done)
		for {
			f, err := c.read()
			c.mu.Lock()
			c.err = err
			if err == nil {
				c.all = append(c.all, f)
			}
			deaf := c.deaf
			c.mu.Unlock()
			switch {
			case err != nil:
				return
			case f.op == 9 && !deaf:
				c.write(10, f.payload)
			case f.op == 8:
				c.write(8, f.payload[:2])
			}
		}
	}()
	return c
}

func (c *client) setDeaf(deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = deaf
}

func (c *client) read() (frame, error) {
	var h [2]byte
	if _, err := io.ReadFull(c.br, h[:]); err != nil {
		return frame{}, err
	}
	n := uint64(h[1])
	size := make([]byte, 0, 8)
	switch n {
	case 126:
		size = size[:2]
	case 127:
		size = size[:8]
	}
	if _, err := io.ReadFull(c.br, size); err != nil {
		return frame{}, err
	}
	if len(size) > 0 {
		n = 0
		for _, b := range size {
			n = n<<8 | uint64(b)
		}
	}
	f := frame{op: h[0] & 15, payload: make([]byte, n)}
	_, err := io.ReadFull(c.br, f.payload)
	return f, err
}

// mask makes a client's frame of payload, of less than 64 KiB.
func mask(op byte, payload []byte) []byte {
	b := []byte{0x80 | op, 0x80}
	if len(payload) < 126 {
		b[1] |= byte(len(payload))
	} else {
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	b = append(b, 1, 2, 3, 4)
	for i, x := range payload {
		b = append(b, x^byte(i%4+1))
	}
	return b
}

// write sends a frame; that the server may be gone is part of many tests.
func (c *client) write(op byte, payload []byte) { _, _ = c.Conn.Write(mask(op, payload)) }

// frames waits for the end and returns what came.
func (c *client) frames() []frame {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// ended waits for the end, which must be a BYE and a close frame of code; it returns BYE's reason and
// result.
func (c *client) ended(code protocol.Code) (reason string, result []byte) {
	all := c.frames()
	require.GreaterOrEqual(c.t, len(all), 2, "%v", c.err)
	last, bye := all[len(all)-1], all[len(all)-2]
	require.Equal(c.t, byte(8), last.op)
	require.Equal(c.t, int(code), last.closeCode())
	require.Equal(c.t, byte(2), bye.op)
	r := wire.NewReader(bye.payload)
	n := r.Array()
	require.Equal(c.t, uint32(protocol.KindBye), r.Uint32())
	got, reason, advice, result, err := protocol.ReadBye(r, n)
	require.NoError(c.t, err)
	require.Equal(c.t, code, got)
	require.Equal(c.t, code.Advice(), advice)
	require.Equal(c.t, wire.Cut(reason, protocol.MaxReason), string(last.payload[2:]))
	return reason, result
}

// do serves a request without a socket.
func (e *edge) do(r *http.Request) (int, protocol.HTTPError, http.Header, string) {
	w := &recorder{header: http.Header{}}
	e.mux.ServeHTTP(w, r)
	var he protocol.HTTPError
	if w.status >= 400 {
		require.NoError(e.t, json.Unmarshal(w.body.Bytes(), &he))
		require.NotEmpty(e.t, he.Message)
		require.Equal(e.t, "application/json", w.header.Get("Content-Type"))
	}
	return w.status, he, w.header, strings.TrimSpace(w.body.String())
}

// recorder is a ResponseWriter that can't be hijacked.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

var errRefusedByGame = errors.New("no ships left")

// newProbe asks why an upgrade failed.
func newProbe(body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "http://tickhall.test/v1/connect", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return r
}

// probeToken asks what a resume with that token would be refused for.
func (e *edge) probeToken(token string) (int, protocol.HTTPError) {
	status, he, _, _ := e.do(newProbe(`{"resume": "` + token + `"}`))
	return status, he
}

func newGet(query string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://tickhall.test/v1/connect?"+query, nil)
	if err != nil {
		panic(err)
	}
	return r
}
