package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
)

type press struct{ Act string }

// trial is a game whose Step waits for release while it hangs.
type trial struct {
	hangs   atomic.Bool
	release chan struct{}
}

func (g *trial) Join(*room.Tick, *room.Player) error        { return nil }
func (g *trial) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g *trial) Step(*room.Tick, []room.Input[press]) {
	if g.hangs.Load() {
		<-g.release
	}
}

func (g *trial) kind() room.Kind[press] {
	return room.Kind[press]{Name: "trial", Title: "Trial", About: "A test.", MaxPlayers: 2, New: func(*room.Setup) (room.Game[press], error) {
		return g, nil
	}}
}

// pipes is a net.Listener in memory, which works in a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{Port: 8080} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// fixture is a Host that runs in a bubble.
type fixture struct {
	*Host
	t      *testing.T
	client http.Client
	url    string // what Ready was told
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, cfg Config) *fixture {
	p := newPipes()
	cfg.Listener = p
	cfg.Log = slog.New(slog.DiscardHandler)
	f := &fixture{t: t, ended: make(chan error, 1)}
	cfg.Ready = func(url string) { f.url = url }
	h, err := New(cfg)
	require.NoError(t, err)
	f.Host = h
	f.client.Transport = &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	go func() { f.ended <- h.Run(ctx) }()
	synctest.Wait()
	return f
}

// do makes a request and returns its status and body.
func (f *fixture) do(method, path, body string) (*http.Response, string) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://tickhall.test"+path, strings.NewReader(body))
	require.NoError(f.t, err)
	res, err := f.client.Do(req)
	require.NoError(f.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return res, string(b)
}

func (f *fixture) status(path string) int {
	res, _ := f.do(http.MethodGet, path, "")
	return res.StatusCode
}

// join seats a player without a network and returns how its connection is closed.
func (f *fixture) join() <-chan protocol.Code {
	s, err := f.lobby.Quick("trial", lobby.QuickOptions{})
	require.NoError(f.t, err)
	c := conn{make(chan protocol.Code, 1)}
	_, err = s.Room().Join(f.t.Context(), room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: c, Released: s.Release})
	require.NoError(f.t, err)
	return c.closed
}

type conn struct{ closed chan protocol.Code }

var _ player.Conn = conn{}

func (conn) Send(...[]byte) error { return nil }
func (conn) Ready() bool          { return true }
func (conn) RemoteAddr() string   { return "192.0.2.1" }
func (c conn) Close(code protocol.Code, _ string, _ []byte) {
	select {
	case c.closed <- code:
	default:
	}
}

func TestHostServesTheAPIAndThePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}})
		require.Equal(t, "http://localhost:8080", f.url)
		f.join()
		time.Sleep(time.Second)

		for _, c := range []struct {
			method, path, body string
			status             int
			holds, kind        string
		}{
			{"GET", "/", "", 200, "Trial", "text/html; charset=utf-8"},
			{"GET", "/js/tickhall.js", "", 200, "SUBPROTOCOL", "text/javascript; charset=utf-8"},
			{"GET", "/healthz", "", 200, "ok", "application/json"},
			{"GET", "/readyz", "", 200, "ready", "application/json"},
			{"GET", "/v1/kinds", "", 200, `{"name":"trial","title":"Trial","about":"A test.","players":1,"rooms":1,"max_players":2,"interface":{"rate":20,"inputs":[{"name":"Act","type":"string"}]`, "application/json"},
			{"POST", "/v1/kinds", "{}", 405, "method_not_allowed", "application/json"},
			{"HEAD", "/v1/kinds", "", 200, "", "application/json"},
			{"HEAD", "/v1/rooms", "", 200, "", "application/json"},
			{"GET", "/v1/nothing", "", 404, "not_found", "application/json"},
			{"GET", "/v1/admin", "", 404, "not_found", "application/json"},
			{"GET", "/v1", "", 404, "not_found", "application/json"},
			{"GET", "/v1/", "", 404, "not_found", "application/json"},
			{"GET", "/v1/match/", "", 404, "not_found", "application/json"},
			{"GET", "/v1/./match", "", 404, "not_found", "application/json"},
			{"POST", "/v1/x/../match", "{}", 404, "not_found", "application/json"},
			{"GET", "/v1/%2e%2e/x", "", 404, "not_found", "application/json"},
			{"PATCH", "/v1/nothing", "", 404, "not_found", "application/json"},
			{"DELETE", "/v1/rooms", "", 405, "method_not_allowed", "application/json"},
			{"POST", "/v2/match", "{}", 404, "begins with /v1/", "application/json"},
			{"GET", "/v2", "", 404, "begins with /v1/", "application/json"},
			{"HEAD", "/v12/x/y", "", 404, "", "application/json"},
			{"GET", "/v2x", "", 404, "See the games", "text/html; charset=utf-8"},
			{"POST", "/v1/admin/rooms//close", "{}", 404, "a part of the path is empty", "application/json"},
			{"GET", "/nothing", "", 404, "", "text/html; charset=utf-8"},
			{"POST", "/v1/match", `{"kind": "trial", "mode": "quick", "name": "Ada"}`, 200, "ticket", "application/json"},
			{"POST", "/v1/match", `{"kind": "chess"}`, 400, "unknown_kind", "application/json"},
			{"GET", "/v1/match", "", 405, "method_not_allowed", "application/json"},
		} {
			request := c.method + " " + c.path
			res, body := f.do(c.method, c.path, c.body)
			require.Equal(t, c.status, res.StatusCode, request)
			require.Contains(t, body, c.holds, request)
			require.Equal(t, c.kind, res.Header.Get("Content-Type"), request)
			require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), request)
			if strings.HasPrefix(c.kind, "text/html") {
				require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'self'", request)
			}
		}
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestPagesOfListedOriginsMayUseTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}, Origins: []string{"https://play.test"}})
		for _, c := range []struct {
			method, path, origin string
			status               int
			allowed              string
		}{
			{"GET", "/v1/kinds", "https://play.test", 200, "https://play.test"},
			{"OPTIONS", "/v1/kinds", "https://play.test", 204, "https://play.test"},
			{"GET", "/v1/kinds", "https://evil.test", 403, ""},
			{"GET", "/v1/rooms", "https://play.test", 200, "https://play.test"},
			{"GET", "/v1/rooms", "https://evil.test", 403, ""},
			{"GET", "/js/tickhall.js", "https://play.test", 200, "*"},
			{"OPTIONS", "/v1/admin/rooms", "https://play.test", 404, ""},
		} {
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://tickhall.test"+c.path, nil)
			require.NoError(t, err)
			req.Header.Set("Origin", c.origin)
			res, err := f.client.Do(req)
			require.NoError(t, err)
			_ = res.Body.Close()
			require.Equal(t, c.status, res.StatusCode, "%v", c)
			require.Equal(t, c.allowed, res.Header.Get("Access-Control-Allow-Origin"), "%v", c)
		}
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

// Some proxies cut the public path off, and some leave it there.
func TestServerIsReachedBelowItsPublicPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}, PublicURL: "https://play.test/games", Hosts: []string{"tickhall.test"}})
		require.Equal(t, "https://play.test/games/", f.url)
		f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for path, status := range map[string]int{
			"/games/": 200, "/": 200, "/games/v1/kinds": 200, "/v1/kinds": 200, "/games/js/tickhall.js": 200, "/games/healthz": 200,
			"/games/v1/match": 405, "/games/v2/x": 404, "/games/v1//x": 404, "/games": 308, "/gamesx": 404,
		} {
			res, body := f.do(http.MethodGet, path, "")
			require.Equal(t, status, res.StatusCode, path)
			if strings.Contains(path, "/v") {
				require.Equal(t, "application/json", res.Header.Get("Content-Type"), path)
				require.NotContains(t, body, "games/v1//x", "paths are the server's own")
			}
			if status == 308 {
				require.Equal(t, "https://play.test/games/", res.Header.Get("Location"))
			}
		}
		res, body := f.do(http.MethodPost, "/games/v1/match", `{"kind": "trial"}`)
		require.Equal(t, 200, res.StatusCode)
		var reply protocol.MatchReply
		require.NoError(t, json.Unmarshal([]byte(body), &reply))
		require.True(t, strings.HasPrefix(reply.URL, "wss://play.test/games/v1/connect?ticket="), reply.URL)
		require.True(t, reply.Public)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://evil.test/", nil)
		require.NoError(t, err)
		res, err = f.client.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestStopTellsPlayersAndLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{release: make(chan struct{})}
		f := start(t, Config{Kinds: []room.AnyKind{game.kind()}})
		closed := f.join()
		game.hangs.Store(true)
		time.Sleep(time.Second) // the room is in a call that takes its time
		f.stop()
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, f.status("/readyz"))
		require.Equal(t, http.StatusOK, f.status("/healthz"))
		res, body := f.do(http.MethodPost, "/v1/match", `{"kind": "trial", "mode": "quick"}`)
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		var e protocol.HTTPError
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.Equal(t, protocol.ErrShuttingDown, e.Code)

		close(game.release)
		require.Equal(t, protocol.CodeShuttingDown, <-closed)
		require.NoError(t, <-f.ended)
		_, err := f.client.Get("http://tickhall.test/healthz")
		require.Error(t, err, "nobody listens any more")
	})
}

func TestStopWaitsForGraceAtTheMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{release: make(chan struct{})}
		defer close(game.release)
		f := start(t, Config{Kinds: []room.AnyKind{game.kind()}, Grace: 2 * time.Second})
		f.join()
		game.hangs.Store(true)
		time.Sleep(time.Second)
		began := time.Now()
		f.stop()
		require.NoError(t, <-f.ended)
		require.Less(t, time.Since(began), 6*time.Second)
	})
}

// A load balancer that keeps connections for a minute, or 75 s, must be the one who ends them: else it sends a request into
// a connection that is just being closed.
func TestIdleConnectionOutlivesThatOfALoadBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}})
		f.client.Transport.(*http.Transport).DisableKeepAlives = false
		require.Equal(t, http.StatusOK, f.status("/healthz"))
		f.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("the connection was not kept")
		}
		for range 3 {
			time.Sleep(100 * time.Second)
			require.Equal(t, http.StatusOK, f.status("/healthz"))
		}
		f.client.CloseIdleConnections()
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestClientThatSaysNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}})
		c, err := f.cfg.Listener.(*pipes).dial(t.Context(), "", "")
		require.NoError(t, err)
		began := time.Now()
		_, err = io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, headerTimeout, time.Since(began))
		synctest.Wait()
		require.EqualValues(t, 1, f.gateway.Stats().Silent.Load())
		require.Equal(t, http.StatusOK, f.status("/healthz"))
		require.EqualValues(t, 1, f.gateway.Stats().Silent.Load(), "who asks for something is not silent")
		f.stop()
		require.NoError(t, <-f.ended)
	})
}
