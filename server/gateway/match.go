package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/auth"
)

// maxBody is the largest body of POST /v1/match, in bytes.
const maxBody = 4 << 10

// modeQuick is the only mode so far, and what "" stands for: join the fullest open room, or create one.
const modeQuick = "quick"

// match serves POST /v1/match.
func (g *Gateway) match(w http.ResponseWriter, r *http.Request) {
	if e := g.origins.check(w, r); e != nil {
		g.refuse(w, e)
		return
	}
	switch r.Method {
	case http.MethodPost:
	case http.MethodOptions:
		// The answer to a browser that asks before a page of another origin sends JSON.
		w.Header().Set("Allow", "POST, OPTIONS")
		w.Header().Set("Access-Control-Allow-Methods", "POST")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		g.refuse(w, refusef(protocol.ErrMethod, "%s is not allowed here: POST a match request", r.Method))
		return
	}
	reply, e := g.seek(w, r)
	if e != nil {
		g.refuse(w, e)
		return
	}
	g.stats.Matches.Add(1)
	writeJSON(w, http.StatusOK, reply)
}

// seek finds a seat.
func (g *Gateway) seek(w http.ResponseWriter, r *http.Request) (*protocol.MatchReply, *refusal) {
	now := time.Now()
	if g.isClosing() {
		return nil, refusef(protocol.ErrShuttingDown, "the server is stopping: try again in a moment").after(retryAfter)
	}
	if wait, ok := g.matches.allow(now, g.clientAddr(r)); !ok {
		return nil, refusef(protocol.ErrRateLimited, "too many matches from your address: wait").after(wait)
	}
	req, e := readMatch(http.MaxBytesReader(w, r.Body, maxBody))
	if e != nil {
		return nil, e
	}
	name := auth.GuestName()
	if strings.TrimSpace(req.Name) != "" {
		var err error
		if name, err = auth.CleanName(req.Name); err != nil {
			return nil, refusef(protocol.ErrBadRequest, "%v", err)
		}
	}
	seat, err := g.cfg.Lobby.Quick(req.Kind)
	if err != nil {
		return nil, g.noSeat(req.Kind, err)
	}
	user := auth.GuestID()
	ticket := g.cfg.Tickets.Issue(now, auth.Ticket{Seat: seat.ID(), Room: seat.Room().ID(), User: user, Name: name})
	u := url.URL{Scheme: g.scheme(r), Host: r.Host, Path: connectPath, RawQuery: "ticket=" + url.QueryEscape(ticket)}
	return &protocol.MatchReply{Room: seat.Room().ID(), Ticket: ticket, URL: u.String(), Player: user}, nil
}

func (g *Gateway) noSeat(kind string, err error) *refusal {
	switch {
	case errors.Is(err, lobby.ErrUnknownKind):
		return refusef(protocol.ErrUnknownKind, "%v", err)
	case errors.Is(err, lobby.ErrFull):
		return refusef(protocol.ErrServerFull, "%v", err).after(retryAfter)
	case errors.Is(err, lobby.ErrDraining):
		return refusef(protocol.ErrShuttingDown, "%v", err).after(retryAfter)
	}
	g.cfg.Log.Error("a room could not be made", "kind", kind, "error", err)
	return refusef(protocol.ErrInternal, "the room could not be made: the server's log says why")
}

// readMatch reads a body, whatever its content type claims it to be: what counts is that it is JSON.
func readMatch(body io.Reader) (protocol.MatchRequest, *refusal) {
	var req protocol.MatchRequest
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(&req)
	if err == nil {
		if _, next := d.Token(); next != io.EOF {
			if next == nil || !isTooLarge(next) {
				return req, refusef(protocol.ErrBadRequest, "something follows the JSON object: send one object alone")
			}
			err = next
		}
	}
	if err != nil {
		return req, refusef(protocol.ErrBadRequest, "%s", faultOf(err))
	}
	if req.Kind == "" {
		return req, refusef(protocol.ErrBadRequest, `field "kind" is missing: name the kind of room`)
	}
	if req.Mode != "" && req.Mode != modeQuick {
		return req, refusef(protocol.ErrUnknownMode, "unknown mode %.40q: allowed is %q", req.Mode, modeQuick)
	}
	return req, nil
}

func isTooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large)
}

// faultOf says what is wrong with a body in words that name its fields, not Go's types.
func faultOf(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case isTooLarge(err):
		return "the body is larger than 4096 bytes"
	case errors.Is(err, io.EOF):
		return `the body is empty: send JSON such as {"kind": "arena"}`
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends too early"
	case errors.As(err, &syntax):
		return "the body is not JSON: " + syntax.Error()
	case errors.As(err, &typ) && typ.Field == "":
		return "the body must be a JSON object, not " + article(typ.Value)
	case errors.As(err, &typ):
		return `field "` + typ.Field + `" must be a string, not ` + article(typ.Value)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "unknown field " + field + `: there are "kind", "mode" and "name"`
	}
	return "the body could not be read: " + err.Error()
}

func article(value string) string {
	value, _, _ = strings.Cut(value, " ") // "number 1.5"
	switch value {
	case "array", "object":
		return "an " + value
	case "bool":
		return "true or false"
	}
	return "a " + value
}
