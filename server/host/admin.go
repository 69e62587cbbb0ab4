package host

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/admin"
	"github.com/tickhall/tickhall/server/api"
)

// newAdmin returns the admin API, nil if it is off.
func (h *Host) newAdmin() (*admin.API, error) {
	if h.cfg.AdminToken == "" || h.cfg.AdminListen == off {
		return nil, nil
	}
	return admin.New(admin.Config{
		Token: h.cfg.AdminToken, Registry: &h.registry, Rooms: rooms{h.lobby}, Log: h.cfg.Log, Stats: &h.adminStats,
		Addr: api.Proxies(h.cfg.TrustProxies).ClientAddr,
	})
}

// routeAdmin serves the admin API beside the rest, unless it is off or has an address of its own.
func (h *Host) routeAdmin(mux *http.ServeMux) {
	var api http.Handler = h.admin
	if h.admin == nil || h.cfg.AdminListen != "" {
		api = http.HandlerFunc(noAdmin)
	}
	mountAdmin(mux, api)
}

func mountAdmin(mux *http.ServeMux, api http.Handler) {
	mux.Handle(admin.Prefix, api)
	mux.Handle(strings.TrimSuffix(admin.Prefix, "/"), api) // not by a redirect, which would be no JSON
}

// noAdmin answers requests for the admin API where it is not.
func noAdmin(w http.ResponseWriter, _ *http.Request) {
	api.Refuse(w, http.StatusNotFound, &protocol.HTTPError{
		Code: protocol.ErrNotFound, Message: "the admin API is not served here: --admin-token, --admin-token-file and --admin-listen of the server say whether and where it is",
	}, 0)
}

// serveAdmin serves the admin API at an address of its own, if it has one. stop ends that and waits for it.
func (h *Host) serveAdmin() (stop func(), err error) {
	if h.admin == nil {
		if h.cfg.AdminListen != off {
			h.cfg.Log.Info("the admin API is off: set TICKHALL_ADMIN_TOKEN, or --admin-token-file, to at least 16 random bytes to have it")
		}
		return func() {}, nil
	}
	mux := http.NewServeMux()
	mountAdmin(mux, h.admin)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		api.Refuse(w, http.StatusNotFound, &protocol.HTTPError{
			Code: protocol.ErrNotFound, Message: fmt.Sprintf("there is no %.100q: here is the admin API alone, below %s", r.URL.Path, admin.Prefix),
		}, 0)
	})
	return h.serveAside(h.cfg.AdminListen, "admin-listen", "the admin API is served", admin.Prefix, mux)
}

// Registry knows every session of the server by user: it sends events to all or to one user, kicks and bans. It
// may be used from any goroutine, as long as Run runs.
func (h *Host) Registry() *player.Registry { return &h.registry }

// Lobby has the rooms: to find one, to list, lock and close them. It may be used from any goroutine, as long
// as Run runs. What goes to a room goes by room.Room's Announce and Signal.
func (h *Host) Lobby() *lobby.Lobby { return h.lobby }

// rooms is a lobby as the admin API sees it.
type rooms struct{ *lobby.Lobby }

// Close implements admin.Rooms.
func (r rooms) Close(id, reason string) bool {
	return r.Lobby.Close(id, protocol.CodeRoomEnded, reason)
}
