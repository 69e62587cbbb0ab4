package room_test

import (
	"fmt"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// Move is what a player sends, once per tick.
type Move struct{ DX, DY int8 }

// Walker is what everybody sees: plain fields, plain assignments.
type Walker struct {
	Name string  `sync:"name"`
	X    float32 `sync:"x,step=1/8,rate=vx"` // sent as integers of 1/8 unit, predicted from vx
	Y    float32 `sync:"y,step=1/8,rate=vy"`
	VX   float32 `sync:"vx,step=1/2"`
	VY   float32 `sync:"vy,step=1/2"`
}

// Garden is the game: people walk about.
type Garden struct {
	walkers *state.Table[Walker]
	of      map[*room.Player]state.ID
}

func (g *Garden) Join(t *room.Tick, p *room.Player) error {
	id, w := g.walkers.Add(p.Number())
	w.Name, g.of[p] = p.Name(), id
	return nil
}

func (g *Garden) Leave(t *room.Tick, p *room.Player, why room.Cause) {
	g.walkers.Remove(g.of[p])
	delete(g.of, p)
}

func (g *Garden) Step(t *room.Tick, inputs []room.Input[Move]) {
	for _, in := range inputs {
		w := g.walkers.Get(g.of[in.Player])
		w.VX, w.VY = 40*float32(in.Value.DX), 40*float32(in.Value.DY) // units per second
		w.X += w.VX * float32(t.Delta())
		w.Y += w.VY * float32(t.Delta())
	}
}

// Kind goes to host.Main, which serves it.
var Kind = room.Kind[Move]{Name: "garden", TickRate: 20, New: func(s *room.Setup) (room.Game[Move], error) {
	return &Garden{room.Table[Walker](s, "walker"), map[*room.Player]state.ID{}}, nil
}}

// A first game, whole, and a test of it.
func Example() {
	r := roomtest.New(roomtest.Panics{}, Kind)
	ada, bob := r.Join("Ada"), r.Join("Bob")
	ada.Input(Move{DX: 1})
	r.Tick(2)
	for id, w := range roomtest.Table[Walker](bob, "walker").All() {
		fmt.Printf("walker %d is %s at %.0f, %.0f\n", id, w.Name, w.X, w.Y)
	}
	// Output:
	// walker 1 is Ada at 4, 0
	// walker 2 is Bob at 0, 0
}
