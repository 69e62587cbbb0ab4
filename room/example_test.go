package room_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// base is a game that does nothing, for examples to embed.
type base struct{}

func (base) Join(*room.Tick, *room.Player) error              { return nil }
func (base) Leave(*room.Tick, *room.Player, room.Cause)       {}
func (base) Step(t *room.Tick, inputs []room.Input[struct{}]) {}

// kind returns a Kind of a game made by make.
func kind(make func(s *room.Setup) room.Game[struct{}]) room.Kind[struct{}] {
	return room.Kind[struct{}]{Name: "example", TickRate: 10, New: func(s *room.Setup) (room.Game[struct{}], error) {
		return make(s), nil
	}}
}

type Say struct {
	Text string `msgpack:"text"`
}
type Said struct {
	Number int `msgpack:"number"`
}
type Line struct {
	From string `msgpack:"from"`
	Text string `msgpack:"text"`
}

// A typed message with a reply or an error, and an event to all.
func ExampleHandle() {
	chat := kind(func(s *room.Setup) room.Game[struct{}] {
		lines := 0
		room.Handle(s, "say", func(t *room.Tick, p *room.Player, m Say) (Said, error) {
			if m.Text == "" {
				return Said{}, room.Errorf("empty", "say something")
			}
			lines++
			t.Broadcast("line", Line{p.Name(), m.Text})
			return Said{lines}, nil
		})
		return base{}
	})
	r := roomtest.New(roomtest.Panics{}, chat)
	ada, bob := r.Join("Ada"), r.Join("Bob")
	var said Said
	fmt.Println(ada.Call("say", Say{"hello"}, &said), said.Number)
	fmt.Println(roomtest.Events[Line](bob, "line"))
	fmt.Println(ada.Call("say", Say{}, &said))
	// Output:
	// <nil> 1
	// [{Ada hello}]
	// say something
}

// Events to one player, in the game's own time.
func ExampleTick_After() {
	reminder := kind(func(s *room.Setup) room.Game[struct{}] {
		room.Handle(s, "remind", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			t.After(300*time.Millisecond, func(t *room.Tick) { t.Send("reminder", m, p) })
			return struct{}{}, nil
		})
		return base{}
	})
	r := roomtest.New(roomtest.Panics{}, reminder)
	ada := r.Join("Ada")
	_ = ada.Call("remind", Say{"tea"}, nil)
	r.Tick(2)
	fmt.Println(roomtest.Events[Say](ada, "reminder"))
	r.Tick(1)
	fmt.Println(roomtest.Events[Say](ada, "reminder"))
	// Output:
	// []
	// [{tea}]
}

// Slow work runs elsewhere; its result comes back on the room's goroutine and is recorded.
func ExampleGo() {
	weather := kind(func(s *room.Setup) room.Game[struct{}] {
		room.Handle(s, "forecast", func(t *room.Tick, p *room.Player, place string) (struct{}, error) {
			room.Go(t, func(ctx context.Context) (string, error) {
				return "sunny in " + place, nil // ask a service, with ctx
			}, func(t *room.Tick, forecast string, err error) {
				if err == nil {
					t.Send("forecast", forecast, p)
				}
			})
			return struct{}{}, nil
		})
		return base{}
	})
	r := roomtest.New(roomtest.Panics{}, weather)
	ada := r.Join("Ada")
	_ = ada.Call("forecast", "London", nil)
	r.Tick(1)
	fmt.Println(roomtest.Events[string](ada, "forecast"))
	// Output: [sunny in London]
}

// Chance and time are the room's own: the same seed throws the same dice at the same moments.
func ExampleTick_Rand() {
	type thrown struct {
		At  string
		Die int
	}
	dice := kind(func(s *room.Setup) room.Game[struct{}] {
		room.Handle(s, "throw", func(t *room.Tick, p *room.Player, _ struct{}) (thrown, error) {
			return thrown{t.Time().String(), 1 + t.Rand().IntN(6)}, nil
		})
		return base{}
	})
	for _, seed := range []uint64{1, 1} {
		r := roomtest.NewSeeded(roomtest.Panics{}, dice, room.Config{ID: "dice", Seed: seed})
		ada := r.Join("Ada")
		var one, two thrown
		_ = ada.Call("throw", struct{}{}, &one)
		_ = ada.Call("throw", struct{}{}, &two)
		fmt.Println(one, two)
	}
	// Output:
	// {200ms 3} {300ms 6}
	// {200ms 3} {300ms 6}
}

// What whoever asks for a room wants of it, and what others look for.
func ExampleSetup_Options() {
	type options struct {
		Map string `json:"map"`
	}
	k := room.Kind[struct{}]{Name: "example", New: func(s *room.Setup) (room.Game[struct{}], error) {
		o := options{Map: "harbour"}
		if err := s.Options(&o); err != nil {
			return nil, err // of code "bad_options": the player is shown it
		}
		s.SetListing(o)
		return base{}, nil
	}}
	r, _ := room.New(k, room.Config{ID: "one", Options: []byte(`{"map": "forest"}`)})
	fmt.Println(string(r.Info().Data))
	_, err := room.New(k, room.Config{ID: "two", Options: []byte(`{"mop": "forest"}`)})
	fmt.Println(err)
	// Output:
	// {"map":"forest"}
	// room kind "example": New: there is no option "mop"
}

// What comes from the server's own code, not from a player.
func ExampleOnSignal() {
	r := roomtest.New(roomtest.Panics{}, kind(func(s *room.Setup) room.Game[struct{}] {
		room.OnSignal(s, "curfew", func(t *room.Tick, hour int) { t.Broadcast("curfew", hour) })
		return base{}
	}))
	ada := r.Join("Ada")
	r.Signal("curfew", 22) // in a server: Room.Signal
	fmt.Println(roomtest.Events[int](ada, "curfew"))
	// Output: [22]
}

// reel is a Recorder that keeps all frames in memory.
type reel struct {
	frames [][]byte
	sum    uint32 // of the world after the last
}

func (r *reel) Record(tick uint32, frame []byte, world func() uint32, failed error) {
	r.frames, r.sum = append(r.frames, bytes.Clone(frame)), world()
}

// A recorded match is made again, tick by tick, to the same checksum.
func ExamplePlayback() {
	rec := new(reel)
	r := roomtest.NewSeeded(roomtest.Panics{}, Kind, room.Config{ID: "garden", Seed: 3, Recorder: rec})
	ada := r.Join("Ada")
	for range 5 {
		ada.Input(Move{DX: 1})
		r.Tick(1)
	}
	again, err := room.NewPlayback(Kind, 3, nil)
	for _, frame := range rec.frames {
		err = errors.Join(err, again.Step(frame))
	}
	fmt.Println(again.Tick(), again.Checksum() == rec.sum, err)
	// Output: 6 true <nil>
}

type finals struct{ base }

func (finals) Join(t *room.Tick, p *room.Player) error {
	t.SetListing(map[string]any{"map": "harbour"})
	t.Lock(len(t.Players()) == 2)
	return nil
}

func (finals) Step(t *room.Tick, inputs []room.Input[struct{}]) {
	switch t.Number() {
	case 3:
		t.Kick(t.Player(2), "away from keyboard")
	case 4:
		t.End(map[string]string{"winner": t.Players()[0].Name()})
	}
}

// Room control: listing data, a lock, a kick with a reason, an end with a result.
func ExampleTick_End() {
	r := roomtest.New(roomtest.Panics{}, kind(func(*room.Setup) room.Game[struct{}] { return finals{} }))
	ada, bob := r.Join("Ada"), r.Join("Bob")
	fmt.Println(string(r.Info().Data), r.Info().Locked)
	r.Tick(2)
	fmt.Println(bob.Bye().Code, bob.Bye().Reason)
	fmt.Println(ada.Bye().Code, r.Ended())
	// Output:
	// {"map":"harbour"} true
	// kicked away from keyboard
	// room_ended true
}

type invited struct{ base }

func (invited) Admit(t *room.Tick, who room.Identity) error {
	if who.Name != "Ada" {
		return room.Errorf("not_invited", "%s is not on the list", who.Name)
	}
	return nil
}

// A game that refuses players before they have a seat.
func ExampleAdmitter() {
	r := roomtest.New(roomtest.Panics{}, kind(func(*room.Setup) room.Game[struct{}] { return invited{} }))
	r.Join("Ada")
	_, err := r.TryJoin("Eve")
	var refused *room.Error
	fmt.Println(errors.As(err, &refused), refused.Code, refused)
	// Output: true not_invited Eve is not on the list
}

type patient struct{ base }

func (patient) Away(t *room.Tick, p *room.Player) { t.Broadcast("away", p.Name()) }
func (patient) Back(t *room.Tick, p *room.Player) { t.Broadcast("back", p.Name()) }

// A game that tells the others when a connection is lost and when it is back.
func ExampleRejoiner() {
	r := roomtest.New(roomtest.Panics{}, kind(func(*room.Setup) room.Game[struct{}] { return patient{} }))
	ada, bob := r.Join("Ada"), r.Join("Bob")
	bob.Lose()
	bob.Resume()
	fmt.Println(roomtest.Events[string](ada, "away"), roomtest.Events[string](ada, "back"))
	fmt.Println(roomtest.Events[string](bob, "away"), "is not lost either")
	// Output:
	// [Bob] [Bob]
	// [Bob] is not lost either
}

type Card struct {
	Value uint8  `sync:"value"`
	Holds uint32 // not on the wire
}

// hands shows its cards only to who holds them.
type hands struct {
	base
	cards *state.Table[Card]
}

func (h *hands) Join(t *room.Tick, p *room.Player) error {
	_, c := h.cards.Add(0)
	c.Value, c.Holds = uint8(10+p.Number()), p.Number()
	return nil
}

func (h *hands) Sees(p *room.Player, table int, id state.ID) bool {
	return h.cards.Get(id).Holds == p.Number()
}

// Custom visibility: what a player may not see is not sent.
func ExampleSeer() {
	r := roomtest.New(roomtest.Panics{}, kind(func(s *room.Setup) room.Game[struct{}] {
		return &hands{cards: room.Table[Card](s, "card")}
	}))
	ada, bob := r.Join("Ada"), r.Join("Bob")
	for _, p := range []*roomtest.Player{ada, bob} {
		for id, c := range roomtest.Table[Card](p, "card").All() {
			fmt.Println("player", p.Number(), "sees card", id, "of value", c.Value)
		}
	}
	// Output:
	// player 1 sees card 1 of value 11
	// player 2 sees card 2 of value 12
}

// A player may say two lines at once, then one a second.
func ExampleBucket() {
	r := roomtest.New(roomtest.Panics{}, kind(func(s *room.Setup) room.Game[struct{}] {
		said := map[string]*room.Bucket{} // by user
		room.Handle(s, "say", func(t *room.Tick, p *room.Player, m Say) (struct{}, error) {
			if said[p.User()] == nil {
				said[p.User()] = new(room.Bucket)
			}
			if !said[p.User()].Take(t, 2, time.Second) {
				return struct{}{}, room.Errorf("too_fast", "one line a second")
			}
			return struct{}{}, nil
		})
		return base{}
	}))
	ada := r.Join("Ada")
	for range 4 {
		fmt.Println(ada.Call("say", Say{"hi"}, nil))
	}
	r.Tick(6) // 1 s after the first
	fmt.Println(ada.Call("say", Say{"hi"}, nil))
	// Output:
	// <nil>
	// <nil>
	// one line a second
	// one line a second
	// <nil>
}

type Candle struct {
	Lit bool `sync:"lit"`
}

// vigil keeps a candle, and counts on its own how often it has been lit.
type vigil struct {
	base
	candles *state.Table[Candle]
	burnt   *room.Timer[state.ID]
	lit     int
}

func newVigil(s *room.Setup) room.Game[struct{}] {
	v := &vigil{candles: room.Table[Candle](s, "candle")}
	v.burnt = room.OnTimer(s, "burnt", func(t *room.Tick, id state.ID) { v.candles.Get(id).Lit = false })
	room.Handle(s, "light", func(t *room.Tick, p *room.Player, _ struct{}) (int, error) {
		id, candle := v.candles.Add(p.Number())
		candle.Lit = true
		v.lit++
		v.burnt.After(t, time.Second, id)
		return v.lit, nil
	})
	return v
}

func (v *vigil) Save(*room.Tick) any                                     { return v.lit }
func (v *vigil) Restore(t *room.Tick, decode func(into any) error) error { return decode(&v.lit) }

// A game that can be written down between two ticks and go on elsewhere: its tables and timers are kept for it.
func ExampleCheckpointer() {
	r := roomtest.New(roomtest.Panics{}, kind(newVigil))
	ada := r.Join("Ada")
	_ = ada.Call("light", struct{}{}, nil)
	r.Shadow()  // fails if Save or Restore forget something that matters later
	r.Restart() // goes on from a checkpoint
	ada.Resume()
	var lit int
	_ = ada.Call("light", struct{}{}, &lit)
	candles := roomtest.Table[Candle](ada, "candle")
	first, _ := candles.Get(1)
	fmt.Println(lit, first.Lit)
	r.Tick(10)
	first, _ = candles.Get(1)
	fmt.Println(first.Lit)
	// Output:
	// 2 true
	// false
}

// A timer with a name and an argument, which a checkpoint can hold.
func ExampleOnTimer() {
	r := roomtest.New(roomtest.Panics{}, kind(func(s *room.Setup) room.Game[struct{}] {
		tea := room.OnTimer(s, "tea", func(t *room.Tick, who uint32) {
			if p := t.Player(who); p != nil { // who may have left meanwhile
				t.Send("reminder", "tea", p)
			}
		})
		room.Handle(s, "remind", func(t *room.Tick, p *room.Player, _ Say) (struct{}, error) {
			tea.After(t, 200*time.Millisecond, p.Number())
			return struct{}{}, nil
		})
		return base{}
	}))
	ada := r.Join("Ada")
	_ = ada.Call("remind", Say{}, nil)
	r.Tick(2)
	fmt.Println(roomtest.Events[string](ada, "reminder"))
	// Output: [tea]
}

// muster is a match that begins when nobody is missing any more.
type muster struct{ base }

func (*muster) Step(t *room.Tick, _ []room.Input[struct{}]) {
	if len(t.Match().In(room.Coming)) == 0 {
		t.Broadcast("begin", len(t.Match().In(room.Here)))
	}
}

// Absent sees one who does not come: the match does without.
func (*muster) Absent(t *room.Tick, m room.Member) {
	t.Broadcast("absent", m.User)
	t.Backfill()
}

var _ room.Absentee = (*muster)(nil)

// A room that a queue made knows who was matched, and hears who does not come.
func ExampleTick_Match() {
	k := kind(func(s *room.Setup) room.Game[struct{}] { return &muster{} })
	r := roomtest.NewSeeded(roomtest.Panics{}, k, room.Config{ID: "test", Match: &room.Match{Members: []room.Member{
		{User: "user-ada", Team: 1}, {User: "user-bob", Team: 2},
	}}})
	ada := r.Join("ada")
	r.Tick(5)
	fmt.Println(roomtest.Events[int](ada, "begin"))
	r.Absent("bob")
	fmt.Println(roomtest.Events[string](ada, "absent"), roomtest.Events[int](ada, "begin"))
	// Output:
	// []
	// [user-bob] [1]
}

// Shot is an input of which no press of the trigger may get lost.
type Shot struct {
	Aim  int16
	Fire bool
}

// Merge keeps the trigger pulled if it was pulled in either.
func (s Shot) Merge(next Shot) Shot {
	next.Fire = next.Fire || s.Fire
	return next
}

var _ room.Merger[Shot] = Shot{}

// Two inputs that fall due in the same tick are merged by the author's rule.
func ExampleMerger() {
	fmt.Println(Shot{Aim: 1, Fire: true}.Merge(Shot{Aim: 2}))
	// Output: {2 true}
}

// A room that ticks only when something has arrived costs nothing in between.
func ExampleKind_onDemand() {
	k := kind(func(s *room.Setup) room.Game[struct{}] { return base{} })
	k.OnDemand = true
	spec, err := room.SpecOf(k)
	fmt.Println(spec.OnDemand, spec.TickRate, spec.EmptyFor, err)
	// Output: true 10 30s <nil>
}
