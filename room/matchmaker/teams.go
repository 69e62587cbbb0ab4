package matchmaker

import (
	"cmp"
	"slices"

	"github.com/tickhall/tickhall/room"
)

// packer fills teams with units. Its results are valid until its next call.
type packer struct {
	rules *room.QueueRules
	room  []int // left in each team
	teams [][]*unit
	by    [][]*unit // by size less 1
	used  []int     // of by
}

func newPacker(rules *room.QueueRules) packer {
	return packer{rules: rules, room: make([]int, rules.Teams), teams: make([][]*unit, rules.Teams), by: make([][]*unit, rules.TeamSize), used: make([]int, rules.TeamSize)}
}

func (p *packer) reset(u *unit) {
	for i := range p.teams {
		p.teams[i], p.room[i] = p.teams[i][:0], p.rules.TeamSize
	}
	p.put(0, u)
}

func (p *packer) put(team int, u *unit) {
	p.teams[team] = append(p.teams[team], u)
	p.room[team] -= u.size
}

func (p *packer) drop(team int) {
	last := len(p.teams[team]) - 1
	p.room[team] += p.teams[team][last].size
	p.teams[team] = p.teams[team][:last]
}

// greedy puts each candidate whom all accept into the team where it leaves the least room. It returns nil if
// fewer than least players find a place.
func (p *packer) greedy(u *unit, candidates []*unit, least int) [][]*unit {
	p.reset(u)
	low, high := u.skill, u.skill
	reach, cover := u.skill-u.window, u.skill+u.window // what all accept
	players, full := u.size, p.rules.Teams*p.rules.TeamSize
	for _, v := range candidates {
		if players == full {
			break
		}
		newLow, newHigh := min(low, v.skill), max(high, v.skill)
		newReach, newCover := max(reach, v.skill-v.window), min(cover, v.skill+v.window)
		if newReach > newLow || newCover < newHigh {
			continue
		}
		team := p.fit(v.size, least == full)
		if team < 0 {
			continue
		}
		low, high, reach, cover = newLow, newHigh, newReach, newCover
		p.put(team, v)
		players += v.size
	}
	if players < least || !p.contest(players) {
		return nil
	}
	return p.teams
}

// fit is the team with the least room that is enough, or with the most, -1 if none has enough.
func (p *packer) fit(size int, least bool) int {
	best := -1
	for i, left := range p.room {
		if left >= size && (best < 0 || least && left < p.room[best] || !least && left > p.room[best]) {
			best = i
		}
	}
	return best
}

// contest reports whether somebody plays against somebody, where there are teams.
func (p *packer) contest(players int) bool {
	return p.rules.Teams == 1 || players == 1 || !slices.ContainsFunc(p.room, func(left int) bool { return left == p.rules.TeamSize-players })
}

// search tries all ways to fill teams with units of these sizes, nearer ones first within a size, so that least
// players find a place. It takes steps from left.
func (p *packer) search(u *unit, candidates []*unit, least int, left *int) [][]*unit {
	for i := range p.by {
		p.by[i], p.used[i] = p.by[i][:0], 0
	}
	for _, v := range candidates {
		p.by[v.size-1] = append(p.by[v.size-1], v)
	}
	p.reset(u)
	if p.fill(0, p.rules.TeamSize, u.size, least, left) {
		return p.teams
	}
	return nil
}

// fill fills team and those after it, with units not larger than size, so that all come to least players.
func (p *packer) fill(team, size, players, least int, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	if players >= least && p.contest(players) {
		return true
	}
	if team == len(p.teams) {
		return false
	}
	for s := min(size, p.room[team]); s > 0; s-- {
		if p.used[s-1] == len(p.by[s-1]) {
			continue
		}
		p.put(team, p.by[s-1][p.used[s-1]])
		p.used[s-1]++
		if p.fill(team, s, players+s, least, left) {
			return true
		}
		p.drop(team)
		p.used[s-1]--
	}
	if p.room[team] > 0 && least == p.rules.Teams*p.rules.TeamSize {
		return false // this team can't be filled so
	}
	return p.fill(team+1, p.rules.TeamSize, players, least, left)
}

// balanceSteps bounds the search for the fairest teams of one match. With five against five there are 126 ways,
// which it tries all.
const (
	balanceSteps = 600
	maxBalanced  = 64 // teams; with more of them they stay as they were filled
)

// balance distributes the units of a match so that, first, the teams' sizes differ least, then their mean skills. It
// searches the ways in which each unit goes to the weakest team first, and keeps the best.
func balance(teams [][]*unit, teamSize int) [][]*unit {
	if teamSize == 1 { // there is nothing to distribute
		emptyLast(teams)
		return teams
	}
	b := balancer{teamSize: teamSize, steps: balanceSteps, sizes: make([]int, len(teams)), sums: make([]float64, len(teams))}
	for i, team := range teams {
		for _, u := range team {
			b.units = append(b.units, u)
			b.best = append(b.best, i)
			b.sizes[i] += u.size
			b.sums[i] += u.skill * float64(u.size)
		}
	}
	b.bestSizes, b.bestSkills = b.spread()
	// Large ones first, as they are hardest to place; then far from the middle.
	order := make([]int, len(b.units))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		u, v := b.units[x], b.units[y]
		return cmp.Or(cmp.Compare(v.size, u.size), cmp.Compare(v.skill, u.skill), cmp.Compare(u.place, v.place))
	})
	units, best := make([]*unit, len(order)), make([]int, len(order))
	for to, from := range order {
		units[to], best[to] = b.units[from], b.best[from]
	}
	b.units, b.best, b.at = units, best, make([]int, len(order))
	clear(b.sizes)
	clear(b.sums)
	if len(teams) > 1 && len(teams) <= maxBalanced {
		b.place(0)
	}
	out := make([][]*unit, len(teams))
	for i, u := range b.units {
		out[b.best[i]] = append(out[b.best[i]], u)
	}
	emptyLast(out)
	return out
}

func emptyLast(teams [][]*unit) {
	slices.SortStableFunc(teams, func(x, y []*unit) int { return cmp.Compare(min(len(y), 1), min(len(x), 1)) })
}

type balancer struct {
	teamSize   int
	units      []*unit
	at, best   []int // team of each unit
	sizes      []int
	sums       []float64
	bestSizes  int
	bestSkills float64
	steps      int
}

// spread is how much the teams' sizes differ, and their mean skills.
func (b *balancer) spread() (sizes int, skills float64) {
	least, most := b.teamSize, 0
	low, high, some := 0.0, 0.0, false
	for i, n := range b.sizes {
		least, most = min(least, n), max(most, n)
		if n == 0 {
			continue
		}
		mean := b.sums[i] / float64(n)
		if !some {
			low, high, some = mean, mean, true
		}
		low, high = min(low, mean), max(high, mean)
	}
	return most - least, high - low
}

func (b *balancer) place(i int) {
	if b.steps--; b.steps < 0 {
		return
	}
	if i == len(b.units) {
		if sizes, skills := b.spread(); sizes < b.bestSizes || sizes == b.bestSizes && skills < b.bestSkills {
			b.bestSizes, b.bestSkills = sizes, skills
			copy(b.best, b.at)
		}
		return
	}
	u := b.units[i]
	for tried := uint64(0); ; {
		team := -1
		for t := range b.sizes { // the weakest that has not been tried
			if tried>>t&1 == 0 && (team < 0 || b.sums[t] < b.sums[team]) {
				team = t
			}
		}
		if team < 0 {
			return
		}
		tried |= 1 << team
		if b.sizes[team] == 0 { // one empty team is as good as another
			for t, n := range b.sizes {
				if n == 0 {
					tried |= 1 << t
				}
			}
		}
		if b.sizes[team]+u.size <= b.teamSize {
			b.at[i] = team
			b.sizes[team] += u.size
			b.sums[team] += u.skill * float64(u.size)
			b.place(i + 1)
			b.sizes[team] -= u.size
			b.sums[team] -= u.skill * float64(u.size)
		}
	}
}
