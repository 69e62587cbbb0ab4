package host

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	goclient "github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
)

// listed is a row of table "room" of a room of kind lobby.
type listed struct {
	Room       string `sync:"room"`
	Kind       string `sync:"kind"`
	Players    int    `sync:"players"`
	MaxPlayers int    `sync:"max_players"`
	Spectators int    `sync:"spectators"`
	Locked     bool   `sync:"locked"`
	Password   bool   `sync:"password"`
	Data       string `sync:"data"`
}

// visit runs a client until the test ends.
func (f *fixture) visit(ctx context.Context, wg *sync.WaitGroup, cfg goclient.Config, bind func(*goclient.Room)) *goclient.Room {
	cfg.URL, cfg.Dial = "http://tickhall.test", f.client.Transport.(*http.Transport).DialContext
	r := goclient.New(cfg)
	if bind != nil {
		bind(r)
	}
	wg.Go(func() { _ = r.Run(ctx) })
	return r
}

// match posts a match request and decodes the reply into v.
func (f *fixture) match(body string, status int, v any) {
	f.t.Helper()
	res, text := f.do(http.MethodPost, "/v1/match", body)
	require.Equal(f.t, status, res.StatusCode, text)
	require.NoError(f.t, json.Unmarshal([]byte(text), v))
}

func TestListOfRoomsIsSeenLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{release: make(chan struct{})}
		kind := game.kind()
		kind.EmptyFor, kind.Spectators = 2*time.Second, 2
		f := start(t, Config{Kinds: []room.AnyKind{kind}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var rooms *goclient.Table[listed]
		visitor := f.visit(ctx, &wg, goclient.Config{Kind: lobby.ListingName, Name: "Ada"}, func(r *goclient.Room) {
			rooms = goclient.Bind[listed](r, "room")
		})
		seen := func() (all []listed) {
			time.Sleep(time.Second)
			synctest.Wait()
			visitor.Do(func() {
				for _, v := range rooms.All() {
					all = append(all, v)
				}
			})
			return all
		}
		require.Empty(t, seen())
		require.True(t, visitor.Joined())

		ctxPlay, leave := context.WithCancel(ctx)
		player := f.visit(ctxPlay, &wg, goclient.Config{Kind: "trial", Mode: protocol.ModeCreate, Password: "swordfish", Name: "Bob"}, nil)
		all := seen()
		require.Len(t, all, 1)
		id := player.Welcome().Room
		require.Equal(t, listed{Room: id, Kind: "trial", Players: 1, MaxPlayers: 2, Password: true}, all[0])

		f.visit(ctx, &wg, goclient.Config{Mode: protocol.ModeJoin, Room: id, Password: "swordfish", Name: "Eve"}, nil)
		watcher := f.visit(ctxPlay, &wg, goclient.Config{Mode: protocol.ModeJoin, Room: id, Password: "swordfish", Spectate: true, Name: "Wim"}, nil)
		all = seen()
		require.Len(t, all, 1)
		require.Equal(t, 2, all[0].Players)
		require.Equal(t, 1, all[0].Spectators)
		require.Zero(t, watcher.Welcome().Player, "a spectator has no seat")

		f.lobby.Lock(id, true)
		require.True(t, seen()[0].Locked)
		leave()
		require.Equal(t, 0, seen()[0].Spectators)
		f.lobby.Close(id, protocol.CodeRoomEnded, "enough")
		require.Empty(t, seen())
		require.Zero(t, visitor.Stats().Mismatches)

		cancel()
		wg.Wait()
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestQueueFromEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{release: make(chan struct{})}
		kind := game.kind()
		kind.Queue = &room.QueueRules{ClientSkill: true}
		f := start(t, Config{Kinds: []room.AnyKind{kind}})
		poll := func(id string) (int, string) {
			res, body := f.do(http.MethodGet, "/v1/match/"+id, "")
			return res.StatusCode, body
		}
		var a, b, c protocol.QueueReply

		// Nobody comes: the poll lasts for as long as it may, though requests have shorter time-outs elsewhere.
		f.match(`{"kind":"trial","mode":"queue","skill":1500,"name":"Ada"}`, http.StatusAccepted, &a)
		require.NotEmpty(t, a.Guest)
		begun := time.Now()
		status, body := poll(a.Queue)
		require.Equal(t, http.StatusAccepted, status, body)
		require.GreaterOrEqual(t, time.Since(begun), 20*time.Second)

		// One leaves, one vanishes.
		f.match(`{"kind":"trial","mode":"queue","skill":9000}`, http.StatusAccepted, &b)
		require.Equal(t, 2, b.Waiting)
		res, _ := f.do(http.MethodDelete, "/v1/match/"+b.Queue, "")
		require.Equal(t, http.StatusNoContent, res.StatusCode)
		status, _ = poll(b.Queue)
		require.Equal(t, http.StatusNotFound, status)
		f.match(`{"kind":"trial","mode":"queue","skill":9000}`, http.StatusAccepted, &c)
		for range 2 {
			status, _ = poll(a.Queue)
			require.Equal(t, http.StatusAccepted, status)
		}
		status, _ = poll(c.Queue)
		require.Equal(t, http.StatusNotFound, status)

		// A client comes, and both are seated in one room, on different teams.
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		bob := f.visit(ctx, &wg, goclient.Config{Kind: "trial", Mode: protocol.ModeQueue, Skill: 1510, Name: "Bob"}, nil)
		time.Sleep(50 * time.Millisecond)
		for status = http.StatusAccepted; status == http.StatusAccepted; {
			status, body = poll(a.Queue)
		}
		require.Equal(t, http.StatusOK, status, body)
		var reply protocol.MatchReply
		require.NoError(t, json.Unmarshal([]byte(body), &reply))
		require.Equal(t, a.Guest, reply.Guest)
		time.Sleep(2 * time.Second)
		require.True(t, bob.Joined())
		require.Equal(t, reply.Room, bob.Welcome().Room)
		require.Equal(t, 3, bob.Team()+reply.Team)
		res, body = f.do(http.MethodGet, "/v1/connect?ticket="+reply.Ticket, "")
		require.Equal(t, http.StatusUpgradeRequired, res.StatusCode, body)

		// A server that stops lets nobody wait.
		f.match(`{"kind":"trial","mode":"queue"}`, http.StatusAccepted, &c)
		ended := make(chan int, 1)
		wg.Go(func() {
			status, _ := poll(c.Queue)
			ended <- status
		})
		synctest.Wait()
		f.stop()
		require.Equal(t, http.StatusServiceUnavailable, <-ended)
		cancel()
		wg.Wait()
		require.NoError(t, <-f.ended)
	})
}

func TestUserIsToldOfTheMatchInTheLobby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{release: make(chan struct{})}
		kind := game.kind()
		kind.Queue = &room.QueueRules{ClientSkill: true}
		f := start(t, Config{Kinds: []room.AnyKind{kind}})
		var seat protocol.MatchReply
		f.match(`{"kind":"lobby","name":"Ada"}`, http.StatusOK, &seat)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		var progress, matched []map[string]any
		f.visit(ctx, &wg, goclient.Config{Kind: lobby.ListingName, Guest: seat.Guest, Name: "Ada"}, func(r *goclient.Room) {
			note := func(to *[]map[string]any) func(map[string]any) {
				return func(v map[string]any) {
					mu.Lock()
					defer mu.Unlock()
					*to = append(*to, v)
				}
			}
			goclient.On(r, "queue", note(&progress))
			goclient.On(r, "match", note(&matched))
		})
		time.Sleep(time.Second)
		var a, b protocol.QueueReply
		f.match(`{"kind":"trial","mode":"queue","guest":"`+seat.Guest+`"}`, http.StatusAccepted, &a)
		time.Sleep(12 * time.Second)
		f.match(`{"kind":"trial","mode":"queue"}`, http.StatusAccepted, &b)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mu.Lock()
		require.Len(t, progress, 2)
		require.Equal(t, a.Queue, progress[0]["queue"])
		require.Len(t, matched, 1)
		require.Equal(t, a.Queue, matched[0]["queue"])
		require.Equal(t, seat.Player, matched[0]["player"])
		require.NotEmpty(t, matched[0]["url"])
		mu.Unlock()
		cancel()
		wg.Wait()
		f.stop()
		require.NoError(t, <-f.ended)
	})
}
