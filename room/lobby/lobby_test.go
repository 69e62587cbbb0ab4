package lobby

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type press struct{ Act string }

// trial is a game that does what a test wants.
type trial struct {
	new  func() error
	step func(t *room.Tick)
}

func (g *trial) Join(*room.Tick, *room.Player) error        { return nil }
func (g *trial) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g *trial) Step(t *room.Tick, inputs []room.Input[press]) {
	if g.step != nil {
		g.step(t)
	}
}

// slow is a game whose making lets all others go first who ask for a room at the same time.
func slow() *trial {
	return &trial{new: func() error {
		yield()
		return nil
	}}
}

func yield() {
	for range 100 {
		runtime.Gosched()
	}
}

func (g *trial) kind(name string, seats int) room.Kind[press] {
	return room.Kind[press]{Name: name, MaxPlayers: seats, New: func(*room.Setup) (room.Game[press], error) {
		if g.new != nil {
			if err := g.new(); err != nil {
				return nil, err
			}
		}
		return g, nil
	}}
}

// conn is a player.Conn that notes how it was closed.
type conn struct {
	mu   sync.Mutex
	code protocol.Code
	sent []byte
}

var _ player.Conn = (*conn)(nil)

func (c *conn) Ready() bool        { return true }
func (c *conn) RemoteAddr() string { return "192.0.2.1" }
func (c *conn) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range parts {
		c.sent = append(c.sent, b...)
	}
	return nil
}

// events is how many events of a name were sent, whose text occurs in nothing else.
func (c *conn) events(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Count(c.sent, []byte(name))
}

func (c *conn) Close(code protocol.Code, reason string, result []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code == 0 {
		c.code = code
	}
}

func (c *conn) closed() protocol.Code {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code
}

// run starts a lobby in a bubble. Its end is waited for when the test ends, or at stop.
func run(t *testing.T, cfg Config) (l *Lobby, stop func()) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Stats == nil {
		cfg.Stats = new(Stats)
	}
	l, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return l, stop
}

func join(t *testing.T, s *Seat) *conn {
	c := new(conn)
	_, err := s.Room().Join(t.Context(), room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: c, Released: s.Release})
	require.NoError(t, err)
	return c
}

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	game := new(trial)
	_, err := New(Config{
		Kinds:    []room.AnyKind{game.kind("twice", 1), game.kind("twice", 1), game.kind("Bad Name", 1)},
		MaxRooms: -1, SeatFor: -1, Grace: -1,
	})
	for _, part := range []string{`"twice"`, "Bad Name", "MaxRooms", "SeatFor", "Grace"} {
		require.ErrorContains(t, err, part)
	}
	_, err = New(Config{})
	require.ErrorContains(t, err, "at least one")
}

func TestQuickFillsTheFullestOpenRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("duel", 3)}})
		quick := func() *Seat {
			s, err := l.Quick("duel", QuickOptions{})
			require.NoError(t, err)
			return s
		}
		a1, a2, a3 := quick(), quick(), quick()
		require.Same(t, a1.Room(), a2.Room())
		require.Same(t, a1.Room(), a3.Room())
		b1 := quick()
		require.NotSame(t, a1.Room(), b1.Room())
		a2.Release()
		require.Same(t, a1.Room(), quick().Room(), "the fuller room comes first")
		require.Same(t, b1.Room(), quick().Room())
		require.Len(t, l.List(), 2)
	})
}

func TestQuickSkipsLockedRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{step: func(t *room.Tick) { t.Lock(true) }}
		l, _ := run(t, Config{Kinds: []room.AnyKind{game.kind("match", 4)}})
		s, err := l.Quick("match", QuickOptions{})
		require.NoError(t, err)
		join(t, s)
		time.Sleep(time.Second)
		other, err := l.Quick("match", QuickOptions{})
		require.NoError(t, err)
		require.NotSame(t, s.Room(), other.Room())
	})
}

func TestLockReleasesWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(trial).kind("match", 4)
		k.Spectators = 1
		l, _ := run(t, Config{Kinds: []room.AnyKind{k}})
		in, err := l.Quick("match", QuickOptions{})
		require.NoError(t, err)
		join(t, in)
		late, err := l.Quick("match", QuickOptions{})
		require.NoError(t, err)
		watch, err := l.Spectate(SpectateOptions{Room: in.Room().ID()})
		require.NoError(t, err)
		require.True(t, l.Lock(in.Room().ID(), true))
		require.False(t, l.Held(late.ID()), "its ticket is used: the client matches again")
		require.True(t, l.Held(watch.ID()))
		synctest.Wait() // for the tick's end, which tells of who joined
		require.Equal(t, 1, l.List()[0].Players)
	})
}

func TestQuickSaysWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &trial{new: func() error { return errors.New("no map called x") }}
		panicky := &trial{new: func() error { panic("oh") }}
		l, _ := run(t, Config{MaxRooms: 1, Kinds: []room.AnyKind{
			new(trial).kind("solo", 1), broken.kind("broken", 1), panicky.kind("panicky", 1),
		}})
		_, err := l.Quick("chess", QuickOptions{})
		require.ErrorIs(t, err, ErrUnknownKind)
		require.ErrorContains(t, err, "solo, broken, panicky")
		_, err = l.Quick("broken", QuickOptions{})
		require.ErrorContains(t, err, "no map called x")
		_, err = l.Quick("panicky", QuickOptions{})
		require.ErrorContains(t, err, "panicked")
		require.EqualValues(t, 2, l.cfg.Stats.Broken.Load())

		s, err := l.Quick("solo", QuickOptions{})
		require.NoError(t, err, "rooms that could not be made take no place")
		_, err = l.Quick("solo", QuickOptions{})
		require.ErrorIs(t, err, ErrFull)
		s.Release()
		_, err = l.Quick("solo", QuickOptions{})
		require.NoError(t, err)
		l.Drain()
		_, err = l.Quick("solo", QuickOptions{})
		require.ErrorIs(t, err, ErrDraining)
	})
}

func TestHeldSeatIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("duel", 2)}})
		s, err := l.Quick("duel", QuickOptions{})
		require.NoError(t, err)
		require.True(t, l.Held(s.ID()))
		taken, ok := l.Take(s.ID())
		require.True(t, ok)
		require.Same(t, s, taken)
		require.False(t, l.Held(s.ID()))
		_, ok = l.Take(s.ID())
		require.False(t, ok)
		_, ok = l.Take("no such seat")
		require.False(t, ok)
	})
}

func TestHeldSeatExpires(t *testing.T) {
	for _, watched := range []bool{true, false} {
		t.Run(fmt.Sprintf("with Run going %v", watched), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stats := new(Stats)
				l, stop := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("solo", 1)}, Stats: stats})
				if !watched {
					stop()
					l.draining = false
				}
				now := time.Now()
				var s *Seat
				if watched {
					s, _ = l.Quick("solo", QuickOptions{})
				} else { // no room runs: only the seats are looked at
					r, err := room.New(new(trial).kind("solo", 1), room.Config{ID: "x"})
					require.NoError(t, err)
					s = l.holdLocked(&entry{room: r, places: map[*Seat]struct{}{}}, now, false, quota.Holder{})
				}
				time.Sleep(DefaultSeatFor - time.Millisecond)
				require.True(t, l.Held(s.ID()))
				time.Sleep(time.Millisecond)
				_, ok := l.Take(s.ID())
				require.False(t, ok)
				require.Zero(t, s.entry.seats)
				require.EqualValues(t, 1, stats.Expired.Load())
			})
		})
	}
}

func TestReleaseIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("duel", 2)}})
		a, err := l.Quick("duel", QuickOptions{})
		require.NoError(t, err)
		_, err = l.Quick("duel", QuickOptions{})
		require.NoError(t, err)
		a.Release()
		a.Release()
		require.False(t, l.Held(a.ID()))
		require.Equal(t, 1, a.entry.seats)
	})
}

func TestHeldSeatKeepsItsRoomOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := new(trial).kind("brief", 2)
		kind.EmptyFor = time.Second
		stats := new(Stats)
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}, Stats: stats})
		s, err := l.Quick("brief", QuickOptions{})
		require.NoError(t, err)
		time.Sleep(14 * time.Second)
		_, ok := l.Take(s.ID())
		require.True(t, ok)
		s.Release()
		time.Sleep(3 * time.Second)
		require.Nil(t, l.Find(s.Room().ID()), "an empty room ends")
		require.Empty(t, l.List())
		require.EqualValues(t, 1, stats.Ended.Load())
	})
}

func TestRoomWithAPlaceHeldIsNeverEmpty(t *testing.T) {
	for _, spectate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			kind := new(trial).kind("brief", 4)
			kind.EmptyFor, kind.Spectators = room.None, 2
			l, _ := run(t, Config{Kinds: []room.AnyKind{kind}})
			first, err := l.Quick("brief", QuickOptions{})
			require.NoError(t, err)
			id := first.Room().ID()
			time.Sleep(DefaultSeatFor - time.Second)
			first, ok := l.Take(first.ID())
			require.True(t, ok)
			hold := func() (*Seat, error) { return l.Join(JoinOptions{Room: id}) }
			if spectate {
				hold = func() (*Seat, error) { return l.Spectate(SpectateOptions{Room: id}) }
			}
			second, err := hold()
			require.NoError(t, err)
			first.Release() // the upgrade failed
			time.Sleep(DefaultSeatFor - time.Second)
			require.NotNil(t, l.Find(id), "somebody is on the way")
			second, ok = l.Take(second.ID())
			require.True(t, ok)
			time.Sleep(time.Minute) // the room is slow to answer
			require.NotNil(t, l.Find(id))
			second.Release()
			synctest.Wait()
			require.Equal(t, protocol.CodeGone, first.Room().Ended(), "and at once, when there is nobody any more")
			_, err = hold()
			require.ErrorIs(t, err, ErrRoomUnknown)
			again, err := l.Quick("brief", QuickOptions{})
			require.NoError(t, err)
			require.NotEqual(t, id, again.Room().ID())
		})
	}
}

func TestRoomToWhichNobodyComesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := new(trial).kind("long", 2)
		kind.EmptyFor = time.Hour
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}})
		create := func() *Seat {
			s, err := l.Create("long", CreateOptions{})
			require.NoError(t, err)
			return s
		}
		forsaken, visited, friend := create(), create(), create()
		_, ok := l.Take(visited.ID())
		require.True(t, ok)
		visited.Release()
		time.Sleep(DefaultSeatFor - time.Second)
		_, err := l.Join(JoinOptions{Room: friend.Room().ID()})
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		require.Nil(t, l.Find(forsaken.Room().ID()))
		require.NotNil(t, l.Find(visited.Room().ID()), "somebody was there, and may come back")
		require.NotNil(t, l.Find(friend.Room().ID()), "a friend is on the way")
		time.Sleep(DefaultSeatFor)
		require.Nil(t, l.Find(friend.Room().ID()), "who did not come either")
		require.Len(t, l.List(), 1)
	})
}

func TestManyAtOnceFillRoomsExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const players, seats = 500, 10
		stats := new(Stats)
		l, _ := run(t, Config{Kinds: []room.AnyKind{slow().kind("arena", seats)}, Stats: stats})
		var wg sync.WaitGroup
		got := make([]*Seat, players)
		for i := range players {
			wg.Go(func() {
				s, err := l.Quick("arena", QuickOptions{})
				if err == nil {
					got[i], _ = l.Take(s.ID())
				}
			})
		}
		wg.Wait()
		perRoom := map[string]int{}
		for _, s := range got {
			require.NotNil(t, s)
			perRoom[s.Room().ID()]++
		}
		require.Len(t, perRoom, players/seats)
		require.EqualValues(t, players/seats, stats.Opened.Load())
		for _, n := range perRoom {
			require.Equal(t, seats, n)
		}
	})
}

func TestRoomsThatAreBeingMadeCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, players = 5, 40
		l, _ := run(t, Config{Kinds: []room.AnyKind{slow().kind("arena", 4)}, MaxRooms: most})
		var wg sync.WaitGroup
		var made atomic.Int64
		for range players {
			wg.Go(func() {
				if _, err := l.Create("arena", CreateOptions{}); err == nil {
					made.Add(1)
				} else {
					require.ErrorIs(t, err, ErrFull)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, most, made.Load())
		require.Len(t, l.List(), most)
	})
}

func TestTakenSeatKeepsItsRoomUntilThePlayerJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(trial).kind("arena", 4)
		k.EmptyFor = watchEvery - 50*time.Millisecond // the lobby does not come by in between
		l, _ := run(t, Config{Kinds: []room.AnyKind{k}})
		time.Sleep(watchEvery)
		s, err := l.Quick("arena", QuickOptions{})
		require.NoError(t, err)
		time.Sleep(k.EmptyFor - 50*time.Millisecond)
		s, ok := l.Take(s.ID())
		require.True(t, ok)
		time.Sleep(k.EmptyFor - 50*time.Millisecond) // the upgrade takes its time
		join(t, s)
	})
}

func TestSeatsNeverExceedCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seats, rooms, players = 3, 4, 40
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("arena", seats)}, MaxRooms: rooms})
		var mu sync.Mutex
		in := map[*room.Room]int{}
		count := func(r *room.Room, by int) {
			mu.Lock()
			defer mu.Unlock()
			in[r] += by
			if in[r] > seats || len(in) > rooms {
				t.Errorf("%d seats in a room of %d, %d rooms of %d", in[r], seats, len(in), rooms)
			}
		}
		var wg sync.WaitGroup
		for range players {
			wg.Go(func() {
				for range 50 {
					s, err := l.Quick("arena", QuickOptions{})
					if err != nil {
						continue
					}
					count(s.Room(), 1)
					_, _ = l.Take(s.ID())
					runtime.Gosched()
					count(s.Room(), -1)
					s.Release()
				}
			})
		}
		wg.Wait()
	})
}

func TestRoomThatPanicsIsRemovedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := &trial{step: func(t *room.Tick) {
			if t.Number() > 5 {
				panic("oh")
			}
		}}
		stats := new(Stats)
		l, _ := run(t, Config{Kinds: []room.AnyKind{game.kind("bad", 2), new(trial).kind("good", 2)}, Stats: stats})
		good, err := l.Quick("good", QuickOptions{})
		require.NoError(t, err)
		bad, err := l.Quick("bad", QuickOptions{})
		require.NoError(t, err)
		c := join(t, bad)
		time.Sleep(time.Second)
		require.Nil(t, l.Find(bad.Room().ID()))
		require.NotNil(t, l.Find(good.Room().ID()))
		require.EqualValues(t, 1, stats.Panicked.Load())
		require.Zero(t, stats.Ended.Load())
		require.Equal(t, protocol.CodeRoomFailed, c.closed())
		require.Zero(t, bad.entry.seats)
	})
}

func TestRoomThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		release := sync.OnceFunc(func() { close(forever) })
		defer release()
		game := &trial{step: func(*room.Tick) { <-forever }}
		stats := new(Stats)
		stuck := make(chan *room.Room, 10)
		l, stop := run(t, Config{
			Kinds: []room.AnyKind{game.kind("bad", 2), new(trial).kind("good", 2)}, Stats: stats, MaxPlayers: 3,
			OnStuck: func(r *room.Room) { stuck <- r },
		})
		good, err := l.Quick("good", QuickOptions{})
		require.NoError(t, err)
		bad, err := l.Quick("bad", QuickOptions{})
		require.NoError(t, err)
		held, err := l.Quick("bad", QuickOptions{})
		require.NoError(t, err)
		for _, s := range []*Seat{good, bad} {
			_, ok := l.Take(s.ID())
			require.True(t, ok)
		}
		join(t, good)
		time.Sleep(100 * time.Millisecond)
		go bad.Room().Join(t.Context(), room.Join{Conn: new(conn), Released: bad.Release})

		time.Sleep(3 * time.Second)
		require.EqualValues(t, 1, stats.Slow.Load())
		require.Zero(t, stats.Stuck.Load())
		require.True(t, l.Held(held.ID()))
		time.Sleep(9 * time.Second)
		require.EqualValues(t, 1, stats.Slow.Load(), "one report")
		require.EqualValues(t, 1, stats.Stuck.Load())
		require.Len(t, stuck, 1)
		require.Same(t, bad.Room(), <-stuck)
		require.Nil(t, l.Find(bad.Room().ID()))
		require.False(t, l.Held(held.ID()))
		require.NotNil(t, l.Find(good.Room().ID()))
		require.Equal(t, 1, l.players, "its places are free, though nobody gave them back")

		begun := time.Now()
		stop()
		require.Less(t, time.Since(begun), time.Second, "Run does not wait for it")
		release() // it returns after all, and ends
		<-bad.Room().Done()
		synctest.Wait()
		require.EqualValues(t, 1, stats.Ended.Load(), "only the good one")
		require.Zero(t, l.players, "no place is given back twice")
	})
}

func TestAPauseOfTheProcessIsNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		release := sync.OnceFunc(func() { close(forever) })
		defer release()
		game := &trial{step: func(*room.Tick) { <-forever }}
		stats := new(Stats)
		l, err := New(Config{Kinds: []room.AnyKind{game.kind("bad", 2)}, Stats: stats, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		s, err := l.Quick("bad", QuickOptions{})
		require.NoError(t, err)
		go s.Room().Join(t.Context(), room.Join{Conn: new(conn), Released: s.Release})
		time.Sleep(time.Second)
		l.watch(time.Now()) // one look before, and one after, a minute in which nothing ran
		time.Sleep(time.Minute)
		l.watch(time.Now())
		require.Zero(t, stats.Slow.Load())
		require.Zero(t, stats.Stuck.Load())
		require.NotNil(t, l.Find(s.Room().ID()))
		for range int(stuckAfter / watchEvery) {
			l.watch(time.Now())
		}
		require.EqualValues(t, 1, stats.Slow.Load())
		require.EqualValues(t, 1, stats.Stuck.Load(), "what hangs while the process runs is seen all the same")
		release()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, l.Run(ctx))
	})
}

func TestRunEndsEveryRoomAndTellsItsPlayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats := new(Stats)
		l, stop := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("solo", 1)}, Stats: stats})
		var conns []*conn
		for range 20 {
			s, err := l.Quick("solo", QuickOptions{})
			require.NoError(t, err)
			conns = append(conns, join(t, s))
		}
		require.Len(t, l.List(), 20)
		stop()
		require.Empty(t, l.List())
		require.EqualValues(t, 20, stats.Ended.Load())
		for _, c := range conns {
			require.Equal(t, protocol.CodeShuttingDown, c.closed())
		}
		_, err := l.Quick("solo", QuickOptions{})
		require.ErrorIs(t, err, ErrDraining)
	})
}

func TestRunWaitsForGraceAtTheMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		game := &trial{step: func(*room.Tick) { <-forever }}
		given := 0
		l, stop := run(t, Config{Kinds: []room.AnyKind{game.kind("bad", 2)}, Grace: 3 * time.Second, OnStuck: func(*room.Room) { given++ }})
		s, err := l.Quick("bad", QuickOptions{})
		require.NoError(t, err)
		time.Sleep(100 * time.Millisecond)
		go s.Room().Join(t.Context(), room.Join{Conn: new(conn)})
		time.Sleep(time.Second)
		begun := time.Now()
		stop()
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.Equal(t, 1, given)
	})
}

func TestRoomIDsCanBeReadAloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("solo", 1)}})
		for range 100 {
			s, err := l.Quick("solo", QuickOptions{})
			require.NoError(t, err)
			require.Regexp(t, `^[0-9a-hjkmnp-tv-z]{10}$`, s.Room().ID())
			require.Same(t, s.Room(), l.Find(strings.ToUpper(s.Room().ID())))
		}
		require.Nil(t, l.Find("nowhere"))
	})
}

func TestTheLogTellsHowARoomEnded(t *testing.T) {
	for how, want := range map[string]map[string]any{
		"by its game":     {"msg": "room ended", "code": "room_ended", "players": 2.0, "joined": 2.0},
		"by the operator": {"msg": "room ended", "code": "room_ended", "why": "for repairs", "players": 2.0, "joined": 2.0},
		"empty":           {"msg": "room ended", "players": 0.0, "joined": 2.0},
		"by a panic":      {"msg": "room ended by a fault of its game", "code": "room_failed", "players": 2.0, "joined": 2.0},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(lines)
				var over atomic.Bool
				game := &trial{step: func(tick *room.Tick) {
					switch {
					case over.Load() && how == "by its game":
						tick.End(nil)
					case over.Load() && how == "by a panic":
						panic("no ships left")
					}
				}}
				l, stop := run(t, Config{Kinds: []room.AnyKind{game.kind("duel", 4)}, Log: slog.New(slog.NewJSONHandler(log, nil))})
				s := sit(t)(l.Quick("duel", QuickOptions{}))
				id := s.Room().ID()
				c := join(t, s)
				join(t, sit(t)(l.Quick("duel", QuickOptions{})))
				time.Sleep(5 * time.Second)
				synctest.Wait()
				require.Zero(t, log.count(`"room ended`), log.text.String())
				switch how {
				case "by the operator":
					l.Close(id, protocol.CodeRoomEnded, "for repairs")
				case "empty":
					for number := range uint32(2) {
						require.NoError(t, s.Room().Kick(t.Context(), number+1, "go"))
					}
				}
				over.Store(true)
				time.Sleep(room.DefaultEmptyFor + time.Second)
				synctest.Wait()
				require.NotZero(t, c.closed())
				stop()
				var ended []map[string]any
				for line := range strings.Lines(log.text.String()) {
					var entry map[string]any
					require.NoError(t, json.Unmarshal([]byte(line), &entry))
					if strings.HasPrefix(entry["msg"].(string), "room ended") {
						ended = append(ended, entry)
					}
				}
				require.Len(t, ended, 1)
				e := ended[0]
				require.Equal(t, id, e["room"])
				require.Equal(t, "duel", e["kind"])
				require.GreaterOrEqual(t, e["after"], float64(5*time.Second))
				require.NotEmpty(t, e["why"])
				for field, value := range want {
					require.Equal(t, value, e[field], field)
				}
			})
		})
	}
}
