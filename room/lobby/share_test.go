package lobby

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// from is somebody at an address.
func from(user, addr string) quota.Holder {
	return quota.Holder{User: user, Addr: netip.MustParseAddr(addr)}
}

// lines is a log that can be read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

func TestGameWhoseNewHangsHurtsItsOwnKindForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hangs := true
		game := &trial{new: func() error {
			if hangs {
				<-release
			}
			return nil
		}}
		log, stats := new(lines), new(Stats)
		l, _ := run(t, Config{
			Kinds: []room.AnyKind{game.kind("bad", 4), new(trial).kind("good", 4)}, MaxRooms: 8, QuickRooms: -1,
			Stats: stats, Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				_, err := l.Quick("bad", QuickOptions{})
				require.ErrorIs(t, err, ErrHangs)
			})
		}
		wg.Go(func() {
			_, err := l.Create("bad", CreateOptions{})
			require.ErrorIs(t, err, ErrHangs)
		})
		wg.Go(func() {
			_, err := l.Reserve("bad", make([]Member, 2))
			require.Error(t, err)
		})
		time.Sleep(slowAfter + time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 3, stats.Slow.Load(), "the watchdog sees it")
		sit(t)(l.Quick("good", QuickOptions{}))
		wg.Wait()
		require.LessOrEqual(t, time.Since(begun), 2*stuckAfter)
		require.EqualValues(t, 3, stats.Hung.Load())
		require.Equal(t, 3, log.count("does not return"))

		begun = time.Now()
		_, err := l.Quick("bad", QuickOptions{})
		require.ErrorIs(t, err, ErrHangs)
		require.Zero(t, time.Since(begun), "at once, for a while")
		for range 7 {
			sit(t)(l.Create("good", CreateOptions{})) // what hangs takes no place from others
		}
		require.Zero(t, l.making)
		_, err = l.Create("good", CreateOptions{})
		require.ErrorIs(t, err, ErrFull)
		l.Close(l.kinds["good"].rooms[0].room.ID(), protocol.CodeRoomEnded, "enough")

		close(release)
		hangs = false
		time.Sleep(stuckAfter + time.Second)
		sit(t)(l.Quick("bad", QuickOptions{}))
		synctest.Wait() // the goroutine that called New ends after its room is there
		require.Empty(t, l.kinds["bad"].news)
		require.Len(t, l.kinds["bad"].rooms, 1, "what was given up is no room")
	})
}

func TestCallsOfNewThatHangAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		game := &trial{new: func() error {
			<-release
			return nil
		}}
		stats := new(Stats)
		l, _ := run(t, Config{Kinds: []room.AnyKind{game.kind("bad", 4)}, Stats: stats})
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				_, err := l.Create("bad", CreateOptions{})
				require.ErrorIs(t, err, ErrHangs)
			})
		}
		wg.Wait()
		require.EqualValues(t, maxNews, stats.Hung.Load())
		require.Len(t, l.kinds["bad"].news, maxNews)
		time.Sleep(time.Minute)
		_, err := l.Create("bad", CreateOptions{})
		require.ErrorIs(t, err, ErrHangs)
		require.EqualValues(t, maxNews, stats.Hung.Load(), "no further one is called")
		close(release)
		synctest.Wait()
	})
}

// stubborn makes rooms of a map of its own, whatever it is asked for, and tells so from the start or in its first tick.
func stubborn(fromStart bool) room.Kind[press] {
	return room.Kind[press]{Name: "stubborn", MaxPlayers: 2, New: func(s *room.Setup) (room.Game[press], error) {
		data := map[string]any{"map": "fire"}
		var ignored struct{ Map string }
		if err := s.Options(&ignored); err != nil {
			return nil, err
		}
		g := &trial{step: func(t *room.Tick) { t.SetListing(data) }}
		if fromStart {
			s.SetListing(data)
			g.step = nil
		}
		return g, nil
	}}
}

func TestFilterThatNewRoomsContradictOpensNone(t *testing.T) {
	for _, fromStart := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			log, stats := new(lines), new(Stats)
			l, _ := run(t, Config{Kinds: []room.AnyKind{stubborn(fromStart)}, Stats: stats, Log: slog.New(slog.NewTextHandler(log, nil))})
			ice := QuickOptions{Filter: Filter{"map": "ice"}, Options: json.RawMessage(`{"map":"ice"}`)}
			rooms := 0
			if !fromStart { // the first one can't be known for what it is before it ticks
				join(t, sit(t)(l.Quick("stubborn", ice)))
				rooms = 1
				time.Sleep(time.Second)
			}
			for range 20 {
				_, err := l.Quick("stubborn", ice)
				refused := new(room.Error)
				require.ErrorAs(t, err, &refused)
				require.Equal(t, protocol.ErrFilterUnmet, refused.Code)
				require.Contains(t, refused.Message, `"map" is to be ice, but the game lists fire`)
			}
			require.Len(t, l.List(), rooms)
			require.EqualValues(t, rooms, stats.Opened.Load())
			require.EqualValues(t, 20, stats.Unmet.Load())
			require.Equal(t, 1, log.count("this is told once"))
			_, err := l.Quick("stubborn", QuickOptions{Filter: Filter{"mode": "fast"}})
			if fromStart {
				require.ErrorContains(t, err, "lists nothing of that name")
			}
			require.Zero(t, l.making)
			sit(t)(l.Quick("stubborn", QuickOptions{Filter: Filter{"map": "fire"}}))
			sit(t)(l.Quick("stubborn", QuickOptions{}))
		})
	}
}

// A room that fits at first, and later not, such as one that has begun to play, is no contradiction.
func TestRoomMayMoveOnFromWhatItWasFoundFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := room.Kind[press]{Name: "match", MaxPlayers: 2, New: func(s *room.Setup) (room.Game[press], error) {
			s.SetListing(map[string]any{"phase": "waiting"})
			return &trial{step: func(t *room.Tick) { t.SetListing(map[string]any{"phase": "playing"}) }}, nil
		}}
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}})
		for range 5 {
			join(t, sit(t)(l.Quick("match", QuickOptions{Filter: Filter{"phase": "waiting"}})))
			time.Sleep(time.Second)
		}
		require.Len(t, l.List(), 5)
	})
}

func TestPlacesOfEachUserAndAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := new(trial).kind("hall", 1000)
		kind.Spectators = 1000
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}, Places: quota.Limits{User: 2, Address: 3}})
		ada := from("ada", "192.0.2.1")
		first := sit(t)(l.Create("hall", CreateOptions{By: ada}))
		id := first.Room().ID()
		sit(t)(l.Spectate(SpectateOptions{By: ada, Room: id}))
		refused := func(by quota.Holder, says string) {
			t.Helper()
			var err [4]error
			_, err[0] = l.Quick("hall", QuickOptions{By: by})
			_, err[1] = l.Create("hall", CreateOptions{By: by})
			_, err[2] = l.Join(JoinOptions{By: by, Room: id})
			_, err[3] = l.Spectate(SpectateOptions{By: by, Kind: "hall"})
			for _, err := range err {
				require.ErrorContains(t, err, says)
				require.ErrorAs(t, err, new(*quota.Error))
			}
		}
		refused(from("ada", "198.51.100.1"), "you have 2 seats")
		sit(t)(l.Quick("hall", QuickOptions{By: from("bob", "192.0.2.1")}))
		refused(from("eve", "192.0.2.1"), "your address have 3 seats")
		sit(t)(l.Quick("hall", QuickOptions{By: from("eve", "192.0.2.2")}))
		for range 10 {
			sit(t)(l.Quick("hall", QuickOptions{By: from("local", "127.0.0.1")}))
		}
		first.Release()
		sit(t)(l.Quick("hall", QuickOptions{By: ada}))
		refused(ada, "you have 2")
		time.Sleep(DefaultSeatFor + time.Second)
		sit(t)(l.Quick("hall", QuickOptions{By: ada})) // those that were not taken are given back
		for _, s := range l.holds {
			s.Release()
		}
	})
}

func TestDefaultsLeaveRoomForAHundredBehindOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("duel", 2)}})
		for i := range 100 {
			sit(t)(l.Quick("duel", QuickOptions{By: from(fmt.Sprint("user", i), "192.0.2.1")}))
			sit(t)(l.Create("duel", CreateOptions{By: from(fmt.Sprint("user", i), "192.0.2.1")})).Release()
			time.Sleep(DefaultSeatFor / 90)
		}
	})
}

func TestOneAddressCannotFillTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 40
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(2, 0)}, MaxRooms: most})
		open := func(addr string) (n int) {
			for ; ; n++ {
				by := from(fmt.Sprint(addr, n), addr)
				open := func() (*Seat, error) { return l.Create("table", CreateOptions{By: by}) }
				if n%2 == 0 {
					open = func() (*Seat, error) {
						return l.Quick("table", QuickOptions{By: by, Filter: Filter{"nonsense": fmt.Sprint(addr, n)}})
					}
				}
				_, err := open()
				if err != nil {
					require.ErrorContains(t, err, "rooms by now")
					return n
				}
			}
		}
		require.Equal(t, most/4, open("192.0.2.1")) // half of them opened by each way
		for _, s := range l.List() {
			l.Close(s.ID, protocol.CodeRoomEnded, "enough")
		}
		time.Sleep(time.Second)
		sum := 0
		for i := range 30 { // one network, many addresses
			sum += open(fmt.Sprintf("2001:db8:0:%x::1", i*16))
		}
		require.Equal(t, most*3/4, sum)
		sit(t)(l.Quick("table", QuickOptions{By: from("ada", "198.51.100.1")}))
	})
}

func TestSomeRoomsAreKeptForQuickMatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(1, 0)}, MaxRooms: 20})
		for range 18 {
			sit(t)(l.Create("table", CreateOptions{}))
		}
		_, err := l.Create("table", CreateOptions{})
		require.ErrorIs(t, err, ErrFull)
		for range 2 {
			sit(t)(l.Quick("table", QuickOptions{}))
		}
	})
}

func TestRoomThatOthersPlayInIsNotItsMakersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0)}, Made: quota.Limits{User: 1}})
		ada := from("ada", "192.0.2.1")
		create := func() (*Seat, error) { return l.Create("table", CreateOptions{By: ada}) }
		first := sit(t)(create())
		_, err := create()
		require.ErrorContains(t, err, "you have 1 rooms")
		joinIt := func(by quota.Holder) *Seat {
			s := sit(t)(l.Join(JoinOptions{By: by, Room: first.Room().ID()}))
			s, _ = l.Take(s.ID())
			return s
		}
		joinIt(from("eve", "192.0.2.1"))
		_, err = create()
		require.Error(t, err, "one at the same address may be the same person")
		guest := joinIt(from("bob", "198.51.100.1"))
		second := sit(t)(create())
		guest.Release()
		l.Close(second.Room().ID(), protocol.CodeRoomEnded, "enough")
		time.Sleep(time.Second)
		_, err = create()
		require.Error(t, err, "there is nobody else in the first any more")
		l.Close(first.Room().ID(), protocol.CodeRoomEnded, "enough")
		time.Sleep(time.Second)
		sit(t)(create())
	})
}

func TestPlacesOfRoomsThatHangAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		game := &trial{step: func(*room.Tick) { <-release }}
		l, _ := run(t, Config{Kinds: []room.AnyKind{game.kind("bad", 4)}, Places: quota.Limits{User: 1}, Made: quota.Limits{User: 1}})
		ada := from("ada", "192.0.2.1")
		s, ok := l.Take(sit(t)(l.Create("bad", CreateOptions{By: ada})).ID())
		require.True(t, ok)
		join(t, s)
		time.Sleep(stuckAfter + time.Second)
		sit(t)(l.Create("bad", CreateOptions{By: ada}))
		close(release)
		time.Sleep(time.Second)
		_, err := l.Create("bad", CreateOptions{By: ada})
		require.ErrorAs(t, err, new(*quota.Error), "given back once")
	})
}

func TestRoomsThatCannotBeMadeCountForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(4, 0), stubborn(true)}, Places: quota.Limits{User: 1}, Made: quota.Limits{User: 1}})
		ada := from("ada", "192.0.2.1")
		for range 5 {
			_, err := l.Create("table", CreateOptions{By: ada, Options: json.RawMessage(`{"map":"moon"}`)})
			require.ErrorContains(t, err, "moon")
			_, err = l.Quick("stubborn", QuickOptions{By: ada, Filter: Filter{"map": "ice"}})
			require.ErrorContains(t, err, "fire")
		}
		sit(t)(l.Create("table", CreateOptions{By: ada}))
	})
}

func TestGuessingAPasswordIsLimitedByRoomAndAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{tableKind(1000, 0)}})
		create := func() string {
			return sit(t)(l.Create("table", CreateOptions{Password: "swordfish"})).Room().ID()
		}
		id, other := create(), create()
		try := func(id, addr, password string) error {
			s, err := l.Join(JoinOptions{By: from(addr, addr), Room: id, Password: password})
			if err == nil {
				s.Release()
			}
			return err
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		wrong, waits := 0, 0
		for range 50 { // at once
			wg.Go(func() {
				err := try(id, "192.0.2.1", "guess")
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrPassword) {
					wrong++
				} else {
					require.ErrorAs(t, err, new(*WaitError))
					waits++
				}
			})
		}
		wg.Wait()
		require.Equal(t, guessBurst, wrong)
		require.Equal(t, 50-guessBurst, waits)
		wait := new(WaitError)
		require.ErrorAs(t, try(id, "192.0.2.1", "swordfish"), &wait, "the right one would tell")
		require.NoError(t, try(id, "192.0.2.2", "swordfish"), "others may join")
		require.NoError(t, try(other, "192.0.2.1", "swordfish"), "and other rooms be joined")
		time.Sleep(wait.Wait)
		for range 50 {
			require.NoError(t, try(id, "192.0.2.1", "swordfish"), "right ones don't count")
		}
		require.ErrorIs(t, try(id, "192.0.2.1", "guess"), ErrPassword)
		require.ErrorAs(t, try(id, "192.0.2.1", "guess"), &wait)

		wrong = 0
		for i := range 1000 { // one network, many addresses
			if errors.Is(try(id, fmt.Sprintf("2001:db8:0:%x::1", i), "guess"), ErrPassword) {
				wrong++
			}
		}
		require.Equal(t, 4*guessBurst, wrong)
		for i := range maxGuessers + 50 {
			require.ErrorIs(t, try(id, fmt.Sprintf("10.0.%d.%d", i/256, i%256), "guess"), ErrPassword)
		}
		require.LessOrEqual(t, len(l.rooms[id].password.guessed), maxGuessers)
	})
}
