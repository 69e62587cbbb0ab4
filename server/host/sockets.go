package host

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/metrics"
)

// What is kept back of the descriptors that a process may have.
const (
	keptBack    = 128 // for all that is no player's socket: files, keys that are fetched, an author's own; and the two below
	spareLimit  = 32  // sockets above the cap, for health checks and refusals
	localSpares = 8   // of these: for this machine alone
	reserveSize = 8   // descriptors that are held, to be given up for as many sockets where there are none left

	exhaustedPause = 20 * time.Millisecond // before the next try where not even these are left
	fullLogEvery   = time.Minute
)

// sockets keeps the sockets that the server has open below a cap, which is itself below what the process may have. Those
// above the cap are spare: they get an answer to a health check, or a refusal, and are closed.
type sockets struct {
	most     int64         // the cap
	upgraded *atomic.Int64 // WebSocket connections
	log      *slog.Logger

	proxies   []netip.Prefix     // whose addresses are not a player's
	shares    *quota.Counter     // sockets that were not upgraded
	overShare func(*quota.Error) // counts one that was refused for its address

	plain   atomic.Int64 // HTTP connections that were not upgraded
	refused atomic.Int64 // sockets above the cap

	mu      sync.Mutex
	spares  map[net.Conn]struct{}
	reserve []*os.File
	told    time.Time // when the log said last that the server is full
}

// newSockets returns a sockets of at most most sockets; 0 is as many as the process may have.
func newSockets(most int, upgraded *atomic.Int64, log *slog.Logger) *sockets {
	return &sockets{most: socketCap(most, fileLimit()), upgraded: upgraded, log: log, spares: map[net.Conn]struct{}{}}
}

// addressSockets is how many sockets that are not upgraded an address may have: 100 browsers hold 600. No address has more
// than a quarter of all.
const addressSockets = 2000

// share limits what each address may have, but for proxies; refused counts who was refused.
func (s *sockets) share(proxies []netip.Prefix, refused func(*quota.Error)) {
	s.proxies, s.overShare = proxies, refused
	s.shares = quota.New("sockets", quota.Limits{Address: int(min(addressSockets, max(s.most/4, 1))), Network: int(min(4*addressSockets, max(s.most/2, 1)))})
}

// holder is whose socket c is, as far as that is limited.
func (s *sockets) holder(c net.Conn) quota.Holder {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	addr := a.Addr().Unmap().WithZone("")
	if err != nil || slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return quota.Holder{}
	}
	return quota.Holder{Addr: addr}
}

// socketCap is the cap where most are asked for and the process may have limit descriptors, 0 for any number.
func socketCap(most int, limit uint64) int64 {
	c := int64(math.MaxInt64)
	if limit > 0 && limit < math.MaxInt64 {
		c = int64(max(limit-min(keptBack, limit/2), 1))
	}
	if most > 0 {
		c = min(c, int64(most))
	}
	return c
}

// guard returns l with the cap. Closing it gives the reserve back.
func (s *sockets) guard(l net.Listener) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refillLocked()
	return &guarded{l, s}
}

// guarded is a listener under a sockets.
type guarded struct {
	net.Listener
	sockets *sockets
}

// Accept implements net.Listener. It closes at once what is above the spare sockets too.
func (g *guarded) Accept() (net.Conn, error) {
	for gaveUp := false; ; {
		c, err := g.Listener.Accept()
		switch {
		case err == nil && g.sockets.admit(c, gaveUp):
			return c, nil
		case err == nil:
			_ = c.Close() // nobody is left to answer
			gaveUp = false
		case !exhausted(err):
			return nil, err
		case gaveUp || !g.sockets.giveUpOne():
			time.Sleep(exhaustedPause)
			gaveUp = false
		default:
			gaveUp = true
		}
	}
}

// Close implements net.Listener.
func (g *guarded) Close() error {
	g.sockets.mu.Lock()
	defer g.sockets.mu.Unlock()
	for _, f := range g.sockets.reserve {
		_ = f.Close()
	}
	g.sockets.reserve = nil
	return g.Listener.Close()
}

func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// admit reports whether c may be served: by what its address has, and as a spare one if it is above the cap, or took the place of a reserve.
func (s *sockets) admit(c net.Conn, gaveUp bool) bool {
	by := s.holder(c)
	if err := s.shares.Take(by); err != nil {
		var e *quota.Error
		if errors.As(err, &e) {
			s.overShare(e)
		}
		return false
	}
	over := s.plain.Load() + s.upgraded.Load() - s.most // of those before it
	if over < 0 && !gaveUp {
		return true
	}
	s.refused.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked()
	room := spareLimit - localSpares
	if isLocal(c) {
		room = spareLimit
	}
	if len(s.spares) >= room {
		s.shares.Give(by)
		s.refillLocked()
		return false
	}
	s.spares[c] = struct{}{}
	return true
}

// giveUpOne closes a descriptor of the reserve, for a socket to take its place.
func (s *sockets) giveUpOne() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reserve) == 0 {
		return false
	}
	last := len(s.reserve) - 1
	_ = s.reserve[last].Close()
	s.reserve = s.reserve[:last]
	return true
}

// refillLocked opens what the reserve lacks, as far as there is something to be had.
func (s *sockets) refillLocked() {
	for len(s.reserve) < reserveSize {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		s.reserve = append(s.reserve, f)
	}
}

func (s *sockets) tellLocked() {
	if now := time.Now(); s.told.IsZero() || now.Sub(s.told) >= fullLogEvery {
		s.told = now
		s.log.Warn("no socket is left for players: who comes is refused. Raise the limit of open files (ulimit -n) or --max-sockets",
			"sockets", s.plain.Load()+s.upgraded.Load(), "most", s.most, "refused", s.refused.Load())
	}
}

func isLocal(c net.Conn) bool {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// count is a http.Server's ConnState.
func (s *sockets) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.plain.Add(1)
	case http.StateClosed, http.StateHijacked: // those that are upgraded count there
		s.plain.Add(-1)
		s.shares.Give(s.holder(c))
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.spares[c]; ok {
			delete(s.spares, c)
			s.refillLocked()
		}
	}
}

// spareKey marks the context of a spare socket.
type spareKey struct{}

// mark is a http.Server's ConnContext.
func (s *sockets) mark(ctx context.Context, c net.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.spares[c]; ok {
		return context.WithValue(ctx, spareKey{}, true)
	}
	return ctx
}

// screen has next serve health checks and metrics alone to spare sockets, which get one answer each.
func (s *sockets) screen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(spareKey{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		switch r.URL.Path {
		case "/healthz", "/readyz", metrics.Path:
			next.ServeHTTP(w, r)
		default:
			api.Refuse(w, http.StatusServiceUnavailable, &protocol.HTTPError{
				Code: protocol.ErrServerFull, Message: "this server has as many connections as it can: try again in a moment",
			}, fullRetry)
		}
	})
}

// fullRetry is for how long who was refused should wait.
const fullRetry = 5 * time.Second
