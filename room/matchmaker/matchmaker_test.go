package matchmaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
)

// still is a game in which nothing happens.
type still struct{}

func (still) Join(*room.Tick, *room.Player) error        { return nil }
func (still) Leave(*room.Tick, *room.Player, room.Cause) {}
func (still) Step(*room.Tick, []room.Input[struct{}])    {}

func kindOf(name string, q *room.QueueRules, err error) room.Kind[struct{}] {
	return room.Kind[struct{}]{Name: name, MaxPlayers: 20, Queue: q, New: func(*room.Setup) (room.Game[struct{}], error) {
		return still{}, err
	}}
}

// hall is a matchmaker before a real lobby, in a bubble.
type hall struct {
	*Matchmaker
	t        *testing.T
	lobby    *lobby.Lobby
	stats    *Stats
	registry *player.Registry
	stop     func()
	next     int
}

func newHall(t *testing.T, cfg lobby.Config, change func(*Config)) *hall {
	h := &hall{t: t, stats: new(Stats), registry: new(player.Registry)}
	cfg.Registry, cfg.Log = h.registry, slog.New(slog.DiscardHandler)
	if cfg.Kinds == nil {
		cfg.Kinds = []room.AnyKind{
			kindOf("duel", &room.QueueRules{ClientSkill: true}, nil), kindOf("teams", &room.QueueRules{TeamSize: 2, ClientSkill: true}, nil),
			kindOf("plain", nil, nil), kindOf("broken", &room.QueueRules{}, errors.New("no ships left")),
		}
	}
	var err error
	h.lobby, err = lobby.New(cfg)
	require.NoError(t, err)
	mine := Config{Rooms: h.lobby, Registry: h.registry, Stats: h.stats, Log: cfg.Log}
	if change != nil {
		change(&mine)
	}
	h.Matchmaker, err = New(mine)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.lobby.Run(ctx) })
	wg.Go(func() { require.ErrorIs(t, h.Run(ctx), context.Canceled) })
	h.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(h.stop)
	return h
}

// request is one of a new user.
func (h *hall) request(kind string, change func(*Request)) Request {
	h.next++
	r := Request{Kind: kind, Who: room.Identity{User: fmt.Sprint("user", h.next)}, Addr: netip.MustParseAddr("127.0.0.1")}
	if change != nil {
		change(&r)
	}
	user := r.Who.User
	r.Reply = func(_ time.Time, seat *lobby.Seat, team int) protocol.MatchReply {
		return protocol.MatchReply{Room: seat.Room().ID(), Ticket: "ticket " + seat.ID(), Player: user, Team: team}
	}
	return r
}

func (h *hall) enter(kind string, change func(*Request)) string {
	h.t.Helper()
	q, err := h.Enter(context.Background(), time.Now(), h.request(kind, change))
	require.NoError(h.t, err)
	return q.Queue
}

func (h *hall) progress(id string) protocol.QueueReply {
	h.t.Helper()
	p, result, err := h.Poll(h.t.Context(), id, 0)
	require.NoError(h.t, err)
	require.Nil(h.t, result)
	return p
}

func (h *hall) matched(id string) *protocol.MatchReply {
	h.t.Helper()
	_, result, err := h.Poll(h.t.Context(), id, 0)
	require.NoError(h.t, err)
	require.NotNil(h.t, result)
	return result
}

func (h *hall) gone(id string) {
	h.t.Helper()
	_, _, err := h.Poll(h.t.Context(), id, 0)
	require.ErrorIs(h.t, err, ErrUnknown)
}

// inHall runs f in a bubble.
func inHall(t *testing.T, cfg lobby.Config, change func(*Config), f func(t *testing.T, h *hall)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, cfg, change)
		defer h.stop()
		f(t, h)
	})
}

func TestTwoAlikeAreMatchedSoon(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		a := h.enter("duel", nil)
		begun := time.Now()
		var first *protocol.MatchReply
		var wg sync.WaitGroup
		wg.Go(func() {
			var err error
			_, first, err = h.Poll(t.Context(), a, MaxWait)
			require.NoError(t, err)
		})
		time.Sleep(5 * time.Second)
		b := h.enter("duel", nil)
		wg.Wait()
		require.LessOrEqual(t, time.Since(begun), 5*time.Second+gatherFor)
		synctest.Wait() // members of a match are told one after the other
		second := h.matched(b)
		require.Equal(t, first.Room, second.Room)
		require.ElementsMatch(t, []int{1, 2}, []int{first.Team, second.Team})
		require.NotEqual(t, first.Ticket, second.Ticket)
		require.Equal(t, first, h.matched(a), "an answer that was lost can be had again")
		require.True(t, h.lobby.Held(strings.TrimPrefix(first.Ticket, "ticket ")))
		require.Zero(t, h.stats.Waiting.Load())
		require.EqualValues(t, 2, h.stats.Matched.Load())
		time.Sleep(VanishAfter + 2*time.Second)
		h.gone(a)
		require.Zero(t, h.stats.Vanished.Load())
	})
}

func TestProgressIsTold(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		party := func(r *Request) { r.Party, r.PartySize = "friends", 2 }
		a := h.enter("teams", party)
		time.Sleep(3 * time.Second)
		p := h.progress(a)
		require.Equal(t, protocol.QueueReply{Queue: a, Waited: 3, Waiting: 1, Window: 100, Missing: 1}, p)
		begun := time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			h.enter("teams", party)
		}()
		p, result, err := h.Poll(t.Context(), a, MaxWait)
		require.NoError(t, err)
		require.Nil(t, result)
		require.Equal(t, 2*time.Second, time.Since(begun), "a friend who comes is news")
		require.Equal(t, protocol.QueueReply{Queue: a, Waited: 5, Waiting: 2, Window: 100}, p)
		begun = time.Now()
		p, _, err = h.Poll(t.Context(), a, MaxWait)
		require.NoError(t, err)
		require.Equal(t, MaxWait, time.Since(begun))
		require.Equal(t, 500.0, p.Window)
	})
}

func TestWhoVanishesLeavesTheQueue(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		silent := h.enter("duel", func(r *Request) { r.Skill = 5000 })
		polling := h.enter("duel", nil)
		for range 5 {
			_, _, err := h.Poll(t.Context(), polling, MaxWait)
			require.NoError(t, err)
		}
		h.gone(silent)
		require.EqualValues(t, 1, h.stats.Vanished.Load())
		require.EqualValues(t, 1, h.stats.Waiting.Load())
		time.Sleep(VanishAfter - time.Second)
		h.progress(polling)
		time.Sleep(VanishAfter + time.Second)
		h.gone(polling)
		require.Zero(t, h.stats.Waiting.Load())
	})
}

func TestNobodyIsMatchedWithWhoMayHaveGone(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		silent := h.enter("duel", nil)
		time.Sleep(AttendedFor)
		cut := h.enter("duel", nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, _, err := h.Poll(ctx, cut, MaxWait)
			ended <- err
		}()
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)

		here := h.enter("duel", nil)
		time.Sleep(2 * time.Second)
		require.Equal(t, 3, h.progress(here).Waiting, "their places are kept")
		h.progress(cut) // back on another connection
		time.Sleep(2 * time.Second)
		require.Equal(t, h.matched(here).Room, h.matched(cut).Room)

		h.enter("duel", nil)
		h.progress(silent)
		time.Sleep(2 * time.Second)
		h.matched(silent)
	})
}

func TestWhoIsBannedLeavesTheQueue(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		banned := h.enter("duel", func(r *Request) { r.Who.User = "ada" })
		ended := make(chan error)
		go func() {
			_, _, err := h.Poll(context.Background(), banned, MaxWait)
			ended <- err
		}()
		time.Sleep(2 * time.Second)
		h.registry.Ban("ada", time.Now().Add(time.Minute), "cheating")
		other := h.enter("duel", nil)
		require.ErrorIs(t, <-ended, ErrUnknown, "who polls is told at once")
		require.Equal(t, 1, h.progress(other).Waiting)
		require.EqualValues(t, 1, h.stats.Cancelled.Load())
	})
}

func TestCancelLeavesTheQueue(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		a := h.enter("duel", nil)
		ended := make(chan error)
		go func() {
			_, _, err := h.Poll(context.Background(), a, MaxWait)
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, h.Cancel(a))
		require.ErrorIs(t, <-ended, ErrUnknown, "who polls is told at once")
		require.ErrorIs(t, h.Cancel(a), ErrUnknown)
		b := h.enter("duel", nil)
		time.Sleep(5 * time.Second)
		h.progress(b)

		h.enter("duel", nil)
		time.Sleep(time.Second)
		seat := strings.TrimPrefix(h.matched(b).Ticket, "ticket ")
		require.NoError(t, h.Cancel(b))
		require.False(t, h.lobby.Held(seat), "the seat is given up, too")
		require.EqualValues(t, 2, h.stats.Cancelled.Load())
	})
}

func TestUserHasOnePlaceInAQueue(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User = "ada" }
		first := h.enter("duel", ada)
		told := make(chan error)
		go func() {
			_, _, err := h.Poll(context.Background(), first, MaxWait)
			told <- err
		}()
		synctest.Wait()
		begun := time.Now()
		second := h.enter("duel", ada)
		require.ErrorIs(t, <-told, ErrReplaced)
		require.Zero(t, time.Since(begun), "who polls is told at once")
		for range 4 { // for as long as the second waits, so that the first, when it wakes up, does not replace that in turn
			_, _, err := h.Poll(context.Background(), second, MaxWait)
			require.NoError(t, err)
			_, _, err = h.Poll(context.Background(), first, 0)
			require.ErrorIs(t, err, ErrReplaced)
		}
		require.ErrorIs(t, h.Cancel(first), ErrReplaced)
		require.Equal(t, 1, h.progress(second).Waiting, "nobody is matched with oneself")
		require.NoError(t, h.Cancel(second))
		time.Sleep(VanishAfter)
		h.gone(first)
		require.Empty(t, h.places)
	})
}

func TestReplacedPlacesAreBounded(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		var ids []string
		for range 100 {
			ids = append(ids, h.enter("duel", func(r *Request) { r.Who.User = "ada" }))
		}
		require.Len(t, h.places, maxReplaced+1)
		h.gone(ids[0])
		_, _, err := h.Poll(context.Background(), ids[98], 0)
		require.ErrorIs(t, err, ErrReplaced)
		require.EqualValues(t, 1, h.stats.Waiting.Load())
		require.EqualValues(t, 99, h.stats.Cancelled.Load())
	})
}

func TestNewPlaceGoesOnWithTheWaitingOfTheOld(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Request)
		window float64
	}{
		{"the same again", func(*Request) {}, 100 + 20*20},
		{"of another skill", func(r *Request) { r.Skill = 4000 }, 100},
		{"with other properties", func(r *Request) { r.Properties = map[string]string{"region": "eu"} }, 100},
		{"with a friend", func(r *Request) { r.Party, r.PartySize = "us", 2 }, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
				ada := func(r *Request) { r.Who.User = "ada" }
				h.enter("teams", ada)
				time.Sleep(10 * time.Second)
				h.enter("teams", ada)
				time.Sleep(10 * time.Second)
				require.Equal(t, c.window, h.progress(h.enter("teams", func(r *Request) { ada(r); c.change(r) })).Window)
			})
		})
	}
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User = "ada" }
		h.enter("duel", ada)
		for range 2 * maxInherited / (20 * time.Second) {
			time.Sleep(20 * time.Second)
			h.enter("duel", ada)
		}
		require.Equal(t, maxInherited.Seconds(), h.progress(h.enter("duel", ada)).Waited, "there is an end to it")
		require.NoError(t, h.Cancel(h.enter("duel", ada)))
		require.Zero(t, h.progress(h.enter("duel", ada)).Waited, "who left begins anew")
	})
}

func TestMatchIsHandedOverToTheNewPlace(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User = "ada" }
		first, other := h.enter("duel", ada), h.enter("duel", nil)
		time.Sleep(time.Second)
		was := h.matched(first)
		second := h.enter("duel", ada) // the page was loaded again before it had connected
		is := h.matched(second)
		require.Equal(t, was, is, "the same seat: it is taken once")
		require.Equal(t, h.matched(other).Room, is.Room)
		_, _, err := h.Poll(context.Background(), first, 0)
		require.ErrorIs(t, err, ErrReplaced)

		seat, ok := h.lobby.Take(strings.TrimPrefix(is.Ticket, "ticket "))
		require.True(t, ok)
		third := h.enter("duel", ada)
		time.Sleep(time.Second)
		h.progress(third)
		seat.Release()
		require.NoError(t, h.Cancel(third))
		h.enter("duel", nil) // in the place of ada
		time.Sleep(time.Second)

		// What is asked for now is something else: the seat is given up.
		bob := func(r *Request) { r.Who.User = "bob" }
		fourth := h.enter("duel", bob)
		h.enter("duel", nil)
		time.Sleep(time.Second)
		held := strings.TrimPrefix(h.matched(fourth).Ticket, "ticket ")
		require.True(t, h.lobby.Held(held))
		fifth := h.enter("duel", func(r *Request) { bob(r); r.Skill = 4000 })
		require.False(t, h.lobby.Held(held))
		h.progress(fifth)
	})
}

func TestPlaceIsReplacedWhileItsRoomIsMade(t *testing.T) {
	m := new(meddler)
	inHall(t, lobby.Config{}, func(c *Config) {
		m.Lobby = c.Rooms.(*lobby.Lobby)
		c.Rooms = m
	}, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User = "ada" }
		first, other := h.enter("duel", ada), h.enter("duel", nil)
		var second string
		again := func() { second = h.enter("duel", ada) }
		m.during.Store(&again)
		time.Sleep(2 * time.Second)
		_, _, err := h.Poll(context.Background(), first, 0)
		require.ErrorIs(t, err, ErrReplaced)
		require.Equal(t, h.matched(other).Room, h.matched(second).Room, "the other one is not left alone")
		require.Zero(t, h.stats.Waiting.Load())
	})
}

func TestSkillIsTheServersToSay(t *testing.T) {
	fails := map[string]error{"odd": errors.New("the database is down"), "novice": room.Errorf("unranked", "play ten games first")}
	ranked := kindOf("ranked", &room.QueueRules{Skill: func(ctx context.Context, who room.Identity) (float64, error) {
		switch who.User {
		case "nan":
			return math.NaN(), nil
		case "panic":
			panic("oops")
		case "slow":
			<-ctx.Done()
			return 0, ctx.Err()
		}
		if err := fails[who.User]; err != nil {
			return 0, err
		}
		return room.SkillClaim("rating", 1000)(ctx, who)
	}}, nil)
	inHall(t, lobby.Config{Kinds: []room.AnyKind{ranked, kindOf("fun", &room.QueueRules{}, nil)}}, nil, func(t *testing.T, h *hall) {
		rated := func(user, claims string) func(r *Request) {
			return func(r *Request) { r.Who = room.Identity{User: user, Claims: []byte(claims)} }
		}
		a, b := h.enter("ranked", rated("a", `{"rating": 2000}`)), h.enter("ranked", rated("b", ``))
		time.Sleep(3 * time.Second)
		h.progress(a)
		h.progress(b)
		c, d := h.enter("ranked", rated("c", `{"rating": 2050}`)), h.enter("ranked", rated("d", `{"level": 3}`))
		time.Sleep(time.Second)
		require.Equal(t, h.matched(a).Room, h.matched(c).Room)
		require.Equal(t, h.matched(b).Room, h.matched(d).Room, "guests have the default")

		for _, kind := range []string{"ranked", "fun"} {
			_, err := h.Enter(t.Context(), time.Now(), h.request(kind, func(r *Request) { r.Skill = 1200 }))
			require.ErrorContains(t, err, `"skill" is not for kind`)
		}
		for user, says := range map[string]string{
			"odd": "database", "nan": "NaN", "panic": "oops", "slow": "deadline",
		} {
			_, err := h.Enter(t.Context(), time.Now(), h.request("ranked", rated(user, ``)))
			require.ErrorIs(t, err, ErrSkill, user)
			require.ErrorContains(t, err, says)
		}
		_, err := h.Enter(t.Context(), time.Now(), h.request("ranked", rated("e", `{"rating": "high"}`)))
		require.ErrorContains(t, err, `claim "rating" of user "e" must be a number`)
		_, err = h.Enter(t.Context(), time.Now(), h.request("ranked", rated("novice", ``)))
		require.Equal(t, "unranked", err.(*room.Error).Code)
	})
}

func TestFullServerLetsPlayersWaitOn(t *testing.T) {
	inHall(t, lobby.Config{MaxRooms: 1}, nil, func(t *testing.T, h *hall) {
		s, err := h.lobby.Create("plain", lobby.CreateOptions{})
		require.NoError(t, err)
		a, b := h.enter("duel", nil), h.enter("duel", nil)
		time.Sleep(5 * time.Second)
		h.progress(a)
		h.progress(b)
		require.GreaterOrEqual(t, h.stats.Starved.Load(), int64(4))
		h.lobby.Close(s.Room().ID(), protocol.CodeRoomEnded, "enough")
		time.Sleep(3 * time.Second)
		require.Equal(t, h.matched(a).Room, h.matched(b).Room)
	})
}

func TestGameThatCannotBeMadeIsCounted(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		a := h.enter("broken", nil)
		h.enter("broken", nil)
		time.Sleep(3 * time.Second)
		h.progress(a)
		require.Positive(t, h.stats.Failed.Load())
		require.Zero(t, h.stats.Starved.Load())
	})
}

func TestGameThatHangsHoldsUpItsOwnQueueAlone(t *testing.T) {
	release := make(chan struct{})
	hanging := room.Kind[struct{}]{Name: "hanging", Queue: &room.QueueRules{}, New: func(*room.Setup) (room.Game[struct{}], error) {
		<-release
		return still{}, nil
	}}
	inHall(t, lobby.Config{Kinds: []room.AnyKind{hanging, kindOf("duel", &room.QueueRules{}, nil)}}, nil, func(t *testing.T, h *hall) {
		release = make(chan struct{}) // of the bubble
		a := h.enter("hanging", nil)
		h.enter("hanging", nil)
		time.Sleep(time.Second)
		c, d := h.enter("duel", nil), h.enter("duel", nil)
		time.Sleep(time.Second)
		require.Equal(t, h.matched(c).Room, h.matched(d).Room)
		h.progress(a)
		time.Sleep(15 * time.Second)
		require.Positive(t, h.stats.Failed.Load())
		close(release)
		time.Sleep(time.Second)
	})
}

func TestPlacesInQueuesAreLimited(t *testing.T) {
	kinds := []room.AnyKind{
		kindOf("a", &room.QueueRules{Teams: 9}, nil), kindOf("b", &room.QueueRules{Teams: 9}, nil), kindOf("c", &room.QueueRules{Teams: 9}, nil),
	}
	inHall(t, lobby.Config{Kinds: kinds}, func(c *Config) { c.Places = quota.Limits{User: 2, Address: 3} }, func(t *testing.T, h *hall) {
		of := func(user, addr string) func(r *Request) {
			return func(r *Request) { r.Who.User, r.Addr = user, netip.MustParseAddr(addr) }
		}
		refused := func(kind, user, addr, says string) {
			_, err := h.Enter(t.Context(), time.Now(), h.request(kind, of(user, addr)))
			require.ErrorContains(t, err, says)
			require.ErrorAs(t, err, new(*quota.Error))
		}
		first := h.enter("a", of("ada", "192.0.2.1"))
		h.enter("b", of("ada", "192.0.2.1"))
		refused("c", "ada", "198.51.100.1", "you have 2 places in queues")
		h.enter("b", of("ada", "192.0.2.1")) // replaces one
		h.enter("a", of("bob", "192.0.2.1"))
		refused("a", "eve", "192.0.2.1", "at your address have 3 places")
		h.enter("a", of("eve", "127.0.0.1"))
		require.NoError(t, h.Cancel(first))
		h.enter("a", of("dan", "192.0.2.1"))
		time.Sleep(VanishAfter + time.Second)
		h.enter("a", of("ada", "192.0.2.1"))
		h.enter("b", of("ada", "192.0.2.1"))
		h.enter("b", of("bob", "192.0.2.1"))
	})
	duel := []room.AnyKind{kindOf("duel", &room.QueueRules{}, nil)}
	inHall(t, lobby.Config{Kinds: duel, Places: quota.Limits{User: 1}}, nil, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User, r.Addr = "ada", netip.MustParseAddr("192.0.2.1") }
		first := h.enter("duel", ada)
		h.enter("duel", nil)
		time.Sleep(time.Second)
		seat, ok := h.lobby.Take(strings.TrimPrefix(h.matched(first).Ticket, "ticket "))
		require.True(t, ok)
		_, err := h.Enter(t.Context(), time.Now(), h.request("duel", ada))
		require.ErrorContains(t, err, "you have 1 seats", "the seat of a match counts")
		seat.Release()
		h.enter("duel", ada)
	})
}

func TestStopEndsEveryPoll(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		a := h.enter("duel", nil)
		ended := make(chan error)
		go func() {
			_, _, err := h.Poll(context.Background(), a, MaxWait)
			ended <- err
		}()
		synctest.Wait()
		h.stop()
		require.ErrorIs(t, <-ended, ErrStopped)
		_, err := h.Enter(context.Background(), time.Now(), h.request("duel", nil))
		require.ErrorIs(t, err, ErrStopped)
		require.ErrorIs(t, h.Cancel("x"), ErrStopped)
	})
}

func TestPollEndsWithItsContext(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		a := h.enter("duel", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := h.Poll(ctx, a, MaxWait)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestEnterSaysWhatToChange(t *testing.T) {
	inHall(t, lobby.Config{}, func(c *Config) { c.MaxWaiting = 3 }, func(t *testing.T, h *hall) {
		friend := func(r *Request) { r.Party, r.PartySize = "friends", 2 }
		h.enter("teams", friend)
		many := map[string]string{}
		for i := range MaxProperties + 1 {
			many[fmt.Sprint(i)] = "x"
		}
		for _, c := range []struct {
			name, kind string
			change     func(*Request)
			says       string
		}{
			{"a kind that is not there", "chess", nil, `unknown kind of room "chess"`},
			{"a kind without a queue", "plain", nil, `"quick"`},
			{"skill that is no number", "duel", func(r *Request) { r.Skill = math.NaN() }, `"skill"`},
			{"skill beyond measure", "duel", func(r *Request) { r.Skill = -2e9 }, `"skill"`},
			{"too many properties", "duel", func(r *Request) { r.Properties = many }, `"properties" has 9`},
			{"a nameless property", "duel", func(r *Request) { r.Properties = map[string]string{"": "x"} }, `"properties"`},
			{"a long property", "duel", func(r *Request) { r.Properties = map[string]string{"x": strings.Repeat("x", 65)} }, `"properties"`},
			{"a property in no text", "duel", func(r *Request) { r.Properties = map[string]string{"x": "\xff"} }, `"properties"`},
			{"a size without a party", "teams", func(r *Request) { r.PartySize = 2 }, `"party_size" needs "party"`},
			{"a party without a size", "teams", func(r *Request) { r.Party = "x" }, `"party_size" must be from 2 to 2`},
			{"a party that is too large", "teams", func(r *Request) { r.Party, r.PartySize = "x", 3 }, `"party_size" must be from 2 to 2`},
			{"a party where all play alone", "duel", func(r *Request) { r.Party, r.PartySize = "x", 2 }, `leave it out`},
			{"a long code", "teams", func(r *Request) { r.Party, r.PartySize = strings.Repeat("x", 65), 2 }, `"party" must be text`},
			{"friends who want something else", "teams", func(r *Request) { friend(r); r.Properties = map[string]string{"region": "eu"} }, `"properties" differs`},
		} {
			_, err := h.Enter(context.Background(), time.Now(), h.request(c.kind, c.change))
			require.ErrorContains(t, err, c.says, c.name)
		}
		h.enter("teams", friend)
		_, err := h.Enter(context.Background(), time.Now(), h.request("teams", friend))
		require.ErrorContains(t, err, "complete")
		h.enter("teams", nil)
		_, err = h.Enter(context.Background(), time.Now(), h.request("teams", nil))
		require.ErrorIs(t, err, ErrFull)
	})
	_, err := New(Config{})
	require.ErrorContains(t, err, "Rooms")
}

// ear is a player.Receiver that keeps the names of events.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (*ear) Inputs(protocol.InputHead, int, *wire.Reader) error { return nil }
func (*ear) Message(uint32, []byte, []byte) error               { return nil }
func (*ear) Limited()                                           {}
func (*ear) Leave()                                             {}
func (*ear) Kick(string)                                        {}
func (*ear) Moment(time.Time) protocol.Moment                   { return protocol.Moment{} }
func (e *ear) Announce(v *player.Event) bool {
	r := wire.NewReader(v.Append(nil, 1))
	r.Array()
	r.Uint32() // kind
	r.Uint32() // tick
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, string(r.String()))
	return true
}

func TestUsersAreToldInTheirRooms(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		e := new(ear)
		s := player.NewSession("ada", "Ada", e, player.Limits{}, new(player.Stats))
		s.Attach(struct{ player.Conn }{}, 0) // of which nothing is asked
		h.registry.Add(s)
		a := h.enter("duel", func(r *Request) { r.Who.User = "ada" })
		time.Sleep(12 * time.Second)
		h.enter("duel", nil)
		time.Sleep(time.Second)
		h.matched(a)
		e.mu.Lock()
		defer e.mu.Unlock()
		require.Equal(t, []string{"queue", "queue", "match"}, e.heard)
	})
}

// meddler is a lobby during whose making of rooms things happen.
type meddler struct {
	*lobby.Lobby
	during atomic.Pointer[func()] // once
}

func (m *meddler) Reserve(kind string, match []lobby.Member) ([]*lobby.Seat, error) {
	if f := m.during.Swap(nil); f != nil {
		(*f)()
	}
	return m.Lobby.Reserve(kind, match)
}

func TestWhoLeavesWhileTheRoomIsMadeGetsNoSeat(t *testing.T) {
	m := new(meddler)
	inHall(t, lobby.Config{}, func(c *Config) {
		m.Lobby = c.Rooms.(*lobby.Lobby)
		c.Rooms = m
	}, func(t *testing.T, h *hall) {
		// Two matches in one round. While the room of one is made, somebody of each leaves.
		ids := []string{h.enter("duel", nil), h.enter("duel", nil)}
		far := func(r *Request) { r.Skill = 5000 }
		ids = append(ids, h.enter("duel", far), h.enter("duel", far))
		leave := func() {
			require.NoError(t, h.Cancel(ids[0]))
			require.NoError(t, h.Cancel(ids[2]))
		}
		m.during.Store(&leave)
		time.Sleep(2 * time.Second)
		h.gone(ids[0])
		h.gone(ids[2])
		var matched, waiting int
		for _, id := range []string{ids[1], ids[3]} {
			_, result, err := h.Poll(t.Context(), id, 0)
			require.NoError(t, err)
			if result == nil {
				waiting++
				continue
			}
			matched++
			require.True(t, h.lobby.Held(strings.TrimPrefix(result.Ticket, "ticket ")))
			list, err := h.lobby.Rooms(lobby.Query{})
			require.NoError(t, err)
			require.Len(t, list.Rooms, 1)
			require.Equal(t, 1, list.Rooms[0].Players, "the seat of who left is free")
		}
		require.Equal(t, 1, matched, "its room was being made already")
		require.Equal(t, 1, waiting, "no room was made for who is left of the other")
		require.EqualValues(t, 1, h.stats.Matches.Load())
	})
}

// sit joins the rooms that players were matched for.
func (h *hall) sit(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		reply := h.matched(id)
		seat, ok := h.lobby.Take(strings.TrimPrefix(reply.Ticket, "ticket "))
		require.True(h.t, ok)
		_, err := seat.Room().Join(h.t.Context(), room.Join{
			Who: room.Identity{User: reply.Player, Name: "x", Team: reply.Team}, Conn: mute{}, Released: seat.Release,
		})
		require.NoError(h.t, err)
	}
}

// mute is a connection that nothing comes out of.
type mute struct{}

func (mute) Ready() bool                         { return true }
func (mute) RemoteAddr() string                  { return "192.0.2.1" }
func (mute) Send(...[]byte) error                { return nil }
func (mute) Close(protocol.Code, string, []byte) {}

func TestWhoDoesNotComeIsReplacedFromTheQueue(t *testing.T) {
	for _, how := range []string{"cancels", "stays away"} {
		t.Run(how, func(t *testing.T) {
			inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
				eu := func(r *Request) { r.Properties = map[string]string{"region": "eu"} }
				comes, other := h.enter("duel", eu), h.enter("duel", eu)
				time.Sleep(time.Second)
				h.sit(comes)
				match, team := h.matched(comes).Room, h.matched(other).Team
				if how == "cancels" {
					require.NoError(t, h.Cancel(other))
				} else {
					time.Sleep(lobby.DefaultSeatFor)
				}
				time.Sleep(time.Second)
				us := h.enter("duel", nil)
				better := h.enter("duel", func(r *Request) { eu(r); r.Skill = 3000 })
				time.Sleep(time.Second)
				h.progress(us)
				h.progress(better)
				found, next := h.enter("duel", eu), h.enter("duel", eu)
				time.Sleep(time.Second)
				if h.result(found) == nil {
					found, next = next, found
				}
				require.Equal(t, match, h.matched(found).Room)
				require.Equal(t, team, h.matched(found).Team)
				h.progress(next) // one place is one player's
				require.EqualValues(t, 1, h.stats.Backfilled.Load())
				h.sit(found)
				time.Sleep(time.Minute)
				_, err := h.lobby.Join(lobby.JoinOptions{Room: match})
				require.ErrorIs(t, err, lobby.ErrRoomLocked, "it is full, and stays locked")
			})
		})
	}
}

// result is the match of a place, nil if there is none yet.
func (h *hall) result(id string) *protocol.MatchReply {
	h.t.Helper()
	_, result, err := h.Poll(h.t.Context(), id, 0)
	require.NoError(h.t, err)
	return result
}

func TestPartyComesIntoAMatchTogether(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		var ids []string
		for range 4 {
			ids = append(ids, h.enter("teams", nil))
		}
		time.Sleep(time.Second)
		var away int
		for _, id := range ids { // one team does not come
			if h.matched(id).Team == 1 {
				h.sit(id)
			} else {
				require.NoError(t, h.Cancel(id))
				away++
			}
		}
		require.Equal(t, 2, away)
		time.Sleep(time.Second)
		friend := func(r *Request) { r.Party, r.PartySize = "us", 2 }
		a := h.enter("teams", friend)
		time.Sleep(2 * time.Second)
		h.progress(a)
		b := h.enter("teams", friend)
		time.Sleep(time.Second)
		require.Equal(t, h.matched(a).Room, h.matched(b).Room)
		require.Equal(t, []int{2, 2}, []int{h.matched(a).Team, h.matched(b).Team})
		require.EqualValues(t, 1, h.stats.Matches.Load())
	})
}

func TestWhoIsLeftIsNotAloneInALockedRoom(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		comes, other := h.enter("duel", nil), h.enter("duel", nil)
		time.Sleep(time.Second)
		h.sit(comes)
		match := h.matched(comes).Room
		require.NoError(t, h.Cancel(other))
		time.Sleep(29 * time.Second)
		_, err := h.lobby.Join(lobby.JoinOptions{Room: match})
		require.ErrorIs(t, err, lobby.ErrRoomLocked)
		time.Sleep(3 * time.Second)
		s, err := h.lobby.Quick("duel", lobby.QuickOptions{})
		require.NoError(t, err)
		require.Equal(t, match, s.Room().ID(), "quick matches find it")
	})
}

func TestFriendsAreToldOfWhoLeaves(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		friend := func(r *Request) { r.Party, r.PartySize = "friends", 2 }
		a, b := h.enter("teams", friend), h.enter("teams", friend)
		require.Zero(t, h.progress(a).Missing)
		told := make(chan protocol.QueueReply)
		go func() {
			p, _, err := h.Poll(context.Background(), a, MaxWait)
			require.NoError(t, err)
			told <- p
		}()
		time.Sleep(time.Second)
		begun := time.Now()
		require.NoError(t, h.Cancel(b))
		require.Equal(t, 1, (<-told).Missing)
		require.Zero(t, time.Since(begun), "at once")
	})
}

func TestFullQueueLetsUsersReplaceTheirPlaces(t *testing.T) {
	inHall(t, lobby.Config{}, func(c *Config) { c.MaxWaiting = 1 }, func(t *testing.T, h *hall) {
		ada := func(r *Request) { r.Who.User = "ada" }
		h.enter("duel", ada)
		_, err := h.Enter(context.Background(), time.Now(), h.request("duel", nil))
		require.ErrorIs(t, err, ErrFull)
		require.Equal(t, 1, h.progress(h.enter("duel", ada)).Waiting)
	})
}

func TestNobodyIsMatchedTwice(t *testing.T) {
	inHall(t, lobby.Config{}, nil, func(t *testing.T, h *hall) {
		const players = 400
		var mu sync.Mutex
		seats := map[string]bool{}
		rooms := map[string]int{}
		var wg sync.WaitGroup
		var cancelled atomic.Int64
		for i := range players {
			r := h.request("teams", func(r *Request) {
				r.Skill = float64(i % 7)
				if i%5 < 2 {
					r.Party, r.PartySize = fmt.Sprint("party", i/5), 2
				}
			})
			wg.Go(func() {
				time.Sleep(time.Duration(i%13) * 50 * time.Millisecond)
				q, err := h.Enter(context.Background(), time.Now(), r)
				require.NoError(t, err)
				for {
					if i%11 == 0 {
						time.Sleep(time.Duration(i%3) * 60 * time.Millisecond)
						_ = h.Cancel(q.Queue)
						cancelled.Add(1)
						return
					}
					_, result, err := h.Poll(context.Background(), q.Queue, 5*time.Second)
					require.NoError(t, err)
					if result == nil {
						if time.Since(bubbleStart) > time.Minute {
							_ = h.Cancel(q.Queue)
							return
						}
						continue
					}
					mu.Lock()
					require.False(t, seats[result.Ticket])
					seats[result.Ticket] = true
					_, ok := h.lobby.Take(strings.TrimPrefix(result.Ticket, "ticket ")) // else somebody may come in its place
					require.True(t, ok)
					rooms[result.Room]++
					mu.Unlock()
					return
				}
			})
		}
		wg.Wait()
		require.Positive(t, cancelled.Load())
		require.EqualValues(t, h.stats.Matches.Load()*4+h.stats.Backfilled.Load(), h.stats.Matched.Load())
		require.Greater(t, len(seats), players/2)
		for _, n := range rooms {
			require.LessOrEqual(t, n, 4)
		}
		require.Zero(t, h.stats.Waiting.Load())
	})
}

// bubbleStart is the time at which every synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
