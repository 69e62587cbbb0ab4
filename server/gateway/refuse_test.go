package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
)

func post(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "http://tickhall.test/v1/match", strings.NewReader(body))
}

func TestMatchGivesATicket(t *testing.T) {
	for _, c := range []struct {
		name, body string
		change     func(e *edge, r *http.Request)
		url        string
		who        string
		public     bool
	}{
		{name: "at the least", body: `{"kind":"arena"}`, url: "ws://tickhall.test/v1/connect?ticket="},
		{name: "at the most", body: ` {"kind":"arena","mode":"quick","name":" Ada "} `, url: "ws://tickhall.test/v1/connect?ticket=", who: "Ada"},
		{name: "whatever the content type", body: `{"kind":"arena"}`, url: "ws://",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		{name: "from a page of ours", body: `{"kind":"arena"}`, url: "ws://",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Origin", "http://TICKHALL.test") }},
		{name: "behind a proxy that is not trusted", body: `{"kind":"arena"}`, url: "ws://",
			change: func(_ *edge, r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }},
		{name: "behind one that is", body: `{"kind":"arena"}`, url: "wss://",
			change: func(e *edge, r *http.Request) {
				e.proxies = api.Proxies{netip.MustParsePrefix("192.0.2.1/32")} // httptest's
				r.Header.Set("X-Forwarded-Proto", "https")
			}},
		{name: "where the public address is known", body: `{"kind":"arena"}`, url: "wss://play.test/games/v1/connect?ticket=", public: true,
			change: func(e *edge, r *http.Request) { r.Host = "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{}
			if c.public {
				cfg.PublicURL = "https://Play.test/games/"
			}
			e := newEdge(t, cfg)
			r := post(c.body)
			if c.change != nil {
				c.change(e, r)
			}
			status, _, _, body := e.do(r)
			require.Equal(t, http.StatusOK, status, body)
			var reply protocol.MatchReply
			require.NoError(t, jsonUnmarshal(body, &reply))
			require.Equal(t, "r1", reply.Room)
			require.True(t, strings.HasPrefix(reply.URL, c.url), reply.URL)
			require.Equal(t, c.public, reply.Public)
			ticket, err := e.tickets.Open(time.Now(), reply.Ticket)
			require.NoError(t, err)
			require.Equal(t, reply.Player, ticket.User)
			require.NotEmpty(t, ticket.Name)
			if c.who != "" {
				require.Equal(t, c.who, ticket.Name)
			}
			require.True(t, e.lobby.Held(ticket.Seat))
			require.Equal(t, int64(1), e.Stats().Matches.Load())
		})
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, c := range []struct {
		name, body   string
		change       func(e *edge, r *http.Request)
		status       int
		code, says   string
		header, want string
	}{
		{name: "nothing", body: "", status: 400, code: "bad_request", says: "empty"},
		{name: "no JSON", body: "kind=arena", status: 400, code: "bad_request", says: "not JSON"},
		{name: "half of it", body: `{"kind":`, status: 400, code: "bad_request", says: "too early"},
		{name: "an array", body: `[]`, status: 400, code: "bad_request", says: "object, not an array"},
		{name: "a wrong type", body: `{"kind":7.5}`, status: 400, code: "bad_request", says: `"kind" must be a string, not a number`},
		{name: "an unknown field", body: `{"kind":"arena","nick":"x"}`, status: 400, code: "bad_request", says: `"nick"`},
		{name: "something behind it", body: `{"kind":"arena"}{}`, status: 400, code: "bad_request", says: "follows"},
		{name: "garbage behind it", body: `{"kind":"arena"}x`, status: 400, code: "bad_request", says: "follows"},
		{name: "too large", body: `{"kind":"` + strings.Repeat("a", 5000) + `"}`, status: 400, code: "bad_request", says: "4096"},
		{name: "too large behind it", body: `{"kind":"arena"}` + strings.Repeat(" ", 5000), status: 400, code: "bad_request", says: "4096"},
		{name: "no kind", body: `{}`, status: 400, code: "bad_request", says: `"kind" is missing`},
		{name: "null", body: `null`, status: 400, code: "bad_request", says: `not null`},
		{name: "null in a field that there is not", body: `{"kind":"arena","rom":null}`, status: 400, code: "bad_request", says: `unknown field "rom"`},
		{name: "an unknown kind", body: `{"kind":"areno"}`, status: 400, code: "unknown_kind"},
		{name: "an unknown mode", body: `{"kind":"arena","mode":"ranked"}`, status: 400, code: "unknown_mode", says: `"quick"`},
		{name: "a name too long", body: `{"kind":"arena","name":"` + strings.Repeat("x", 33) + `"}`, status: 400, code: "bad_request", says: "33"},
		{name: "a filter beyond all numbers", body: `{"kind":"arena","filter":{"a":1e400}}`, status: 400, code: "bad_request", says: "a number is too large"},
		{name: "a field spelt another way", body: `{"Kind":"arena"}`, status: 400, code: "bad_request", says: `unknown field "Kind"`},
		{name: "a field twice", body: `{"kind":"arena","kind":"arena"}`, status: 400, code: "bad_request", says: "twice"},
		{name: "a name that can't be shown", body: `{"kind":"arena","name":"\u0000\u200b"}`, status: 400, code: "bad_request", says: "nothing of it can be shown"},
		{name: "GET", body: "", change: func(_ *edge, r *http.Request) { r.Method = "GET" }, status: 405, code: "method_not_allowed",
			header: "Allow", want: "POST, OPTIONS"},
		{name: "a page of another host", body: `{"kind":"arena"}`, status: 403, code: "origin_refused",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Origin", "https://evil.test") }},
		{name: "a page of a sandbox", body: `{"kind":"arena"}`, status: 403, code: "origin_refused",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Origin", "null") }},
		{name: "full", body: `{"kind":"arena"}`, status: 503, code: "server_full", header: "Retry-After", want: "5",
			change: func(e *edge, _ *http.Request) { e.lobby.err = lobby.ErrFull }},
		{name: "too many at the same time", body: `{"kind":"arena"}`, status: 429, code: "too_many", says: "have 7 seats", header: "Retry-After", want: "5",
			change: func(e *edge, _ *http.Request) { e.lobby.err = &quota.Error{What: "seats", Of: "address", Limit: 7} }},
		{name: "a game that hangs", body: `{"kind":"arena"}`, status: 503, code: "kind_unavailable", header: "Retry-After", want: "5",
			change: func(e *edge, _ *http.Request) { e.lobby.err = fmt.Errorf("%w: kind arena", lobby.ErrHangs) }},
		{name: "too many passwords", body: `{"mode":"join","room":"x","password":"y"}`, status: 429, code: "rate_limited", header: "Retry-After", want: "9",
			change: func(e *edge, _ *http.Request) { e.lobby.err = &lobby.WaitError{Wait: 9 * time.Second} }},
		{name: "what no room is like", body: `{"kind":"arena","filter":{"map":"ice"}}`, status: 400, code: "filter_unmet",
			change: func(e *edge, _ *http.Request) { e.lobby.err = room.Errorf("filter_unmet", "no such map") }},
		{name: "draining", body: `{"kind":"arena"}`, status: 503, code: "shutting_down", header: "Retry-After", want: "5",
			change: func(e *edge, _ *http.Request) { e.lobby.err = lobby.ErrDraining }},
		{name: "a game that can't be made", body: `{"kind":"arena"}`, status: 500, code: "internal",
			change: func(e *edge, _ *http.Request) { e.lobby.err = errRefusedByGame }},
		{name: "closing", body: `{"kind":"arena"}`, status: 503, code: "shutting_down",
			change: func(e *edge, _ *http.Request) { require.NoError(e.t, e.Close(e.t.Context())) }},
		{name: "too often", body: `{"kind":"arena"}`, status: 429, code: "rate_limited", header: "Retry-After", want: "1",
			change: func(e *edge, r *http.Request) {
				for range DefaultMatchesBurst + 5 {
					e.matches.allow(time.Now(), e.clientAddr(r))
				}
			}},
		{name: "no name for this server", body: `{"kind":"arena"}`, status: 400, code: "bad_request", says: "Host",
			change: func(_ *edge, r *http.Request) { r.Host = "" }},
		{name: "elsewhere", body: "", status: 404, code: "not_found",
			change: func(_ *edge, r *http.Request) { r.URL.Path = "/v1/room" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{Origins: []string{"https://play.test"}})
			r := post(c.body)
			if c.change != nil {
				c.change(e, r)
			}
			status, he, header, _ := e.do(r)
			require.Equal(t, c.status, status, he.Message)
			require.Equal(t, c.code, he.Code)
			require.Contains(t, he.Message, c.says)
			if c.header != "" {
				require.Equal(t, c.want, header.Get(c.header))
			}
			require.Empty(t, e.lobby.held)
			require.Equal(t, int64(1), e.Stats().Refused(c.code))
		})
	}
}

func TestListedOriginsMayReadAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		listed []string
		origin string
		status int
	}{
		{"a listed one", []string{"https://play.test"}, "https://play.test", 204},
		{"another scheme", []string{"https://play.test"}, "http://play.test", 403},
		{"another port", []string{"https://play.test"}, "https://play.test:8443", 403},
		{"any", []string{"*"}, "https://whoever.test", 204},
		{"a sandbox, when any may", []string{"*"}, "null", 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{Origins: c.listed})
			r := post("")
			r.Method = http.MethodOptions
			r.Header.Set("Origin", c.origin)
			status, _, header, _ := e.do(r)
			require.Equal(t, c.status, status)
			require.Equal(t, "Origin", header.Get("Vary"))
			if status == 204 {
				require.Equal(t, c.origin, header.Get("Access-Control-Allow-Origin"))
				require.Equal(t, "Authorization, Content-Type", header.Get("Access-Control-Allow-Headers"))
			} else {
				require.Empty(t, header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestConnectRefuses(t *testing.T) {
	old := func(e *edge) string {
		return "ticket=" + e.tickets.Issue(time.Now().Add(-time.Minute), auth.Ticket{Seat: "seat1", Room: "r1"})
	}
	good := func(e *edge) string { return "ticket=" + e.ticket() }
	token := func(token string) func(*edge, *http.Request) {
		return func(_ *edge, r *http.Request) {
			r.Header.Add("Sec-WebSocket-Protocol", protocol.ResumePrefix+token)
		}
	}
	fixed := func(q string) func(*edge) string { return func(*edge) string { return q } }
	for _, c := range []struct {
		name       string
		query      func(e *edge) string
		change     func(e *edge, r *http.Request)
		status     int
		code, says string
	}{
		{name: "neither ticket nor token", query: fixed(""), status: 400, code: "bad_request", says: "either"},
		{name: "both", query: fixed("ticket=a"), change: token("r1.secret"), status: 400, code: "bad_request", says: "either"},
		{name: "a token that proxies log", query: fixed("resume=r1.secret"), status: 400, code: "bad_request", says: "subprotocol"},
		{name: "a broken query", query: fixed("ticket=%zz"), status: 400, code: "bad_request", says: "query"},
		{name: "a ticket made up", query: fixed("ticket=abc"), status: 400, code: "ticket_invalid"},
		{name: "an old ticket", query: old, status: 410, code: "ticket_expired"},
		{name: "a used ticket", query: func(e *edge) string {
			q := good(e)
			e.lobby.held = map[string]bool{}
			return q
		}, status: 410, code: "ticket_used"},
		{name: "a ticket of a room that ended", query: func(e *edge) string {
			return "ticket=" + e.tickets.Issue(time.Now(), auth.Ticket{Seat: "seat1", Room: "gone"})
		}, change: func(e *edge, _ *http.Request) { e.lobby.held["seat1"] = true }, status: 410, code: "ticket_used"},
		{name: "a token of no room", query: fixed(""), change: token("r2.secret"), status: 404, code: "token_unknown"},
		{name: "a token of nobody", query: fixed(""), change: token("r1.secre"), status: 404, code: "token_unknown"},
		{name: "a token in other letters", query: fixed(""), change: token("r1.SECRET"), status: 404, code: "token_unknown"},
		{name: "no token", query: fixed(""), change: token(""), status: 404, code: "token_unknown"},
		{name: "a token of a room that ended just now", query: fixed("tick=12"), status: 404, code: "token_unknown", says: "ended",
			change: func(e *edge, r *http.Request) {
				token("r1.secret")(e, r)
				e.room.err = room.ErrClosed
			}},
		{name: "a tick that is no number", query: fixed("tick=-1"), change: token("r1.secret"), status: 400, code: "bad_request", says: "tick"},
		{name: "a key that is no flag", query: fixed("key=yes"), change: token("r1.secret"), status: 400, code: "bad_request", says: "key"},
		{name: "no upgrade, with a good ticket", query: good, status: 426, code: "upgrade_required",
			change: func(_ *edge, r *http.Request) { r.Header = http.Header{} }},
		{name: "no upgrade, with a good token", query: fixed("tick=12"), status: 426, code: "upgrade_required",
			change: func(e *edge, r *http.Request) {
				r.Header = http.Header{}
				token("r1.secret")(e, r)
			}},
		{name: "another version of WebSocket", query: good, status: 426, code: "upgrade_required",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }},
		{name: "HTTP/2", query: good, status: 426, code: "upgrade_required",
			change: func(_ *edge, r *http.Request) { r.ProtoMajor = 2 }},
		{name: "no subprotocol", query: good, status: 400, code: "bad_request", says: protocol.Subprotocol,
			change: func(_ *edge, r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", "chat") }},
		{name: "no key", query: good, status: 400, code: "bad_request", says: "Sec-WebSocket-Key",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "x") }},
		{name: "PUT", query: good, status: 405, code: "method_not_allowed", says: "GET, POST",
			change: func(_ *edge, r *http.Request) { r.Method = "PUT" }},
		{name: "a page of another host", query: good, status: 403, code: "origin_refused",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Origin", "https://evil.test") }},
		{name: "closing", query: good, status: 503, code: "shutting_down",
			change: func(e *edge, _ *http.Request) { require.NoError(e.t, e.Close(context.Background())) }},
		{name: "too many at the same time", query: good, status: 429, code: "too_many", says: "500 connections",
			change: func(e *edge, r *http.Request) {
				for range DefaultAddressOpen {
					e.open.Add(quota.Holder{Addr: e.clientAddr(r)})
				}
			}},
		{name: "too many of the user's", query: good, status: 429, code: "too_many", says: "you have 16 connections",
			change: func(e *edge, r *http.Request) {
				for range DefaultUserOpen {
					e.open.Add(quota.Holder{User: "u1", Addr: netip.MustParseAddr("198.51.100.1")})
				}
			}},
		{name: "too often", query: good, status: 429, code: "rate_limited",
			change: func(e *edge, r *http.Request) {
				for range DefaultConnectionsBurst + 5 {
					e.connections.allow(time.Now(), e.clientAddr(r))
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{JoinTimeout: time.Millisecond})
			r := httptest.NewRequest(http.MethodGet, "http://tickhall.test/v1/connect", nil)
			r.URL.RawQuery = c.query(e)
			r.Header = upgradeHeaders()
			if c.change != nil {
				c.change(e, r)
			}
			held := len(e.lobby.held)
			status, he, _, _ := e.do(r)
			require.Equal(t, c.status, status, he.Message)
			require.Equal(t, c.code, he.Code)
			require.Contains(t, he.Message, c.says)
			require.Equal(t, int64(1), e.Stats().Refused(c.code))
			require.Len(t, e.lobby.held, held, "nothing is used up")
			require.Zero(t, e.lobby.taken)
		})
	}
}

// A browser does not tell a page why an upgrade failed, so it asks again.
func TestProbeTellsWhyAnUpgradeFails(t *testing.T) {
	good := func(e *edge) string { return `{"ticket": "` + e.ticket() + `"}` }
	fixed := func(body string) func(*edge) string { return func(*edge) string { return body } }
	for _, c := range []struct {
		name   string
		body   func(e *edge) string
		change func(e *edge, r *http.Request)
		status int
		code   string
	}{
		{name: "a good ticket", body: good, status: 426, code: "upgrade_required"},
		{name: "a good token", body: fixed(`{"resume": "r1.secret"}`), status: 426, code: "upgrade_required"},
		{name: "a good token of a room that hangs", body: fixed(`{"resume": "r1.secret"}`), status: 426, code: "upgrade_required",
			change: func(e *edge, _ *http.Request) { e.room.hang = true }},
		{name: "a token of nobody", body: fixed(`{"resume": "r1.public"}`), status: 404, code: "token_unknown"},
		{name: "a ticket made up", body: fixed(`{"ticket": "abc"}`), status: 400, code: "ticket_invalid"},
		{name: "both", body: fixed(`{"ticket": "abc", "resume": "r1.secret"}`), status: 400, code: "bad_request"},
		{name: "neither", body: fixed(`{}`), status: 400, code: "bad_request"},
		{name: "nothing", body: fixed(""), status: 400, code: "bad_request"},
		{name: "something else", body: fixed(`{"token": "r1.secret"}`), status: 400, code: "bad_request"},
		{name: "a page of another host", body: good, status: 403, code: "origin_refused",
			change: func(_ *edge, r *http.Request) { r.Header.Set("Origin", "https://evil.test") }},
		{name: "closing", body: good, status: 503, code: "shutting_down",
			change: func(e *edge, _ *http.Request) { require.NoError(e.t, e.Close(context.Background())) }},
		{name: "too many at the same time", body: good, status: 429, code: "too_many",
			change: func(e *edge, r *http.Request) {
				for range DefaultAddressOpen {
					e.open.Add(quota.Holder{Addr: e.clientAddr(r)})
				}
			}},
		{name: "too often", body: good, status: 429, code: "rate_limited",
			change: func(e *edge, r *http.Request) {
				for range DefaultConnectionsBurst + 5 {
					e.connections.allow(time.Now(), e.clientAddr(r))
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{})
			r := newProbe(c.body(e))
			r.RemoteAddr = "192.0.2.7:1234"
			if c.change != nil {
				c.change(e, r)
			}
			held := len(e.lobby.held)
			status, he, _, _ := e.do(r)
			require.Equal(t, c.status, status, he.Message)
			require.Equal(t, c.code, he.Code)
			require.Len(t, e.lobby.held, held, "nothing is used up")
		})
	}
}

func TestListedOriginsMayProbe(t *testing.T) {
	e := newEdge(t, Config{Origins: []string{"https://play.test"}})
	r := newProbe("")
	r.Method = http.MethodOptions
	r.Header.Set("Origin", "https://play.test")
	status, _, header, _ := e.do(r)
	require.Equal(t, 204, status)
	require.Equal(t, "https://play.test", header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, header.Get("Access-Control-Allow-Methods"), "POST")
	require.Equal(t, "Authorization, Content-Type", header.Get("Access-Control-Allow-Headers"))

	r = newProbe(`{"resume": "r1.public"}`)
	r.Header.Set("Origin", "https://play.test")
	status, he, header, _ := e.do(r)
	require.Equal(t, 404, status)
	require.Equal(t, "token_unknown", he.Code)
	require.Equal(t, "https://play.test", header.Get("Access-Control-Allow-Origin"))
}

func TestConnectionThatCannotBeTakenOverGivesTheSeatBack(t *testing.T) {
	e := newEdge(t, Config{})
	r := httptest.NewRequest(http.MethodGet, "http://tickhall.test/v1/connect", nil)
	r.URL.RawQuery = "ticket=" + e.ticket()
	r.Header = upgradeHeaders()
	status, he, _, _ := e.do(r) // the recorder is no Hijacker
	require.Equal(t, http.StatusUpgradeRequired, status, he.Message)
	require.Zero(t, e.lobby.taken)
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := New(Config{Origins: []string{"play.test", "https://play.test/"}, Heartbeat: -1})
	for _, s := range []string{"play.test", "Lobby", "Tickets", "Heartbeat"} {
		require.ErrorContains(t, err, s)
	}
}
