package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
)

const connectExample = `{"resume": "the token of a WELCOME"}`

// readBuffer is the size of each connection's read buffer. What a client sends in a tick fits in; what
// does not is read into its message directly.
const readBuffer = 512

func newUpgrader() *gws.Upgrader {
	return gws.NewUpgrader(events{}, &gws.ServerOption{
		ReadMaxPayloadSize:  protocol.MaxInbound,
		WriteMaxPayloadSize: protocol.MaxOutbound,
		ReadBufferSize:      readBuffer,
		ParallelGolimit:     1, // the size of a channel that every connection gets
		SubProtocols:        []string{protocol.Subprotocol},
		NewSession:          func() gws.SessionStorage { return nil }, // connOf finds what we need
		Logger:              silence{},                                // gws logs what OnClose tells anyway
		// Nothing is recovered in here: Conn.read does, since gws itself may panic outside of OnMessage.
		Recovery: func(gws.Logger) {},
	})
}

type silence struct{}

func (silence) Error(...any) {}

// admission is the right to a seat: by a ticket, or by a resume token.
type admission struct {
	room   Room
	ticket auth.Ticket
	resume room.Resume // Token is "" for a ticket; Attempt is told in any case
	words  *room.Words // how the token's seat ended, if it did: what is left to tell
}

// connect serves GET /v1/connect, and POST, which asks why a GET failed.
func (g *Gateway) connect(w http.ResponseWriter, r *http.Request) {
	if !g.Allows(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	serve := g.upgrade
	if r.Method == http.MethodPost {
		serve = g.probe
	}
	if e := serve(w, r); e != nil {
		g.refuse(w, e)
	}
}

// probe says what an upgrade with the same ticket or token would be refused for.
func (g *Gateway) probe(w http.ResponseWriter, r *http.Request) *refusal {
	if g.isClosing() {
		return refusef(protocol.ErrShuttingDown, "the server is stopping: match again in a moment").after(retryAfter)
	}
	if e := g.limitConnections(r); e != nil {
		return e
	}
	var req protocol.ConnectRequest
	if err := api.Read(w, r, maxBody, connectExample, &req); err != nil {
		return refuseBy(err)
	}
	var e *refusal
	switch {
	case (req.Ticket == "") == (req.Resume == ""):
		e = refusef(protocol.ErrBadRequest, "give either \"ticket\" or \"resume\"")
	case req.Ticket != "":
		_, e = g.admitTicket(req.Ticket)
	default:
		e = g.admitToken(&admission{resume: room.Resume{Token: req.Resume}})
	}
	if e != nil {
		return e
	}
	if err := g.open.Fits(quota.Holder{Addr: g.clientAddr(r)}); err != nil {
		return g.tooMany(err)
	}
	return refuseUpgrade(w)
}

func (g *Gateway) limitConnections(r *http.Request) *refusal {
	if wait, ok := g.connections.allow(time.Now(), g.clientAddr(r)); !ok {
		return refusef(protocol.ErrRateLimited, "too many connections from your address: wait").after(wait)
	}
	return nil
}

// upgrade makes r a connection with a reader of its own, or says why not. Nothing is used up until
// all that can be checked has been.
func (g *Gateway) upgrade(w http.ResponseWriter, r *http.Request) *refusal {
	if !g.begin() {
		return refusef(protocol.ErrShuttingDown, "the server is stopping: match again in a moment").after(retryAfter)
	}
	defer g.work.Done()
	if e := g.limitConnections(r); e != nil {
		return e
	}
	a, e := g.admit(r)
	if e != nil {
		return e
	}
	if e := checkHandshake(w, r); e != nil {
		return e
	}
	by := quota.Holder{User: a.ticket.User, Addr: g.clientAddr(r)} // a resume's user has the seat already
	if err := g.open.Take(by); err != nil {
		return g.tooMany(err)
	}
	var seat Seat
	if a.resume.Token == "" {
		var ok bool
		if seat, ok = g.cfg.Lobby.Take(a.ticket.Seat); !ok {
			g.open.Give(by)
			return ticketUsed()
		}
	}
	c, err := g.hijack(w, r)
	if err != nil {
		g.open.Give(by)
		if seat != nil {
			seat.Release()
		}
		if errors.Is(err, http.ErrNotSupported) {
			return refusef(protocol.ErrUpgrade, "open the WebSocket by HTTP/1.1")
		}
		return nil // it has been answered, or there is nobody to answer
	}
	c.room, c.addr, c.by = a.room, "unknown", by
	if !by.Addr.IsUnspecified() {
		c.addr = by.Addr.String()
	}
	g.add(c)
	// A goroutine of its own, so that what this request holds in memory goes when the handler returns.
	g.work.Go(func() { g.serve(c, a, seat) })
	return nil
}

// admit finds the room that the query's ticket, or the resume token among the subprotocols, gives a right to, without
// using that up.
func (g *Gateway) admit(r *http.Request) (*admission, *refusal) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refusef(protocol.ErrBadRequest, "the query is malformed: %v", err)
	}
	var attempt uint64
	if s := q.Get("attempt"); s != "" {
		if attempt, err = strconv.ParseUint(s, 10, 53); err != nil {
			return nil, refusef(protocol.ErrBadRequest, "attempt must be a whole number from 0 to %d", uint64(1)<<53-1)
		}
	}
	token, resuming := resumeToken(r.Header)
	switch {
	case q.Has("resume"):
		return nil, refusef(protocol.ErrBadRequest, "a resume token has no place in the query, which proxies log: name the subprotocol %q with the token behind it", protocol.ResumePrefix)
	case q.Has("ticket") == resuming:
		return nil, refusef(protocol.ErrBadRequest, "give either ticket in the query, or a resume token as a subprotocol %q", protocol.ResumePrefix+"TOKEN")
	case q.Has("ticket"):
		a, e := g.admitTicket(q.Get("ticket"))
		if e == nil {
			a.resume.Attempt = attempt
		}
		return a, e
	}
	a := &admission{resume: room.Resume{Token: token, Attempt: attempt}}
	if s := q.Get("tick"); s != "" {
		tick, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nil, refusef(protocol.ErrBadRequest, "tick must be a whole number from 0 to 4294967295")
		}
		a.resume.Tick = uint32(tick)
	}
	switch q.Get("key") {
	case "", "0":
	case "1":
		a.resume.Key = true
	default:
		return nil, refusef(protocol.ErrBadRequest, "key must be 1, or left out")
	}
	return a, g.admitToken(a)
}

// resumeToken is the token among the subprotocols that a client names; false if there is none.
func resumeToken(h http.Header) (token string, ok bool) {
	for s := range values(h, "Sec-WebSocket-Protocol") {
		if token, ok := strings.CutPrefix(s, protocol.ResumePrefix); ok {
			return token, true
		}
	}
	return "", false
}

func (g *Gateway) admitTicket(text string) (*admission, *refusal) {
	t, err := g.cfg.Tickets.Open(time.Now(), text)
	switch {
	case errors.Is(err, auth.ErrTicketExpired):
		return nil, refusef(protocol.ErrTicketExpired, "%v", err)
	case err != nil:
		return nil, refusef(protocol.ErrTicketInvalid, "%v", err)
	}
	held := g.cfg.Lobby.Held(t.Seat)
	found, ok := g.cfg.Lobby.Find(t.Room)
	if !ok || !held && (t.Spectate || found.CheckToken(t.Seat) != nil) {
		return nil, ticketUsed() // or the room ended, and its held seats with it
	}
	if e := g.banned(time.Now(), t.User); e != nil {
		return nil, e
	}
	a := &admission{room: found, ticket: t}
	if !held { // the connection was lost before the client had acknowledged anything
		a.resume = room.Resume{Token: t.Seat, Key: true}
	}
	return a, nil
}

func ticketUsed() *refusal { return refusef(protocol.ErrTicketUsed, "%v", auth.ErrTicketUsed) }

// admitToken finds the room of a's token, or the last words of its seat. It waits for no tick: a resume costs one trip
// through the room, after the upgrade.
func (g *Gateway) admitToken(a *admission) *refusal {
	id, _, ok := strings.Cut(a.resume.Token, ".")
	if ok {
		a.room, ok = g.cfg.Lobby.Find(id)
	}
	err := room.ErrToken
	if ok {
		err = a.room.CheckToken(a.resume.Token)
	}
	if err == nil {
		return nil
	}
	if words, ok := g.cfg.Lobby.LastWords(a.resume.Token); ok {
		a.room, a.words = nil, &words
		return nil
	}
	return refusef(protocol.ErrTokenUnknown, "%v", err)
}

// refuseUpgrade is for a request that would be let in if it were an upgrade.
func refuseUpgrade(w http.ResponseWriter) *refusal {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Sec-WebSocket-Version", "13")
	return refusef(protocol.ErrUpgrade, "open this address as a WebSocket, version 13, by HTTP/1.1")
}

// checkHandshake refuses what gws would refuse after the connection is no longer HTTP's (RFC 6455,
// 4.2.1).
func checkHandshake(w http.ResponseWriter, r *http.Request) *refusal {
	h := r.Header
	if r.ProtoMajor != 1 || !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket") || !hasToken(h, "Sec-WebSocket-Version", "13") {
		return refuseUpgrade(w)
	}
	if key, err := base64.StdEncoding.DecodeString(h.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return refusef(protocol.ErrBadRequest, "the header Sec-WebSocket-Key must be 16 bytes in base64")
	}
	if !hasToken(h, "Sec-WebSocket-Protocol", protocol.Subprotocol) {
		return refusef(protocol.ErrBadRequest, "name the WebSocket subprotocol %q", protocol.Subprotocol)
	}
	// gws looks at the first line of a header only.
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Protocol", protocol.Subprotocol)
	return nil
}

// hasToken reports whether a comma-separated header has token, in whatever case.
func hasToken(h http.Header, name, token string) bool {
	for s := range values(h, name) {
		if strings.EqualFold(s, token) {
			return true
		}
	}
	return false
}

// values yields the elements of a comma-separated header.
func values(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h.Values(name) {
			for s := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(s)) {
					return
				}
			}
		}
	}
}

// hijack takes the connection over from HTTP and upgrades it. After an error it is closed, but for
// http.ErrNotSupported, with which it was left alone.
func (g *Gateway) hijack(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	// gws would lose what came before the answer. The protocol forbids it, as does RFC 6455, 4.1.
	if buffered != nil && buffered.Reader.Buffered() > 0 {
		_ = raw.Close()
		return nil, errors.New("the client did not wait for the upgrade")
	}
	c := &Conn{gateway: g, net: newNetConn(raw, &g.cfg, g.stats)}
	c.net.conn = c
	if c.ws, err = g.upgrader.Upgrade(hijacked{c.net}, r); err != nil {
		_ = c.net.finish()
		return nil, err
	}
	return c, nil
}

// hijacked is how gws gets our net.Conn and its own small reader: of a ResponseWriter it calls Hijack
// alone.
type hijacked struct {
	conn *netConn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }
func (hijacked) Header() http.Header                            { return nil }
func (hijacked) Write([]byte) (int, error)                      { return 0, http.ErrHijacked }
func (hijacked) WriteHeader(int)                                {}

// serve is the life of c: it asks for the seat, reads until the end, and tells the room.
func (g *Gateway) serve(c *Conn, a *admission, seat Seat) {
	if c.session = g.seat(c, a, seat); c.session != nil {
		g.wheel.Add(&c.beat, c)
	}
	c.read() // a refused one too: its peer answers the close frame
	if c.session != nil {
		g.wheel.Remove(&c.beat)
		c.room.Lost(c.session, c)
	}
	if c.unread() {
		c.net.drain()
	}
	g.remove(c, c.outcome(c.net.finish()))
}

// seat asks the room for a's seat. A refusal closes c and returns nil.
func (g *Gateway) seat(c *Conn, a *admission, seat Seat) *player.Session {
	if a.words != nil {
		c.Close(a.words.Code, a.words.Reason, a.words.Result)
		return nil
	}
	ctx, cancel := context.WithTimeout(g.ctx, g.cfg.JoinTimeout)
	defer cancel()
	var s *player.Session
	var err error
	if seat == nil {
		a.resume.Conn = c
		s, err = a.room.Resume(ctx, a.resume)
	} else {
		s, err = a.room.Join(ctx, room.Join{
			Who:  room.Identity{User: a.ticket.User, Name: a.ticket.Name, Claims: a.ticket.Claims, Team: a.ticket.Team},
			Conn: c, Spectate: a.ticket.Spectate, Place: a.ticket.Seat, Attempt: a.resume.Attempt, Released: seat.Release,
		})
	}
	if err == nil {
		// Only now is the session where a kick looks for it: a ban since the ticket was looked at, or while the seat was
		// kept, found nobody.
		if e := g.banned(time.Now(), s.User); e != nil {
			s.Kick(e.Message)
		}
		return s
	}
	var refused *room.Error
	switch {
	case errors.As(err, &refused) && refused.Again:
		c.Close(protocol.CodeRefusedNow, refused.Message, nil)
	case errors.Is(err, room.ErrLocked):
		c.Close(protocol.CodeRefusedNow, err.Error(), nil)
	case errors.As(err, &refused):
		c.Close(protocol.CodeRefused, refused.Message, nil)
	case errors.Is(err, room.ErrStale):
		c.Close(protocol.CodeLost, err.Error(), nil)
	case errors.Is(err, context.Canceled):
		c.Close(protocol.CodeShuttingDown, "the server is stopping: match again", nil)
	case errors.Is(err, context.DeadlineExceeded):
		c.Close(protocol.CodeRoomStuck, "the room does not answer: match again", nil)
	case errors.Is(err, room.ErrClosed), errors.Is(err, room.ErrFull), errors.Is(err, room.ErrToken):
		words := room.Words{Code: protocol.CodeGone, Reason: err.Error()}
		if said, ok := g.cfg.Lobby.LastWords(a.resume.Token); ok { // it ended just now
			words = said
		}
		c.Close(words.Code, words.Reason, words.Result)
	default: // a game's error of a type of its own is a refusal, too
		c.Close(protocol.CodeRefused, err.Error(), nil)
	}
	return nil
}
