package arena

import (
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

const (
	shipRadius = 14
	topSpeed   = 262.5 // units per second
	pull       = 60    // by how much each part of a ship's velocity changes in one tick at most
	quantum    = 7.5   // of velocities, see Ship
	placeStep  = 1. / 8

	fullHP     = 100
	fullShield = 50
	fullAmmo   = 24
	mostAmmo   = 60 // with pick-ups

	safeTicks    = 2 * second // from the first move after a return to the ground
	respawnTicks = 3 * second
	refillTicks  = second / 3 // for one round, up to fullAmmo
)

// pilot is what the game knows of a ship beside what is synced.
type pilot struct {
	id     state.ID
	ship   *Ship
	name   string
	player *room.Player // nil: a bot
	brain  *brain       // nil: a person
	user   string       // "": a bot
	gone   bool
	absence

	move Move
	from vec // where the ship was before this tick

	// Ticks left, 0: over.
	cooldown, refill, safe, rapid, wait int

	streak int
}

// live is one tick of one ship: its return to the ground, or its flight and fire.
func (a *Arena) live(t *room.Tick, p *pilot) {
	s := p.ship
	p.from = s.at()
	s.Away = p.absent()
	if !s.alive() {
		p.wait = max(p.wait-1, 0)
		s.Wait = seconds(p.wait)
		if p.wait == 0 && !p.lost && !p.left {
			a.spawn(t, p)
		}
		return
	}
	p.watch()
	p.tickTimers()
	s.Aim = radians(p.move.Aim)
	p.drive()
	if p.move.Fire && p.cooldown == 0 && s.Ammo > 0 {
		a.fire(p)
	}
}

func (p *pilot) tickTimers() {
	p.cooldown = max(p.cooldown-1, 0)
	p.rapid = max(p.rapid-1, 0)
	if !p.resting {
		p.safe = max(p.safe-1, 0)
	}
	s := p.ship
	s.Safe, s.Rapid, s.Rest = p.protected(), p.rapid > 0, p.resting
	if s.Ammo >= fullAmmo {
		p.refill = refillTicks
	} else if p.refill--; p.refill <= 0 {
		p.refill = refillTicks
		s.Ammo++
	}
}

// drive moves the ship by one tick towards what its pilot wants, along walls.
func (p *pilot) drive() {
	s := p.ship
	wish := vec{float32(p.move.DX), float32(p.move.DY)}.times(topSpeed / 127).limit(topSpeed)
	before := s.velocity()
	after := before.plus(wish.minus(before).clamp(pull)).round(quantum)
	at := s.at().plus(before.plus(after).times(1. / (2 * tickRate)))
	at, normal := ground.push(at, shipRadius)
	// What points into a wall is lost, the rest slides along it.
	if along := after.dot(normal); along < 0 {
		after = after.minus(normal.times(along / normal.dot(normal))).round(quantum)
	}
	s.place(at)
	s.VX, s.VY = after.x, after.y
}

func (s *Ship) place(at vec) {
	at = at.round(placeStep)
	s.X, s.Y = at.x, at.y
}

// separate pushes ships that overlap apart, each by half.
func (a *Arena) separate() {
	for i, p := range a.pilots {
		if !p.solid() {
			continue
		}
		for j, q := range a.pilots[:i] {
			if !q.solid() {
				continue
			}
			d := p.ship.at().minus(q.ship.at())
			n := d.length()
			if n >= 2*shipRadius {
				continue
			}
			if n == 0 {
				d, n = directions[uint8(37*(i+j))], 1
			}
			half := d.times((2*shipRadius - n) / (2 * n)).limit(shipRadius / 2)
			p.ship.shove(half)
			q.ship.shove(half.times(-1))
		}
	}
}

// shove moves a ship aside, but never into a wall.
func (s *Ship) shove(way vec) {
	at, _ := ground.push(s.at().plus(way), shipRadius)
	if col, row := tileOf(at); !ground.solidAt(col, row) {
		s.place(at)
	}
}

// spawn puts a ship on the ground, as far from its enemies as chance will have it.
func (a *Arena) spawn(t *room.Tick, p *pilot) {
	var best vec
	most := float32(-1)
	for _, at := range ground.spawns {
		nearest := float32(ground.cols * tile)
		for _, q := range a.pilots {
			if q != p && q.ship.alive() {
				nearest = min(nearest, at.distance(q.ship.at()))
			}
		}
		if score := float32(nearest * (0.7 + float32(0.3*t.Rand().Float32()))); score > most {
			best, most = at, score
		}
	}
	s := p.ship
	s.place(best)
	p.from = s.at()
	s.VX, s.VY = 0, 0
	s.HP, s.Shield, s.Ammo, s.Wait = fullHP, 0, fullAmmo, 0
	s.Safe, s.Rapid, s.Rest = true, false, true
	p.safe, p.rapid, p.cooldown, p.wait, p.refill = safeTicks, 0, 0, 0, refillTicks
	p.resting, p.streak = true, 0
}

// hurt takes damage from a ship. It reports whether that was the end of it.
func (p *pilot) hurt(damage int) (died bool) {
	s := p.ship
	if p.protected() || !s.alive() {
		return false
	}
	p.calm = 0
	fromShield := min(damage, int(s.Shield))
	s.Shield -= uint8(fromShield)
	s.HP -= uint8(min(damage-fromShield, int(s.HP)))
	if s.alive() {
		return false
	}
	s.VX, s.VY, s.Rapid, s.Shield, s.Safe, s.Rest = 0, 0, false, 0, false, false
	s.Deaths++
	p.wait = respawnTicks
	s.Wait = seconds(p.wait)
	return true
}

// seconds rounds ticks up.
func seconds(ticks int) uint8 { return uint8((ticks + second - 1) / second) }
