package matchmaker

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/room"
)

// Entry is one player who waits.
type Entry struct {
	ID         string    // unique; of those who came at the same time, the lesser is first
	Since      time.Time // when the player came
	Skill      float64
	Party      string            // friends share it, and are matched together; "" for none
	PartySize  int               // how many friends there are; they wait until all have come
	Properties map[string]string // equal within a match
}

// Match is who plays with whom: for each team, indices of the entries. A match of fewer than Teams players has
// empty teams at the end.
type Match struct {
	Teams [][]int
}

// Round matches players. It is pure: the same arguments make the same matches, and the order of entries does
// not matter.
//
// Players with equal properties can be matched. A party counts as one, with the mean of its members' skills, from when
// its last member came. Two accept each other if their skills differ by no more than either's window, which
// is min(Window + Widen*waited, Widest); in a match, all accept each other. Those who have waited longest choose first, from
// who is nearest in skill. rules must be as room.SpecOf returns them, with defaults filled in.
//
// The time is O(n log n), and some more for those who find nobody: their search for parties that fill teams exactly
// is bounded.
func Round(now time.Time, rules room.QueueRules, entries []Entry) []Match {
	var matches []Match
	for _, pool := range pools(now, &rules, entries) {
		matches = pool.match(matches)
	}
	return matches
}

// unit is a player or a complete party: what is matched as a whole.
type unit struct {
	members []int
	size    int
	skill   float64 // mean
	window  float64
	since   time.Time
	late    bool // smaller matches will do
	place   int  // in the order of skill
}

// pools makes units of entries and sorts them by properties. Units of a pool are in the order of waiting.
func pools(now time.Time, rules *room.QueueRules, entries []Entry) []*pool {
	type turn struct {
		waited time.Duration
		entry  int
	}
	order := make([]turn, len(entries))
	for i := range order {
		order[i] = turn{now.Sub(entries[i].Since), i}
	}
	slices.SortFunc(order, func(a, b turn) int {
		if a.waited != b.waited {
			return cmp.Compare(b.waited, a.waited)
		}
		return strings.Compare(entries[a.entry].ID, entries[b.entry].ID)
	})
	byKey := map[string]*pool{}
	parties := map[string]*unit{}
	byPair := map[[2]string]*pool{} // for those with one property, which is common: no key is made for each
	poolOf := func(properties map[string]string) *pool {
		var pair [2]string
		if len(properties) == 1 {
			for k, v := range properties {
				pair = [2]string{k, v}
			}
			if p := byPair[pair]; p != nil {
				return p
			}
		}
		key := propertyKey(properties)
		p := byKey[key]
		if p == nil {
			p = &pool{rules: rules, key: key}
			byKey[key] = p
		}
		if len(properties) == 1 {
			byPair[pair] = p
		}
		return p
	}
	single := make([]unit, 0, len(entries))
	alone := make([]int, len(entries)) // of which each single unit has its own
	for at, t := range order {
		i := t.entry
		e := &entries[i]
		alone[at] = i
		its := poolOf(e.Properties)
		if e.Party == "" || e.PartySize < 2 {
			single = append(single, unit{members: alone[at : at+1 : at+1], size: 1, skill: e.Skill, since: e.Since}) // never grows
			its.units = append(its.units, &single[len(single)-1])
			continue
		}
		if e.PartySize > rules.TeamSize {
			continue // it fits into no team
		}
		name := its.key + "\x00" + strconv.Itoa(e.PartySize) + "\x00" + e.Party
		party := parties[name]
		if party == nil {
			party = new(unit)
			parties[name] = party
		}
		party.members = append(party.members, i)
		party.skill += e.Skill / float64(e.PartySize)
		if len(party.members) == e.PartySize {
			party.size, party.since = e.PartySize, e.Since
			its.units = append(its.units, party)
			delete(parties, name) // who comes with the same code later is another party
		}
	}
	list := make([]*pool, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		p := byKey[key]
		p.prepare(now)
		list = append(list, p)
	}
	return list
}

// propertyKey is equal for equal properties.
func propertyKey(m map[string]string) string {
	switch len(m) {
	case 0:
		return ""
	case 1:
		for k, v := range m {
			return strconv.Itoa(len(k)) + ":" + k + v
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(strconv.Itoa(len(k)) + ":" + k + strconv.Itoa(len(m[k])) + ":" + m[k])
	}
	return b.String()
}

// WindowAt is the largest difference in skill that is accepted after some waiting.
func WindowAt(rules room.QueueRules, waited time.Duration) float64 {
	return min(rules.Window+rules.Widen*max(waited, 0).Seconds(), rules.Widest)
}

// pool is those who may be matched with each other.
type pool struct {
	rules   *room.QueueRules
	key     string  // of its properties
	units   []*unit // oldest first
	players int     // not matched yet
	bySkill []*unit
	taken   []bool  // by place
	near    []*near // by size less 1: finds who accepts a skill; nil: there are none of the size
	budget  int     // steps that are left in this round for exact searches

	// Scratch.
	candidates []*unit
	packer     packer
}

const (
	// roundBudget bounds the steps of a pool's exact searches in one round: some milliseconds.
	roundBudget = 400_000
	// seekBudget bounds those for one unit, so that one does not use up what is for all.
	seekBudget = 20_000
)

func (p *pool) prepare(now time.Time) {
	p.budget = roundBudget
	for _, u := range p.units {
		waited := now.Sub(u.since)
		u.window = WindowAt(*p.rules, waited)
		u.late = waited >= p.rules.LateAfter
		p.players += u.size
	}
	// Of equals those who wait longer come first, so that the order is always the same.
	type rank struct {
		skill float64
		unit  int
	}
	ranks := make([]rank, len(p.units))
	for i, u := range p.units {
		ranks[i] = rank{u.skill, i}
	}
	slices.SortFunc(ranks, func(a, b rank) int { return cmp.Or(cmp.Compare(a.skill, b.skill), a.unit-b.unit) })
	p.bySkill = make([]*unit, len(p.units))
	for i, r := range ranks {
		p.bySkill[i] = p.units[r.unit]
	}
	p.taken = make([]bool, len(p.units))
	sizes := 0
	for i, u := range p.bySkill {
		u.place = i
		sizes = max(sizes, u.size)
	}
	p.near = make([]*near, sizes)
	for size := range p.near {
		p.near[size] = newNear(p.bySkill, size+1)
	}
	p.packer = newPacker(p.rules)
}

// match appends matches until nobody is left who could be in one.
func (p *pool) match(matches []Match) []Match {
	for _, u := range p.units {
		if p.players < p.rules.MinPlayers {
			break
		}
		if p.taken[u.place] {
			continue
		}
		if teams := p.seek(u); teams != nil {
			matches = append(matches, p.take(teams))
		}
	}
	return matches
}

// seek finds teams with u, who has waited longer than all others that are left and so has the widest window.
func (p *pool) seek(u *unit) [][]*unit {
	p.nearest(u)
	total, full := u.size, p.rules.Teams*p.rules.TeamSize
	for _, v := range p.candidates {
		total += v.size
	}
	if total >= full {
		if teams := p.packer.greedy(u, p.candidates, full); teams != nil {
			return teams
		}
		if teams := p.exact(u, full); teams != nil {
			return teams
		}
	}
	if !u.late || total < p.rules.MinPlayers {
		return nil
	}
	if teams := p.packer.greedy(u, p.candidates, p.rules.MinPlayers); teams != nil {
		return teams
	}
	return p.exact(u, p.rules.MinPlayers)
}

// nearest collects those who accept u, and whom u accepts, nearest first: of each size as many as could be of use.
func (p *pool) nearest(u *unit) {
	c := p.candidates[:0]
	for i, n := range p.near {
		if n == nil {
			continue
		}
		most := p.rules.Teams * (p.rules.TeamSize / (i + 1)) // on either side, what fills a match
		at := u.place
		for range most {
			if at = n.right(at+1, u.skill); at < 0 || p.bySkill[at].skill-u.skill > u.window {
				break
			}
			c = append(c, p.bySkill[at])
		}
		at = u.place
		for range most {
			if at = n.left(at-1, u.skill); at < 0 || u.skill-p.bySkill[at].skill > u.window {
				break
			}
			c = append(c, p.bySkill[at])
		}
	}
	slices.SortFunc(c, func(a, b *unit) int {
		if x, y := math.Abs(a.skill-u.skill), math.Abs(b.skill-u.skill); x != y {
			return cmp.Compare(x, y)
		}
		return a.place - b.place
	})
	p.candidates = c
}

// exact tries all ranges of skill around u. Who stands in a range and accepts both ends of it accepts all others in
// it; so what is left is to fill the teams.
func (p *pool) exact(u *unit, least int) [][]*unit {
	left := min(p.budget, seekBudget)
	p.budget -= left
	defer func() { p.budget += max(left, 0) }()
	var within []*unit
	for i := -1; i < len(p.candidates); i++ {
		// The nearer end is candidate j, or u itself; the farther one is candidate i.
		a := u
		if i >= 0 {
			a = p.candidates[i]
		}
		for j := -1; j < max(i, 0); j++ {
			b := u
			if j >= 0 {
				b = p.candidates[j]
			}
			low, high := min(a.skill, b.skill, u.skill), max(a.skill, b.skill, u.skill)
			if left -= 1 + len(p.candidates)/8; left < 0 {
				return nil
			}
			if !accepts(u, low, high) || !accepts(a, low, high) || !accepts(b, low, high) {
				continue
			}
			within = within[:0]
			total := u.size
			for _, v := range p.candidates {
				if accepts(v, low, high) {
					within = append(within, v)
					total += v.size
				}
			}
			if total < least {
				continue
			}
			if teams := p.packer.search(u, within, least, &left); teams != nil {
				return teams
			}
		}
	}
	return nil
}

// accepts reports whether u stands between two skills, and accepts both.
func accepts(u *unit, low, high float64) bool {
	return low <= u.skill && u.skill <= high && high-u.skill <= u.window && u.skill-low <= u.window
}

// take takes the units of a match out of the pool.
func (p *pool) take(teams [][]*unit) Match {
	teams = balance(teams, p.rules.TeamSize)
	m := Match{Teams: make([][]int, len(teams))}
	for i, team := range teams {
		for _, u := range team {
			m.Teams[i] = append(m.Teams[i], u.members...)
			p.taken[u.place] = true
			p.players -= u.size
			p.near[u.size-1].remove(u.place)
		}
	}
	return m
}
