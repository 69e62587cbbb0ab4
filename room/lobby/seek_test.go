package lobby

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// table is a game that takes options and lists them.
type table struct {
	trial
	options struct {
		Map   string `json:"map"`
		Level int    `json:"level"`
		Hard  bool   `json:"hard"`
	}
}

func (g *table) Join(t *room.Tick, _ *room.Player) error {
	t.SetListing(g.options)
	return nil
}

func tableKind(seats, spectators int) room.Kind[press] {
	return room.Kind[press]{Name: "table", MaxPlayers: seats, Spectators: spectators, New: func(s *room.Setup) (room.Game[press], error) {
		g := new(table)
		if err := s.Options(&g.options); err != nil {
			return nil, err
		}
		if g.options.Map == "moon" {
			return nil, room.Errorf("unknown_map", "there is no map %q", g.options.Map)
		}
		return g, nil
	}}
}

func sit(t *testing.T) func(*Seat, error) *Seat {
	return func(s *Seat, err error) *Seat {
		t.Helper()
		require.NoError(t, err)
		return s
	}
}

func TestCapacityIsExactWhenAllJoinAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seats, players = 1000, 1500
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("hall", seats)}})
		first := sit(t)(l.Create("hall", CreateOptions{}))
		id := first.Room().ID()
		first.Release()
		var wg sync.WaitGroup
		var seated, full atomic.Int64
		for i := range players {
			wg.Go(func() {
				s, err := l.Join(JoinOptions{Room: id})
				if err != nil {
					require.ErrorIs(t, err, ErrRoomFull)
					full.Add(1)
					return
				}
				s, ok := l.Take(s.ID())
				require.True(t, ok)
				_, err = s.Room().Join(context.Background(), room.Join{
					Who: room.Identity{User: fmt.Sprint("u", i), Name: "Ada"}, Conn: new(conn), Released: s.Release,
				})
				require.NoError(t, err)
				seated.Add(1)
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		require.EqualValues(t, seats, seated.Load())
		require.EqualValues(t, players-seats, full.Load())
		require.Equal(t, seats, l.List()[0].Players)
		require.Equal(t, seats, l.cfg.Registry.Len())
	})
}

func TestManyQuickMatchesOpenAsFewRoomsAsHoldThem(t *testing.T) {
	for name, o := range map[string]QuickOptions{
		"of any kind": {},
		// Nobody has joined at first, so that no room says what map it has.
		"of one map": {Options: json.RawMessage(`{"map":"ice"}`), Filter: Filter{"map": "ice"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const players, seats = 200, 10
				k := tableKind(seats, 0)
				table := k.New
				k.New = func(s *room.Setup) (room.Game[press], error) {
					yield()
					return table(s)
				}
				l, _ := run(t, Config{Kinds: []room.AnyKind{k}})
				var wg sync.WaitGroup
				for range players {
					wg.Go(func() {
						s, err := l.Quick("table", o)
						require.NoError(t, err)
						s, _ = l.Take(s.ID())
						_, err = s.Room().Join(context.Background(), room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: new(conn), Released: s.Release})
						require.NoError(t, err)
					})
				}
				wg.Wait()
				time.Sleep(time.Second)
				list := l.List()
				require.Len(t, list, players/seats)
				for _, info := range list {
					require.Equal(t, seats, info.Players)
				}
			})
		})
	}
}

func TestQuickKeepsToItsFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}})
		ice := sit(t)(l.Create("table", CreateOptions{Options: json.RawMessage(`{"map":"ice","level":3,"hard":true}`)}))
		join(t, ice)
		time.Sleep(time.Second)
		for _, f := range []Filter{nil, {}, {"map": "ice"}, {"map": "ice", "level": 3.0}, {"hard": true}, {"level": Text("3")}, {"hard": Text("true")}} {
			s := sit(t)(l.Quick("table", QuickOptions{Filter: f}))
			require.Same(t, ice.Room(), s.Room(), "%v", f)
			s.Release()
		}
		for _, f := range []Filter{{"map": "fire"}, {"level": "3"}, {"level": 4.0}, {"hard": false}, {"other": "x"}, {"map": "ice", "other": true}} {
			s := sit(t)(l.Quick("table", QuickOptions{Filter: f}))
			require.NotSame(t, ice.Room(), s.Room(), "%v", f)
			s.Release()
		}
		_, err := l.Quick("table", QuickOptions{Filter: Filter{"map": []any{"ice"}}})
		refused := new(room.Error)
		require.ErrorAs(t, err, &refused)
		require.Contains(t, refused.Message, `"map" must be a string`)
	})
}

func TestGameRefusesOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats := new(Stats)
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}, Stats: stats, MaxPlayers: 1})
		refused := new(room.Error)
		_, err := l.Create("table", CreateOptions{Options: json.RawMessage(`{"map":"moon"}`)})
		require.ErrorAs(t, err, &refused)
		require.Equal(t, room.Error{Code: "unknown_map", Message: `there is no map "moon"`}, *refused)
		_, err = l.Quick("table", QuickOptions{Options: json.RawMessage(`{"mop":"moon"}`)})
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "bad_options", refused.Code)
		require.Zero(t, stats.Broken.Load(), "that is the player's fault, not the game's")
		_, err = l.Quick("table", QuickOptions{})
		require.NoError(t, err, "rooms that were refused take no place")
	})
}

func TestPrivateRoomIsFoundByItsCodeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 4)}})
		secret := sit(t)(l.Create("table", CreateOptions{Private: true}))
		list, err := l.Rooms(Query{})
		require.NoError(t, err)
		require.Empty(t, list.Rooms)
		require.NotSame(t, secret.Room(), sit(t)(l.Quick("table", QuickOptions{})).Room())
		watched := sit(t)(l.Spectate(SpectateOptions{Kind: "table"}))
		require.NotSame(t, secret.Room(), watched.Room())
		id := secret.Room().ID()
		typed := " " + id[:4] + "-" + id[4:] + " "
		require.Same(t, secret.Room(), sit(t)(l.Join(JoinOptions{Room: typed})).Room())
		require.Len(t, l.List(), 2, "who runs the server sees it")
	})
}

func TestPasswordOpensTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 4)}})
		s := sit(t)(l.Create("table", CreateOptions{Password: "swordfish"}))
		id := s.Room().ID()
		require.NotContains(t, fmt.Sprintf("%+v", *s.entry.password), "swordfish")
		other := sit(t)(l.Create("table", CreateOptions{Password: "swordfish"}))
		require.NotEqual(t, s.entry.password.key, other.entry.password.key, "salted")
		for _, wrong := range []string{"", "Swordfish", "swordfish "} {
			_, err := l.Join(JoinOptions{Room: id, Password: wrong})
			require.ErrorIs(t, err, ErrPassword)
			_, err = l.Spectate(SpectateOptions{Room: id, Password: wrong})
			require.ErrorIs(t, err, ErrPassword)
		}
		sit(t)(l.Join(JoinOptions{Room: id, Password: "swordfish"}))
		sit(t)(l.Spectate(SpectateOptions{Room: id, Password: "swordfish"}))
		require.NotSame(t, s.Room(), sit(t)(l.Quick("table", QuickOptions{})).Room(), "quick knows no password")
		list, err := l.Rooms(Query{})
		require.NoError(t, err)
		require.Len(t, list.Rooms, 3)
		for _, r := range list.Rooms {
			require.Equal(t, r.ID == id || r.ID == other.Room().ID(), r.Password)
		}
	})
}

func TestGuessersWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}})
		s := sit(t)(l.Create("table", CreateOptions{Password: "swordfish"}))
		for range maxHashing {
			l.hashing <- struct{}{}
		}
		begun := time.Now()
		_, err := l.Join(JoinOptions{Room: s.Room().ID(), Password: "guess"})
		require.ErrorIs(t, err, ErrBusy)
		require.Equal(t, hashPatience, time.Since(begun))
		for range maxHashing {
			<-l.hashing
		}
		_, err = l.Join(JoinOptions{Room: s.Room().ID(), Password: "guess"})
		require.ErrorIs(t, err, ErrPassword, "there is a turn again")
		require.Empty(t, l.hashing)
	})
}

func TestRoomMayEndWhileItsPasswordIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}})
		s := sit(t)(l.Create("table", CreateOptions{Password: "swordfish"}))
		id := s.Room().ID()
		for range maxHashing {
			l.hashing <- struct{}{}
		}
		joined := make(chan error)
		go func() {
			_, err := l.Join(JoinOptions{Room: id, Password: "swordfish"})
			joined <- err
		}()
		synctest.Wait()
		require.True(t, l.Close(id, protocol.CodeRoomEnded, "enough"))
		time.Sleep(time.Second)
		for range maxHashing {
			<-l.hashing
		}
		require.ErrorIs(t, <-joined, ErrRoomUnknown)
		require.Zero(t, l.players)
	})
}

func TestLockedRoomTakesSpectatorsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 4)}})
		s := sit(t)(l.Quick("table", QuickOptions{}))
		id := s.Room().ID()
		require.True(t, l.Lock(id, true))
		require.True(t, l.List()[0].Locked)
		_, err := l.Join(JoinOptions{Room: id})
		require.ErrorIs(t, err, ErrRoomLocked)
		sit(t)(l.Spectate(SpectateOptions{Room: id}))
		join(t, s) // who held a seat has it
		require.NotSame(t, s.Room(), sit(t)(l.Quick("table", QuickOptions{})).Room())
		require.True(t, l.Lock(id, false))
		sit(t)(l.Join(JoinOptions{Room: id}))
		require.False(t, l.Lock("nowhere", true))
	})
}

func TestCloseTellsThePlayersAndTakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}})
		s := sit(t)(l.Quick("table", QuickOptions{}))
		c := join(t, s)
		require.True(t, l.Close(s.Room().ID(), protocol.CodeRoomEnded, "enough"))
		_, err := l.Join(JoinOptions{Room: s.Room().ID()})
		require.ErrorIs(t, err, ErrRoomUnknown)
		require.NotSame(t, s.Room(), sit(t)(l.Quick("table", QuickOptions{})).Room())
		time.Sleep(time.Second)
		require.Equal(t, protocol.CodeRoomEnded, c.closed())
		require.False(t, l.Close(s.Room().ID(), protocol.CodeRoomEnded, "enough"))
	})
}

func TestSpectatorsTakeNoSeatAndAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watchers, places = 50, 10
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(1, places), new(trial).kind("closed", 1)}})
		s := sit(t)(l.Quick("table", QuickOptions{}))
		join(t, s)
		var wg sync.WaitGroup
		var in atomic.Int64
		got := make([]*Seat, watchers)
		for i := range watchers {
			wg.Go(func() {
				o := SpectateOptions{Room: s.Room().ID()}
				if i%2 == 0 {
					o = SpectateOptions{Kind: "table"}
				}
				w, err := l.Spectate(o)
				if err != nil {
					return
				}
				require.True(t, w.Spectate())
				got[i], _ = l.Take(w.ID())
				_, err = w.Room().Join(context.Background(), room.Join{
					Who: room.Identity{User: "w", Name: "Bob"}, Conn: new(conn), Spectate: true, Released: got[i].Release,
				})
				require.NoError(t, err)
				in.Add(1)
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		require.EqualValues(t, places, in.Load())
		info := l.List()[0]
		require.Equal(t, 1, info.Players)
		require.Equal(t, places, info.Spectators)
		_, err := l.Spectate(SpectateOptions{Room: s.Room().ID()})
		require.ErrorIs(t, err, ErrRoomFull)
		_, err = l.Spectate(SpectateOptions{Kind: "table"})
		require.ErrorIs(t, err, ErrRoomUnknown)
		_, err = l.Spectate(SpectateOptions{Kind: "closed"})
		require.ErrorIs(t, err, ErrNotWatched)
		_, err = l.Spectate(SpectateOptions{Room: sit(t)(l.Quick("closed", QuickOptions{})).Room().ID()})
		require.ErrorIs(t, err, ErrNotWatched)
	})
}

func TestServerIsFullOfPlayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(10, 10)}, MaxPlayers: 3})
		a := sit(t)(l.Quick("table", QuickOptions{}))
		b := sit(t)(l.Spectate(SpectateOptions{Kind: "table"}))
		_, err := l.Reserve("table", make([]Member, 2))
		require.ErrorIs(t, err, ErrFull)
		c := sit(t)(l.Create("table", CreateOptions{}))
		id := a.Room().ID()
		for name, seek := range map[string]func() (*Seat, error){
			"quick":        func() (*Seat, error) { return l.Quick("table", QuickOptions{}) },
			"create":       func() (*Seat, error) { return l.Create("table", CreateOptions{}) },
			"join":         func() (*Seat, error) { return l.Join(JoinOptions{Room: id}) },
			"watch":        func() (*Seat, error) { return l.Spectate(SpectateOptions{Room: id}) },
			"watch one":    func() (*Seat, error) { return l.Spectate(SpectateOptions{Kind: "table"}) },
			"see the list": func() (*Seat, error) { return l.Quick(ListingName, QuickOptions{}) },
		} {
			_, err := seek()
			require.ErrorIs(t, err, ErrFull, name)
		}
		for _, s := range []*Seat{a, b, c} {
			s.Release()
			sit(t)(l.Quick("table", QuickOptions{})).Release()
		}
		require.Zero(t, l.players)
	})
}

func TestReserveHoldsAllSeatsOfAMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}})
		seats, err := l.Reserve("table", make([]Member, 3))
		require.NoError(t, err)
		require.Len(t, seats, 3)
		require.NotSame(t, seats[0].Room(), sit(t)(l.Quick("table", QuickOptions{})).Room(), "no stranger gets in")
		_, err = l.Join(JoinOptions{Room: seats[0].Room().ID()})
		require.ErrorIs(t, err, ErrRoomLocked)
		for _, s := range seats {
			require.True(t, l.Held(s.ID()))
		}
		_, err = l.Reserve("table", make([]Member, 5))
		require.ErrorContains(t, err, "4 seats")
		time.Sleep(DefaultSeatFor + time.Second)
		require.False(t, l.Held(seats[0].ID()))
	})
}

func TestNobodyGetsInWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 4)}})
		id := sit(t)(l.Quick("table", QuickOptions{})).Room().ID()
		l.Drain()
		for name, seek := range map[string]func() (*Seat, error){
			"quick":     func() (*Seat, error) { return l.Quick("table", QuickOptions{}) },
			"create":    func() (*Seat, error) { return l.Create("table", CreateOptions{}) },
			"join":      func() (*Seat, error) { return l.Join(JoinOptions{Room: id}) },
			"watch":     func() (*Seat, error) { return l.Spectate(SpectateOptions{Room: id}) },
			"watch one": func() (*Seat, error) { return l.Spectate(SpectateOptions{Kind: "table"}) },
		} {
			_, err := seek()
			require.ErrorIs(t, err, ErrDraining, name)
		}
	})
}

// caller is a game that sends events elsewhere when somebody joins.
type caller struct{ trial }

func (*caller) Join(t *room.Tick, p *room.Player) error {
	t.SendUser("u", "hello", p.Name())
	t.SendRoom(p.Name(), "hello", p.Name())
	return nil
}

func TestEventsReachUsersAndRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := room.Kind[press]{Name: "caller", New: func(*room.Setup) (room.Game[press], error) { return new(caller), nil }}
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind, new(trial).kind("solo", 1)}})
		target := sit(t)(l.Quick("solo", QuickOptions{}))
		c := join(t, target) // as user u
		s := sit(t)(l.Quick("caller", QuickOptions{}))
		_, err := s.Room().Join(t.Context(), room.Join{
			Who: room.Identity{User: "v", Name: target.Room().ID()}, Conn: new(conn), Released: s.Release,
		})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, 2, c.events("hello"), "to the user, and to the room")
		require.Equal(t, 1, l.cfg.Registry.Send("v", must(player.NewEvent("x", nil))))
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestIDsAreUnderstoodAsTheyAreTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"k7m2x9qwp0": "k7m2x9qwp0", "K7M2X9QWP0": "k7m2x9qwp0", "k7m2-x9qw-p0": "k7m2x9qwp0", " k7m2 x9qw_po ": "k7m2x9qwp0",
		"OoIiLl": "001111", "": "", "é": "é",
	} {
		require.Equal(t, want, CleanID(typed))
	}
	require.Empty(t, CleanID(string(make([]byte, 100))))
}

func BenchmarkPassword(b *testing.B) {
	l, err := New(Config{Kinds: []room.AnyKind{tableKind(1, 0)}})
	require.NoError(b, err)
	for b.Loop() {
		_, err := l.newPassword("swordfish")
		require.NoError(b, err)
	}
}
