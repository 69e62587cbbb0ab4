package arena

import (
	"slices"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

const (
	boltSpeed  = 900 // units per second
	boltRadius = 3
	boltStep   = 3.75 // of velocities: an eighth of a unit per tick, so that clients predict flights exactly
	boltTicks  = 26
	boltDamage = 15

	fireTicks  = 5 // between two shots
	rapidTicks = 3
)

// bolt is what the game knows of a Bolt beside what is synced.
type bolt struct {
	id   state.ID
	row  *Bolt
	by   *pilot
	left int // ticks
}

// fire sends a bolt off. It starts at the ship's centre, which is never in a wall, and first flies in
// this very tick, so it is seen in front of the ship, and hits what stands close.
func (a *Arena) fire(p *pilot) {
	p.cooldown = fireTicks
	if p.rapid > 0 {
		p.cooldown = rapidTicks
	}
	p.ship.Ammo--
	p.safe, p.ship.Safe, p.calm = 0, false, 0
	v := directions[p.move.Aim].times(boltSpeed).round(boltStep)
	id, row := a.bolts.Add(0)
	*row = Bolt{X: p.ship.X, Y: p.ship.Y, VX: v.x, VY: v.y, By: uint32(p.id), Colour: p.ship.Colour}
	a.flying = append(a.flying, bolt{id, row, p, boltTicks})
}

// fly moves all bolts on by one tick. One that hits stays for a tick where it did, for all to see.
func (a *Arena) fly(t *room.Tick) {
	a.flying = slices.DeleteFunc(a.flying, func(b bolt) bool {
		if b.row.Hit == HitNone && b.left > 0 {
			return false
		}
		a.bolts.Remove(b.id)
		return true
	})
	for i := range a.flying {
		b := &a.flying[i]
		b.left--
		from := vec{b.row.X, b.row.Y}
		way := vec{b.row.VX, b.row.VY}.times(1. / tickRate)
		at, victim := a.firstHit(b.by, from, way)
		to := from.plus(way.times(at))
		b.row.X, b.row.Y = to.x, to.y
		if at == 1 && victim == nil {
			continue
		}
		b.row.VX, b.row.VY = 0, 0
		b.row.Hit = HitWall
		if victim != nil {
			b.row.Hit = HitShip
			a.damage(t, b.by, victim, boltDamage)
		}
	}
}

// firstHit returns how much of its way a bolt flies, and the ship that it meets there, nil if none. Both
// bolt and ship move in this tick, so it is the way of the one as seen from the other that is swept.
func (a *Arena) firstHit(by *pilot, from, way vec) (at float32, victim *pilot) {
	at = 1
	if wall, hit := ground.ray(from, way); hit {
		at = wall
	}
	for _, p := range a.pilots {
		if p == by || !p.solid() {
			continue
		}
		drift := p.ship.at().minus(p.from)
		if touch, hit := sweep(from, way.minus(drift), p.from, shipRadius+boltRadius); hit && touch < at {
			at, victim = touch, p
		}
	}
	return at, victim
}

// damage hurts victim and tells whom it concerns.
func (a *Arena) damage(t *room.Tick, by, victim *pilot, amount int) {
	if victim.protected() {
		return
	}
	by.calm = 0
	died := victim.hurt(amount)
	if victim.brain != nil {
		victim.brain.alarm(by)
	}
	hit := Hit{uint32(by.id), by.name, uint32(victim.id), amount}
	tell(t, a.hit, hit, victim)
	tell(t, a.hit, hit, by)
	if !died {
		return
	}
	by.streak++
	by.ship.Kills++
	a.kill.Broadcast(t, Kill{
		uint32(by.id), by.name, uint32(victim.id), victim.name, by.streak, by.ship.Colour, victim.ship.Colour,
	})
}

// tell sends an event to p if it is a person.
func tell[T any](t *room.Tick, e room.Event[T], body T, p *pilot) {
	if p.player != nil {
		e.Send(t, body, p.player)
	}
}
