// Package host makes a server of kinds of room: it wires the lobby, the gateway and the pages together,
// listens, and stops in good order. Main is a whole program; an author's own main calls it with the
// author's kinds.
//
// Goroutines: in Run, one each for the lobby, the queues, the heartbeats, the keys of tokens, health checks, the HTTP
// server and those of metrics and the admin API, if they have an address of their own, all waited for; those that
// net/http starts for its connections. In Main, one for what is written to stderr. What else there is
// stands in packages lobby, room and gateway.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/room/matchmaker"
	"github.com/tickhall/tickhall/server/admin"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
	"github.com/tickhall/tickhall/server/gateway"
	"github.com/tickhall/tickhall/server/version"
)

const (
	readTimeout    = 10 * time.Second // to read a request; connections that were upgraded have their own
	headerTimeout  = 5 * time.Second  // of this, to read its header
	writeTimeout   = 30 * time.Second // to write an answer
	maxHeaderBytes = 16 << 10

	// idleTimeout is between two requests of a connection. Load balancers keep one for 60 or 75 s, and must be the
	// ones who end it: else a request goes into a connection that is being closed.
	idleTimeout = 2 * time.Minute

	// seatFor is a little longer than a ticket is good for, so that a ticket that has not expired finds
	// its seat.
	seatFor = auth.TicketLife + time.Second
	// farewell is how long connections have at the end, when the rooms have ended.
	farewell = 3 * time.Second
)

// Host is one server.
type Host struct {
	cfg      Config
	public   *url.URL // nil: not known
	identity *auth.Identifier
	registry player.Registry
	lobby    *lobby.Lobby
	queue    *matchmaker.Matchmaker
	gateway  *gateway.Gateway
	admin    *admin.API
	metrics  *prometheus.Registry
	handler  http.Handler
	version  version.Info
	pulse    *pulse
	sockets  *sockets
	ready    atomic.Bool

	lobbyStats  lobby.Stats
	adminStats  admin.Stats
	queueStats  matchmaker.Stats
	roomStats   room.Stats
	playerStats player.Stats
}

// New returns a Host. It starts nothing and does not listen yet; Run does.
func New(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Listen == "" {
		cfg.Listen = DefaultListen
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := &Host{cfg: cfg, version: version.Read()}
	h.public, _ = api.ParsePublicURL(cfg.PublicURL)
	tickets, err := auth.NewTickets(nil)
	if err != nil {
		return nil, err
	}
	if cfg.Auth.Log == nil {
		cfg.Auth.Log = cfg.Log
	}
	if h.identity, err = auth.New(cfg.Auth); err != nil {
		return nil, err
	}
	l := cfg.lobby()
	l.SeatFor, l.Registry = seatFor, &h.registry
	l.Stats, l.RoomStats, l.PlayerStats = &h.lobbyStats, &h.roomStats, &h.playerStats
	l.OnStuck = func(r *room.Room) {
		h.gateway.CloseRoom(r, protocol.CodeRoomStuck, "the game stopped answering in this room: match again")
	}
	if h.lobby, err = lobby.New(l); err != nil {
		return nil, err
	}
	g := cfg.gateway()
	if h.queue, err = matchmaker.New(matchmaker.Config{
		Rooms: h.lobby, Registry: &h.registry, Stats: &h.queueStats, Log: cfg.Log,
		Places: quota.Limits{User: cfg.PerUser.Queue, Address: cfg.PerAddress.Queue},
	}); err != nil {
		return nil, err
	}
	g.Lobby, g.Tickets, g.Identity, g.Queue, g.Registry = gateway.FromLobby(h.lobby), tickets, h.identity, h.queue, &h.registry
	if h.gateway, err = gateway.New(g); err != nil {
		return nil, err
	}
	if h.admin, err = h.newAdmin(); err != nil {
		return nil, err
	}
	h.sockets = newSockets(cfg.MaxSockets, &h.gateway.Stats().Open, cfg.Log)
	h.sockets.share(cfg.TrustProxies, h.gateway.Stats().CountShare)
	h.metrics = h.newMetrics()
	h.pulse = h.newPulse()
	h.handler = h.sockets.screen(h.routes())
	return h, nil
}

// Run listens and serves until ctx is done, then stops: nobody new is let in, players are told, rooms
// end, connections are closed. It returns when all of this has ended: some seconds after Grace at the latest,
// since a game that does not return from a call is not waited for. Run is called once. The error says
// why it could not serve.
func (h *Host) Run(ctx context.Context) error {
	listener, err := h.listen()
	if err != nil {
		return err
	}
	stopMetrics, err := h.serveMetrics()
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer stopMetrics()
	stopAdmin, err := h.serveAdmin()
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer stopAdmin()
	server := &http.Server{
		Handler: h.handler, ReadTimeout: readTimeout, ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ConnContext: h.sockets.mark,
		ErrorLog: slog.NewLogLogger(h.cfg.Log.Handler(), slog.LevelWarn),
	}
	silent := h.gateway.Stats().CountSilent()
	server.ConnState = func(c net.Conn, state http.ConnState) {
		h.sockets.count(c, state)
		silent(c, state)
	}
	listener = h.sockets.guard(listener)
	var wg sync.WaitGroup
	served := make(chan error, 1)
	wg.Go(func() { served <- server.Serve(listener) })
	lobbyCtx, endLobby := context.WithCancel(context.WithoutCancel(ctx))
	defer endLobby()
	lobbyEnded := make(chan struct{})
	wg.Go(func() {
		defer close(lobbyEnded)
		_ = h.lobby.Run(lobbyCtx) // always nil
	})
	wg.Go(func() { _ = h.queue.Run(lobbyCtx) }) // the context's error
	beatCtx, endBeats := context.WithCancel(context.WithoutCancel(ctx))
	defer endBeats()
	wg.Go(func() { _ = h.gateway.Run(beatCtx) })  // the context's error
	wg.Go(func() { _ = h.identity.Run(beatCtx) }) // likewise
	wg.Go(func() { h.pulse.run(beatCtx) })

	h.ready.Store(true)
	h.announce(listener)
	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("serving: %w", err)
	}

	h.ready.Store(false)
	began := time.Now()
	h.cfg.Log.Info("stopping", "rooms", len(h.lobby.List()), "connections", h.gateway.Stats().Open.Load())
	endLobby()
	<-lobbyEnded
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if e := h.gateway.Close(last); e != nil {
		h.cfg.Log.Warn("some connections wait for a room that hangs")
	}
	if e := server.Shutdown(last); e != nil {
		_ = server.Close() // the requests that are left get cut
	}
	endBeats()
	wg.Wait()
	h.cfg.Log.Info("stopped", "after", time.Since(began).Round(time.Millisecond), "rooms", h.lobbyStats.Opened.Load(),
		"players", h.roomStats.Joins.Load())
	return err
}

func (h *Host) listen() (net.Listener, error) {
	if h.cfg.Listener != nil {
		return h.cfg.Listener, nil
	}
	l, err := net.Listen("tcp", h.cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is taken by another program: stop that one, or choose another with --listen, such as --listen :8081", h.cfg.Listen)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening at %s is not permitted: choose a port above 1023 with --listen, such as --listen :8080", h.cfg.Listen)
	case err != nil:
		return nil, fmt.Errorf("%w: choose another address with --listen", err)
	}
	return l, nil
}

// announce says where players can come.
func (h *Host) announce(l net.Listener) {
	at := "http://" + reachable(l.Addr())
	if h.public != nil {
		at = h.public.String() + "/"
	}
	if h.cfg.Ready != nil {
		h.cfg.Ready(at)
		return
	}
	h.cfg.Log.Info("Tickhall is ready: "+at, "version", h.version.Short())
}

// reachable is a's host and port as a browser on this machine would write it.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	if tcp.IP.IsUnspecified() || len(tcp.IP) == 0 {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return tcp.String()
}
