package swarm

import (
	"math"
	"slices"

	"github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/protocol/state"
)

// botFor is the bot of a kind of room that comes with Tickhall, nil if there is none.
func botFor(kind string) func(*Player) Bot {
	if kind == "arena" {
		return newArenaBot
	}
	return nil
}

// arenaMove, arenaShip, arenaWall and arenaRound are the arena's own types, as far as a bot needs them.
type arenaMove struct {
	DX   int8  `msgpack:"dx"`
	DY   int8  `msgpack:"dy"`
	Aim  uint8 `msgpack:"aim"`
	Fire bool  `msgpack:"fire"`
}

type arenaShip struct {
	X   float32 `sync:"x"`
	Y   float32 `sync:"y"`
	VX  float32 `sync:"vx"`
	VY  float32 `sync:"vy"`
	Aim float32 `sync:"aim"`
	HP  uint8   `sync:"hp"`
}

type arenaWall struct {
	X int32 `sync:"x"`
	Y int32 `sync:"y"`
	W int32 `sync:"w"`
	H int32 `sync:"h"`
}

type arenaRound struct {
	Phase uint8 `sync:"phase"`
}

const (
	thinkEvery = 3   // inputs
	sight      = 650 // units
	reach      = 220 // the distance that it likes to keep from its foe
	bulletPace = 900
	aimsKept   = 32
)

// arenaBot plays the arena: it fights the nearest ship in sight, ahead of which it aims, goes round it at a
// distance, and roams when it sees nobody. Its aim is what others see of its inputs.
type arenaBot struct {
	player *Player
	moves  *client.Inputs[arenaMove]
	ships  *client.Table[arenaShip]
	walls  *client.Table[arenaWall]
	rounds *client.Table[arenaRound]

	round state.ID // Look's: the only entity of its table

	// The pacer's.
	act    func()   // think
	id     state.ID // of its ship
	alive  bool
	move   arenaMove
	inputs int
	ground []arenaWall
	strafe float64
	heard  [aimsKept]uint8 // the newest aims sent, a ring
	near   []foe
	lastX  float32
	lastY  float32
}

type foe struct {
	ship     arenaShip
	distance float64
}

var _ Sighted = (*arenaBot)(nil)

func newArenaBot(p *Player) Bot {
	b := &arenaBot{
		player: p, moves: client.NewInputs[arenaMove](p.Room), strafe: 1,
		ships: client.Bind[arenaShip](p.Room, "ship"), walls: client.Bind[arenaWall](p.Room, "wall"),
		rounds: client.Bind[arenaRound](p.Room, "round"),
	}
	b.act = b.think
	return b
}

// Act implements Bot.
func (b *arenaBot) Act() error {
	if b.inputs%thinkEvery == 0 {
		b.player.Room.Do(b.act)
	}
	b.inputs++
	marked, waiting := b.player.Marked()
	if waiting {
		b.move.Aim = uint8(marked)
	} else if b.alive {
		b.move.Aim = b.fresh(b.move.Aim)
	}
	if err := b.moves.Send(b.move); err != nil {
		return err
	}
	if b.alive && !waiting && !slices.Contains(b.heard[:], b.move.Aim) {
		b.player.Mark(b.id, uint64(b.move.Aim))
	}
	b.heard[b.inputs%aimsKept] = b.move.Aim
	return nil
}

// fresh is an aim close to another that has not been sent lately, if there is one: at a distance, a 256th of a turn hits as
// well.
func (b *arenaBot) fresh(aim uint8) uint8 {
	for _, off := range []uint8{0, 1, 255, 2, 254} {
		if !slices.Contains(b.heard[:], aim+off) {
			return aim + off
		}
	}
	return aim
}

// Look implements Sighted: what is seen is the aim of a ship that can turn.
func (b *arenaBot) Look(id state.ID) (uint64, bool) {
	r, ok := b.rounds.Get(b.round)
	if !ok {
		for b.round, r = range b.rounds.All() {
			break
		}
	}
	if r.Phase != 0 {
		return 0, false
	}
	s, ok := b.ships.Get(id)
	return uint64(turnOf(float64(s.Aim))), ok && s.HP > 0
}

// turnOf is the nearest 256th of a turn.
func turnOf(radians float64) uint8 { return uint8(int(math.Round(radians * 128 / math.Pi))) }

// think decides what to do for the next inputs. The world stands still.
func (b *arenaBot) think() {
	if b.walls.Len() != len(b.ground) {
		b.ground = b.ground[:0]
		for _, w := range b.walls.All() {
			b.ground = append(b.ground, w)
		}
	}
	me, ok := b.ships.Get(b.id)
	if !ok || !b.ships.Mine(b.id) {
		if me, ok = b.find(); !ok {
			return
		}
	}
	b.alive = me.HP > 0
	if !b.alive {
		b.move = arenaMove{Aim: b.move.Aim}
		return
	}
	b.near = b.near[:0]
	for id, s := range b.ships.All() {
		if d := math.Hypot(float64(s.X-me.X), float64(s.Y-me.Y)); id != b.id && s.HP > 0 && d < sight {
			b.near = append(b.near, foe{s, d})
		}
	}
	slices.SortFunc(b.near, func(p, q foe) int { return int(p.distance - q.distance) })
	for _, f := range b.near[:min(len(b.near), 3)] {
		if b.sees(me, f.ship) {
			b.fight(me, f)
			return
		}
	}
	b.roam(me)
}

func (b *arenaBot) find() (me arenaShip, ok bool) {
	for id, s := range b.ships.All() {
		if b.ships.Mine(id) {
			b.id = id
			return s, true
		}
	}
	return me, false
}

// fight aims ahead of the foe, goes round it, and fires.
func (b *arenaBot) fight(me arenaShip, f foe) {
	ahead := f.distance / bulletPace
	dx := float64(f.ship.X-me.X) + float64(f.ship.VX)*ahead
	dy := float64(f.ship.Y-me.Y) + float64(f.ship.VY)*ahead
	angle := math.Atan2(dy, dx)
	b.move.Aim, b.move.Fire = turnOf(angle), true
	if b.player.Rand.IntN(12) == 0 {
		b.strafe = -b.strafe
	}
	way := angle + b.strafe*math.Pi/2
	switch {
	case f.distance > reach+80:
		way = angle + b.strafe*0.6
	case f.distance < reach-80:
		way = angle + b.strafe*2.2
	}
	b.steer(way)
}

// roam goes on until something is in the way, then elsewhere.
func (b *arenaBot) roam(me arenaShip) {
	stuck := math.Hypot(float64(me.X-b.lastX), float64(me.Y-b.lastY)) < 4
	b.lastX, b.lastY = me.X, me.Y
	b.move.Fire = false
	if stuck || b.move.DX == 0 && b.move.DY == 0 || b.player.Rand.IntN(25) == 0 {
		b.steer(b.player.Rand.Float64() * 2 * math.Pi)
	}
	b.move.Aim = turnOf(math.Atan2(float64(b.move.DY), float64(b.move.DX)))
}

func (b *arenaBot) steer(way float64) {
	b.move.DX, b.move.DY = int8(127*math.Cos(way)), int8(127*math.Sin(way))
}

// sees reports whether no wall is between two ships.
func (b *arenaBot) sees(p, q arenaShip) bool {
	for _, w := range b.ground {
		if w.cuts(p.X, p.Y, q.X-p.X, q.Y-p.Y) {
			return false
		}
	}
	return true
}

// cuts reports whether the line from x, y by dx, dy meets the wall (Liang and Barsky, "A New Concept and Method for
// Line Clipping", 1984).
func (w *arenaWall) cuts(x, y, dx, dy float32) bool {
	enter, leave := float32(0), float32(1)
	return clip(-dx, x-float32(w.X), &enter, &leave) && clip(dx, float32(w.X+w.W)-x, &enter, &leave) &&
		clip(-dy, y-float32(w.Y), &enter, &leave) && clip(dy, float32(w.Y+w.H)-y, &enter, &leave)
}

func clip(p, q float32, enter, leave *float32) bool {
	switch t := q / p; {
	case p == 0:
		return q >= 0
	case p < 0:
		*enter = max(*enter, t)
	default:
		*leave = min(*leave, t)
	}
	return *enter <= *leave
}
