package host

import (
	"net/http"
	"net/netip"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/admin"
	"github.com/tickhall/tickhall/server/api"
)

func (h *Host) newAdmin() (*admin.API, error) {
	return admin.New(admin.Config{
		Token: h.cfg.AdminToken, Registry: &h.registry, Rooms: rooms{h.lobby}, Log: h.cfg.Log,
		Addr: func(r *http.Request) netip.Addr { return api.ClientAddr(r, h.cfg.TrustProxy) },
	})
}

// AdminToken is the token of the admin API: Config.AdminToken, or the random one made in its place.
func (h *Host) AdminToken() string { return h.admin.Token() }

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
