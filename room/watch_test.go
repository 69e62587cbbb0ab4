package room_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

func (l *live) watch(name string) (*client, *player.Session) {
	l.t.Helper()
	c := new(client)
	s, err := l.Join(l.t.Context(), room.Join{
		Who: room.Identity{User: name, Name: name}, Conn: c, Spectate: true, Released: func() { l.free.Add(1) },
	})
	require.NoError(l.t, err)
	synctest.Wait()
	_, err = c.read(-1)
	require.NoError(l.t, err)
	return c, s
}

func TestSpectatorsSeeAndDoNotPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stormKind(20)
		k.Spectators = 2
		k.New = func(s *room.Setup) (room.Game[Shot], error) {
			g, err := stormKind(20).New(s)
			return calm{g.(*storm)}, err
		}
		r := start(t, k)
		c, s := r.join("Ada")
		w, ws := r.watch("Sue")
		require.Zero(t, w.welcome.Player)
		require.Equal(t, 1, r.Info().Players)
		require.Equal(t, 1, r.Info().Spectators)
		for range 40 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
			require.NoError(t, w.readAndAck(ws))
		}
		require.Equal(t, c.replica.Tick(), w.replica.Tick())
		require.GreaterOrEqual(t, w.hashes, 2)
		require.NotEmpty(t, w.events, "what is broadcast reaches spectators")

		send(t, ws, w, protocol.AppendMessage(nil, 7, "label", encode(t, Say{"x"})))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, w.readAndAck(ws))
		require.Contains(t, w.replies[7], "spectator")
		err := ws.Receive(w, time.Now(), append(protocol.InputHead{Seq: 1, Ack: w.replica.Tick()}.Append(nil, 1), 0x92, 1, 0xc2))
		require.ErrorContains(t, err, "spectator")

		r.watch("Sam")
		_, err = r.Join(t.Context(), room.Join{Conn: new(client), Spectate: true})
		require.ErrorIs(t, err, room.ErrFull)
		_, err = r.Resume(t.Context(), room.Resume{Token: w.welcome.Token, Conn: new(client)})
		require.ErrorIs(t, err, room.ErrToken, "a spectator has no seat to resume")

		r.Lost(ws, w)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, r.Info().Spectators)
		require.EqualValues(t, 1, r.free.Load())
		require.NoError(t, r.stop())
		require.EqualValues(t, 3, r.free.Load())
	})
}

func TestSpectatorsSeeThePastWhereTheKindSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 30
		k := stormKind(20)
		k.Spectators, k.SpectatorDelay = 2, delay
		k.New = func(s *room.Setup) (room.Game[Shot], error) {
			g, err := stormKind(20).New(s)
			return calm{g.(*storm)}, err
		}
		r := start(t, k)
		c, s := r.join("Ada")
		w, ws := r.watch("Sue")
		sums, compared := map[uint32]int64{}, 0
		position := func(c *client) int64 {
			x, _, ok := c.replica.Value(0, 1, 0)
			require.True(t, ok)
			return x
		}
		for i := range 200 {
			send(t, s, c, append(protocol.InputHead{Seq: uint32(i + 1), Ack: c.replica.Tick()}.Append(nil, 1), 0x92, byte(i%5), 0xc2))
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, c.readAndAck(s))
			require.NoError(t, w.readAndAck(ws))
			sums[c.replica.Tick()] = position(c)
			if i == 0 {
				require.EqualValues(t, 1, w.tick(), "a greeting and an empty world come at once")
				require.Zero(t, w.replica.Len(0))
				require.Contains(t, w.replies[0], "delayed: this room is shown 2 s late")
			}
			if c.replica.Tick() <= delay+1 {
				continue
			}
			require.Equal(t, c.replica.Tick()-delay, w.replica.Tick())
			if want, ok := sums[w.replica.Tick()]; ok {
				require.Equal(t, want, position(w))
				compared++
			}
		}
		require.Greater(t, compared, 100)
		require.NoError(t, ws.Receive(w, time.Now(), protocol.AppendTime(nil, 1)))
		_, err := w.read(-1)
		require.NoError(t, err)
		require.InDelta(t, w.replica.Tick(), w.clock.Tick, 1, "the clock tells the time of what is seen")
		require.NoError(t, r.stop())
	})
}

func TestEventsFromOutsideTheGame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(&rig{})
		k.Spectators, k.OnDemand = 1, true
		r := start(t, k)
		c, s := r.join("Ada")
		w, ws := r.watch("Sue")
		require.NoError(t, c.readAndAck(s))
		require.NoError(t, w.readAndAck(ws))
		e, err := player.NewEvent("news", "x")
		require.NoError(t, err)
		r.Announce(e)
		require.True(t, s.Announce(e))
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, c.readAndAck(s))
		require.NoError(t, w.readAndAck(ws))
		require.Equal(t, []string{"news x", "news x"}, c.events)
		require.Equal(t, []string{"news x"}, w.events)

		s.Kick("be nice")
		ws.Kick("you too")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, protocol.CodeKicked, c.closeError().Code)
		require.Equal(t, "be nice", c.closeError().Reason)
		require.Equal(t, protocol.CodeKicked, w.closeError().Code)
		require.NoError(t, r.stop())
	})
}

func TestTooManyEventsFromOutsideCostNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{}))
		c, s := r.join("Ada")
		other, so := r.join("Bob")
		c.setFull(true)
		e, err := player.NewEvent("blob", make([]byte, 4000))
		require.NoError(t, err)
		var reached, refused int
		eve, err := player.NewEvent("blob", make([]byte, 4000))
		require.NoError(t, err)
		eve.By("eve", func() { refused++ })
		for range 20 {
			if s.Announce(e) {
				reached++
			}
			s.Announce(eve)
		}
		require.Equal(t, 8, reached, "an eighth of the backlog, and whoever sends is told")
		require.Equal(t, 12, refused)
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, other.readAndAck(so))
		}
		s.Announce(eve)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 13, refused, "they wait there still")
		require.Nil(t, c.closeError())
		require.Nil(t, other.closeError())
		require.NoError(t, r.stop())
	})
}

// router is a Courier to the sessions of another room.
type router struct {
	users *player.Registry
	room  *room.Room
}

func (r router) ToUser(user string, e *player.Event) int { return r.users.Send(user, e) }

func (r router) ToRoom(_ string, e *player.Event) bool {
	r.room.Announce(e)
	return true
}

func TestWhoWritesToAnotherRoomHearsWhenItIsTooMuch(t *testing.T) {
	for _, way := range []string{"user", "room"} {
		synctest.Test(t, func(t *testing.T) {
			far := start(t, rigKind(&rig{}))
			victim, vs := far.join("Ada")
			require.NoError(t, victim.readAndAck(vs))
			victim.setFull(true)
			r := startWith(t, kind(func(s *room.Setup) room.Game[struct{}] {
				room.Handle(s, "say", func(t *room.Tick, _ *room.Player, m Say) (Said, error) {
					if way == "user" {
						t.SendUser("Ada", "whisper", m.Text)
					} else {
						t.SendRoom("far", "whisper", m.Text)
					}
					return Said{}, nil
				})
				return base{}
			}), room.Config{Courier: router{far.users, far.Room}})
			eve, es := r.join("Eve")
			bob, bs := r.join("Bob")
			say := func(c *client, s *player.Session, text string) {
				require.NoError(t, s.Receive(c, time.Now(), protocol.AppendMessage(nil, 1, "say", encode(t, Say{Text: text}))))
				for range 3 {
					time.Sleep(50 * time.Millisecond)
					synctest.Wait()
					require.NoError(t, c.readAndAck(s))
				}
				delete(c.replies, 1)
			}
			for range 15 {
				say(eve, es, string(make([]byte, 2000)))
				require.Empty(t, eve.replies[0])
			}
			for range 15 {
				say(eve, es, string(make([]byte, 2000)))
			}
			require.Contains(t, eve.replies[0], "busy: ")
			say(bob, bs, "hello")
			require.Empty(t, bob.replies[0])
			victim.setFull(false)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, victim.readAndAck(vs))
			require.Nil(t, victim.closeError())
			require.Equal(t, "whisper "+string(encode(t, "hello")[1:]), victim.events[len(victim.events)-1])
			require.NoError(t, r.stop())
			require.NoError(t, far.stop())
		})
	}
}

// post is a Courier that keeps what it is given.
type post struct {
	mu   sync.Mutex
	sent map[string]int
}

func (p *post) ToUser(user string, e *player.Event) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent["user "+user] += len(e.Append(nil, 1))
	return 1
}

func (p *post) ToRoom(id string, e *player.Event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent["room "+id] += len(e.Append(nil, 1))
	return true
}

func TestOptionsClaimsSignalsAndLettersToOtherRooms(t *testing.T) {
	type options struct{ Map string }
	type claims struct{ Role string }
	kind := func() room.Kind[struct{}] {
		return room.Kind[struct{}]{Name: "x", New: func(s *room.Setup) (room.Game[struct{}], error) {
			o := options{Map: "plain"}
			if err := s.Options(&o); err != nil {
				return nil, err
			}
			s.SetListing(o)
			walls := room.Table[Card](s, "card")
			room.OnSignal(s, "value", func(t *room.Tick, v uint8) {
				_, c := walls.Add(0)
				c.Value = v
				t.SendUser("bob", "dm", o.Map)
				t.SendRoom("r9", "hello", 1)
			})
			return &rig{join: func(t *room.Tick, p *room.Player) error {
				var c claims
				if err := p.Claims(&c); err != nil || c.Role != "captain" {
					return errors.New("captains only")
				}
				if p.Team() != 2 {
					return errors.New("wrong team")
				}
				return nil
			}}, nil
		}}
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := room.New(kind(), room.Config{ID: "r1", Options: []byte(`{"Mop": "x"}`)})
		var e *room.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "bad_options", e.Code)

		var rec tape
		p := &post{sent: map[string]int{}}
		registry := new(player.Registry)
		r, err := room.New(kind(), room.Config{
			ID: "r1", Options: []byte(`{"Map": "harbour"}`), Courier: p, Registry: registry, Recorder: &rec, Log: silent,
		})
		require.NoError(t, err)
		require.JSONEq(t, `{"Map": "harbour"}`, string(r.Info().Data))
		done := make(chan error, 1)
		go func() { done <- r.Run(t.Context()) }()
		c := new(client)
		_, err = r.Join(t.Context(), room.Join{Conn: c, Who: room.Identity{User: "ada", Name: "Ada"}})
		require.ErrorContains(t, err, "captains only")
		_, err = r.Join(t.Context(), room.Join{Conn: c, Who: room.Identity{User: "ada", Name: "Ada", Claims: []byte(`{"role": "captain"}`), Team: 2}})
		require.NoError(t, err)
		require.Len(t, registry.User("ada"), 1)
		require.Equal(t, "r1", registry.User("ada")[0].Room)

		require.ErrorIs(t, r.Signal(t.Context(), "nothing", 1), room.ErrSignal)
		require.NoError(t, r.Signal(t.Context(), "value", uint8(7)))
		require.NoError(t, r.Signal(t.Context(), "value", "not a number"))
		time.Sleep(time.Second)
		synctest.Wait()
		_, err = c.read(-1)
		require.NoError(t, err)
		v, _, ok := c.replica.Value(0, state.ID(1), 0)
		require.True(t, ok)
		require.EqualValues(t, 7, v)
		p.mu.Lock()
		require.NotZero(t, p.sent["user bob"])
		require.NotZero(t, p.sent["room r9"])
		p.mu.Unlock()
		r.Stop(protocol.CodeShuttingDown, "bye")
		require.NoError(t, <-done)
		require.Equal(t, protocol.CodeShuttingDown, r.Ended())
		require.Zero(t, registry.Len())

		again, err := room.NewPlayback(kind(), 0, []byte(`{"Map": "harbour"}`))
		require.NoError(t, err)
		for i, frame := range rec.frames {
			require.NoError(t, again.Step(frame))
			require.Equal(t, rec.sums[i], again.Checksum())
		}
	})
}
