// Package admin is the HTTP API of a server's operator, under /v1/admin/: who plays where, messages to all, to
// a room or to a user, kick and ban, closing and locking of rooms. Who has the token may do all of it.
//
// It starts no goroutine; the handlers run on those of net/http. No request waits for a room: what concerns
// one is left with it, for its next tick.
package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/api"
)

// MinToken is the shortest token that is accepted, in bytes.
const MinToken = 16

// Rooms is what the API asks of a lobby.
type Rooms interface {
	// List tells of every room, those that are not public included.
	List() []room.Info
	// Find returns the room with that id, or nil.
	Find(id string) *room.Room
	// Close ends a room: its players are shown the reason. It does not wait for the end. False: there is no
	// such room.
	Close(id, reason string) bool
	// Lock keeps new players out of a room, or lets them in again. False: there is no such room.
	Lock(id string, locked bool) bool
}

// Config is what an API needs. Token, Registry and Rooms are required.
type Config struct {
	Token    string           // required: at least MinToken bytes
	Registry *player.Registry // of all sessions of the server
	Rooms    Rooms
	Addr     func(*http.Request) netip.Addr // of whoever sent a request; nil: as the connection says
	Stats    *Stats                         // nil: a set of its own
	Log      *slog.Logger                   // nil: slog.Default
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var faults []error
	if c.Registry == nil || c.Rooms == nil {
		faults = append(faults, errors.New("admin: Registry or Rooms is missing"))
	}
	return errors.Join(append(faults, CheckToken(c.Token))...)
}

// CheckToken says what is wrong with a token.
func CheckToken(token string) error {
	switch {
	case len(token) < MinToken:
		return fmt.Errorf("admin: the token has %d bytes: it needs at least %d, from a random source", len(token), MinToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("admin: the token must be visible ASCII characters, so that it fits into a header")
	}
	return nil
}

// Stats counts what happens to an API.
type Stats struct {
	Served   atomic.Int64 // requests carried out
	Refused  atomic.Int64 // requests with the right token that were at fault
	Denied   atomic.Int64 // requests without the right token
	Throttle atomic.Int64 // of these: told to wait, too many having come from the address
}

// API serves the requests.
type API struct {
	cfg      Config
	sum      [sha256.Size]byte // of the token
	failures failures
	mux      *http.ServeMux
}

// New returns an API. It starts nothing.
func New(cfg Config) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Addr == nil {
		cfg.Addr = api.Proxies(nil).ClientAddr
	}
	if cfg.Stats == nil {
		cfg.Stats = new(Stats)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	a := &API{cfg: cfg, sum: sha256.Sum256([]byte(cfg.Token))}
	a.mux = a.routes()
	return a, nil
}

// Prefix is where the API's paths begin.
const Prefix = "/v1/admin/"

type endpoint struct {
	method, path string
	handle       func(w http.ResponseWriter, r *http.Request) (any, error)
}

func (a *API) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "rooms", a.rooms},
		{http.MethodGet, "rooms/{id}", a.room},
		{http.MethodPost, "rooms/{id}/close", a.closeRoom},
		{http.MethodPost, "rooms/{id}/lock", a.lockRoom},
		{http.MethodGet, "players", a.players},
		{http.MethodPost, "message", a.message},
		{http.MethodPost, "kick", a.kick},
		{http.MethodPost, "ban", a.ban},
		{http.MethodDelete, "ban/{user}", a.unban},
		{http.MethodGet, "bans", a.bans},
	}
}

func (a *API) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range a.endpoints() {
		mux.HandleFunc(e.method+" "+Prefix+e.path, func(w http.ResponseWriter, r *http.Request) {
			v, err := e.handle(w, r)
			a.answer(w, r, v, err)
		})
		mux.HandleFunc(Prefix+e.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", e.method)
			a.answer(w, r, nil, refuse(http.StatusMethodNotAllowed, protocol.ErrMethod, "%s is not allowed here: use %s", r.Method, e.method))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var paths []string
		for _, e := range a.endpoints() {
			paths = append(paths, e.method+" "+Prefix+e.path)
		}
		a.answer(w, r, nil, refuse(http.StatusNotFound, protocol.ErrNotFound, "there is no %.100q: there are %s", r.URL.Path, strings.Join(paths, ", ")))
	})
	return mux
}

// ServeHTTP implements http.Handler for all paths that begin with Prefix. Nothing of a request is looked at
// before its token. The right one always passes: whoever shares an address with the operator, as behind a proxy, must not
// be able to shut the operator out. Guessing is hopeless all the same: a token has MinToken random bytes.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.permitted(r) {
		a.mux.ServeHTTP(w, r)
		return
	}
	now, addr := time.Now(), a.cfg.Addr(r)
	a.cfg.Stats.Denied.Add(1)
	wait, last := a.failures.note(now, addr)
	if last {
		a.cfg.Log.Warn("admin requests with a wrong token: the address has to wait", "addr", addr.String())
	}
	if wait > 0 {
		a.cfg.Stats.Throttle.Add(1)
		api.Refuse(w, http.StatusTooManyRequests, &protocol.HTTPError{
			Code: protocol.ErrRateLimited, Message: "too many requests with a wrong token came from your address: wait",
		}, wait)
		return
	}
	api.Refuse(w, http.StatusUnauthorized, &protocol.HTTPError{
		Code:    protocol.ErrUnauthorized,
		Message: "the admin token is missing or wrong: send \"Authorization: Bearer TOKEN\" with the one from --admin-token, or the one that the server printed on its terminal",
	}, 0)
}

// permitted compares the sums, so that the time it takes tells nothing, not even the token's length.
func (a *API) permitted(r *http.Request) bool {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], a.sum[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// refusal is an HTTPError and its status.
type refusal struct {
	protocol.HTTPError
	status int
}

func refuse(status int, code, format string, args ...any) error {
	return &refusal{protocol.HTTPError{Code: code, Message: fmt.Sprintf(format, args...)}, status}
}

// done is the answer to a request that changed something, and what the log tells of it.
type done struct {
	answer any
	action string
	about  []any // of a log entry: the target, and why
}

func (a *API) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		a.cfg.Stats.Served.Add(1)
		if d, ok := v.(done); ok {
			a.cfg.Log.Info("admin: "+d.action, append(d.about, "addr", a.cfg.Addr(r).String())...)
			v = d.answer
		}
		api.Write(w, http.StatusOK, v)
		return
	}
	a.cfg.Stats.Refused.Add(1)
	var with *refusal
	var plain *protocol.HTTPError
	switch {
	case errors.As(err, &with):
		api.Refuse(w, with.status, &with.HTTPError, 0)
	case errors.As(err, &plain):
		api.Refuse(w, http.StatusBadRequest, plain, 0)
	default:
		a.cfg.Log.Error("an admin request failed", "path", r.URL.Path, "error", err)
		api.Refuse(w, http.StatusInternalServerError, &protocol.HTTPError{Code: protocol.ErrInternal, Message: "the request failed: the server's log says why"}, 0)
	}
}
