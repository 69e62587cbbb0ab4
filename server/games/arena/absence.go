package arena

// What becomes of a ship that nobody steers: its player has left or lost the line, looks elsewhere, or does nothing.
//
// It stays where it is and as it is. For quietTicks after the last move, shot or hit it can be shot down, which is a death like
// any other, so that nobody gets out of a fight by pulling the plug. Then it rests: nothing can hurt it, and it fires at
// nothing, takes nothing, and is in nobody's way. It rests until its player moves or fires. One whose player has left for
// good goes instead.

const (
	quietTicks = 4 * second
	idleTicks  = 15 * second // without any change of the input
	wakeTicks  = second      // of protection for one that begins to move
)

// absence is what a pilot knows of its player's attention.
type absence struct {
	lost    bool // the line is: the seat is kept
	left    bool // for good
	hidden  bool // as the player's page says
	resting bool // protected until it moves or fires

	// Ticks since something happened.
	idle  int // the input changed
	still int // it moved, fired, or came to be without its player
	calm  int // it fired, hit or was hit
}

// obey takes the input of a tick. One that is held is no news: when it is over, the ship stops and looks where it did.
func (p *pilot) obey(m Move, held bool) {
	if held {
		m.Aim, m.Away = p.move.Aim, p.move.Away
	} else if m != p.move {
		p.idle = 0
	}
	p.move = m
	if m.Away != p.hidden {
		p.hidden = m.Away
		p.still = 0
	}
}

// acts reports whether the player wants more of the ship than that it looks somewhere.
func (m Move) acts() bool { return m.DX != 0 || m.DY != 0 || m.Fire }

// lose notes that the line is lost.
func (p *pilot) lose() {
	p.lost, p.still = true, 0
	p.move = Move{Aim: p.move.Aim}
}

// abandon notes that the player has left. Nobody is there to be told anything.
func (p *pilot) abandon() {
	if !p.lost { // else that is what the time counts from
		p.lose()
	}
	p.left, p.player = true, nil
}

func (p *pilot) absent() bool {
	return p.lost || p.left || p.hidden || min(p.idle, p.still) >= idleTicks
}

// watch is one tick of the attention of a ship on the ground: it may come to rest, or wake.
func (p *pilot) watch() {
	if p.brain != nil {
		p.resting = false // a bot is always there
		return
	}
	p.idle, p.still, p.calm = p.idle+1, p.still+1, p.calm+1
	if p.move.acts() {
		p.still = 0
		if p.resting && !p.lost && !p.left {
			p.resting = false
			p.safe = max(p.safe, wakeTicks)
		}
	}
	if p.absent() && min(p.still, p.calm) >= quietTicks {
		p.resting = true
	}
}

// protected reports whether nothing can hurt the ship. What is protected takes nothing either, and firing ends it.
func (p *pilot) protected() bool { return p.resting || p.safe > 0 }

// solid reports whether the ship is in the way of others and of their bolts. One that rests is not: it would be a
// shield that nobody can break.
func (p *pilot) solid() bool { return p.ship.alive() && !p.resting }

// abandoned returns the ship that a user has left, nil if none.
func (a *Arena) abandoned(user string) *pilot {
	for _, p := range a.pilots {
		if p.left && p.user == user {
			return p
		}
	}
	return nil
}

// takeOver makes the ship what another is: on the ground where that stands, or waiting as long.
func (p *pilot) takeOver(old *pilot) {
	name, colour := p.ship.Name, old.ship.Colour
	*p.ship = *old.ship
	p.ship.Name, p.ship.Colour, p.ship.Away = name, colour, false
	p.from, p.move = old.from, old.move
	p.cooldown, p.refill, p.safe, p.rapid, p.wait, p.streak = old.cooldown, old.refill, old.safe, old.rapid, old.wait, old.streak
	p.resting, p.calm = old.resting, old.calm
}

// clear takes out the ships whose players have left, once they rest or have died and waited.
func (a *Arena) clear() {
	for i := len(a.pilots) - 1; i >= 0; i-- {
		if p := a.pilots[i]; p.left && (p.resting || !p.ship.alive() && p.wait == 0) {
			a.exit(p)
		}
	}
}
