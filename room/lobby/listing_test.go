package lobby

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

func TestRoomsAreListedPageByPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("solo", 1), tableKind(4, 0)}})
		for range 120 {
			sit(t)(l.Create("solo", CreateOptions{}))
		}
		join(t, sit(t)(l.Create("table", CreateOptions{Options: json.RawMessage(`{"map":"ice","level":3}`)})))
		sit(t)(l.Create("table", CreateOptions{}))
		time.Sleep(time.Second)

		var ids []string
		for after := ""; ; {
			list, err := l.Rooms(Query{After: after})
			require.NoError(t, err)
			require.LessOrEqual(t, len(list.Rooms), DefaultPage)
			for _, r := range list.Rooms {
				ids = append(ids, r.ID)
			}
			if after = list.Next; after == "" {
				break
			}
		}
		require.Len(t, ids, 122)
		require.IsIncreasing(t, ids)

		count := func(q Query) int {
			list, err := l.Rooms(q)
			require.NoError(t, err)
			return len(list.Rooms)
		}
		require.Equal(t, 120, count(Query{Kind: "solo", Limit: 200}))
		require.Equal(t, 2, count(Query{Kind: "table"}))
		require.Equal(t, 1, count(Query{Filter: Filter{"level": Text("3")}}))
		require.Zero(t, count(Query{Filter: Filter{"map": Text("fire")}}))
		require.Zero(t, count(Query{Kind: ListingName}))
		_, err := l.Rooms(Query{Kind: "chess"})
		require.ErrorIs(t, err, ErrUnknownKind)

		list, err := l.Rooms(Query{Filter: Filter{"map": Text("ice")}})
		require.NoError(t, err)
		r := list.Rooms[0]
		require.JSONEq(t, `{"map":"ice","level":3,"hard":false}`, string(r.Data))
		r.ID, r.Data = "", nil
		require.Equal(t, protocol.RoomInfo{Kind: "table", Players: 1, MaxPlayers: 4}, r)
	})
}

// ledger is what a watcher knows by what it was told.
type ledger struct {
	mu    sync.Mutex
	rooms map[string]protocol.RoomInfo
	calls []time.Time
}

func (v *ledger) note(c Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, time.Now())
	if c.Whole {
		v.rooms = map[string]protocol.RoomInfo{}
	}
	for _, id := range c.Gone {
		delete(v.rooms, id)
	}
	for _, r := range c.Rooms {
		v.rooms[r.ID] = r
	}
}

func (v *ledger) known() map[string]protocol.RoomInfo {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.rooms)
}

func (v *ledger) times() []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.calls)
}

func TestWatchersKnowTheRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := tableKind(4, 4)
		kind.EmptyFor = 2 * time.Second
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}})
		early, late := new(ledger), new(ledger)
		defer l.Watch(early.note)()
		agree := func() {
			t.Helper()
			list, err := l.Rooms(Query{Limit: MaxPage})
			require.NoError(t, err)
			want := map[string]protocol.RoomInfo{}
			for _, r := range list.Rooms {
				want[r.ID] = r
			}
			for _, v := range []*ledger{early, late} {
				if len(v.times()) > 0 {
					require.Equal(t, want, v.known())
				}
			}
		}
		var seats []*Seat
		for i := range 10 {
			seats = append(seats, sit(t)(l.Create("table", CreateOptions{Private: i == 5})))
		}
		time.Sleep(time.Second)
		agree()
		require.Len(t, early.known(), 9)
		stop := l.Watch(late.note)
		for i, s := range seats {
			join(t, s)
			if i%3 == 0 {
				sit(t)(l.Spectate(SpectateOptions{Room: s.Room().ID()}))
				l.Lock(s.Room().ID(), true)
			}
		}
		time.Sleep(time.Second)
		agree()
		for _, s := range seats[:4] {
			l.Close(s.Room().ID(), protocol.CodeRoomEnded, "enough")
		}
		time.Sleep(time.Second)
		agree()
		require.Len(t, late.known(), 5)
		stop()
		calls := len(late.times())
		time.Sleep(5 * time.Millisecond) // so that no change falls on the moment at which watchers are told
		for i := range 400 {
			l.Lock(seats[9].Room().ID(), i%2 == 0)
			time.Sleep(10 * time.Millisecond)
		}
		require.Len(t, late.times(), calls, "no longer told")
		recent := 0
		for _, at := range early.times() {
			if time.Since(at) <= 4*time.Second {
				recent++
			}
		}
		require.LessOrEqual(t, recent, 4*4+1)
		require.Greater(t, recent, 4)
	})
}

// listingRoom is a room of ListingKind whose game is told of changes by send.
func listingRoom(t *testing.T) (ada *roomtest.Player, send func(Change)) {
	var next change
	kind := ListingKind()
	listed := kind.New
	kind.New = func(s *room.Setup) (room.Game[struct{}], error) {
		g, err := listed(s)
		room.Handle(s, "next", func(t *room.Tick, _ *room.Player, _ int) (bool, error) {
			g.(*listing).change(t, next)
			return true, nil
		})
		return g, err
	}
	g := roomtest.New(t, kind)
	ada = g.Join("Ada")
	return ada, func(c Change) {
		t.Helper()
		for _, next = range signalsOf(c) {
			require.LessOrEqual(t, len(next.Rooms), signalRooms)
			require.NoError(t, ada.Call("next", 0, nil))
		}
		g.Tick(1)
	}
}

func TestLobbyRoomShowsTheList(t *testing.T) {
	ada, send := listingRoom(t)
	seen := func() map[string]Listing {
		got := map[string]Listing{}
		for _, r := range roomtest.Table[Listing](ada, "room").All() {
			got[r.Room] = r
		}
		return got
	}
	info := func(i, players int) protocol.RoomInfo {
		return protocol.RoomInfo{ID: fmt.Sprint("r", i), Kind: "table", Players: players, MaxPlayers: 4}
	}
	first := Change{Whole: true}
	for i := range 600 { // more than travel in one signal
		first.Rooms = append(first.Rooms, info(i, 1))
	}
	send(first)
	require.Len(t, seen(), 600)
	full := protocol.RoomInfo{
		ID: "r7", Kind: "table", Players: 4, MaxPlayers: 4, Spectators: 2, Locked: true, Password: true, Data: json.RawMessage(`{"map":"ice"}`),
	}
	send(Change{Rooms: []protocol.RoomInfo{full, info(600, 2)}, Gone: []string{"r3", "never heard of"}})
	got := seen()
	require.Len(t, got, 600)
	require.NotContains(t, got, "r3")
	require.Equal(t, Listing{
		Room: "r7", Kind: "table", Players: 4, MaxPlayers: 4, Spectators: 2, Locked: true, Password: true, Data: `{"map":"ice"}`,
	}, got["r7"])
	full.Data = json.RawMessage(`"` + strings.Repeat("x", 1024) + `"`)
	send(Change{Rooms: []protocol.RoomInfo{full}})
	require.Empty(t, seen()["r7"].Data, "no half of a JSON text")
	send(Change{Whole: true, Rooms: []protocol.RoomInfo{info(9, 0)}})
	require.Len(t, seen(), 1)
	send(Change{Whole: true})
	require.Empty(t, seen())
}

func TestLobbyRoomShowsSoMany(t *testing.T) {
	ada, send := listingRoom(t)
	c := Change{Whole: true}
	for i := range MaxShown + 10 {
		c.Rooms = append(c.Rooms, protocol.RoomInfo{ID: fmt.Sprint("room", i), Kind: "table", Data: json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)})
	}
	send(c)
	shown := roomtest.Table[Listing](ada, "room")
	for i := 0; i < 200 && shown.Len() < MaxShown; i++ { // it comes in parts, a tick each
		send(Change{})
	}
	require.Equal(t, MaxShown, shown.Len())

	// As rooms vanish, shown and other ones, the others move up, as they are by now.
	last := c.Rooms[MaxShown+9]
	last.Players = 3
	send(Change{Rooms: []protocol.RoomInfo{last}, Gone: []string{"room0", "room1", fmt.Sprint("room", MaxShown)}})
	require.Equal(t, MaxShown, shown.Len())
	gone := Change{}
	for i := 2; i < 100; i++ {
		gone.Gone = append(gone.Gone, fmt.Sprint("room", i))
	}
	send(gone)
	require.Equal(t, MaxShown+10-101, shown.Len(), "all that there are")
	rooms := map[string]int{}
	for _, r := range shown.All() {
		rooms[r.Room] = r.Players
	}
	require.Len(t, rooms, shown.Len(), "none twice")
	require.Equal(t, 3, rooms[last.ID])
	require.NotContains(t, rooms, fmt.Sprint("room", MaxShown))
}

func TestListingRoomIsJoinedByQuickMatchAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("solo", 1)}})
		_, err := l.Create(ListingName, CreateOptions{})
		require.ErrorIs(t, err, ErrListing)
		_, err = l.Quick(ListingName, QuickOptions{Filter: Filter{"map": "ice"}})
		require.ErrorIs(t, err, ErrListing)
		a, b := sit(t)(l.Quick(ListingName, QuickOptions{})), sit(t)(l.Quick(ListingName, QuickOptions{}))
		require.Same(t, a.Room(), b.Room())
		list, err := l.Rooms(Query{})
		require.NoError(t, err)
		require.Empty(t, list.Rooms, "it does not list itself")
		require.Len(t, l.List(), 1)
		require.Len(t, l.Kinds(), 1)
	})
	_, err := New(Config{Kinds: []room.AnyKind{new(trial).kind(ListingName, 1)}})
	require.ErrorContains(t, err, "rename it")
}
