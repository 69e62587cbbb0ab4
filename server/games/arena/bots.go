package arena

import "github.com/tickhall/tickhall/room"

const (
	crowd    = 6 // ships that make a lively arena: bots fill up to it
	mostBots = 5
)

var botNames = [...]string{
	"Vega", "Orion", "Lyra", "Rigel", "Mira", "Altair", "Nova", "Castor", "Juno", "Sirius", "Pollux", "Electra",
}

// balance makes bots come or go, so that together with the people there are crowd ships. The bot with
// the fewest kills goes first: it is missed least.
func (a *Arena) balance(t *room.Tick) {
	want := min(max(crowd-len(a.humans), 0), mostBots)
	if len(a.humans) == 0 {
		want = 0
	}
	for a.bots() < want {
		a.enter(t, nil, a.botName(t))
	}
	for a.bots() > want {
		var worst *pilot
		for _, p := range a.pilots {
			if p.brain != nil && (worst == nil || p.ship.Kills <= worst.ship.Kills) {
				worst = p
			}
		}
		a.exit(worst)
	}
}

func (a *Arena) bots() (n int) {
	for _, p := range a.pilots {
		if p.brain != nil {
			n++
		}
	}
	return n
}

// botName picks a name that no ship has. There are more names than bots.
func (a *Arena) botName(t *room.Tick) string {
	for i, n := t.Rand().IntN(len(botNames)), 0; n < len(botNames); n++ {
		name := botNames[(i+n)%len(botNames)]
		if !a.taken(name) {
			return name
		}
	}
	return "Bot"
}

func (a *Arena) taken(name string) bool {
	for _, p := range a.pilots {
		if p.name == name {
			return true
		}
	}
	return false
}

const (
	rethinkTicks = 6
	sightRange   = 620 // units at which a bot notices a ship
	memory       = 3 * second
	weakHP       = 40
	probe        = 60 // units that a bot looks ahead when strafing
)

// brain is what a bot keeps in mind. A bot plays by the same rules as a person: it makes a Move per
// tick, turns no faster than a wrist does, reacts late and misses.
type brain struct {
	skill float32 // 0 clumsy to 1 sharp
	reach float32 // units: the distance at which it likes to fight

	foe      *pilot // who is fought, nil: nobody
	visible  bool
	watched  int // ticks for which foe has been visible
	lastSeen vec
	lost     int // ticks since foe was visible

	goal   vec // where it is going when there is nobody to fight
	bored  int // ticks until it looks for another goal
	way    vec // where it steers now
	strafe float32

	miss     float32 // by how much it misjudges the aim, in turns
	misjudge int     // ticks until miss changes
	burst    int     // ticks that it goes on firing, or holds fire if negative

	stuckAt    vec
	stuckTicks int
}

func newBrain(t *room.Tick) *brain {
	r := t.Rand()
	return &brain{skill: 0.25 + float32(0.55*r.Float32()), reach: 160 + float32(140*r.Float32()), strafe: 1}
}

// alarm turns a bot's mind to who has just hit it, unless it is fighting somebody already.
func (b *brain) alarm(by *pilot) {
	if !b.visible {
		b.foe, b.lost, b.lastSeen = by, 0, by.ship.at()
	}
}

// think decides on p's next move.
func (a *Arena) think(t *room.Tick, p *pilot) {
	b := p.brain
	if !p.ship.alive() {
		*b = brain{skill: b.skill, reach: b.reach, strafe: b.strafe}
		p.move = Move{Aim: p.move.Aim}
		return
	}
	if b.foe != nil && (b.foe.gone || !b.foe.ship.alive() || b.foe.protected()) {
		b.foe, b.visible = nil, false
	}
	if (t.Number()+uint32(p.id)*5)%rethinkTicks == 0 {
		a.look(p)
		a.plan(t, p)
	}
	if b.visible {
		b.watched++
	} else {
		b.watched, b.lost = 0, b.lost+1
	}
	b.bored--
	wish := a.steer(t, p)
	p.move.DX, p.move.DY = int8(wish.x*127), int8(wish.y*127)
	a.aim(t, p)
}

// look finds out whom to fight: the nearest ship in sight, but rather the one fought so far.
func (a *Arena) look(p *pilot) {
	b, at := p.brain, p.ship.at()
	var best *pilot
	nearest := float32(sightRange)
	for _, q := range a.pilots {
		if q == p || !q.ship.alive() || q.protected() {
			continue
		}
		d := at.distance(q.ship.at())
		if q == b.foe {
			d *= 0.6
		}
		if d < nearest && ground.sees(at, q.ship.at()) {
			best, nearest = q, d
		}
	}
	if best == nil {
		b.visible = false
		if b.lost > memory {
			b.foe = nil
		}
		return
	}
	if best != b.foe {
		b.watched = 0
	}
	b.foe, b.visible, b.lost, b.lastSeen = best, true, 0, best.ship.at()
}

// plan chooses where to go, and the next point on the way there.
func (a *Arena) plan(t *room.Tick, p *pilot) {
	b, at := p.brain, p.ship.at()
	// Something held it up for a second: anywhere else is better.
	if b.stuckTicks += rethinkTicks; b.stuckTicks >= second {
		if at.distance(b.stuckAt) < shipRadius && !b.visible {
			b.foe, b.bored = nil, 0
		}
		b.stuckAt, b.stuckTicks = at, 0
	}
	to := b.goal
	switch {
	case p.ship.HP < weakHP && a.nearestItem(at, Health, 1200, &to):
	case p.ship.Ammo < 4 && a.nearestItem(at, Ammo, 700, &to):
	case b.visible:
		to = b.lastSeen
	case b.foe != nil && b.lost <= memory && at.distance(b.lastSeen) > 2*tile:
		to = b.lastSeen
	case p.ship.HP < 75 && a.nearestItem(at, Health, 700, &to):
	case p.rapid == 0 && a.nearestItem(at, Rapid, 500, &to):
	case p.ship.Shield == 0 && a.nearestItem(at, Shield, 500, &to):
	case b.bored <= 0 || at.distance(b.goal) < 1.5*tile:
		b.goal, b.bored = a.roam(t, at), 10*second
		to = b.goal
	}
	if way, ok := a.finder.waypoint(at, to); ok {
		b.way = way
	} else {
		b.bored = 0
	}
}

// roam picks somewhere to go: rather where others are than a quiet corner.
func (a *Arena) roam(t *room.Tick, at vec) vec {
	if q := a.pilots[t.Rand().IntN(len(a.pilots))]; q.ship.alive() && q.ship.at().distance(at) > 4*tile {
		return q.ship.at()
	}
	return ground.spawns[t.Rand().IntN(len(ground.spawns))]
}

// nearestItem sets to if a pick-up of a kind is ready within some units.
func (a *Arena) nearestItem(at vec, kind PickupKind, within float32, to *vec) bool {
	found := false
	for _, it := range a.items {
		if it.Kind != kind || !it.Ready {
			continue
		}
		where := vec{float32(it.X), float32(it.Y)}
		if d := at.distance(where); d < within {
			*to, within, found = where, d, true
		}
	}
	return found
}

// steer returns the way to go now, of length 0 to 1.
func (a *Arena) steer(t *room.Tick, p *pilot) vec {
	b, at := p.brain, p.ship.at()
	ahead := b.way.minus(at)
	if !b.visible || p.ship.HP < weakHP || p.ship.Ammo < 4 || b.way.distance(b.lastSeen) > 1 {
		if ahead.length() < 6 {
			return vec{}
		}
		return ahead.limit(1)
	}
	// Nothing stands between the two: keep the distance and go round.
	foe := b.foe.ship.at().minus(at)
	d := foe.length()
	if d == 0 {
		return vec{b.strafe, 0}
	}
	toward := foe.times(1 / d)
	if t.Rand().IntN(30) == 0 {
		b.strafe = -b.strafe
	}
	wish := toward.left().times(b.strafe)
	switch {
	case d > b.reach+60:
		wish = wish.times(0.6).plus(toward)
	case d < b.reach-60:
		wish = wish.minus(toward.times(0.8))
	}
	wish = wish.limit(1)
	if ground.clear(at, at.plus(wish.times(probe))) {
		return wish
	}
	b.strafe = -b.strafe
	if other := toward.left().times(b.strafe); ground.clear(at, at.plus(other.times(probe))) {
		return other
	}
	return toward.times(min(max((d-b.reach)/60, -1), 1))
}

// aim turns towards the foe, ahead of it by as much as it will have moved, more or less, and fires.
func (a *Arena) aim(t *room.Tick, p *pilot) {
	b, at := p.brain, p.ship.at()
	p.move.Fire = false
	if b.misjudge--; b.misjudge <= 0 {
		spread := 26 - float32(17*b.skill)
		if b.watched > 2*second {
			spread *= 0.6
		}
		// The sum of two rolls falls near the middle more often than not.
		b.miss = float32((t.Rand().Float32() + t.Rand().Float32() - 1) * spread)
		b.misjudge = 10 + t.Rand().IntN(14)
	}
	target := b.way.plus(p.ship.velocity()) // look where it goes
	if b.visible {
		foe := b.foe.ship
		d := at.distance(foe.at())
		target = foe.at().plus(foe.velocity().times(d / boltSpeed))
	}
	want := heading(target.minus(at))
	if b.visible {
		want += turn(int(b.miss))
	}
	off := int(int8(want - p.move.Aim))
	wrist := 5 + int(5*b.skill)
	p.move.Aim += turn(min(max(off, -wrist), wrist))

	reaction := second/2 - int(8*b.skill)
	if !b.visible || b.watched < reaction || max(off, -off) > wrist {
		return
	}
	if b.burst--; b.burst < -second/2 {
		b.burst = second/2 + t.Rand().IntN(second)
	}
	p.move.Fire = b.burst > 0
}
