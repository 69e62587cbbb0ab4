package arena

const (
	roundTicks  = 5 * 60 * second
	podiumTicks = 10 * second
	goal        = 20 // kills
)

// startRound begins the next round: all scores at zero.
func (a *Arena) startRound() {
	a.round.Number++
	a.round.Phase, a.round.Goal = Playing, goal
	a.left = roundTicks
	for _, p := range a.pilots {
		p.ship.Kills, p.ship.Deaths = 0, 0
		p.ship.HP, p.wait, p.ship.Wait = 0, 0, 0 // live spawns it anew
	}
	a.round.Left = uint16(a.left / second)
}

// tickRound ends a round when its time is up or somebody has reached the goal, and the podium after it.
func (a *Arena) tickRound() {
	a.left--
	a.round.Left = uint16((max(a.left, 0) + second - 1) / second)
	switch a.round.Phase {
	case Playing:
		if a.left <= 0 || a.best() >= goal {
			a.endRound()
		}
	case Podium:
		if a.left <= 0 {
			a.startRound()
		}
	}
}

func (a *Arena) best() (kills uint16) {
	for _, p := range a.pilots {
		kills = max(kills, p.ship.Kills)
	}
	return kills
}

// endRound stops everything where it is. The score stands in the ships.
func (a *Arena) endRound() {
	a.round.Phase = Podium
	a.left = podiumTicks
	a.round.Left = podiumTicks / second
	for _, p := range a.pilots {
		p.ship.VX, p.ship.VY = 0, 0
		p.from = p.ship.at()
	}
	for _, b := range a.flying {
		a.bolts.Remove(b.id)
	}
	a.flying = a.flying[:0]
}
