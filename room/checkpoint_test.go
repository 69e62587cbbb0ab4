package room_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
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

func TestARoomMadeFromACheckpointMakesTheSameTicks(t *testing.T) {
	r := roomtest.NewSeeded(t, stormKind(20), room.Config{ID: "storm", Seed: 99, Log: silent})
	weather(r, 600, func(i int) {
		if i%200 == 50 {
			r.Tick(1) // slow work ends
			r.Shadow()
		}
	})
}

func TestPlayersResumeInARoomMadeFromACheckpoint(t *testing.T) {
	var rec tape
	r := roomtest.NewSeeded(t, stormKind(20), room.Config{ID: "storm", Seed: 99, Recorder: &rec, Log: silent})
	var from []byte
	weather(r, 600, func(i int) {
		if i%150 == 100 {
			r.Tick(1)
			from = r.Checkpoint()
			r.Restart()
			rec = tape{}
		}
	})
	p, err := room.RestorePlayback(stormKind(20), from)
	require.NoError(t, err)
	require.NotEmpty(t, rec.frames)
	for i, frame := range rec.frames {
		require.NoError(t, p.Step(frame), "what a restored room records follows the checkpoint")
		require.Equal(t, rec.sums[i], p.Checksum(), "tick %d", p.Tick())
	}
}

// diary is a game with every sort of private state.
type diary struct {
	base
	heard []string
	later *room.Timer[Say]
	row   *state.Table[Card]
	save  func() any
}

func (d *diary) Save(*room.Tick) any {
	if d.save != nil {
		return d.save()
	}
	return d.heard
}

func (d *diary) Restore(t *room.Tick, decode func(v any) error) error { return decode(&d.heard) }

func (d *diary) Away(t *room.Tick, p *room.Player) { d.heard = append(d.heard, p.Name()+" away") }
func (d *diary) Back(t *room.Tick, p *room.Player) { d.heard = append(d.heard, p.Name()+" back") }

func diaryKind(change func(*diary)) room.Kind[struct{}] {
	return kind(func(s *room.Setup) room.Game[struct{}] {
		d := &diary{row: room.Table[Card](s, "card")}
		d.later = room.OnTimer(s, "later", func(t *room.Tick, m Say) { t.Broadcast("later", m.Text) })
		room.Handle(s, "later", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			d.later.After(t, time.Second, m)
			return struct{}{}, nil
		})
		room.Handle(s, "closure", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			t.After(time.Second, func(t *room.Tick) { t.Broadcast("later", m.Text) })
			return struct{}{}, nil
		})
		room.Handle(s, "work", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			room.Go(t, func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				return 1, nil
			}, func(t *room.Tick, v int, err error) {})
			return struct{}{}, nil
		})
		room.Handle(s, "heard", func(t *room.Tick, p *room.Player, m Say) ([]string, error) { return d.heard, nil })
		room.Handle(s, "hush", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			t.Lock(true)
			t.SetListing(map[string]string{"mood": m.Text})
			return struct{}{}, nil
		})
		room.Handle(s, "who", func(t *room.Tick, p *room.Player, m Say) (string, error) {
			var claims struct{ Rank string }
			err := p.Claims(&claims)
			return claims.Rank, err
		})
		if change != nil {
			change(d)
		}
		return d
	})
}

func TestACheckpointHoldsWhatIsTheRooms(t *testing.T) {
	r := roomtest.New(t, diaryKind(nil))
	ada, bob := r.Join("Ada"), r.Join("Bob")
	bob.Lose()
	require.NoError(t, ada.Call("hush", Say{"calm"}, nil))
	for _, text := range []string{"first", "second"} {
		require.NoError(t, ada.Call("later", Say{text}, nil))
	}
	r.Restart()
	require.True(t, r.Info().Locked)
	require.JSONEq(t, `{"mood": "calm"}`, string(r.Info().Data))
	require.Equal(t, 2, r.Info().Players)
	r.Tick(1)
	ada.Resume()
	var heard []string
	require.NoError(t, ada.Call("heard", Say{}, &heard))
	require.Equal(t, []string{"Bob away", "Ada away", "Ada back"}, heard, "who was away before has not been told of again")
	_, err := r.TryJoin("Cy")
	require.ErrorIs(t, err, room.ErrLocked)
	r.Tick(10)
	require.Equal(t, []string{"first", "second"}, roomtest.Events[string](ada, "later"))
	bob.Resume()
	r.Tick(1)
	require.Equal(t, []string{"first", "second"}, roomtest.Events[string](bob, "later"))
}

func TestTokensOfPlayersWhoDoNotComeBackExpire(t *testing.T) {
	r := roomtest.New(t, diaryKind(nil))
	r.Join("Ada")
	r.Restart()
	r.Tick(int(room.DefaultGrace/time.Second)*10 - 1)
	require.Equal(t, 1, r.Info().Players)
	r.Tick(2)
	require.Zero(t, r.Info().Players)
}

// Events that the client has not acknowledged are in the checkpoint; those that it has are not sent twice.
func TestEventsCrossARestartOnce(t *testing.T) {
	k := diaryKind(nil)
	m, err := room.NewManual(t.Context(), k, room.Config{ID: "x", Log: silent})
	require.NoError(t, err)
	c := new(client)
	s, err := m.Join(room.Join{Who: room.Identity{User: "ada", Name: "Ada", Claims: json.RawMessage(`{"Rank":"captain"}`), Team: 2}, Conn: c})
	require.NoError(t, err)
	_, err = c.read(-1)
	require.NoError(t, err)
	say := func(text string) {
		require.NoError(t, s.Receive(c, m.Now(), protocol.AppendMessage(nil, 0, "later", encode(t, Say{text}))))
	}
	tick := func(n int) {
		for range n {
			_, err := m.Tick()
			require.NoError(t, err)
		}
	}
	say("one")
	for range 12 {
		tick(1)
		require.NoError(t, c.readAndAck(s))
	}
	say("two")
	for {
		tick(1)
		_, err = c.read(-1)
		require.NoError(t, err)
		if len(c.events) == 2 {
			break // before the server knows that it has been processed
		}
		require.NoError(t, s.Receive(c, m.Now(), protocol.AppendAck(nil, c.replica.Tick())))
	}
	held := c.replica.Tick()
	say("three")
	tick(15)
	c.drop() // lost with the server

	b, err := m.Checkpoint()
	require.NoError(t, err)
	users := new(player.Registry)
	m, err = room.RestoreManual(t.Context(), k, b, room.Config{ID: "y", Seed: 5, Registry: users, Log: silent})
	require.NoError(t, err)
	require.Equal(t, "x", m.Room().ID())
	require.Len(t, users.User("ada"), 1, "events by user reach who is away")
	s, err = m.Resume(room.Resume{Token: c.welcome.Token, Tick: held, Conn: c})
	require.NoError(t, err)
	require.Equal(t, uint32(1), s.Number)
	tick(2)
	_, err = c.read(-1)
	require.NoError(t, err)
	require.Equal(t, []string{"later one", "later two", "later three"}, c.events)
	require.NoError(t, s.Receive(c, m.Now(), protocol.AppendMessage(nil, 9, "who", encode(t, Say{}))))
	tick(1)
	_, err = c.read(-1)
	require.NoError(t, err)
	require.Contains(t, c.replies[9], "captain")
}

func TestAnOlderCheckpointTakesPlayersBack(t *testing.T) {
	m, err := room.NewManual(t.Context(), diaryKind(nil), room.Config{ID: "x", Log: silent})
	require.NoError(t, err)
	c := new(client)
	s, err := m.Join(room.Join{Who: room.Identity{User: "ada", Name: "Ada"}, Conn: c})
	require.NoError(t, err)
	b, err := m.Checkpoint()
	require.NoError(t, err)
	for range 50 {
		_, err = m.Tick()
		require.NoError(t, err)
		require.NoError(t, c.readAndAck(s))
	}
	seen, keys := c.replica.Tick(), c.keys
	m, err = room.RestoreManual(t.Context(), diaryKind(nil), b, room.Config{Log: silent})
	require.NoError(t, err)
	_, err = m.Resume(room.Resume{Token: c.welcome.Token, Tick: seen, Conn: c})
	require.NoError(t, err)
	_, err = c.read(-1)
	require.NoError(t, err)
	require.Equal(t, keys+1, c.keys)
	require.Less(t, c.replica.Tick(), seen)
}

func TestSpectatorsOfARestoredRoomSeeThePastToo(t *testing.T) {
	k := stormKind(20)
	k.Spectators, k.SpectatorDelay = 1, 30
	m, err := room.NewManual(t.Context(), k, room.Config{ID: "x", Seed: 4, Log: silent})
	require.NoError(t, err)
	for _, name := range []string{"Ada", "Bob", "Cy"} {
		_, err := m.Join(room.Join{Who: room.Identity{User: name, Name: name}, Conn: new(client)})
		require.NoError(t, err)
	}
	b, err := m.Checkpoint()
	require.NoError(t, err)
	var rec tape
	m, err = room.RestoreManual(t.Context(), k, b, room.Config{Recorder: &rec, Log: silent})
	require.NoError(t, err)
	c := new(client)
	s, err := m.Join(room.Join{Conn: c, Spectate: true})
	require.NoError(t, err)
	for len(rec.frames) < 30 {
		_, err = m.Tick()
		require.NoError(t, err)
	}
	n, err := c.read(-1)
	require.NoError(t, err)
	require.Equal(t, 1, n, "as in a room that has just begun: a greeting and an empty world")
	require.Zero(t, c.replica.Len(0))
	require.Contains(t, c.replies[0], "delayed")
	_, err = m.Tick()
	require.NoError(t, err)
	require.NoError(t, c.readAndAck(s))
	require.EqualValues(t, 4, c.replica.Tick(), "the first tick after the checkpoint")
	require.Positive(t, c.replica.Len(0))
}

func TestACheckpointWaitsForWhatIsInAClosure(t *testing.T) {
	for _, name := range []string{"closure", "work"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, diaryKind(nil))
				c, s := r.join("Ada")
				send(t, s, c, protocol.AppendMessage(nil, 0, name, encode(t, Say{"x"})))
				time.Sleep(150 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				_, err := r.Checkpoint(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, room.ErrPending)
				began := time.Now()
				b, err := r.Checkpoint(t.Context())
				require.NoError(t, err)
				require.NotEmpty(t, b)
				require.Positive(t, time.Since(began))
				require.NoError(t, r.stop())
				_, err = r.Checkpoint(t.Context())
				require.ErrorIs(t, err, room.ErrClosed)
			})
		})
	}
}

func TestARestoredRoomRuns(t *testing.T) {
	for _, onDemand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := diaryKind(nil)
			k.OnDemand = onDemand
			first := start(t, k)
			c, s := first.join("Ada")
			send(t, s, c, protocol.AppendMessage(nil, 0, "later", encode(t, Say{"x"})))
			time.Sleep(500 * time.Millisecond)
			b, err := first.Checkpoint(t.Context())
			require.NoError(t, err)
			require.NoError(t, first.stop())
			require.NoError(t, c.readAndAck(s))
			at := c.replica.Tick()

			r, err := room.Restore(k, b, room.Config{Log: silent})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx) }()
			again := &client{replica: c.replica}
			s, err = r.Resume(t.Context(), room.Resume{Token: c.welcome.Token, Tick: at, Conn: again})
			require.NoError(t, err)
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				require.NoError(t, again.readAndAck(s))
			}
			require.Equal(t, []string{"later x"}, again.events)
			require.Greater(t, again.replica.Tick(), at, "the clock goes on")
			cancel()
			require.NoError(t, <-ended)
		})
	}
}

func TestSaveThatPanicsEndsTheRoomAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, diaryKind(func(d *diary) { d.save = func() any { panic("oops") } }))
		c, _ := r.join("Ada")
		_, err := r.Checkpoint(t.Context())
		require.ErrorAs(t, err, new(*room.PanicError))
		require.ErrorAs(t, <-r.ended, new(*room.PanicError))
		require.Equal(t, protocol.CodeRoomFailed, c.closeError().Code)
	})
}

type forgetful struct{ *diary }

func (forgetful) Restore(t *room.Tick, decode func(v any) error) error { panic("what was it?") }

type stern struct{ *diary }

func (stern) Restore(t *room.Tick, decode func(v any) error) error {
	var notes []string
	if err := decode(&notes); err != nil || len(notes) == 0 {
		return errors.New("nothing was heard")
	}
	return nil
}

type Satchel struct {
	Size  int `sync:"size"`
	items []string
}

// reseal makes a change to a checkpoint one that its checksum does not show.
func reseal(b []byte) []byte {
	b = b[:len(b)-4]
	return binary.BigEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func TestCheckpointsThatAreRefused(t *testing.T) {
	r := roomtest.New(t, diaryKind(nil))
	r.Join("Ada")
	b := r.Checkpoint()
	change := func(from, to string) []byte {
		require.Equal(t, 1, bytes.Count(b, []byte(from)), from)
		return reseal(bytes.Replace(bytes.Clone(b), []byte(from), []byte(to), 1))
	}
	flipped := bytes.Clone(b)
	flipped[len(b)/2] ^= 1
	faster, other := diaryKind(nil), diaryKind(nil)
	faster.TickRate, other.Name = 20, "other"
	tables := kind(func(s *room.Setup) room.Game[struct{}] { return &diary{row: room.Table[Card](s, "cards")} })
	same := diaryKind(nil)
	wrap := func(f func(d *diary) room.Game[struct{}]) room.AnyKind {
		return kind(func(s *room.Setup) room.Game[struct{}] {
			g, err := same.New(s)
			require.NoError(t, err)
			return f(g.(*diary))
		})
	}
	for _, test := range []struct {
		name string
		kind room.AnyKind
		b    []byte
		says string
	}{
		{"nothing", same, nil, "damaged or cut off"},
		{"cut off", same, b[:len(b)-5], "damaged or cut off"},
		{"damaged", same, flipped, "damaged or cut off"},
		{"too long", same, make([]byte, room.MaxCheckpoint+1), "at most"},
		{"something else", same, change("tickhall checkpoint", "tickhall_checkpoint"), "something else"},
		{"of a later version", same, change("checkpoint\x01", "checkpoint\x02"), "version 2, not 1"},
		{"of another kind", other, b, `kind "example" at 10 ticks per second, not "other"`},
		{"at another rate", faster, b, "at 20"},
		{"of other tables", tables, b, "other fields"},
		{"with a player cut off", same, reseal(append(b[:len(b)-6:len(b)-6], 0, 0, 0, 0)), "seats"},
		{"a game that can't", rigKind(new(rig)), b, "implement room.Checkpointer"},
		{"a game that panics", wrap(func(d *diary) room.Game[struct{}] { return forgetful{d} }), b, "Restore panicked: what was it?"},
		{"a game that refuses", wrap(func(d *diary) room.Game[struct{}] { return stern{d} }), b, "Restore: nothing was heard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := room.Restore(test.kind, test.b, room.Config{})
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestRoomsThatCanNotBeWrittenDown(t *testing.T) {
	m, err := room.NewManual(t.Context(), rigKind(new(rig)), room.Config{ID: "x"})
	require.NoError(t, err)
	_, err = m.Tick()
	require.NoError(t, err)
	_, err = m.Checkpoint()
	require.ErrorIs(t, err, room.ErrNoCheckpoint)

	m, err = room.NewManual(t.Context(), diaryKind(nil), room.Config{ID: "x"})
	require.NoError(t, err)
	_, err = m.Checkpoint()
	require.ErrorContains(t, err, "has made no tick")

	_, err = room.New(kind(func(s *room.Setup) room.Game[struct{}] {
		room.Table[Satchel](s, "satchel")
		return &diary{}
	}), room.Config{ID: "x"})
	require.ErrorContains(t, err, "Satchel.items is a []string, which a checkpoint can't hold")
	_ = Satchel{}.items
}

func TestTimersThatAreRefused(t *testing.T) {
	for name, f := range map[string]func(s *room.Setup){
		"taken": func(s *room.Setup) {
			room.OnTimer(s, "a", func(*room.Tick, int) {})
			room.OnTimer(s, "a", func(*room.Tick, int) {})
		},
		"no name": func(s *room.Setup) { room.OnTimer(s, "", func(*room.Tick, int) {}) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := room.New(kind(func(s *room.Setup) room.Game[struct{}] { f(s); return base{} }), room.Config{ID: "x"})
			require.ErrorContains(t, err, "OnTimer")
		})
	}
}

// Clumsy does not come back as it went.
type Clumsy struct{ N int }

func (c Clumsy) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeString("oops") }
func (c *Clumsy) DecodeMsgpack(d *msgpack.Decoder) error {
	return errors.New("no way back")
}

func TestATimerWhoseArgumentDoesNotComeBackIsNotSet(t *testing.T) {
	var timer *room.Timer[Clumsy]
	var dropped []string
	g := &rig{step: func(t *room.Tick, _ []room.Input[struct{}]) { timer.After(t, time.Second, Clumsy{1}) }}
	m, err := room.NewManual(t.Context(), kind(func(s *room.Setup) room.Game[struct{}] {
		timer = room.OnTimer(s, "x", func(*room.Tick, Clumsy) {})
		return g
	}), room.Config{ID: "x", Log: silent, Unsendable: func(what string, err error) { dropped = append(dropped, what+": "+err.Error()) }})
	require.NoError(t, err)
	_, err = m.Tick()
	require.NoError(t, err)
	require.Equal(t, []string{"timer x: no way back"}, dropped)
}

// FuzzRestore: whatever checkpoint a room accepts, it goes on from, and its end is an orderly one.
func FuzzRestore(f *testing.F) {
	k := stormKind(20)
	m, err := room.NewManual(f.Context(), k, room.Config{ID: "x", Log: silent})
	require.NoError(f, err)
	for _, name := range []string{"Ada", "Bob"} {
		c := new(client)
		s, err := m.Join(room.Join{Who: room.Identity{User: name, Name: name, Claims: json.RawMessage("{}")}, Conn: c})
		if err != nil {
			continue
		}
		_, err = c.read(1)
		require.NoError(f, err)
		b, err := msgpack.Marshal([]any{5, true})
		require.NoError(f, err)
		for i := range 20 {
			h := protocol.InputHead{Seq: uint32(i + 1), Ack: c.replica.Tick()}
			require.NoError(f, s.Receive(c, m.Now(), append(h.Append(nil, 1), b...)))
			_, err = m.Tick()
			require.NoError(f, err)
		}
	}
	b, err := m.Checkpoint()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		b = reseal(b)
		p, err := room.RestorePlayback(k, b)
		m, other := room.RestoreManual(t.Context(), k, b, room.Config{Log: silent})
		if err != nil || other != nil {
			require.Error(t, other, "a room asks for more than a playback")
			return
		}
		require.NotZero(t, p.Tick())
		for range 3 {
			if over, err := m.Tick(); over || err != nil {
				require.ErrorAs(t, err, new(*room.PanicError), "the game believes what it saved")
				return
			}
		}
	})
}
