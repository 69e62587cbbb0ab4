package host

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/js"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/web"
)

func (h *Host) routes() http.Handler {
	mux := http.NewServeMux()
	h.gateway.Routes(mux)
	h.routeAdmin(mux)
	mux.HandleFunc("/v1/kinds", h.kinds)
	mux.HandleFunc("/healthz", h.health)
	mux.HandleFunc("/readyz", h.readiness)
	h.routeMetrics(mux)
	mux.HandleFunc("GET /js/tickhall.js", client())
	mux.Handle("/", web.Handler(h.lobby.Kinds(), h.cfg.Pages))
	return h.below(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.gateway.AllowsHost(w, r) {
			return
		}
		if fault := faultOfPath(r.URL.EscapedPath()); fault != "" {
			api.Refuse(w, http.StatusNotFound, &protocol.HTTPError{
				Code: protocol.ErrNotFound, Message: fmt.Sprintf("there is no %.100q: %s", r.URL.EscapedPath(), fault),
			}, 0)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// below lets next be reached below the path of the public address too, if that has one: some proxies cut it off, and some
// leave it there.
func (h *Host) below(next http.Handler) http.Handler {
	if h.public == nil || h.public.Path == "" {
		return next
	}
	prefix := h.public.Path
	cut := http.StripPrefix(prefix, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, prefix+"/"):
			cut.ServeHTTP(w, r)
		case r.URL.Path == prefix: // links of the page would lead beside it
			http.Redirect(w, r, h.public.String()+"/", http.StatusPermanentRedirect)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// faultOfPath says what is wrong with a path of the API. Such paths get JSON, whatever is wrong with them: the mux would
// redirect to some other path, or show a page.
func faultOfPath(p string) string {
	version, ok := strings.CutPrefix(p, "/v")
	version, _, within := strings.Cut(version, "/")
	switch {
	case !ok || version == "" || strings.Trim(version, "0123456789") != "": // it is a page's
		return ""
	case strings.Contains(p, "//"): // an id left out, by a variable of a shell that is empty
		return "a part of the path is empty"
	case path.Clean(p) != strings.TrimSuffix(p, "/"):
		return "a part of the path is . or .."
	case version != "1" || !within:
		return "what this server has begins with /v1/"
	}
	return ""
}

// kinds serves GET /v1/kinds: the kinds of room, how many play there, and what clients of each can send and get.
func (h *Host) kinds(w http.ResponseWriter, r *http.Request) {
	if !h.gateway.Allows(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	players, rooms := map[string]int{}, map[string]int{}
	for _, i := range h.lobby.List() {
		players[i.Kind] += i.Players
		rooms[i.Kind]++
	}
	list := []protocol.KindInfo{}
	for _, s := range h.lobby.Kinds() {
		list = append(list, protocol.KindInfo{
			Name: s.Name, Title: s.Title, About: s.About, Players: players[s.Name], Rooms: rooms[s.Name], MaxPlayers: s.MaxPlayers,
			Full: h.lobby.Full(s.Name), Interface: h.lobby.Interface(s.Name),
		})
	}
	api.WritePublic(w, r, list)
}

// client serves the browser client.
func client() http.HandlerFunc {
	source := web.NewAsset("tickhall.js", js.Source())
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // pages of elsewhere import it; what it may do here, the origins say
		source.ServeHTTP(w, r)
	}
}
