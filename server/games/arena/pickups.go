package arena

import (
	"time"

	"github.com/tickhall/tickhall/room"
)

const (
	pickupRadius = 14
	healthGain   = 50
	ammoGain     = 30
	rapidFor     = 8 * second // ticks
)

// comeBack is after how long a pick-up of each kind is there again.
var comeBack = [...]time.Duration{
	Health: 12 * time.Second, Ammo: 10 * time.Second, Rapid: 25 * time.Second, Shield: 20 * time.Second,
}

// collect gives ships what they stand on and have use for.
func (a *Arena) collect(t *room.Tick) {
	for _, it := range a.items {
		if it.Ready {
			a.offer(t, it)
		}
	}
}

// offer gives a pick-up to the first ship on it that has use for it and can be hurt.
func (a *Arena) offer(t *room.Tick, it *Pickup) {
	at := vec{float32(it.X), float32(it.Y)}
	for _, p := range a.pilots {
		if !p.ship.alive() || p.protected() || p.ship.at().distance(at) > shipRadius+pickupRadius || !p.take(it.Kind) {
			continue
		}
		a.remove(t, it)
		tell(t, a.took, Took{it.Kind}, p)
		return
	}
}

// remove takes a pick-up away for a while.
func (a *Arena) remove(t *room.Tick, it *Pickup) {
	it.Ready = false
	t.After(comeBack[it.Kind], func(*room.Tick) { it.Ready = true })
}

// take gives a pick-up to a ship and reports whether it was of use.
func (p *pilot) take(kind PickupKind) bool {
	s := p.ship
	switch {
	case kind == Health && s.HP < fullHP:
		s.HP = min(s.HP+healthGain, fullHP)
	case kind == Ammo && s.Ammo <= mostAmmo-ammoGain:
		s.Ammo += ammoGain
	case kind == Rapid && p.rapid == 0:
		p.rapid, s.Rapid = rapidFor, true
	case kind == Shield && s.Shield < fullShield:
		s.Shield = fullShield
	default:
		return false
	}
	return true
}
