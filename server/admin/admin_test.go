package admin

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

func TestMessageReachesThoseItIsFor(t *testing.T) {
	for _, c := range []struct {
		to      string
		reached int
		who     [4]bool // ada in room 0, bob in 0, ada in 1, cy in 1
	}{
		{`{"all": true}`, 4, [4]bool{true, true, true, true}},
		{`{"room": "ROOM1"}`, 2, [4]bool{false, false, true, true}},
		{`{"user": "ada"}`, 2, [4]bool{true, false, true, false}},
		{`{"user": "nobody"}`, 0, [4]bool{}},
	} {
		t.Run(c.to, func(t *testing.T) {
			h := newHall(t, 2)
			all := [4]*far{h.seat(0, "ada"), h.seat(0, "bob"), h.seat(1, "ada"), h.seat(1, "cy")}
			h.tick()
			status, body := h.ask("POST", "/v1/admin/message", `{"name": "notice", "body": {"n": 7}, "to": `+c.to+`}`)
			require.Equal(t, 200, status, body)
			require.JSONEq(t, fmt.Sprintf(`{"reached": %d}`, c.reached), body)
			h.tick()
			for i, f := range all {
				require.Equal(t, c.who[i], len(f.got()) == 1, "%d: %v", i, f.got())
				if c.who[i] {
					require.Equal(t, "notice 81a16e07", f.got()[0])
				}
			}
		})
	}
}

func TestKickAndBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, 2)
		here, there, bob := h.seat(0, "ada/x"), h.seat(1, "ada/x"), h.seat(1, "bob")
		status, body := h.ask("POST", "/v1/admin/kick", `{"user": "ada/x", "reason": "idle", "room": "room0"}`)
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"kicked": 1}`, body)
		h.tick()
		require.Equal(t, protocol.Closef(protocol.CodeKicked, "idle"), here.why())
		require.Nil(t, there.why())

		status, body = h.ask("POST", "/v1/admin/ban", `{"user": "ada/x", "for": "10m"}`)
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"until": "2000-01-01T00:10:00Z", "kicked": 1}`, body)
		h.tick()
		require.Equal(t, protocol.Closef(protocol.CodeKicked, "banned until 2000-01-01 00:10 UTC: an operator banned you"), there.why())
		require.Nil(t, bob.why())
		_, reason, banned := h.registry.Banned(time.Now(), "ada/x")
		require.True(t, banned)
		require.Equal(t, "an operator banned you", reason)
		_, body = h.ask("GET", "/v1/admin/bans", "")
		require.JSONEq(t, `{"bans": [{"user": "ada/x", "until": "2000-01-01T00:10:00Z", "reason": "an operator banned you"}]}`, body)

		status, body = h.ask("DELETE", "/v1/admin/ban/ada%2Fx", "")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"user": "ada/x"}`, body)
		_, _, banned = h.registry.Banned(time.Now(), "ada/x")
		require.False(t, banned)
		status, body = h.ask("DELETE", "/v1/admin/ban/ada%2Fx", "")
		require.Equal(t, 404, status)
		require.Contains(t, body, "not banned")
		_, body = h.ask("GET", "/v1/admin/bans", "")
		require.JSONEq(t, `{"bans": []}`, body)
	})
}

func TestKickReachesWhoIsAwayAndWhoWatches(t *testing.T) {
	h := newHall(t, 2)
	away, watching := h.seat(0, "ada"), new(far)
	_, err := h.rooms[0].Lost(away.session, away)
	require.NoError(t, err)
	watching.session, err = h.rooms[1].Join(room.Join{Who: room.Identity{User: "ada", Name: "Ada"}, Conn: watching, Spectate: true})
	require.NoError(t, err)
	h.tick()
	require.Equal(t, 2, h.registry.Len())
	status, body := h.ask("POST", "/v1/admin/kick", `{"user": "ada", "reason": "idle"}`)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"kicked": 2}`, body)
	h.tick()
	require.Equal(t, protocol.Closef(protocol.CodeKicked, "idle"), watching.why())
	require.Zero(t, h.registry.Len(), "nobody comes back")
	require.Zero(t, h.rooms[0].Room().Info().Players)
}

func TestRoomsAndPlayersAreListed(t *testing.T) {
	h := newHall(t, 2)
	ada := h.seat(0, "ada")
	h.seat(1, "ada")
	h.seat(1, "bob")
	_, err := h.rooms[0].Lost(ada.session, ada)
	require.NoError(t, err)
	h.tick()
	status, body := h.ask("GET", "/v1/admin/players", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"players": [
		{"user": "ada", "name": "Ada", "room": "room0", "kind": "quiet", "number": 1, "away": true},
		{"user": "ada", "name": "Ada", "room": "room1", "kind": "quiet", "number": 1},
		{"user": "bob", "name": "Ada", "room": "room1", "kind": "quiet", "number": 2}]}`, body)
	_, body = h.ask("GET", "/v1/admin/players?user=ada&room=ROOM1", "")
	require.JSONEq(t, `{"players": [{"user": "ada", "name": "Ada", "room": "room1", "kind": "quiet", "number": 1}]}`, body)
	_, body = h.ask("GET", "/v1/admin/players?user=nobody", "")
	require.JSONEq(t, `{"players": []}`, body)

	status, body = h.ask("GET", "/v1/admin/rooms/ROOM1", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"room": {"id": "room1", "kind": "quiet", "players": 2, "max_players": 2000}, "players": [
		{"user": "ada", "name": "Ada", "room": "room1", "kind": "quiet", "number": 1},
		{"user": "bob", "name": "Ada", "room": "room1", "kind": "quiet", "number": 2}]}`, body)

	status, body = h.ask("GET", "/v1/admin/rooms?kind=quiet", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"rooms": [
		{"id": "room0", "kind": "quiet", "players": 1, "max_players": 2000},
		{"id": "room1", "kind": "quiet", "players": 2, "max_players": 2000}]}`, body)
	_, body = h.ask("GET", "/v1/admin/rooms?kind=other", "")
	require.JSONEq(t, `{"rooms": []}`, body)
}

func TestRoomIsLockedAndClosed(t *testing.T) {
	h := newHall(t, 1)
	c := h.seat(0, "ada")
	status, body := h.ask("POST", "/v1/admin/rooms/ROOM0/lock", `{"locked": true}`)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"room": "room0", "locked": true}`, body)
	require.True(t, h.locked["room0"])
	status, body = h.ask("POST", "/v1/admin/rooms/room0/close", `{"reason": " repairs "}`)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"room": "room0"}`, body)
	h.tick()
	require.Equal(t, protocol.Closef(protocol.CodeRoomEnded, "repairs"), c.why())
}

func TestRequestAtFaultIsToldWhatToChange(t *testing.T) {
	h := newHall(t, 1)
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "message", ``, 400, `the body is empty: send JSON such as {\"name\"`},
		{"POST", "message", `{`, 400, "ends too early"},
		{"POST", "message", `[]`, 400, "must be a JSON object, not an array"},
		{"POST", "message", `null`, 400, "must be a JSON object, not null"},
		{"POST", "message", `{} {}`, 400, "something follows"},
		{"POST", "message", "{\"name\": \"\xff\"}", 400, "not valid UTF-8"},
		{"POST", "message", `{"name": 7}`, 400, `field \"name\" must be a string, not a number`},
		{"POST", "message", `{"name": "a", "to": 7}`, 400, `field \"to\" must be an object, not a number`},
		{"POST", "message", `{"name": "a", "to": {"all": "yes"}}`, 400, `field \"to.all\" must be true or false, not a string`},
		{"POST", "message", `{"nmae": "a"}`, 400, `unknown field \"nmae\": there are \"name\", \"body\", \"to\"`},
		{"POST", "message", `{"name": "a"}`, 400, `field \"to\" must be one of`},
		{"POST", "message", `{"name": "a", "to": {"all": true, "user": "x"}}`, 400, `field \"to\" must be one of`},
		{"POST", "message", `{"to": {"all": true}}`, 400, "event name"},
		{"POST", "message", `{"name": "` + long + `", "to": {"all": true}}`, 400, "event name"},
		{"POST", "message", `{"name": "a", "body": "` + strings.Repeat("x", 5000) + `", "to": {"all": true}}`, 400, "at most 4096"},
		{"POST", "message", `{"name": "a", "body": ` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `, "to": {"all": true}}`, 400, "nested too deeply"},
		{"POST", "message", `{"name": "a", "body": 1e999, "to": {"all": true}}`, 400, "too large"},
		{"POST", "message", `{"name": "a", "to": {"room": "none"}}`, 404, "there is no room"},
		{"POST", "message", strings.Repeat(" ", maxBody+1), 400, "larger than 16384 bytes"},
		{"POST", "kick", `{"reason": "x"}`, 400, `field \"user\" is missing`},
		{"POST", "kick", `{"user": "` + long + `"}`, 400, "no user id has more than 255"},
		{"POST", "kick", `{"user": "a", "reason": "` + long + `"}`, 400, "shorten it to 200"},
		{"POST", "kick", `{"user": "a", "reason": "a\nb"}`, 400, "control character"},
		{"POST", "kick", `{"user": "a", "room": "none"}`, 404, "there is no room"},
		{"POST", "ban", `{"user": "a"}`, 400, `such as \"10m\"`},
		{"POST", "ban", `{"user": "a", "for": 10}`, 400, `must be a string`},
		{"POST", "ban", `{"user": "a", "for": "-1s"}`, 400, `such as \"10m\"`},
		{"POST", "ban", `{"user": "a", "for": "99999999h"}`, 400, `ten years`},
		{"DELETE", "ban/nobody", ``, 404, "not banned"},
		{"POST", "rooms/none/close", `{}`, 404, "there is no room"},
		{"POST", "rooms/room0/close", ``, 400, "the body is empty"},
		{"POST", "rooms/none/lock", `{"locked": true}`, 404, "there is no room"},
		{"POST", "rooms/room0/lock", `{}`, 400, `field \"locked\" is missing`},
		{"POST", "rooms/room0/lock", `{"locked": 1}`, 400, `must be true or false, not a number`},
		{"GET", "rooms?kin=x", ``, 400, `parameter \"kin\" is unknown`},
		{"GET", "rooms?kind=x&kind=y", ``, 400, "there twice"},
		{"GET", "players?room=none", ``, 404, "there is no room"},
		{"GET", "rooms/none", ``, 404, "there is no room"},
		{"POST", "rooms/room0", `{}`, 405, "use GET"},
		{"GET", "bans?user=x", ``, 400, `parameter \"user\" is unknown`},
		{"POST", "bans", `{}`, 405, "use GET"},
		{"POST", "message", `{"name": "a", "to": {"everybody": true}}`, 400, `unknown field \"to.everybody\": there are \"all\", \"room\", \"user\"`},
		{"POST", "kick", `{"user": "a", "user": "b"}`, 400, `\"user\" is there twice`},
		{"GET", "players?user=%zz", ``, 400, "malformed"},
		{"GET", "message", ``, 405, "use POST"},
		{"POST", "players", `{}`, 405, "use GET"},
		{"GET", "nothing", ``, 404, "POST /v1/admin/message"},
	} {
		t.Run(c.method+" "+c.path+" "+c.body[:min(len(c.body), 40)], func(t *testing.T) {
			status, body := h.ask(c.method, Prefix+c.path, c.body)
			require.Equal(t, c.status, status, body)
			require.Contains(t, body, c.says)
		})
	}
}

func TestWithoutTheTokenNothingIsTold(t *testing.T) {
	h := newHall(t, 1)
	for name, headers := range map[string][]string{
		"no header":         nil,
		"empty":             {""},
		"the token alone":   {testToken},
		"another scheme":    {"Basic " + testToken},
		"another token":     {"Bearer " + testToken + "x"},
		"part of the token": {"Bearer " + testToken[:10]},
		"two":               {"Bearer " + testToken, "Bearer " + testToken},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/admin/nothing", nil)
			r.RemoteAddr = "127.0.0.1:1"
			r.Header["Authorization"] = headers
			h.failures = failures{}
			status, body := h.serve(r)
			require.Equal(t, 401, status)
			require.Contains(t, body, "--admin-token")
			require.NotContains(t, body, "nothing")
		})
	}
}

func TestAddressThatGuessesHasToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, 1)
		get := func(addr, token string) int {
			r := httptest.NewRequest("GET", "/v1/admin/rooms", nil)
			r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 1).String()
			r.Header.Set("Authorization", "Bearer "+token)
			status, _ := h.serve(r)
			return status
		}
		for range failuresBurst {
			require.Equal(t, 401, get("192.0.2.1", "guess"))
		}
		require.Equal(t, 429, get("192.0.2.1", "guess"))
		require.Equal(t, 200, get("192.0.2.1", testToken), "who shares the address is not shut out")
		require.Equal(t, 200, get("192.0.2.2", testToken))
		require.Equal(t, 401, get("192.0.2.2", "guess"), "another address does not wait")
		time.Sleep(5 * time.Second)
		require.Equal(t, 401, get("192.0.2.1", "guess"))
		require.Equal(t, 429, get("192.0.2.1", "guess"))
		require.EqualValues(t, failuresBurst+4, h.cfg.Stats.Denied.Load())
		require.EqualValues(t, 2, h.cfg.Stats.Throttle.Load())

		for i := range 3 * maxFailing { // one house's network counts as one address
			get(fmt.Sprintf("2001:db8:%x::1", i), "guess")
			get(fmt.Sprintf("2001:db8:%x::2", i), "guess")
		}
		require.LessOrEqual(t, len(h.failures.places), maxFailing)
	})
}

func TestTokens(t *testing.T) {
	for token, says := range map[string]string{
		"": "has 0 bytes", "short": "at least 16", "has a space in it, alas": "visible ASCII", "ümlautsümlautsümlauts": "visible ASCII",
	} {
		_, err := New(Config{Token: token})
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "Registry")
		if token != "" {
			require.NotContains(t, err.Error(), token)
		}
	}
}

func TestLogNamesTheTargetOfWhatWasDone(t *testing.T) {
	h := newHall(t, 1)
	log := new(bytes.Buffer)
	h.cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	h.seat(0, "ada")
	h.tick()
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "rooms", "", ""},
		{"POST", "message", `{"name": "notice", "body": "hush", "to": {"user": "ada"}}`, `msg="admin: message" user=ada name=notice reached=1 addr=`},
		{"POST", "message", `{"name": "notice", "to": {"room": "ROOM0"}}`, `msg="admin: message" room=room0 name=notice reached=`},
		{"POST", "message", `{"name": "notice", "to": {"all": true}}`, `msg="admin: message" to=all name=notice reached=1 addr=`},
		{"POST", "rooms/ROOM0/lock", `{"locked": true}`, `msg="admin: lock room" room=room0 kind=quiet addr=`},
		{"POST", "rooms/ROOM0/lock", `{"locked": false}`, `msg="admin: unlock room" room=room0 kind=quiet addr=`},
		{"POST", "kick", `{"user": "bob", "room": "ROOM0", "reason": "idle"}`, `msg="admin: kick" user=bob room=room0 reason=idle kicked=0 addr=`},
		{"POST", "kick", `{"user": "ada"}`, `msg="admin: kick" user=ada reason="an operator removed you" kicked=1 addr=`},
		{"POST", "ban", `{"user": "eve", "for": "10m", "reason": "cheating"}`, `msg="admin: ban" user=eve for=10m until=`},
		{"DELETE", "ban/eve", "", `msg="admin: unban" user=eve addr=`},
		{"POST", "rooms/ROOM0/close", `{"reason": "repairs"}`, `msg="admin: close room" room=room0 kind=quiet reason=repairs addr=`},
		{"POST", "kick", `{}`, ""},
	} {
		log.Reset()
		h.ask(c.method, Prefix+c.path, c.body)
		require.NotContains(t, log.String(), "hush", "what is said is not the log's business")
		if c.want == "" {
			require.Empty(t, log.String())
			continue
		}
		require.Contains(t, log.String(), c.want)
		require.Equal(t, 1, strings.Count(log.String(), "\n"))
	}
}

func TestFailureIsNotToldInDetail(t *testing.T) {
	h := newHall(t, 0)
	w := httptest.NewRecorder()
	h.answer(w, httptest.NewRequest("GET", "/v1/admin/rooms", nil), nil, errors.New("secret"))
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
}
