package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/room/matchmaker"
	"github.com/tickhall/tickhall/server/auth"
)

// fakeQueue answers as it is told.
type fakeQueue struct {
	err      error
	result   *protocol.MatchReply
	entered  matchmaker.Request
	waited   time.Duration
	canceled string
}

func (q *fakeQueue) Enter(_ context.Context, _ time.Time, r matchmaker.Request) (protocol.QueueReply, error) {
	q.entered = r
	return protocol.QueueReply{Queue: "place"}, q.err
}

func (q *fakeQueue) Poll(_ context.Context, id string, wait time.Duration) (protocol.QueueReply, *protocol.MatchReply, error) {
	q.waited = wait
	return protocol.QueueReply{Queue: id}, q.result, q.err
}

func (q *fakeQueue) Cancel(id string) error {
	q.canceled = id
	return q.err
}

// somebody is an Identity who says that everybody is the same person.
type somebody struct {
	person auth.Person
	err    error
}

func (s somebody) Identify(context.Context, http.Header, *protocol.MatchRequest) (auth.Person, error) {
	return s.person, s.err
}

func TestEachModeAsksTheLobbyForWhatItNeeds(t *testing.T) {
	ada := quota.Holder{User: "ada", Addr: netip.MustParseAddr("192.0.2.1")} // httptest's
	for _, c := range []struct {
		name, body string
		check      func(t *testing.T, l *fakeLobby)
		spectator  bool
	}{
		{name: "quick", body: `{"kind":"arena","mode":"quick","options":{"map":"ice"},"filter":{"map":"ice","level":3,"hard":true}}`, check: func(t *testing.T, l *fakeLobby) {
			require.JSONEq(t, `{"map":"ice"}`, string(l.quick.Options))
			require.Equal(t, lobby.Filter{"map": "ice", "level": 3.0, "hard": true}, l.quick.Filter)
		}},
		{name: "what says nothing does not count", body: `{"kind":"arena","options":null,"filter":{},"password":"","skill":0,"spectate":false}`, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.QuickOptions{By: ada}, l.quick)
		}},
		{name: "create", body: `{"kind":"arena","mode":"create","options":{"map":"ice"},"private":true,"password":"swordfish"}`, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.CreateOptions{By: ada, Options: json.RawMessage(`{"map":"ice"}`), Private: true, Password: "swordfish"}, l.create)
		}},
		{name: "join", body: `{"mode":"join","room":"K7M2-X9","password":"swordfish"}`, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.JoinOptions{By: ada, Room: "K7M2-X9", Password: "swordfish"}, l.join)
		}},
		{name: "join what one knows the kind of", body: `{"mode":"join","kind":"arena","room":"x"}`, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.JoinOptions{By: ada, Room: "x"}, l.join)
		}},
		{name: "watch one", body: `{"kind":"arena","spectate":true,"filter":{"map":"ice"}}`, spectator: true, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.SpectateOptions{By: ada, Kind: "arena", Filter: lobby.Filter{"map": "ice"}}, l.spectate)
		}},
		{name: "watch this one", body: `{"mode":"join","room":"x","password":"y","spectate":true}`, spectator: true, check: func(t *testing.T, l *fakeLobby) {
			require.Equal(t, lobby.SpectateOptions{By: ada, Room: "x", Password: "y"}, l.spectate)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			person := auth.Person{User: "ada", Name: "Ada", Claims: json.RawMessage(`{"rank":7}`), Guest: "proof"}
			e := newEdge(t, Config{Identity: somebody{person: person}})
			status, he, _, body := e.do(post(c.body))
			require.Equal(t, http.StatusOK, status, he.Message)
			c.check(t, e.lobby)
			var reply protocol.MatchReply
			require.NoError(t, jsonUnmarshal(body, &reply))
			require.Equal(t, c.spectator, reply.Spectator)
			require.Equal(t, "ada", reply.Player)
			require.Equal(t, "proof", reply.Guest)
			ticket, err := e.tickets.Open(time.Now(), reply.Ticket)
			require.NoError(t, err)
			require.Equal(t, auth.Ticket{Seat: ticket.Seat, Room: "r1", User: "ada", Name: "Ada", Claims: person.Claims, Spectate: c.spectator}, ticket)
		})
	}
}

func TestMatchRefusesWhatDoesNotGoTogether(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, c := range []struct{ name, body, code, says string }{
		{"a room for quick", `{"kind":"arena","room":"x"}`, "bad_request", `"room" does not go with mode "quick", which has "spectate", "options", "filter"`},
		{"a password for quick", `{"kind":"arena","password":"x"}`, "bad_request", `"password"`},
		{"private for quick", `{"kind":"arena","private":true}`, "bad_request", `"private"`},
		{"skill for quick", `{"kind":"arena","skill":7}`, "bad_request", `"skill"`},
		{"a filter for create", `{"kind":"arena","mode":"create","filter":{"a":"b"}}`, "bad_request", `"filter"`},
		{"watching what one creates", `{"kind":"arena","mode":"create","spectate":true}`, "bad_request", `"spectate"`},
		{"options for join", `{"mode":"join","room":"x","options":{"a":1}}`, "bad_request", `"options"`},
		{"properties for join", `{"mode":"join","room":"x","properties":{"a":"b"}}`, "bad_request", `"properties"`},
		{"watching in the queue", `{"kind":"arena","mode":"queue","spectate":true}`, "bad_request", `"spectate"`},
		{"options for the queue", `{"kind":"arena","mode":"queue","options":{"a":1}}`, "bad_request", `"options"`},
		{"options for who watches", `{"kind":"arena","spectate":true,"options":{"a":1}}`, "bad_request", `"options"`},
		{"join without a room", `{"mode":"join"}`, "bad_request", `"room" is missing`},
		{"create without a kind", `{"mode":"create"}`, "bad_request", `"kind" is missing`},
		{"queue without a kind", `{"mode":"queue"}`, "bad_request", `"kind" is missing`},
		{"an unknown mode", `{"mode":"ranked"}`, "unknown_mode", `"quick", "create", "join", "queue"`},
		{"options that are a list", `{"kind":"arena","options":[1]}`, "bad_request", `"options" must be an object`},
		{"a filter that is text", `{"kind":"arena","filter":"ice"}`, "bad_request", `"filter" must be an object`},
		{"a filter by a list", `{"kind":"arena","filter":{"map":["ice"]}}`, "bad_request", `"map" must be a string, a number, true or false`},
		{"a filter by much", `{"kind":"arena","filter":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}}`, "bad_request", `at most 8`},
		{"a filter by long text", `{"kind":"arena","filter":{"map":"` + long + `"}}`, "bad_request", `64 bytes`},
		{"a long password", `{"kind":"arena","mode":"create","password":"` + long + `"}`, "bad_request", `"password" has 129 bytes`},
		{"private of a wrong type", `{"kind":"arena","mode":"create","private":"yes"}`, "bad_request", `"private" must be true or false, not a string`},
		{"skill of a wrong type", `{"kind":"arena","mode":"queue","skill":"high"}`, "bad_request", `"skill" must be a number, not a string`},
		{"skill beyond numbers", `{"kind":"arena","mode":"queue","skill":1e999}`, "bad_request", `"skill"`},
		{"properties of a wrong type", `{"kind":"arena","mode":"queue","properties":{"region":7}}`, "bad_request", `"properties`},
		{"half a party", `{"kind":"arena","mode":"queue","party":"x","party_size":1.5}`, "bad_request", `"party_size" must be a whole number`},
		{"bytes that are no text", "{\"kind\":\"ar\xffna\"}", "bad_request", "UTF-8"},
		{"a server without queues", `{"kind":"arena","mode":"queue"}`, "bad_request", "no queues"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{})
			status, he, _, _ := e.do(post(c.body))
			require.Equal(t, http.StatusBadRequest, status, he.Message)
			require.Equal(t, c.code, he.Code)
			require.Contains(t, he.Message, c.says)
			require.Empty(t, e.lobby.held)
		})
	}
}

func TestMatchTellsWhyThereIsNoSeat(t *testing.T) {
	for _, c := range []struct {
		err     error
		status  int
		code    string
		counted string
	}{
		{lobby.ErrUnknownKind, 400, "unknown_kind", "unknown_kind"},
		{lobby.ErrListing, 400, "bad_request", "bad_request"},
		{lobby.ErrNotWatched, 400, "bad_request", "bad_request"},
		{lobby.ErrRoomUnknown, 404, "room_unknown", "room_unknown"},
		{lobby.ErrRoomFull, 409, "room_full", "room_full"},
		{lobby.ErrRoomLocked, 409, "room_locked", "room_locked"},
		{lobby.ErrPassword, 403, "password_wrong", "password_wrong"},
		{lobby.ErrBusy, 429, "rate_limited", "rate_limited"},
		{lobby.ErrFull, 503, "server_full", "server_full"},
		{lobby.ErrDraining, 503, "shutting_down", "shutting_down"},
		{room.Errorf("unknown_map", "there is no such map"), 400, "unknown_map", "game"},
		{errRefusedByGame, 500, "internal", "internal"},
	} {
		t.Run(c.code, func(t *testing.T) {
			e := newEdge(t, Config{})
			e.lobby.err = c.err
			status, he, _, _ := e.do(post(`{"mode":"join","room":"x"}`))
			require.Equal(t, c.status, status, he.Message)
			require.Equal(t, c.code, he.Code)
			require.EqualValues(t, 1, e.Stats().Refused(c.counted))
		})
	}
}

func TestRoomOfAnotherKindIsNotJoined(t *testing.T) {
	e := newEdge(t, Config{})
	status, he, _, _ := e.do(post(`{"mode":"join","kind":"chess","room":"r1"}`))
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, protocol.ErrRoomUnknown, he.Code)
	require.Contains(t, he.Message, `"arena"`)
	require.Equal(t, -1, e.lobby.taken, "the seat was given back")
}

func TestWhoIsNobodyOrBannedGetsNoSeat(t *testing.T) {
	registry := new(player.Registry)
	registry.Ban("ada", time.Now().Add(time.Hour), "cheating")
	for _, c := range []struct {
		name string
		who  somebody

		status int
		code   string
	}{
		{"no token", somebody{err: &protocol.HTTPError{Code: protocol.ErrUnauthorized, Message: "who?"}}, 401, "unauthorized"},
		{"a bad name", somebody{err: &protocol.HTTPError{Code: protocol.ErrBadRequest, Message: "name"}}, 400, "bad_request"},
		{"no keys yet", somebody{err: &protocol.HTTPError{Code: auth.ErrUnavailable, Message: "wait"}}, 503, auth.ErrUnavailable},
		{"banned", somebody{person: auth.Person{User: "ada", Name: "Ada"}}, 403, "banned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{Identity: c.who, Registry: registry, Queue: new(fakeQueue)})
			for _, body := range []string{`{"kind":"arena"}`, `{"kind":"arena","mode":"queue"}`} {
				status, he, header, _ := e.do(post(body))
				require.Equal(t, c.status, status)
				require.Equal(t, c.code, he.Code)
				require.Equal(t, status == 401, header.Get("WWW-Authenticate") != "")
			}
			require.Empty(t, e.lobby.held)
		})
	}
	e := newEdge(t, Config{Registry: registry})
	s, err := e.lobby.Quick("arena", lobby.QuickOptions{})
	require.NoError(t, err)
	ticket := e.tickets.Issue(time.Now(), auth.Ticket{Seat: s.ID(), Room: "r1", User: "ada", Name: "Ada"})
	status, he, _, _ := e.do(newGet("ticket=" + ticket))
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, he.Message, "cheating")
}

func TestQueueIsEnteredAskedAndLeft(t *testing.T) {
	q := new(fakeQueue)
	e := newEdge(t, Config{Queue: q, Identity: somebody{person: auth.Person{User: "ada", Name: "Ada", Guest: "proof"}}})
	status, _, _, body := e.do(post(`{"kind":"arena","mode":"queue","skill":1500,"properties":{"region":"eu"},"party":"x","party_size":2}`))
	require.Equal(t, http.StatusAccepted, status)
	require.JSONEq(t, `{"queue":"place","waited":0,"waiting":0,"window":0,"missing":0,"guest":"proof"}`, body)
	require.NotNil(t, q.entered.Reply)
	q.entered.Reply = nil
	require.Equal(t, matchmaker.Request{
		Kind: "arena", Who: room.Identity{User: "ada", Name: "Ada"}, Addr: netip.MustParseAddr("192.0.2.1"), Skill: 1500, Properties: map[string]string{"region": "eu"}, Party: "x", PartySize: 2,
	}, q.entered)

	place := func(method, query string) *http.Request {
		return httptest.NewRequest(method, "http://tickhall.test/v1/match/place"+query, nil)
	}
	status, _, _, _ = e.do(place(http.MethodGet, ""))
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, matchmaker.MaxWait, q.waited)
	q.result = &protocol.MatchReply{Room: "r1", Team: 2}
	status, _, _, body = e.do(place(http.MethodGet, "?wait=0"))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"team":2`)
	require.Zero(t, q.waited)
	status, _, _, body = e.do(place(http.MethodDelete, ""))
	require.Equal(t, http.StatusNoContent, status)
	require.Empty(t, body)
	require.Equal(t, "place", q.canceled)

	for _, query := range []string{"?wait=21", "?wait=-1", "?wait=x", "?wait=1&wait=2", "?until=3", "?%zz"} {
		status, he, _, _ := e.do(place(http.MethodGet, query))
		require.Equal(t, http.StatusBadRequest, status, query)
		require.NotEmpty(t, he.Message)
	}
	status, he, header, _ := e.do(place(http.MethodPut, ""))
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Equal(t, "GET, DELETE, OPTIONS", header.Get("Allow"))
	require.Contains(t, he.Message, "GET, DELETE")
	foreign := place(http.MethodGet, "")
	foreign.Header.Set("Origin", "https://evil.test")
	status, _, _, _ = e.do(foreign)
	require.Equal(t, http.StatusForbidden, status)
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{matchmaker.ErrUnknown, 404, "queue_unknown"}, {matchmaker.ErrReplaced, 410, "queue_replaced"},
		{fmt.Errorf("%w: the database is down", matchmaker.ErrSkill), 500, "internal"}, {matchmaker.ErrStopped, 503, "shutting_down"}, {matchmaker.ErrFull, 503, "server_full"},
	} {
		q.err = c.err
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			status, he, _, _ := e.do(place(method, ""))
			require.Equal(t, c.status, status)
			require.Equal(t, c.code, he.Code)
		}
		status, he, _, _ := e.do(post(`{"kind":"arena","mode":"queue"}`))
		require.Equal(t, c.status, status)
		require.Equal(t, c.code, he.Code)
	}
	e = newEdge(t, Config{})
	status, he, _, _ = e.do(place(http.MethodGet, ""))
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, protocol.ErrQueueUnknown, he.Code)
}

func TestRoomsAreListed(t *testing.T) {
	e := newEdge(t, Config{})
	get := func(query string) *http.Request {
		return httptest.NewRequest(http.MethodGet, "http://tickhall.test/v1/rooms"+query, nil)
	}
	status, _, _, body := e.do(get("?kind=arena&limit=7&after=K7M-2&prop=map:ice&prop=time:12:30"))
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"rooms":[{"id":"r1","kind":"arena","players":0,"max_players":4}]}`, body)
	require.Equal(t, lobby.Query{
		Kind: "arena", Limit: 7, After: "k7m2", Filter: lobby.Filter{"map": lobby.Text("ice"), "time": lobby.Text("12:30")},
	}, e.lobby.query)
	status, _, _, _ = e.do(get(""))
	require.Equal(t, http.StatusOK, status)
	require.Zero(t, e.lobby.query)

	for _, query := range []string{
		"?limit=0", "?limit=201", "?limit=x", "?limit=", "?kind=a&kind=b", "?page=2", "?prop=map", "?prop=:ice", "?prop=a:b&prop=a:c", "?kind=%zz",
	} {
		status, he, _, _ := e.do(get(query))
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Equal(t, protocol.ErrBadRequest, he.Code)
	}
	e.lobby.err = lobby.ErrUnknownKind
	status, he, _, _ := e.do(get("?kind=chess"))
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, protocol.ErrUnknownKind, he.Code)
	r := get("")
	r.Method = http.MethodPost
	status, _, _, _ = e.do(r)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	for range DefaultMatchesBurst + 5 {
		e.lists.allow(time.Now(), e.clientAddr(get("")))
	}
	status, he, _, _ = e.do(get(""))
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, he.Message, `"lobby"`)
}

func TestTicketSaysHowToJoin(t *testing.T) {
	for _, spectate := range []bool{false, true} {
		e := newEdge(t, Config{})
		stop := e.sockets()
		s, err := e.lobby.Quick("arena", lobby.QuickOptions{})
		require.NoError(t, err)
		claims := json.RawMessage(`{"rank":7}`)
		c := e.connect("ticket=" + e.tickets.Issue(time.Now(), auth.Ticket{
			Seat: s.ID(), Room: "r1", User: "ada", Name: "Ada", Claims: claims, Team: 2, Spectate: spectate,
		})).listen()
		require.Eventually(t, func() bool { return e.room.connection() != nil }, 5*time.Second, time.Millisecond)
		_ = c.Close()
		<-c.done
		stop()
		require.Equal(t, room.Identity{User: "ada", Name: "Ada", Claims: claims, Team: 2}, e.room.joined[0].Who)
		require.Equal(t, spectate, e.room.joined[0].Spectate)
	}
}
