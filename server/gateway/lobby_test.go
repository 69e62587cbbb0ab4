package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
)

// still is a game in which nothing happens, but one name is not welcome, and another is banned while it comes in.
type still struct{ users *player.Registry }

func (g still) Join(t *room.Tick, p *room.Player) error {
	switch p.Name() {
	case "Mallory":
		return room.Errorf("banned", "you know why")
	case "Late":
		return room.Againf("late", "the round has begun")
	case "Key":
		t.Lock(true)
	case "Trudy":
		g.users.Ban(p.User(), time.Now().Add(time.Hour), "spying")
		g.users.Kick(p.User(), "spying")
	}
	return nil
}
func (still) Leave(*room.Tick, *room.Player, room.Cause) {}
func (still) Step(*room.Tick, []room.Input[struct{}])    {}

// stillKind's input needs no field, and its world no table.
var stillKind = room.Kind[struct{}]{Name: "still", MaxPlayers: 2}

// beside runs f in a bubble with a gateway before a real lobby.
func beside(t *testing.T, f func(t *testing.T, e *edge)) {
	synctest.Test(t, func(t *testing.T) {
		registry := new(player.Registry)
		kind := stillKind
		kind.New = func(*room.Setup) (room.Game[struct{}], error) { return still{registry}, nil }
		l, err := lobby.New(lobby.Config{Kinds: []room.AnyKind{kind}, MaxRooms: 1, Registry: registry})
		require.NoError(t, err)
		e := newEdge(t, Config{Registry: registry})
		e.cfg.Lobby = FromLobby(l)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, l.Run(ctx)) })
		defer wg.Wait()
		defer cancel()
		defer e.pipes()()
		f(t, e)
	})
}

// matched asks for a match and returns the query of the address to connect to.
func (e *edge) matched(name string) string {
	r := httptest.NewRequest(http.MethodPost, "http://tickhall.test/v1/match", strings.NewReader(`{"kind":"still","name":"`+name+`"}`))
	status, he, _, body := e.do(r)
	require.Equal(e.t, 200, status, he.Message)
	var reply protocol.MatchReply
	require.NoError(e.t, jsonUnmarshal(body, &reply))
	_, query, _ := strings.Cut(reply.URL, "?")
	return query
}

// welcome is the WELCOME that c's first message begins with.
func (c *client) welcome() (w protocol.Welcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.all {
		if f.op != 2 {
			continue
		}
		r := wire.NewReader(f.payload)
		n := r.Array()
		require.Equal(c.t, uint32(protocol.KindWelcome), r.Uint32())
		require.NoError(c.t, w.Read(r, n))
		return w
	}
	require.FailNow(c.t, "no message came")
	return w
}

func TestRealRoomIsJoinedResumedAndLeft(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		a := e.connect(e.matched("Ada")).listen()
		time.Sleep(time.Second)
		first := a.welcome()
		require.False(t, first.Resumed)
		require.EqualValues(t, room.DefaultGrace.Seconds(), first.Grace)
		e.matched("Eve") // does not come
		r := httptest.NewRequest(http.MethodPost, "http://tickhall.test/v1/match", strings.NewReader(`{"kind":"still"}`))
		status, he, _, _ := e.do(r)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, protocol.ErrServerFull, he.Code)

		_ = a.Close() // lost
		<-a.done
		time.Sleep(time.Second)
		b := e.resume(first.Token, "").listen()
		time.Sleep(time.Second)
		second := b.welcome()
		require.True(t, second.Resumed)
		require.Equal(t, first.Player, second.Player)

		c := e.resume(second.Token, "tick=1").listen() // a second tab
		b.ended(protocol.CodeReplaced)
		require.EqualValues(t, 1, e.Stats().Closed(protocol.CodeReplaced))
		time.Sleep(time.Second)
		require.True(t, c.welcome().Resumed)

		c.write(2, protocol.AppendLeave(nil))
		c.ended(protocol.CodeNormal)
		settle()
		status, he = e.probeToken(c.welcome().Token)
		require.Equal(t, http.StatusNotFound, status)
		require.Equal(t, protocol.ErrTokenUnknown, he.Code)
		d := e.connect(e.matched("Bob")).listen() // the seat is free again
		time.Sleep(time.Second)
		require.Equal(t, uint32(2), d.welcome().Player)
		_ = d.Close()
		<-d.done
	})
}

func TestRealRoomRefuses(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		c := e.connect(e.matched("Mallory")).listen()
		reason, _ := c.ended(protocol.CodeRefused)
		require.Equal(t, "you know why", reason)
		settle()
		require.EqualValues(t, 1, e.Stats().Closed(protocol.CodeRefused))
		e.matched("Ada") // the seat was given back
	})
}

func TestRefusalForNowLetsAClientMatchAgain(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		reason, _ := e.connect(e.matched("Late")).listen().ended(protocol.CodeRefusedNow)
		require.Equal(t, "the round has begun", reason)
		settle()
		require.EqualValues(t, 1, e.Stats().Closed(protocol.CodeRefusedNow))
		require.Equal(t, protocol.AdviceMatch, protocol.CodeRefusedNow.Advice())
	})
}

func TestWhoHoldsATicketOfARoomThatWasLockedMatchesAgain(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		key, late := e.matched("Key"), e.matched("Ada")
		e.connect(key).listen()
		time.Sleep(time.Second)
		reason, _ := e.connect(late).listen().ended(protocol.CodeRefusedNow)
		require.Contains(t, reason, "locked")
	})
}

func TestTicketWorksAgainUntilSomethingWasAcknowledged(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		ticket := e.matched("Ada")
		a := e.connect(ticket).listen()
		_ = a.Close() // lost
		<-a.done
		time.Sleep(time.Second)
		b := e.connect(ticket).listen()
		time.Sleep(time.Second)
		w := b.welcome()
		require.False(t, w.Resumed)
		require.EqualValues(t, 1, w.Player)
		require.Equal(t, 1, e.cfg.Registry.Len())
		b.write(2, protocol.AppendAck(nil, w.Tick))
		time.Sleep(time.Second)
		status, he, _, _ := e.do(newGet(ticket))
		require.Equal(t, http.StatusGone, status)
		require.Equal(t, protocol.ErrTicketUsed, he.Code)
	})
}

func TestTheSameUserTakesTheSeatOfALostConnectionInAFullRoom(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		match := func(body string) (reply protocol.MatchReply, query string, code string) {
			r := httptest.NewRequest(http.MethodPost, "http://tickhall.test/v1/match", strings.NewReader(body))
			r.RemoteAddr = "192.0.2.1:9"
			_, he, _, text := e.do(r)
			_ = jsonUnmarshal(text, &reply)
			_, query, _ = strings.Cut(reply.URL, "?")
			return reply, query, he.Code
		}
		first, query, _ := match(`{"kind":"still","name":"Ada"}`)
		a := e.connect(query).listen()
		_, bob, _ := match(`{"kind":"still","name":"Bob"}`)
		e.connect(bob).listen()
		time.Sleep(time.Second)
		_ = a.Close() // lost, with the room full
		<-a.done
		time.Sleep(time.Second)
		_, _, code := match(`{"mode":"join","room":"` + first.Room + `"}`)
		require.Equal(t, protocol.ErrRoomFull, code, "for others")
		_, query, code = match(`{"mode":"join","room":"` + first.Room + `","guest":"` + first.Guest + `"}`)
		require.Empty(t, code)
		b := e.connect(query).listen()
		time.Sleep(time.Second)
		require.EqualValues(t, 1, b.welcome().Player)
		require.Equal(t, 2, e.cfg.Registry.Len())
	})
}

func TestLastWordsAreTold(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		a := e.connect(e.matched("Ada")).listen()
		time.Sleep(time.Second)
		w := a.welcome()
		_ = a.Close() // lost
		<-a.done
		settle()
		require.Equal(t, 1, e.cfg.Registry.Kick(w.User, "cheating"))
		time.Sleep(time.Second)
		status, he := e.probeToken(w.Token)
		require.Equal(t, http.StatusUpgradeRequired, status, he.Message)
		for range 2 { // the first answer may be lost
			reason, _ := e.resume(w.Token, "tick=1").listen().ended(protocol.CodeKicked)
			require.Equal(t, "cheating", reason)
		}
		time.Sleep(time.Hour)
		status, he = e.probeToken(w.Token)
		require.Equal(t, http.StatusNotFound, status)
		require.Equal(t, protocol.ErrTokenUnknown, he.Code)
	})
}

func TestLastWordsOutliveTheRoom(t *testing.T) {
	within(t, Config{}, func(t *testing.T, e *edge) {
		e.lobby.words = map[string]room.Words{
			"r0.gone":   {Code: protocol.CodeRoomEnded, Reason: "over", Result: []byte{0xa3, 'w', 'o', 'n'}},
			"r1.secret": {Code: protocol.CodeKicked, Reason: "just now"},
		}
		reason, result := e.resume("r0.gone", "").listen().ended(protocol.CodeRoomEnded)
		require.Equal(t, "over", reason)
		require.Equal(t, []byte{0xa3, 'w', 'o', 'n'}, result)
		// The seat ends between the check before the upgrade and the resume.
		e.room.set(func(r *fakeRoom) { r.late = room.ErrToken })
		reason, _ = e.resume("r1.secret", "").listen().ended(protocol.CodeKicked)
		require.Equal(t, "just now", reason)
		require.Zero(t, e.room.losses())
	})
}

func TestRealRoomLetsGoOfALostPlayer(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		c := e.connect(e.matched("Ada")).listen()
		time.Sleep(time.Second)
		token := c.welcome().Token
		_ = c.Close()
		<-c.done
		time.Sleep(room.DefaultGrace + time.Second)
		status, he := e.probeToken(token)
		require.Equal(t, http.StatusNotFound, status)
		require.Equal(t, protocol.ErrTokenUnknown, he.Code)
	})
}

func TestBanHoldsWhileSomebodyComesIn(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		c := e.connect(e.matched("Trudy")).listen()
		time.Sleep(time.Second)
		require.Zero(t, e.cfg.Registry.Len())
		reason, _ := c.ended(protocol.CodeKicked)
		require.Contains(t, reason, "spying")
		settle()
		e.matched("Ada") // the seat was given back
	})
}

func TestBanHoldsForWhoComesBack(t *testing.T) {
	beside(t, func(t *testing.T, e *edge) {
		a := e.connect(e.matched("Ada")).listen()
		time.Sleep(time.Second)
		w := a.welcome()
		_ = a.Close() // lost
		<-a.done
		e.cfg.Registry.Ban(w.User, time.Now().Add(time.Minute), "cheating")
		b := e.resume(w.Token, "").listen()
		time.Sleep(time.Second)
		require.Zero(t, e.cfg.Registry.Len())
		reason, _ := b.ended(protocol.CodeKicked)
		require.Contains(t, reason, "cheating")
	})
}
