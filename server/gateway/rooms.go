package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/api"
)

// rooms serves GET /v1/rooms.
func (g *Gateway) rooms(w http.ResponseWriter, r *http.Request) {
	if !g.Allows(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	if wait, ok := g.lists.allow(time.Now(), g.clientAddr(r)); !ok {
		g.refuse(w, refusef(protocol.ErrRateLimited, "too many requests from your address: wait, or join a room of kind %q to see the list live", lobby.ListingName).after(wait))
		return
	}
	q, e := roomsQuery(r)
	if e != nil {
		g.refuse(w, e)
		return
	}
	list, err := g.cfg.Lobby.Rooms(q)
	if err != nil {
		g.refuse(w, g.noSeat(q.Kind, err))
		return
	}
	api.WritePublic(w, r, list)
}

func roomsQuery(r *http.Request) (lobby.Query, *refusal) {
	v, e := parseQuery(r, []string{"kind", "limit", "after"}, "prop")
	if e != nil {
		return lobby.Query{}, e
	}
	q := lobby.Query{Kind: v.Get("kind"), After: lobby.CleanID(v.Get("after"))}
	if v.Has("limit") {
		n, err := strconv.Atoi(v.Get("limit"))
		if err != nil || n < 1 || n > lobby.MaxPage {
			return q, refusef(protocol.ErrBadRequest, `parameter "limit" must be a whole number from 1 to %d`, lobby.MaxPage)
		}
		q.Limit = n
	}
	for _, p := range v["prop"] {
		name, value, ok := strings.Cut(p, ":")
		if _, twice := q.Filter[name]; !ok || name == "" || twice {
			return q, refusef(protocol.ErrBadRequest, `parameter "prop" must be NAME:VALUE, such as prop=map:ice, each name once`)
		}
		if q.Filter == nil {
			q.Filter = lobby.Filter{}
		}
		q.Filter[name] = lobby.Text(value)
	}
	return q, nil
}

// parseQuery returns a request's parameters: once's at most once each, and many's.
func parseQuery(r *http.Request, once []string, many ...string) (url.Values, *refusal) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refusef(protocol.ErrBadRequest, "the query is malformed: %v", err)
	}
	names := slices.Concat(once, many)
	for name, values := range v {
		switch {
		case !slices.Contains(names, name):
			return nil, refusef(protocol.ErrBadRequest, "unknown parameter %.40q: there are %s", name, quoted(names))
		case len(values) > 1 && !slices.Contains(many, name):
			return nil, refusef(protocol.ErrBadRequest, "parameter %q is there %d times: give it once", name, len(values))
		}
	}
	return v, nil
}
