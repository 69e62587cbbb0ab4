package matchmaker

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tickhall/tickhall/room/lobby"
)

// running is a match whose room asks for further players, or may.
type running struct {
	properties string // as propertyKey has them
	low, high  float64
	since      time.Time // when it was found to ask; zero: it does not
}

// note keeps what is known of the members of a match, for those who may come in their place.
func (q *queue) note(room string, members []*place) {
	m := &running{properties: propertyKey(members[0].request.Properties), low: math.Inf(1), high: math.Inf(-1)}
	for _, p := range members {
		m.meet(p.request.Skill)
	}
	q.running[room] = m
}

func (m *running) meet(skill float64) { m.low, m.high = min(m.low, skill), max(m.high, skill) }

// accepts reports whether somebody fits into the match: as in a round, the widest difference in skill is within the window of
// the one who waits, and within that of those who play, which widens while they are one short.
func (m *running) accepts(skill, window float64) bool {
	return m.high-skill <= window && skill-m.low <= window
}

// group is a player, or a complete party, who waits.
type group struct {
	places []*place
	since  time.Time
	skill  float64 // mean
}

// groups are places as groups, those who have waited longest first.
func groups(places []*place) []*group {
	places = slices.Clone(places)
	slices.SortFunc(places, func(a, b *place) int { return a.since.Compare(b.since) })
	parties := map[string]*group{}
	var list []*group
	for _, p := range places {
		r := &p.request
		g := new(group)
		if r.Party != "" {
			key := propertyKey(r.Properties) + "\x00" + strconv.Itoa(r.PartySize) + "\x00" + r.Party
			if parties[key] == nil {
				parties[key] = g
			}
			g = parties[key]
		}
		g.places, g.since = append(g.places, p), p.since
		g.skill += r.Skill / float64(max(r.PartySize, 1))
		if len(g.places) == max(r.PartySize, 1) {
			list = append(list, g)
		}
	}
	slices.SortStableFunc(list, func(a, b *group) int { return a.since.Compare(b.since) })
	return list
}

// backfill places those who wait into running matches that ask for somebody like them, and returns who waits on.
func (m *Matchmaker) backfill(now time.Time, q *queue, places []*place) []*place {
	if len(q.running) == 0 {
		return places
	}
	matches, err := m.cfg.Rooms.Matches(q.kind)
	if err != nil {
		return places // the lobby knows the kind
	}
	known := map[string]bool{}
	var asking []lobby.Wanting
	for _, w := range matches {
		known[w.Room] = true
		switch r := q.running[w.Room]; {
		case r == nil:
		case len(w.Teams) == 0:
			r.since = time.Time{}
		default:
			if r.since.IsZero() {
				r.since = now
			}
			asking = append(asking, w)
		}
	}
	for id := range q.running {
		if !known[id] {
			delete(q.running, id)
		}
	}
	if len(asking) == 0 {
		return places
	}
	placed := map[*place]bool{}
	for _, g := range groups(places) {
		for i := range asking {
			if m.join(now, q, &asking[i], g) {
				for _, p := range g.places {
					placed[p] = true
				}
				break
			}
		}
	}
	return slices.DeleteFunc(places, func(p *place) bool { return placed[p] })
}

// join places a group into a match, if it fits.
func (m *Matchmaker) join(now time.Time, q *queue, w *lobby.Wanting, g *group) bool {
	r := q.running[w.Room]
	window := min(WindowAt(q.rules, now.Sub(g.since)), WindowAt(q.rules, now.Sub(r.since)))
	if propertyKey(g.places[0].request.Properties) != r.properties || !r.accepts(g.skill, window) || m.anyLeft(g.places) {
		return false
	}
	team := -1
	for _, t := range w.Teams {
		n := 0
		for _, o := range w.Teams {
			if o == t {
				n++
			}
		}
		if n >= len(g.places) {
			team = t
			break
		}
	}
	if team < 0 {
		return false
	}
	seats := make([]*lobby.Seat, 0, len(g.places))
	for _, p := range g.places {
		s, err := m.cfg.Rooms.Place(w.Room, lobby.Member{By: p.request.by(), Team: team})
		if err != nil { // the room has ended, or is full by now
			for _, s := range seats {
				m.giveUp(s)
			}
			w.Teams = nil
			return false
		}
		seats = append(seats, s)
		i := slices.Index(w.Teams, team)
		w.Teams = slices.Delete(slices.Clone(w.Teams), i, i+1)
	}
	m.cfg.Stats.Backfilled.Add(int64(len(g.places)))
	m.cfg.Stats.Matched.Add(int64(len(g.places)))
	for i, p := range g.places {
		r.meet(p.request.Skill)
		m.cfg.Stats.Waited.Observe(int64(now.Sub(p.since)))
		m.seat(now, p, seats[i], team)
	}
	return true
}
