// Package arena is a top-down shooter: every ship for itself among walls, with pick-ups, rounds of
// five minutes and bots that keep a lone visitor company and make room as people come.
//
// The package holds the rules alone. It imports what any author would: package room, package state and
// the standard library. All of it runs on the room's goroutine.
package arena

import (
	"slices"
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Kind is the arena.
var Kind = room.Kind[Move]{
	Name:       "arena",
	Title:      "Arena",
	About:      "Every ship for itself: dodge, aim, and be the first to twenty.",
	TickRate:   tickRate,
	MaxPlayers: 24,
	IdleFor:    10 * time.Minute, // a seat is somebody else's then
	Spectators: 50,
	Queue: &room.QueueRules{
		Teams: 8, TeamSize: 1, MinPlayers: 2, LateAfter: 10 * time.Second, Skill: room.SkillClaim("rating", 1500),
	},
	New: New,
}

const (
	tickRate = 30
	second   = tickRate // ticks
)

// Move is what a player sends once per tick.
type Move struct {
	DX   int8  `msgpack:"dx"`  // where to go: right, -127 to 127 of full speed
	DY   int8  `msgpack:"dy"`  // and down
	Aim  uint8 `msgpack:"aim"` // 1/256 turn, clockwise from the right
	Fire bool  `msgpack:"fire"`
	Away bool  `msgpack:"away"` // nobody looks at the page
}

// Merge keeps a shot that would be lost when two moves fall into one tick.
func (m Move) Merge(next Move) Move {
	next.Fire = next.Fire || m.Fire
	return next
}

// Arena is the game of one room.
type Arena struct {
	ships   *state.Table[Ship]
	bolts   *state.Table[Bolt]
	pickups *state.Table[Pickup]
	rounds  *state.Table[Round]

	pilots []*pilot          // in the order of coming, bots among them
	humans map[uint32]*pilot // by player number; only looked up in, never walked
	flying []bolt
	items  []*Pickup
	round  *Round
	left   int // ticks of the present phase
	finder pathfinder

	hit  room.Event[Hit]
	kill room.Event[Kill]
	took room.Event[Took]
}

// New makes the game of one room.
func New(s *room.Setup) (room.Game[Move], error) {
	a := &Arena{
		ships:   room.Table[Ship](s, "ship"),
		bolts:   room.Table[Bolt](s, "bolt"),
		pickups: room.Table[Pickup](s, "pickup"),
		rounds:  room.Table[Round](s, "round"),
		humans:  map[uint32]*pilot{},
		finder:  newPathfinder(ground),
		hit:     room.NewEvent[Hit](s, "hit"),
		kill:    room.NewEvent[Kill](s, "kill"),
		took:    room.NewEvent[Took](s, "took"),
	}
	walls := room.Table[Wall](s, "wall")
	for _, w := range ground.walls {
		_, row := walls.Add(0)
		*row = w
	}
	for _, it := range ground.items {
		_, p := a.pickups.Add(0)
		*p = Pickup{X: int32(it.at.x), Y: int32(it.at.y), Kind: it.kind, Ready: true}
		a.items = append(a.items, p)
	}
	_, a.round = a.rounds.Add(0)
	a.startRound()
	return a, nil
}

// Join gives the player a ship, and makes a bot leave if there is company enough. Who has just left gets the ship that
// still stands there, as it is.
func (a *Arena) Join(t *room.Tick, p *room.Player) error {
	pl := a.enter(t, p, p.Name())
	if old := a.abandoned(p.User()); old != nil {
		pl.takeOver(old)
		a.exit(old)
	}
	a.humans[p.Number()] = pl
	a.balance(t)
	return nil
}

// Leave abandons the ship, which goes when nobody fights it any more. A bot takes its place after a moment.
func (a *Arena) Leave(t *room.Tick, p *room.Player, _ room.Cause) {
	pl := a.humans[p.Number()]
	pl.abandon()
	delete(a.humans, p.Number())
	t.After(3*time.Second, a.balance)
}

// Away lets the ship of a player whose connection is lost stand where it is.
func (a *Arena) Away(_ *room.Tick, p *room.Player) { a.humans[p.Number()].lose() }

// Back gives it to its player again.
func (a *Arena) Back(_ *room.Tick, p *room.Player) { a.humans[p.Number()].lost = false }

// Step moves the arena on by one tick.
func (a *Arena) Step(t *room.Tick, inputs []room.Input[Move]) {
	a.tickRound()
	for i := range inputs {
		in := &inputs[i]
		a.humans[in.Player.Number()].obey(in.Value, in.Held)
	}
	for _, p := range a.pilots {
		if p.brain != nil {
			a.think(t, p)
		}
	}
	if a.round.Phase == Playing {
		for _, p := range a.pilots {
			a.live(t, p)
		}
		a.separate()
	}
	a.clear()
	a.fly(t)
	a.collect(t)
}

// enter adds the ship of a player, or of a bot if player is nil.
func (a *Arena) enter(t *room.Tick, player *room.Player, name string) *pilot {
	p := &pilot{name: name, player: player}
	owner := uint32(0)
	if player == nil {
		p.brain = newBrain(t)
	} else {
		owner, p.user = player.Number(), player.User()
	}
	p.id, p.ship = a.ships.Add(owner)
	p.ship.Name, p.ship.Bot, p.ship.Colour = name, player == nil, a.rarestColour()
	a.pilots = append(a.pilots, p)
	a.spawn(t, p)
	return p
}

// exit takes a ship out, and its bolts with it: nobody is left to score.
func (a *Arena) exit(p *pilot) {
	a.ships.Remove(p.id)
	p.gone = true
	a.flying = slices.DeleteFunc(a.flying, func(b bolt) bool { return b.by == p && a.bolts.Remove(b.id) })
	a.pilots = slices.DeleteFunc(a.pilots, func(q *pilot) bool { return q == p })
}

// colours is how many a page must tell apart.
const colours = 12

// rarestColour returns the colour that the fewest ships have.
func (a *Arena) rarestColour() uint8 {
	var count [colours]int
	for _, p := range a.pilots {
		count[p.ship.Colour]++
	}
	best := 0
	for i, n := range count {
		if n < count[best] {
			best = i
		}
	}
	return uint8(best)
}

var (
	_ room.Game[Move]   = (*Arena)(nil)
	_ room.Merger[Move] = Move{}
	_ room.Rejoiner     = (*Arena)(nil)
)
