// Package gateway is the HTTP and WebSocket edge of a server: it answers matches with tickets, checks
// origins, limits what each address may do, upgrades connections, and is the player.Conn between a
// room and gws. Who somebody is stands in package auth, where seats are in room/lobby.
//
// Goroutines: one reader for each connection, which also asks for the seat; one flusher for a
// connection while something waits to leave, which the reader waits for; the heartbeat of all
// connections, in Run. Close ends the readers and waits for them. Nothing here starts with New.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/room/matchmaker"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
)

// Defaults of a Config. The limits leave room for a hundred people behind one address who all come at
// once, and again after a restart.
const (
	DefaultWriteTimeout = 10 * time.Second
	DefaultLinger       = time.Second
	DefaultFarewell     = 10 * time.Second
	DefaultJoinTimeout  = 5 * time.Second

	DefaultConnectionsPerSecond = 20
	DefaultConnectionsBurst     = 400
	DefaultMatchesPerSecond     = 10
	DefaultMatchesBurst         = 200

	DefaultUserOpen    = 16
	DefaultAddressOpen = 500
)

// Config is what a Gateway needs. The zero value of each field but Lobby and Tickets is its default.
type Config struct {
	Lobby    Lobby            // required; see FromLobby
	Tickets  Tickets          // required
	Identity Identity         // nil: everybody is a guest
	Queue    Queue            // nil: there are no queues
	Registry *player.Registry // knows who is banned; nil: nobody

	// Origins lists the pages that may use this server, such as "https://play.example.com", beside
	// those that it serves itself; "*" allows all.
	Origins []string
	// Hosts lists the names by which this server may be called, besides localhost and addresses; none: by any. Names
	// that lead to a machine of one's own can be anybody's, whose pages are then of the same origin (DNS rebinding).
	Hosts []string
	// PublicURL is the address by which players reach this server, such as "https://example.com/games"; "": as each request
	// calls it. Pages of its origin may use the server.
	PublicURL string
	// TrustProxies are the networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed.
	TrustProxies []netip.Prefix
	// Connections and Matches limit each address: 20 a second and 400 at once, 10 and 200 by default. Requests for
	// the list of rooms are limited as matches are, and counted apart. An IPv6 network of 64 bits counts as one address. Clients
	// on this machine are not limited, unless a proxy forwards their requests; all whose address is unknown count as one.
	Connections, Matches Limit
	// Open limits the connections that each user and address may have open at the same time: 16 and 500 by default. A
	// negative number is without limit. See package quota.
	Open quota.Limits

	Heartbeat    time.Duration // between the pings of a connection; 15 s by default
	WriteTimeout time.Duration // in which a peer must read 16 KiB that wait for it, and in three of which all; 10 s by default
	Farewell     time.Duration // in which a closed connection's last messages must leave; 10 s by default
	Linger       time.Duration // in which the peer must answer after that; 1 s by default
	JoinTimeout  time.Duration // in which a room must answer; 5 s by default

	Stats *Stats       // nil: a set of its own
	Log   *slog.Logger // nil: slog.Default
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	_, badOrigins := newOrigins(c.Origins)
	_, badPublic := api.ParsePublicURL(c.PublicURL)
	faults := []error{badOrigins, badPublic, checkHosts(c.Hosts), api.Proxies(c.TrustProxies).Validate()}
	for _, f := range []struct {
		bad  bool
		text string
	}{
		{c.Lobby == nil, "Lobby is missing"},
		{c.Tickets == nil, "Tickets is missing"},
		{c.Connections.Burst < 0, "Connections.Burst is negative: a negative PerSecond lifts the limit"},
		{c.Matches.Burst < 0, "Matches.Burst is negative: a negative PerSecond lifts the limit"},
		{c.Heartbeat < 0, "Heartbeat is negative"},
		{c.WriteTimeout < 0, "WriteTimeout is negative"},
		{c.Linger < 0, "Linger is negative"},
		{c.Farewell < 0, "Farewell is negative"},
		{c.JoinTimeout < 0, "JoinTimeout is negative"},
	} {
		if f.bad {
			faults = append(faults, fmt.Errorf("gateway: %s", f.text))
		}
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	orDefault(&c.Heartbeat, player.DefaultHeartbeat)
	orDefault(&c.WriteTimeout, DefaultWriteTimeout)
	orDefault(&c.Linger, DefaultLinger)
	orDefault(&c.Farewell, DefaultFarewell)
	orDefault(&c.JoinTimeout, DefaultJoinTimeout)
	c.Connections = c.Connections.withDefault(Limit{DefaultConnectionsPerSecond, DefaultConnectionsBurst})
	c.Matches = c.Matches.withDefault(Limit{DefaultMatchesPerSecond, DefaultMatchesBurst})
	c.Open = openLimits(c.Open)
	if c.Stats == nil {
		c.Stats = new(Stats)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func openLimits(l quota.Limits) quota.Limits {
	return quota.Limits{User: max(cmp.Or(l.User, DefaultUserOpen), 0), Address: max(cmp.Or(l.Address, DefaultAddressOpen), 0), Network: max(l.Network, 0)}
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// Lobby has rooms, and holds seats in them.
type Lobby interface {
	Holder
	Held(seat string) bool
	Take(seat string) (Seat, bool)
	Find(room string) (Room, bool)
	LastWords(token string) (room.Words, bool)
	Rooms(q lobby.Query) (protocol.RoomList, error)
}

// Holder holds places in rooms. Its methods and their errors are those of lobby.Lobby.
type Holder interface {
	Quick(kind string, o lobby.QuickOptions) (Seat, error)
	Create(kind string, o lobby.CreateOptions) (Seat, error)
	Join(o lobby.JoinOptions) (Seat, error)
	Spectate(o lobby.SpectateOptions) (Seat, error)
}

// Seat is a place in a room.
type Seat interface {
	ID() string
	Room() Room
	Kind() string   // of the room
	Spectate() bool // it is a spectator's
	Release()
}

// Identity says who sends a request. *auth.Identifier does.
type Identity interface {
	Identify(ctx context.Context, header http.Header, req *protocol.MatchRequest) (auth.Person, error)
}

// Queue has players wait to be matched. *matchmaker.Matchmaker does.
type Queue interface {
	Enter(ctx context.Context, now time.Time, r matchmaker.Request) (protocol.QueueReply, error)
	Poll(ctx context.Context, id string, wait time.Duration) (protocol.QueueReply, *protocol.MatchReply, error)
	Cancel(id string) error
}

// Room is where a connection leads. *room.Room is one.
type Room interface {
	ID() string
	Join(context.Context, room.Join) (*player.Session, error)
	Resume(context.Context, room.Resume) (*player.Session, error)
	CheckToken(token string) error
	Lost(*player.Session, player.Conn)
}

// Tickets issues tickets and opens them. *auth.Tickets does.
type Tickets interface {
	Issue(now time.Time, t auth.Ticket) string
	Open(now time.Time, text string) (auth.Ticket, error)
}

// Gateway is the edge of one server.
type Gateway struct {
	cfg         Config
	origins     *origins
	hosts       []string // in lower case; none: any
	public      *url.URL // nil: not known
	proxies     api.Proxies
	stats       *Stats
	wheel       *player.Wheel
	upgrader    *gws.Upgrader
	connections *limiter
	matches     *limiter
	open        *quota.Counter // connections
	lists       *limiter       // requests for the list of rooms
	proxied     sync.Once      // a warning
	faults      faults         // in what clients send

	ctx    context.Context // ends when Close begins; rooms are asked under it
	cancel context.CancelFunc
	work   sync.WaitGroup // upgrades under way, and readers

	mu      sync.Mutex
	closing bool
	conns   map[*Conn]struct{}
}

// New returns a Gateway. It starts nothing: requests do, and Run.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if cfg.Identity == nil {
		guests, err := auth.New(auth.Config{Log: cfg.Log})
		if err != nil {
			return nil, err
		}
		cfg.Identity = guests
	}
	g := &Gateway{cfg: cfg, stats: cfg.Stats, conns: map[*Conn]struct{}{}}
	g.origins, _ = newOrigins(cfg.Origins)
	g.public, _ = api.ParsePublicURL(cfg.PublicURL)
	g.proxies = cfg.TrustProxies
	for _, name := range cfg.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(name))
	}
	if g.public != nil && len(g.hosts) > 0 {
		g.hosts = append(g.hosts, g.public.Hostname())
	}
	g.wheel = player.NewWheel(cfg.Heartbeat)
	g.connections = newLimiter(cfg.Connections, maxAddresses)
	g.matches = newLimiter(cfg.Matches, maxAddresses)
	g.lists = newLimiter(cfg.Matches, maxAddresses)
	g.open = quota.New("connections", cfg.Open)
	g.upgrader = newUpgrader()
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g, nil
}

// connectPath is where connections are upgraded.
const connectPath = "/v1/connect"

// Routes registers the gateway's paths: /v1/match, /v1/rooms, /v1/connect, and what else is below /v1/.
func (g *Gateway) Routes(mux *http.ServeMux) {
	mux.HandleFunc("/v1/match", g.match)
	mux.HandleFunc("/v1/match/{queue}", g.queue)
	mux.HandleFunc("/v1/rooms", g.rooms)
	mux.HandleFunc(connectPath, g.connect)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		g.refuse(w, refusef(protocol.ErrNotFound, "there is no %.100q: there are /v1/match, /v1/rooms, /v1/kinds and /v1/connect", r.URL.Path))
	})
}

// Run sends the heartbeats until ctx ends. The error is ctx's.
func (g *Gateway) Run(ctx context.Context) error { return g.wheel.Run(ctx) }

// Check goes through what every connection goes through. It waits for ever if that hangs, for a health check to notice.
func (g *Gateway) Check() {
	_ = g.isClosing() // the lock is what matters
	for _, l := range []*limiter{g.connections, g.matches, g.lists} {
		l.check()
	}
}

// Stats counts what happens here.
func (g *Gateway) Stats() *Stats { return g.stats }

// Close refuses new connections, closes all that there are with CodeShuttingDown, and waits until
// their goroutines have ended: Config.Farewell and Config.Linger at the most, unless a room does not answer. When ctx
// ends, sockets are cut, and Close returns ctx's error if even so something has not ended: a reader
// that waits for a room which hangs. Heartbeats go on until Run's context ends.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closing = true
	conns := g.connsLocked(nil)
	g.mu.Unlock()
	for _, c := range conns {
		c.Close(protocol.CodeShuttingDown, "the server is stopping: match again", nil)
	}
	g.cancel() // only now, so that those who still wait for a seat are told why
	ended := make(chan struct{})
	go func() { // ends with the last reader
		g.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		c.net.abort()
	}
	select {
	case <-ended:
		return nil
	case <-time.After(g.cfg.Linger):
		return ctx.Err()
	}
}

// CloseRoom closes all connections that lead to r. It is for a room that does not do so itself, since
// its goroutine hangs.
func (g *Gateway) CloseRoom(r Room, code protocol.Code, reason string) {
	g.mu.Lock()
	conns := g.connsLocked(r)
	g.mu.Unlock()
	for _, c := range conns {
		c.Close(code, reason, nil)
	}
}

// connsLocked lists the connections of r, nil for all.
func (g *Gateway) connsLocked(r Room) []*Conn {
	var conns []*Conn
	for c := range g.conns {
		if r == nil || c.room == r {
			conns = append(conns, c)
		}
	}
	return conns
}

func (g *Gateway) isClosing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing
}

// begin tells Close to wait for what is about to be started. False: it is too late to start.
func (g *Gateway) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	g.work.Add(1)
	return true
}

// add registers c before it runs. If Close came first, c learns here.
func (g *Gateway) add(c *Conn) {
	g.stats.Accepted.Add(1)
	g.stats.Open.Add(1)
	g.mu.Lock()
	g.conns[c] = struct{}{}
	closing := g.closing
	g.mu.Unlock()
	if closing {
		c.Close(protocol.CodeShuttingDown, "the server is stopping: match again", nil)
	}
}

func (g *Gateway) remove(c *Conn, how outcome) {
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	g.open.Give(c.by)
	g.stats.Open.Add(-1)
	g.stats.closed[how].Add(1)
}
