package room_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// live is a room that runs, inside a synctest bubble.
type live struct {
	*room.Room
	t      *testing.T
	stats  *room.Stats
	player *player.Stats
	users  *player.Registry
	ended  chan error
	cancel context.CancelFunc
	words  room.LastWords
	free   atomic.Int32 // seats released
}

func start(t *testing.T, k room.AnyKind, more ...func(*room.Config)) *live {
	t.Helper()
	return startWith(t, k, room.Config{}, more...)
}

func startWith(t *testing.T, k room.AnyKind, cfg room.Config, more ...func(*room.Config)) *live {
	t.Helper()
	l := &live{t: t, stats: new(room.Stats), player: new(player.Stats), users: new(player.Registry), ended: make(chan error, 1)}
	var err error
	cfg.ID, cfg.Seed, cfg.Stats, cfg.PlayerStats, cfg.Registry = "r1", 7, l.stats, l.player, l.users
	if cfg.Log == nil {
		cfg.Log = silent
	}
	cfg.LastWords = &l.words
	for _, change := range more {
		change(&cfg)
	}
	l.Room, err = room.New(k, cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	go func() { l.ended <- l.Run(ctx) }()
	return l
}

func (l *live) stop() error {
	l.cancel()
	return <-l.ended
}

func (l *live) join(name string) (*client, *player.Session) {
	l.t.Helper()
	c := new(client)
	s, err := l.Join(l.t.Context(), room.Join{Who: room.Identity{User: name, Name: name}, Conn: c, Released: func() { l.free.Add(1) }})
	require.NoError(l.t, err)
	synctest.Wait()
	_, err = c.read(-1)
	require.NoError(l.t, err)
	return c, s
}

func send(t *testing.T, s *player.Session, c *client, b []byte) {
	t.Helper()
	require.NoError(t, s.Receive(c, time.Now(), b))
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := msgpack.Marshal(v)
	require.NoError(t, err)
	return b
}

// rig is a game whose parts a test replaces.
type rig struct {
	step  func(t *room.Tick, inputs []room.Input[struct{}])
	join  func(t *room.Tick, p *room.Player) error
	leave func(t *room.Tick, p *room.Player, why room.Cause)
}

func (g *rig) Step(t *room.Tick, inputs []room.Input[struct{}]) {
	if g.step != nil {
		g.step(t, inputs)
	}
}

func (g *rig) Join(t *room.Tick, p *room.Player) error {
	if g.join != nil {
		return g.join(t, p)
	}
	return nil
}

func (g *rig) Leave(t *room.Tick, p *room.Player, why room.Cause) {
	if g.leave != nil {
		g.leave(t, p, why)
	}
}

func rigKind(g *rig) room.Kind[struct{}] {
	return kind(func(*room.Setup) room.Game[struct{}] { return g })
}

func TestSnapshotsComeAtTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		require.Equal(t, 1, c.keys)
		for range 40 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		require.Equal(t, 40, c.deltas)
		require.GreaterOrEqual(t, c.hashes, 2)
		require.NoError(t, r.stop())
		require.Equal(t, protocol.CodeShuttingDown, c.closeError().Code)
		require.EqualValues(t, 1, r.free.Load())
	})
}

func TestAClientThatDoesNotReadIsSkippedAndCatchesUpWithOneDelta(t *testing.T) {
	for _, test := range []struct {
		name  string
		stall func(c *client, on bool)
	}{
		{"its socket is full", func(c *client, on bool) { c.setFull(on) }},
		{"it acknowledges nothing", func(*client, bool) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Kind)
				c, s := r.join("Ada")
				other, so := r.join("Bob")
				beat := func(n int, both bool) {
					for range n {
						time.Sleep(50 * time.Millisecond)
						synctest.Wait()
						require.NoError(t, other.readAndAck(so))
						if both {
							require.NoError(t, c.readAndAck(s))
						}
					}
				}
				beat(20, true)
				test.stall(c, true)
				beat(20, false)
				test.stall(c, false)
				beat(3, true)
				var most uint32
				for _, span := range c.spans {
					most = max(most, span)
				}
				require.Greater(t, most, uint32(15), "the ticks between came as one delta")
				require.Equal(t, 1, c.keys)
				require.Equal(t, other.replica.Tick(), c.replica.Tick())
				require.Equal(t, other.replica.Checksum(), c.replica.Checksum())
				for _, span := range other.spans {
					require.EqualValues(t, 1, span, "the other player noticed nothing")
				}
				require.NoError(t, r.stop())
			})
		})
	}
}

func TestAPanicEndsItsRoomAndTellsThePlayers(t *testing.T) {
	for name, g := range map[string]*rig{
		"in Step": {step: func(t *room.Tick, _ []room.Input[struct{}]) {
			if t.Number() == 3 {
				panic("oops")
			}
		}},
		"in Leave": {
			step: func(t *room.Tick, _ []room.Input[struct{}]) {
				if t.Number() == 3 {
					t.Kick(t.Players()[0], "bye")
				}
			},
			leave: func(*room.Tick, *room.Player, room.Cause) { panic("oops") },
		},
		"in a timer": {join: func(t *room.Tick, p *room.Player) error {
			t.After(200*time.Millisecond, func(*room.Tick) { panic("oops") })
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, rigKind(g))
				c, _ := r.join("Ada")
				err := <-r.ended
				var p *room.PanicError
				require.ErrorAs(t, err, &p)
				require.Equal(t, "oops", p.Value)
				require.EqualValues(t, 3, p.Tick)
				require.Equal(t, protocol.CodeRoomFailed, c.closeError().Code)
				require.EqualValues(t, 1, r.stats.Panics.Load())
				require.EqualValues(t, 1, r.free.Load())
				_, err = r.Join(t.Context(), room.Join{Conn: new(client)})
				require.ErrorIs(t, err, room.ErrClosed)
			})
		})
	}
}

func TestAPanicInNewIsAnError(t *testing.T) {
	_, err := room.New(kind(func(*room.Setup) room.Game[struct{}] { panic("no map") }), room.Config{ID: "x"})
	require.ErrorContains(t, err, "no map")
}

func TestAPanicInJoinEndsTheRoomAndAnswersTheJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{join: func(*room.Tick, *room.Player) error { panic("oops") }}))
		_, err := r.Join(t.Context(), room.Join{Conn: new(client), Released: func() { r.free.Add(1) }})
		require.ErrorIs(t, err, room.ErrClosed)
		require.Error(t, <-r.ended)
		require.EqualValues(t, 1, r.free.Load())
	})
}

func TestAHangIsSeenFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			if t.Number() == 2 {
				<-release
			}
		}}))
		c, s := r.join("Ada")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		hanging := r.Call()
		require.NotZero(t, hanging)
		time.Sleep(time.Second)
		require.Equal(t, hanging, r.Call())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Join(ctx, room.Join{Conn: new(client)})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.Abandon()
		<-r.Done()
		_, err = r.Join(t.Context(), room.Join{Conn: new(client)})
		require.ErrorIs(t, err, room.ErrClosed)
		for range 300 { // more than the mailbox holds
			r.Lost(s, c)
		}
		close(release)
		require.NoError(t, <-r.ended, "it ends as soon as the game returns")
		require.Zero(t, r.Call())
		require.Equal(t, protocol.CodeRoomStuck, c.closeError().Code)
	})
}

func TestLatenessIsThatOfTheTickThatWasDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			switch t.Number() {
			case 10:
				time.Sleep(5 * time.Second)
			case 11: // the first of five that make up for it
				time.Sleep(200 * time.Millisecond)
			}
		}}))
		r.join("Ada")
		k := r.stats.Kind(r.Spec().Name)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		_, _, _, late := k.Lateness.Read()
		require.InDelta(t, 5, time.Duration(late).Seconds(), 0.5, "the room was 5 s late, whatever it skipped of that")
		require.EqualValues(t, 2, k.Overruns.Load(), "both ticks took too long, though others made up for the second")
		require.InDelta(t, 4.5, time.Duration(k.SkippedNanos.Load()).Seconds(), 0.1)
		require.NoError(t, r.stop())
	})
}

func TestAnEmptyRoomSleepsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ticks atomic.Int32
		k := rigKind(&rig{step: func(*room.Tick, []room.Input[struct{}]) { ticks.Add(1) }})
		k.EmptyFor = time.Minute
		r := start(t, k)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.Zero(t, ticks.Load())
		require.True(t, r.Expect(1))
		time.Sleep(3 * time.Hour) // however long it takes
		synctest.Wait()
		require.Zero(t, ticks.Load())
		require.True(t, r.Expect(-1))
		time.Sleep(50 * time.Second)
		synctest.Wait()
		c, s := r.join("Ada")
		time.Sleep(time.Second)
		synctest.Wait()
		require.InDelta(t, 10, ticks.Load(), 2)
		send(t, s, c, protocol.AppendLeave(nil))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, protocol.CodeNormal, c.closeError().Code)
		before := ticks.Load()
		time.Sleep(58 * time.Second)
		synctest.Wait()
		require.Equal(t, before, ticks.Load())
		select {
		case <-r.Done():
			t.Fatal("ended too early")
		default:
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.NoError(t, <-r.ended)
		require.False(t, r.Expect(1), "nobody can come any more")
	})
}

func TestEmptyForMeansWhatItSays(t *testing.T) {
	for _, c := range []struct{ set, stays time.Duration }{
		{room.None, 0}, {time.Millisecond, time.Millisecond}, {300 * time.Millisecond, 300 * time.Millisecond}, {0, room.DefaultEmptyFor},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := rigKind(new(rig))
			k.EmptyFor = c.set
			m := &room.Config{ID: "r1"}
			r, err := room.New(k, *m)
			require.NoError(t, err)
			require.True(t, r.Expect(1))
			ended := make(chan time.Time)
			go func() {
				_ = r.Run(context.Background())
				ended <- time.Now()
			}()
			time.Sleep(time.Minute) // the player takes its time to come
			who := &client{}
			s, err := r.Join(t.Context(), room.Join{Who: room.Identity{Name: "Ada"}, Conn: who, Released: func() { r.Expect(-1) }})
			require.NoError(t, err)
			time.Sleep(time.Second)
			s.Kick("go")
			time.Sleep(50 * time.Millisecond) // a tick
			left := time.Now()
			stayed := (<-ended).Sub(left)
			require.InDelta(t, c.stays.Seconds(), stayed.Seconds(), 0.11, "%v", c.set)
		})
	}
}

func TestNoGraceGivesALostSeatUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(new(rig))
		k.Grace = room.None
		r := start(t, k)
		_, _ = r.join("Eve")
		c, s := r.join("Ada")
		r.Lost(s, c)
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, r.Info().Players)
		require.NoError(t, r.stop())
	})
}

func TestOnDemandTicksOnlyWhenSomethingArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var made []uint32
		numbers := func() []uint32 {
			mu.Lock()
			defer mu.Unlock()
			return made
		}
		k := kind(func(s *room.Setup) room.Game[struct{}] {
			room.Handle(s, "remind", func(t *room.Tick, p *room.Player, seconds int) (bool, error) {
				t.After(time.Duration(seconds)*time.Second, func(t *room.Tick) { t.Broadcast("due", "now") })
				return true, nil
			})
			return &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, t.Number())
			}}
		})
		k.OnDemand = true
		r := start(t, k)
		c, s := r.join("Ada")
		require.NoError(t, c.readAndAck(s))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, numbers(), 1)
		send(t, s, c, protocol.AppendMessage(nil, 1, "remind", encode(t, 5)))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Len(t, numbers(), 2)
		require.InDelta(t, 600, numbers()[1], 2, "the game's time has passed all the same")
		require.NoError(t, c.readAndAck(s))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, numbers(), 3, "a timer makes a tick")
		require.NoError(t, c.readAndAck(s))
		require.Equal(t, []string{"due now"}, c.events)

		// A burst is bounded by the rate.
		for i := range 100 {
			send(t, s, c, protocol.AppendMessage(nil, uint32(10+i), "remind", encode(t, 1000)))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		require.LessOrEqual(t, len(numbers()), 3+11)
		require.NoError(t, c.readAndAck(s))
		require.NoError(t, r.stop())
	})
}

func TestOnDemandCatchesUpWhoWasSkippedWithoutTicking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ticks atomic.Int32
		k := kind(func(s *room.Setup) room.Game[struct{}] {
			room.Handle(s, "say", func(t *room.Tick, p *room.Player, m string) (bool, error) {
				t.Broadcast("line", m)
				return true, nil
			})
			return &rig{step: func(*room.Tick, []room.Input[struct{}]) { ticks.Add(1) }}
		})
		k.OnDemand = true
		r := start(t, k)
		c, s := r.join("Ada")
		require.NoError(t, c.readAndAck(s))
		c.setFull(true)
		send(t, s, c, protocol.AppendMessage(nil, 1, "say", encode(t, "hi")))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		before := ticks.Load()
		c.setFull(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.Equal(t, []string{"line hi"}, c.events)
		require.Equal(t, before, ticks.Load())
		require.NoError(t, r.stop())
	})
}

func TestResume(t *testing.T) {
	for _, test := range []struct {
		name   string
		away   time.Duration
		key    bool
		tick   func(uint32) uint32
		resume bool
		keys   int
	}{
		{"within the ring continues by a delta", time.Second, false, nil, true, 1},
		{"later gets a keyframe", 5 * time.Second, false, nil, true, 2},
		{"a client that lost its world gets a keyframe", time.Second, true, nil, true, 2},
		{"a tick that was never sent gets a keyframe", time.Second, false, func(t uint32) uint32 { return t + 1000 }, true, 2},
		{"after the grace period is refused", 21 * time.Second, false, nil, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Kind)
				r.join("Bob") // stays
				c, s := r.join("Ada")
				send(t, s, c, protocol.AppendAck(nil, c.replica.Tick()))
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				c.drop()
				r.Lost(s, c)
				time.Sleep(test.away)
				synctest.Wait()
				c2 := &client{replica: c.replica, keys: c.keys, welcome: c.welcome}
				tick := c.replica.Tick()
				if test.tick != nil {
					tick = test.tick(tick)
				}
				s2, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: tick, Key: test.key, Conn: c2})
				if !test.resume {
					require.ErrorIs(t, err, room.ErrToken)
					require.ErrorIs(t, r.CheckToken(c.welcome.Token), room.ErrToken)
					require.EqualValues(t, 1, r.free.Load())
					require.NoError(t, r.stop())
					return
				}
				require.NoError(t, err)
				require.Same(t, s, s2)
				synctest.Wait()
				require.NoError(t, c2.readAndAck(s))
				require.True(t, c2.welcome.Resumed)
				require.Equal(t, test.keys, c2.keys)
				require.Zero(t, r.free.Load())
				require.NoError(t, r.stop())
			})
		})
	}
}

func TestASecondConnectionOnTheSameTokenTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		c2 := new(client)
		_, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Key: true, Conn: c2})
		require.NoError(t, err)
		require.Equal(t, protocol.CodeReplaced, c.closeError().Code)
		synctest.Wait()
		require.NoError(t, c2.readAndAck(s))
		// What the first still sends, and its end, change nothing.
		require.NoError(t, s.Receive(c, time.Now(), protocol.AppendLeave(nil)))
		r.Lost(s, c)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.Nil(t, c2.closeError())
		require.Zero(t, r.free.Load())
		require.NoError(t, r.stop())
	})
}

func TestReliableEventsSurviveAResumeOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) { t.Broadcast("n", t.Number()) }}))
		c, s := r.join("Ada")
		time.Sleep(550 * time.Millisecond)
		synctest.Wait()
		_, err := c.read(3)
		require.NoError(t, err)
		last := c.replica.Tick()
		c.drop() // some were on their way
		r.Lost(s, c)
		time.Sleep(time.Second)
		synctest.Wait()
		c2 := &client{replica: c.replica, events: c.events}
		_, err = r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: last, Conn: c2})
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, c2.readAndAck(s))
		var want []string
		for i := 1; i <= int(c2.replica.Tick()); i++ {
			want = append(want, "n "+string(encode(t, uint32(i))[1:]))
		}
		require.Equal(t, want, c2.events)
		require.NoError(t, r.stop())
	})
}

func TestTooManyEventsOfTheGameAreDroppedAndToldAndCostNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			t.Broadcast("blob", make([]byte, 8<<10))
			sent.Add(1)
		}}))
		c, s := r.join("Ada")
		other, so := r.join("Bob")
		require.NoError(t, c.readAndAck(s))
		before, already := len(c.events), int(sent.Load())
		c.setFull(true)
		for range 200 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, other.readAndAck(so))
		}
		c.setFull(false)
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		require.Nil(t, c.closeError())
		require.Nil(t, other.closeError())
		var dropped int
		_, err := fmt.Sscanf(c.events[before], "dropped %d", &dropped)
		require.NoError(t, err, "%.50q", c.events[before])
		require.EqualValues(t, dropped, r.stats.EventsDropped.Load())
		require.EqualValues(t, dropped, r.stats.Kind("example").EventsDropped.Load())
		require.Equal(t, int(sent.Load())-already, dropped+len(c.events)-before-1, "the rest came")
		require.Greater(t, len(c.events), 25, "as much as the backlog holds")
		require.NoError(t, r.stop())
	})
}

func TestSixtyEventsASecondFindWhoIsAwayForTheWholeGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) { t.Broadcast("n", make([]byte, 100)) }})
		k.TickRate, k.Grace = 60, 20*time.Second
		r := start(t, k)
		c, s := r.join("Ada")
		require.NoError(t, c.readAndAck(s))
		r.Lost(s, c)
		time.Sleep(19900 * time.Millisecond)
		synctest.Wait()
		c2 := &client{replica: c.replica, events: c.events}
		_, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: c.tick(), Conn: c2})
		require.NoError(t, err)
		for range 60 {
			time.Sleep(time.Second / 60)
			synctest.Wait()
			require.NoError(t, c2.readAndAck(s))
		}
		require.Nil(t, c2.closeError())
		require.Zero(t, r.stats.EventsDropped.Load())
		require.Len(t, c2.events, int(c2.tick())-int(c.welcome.Tick)+1)
		require.NoError(t, r.stop())
	})
}

// relay is a game that sends what a player says to all others.
func relay(s *room.Setup) room.Game[struct{}] {
	room.Handle(s, "say", func(t *room.Tick, p *room.Player, m Say) (Said, error) {
		t.Broadcast("said", m.Text)
		return Said{}, nil
	})
	return base{}
}

func TestWhatOthersSayCostsNobodyTheSeatAndTheyHearThatItIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, kind(relay))
		victim, vs := r.join("Ada")
		require.NoError(t, victim.readAndAck(vs))
		victim.setFull(true)
		bob, bs := r.join("Bob")
		var guests [7]*client
		var sessions [7]*player.Session
		for i := range guests {
			guests[i], sessions[i] = r.join(fmt.Sprintf("guest-%d", i))
		}
		all := func() {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			for i, g := range guests {
				require.NoError(t, g.readAndAck(sessions[i]))
			}
			require.NoError(t, bob.readAndAck(bs))
		}
		text := string(make([]byte, 2000))
		for request := range uint32(30) {
			for i, g := range guests {
				require.NoError(t, sessions[i].Receive(g, time.Now(), protocol.AppendMessage(nil, request+1, "say", encode(t, Say{Text: text}))))
			}
			for range 4 {
				all()
			}
		}
		require.NoError(t, bs.Receive(bob, time.Now(), protocol.AppendMessage(nil, 1, "say", encode(t, Say{Text: "hello"}))))
		all()
		for i, g := range guests {
			require.Nil(t, g.closeError())
			require.Contains(t, g.replies[0], "busy: ", "guest %d is told", i)
			require.Len(t, g.replies, 31, "each message was handled all the same")
		}
		require.Empty(t, bob.replies[0])
		victim.setFull(false)
		for range 20 {
			all()
			require.NoError(t, victim.readAndAck(vs))
		}
		require.Nil(t, victim.closeError())
		require.Equal(t, "said "+string(encode(t, "hello")[1:]), victim.events[len(victim.events)-1], "who sends little is heard")
		lost := 0
		for _, e := range victim.events {
			var n int
			if _, err := fmt.Sscanf(e, "dropped %d", &n); err == nil {
				lost += n
			}
		}
		require.Equal(t, 7*30+1, len(victim.events)+lost-strings.Count(strings.Join(victim.events, "\n"), "dropped "))
		require.EqualValues(t, lost, r.stats.EventsDropped.Load())
		require.NoError(t, r.stop())
	})
}

func TestWhoTakesNoAnswersIsTakenNoMoreRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int32
		r := start(t, kind(func(s *room.Setup) room.Game[struct{}] {
			room.Handle(s, "say", func(*room.Tick, *room.Player, Say) (Said, error) {
				handled.Add(1)
				return Said{}, nil
			})
			return base{}
		}))
		c, s := r.join("Ada")
		c.setFull(true)
		for request := range uint32(500) {
			require.NoError(t, s.Receive(c, time.Now(), protocol.AppendMessage(nil, request+1, "say", encode(t, Say{}))))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		require.EqualValues(t, 256, handled.Load())
		c.setFull(false)
		for range 5 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		require.Len(t, c.replies, 500)
		require.Contains(t, c.replies[500], "busy: ")
		require.NoError(t, s.Receive(c, time.Now(), protocol.AppendMessage(nil, 501, "say", encode(t, Say{}))))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.EqualValues(t, 257, handled.Load())
		require.NoError(t, r.stop())
	})
}

func TestALostAcknowledgementFreezesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		for range 40 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_, err := c.read(-1) // applied, and what acknowledges it is lost
		require.NoError(t, err)
		deltas := c.deltas
		for range 110 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s)) // a client acknowledges what comes, once
		}
		require.Greater(t, c.deltas, deltas+5, "a snapshot came again, and then all of them")
		require.NoError(t, r.stop())
	})
}

func TestWhoNeverAcknowledgesIsToldAndTheConnectionEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		read := func(d time.Duration) {
			for range d / time.Second {
				time.Sleep(time.Second)
				synctest.Wait()
				_, err := c.read(-1)
				require.NoError(t, err)
			}
		}
		read(14 * time.Second)
		require.Empty(t, c.replies[0])
		read(7 * time.Second)
		require.Contains(t, c.replies[0], "unacknowledged: ")
		read(23 * time.Second)
		require.Nil(t, c.closeError())
		read(2 * time.Second)
		require.Equal(t, protocol.CodeUnacknowledged, c.closeError().Code)
		require.Equal(t, protocol.AdviceResume, c.closeError().Code.Advice())
		require.EqualValues(t, 1, r.stats.Unacknowledged.Load())
		require.EqualValues(t, 1, r.stats.Kind(r.Info().Kind).Unacknowledged.Load())
		r.Lost(s, c)
		c2 := &client{replica: c.replica}
		_, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: c.tick(), Conn: c2})
		require.NoError(t, err, "the seat is kept")
		for range 50 {
			time.Sleep(time.Second)
			synctest.Wait()
			require.NoError(t, c2.readAndAck(s))
		}
		require.Nil(t, c2.closeError())
		require.NoError(t, r.stop())
	})
}

// shelf is a game whose world takes many messages.
type shelf struct {
	base
	books *state.Table[Book]
}

type Book struct {
	Title string `sync:"title"`
	Read  int    `sync:"read"`
}

func (s *shelf) Step(t *room.Tick, _ []room.Input[struct{}]) {
	if b := s.books.Get(state.ID(1 + t.Number()%100)); b != nil {
		b.Read++
	}
	if t.Number()%10 == 0 {
		t.Broadcast("n", t.Number())
	}
}

func shelves(books int, size int) room.Kind[struct{}] {
	k := kind(func(s *room.Setup) room.Game[struct{}] {
		g := &shelf{books: room.Table[Book](s, "book")}
		for i := range books {
			_, b := g.books.Add(0)
			b.Title = fmt.Sprintf("%0*d", size, i)
		}
		return g
	})
	k.Spectators = 1
	return k
}

func TestALargeWorldIsSentInPartsWithEventsBetween(t *testing.T) {
	for _, onDemand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := shelves(10_000, 100)
			k.OnDemand = onDemand
			r := start(t, k)
			c, s := r.join("Ada")
			w := new(client)
			ws, err := r.Join(t.Context(), room.Join{Who: room.Identity{User: "w", Name: "Wes"}, Conn: w, Spectate: true})
			require.NoError(t, err)
			next, events := 0, 0
			for range 400 { // a slow line: a part each 200 ms
				time.Sleep(50 * time.Millisecond)
				synctest.Wait()
				c.mu.Lock()
				queue := slices.Clone(c.queue)
				c.mu.Unlock()
				if next < 200 { // not yet the last
					require.LessOrEqual(t, len(queue), 2, "few are under way")
				}
				for _, m := range queue {
					require.LessOrEqual(t, len(m), protocol.MaxOutbound)
				}
				require.NoError(t, w.readAndAck(ws))
				if next++; next%4 == 0 {
					n, err := c.read(1)
					require.NoError(t, err)
					if n > 0 {
						require.NoError(t, s.Receive(c, time.Now(), protocol.AppendAck(nil, c.tick())))
					}
					if events == 0 && c.replica.Len(0) == 0 {
						events = len(c.events)
					}
				}
			}
			require.Nil(t, c.closeError())
			require.Equal(t, 10_000, c.replica.Len(0))
			require.Equal(t, 10_000, w.replica.Len(0))
			require.Positive(t, c.hashes)
			require.Positive(t, w.hashes)
			require.Positive(t, events, "events come between the parts")
			if !onDemand {
				require.Positive(t, c.deltas, "from the world that the parts hold")
				require.EqualValues(t, 2, r.stats.Keyframes.Load(), "one each")
			}
			require.NoError(t, r.stop())
		})
	}
}

func TestAResumeInTheMiddleOfPartsStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, shelves(3000, 100))
		c, s := r.join("Ada")
		for range 5 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		require.Zero(t, c.replica.Len(0))
		r.Lost(s, c)
		time.Sleep(time.Second)
		synctest.Wait()
		c2 := &client{replica: c.replica, events: c.events}
		_, err := r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: c.tick(), Conn: c2})
		require.NoError(t, err)
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c2.readAndAck(s))
		}
		require.Equal(t, 3000, c2.replica.Len(0))
		require.Positive(t, c2.deltas)
		var want []string
		for i := uint32(10); i <= c2.tick(); i += 10 {
			want = append(want, "n "+string(encode(t, i)[1:]))
		}
		require.Equal(t, want, c2.events[len(c2.events)-len(want):], "each event once")
		require.NoError(t, r.stop())
	})
}

func TestAWorldTooLargeForAnyClientIsTheAuthorsToHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		r := startWith(t, shelves(5000, 1000), room.Config{Log: slog.New(slog.NewTextHandler(&lines, nil))})
		for i := range 3 {
			c, _ := r.join(fmt.Sprint("Ada ", i))
			require.Equal(t, protocol.CodeRefused, c.closeError().Code)
			require.Equal(t, protocol.AdviceStop, c.closeError().Code.Advice())
		}
		require.EqualValues(t, 3, r.stats.TooLarge.Load())
		require.EqualValues(t, 3, r.stats.Kind("example").TooLarge.Load())
		require.Equal(t, 1, strings.Count(lines.String(), "a KEY of "), lines.String())
		require.NoError(t, r.stop())
	})
}

// secret is a row of which much is its owner's alone.
type secret struct {
	Text string `sync:"text,owner"`
}

func TestOwnerFieldsThatAreTooLongAreTheAuthorsToHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		r := startWith(t, kind(func(s *room.Setup) room.Game[struct{}] {
			cards := room.Table[secret](s, "card")
			return &rig{step: func(tk *room.Tick, _ []room.Input[struct{}]) {
				if tk.Number() != 10 {
					return
				}
				for range 100 {
					_, c := cards.Add(tk.Players()[0].Number())
					c.Text = strings.Repeat("x", 1000)
				}
			}}
		}), room.Config{Log: slog.New(slog.NewTextHandler(&lines, nil))})
		c, s := r.join("Ada")
		for range 60 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
		}
		require.Nil(t, c.closeError(), "the rest of the game goes on")
		require.Greater(t, c.tick(), uint32(30))
		require.Equal(t, 100, c.replica.Len(0))
		require.Positive(t, r.stats.Kind("example").Unsendable.Load())
		require.Equal(t, 1, strings.Count(lines.String(), "those of one player's entities take more than 56 KiB"), lines.String())
		require.NoError(t, r.stop())
	})
}

// twice makes a type whose description is as long as may be.
type twice[T any] struct{ First, Second T }

func TestInputsWhoseTypesDoNotFitIntoAWelcomeAreAFaultOfTheKind(t *testing.T) {
	type short = twice[twice[twice[int8]]]
	type long = twice[twice[twice[twice[twice[twice[twice[twice[twice[short]]]]]]]]]
	_, err := room.New(inputs[short](), room.Config{ID: "r1", Log: silent})
	require.NoError(t, err)
	_, err = room.New(inputs[long](), room.Config{ID: "r1", Log: silent})
	require.ErrorContains(t, err, "the names of tables, fields and inputs take")
	require.ErrorContains(t, err, "at most 49152: use fewer or shorter ones")
}

// deaf is a game that takes inputs of a type, and does nothing.
type deaf[I any] struct{}

func (deaf[I]) Join(*room.Tick, *room.Player) error        { return nil }
func (deaf[I]) Leave(*room.Tick, *room.Player, room.Cause) {}
func (deaf[I]) Step(*room.Tick, []room.Input[I])           {}

func inputs[I any]() room.Kind[I] {
	return room.Kind[I]{Name: "deaf", New: func(*room.Setup) (room.Game[I], error) { return deaf[I]{}, nil }}
}

func TestALineThatIsTooSlowForTheWorldIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, shelves(3000, 100)) // 300 KB: 80 s
		c, s := r.join("Ada")
		for range 70 {
			time.Sleep(time.Second)
			synctest.Wait()
			if c.tick() < 5 { // nothing more is taken
				_, err := c.read(1)
				require.NoError(t, err)
			}
			_ = s.Receive(c, time.Now(), protocol.AppendAck(nil, c.tick()))
		}
		require.NotNil(t, c.closeError())
		require.NoError(t, r.stop())
	})
}

func TestTypedMessagesThatCannotBeHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, kind(func(s *room.Setup) room.Game[struct{}] {
			room.Handle(s, "say", func(_ *room.Tick, _ *room.Player, m Say) (Said, error) {
				return Said{}, errors.New("no voice")
			})
			return base{}
		}))
		c, s := r.join("Ada")
		send(t, s, c, protocol.AppendMessage(nil, 1, "sing", encode(t, 1)))
		send(t, s, c, protocol.AppendMessage(nil, 2, "say", encode(t, "not a map")))
		send(t, s, c, protocol.AppendMessage(nil, 3, "say", encode(t, Say{"x"})))
		for i := range 70 { // more than wait at once
			send(t, s, c, protocol.AppendMessage(nil, uint32(100+i), "say", encode(t, Say{"x"})))
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.Contains(t, c.replies[1], "unknown_message")
		require.Contains(t, c.replies[2], "bad_request")
		require.Equal(t, "failed: no voice", c.replies[3])
		require.Contains(t, c.replies[169], "busy")
		require.EqualValues(t, 9, r.player.Busy.Load())
		require.NoError(t, r.stop())
	})
}

func TestAFullRoomRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(&rig{})
		k.MaxPlayers = 1
		r := start(t, k)
		r.join("Ada")
		_, err := r.Join(t.Context(), room.Join{Conn: new(client), Released: func() { r.free.Add(1) }})
		require.ErrorIs(t, err, room.ErrFull)
		require.EqualValues(t, 1, r.free.Load())
		require.NoError(t, r.stop())
	})
}

func TestKickFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why room.Cause
		r := start(t, rigKind(&rig{leave: func(_ *room.Tick, _ *room.Player, c room.Cause) { why = c }}))
		c, _ := r.join("Ada")
		require.NoError(t, r.Kick(t.Context(), 1, "be nice"))
		require.Equal(t, room.CauseKicked, why)
		require.Equal(t, "be nice", c.closeError().Reason)
		require.NoError(t, r.Kick(t.Context(), 99, "nobody"))
		require.NoError(t, r.stop())
	})
}

func TestSlowWorkEndsWithTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Bool
		r := start(t, rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
			room.Go(t, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				stopped.Store(true)
				return 0, ctx.Err()
			}, func(*room.Tick, int, error) { panic("the room has ended") })
			room.Go(t, func(context.Context) (int, error) { panic("slow oops") }, func(t *room.Tick, _ int, err error) {
				t.Broadcast("failed", err.Error())
			})
			return nil
		}}))
		c, s := r.join("Ada")
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.Len(t, c.events, 1)
		require.Contains(t, c.events[0], "slow oops")
		require.NoError(t, r.stop())
		require.True(t, stopped.Load())
	})
}

func TestInputsOfOneTickAreMergedHeldAndDropped(t *testing.T) {
	var got []room.Input[Shot]
	k := room.Kind[Shot]{Name: "range", TickRate: 20, New: func(*room.Setup) (room.Game[Shot], error) {
		return shots{&got}, nil
	}}
	r := roomtest.New(t, k)
	ada := r.Join("Ada")
	tick := func() room.Input[Shot] {
		r.Tick(1)
		require.Len(t, got, 1)
		return got[0]
	}
	require.True(t, tick().Held, "nothing has come yet")

	ada.Input(Shot{Aim: 5, Fire: true})
	in := tick()
	require.Equal(t, Shot{5, true}, in.Value)
	require.False(t, in.Held)
	require.EqualValues(t, 1, in.Seq)

	for range 4 { // held for 250 ms, this tick included
		in = tick()
		require.Equal(t, Shot{5, true}, in.Value)
		require.True(t, in.Held)
	}
	require.Equal(t, Shot{}, tick().Value, "then it is zero")

	// One is taken per tick while few wait.
	ada.Input(Shot{Aim: 6})
	ada.Input(Shot{Aim: 7})
	require.Equal(t, int16(6), tick().Value.Aim)
	require.Equal(t, int16(7), tick().Value.Aim)

	// When far too many wait, they are merged, by the author's rule.
	ada.Input(Shot{Aim: 8, Fire: true})
	for i := range 20 {
		ada.Input(Shot{Aim: int16(10 + i)})
	}
	in = tick()
	require.True(t, in.Value.Fire)
	require.EqualValues(t, 23, in.Seq, "all but one")
	require.EqualValues(t, 24, func() uint32 { return tick().Seq }())
}

func TestALeadThatNeverShrinksIsWorkedOff(t *testing.T) {
	var got []room.Input[Shot]
	k := room.Kind[Shot]{Name: "range", TickRate: 20, New: func(*room.Setup) (room.Game[Shot], error) {
		return shots{&got}, nil
	}}
	r := roomtest.New(t, k)
	ada := r.Join("Ada")
	var sent uint32
	input := func() { ada.Input(Shot{}); sent++ }
	for range 6 {
		input()
	}
	for range 45 {
		input()
		r.Tick(1)
	}
	require.LessOrEqual(t, sent-got[0].Seq, uint32(1))
}

type shots struct{ got *[]room.Input[Shot] }

func (shots) Join(*room.Tick, *room.Player) error        { return nil }
func (shots) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g shots) Step(_ *room.Tick, inputs []room.Input[Shot]) {
	*g.got = append((*g.got)[:0], inputs...)
}

func TestSequenceNumbersThatJumpTooFarAreAProtocolError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		input := func(seq uint32) error {
			b := protocol.InputHead{Seq: seq, Ack: c.replica.Tick()}.Append(nil, 1)
			return s.Receive(c, time.Now(), append(b, 0x92, 1, 0))
		}
		require.NoError(t, input(1))
		require.NoError(t, input(1), "a repeated one is dropped")
		require.EqualValues(t, 1, r.player.Stale.Load())
		require.NoError(t, input(1+protocol.MaxSeqJump))
		require.NoError(t, input(5), "one from the past is dropped")
		err := input(3 + 2*protocol.MaxSeqJump)
		var ce *protocol.CloseError
		require.ErrorAs(t, err, &ce)
		require.Equal(t, protocol.CodeProtocol, ce.Code)
		require.EqualValues(t, 1, r.player.Malformed.Load())
		require.EqualValues(t, 2, r.player.Stale.Load())
		require.NoError(t, r.stop())
	})
}

func TestWhoComesToARoomThatWasLockedMeanwhileIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
			t.Lock(p.Name() == "Ada")
			return nil
		}})
		k.Spectators = 1
		r := start(t, k)
		c, s := r.join("Ada")
		_, err := r.Join(t.Context(), room.Join{Who: room.Identity{User: "Bob", Name: "Bob"}, Conn: new(client)})
		require.ErrorIs(t, err, room.ErrLocked)
		r.watch("Sue")
		r.Lost(s, c)
		_, err = r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Conn: new(client)})
		require.NoError(t, err, "those who are in it stay")
		require.NoError(t, r.stop())
	})
}

func TestKindFaultsAreReportedAllAtOnce(t *testing.T) {
	_, err := room.SpecOf(room.Kind[int]{Name: "Arena!", TickRate: 1000, MaxPlayers: -1, EmptyFor: -2, Grace: -2})
	for _, says := range []string{"Name", "TickRate", "MaxPlayers", "EmptyFor", "Grace", "New", "must be a struct"} {
		require.ErrorContains(t, err, says)
	}
}

func TestAMessageThatIsRefusedAfterReadyIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) { t.Broadcast("n", t.Number()) }}))
		c := &client{refuse: 1} // as when a ping takes the socket's last room just before WELCOME
		s, err := r.Join(t.Context(), room.Join{Who: room.Identity{Name: "Ada"}, Conn: c})
		require.NoError(t, err)
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.Equal(t, "r1", c.welcome.Room)
		require.Equal(t, 1, c.keys)
		require.Equal(t, []string{"n ", "n "}, []string{c.events[0][:2], c.events[1][:2]})
		require.NoError(t, r.stop())
	})
}

type blind struct{ hands }

func (*blind) Sees(*room.Player, int, state.ID) bool { panic("I can't see") }

func TestAPanicInSeesEndsTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, kind(func(s *room.Setup) room.Game[struct{}] {
			return &blind{hands{cards: room.Table[Card](s, "card")}}
		}))
		c := new(client)
		_, err := r.Join(t.Context(), room.Join{Who: room.Identity{Name: "Ada"}, Conn: c})
		require.NoError(t, err, "the game had let the player in")
		require.ErrorContains(t, <-r.ended, "I can't see")
		require.Equal(t, protocol.CodeRoomFailed, c.closeError().Code)
	})
}
