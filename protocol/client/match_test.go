package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

// request is one HTTP request that a client made, without those that open a WebSocket.
type request struct {
	method, uri, token, body string
	at                       time.Duration // since the first
}

// matches answers a client's HTTP requests one after another, as a test says.
type matches struct {
	f       *fake
	began   time.Time
	seen    []request
	answers []func(w http.ResponseWriter, r *http.Request)
}

// answer makes f give these answers; the last one is given again and again.
func (f *fake) answer(answers ...func(w http.ResponseWriter, r *http.Request)) *matches {
	m := &matches{f: f, answers: answers}
	f.set(func() { f.refuse = m.serve })
	return m
}

func (m *matches) serve(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/v1/connect" {
		return false
	}
	body, err := io.ReadAll(r.Body)
	m.f.mu.Lock()
	if m.began.IsZero() {
		m.began = time.Now()
	}
	m.seen = append(m.seen, request{r.Method, r.RequestURI, r.Header.Get("Authorization"), string(body), time.Since(m.began)})
	answer := m.answers[0]
	if len(m.answers) > 1 && r.Method != http.MethodDelete {
		m.answers = m.answers[1:]
	}
	m.f.mu.Unlock()
	if err == nil && r.Method != http.MethodDelete {
		answer(w, r)
	}
	return true
}

// took returns what was asked since the last time.
func (m *matches) took() []request {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	seen := m.seen
	m.seen = nil
	return seen
}

// lines are the methods and paths of requests.
func lines(seen []request) (all []string) {
	for _, r := range seen {
		all = append(all, r.method+" "+r.uri)
	}
	return all
}

func reply(status int, body any) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

func seat(more protocol.MatchReply) func(http.ResponseWriter, *http.Request) {
	more.URL = "ws://fake/v1/connect?ticket=1"
	more.Ticket = cmp.Or(more.Ticket, "1")
	return reply(http.StatusOK, more)
}

func queued(q protocol.QueueReply) func(http.ResponseWriter, *http.Request) {
	return reply(http.StatusAccepted, q)
}

// hang answers nothing for as long as the client waits.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func refusing(status int, code string) func(http.ResponseWriter, *http.Request) {
	return reply(status, protocol.HTTPError{Code: code, Message: "no"})
}

func TestEachModeSaysWhatItWants(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"quick": {
			Config{Kind: "arena", Filter: map[string]string{"map": "ice"}, Options: struct{ Bots int }{3}, Spectate: true},
			`{"kind": "arena", "mode": "quick", "filter": {"map": "ice"}, "options": {"Bots": 3}, "spectate": true}`,
		},
		"create": {
			Config{Kind: "arena", Mode: protocol.ModeCreate, Name: "Ada", Password: "sesame", Private: true, Options: json.RawMessage(`{"laps":2}`)},
			`{"kind": "arena", "mode": "create", "name": "Ada", "password": "sesame", "private": true, "options": {"laps": 2}}`,
		},
		"join": {
			Config{Mode: protocol.ModeJoin, Room: "k7-wq", Password: "sesame", Options: json.RawMessage(nil), Guest: "g"},
			`{"kind": "", "mode": "join", "room": "k7-wq", "password": "sesame", "guest": "g"}`,
		},
		"queue": {
			Config{Kind: "arena", Mode: protocol.ModeQueue, Skill: 1500, Properties: map[string]string{"region": "eu"}, Party: "us", PartySize: 2},
			`{"kind": "arena", "mode": "queue", "skill": 1500, "properties": {"region": "eu"}, "party": "us", "party_size": 2}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake) {
				m := f.answer(seat(protocol.MatchReply{}))
				c.cfg.URL, c.cfg.Dial = "http://fake", f.dial
				p := f.play(New(c.cfg))
				f.join()
				p.stop()
				require.JSONEq(t, c.want, m.took()[0].body)
			})
		})
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	err := (&Config{URL: "ws://fake", Mode: protocol.ModeJoin, Options: make(chan int), Filter: []string{"ice"}}).Validate()
	for _, what := range []string{"URL", "Room", "Options", "Filter"} {
		require.ErrorContains(t, err, what)
	}
	require.ErrorContains(t, (&Config{URL: "http://fake"}).Validate(), "Kind")
	require.NoError(t, (&Config{URL: "http://fake", Mode: protocol.ModeJoin, Room: "k7wq"}).Validate())
}

func TestGuestIsKept(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(seat(protocol.MatchReply{Guest: "first"}), seat(protocol.MatchReply{Guest: "second"}))
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		require.Equal(t, "first", r.Guest())
		require.JSONEq(t, `{"kind": "arena", "mode": "quick"}`, m.took()[0].body)
		c.bye(protocol.CodeGone, "", nil)
		f.join()
		require.Equal(t, "second", r.Guest())
		require.JSONEq(t, `{"kind": "arena", "mode": "quick", "guest": "first"}`, m.took()[0].body)
		p.stop()
	})
}

func TestTokenIsAskedForEachTime(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(queued(protocol.QueueReply{Queue: "q"}), seat(protocol.MatchReply{}))
		cfg := f.config()
		cfg.Mode, cfg.Guest = protocol.ModeQueue, "g"
		calls := 0
		cfg.Token = func(context.Context) (string, error) {
			if calls++; calls == 1 {
				return "", errors.New("the identity provider is away")
			}
			return "token-" + strconv.Itoa(calls), nil
		}
		var reported []error
		cfg.OnError = func(err error) { reported = append(reported, err) }
		p := f.play(New(cfg))
		f.join()
		seen := m.took()
		require.Equal(t, []string{"Bearer token-2", "Bearer token-3"}, []string{seen[0].token, seen[1].token})
		require.NotContains(t, seen[0].body, "guest")
		require.ErrorContains(t, reported[0], "identity provider")
		p.stop()
	})
}

func TestQueueWaitsForItsTurn(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		first := protocol.QueueReply{Queue: "q/1", Waiting: 1, Window: 50, Missing: 1, Guest: "g"}
		second := protocol.QueueReply{Queue: "q/1", Waited: 20, Waiting: 3, Window: 90}
		cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		m := f.answer(queued(first), cut, refusing(502, "bad_gateway"), hang, queued(second), seat(protocol.MatchReply{Team: 2}))
		cfg := f.config()
		cfg.Mode = protocol.ModeQueue
		var told []protocol.QueueReply
		cfg.OnQueue = func(q protocol.QueueReply) { told = append(told, q) }
		r := New(cfg)
		p := f.play(r)
		f.join()
		seen := m.took()
		poll := "GET /v1/match/q%2F1"
		require.Equal(t, []string{"POST /v1/match", poll, poll, poll, poll, poll}, lines(seen))
		at := func(i int) time.Duration { return seen[i].at.Round(time.Millisecond) }
		require.Equal(t, pollEvery, at(1))
		require.Equal(t, at(1)+250*time.Millisecond, at(2), "after a lost connection, with backoff")
		require.Equal(t, at(2)+400*time.Millisecond, at(3))
		require.Equal(t, at(3)+pollTimeout+640*time.Millisecond, at(4), "a silent server is asked again before it forgets")
		require.Equal(t, at(4)+pollEvery, at(5))
		require.Equal(t, []protocol.QueueReply{first, second}, told)
		require.Equal(t, "g", r.Guest())
		require.Equal(t, 2, r.Team())
		p.stop()
		require.Empty(t, m.took(), "no place is left to give up")
	})
}

func TestForgottenPlaceInTheQueueIsTakenAnew(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(queued(protocol.QueueReply{Queue: "a"}), refusing(404, protocol.ErrQueueUnknown),
			queued(protocol.QueueReply{Queue: "b"}), refusing(404, protocol.ErrQueueUnknown), queued(protocol.QueueReply{Queue: "c"}))
		cfg := f.config()
		cfg.Mode = protocol.ModeQueue
		r := New(cfg)
		p := f.play(r)
		time.Sleep(1500 * time.Millisecond)
		r.Leave()
		require.NoError(t, p.wait())
		seen := m.took()
		require.Equal(t, []string{"POST /v1/match", "GET /v1/match/a", "POST /v1/match", "GET /v1/match/b", "POST /v1/match", "GET /v1/match/c"}, lines(seen)[:6])
		require.Equal(t, 250*time.Millisecond, (seen[2].at - seen[1].at).Round(time.Millisecond))
		require.Equal(t, 400*time.Millisecond, (seen[4].at - seen[3].at).Round(time.Millisecond), "the waits grow though each place is given")
		require.Equal(t, "DELETE /v1/match/c", lines(seen)[len(seen)-1])
	})
}

func TestReplacedPlaceIsNotTakenAgain(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(queued(protocol.QueueReply{Queue: "q"}), refusing(410, protocol.ErrQueueReplaced))
		cfg := f.config()
		cfg.Mode = protocol.ModeQueue
		p := f.play(New(cfg))
		var he *protocol.HTTPError
		require.ErrorAs(t, p.wait(), &he)
		require.Equal(t, protocol.ErrQueueReplaced, he.Code)
		require.Equal(t, []string{"POST /v1/match", "GET /v1/match/q"}, lines(m.took())[:2])
	})
}

func TestCancelledContextLeavesTheQueue(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(queued(protocol.QueueReply{Queue: "q"}), hang)
		cfg := f.config()
		cfg.Mode = protocol.ModeQueue
		p := f.play(New(cfg))
		time.Sleep(time.Second)
		p.stop()
		require.NoError(t, p.err)
		require.Equal(t, []string{"POST /v1/match", "GET /v1/match/q", "DELETE /v1/match/q"}, lines(m.took()))
	})
}

func TestJoinOfARoomThatIsGoneStops(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.answer(seat(protocol.MatchReply{}), refusing(404, protocol.ErrRoomUnknown))
		cfg := f.config()
		cfg.Mode, cfg.Room = protocol.ModeJoin, "k7wq"
		p := f.play(New(cfg))
		f.join().bye(protocol.CodeGone, "", nil)
		var refused *protocol.HTTPError
		require.ErrorAs(t, p.wait(), &refused)
		require.Equal(t, protocol.ErrRoomUnknown, refused.Code)
	})
}

func TestSpectatorMatchesAgainInsteadOfResuming(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		m := f.answer(seat(protocol.MatchReply{Ticket: "watch", Spectator: true}))
		cfg := f.config()
		cfg.Spectate = true
		r := New(cfg)
		ships := Bind[ship](r, "ship")
		moves := NewInputs[move](r)
		require.False(t, r.Spectator())
		p := f.play(r)
		c := f.join()
		require.True(t, r.Spectator())
		require.ErrorIs(t, moves.Send(move{}), ErrSpectator)
		require.ErrorIs(t, moves.Stream(t.Context(), func(uint32) (move, bool) { return move{}, true }), ErrSpectator)
		failed := make(chan error, 1)
		p.wg.Go(func() {
			_, err := Call[string](t.Context(), r, "say", "hi")
			failed <- err
		})
		c.next(protocol.KindMessage)
		c.cut()
		require.ErrorIs(t, <-failed, ErrLost)
		f.join()
		require.Equal(t, "ticket=watch", f.lastQuery())
		require.Len(t, m.took(), 2)
		r.Do(func() { require.Equal(t, 1, ships.Len()) })
		p.stop()
	})
}

func TestTicketIsTakenToThePublicAddressOrToTheOneThatWasAsked(t *testing.T) {
	text, err := os.ReadFile("../testdata/urls.json")
	require.NoError(t, err)
	var cases []struct {
		Base  string
		Reply protocol.MatchReply
		Want  string
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		r := New(Config{URL: c.Base, Kind: "arena"})
		err := r.seated(&c.Reply)
		if c.Want == "" {
			require.True(t, refusal("match", err).foreign, c)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.Want, r.ticket.String())
		resume, _, _ := strings.Cut(r.resumeURL().String(), "?")
		require.True(t, strings.HasPrefix(c.Want, resume+"?"), "a resume goes to the same place")
	}
}

func TestRoomsAreListed(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		list := protocol.RoomList{Rooms: make([]protocol.RoomInfo, 0, 200), Next: "n"}
		for range cap(list.Rooms) { // more than a match reply may hold
			list.Rooms = append(list.Rooms, protocol.RoomInfo{ID: "k7wq", Kind: "arena", Players: 1, MaxPlayers: 8, Data: json.RawMessage(`{"map":"ice"}`)})
		}
		m := f.answer(reply(http.StatusOK, list), refusing(400, protocol.ErrUnknownKind))
		cfg := Config{URL: "http://fake", Dial: f.dial, Token: func(context.Context) (string, error) { return "t", nil }}
		got, err := Rooms(t.Context(), cfg, RoomsQuery{Kind: "arena", Limit: 200, After: "a b", Filter: map[string]string{"map": "ice:2"}})
		require.NoError(t, err)
		require.Equal(t, &list, got)
		_, err = Rooms(t.Context(), cfg, RoomsQuery{Kind: "chess"})
		var refused *protocol.HTTPError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, protocol.ErrUnknownKind, refused.Code)
		seen := m.took()
		require.Equal(t, []string{"GET /v1/rooms?after=a+b&kind=arena&limit=200&prop=map%3Aice%3A2", "GET /v1/rooms?kind=chess"}, lines(seen))
		require.Equal(t, "Bearer t", seen[0].token)

		_, err = Rooms(t.Context(), cfg, RoomsQuery{Filter: map[string]string{"a:b": ""}})
		require.ErrorContains(t, err, "colon")
		_, err = Rooms(t.Context(), Config{}, RoomsQuery{})
		require.ErrorContains(t, err, "URL")
	})
}
