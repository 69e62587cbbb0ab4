package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
)

const (
	maxBody     = 4 << 10 // bytes of the body of POST /v1/match
	maxPassword = 128     // bytes

	matchExample = `{"kind": "arena"}`
)

// match serves POST /v1/match.
func (g *Gateway) match(w http.ResponseWriter, r *http.Request) {
	if !g.Allows(w, r, http.MethodPost) {
		return
	}
	reply, e := g.seek(w, r)
	if e != nil {
		g.refuse(w, e)
		return
	}
	if _, seated := reply.(*protocol.MatchReply); seated {
		g.stats.Matches.Add(1)
		api.Write(w, http.StatusOK, reply)
		return
	}
	api.Write(w, http.StatusAccepted, reply)
}

// Allows answers a request that is not for the handler that asks: of a page that is not allowed, with a method that
// is not, or a browser's question that comes before one of another origin's page. False: it was one.
func (g *Gateway) Allows(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if e := g.checkOrigin(w, r); e != nil {
		g.refuse(w, e)
		return false
	}
	if slices.Contains(methods, r.Method) {
		return true
	}
	list := strings.Join(methods, ", ")
	w.Header().Set("Allow", list+", OPTIONS")
	if r.Method != http.MethodOptions {
		g.refuse(w, refusef(protocol.ErrMethod, "%s is not allowed here: use %s", r.Method, list))
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", list)
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return false
}

// seek finds a seat, and answers with a *protocol.MatchReply, or a place in a queue, and answers with a
// *protocol.QueueReply.
func (g *Gateway) seek(w http.ResponseWriter, r *http.Request) (any, *refusal) {
	now := time.Now()
	if r.Host == "" && g.public == nil { // HTTP/1.0; the answer could not tell where to connect to
		return nil, refusef(protocol.ErrBadRequest, "the header Host is missing: name this server in it")
	}
	if g.isClosing() {
		return nil, refusef(protocol.ErrShuttingDown, "the server is stopping: try again in a moment").after(retryAfter)
	}
	if wait, ok := g.matches.allow(now, g.clientAddr(r)); !ok {
		return nil, refusef(protocol.ErrRateLimited, "too many matches from your address: wait").after(wait)
	}
	var req protocol.MatchRequest
	if err := api.Read(w, r, maxBody, matchExample, &req); err != nil {
		return nil, refuseBy(err)
	}
	q, e := checkMatch(&req)
	if e != nil {
		return nil, e
	}
	person, e := g.identify(r.Context(), r.Header, &req)
	if e != nil {
		return nil, e
	}
	a := answer{gateway: g, person: person, url: g.connectURL(r)}
	by := quota.Holder{User: person.User, Addr: g.clientAddr(r)}
	if req.Mode == protocol.ModeQueue {
		return g.enqueue(r.Context(), now, &req, by.Addr, a)
	}
	seat, err := g.hold(&req, q, by)
	if err != nil {
		return nil, g.noSeat(req.Kind, err)
	}
	if req.Mode == protocol.ModeJoin && req.Kind != "" && seat.Kind() != req.Kind {
		seat.Release()
		return nil, refusef(protocol.ErrRoomUnknown, "room %.40q is of kind %q, not %.40q: leave \"kind\" out, or name another room", req.Room, seat.Kind(), req.Kind)
	}
	reply := a.reply(now, seat, 0)
	return &reply, nil
}

// identify says who sent a request. It is the one place where players come from.
func (g *Gateway) identify(ctx context.Context, header http.Header, req *protocol.MatchRequest) (auth.Person, *refusal) {
	person, err := g.cfg.Identity.Identify(ctx, header, req)
	if err != nil {
		return person, refuseBy(err)
	}
	return person, g.banned(time.Now(), person.User)
}

// banned refuses a user who is banned.
func (g *Gateway) banned(now time.Time, user string) *refusal {
	if g.cfg.Registry == nil {
		return nil
	}
	until, reason, banned := g.cfg.Registry.Banned(now, user)
	if !banned {
		return nil
	}
	if reason != "" {
		reason = ": " + reason
	}
	return refusef(protocol.ErrBanned, "user %.128q is banned from this server until %s%s", user, api.Minute(until), reason)
}

// hold holds a place in a room.
func (g *Gateway) hold(req *protocol.MatchRequest, q question, by quota.Holder) (Seat, error) {
	l := g.cfg.Lobby
	switch {
	case req.Spectate:
		return l.Spectate(lobby.SpectateOptions{By: by, Kind: req.Kind, Filter: q.filter, Room: req.Room, Password: req.Password})
	case req.Mode == protocol.ModeJoin:
		return l.Join(lobby.JoinOptions{By: by, Room: req.Room, Password: req.Password})
	case req.Mode == protocol.ModeCreate:
		return l.Create(req.Kind, lobby.CreateOptions{By: by, Options: q.options, Private: req.Private, Password: req.Password})
	}
	return l.Quick(req.Kind, lobby.QuickOptions{By: by, Options: q.options, Filter: q.filter})
}

// answer makes replies for one player.
type answer struct {
	gateway *Gateway
	person  auth.Person
	url     url.URL // to connect to
}

func (a *answer) reply(now time.Time, seat Seat, team int) protocol.MatchReply {
	p := &a.person
	ticket := a.gateway.cfg.Tickets.Issue(now, auth.Ticket{
		Seat: seat.ID(), Room: seat.Room().ID(), User: p.User, Name: p.Name, Claims: p.Claims, Team: team, Spectate: seat.Spectate(),
	})
	u := a.url
	u.RawQuery = "ticket=" + url.QueryEscape(ticket)
	return protocol.MatchReply{
		Room: seat.Room().ID(), Ticket: ticket, URL: u.String(), Public: a.gateway.public != nil, Player: p.User, Guest: p.Guest, Spectator: seat.Spectate(), Team: team,
	}
}

// modes are the modes of a match and the fields that each has beside commonFields.
var modes = [...]struct {
	name   string
	fields []string
}{
	{protocol.ModeQuick, []string{"spectate", "options", "filter"}},
	{protocol.ModeCreate, []string{"private", "password", "options"}},
	{protocol.ModeJoin, []string{"room", "password", "spectate"}},
	{protocol.ModeQueue, []string{"skill", "properties", "party", "party_size"}},
}

var commonFields = [...]string{"kind", "mode", "name", "guest"}

// question is what of a request had to be decoded.
type question struct {
	options json.RawMessage // nil for none
	filter  lobby.Filter
}

// checkMatch says what is wrong with a request, whoever sent it. It fills in the mode.
func checkMatch(req *protocol.MatchRequest) (q question, e *refusal) {
	if req.Mode == "" {
		req.Mode = protocol.ModeQuick
	}
	i := 0
	for i < len(modes) && modes[i].name != req.Mode {
		i++
	}
	if i == len(modes) {
		return q, refusef(protocol.ErrUnknownMode, "unknown mode %.40q: there are %s", req.Mode, modeNames())
	}
	if q.options, e = object("options", req.Options); e != nil {
		return q, e
	}
	req.Options = q.options
	filter, e := object("filter", req.Filter)
	if e != nil {
		return q, e
	}
	req.Filter = filter
	if name := foreignField(req, modes[i].fields); name != "" {
		return q, refusef(protocol.ErrBadRequest, "field %q does not go with mode %q, which has %s: leave it out", name, req.Mode, quoted(modes[i].fields))
	}
	switch {
	case req.Kind == "" && req.Mode != protocol.ModeJoin:
		return q, refusef(protocol.ErrBadRequest, `field "kind" is missing: name the kind of room`)
	case req.Room == "" && req.Mode == protocol.ModeJoin:
		return q, refusef(protocol.ErrBadRequest, `field "room" is missing: mode "join" needs the room's code`)
	case len(req.Password) > maxPassword:
		return q, refusef(protocol.ErrBadRequest, `field "password" has %d bytes: at most %d are allowed`, len(req.Password), maxPassword)
	case req.Spectate && len(q.options) > 0:
		return q, refusef(protocol.ErrBadRequest, `field "options" does not go with "spectate": who watches makes no room`)
	}
	if len(filter) > 0 {
		if json.Unmarshal(filter, &q.filter) != nil { // it is an object of JSON, so this is all that can be wrong
			return q, refusef(protocol.ErrBadRequest, `field "filter": a number is too large: numbers are those of 64 bits of IEEE 754`)
		}
		if err := q.filter.Validate(); err != nil {
			return q, refusef(protocol.ErrBadRequest, `field "filter": %v`, err)
		}
	}
	return q, nil
}

// object is a field that is an object of JSON, nil if it is missing, null or empty.
func object(name string, raw json.RawMessage) (json.RawMessage, *refusal) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, string(raw) == "null":
		return nil, nil
	case raw[0] != '{':
		return nil, refusef(protocol.ErrBadRequest, `field %q must be an object, such as {"map": "ice"}`, name)
	case len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0:
		return nil, nil
	}
	return raw, nil
}

// foreignField is the first field of a request that says something and is not among those allowed.
func foreignField(req *protocol.MatchRequest, allowed []string) string {
	v := reflect.ValueOf(req).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if !v.Field(i).IsZero() && !slices.Contains(allowed, name) && !slices.Contains(commonFields[:], name) {
			return name
		}
	}
	return ""
}

func modeNames() string {
	var names []string
	for i := range modes {
		names = append(names, modes[i].name)
	}
	return quoted(names)
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

// tooMany refuses who has as many of something as one may, for which err is a *quota.Error.
func (g *Gateway) tooMany(err error) *refusal {
	var e *quota.Error
	if errors.As(err, &e) {
		g.stats.CountShare(e)
	}
	return refusef(protocol.ErrTooMany, "%v", err).after(retryAfter)
}

// noSeat says why the lobby holds no seat.
func (g *Gateway) noSeat(kind string, err error) *refusal {
	var refused *room.Error
	var wait *lobby.WaitError
	switch {
	case errors.As(err, new(*quota.Error)):
		return g.tooMany(err)
	case errors.As(err, &wait):
		return refusef(protocol.ErrRateLimited, "%v", err).after(wait.Wait)
	case errors.Is(err, lobby.ErrHangs):
		return refusef(protocol.ErrUnavailable, "%v", err).after(retryAfter)
	case errors.As(err, &refused): // by the game, or of what the lobby was asked
		return refusef(refused.Code, "%s", refused.Message).with(http.StatusBadRequest)
	case errors.Is(err, lobby.ErrUnknownKind):
		return refusef(protocol.ErrUnknownKind, "%v", err)
	case errors.Is(err, lobby.ErrListing), errors.Is(err, lobby.ErrNotWatched):
		return refusef(protocol.ErrBadRequest, "%v", err)
	case errors.Is(err, lobby.ErrRoomUnknown):
		return refusef(protocol.ErrRoomUnknown, "%v", err)
	case errors.Is(err, lobby.ErrRoomFull):
		return refusef(protocol.ErrRoomFull, "%v", err)
	case errors.Is(err, lobby.ErrRoomLocked):
		return refusef(protocol.ErrRoomLocked, "%v", err)
	case errors.Is(err, lobby.ErrPassword):
		return refusef(protocol.ErrPassword, "%v", err)
	case errors.Is(err, lobby.ErrBusy):
		return refusef(protocol.ErrRateLimited, "%v", err).after(retryAfter)
	case errors.Is(err, lobby.ErrFull):
		return refusef(protocol.ErrServerFull, "%v", err).after(retryAfter)
	case errors.Is(err, lobby.ErrDraining):
		return refusef(protocol.ErrShuttingDown, "%v", err).after(retryAfter)
	}
	g.cfg.Log.Error("a room could not be made", "kind", kind, "error", err)
	return refusef(protocol.ErrInternal, "the room could not be made: the server's log says why")
}
