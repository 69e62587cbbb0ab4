package matchmaker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// rulesOf fills in the defaults as a Kind does.
func rulesOf(t testing.TB, q room.QueueRules) room.QueueRules {
	spec, err := room.SpecOf(room.Kind[struct{}]{Name: "x", MaxPlayers: 100, Queue: &q, New: func(*room.Setup) (room.Game[struct{}], error) { return nil, nil }})
	require.NoError(t, err)
	return *spec.Queue
}

// crowd makes players as they come: skills normally distributed, solos and parties of up to size, over a time.
func crowd(rnd *rand.Rand, n, size int, over time.Duration) []Entry {
	var list []Entry
	for len(list) < n {
		since := start.Add(time.Duration(rnd.Int64N(int64(over) + 1)))
		members, party := 1, ""
		if size > 1 && rnd.IntN(3) == 0 {
			members = min(2+rnd.IntN(size-1), n-len(list))
		}
		if members > 1 {
			party = fmt.Sprint("party", len(list))
		}
		skill := 1500 + 300*rnd.NormFloat64()
		region := []string{"eu", "us", "asia"}[rnd.IntN(3)]
		for range members {
			list = append(list, Entry{
				ID: fmt.Sprint("p", len(list)), Since: since.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond),
				Skill: skill + 50*rnd.NormFloat64(), Party: party, PartySize: members, Properties: map[string]string{"region": region},
			})
		}
	}
	return list
}

// checkMatch asserts what holds for every match.
func checkMatch(t testing.TB, now time.Time, rules room.QueueRules, entries []Entry, m Match) {
	require.Len(t, m.Teams, rules.Teams)
	type group struct {
		team, members int
		skill         float64
		since         time.Time
	}
	groups := map[string]*group{}
	players, oldest, region := 0, now, ""
	for team, members := range m.Teams {
		require.LessOrEqual(t, len(members), rules.TeamSize)
		for _, i := range members {
			e := &entries[i]
			players++
			name := e.Party
			if name == "" {
				name = "solo " + e.ID
			}
			g := groups[name]
			if g == nil {
				g = &group{team: team}
				groups[name] = g
			}
			require.Equal(t, g.team, team, "the party is in one team")
			g.members++
			g.skill += e.Skill / float64(e.PartySize)
			if e.Since.After(g.since) {
				g.since = e.Since
			}
			if g.members == e.PartySize && g.since.Before(oldest) {
				oldest = g.since
			}
			if region == "" {
				region = e.Properties["region"]
			}
			require.Equal(t, region, e.Properties["region"])
		}
	}
	for name, g := range groups {
		for _, members := range m.Teams {
			for _, i := range members {
				if entries[i].Party == name {
					require.Equal(t, entries[i].PartySize, g.members, "the party is whole")
				}
			}
		}
		for _, o := range groups {
			bound := min(WindowAt(rules, now.Sub(g.since)), WindowAt(rules, now.Sub(o.since)))
			require.LessOrEqual(t, math.Abs(g.skill-o.skill), bound+1e-6, "both accept")
		}
	}
	if players < rules.Teams*rules.TeamSize {
		require.GreaterOrEqual(t, players, rules.MinPlayers)
		require.GreaterOrEqual(t, now.Sub(oldest), rules.LateAfter)
	}
}

// couldMatch says, by trying everything, whether u could be in a match of full size among units. It is slow, and
// shares nothing with Round but the rules.
func couldMatch(rules room.QueueRules, u *unit, units []*unit) bool {
	var near []*unit
	for _, v := range units {
		if d := math.Abs(v.skill - u.skill); v != u && d <= u.window && d <= v.window {
			near = append(near, v)
		}
	}
	ends := append(slices.Clone(near), u)
	for _, a := range ends {
		for _, b := range ends {
			if a.skill > b.skill || a.skill > u.skill || b.skill < u.skill {
				continue
			}
			counts := make([]int, rules.TeamSize+1)
			for _, v := range ends {
				if v.skill >= a.skill && v.skill <= b.skill && v.skill-a.skill <= v.window && b.skill-v.skill <= v.window {
					counts[v.size]++
				} else if v == u {
					counts = nil
					break
				}
			}
			if counts != nil && fills(counts, rules.Teams, rules.TeamSize, u.size, map[string]bool{}) {
				return true
			}
		}
	}
	return false
}

// fills says whether counts of sizes fill teams exactly, must being one that is used.
func fills(counts []int, teams, size, must int, failed map[string]bool) bool {
	for i := range counts {
		counts[i] = min(counts[i], teams*size)
	}
	counts = slices.Clone(counts)
	counts[must]--
	var fill func(team, left, most int) bool
	fill = func(team, left, most int) bool {
		if left == 0 {
			if team == teams-1 {
				return true
			}
			return fill(team+1, size, size)
		}
		key := fmt.Sprint(team, left, most, counts)
		if failed[key] {
			return false
		}
		for s := min(left, most); s > 0; s-- {
			if counts[s] > 0 {
				counts[s]--
				ok := fill(team, left-s, s)
				counts[s]++
				if ok {
					return true
				}
			}
		}
		failed[key] = true
		return false
	}
	return fill(0, size-must, size)
}

func TestThousandsAreMatchedFairlyAndInTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules room.QueueRules
	}{
		{"one against one", room.QueueRules{}},
		{"three against three", room.QueueRules{TeamSize: 3}},
		{"five against five", room.QueueRules{TeamSize: 5, MinPlayers: 6}},
		{"eight on their own", room.QueueRules{Teams: 8}},
		{"four teams of two", room.QueueRules{Teams: 4, TeamSize: 2, LateAfter: 20 * time.Second, MinPlayers: 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := rulesOf(t, c.rules)
			rnd := rand.New(rand.NewPCG(1, 2))
			const players = 10_000
			arrivals := crowd(rnd, players, rules.TeamSize, 2*time.Minute)
			slices.SortStableFunc(arrivals, func(a, b Entry) int { return a.Since.Compare(b.Since) })
			widest := time.Duration((rules.Widest - rules.Window) / rules.Widen * float64(time.Second))
			matched := map[string]bool{}
			var waiting []Entry
			var slowest time.Duration
			for now := start; now.Before(start.Add(4 * time.Minute)); now = now.Add(time.Second) {
				for len(arrivals) > 0 && !arrivals[0].Since.After(now) {
					waiting, arrivals = append(waiting, arrivals[0]), arrivals[1:]
				}
				in := map[int]bool{}
				for _, m := range Round(now, rules, waiting) {
					checkMatch(t, now, rules, waiting, m)
					for _, team := range m.Teams {
						for _, i := range team {
							require.False(t, in[i] || matched[waiting[i].ID], "nobody is matched twice")
							in[i], matched[waiting[i].ID] = true, true
							slowest = max(slowest, now.Sub(waiting[i].Since))
						}
					}
				}
				var rest []Entry
				for i, e := range waiting {
					if !in[i] {
						rest = append(rest, e)
					}
				}
				waiting = rest
				for _, p := range pools(now, &rules, waiting) {
					for _, u := range p.units {
						if now.Sub(u.since) >= widest {
							require.False(t, couldMatch(rules, u, p.units), "one eligible is left, who accepts the widest window")
						}
					}
				}
			}
			t.Logf("%d of %d matched, the slowest after %v", len(matched), players, slowest)
			require.Greater(t, len(matched), players*98/100)
		})
	}
}

func TestRoundIsDeterministic(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	rules := rulesOf(t, room.QueueRules{TeamSize: 3})
	entries := crowd(rnd, 500, 3, 20*time.Second)
	now := start.Add(25 * time.Second)
	named := func(entries []Entry) (list []string) {
		for _, m := range Round(now, rules, entries) {
			var names [][]string
			for _, team := range m.Teams {
				var ids []string
				for _, i := range team {
					ids = append(ids, entries[i].ID)
				}
				names = append(names, ids)
			}
			list = append(list, fmt.Sprint(names))
		}
		return list
	}
	want := named(entries)
	require.NotEmpty(t, want)
	for range 5 {
		rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		require.Equal(t, want, named(entries), "the order of entries does not matter")
	}
}

func TestRoundOfAFew(t *testing.T) {
	solo := func(id string, skill float64, waited time.Duration) Entry {
		return Entry{ID: id, Skill: skill, Since: start.Add(-waited)}
	}
	friend := func(e Entry, party string, size int) Entry {
		e.Party, e.PartySize = party, size
		return e
	}
	in := func(e Entry, region string) Entry {
		e.Properties = map[string]string{"region": region}
		return e
	}
	for _, c := range []struct {
		name    string
		rules   room.QueueRules
		entries []Entry
		want    string
	}{
		{"nobody", room.QueueRules{}, nil, ""},
		{"alone", room.QueueRules{}, []Entry{solo("a", 1, 0)}, ""},
		{"two alike", room.QueueRules{}, []Entry{solo("a", 0, 0), solo("b", 100, 0)}, "[[a] [b]]"},
		{"two too far apart", room.QueueRules{}, []Entry{solo("a", 0, 0), solo("b", 101, 0)}, ""},
		{"one alone has waited", room.QueueRules{}, []Entry{solo("a", 0, time.Minute), solo("b", 101, 0)}, ""},
		{"both have", room.QueueRules{}, []Entry{solo("a", 0, time.Second), solo("b", 120, time.Second)}, "[[a] [b]]"},
		{"not beyond the widest window", room.QueueRules{}, []Entry{solo("a", 0, time.Hour), solo("b", 1001, time.Hour)}, ""},
		{"the oldest chooses first", room.QueueRules{}, []Entry{solo("a", 0, 0), solo("b", 90, time.Second), solo("c", 50, 0)}, "[[b] [c]]"},
		{"other regions", room.QueueRules{}, []Entry{in(solo("a", 0, 0), "eu"), in(solo("b", 0, 0), "us")}, ""},
		{"a party that is not complete", room.QueueRules{TeamSize: 2},
			[]Entry{friend(solo("a", 0, 0), "x", 2), solo("b", 0, 0), solo("c", 0, 0), solo("d", 0, 0)}, ""},
		{"a party that is", room.QueueRules{TeamSize: 2},
			[]Entry{friend(solo("a", 0, 0), "x", 2), solo("b", 0, 0), friend(solo("c", 0, 0), "x", 2), solo("d", 0, 0)}, "[[a c] [b d]]"},
		{"a party is its mean", room.QueueRules{TeamSize: 2},
			[]Entry{friend(solo("a", -500, 0), "x", 2), friend(solo("b", 500, 0), "x", 2), solo("c", 20, 0), solo("d", -20, 0)}, "[[a b] [c d]]"},
		{"a party larger than a team", room.QueueRules{TeamSize: 2},
			[]Entry{friend(solo("a", 0, 0), "x", 3), friend(solo("b", 0, 0), "x", 3), friend(solo("c", 0, 0), "x", 3), solo("d", 0, 0)}, ""},
		{"parties that fill no team", room.QueueRules{TeamSize: 3},
			[]Entry{friend(solo("a", 0, 0), "x", 2), friend(solo("b", 0, 0), "x", 2), friend(solo("c", 0, 0), "y", 2), friend(solo("d", 0, 0), "y", 2),
				friend(solo("e", 0, 0), "z", 2), friend(solo("f", 0, 0), "z", 2)}, ""},
		{"too few, not late", room.QueueRules{TeamSize: 3, MinPlayers: 4}, []Entry{solo("a", 4, 29*time.Second), solo("b", 3, 0), solo("c", 2, 0), solo("d", 1, 0)}, ""},
		{"too few, and late", room.QueueRules{TeamSize: 3, MinPlayers: 4},
			[]Entry{solo("a", 4, 30*time.Second), solo("b", 3, 0), solo("c", 2, 0), solo("d", 1, 0)}, "[[a d] [b c]]"},
		{"late, but nobody to play against", room.QueueRules{TeamSize: 2, MinPlayers: 2},
			[]Entry{friend(solo("a", 0, time.Minute), "x", 2), friend(solo("b", 0, time.Minute), "x", 2)}, ""},
		{"a team alone", room.QueueRules{Teams: 1, TeamSize: 3, MinPlayers: 1}, []Entry{solo("a", 0, time.Minute)}, "[[a]]"},
		{"teams are balanced", room.QueueRules{TeamSize: 2}, []Entry{solo("a", 90, 0), solo("b", 60, 0), solo("c", 40, 0), solo("d", 10, 0)}, "[[a d] [b c]]"},
		{"one who blocks is passed over", room.QueueRules{Teams: 3},
			[]Entry{solo("a", 0, time.Minute), solo("near", 50, 0), solo("b", -90, 3*time.Second), solo("c", -110, 3*time.Second)}, "[[a] [b] [c]]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, m := range Round(start, rulesOf(t, c.rules), c.entries) {
				var names [][]string
				for _, team := range m.Teams {
					var ids []string
					for _, i := range team {
						ids = append(ids, c.entries[i].ID)
					}
					slices.Sort(ids)
					names = append(names, ids)
				}
				slices.SortFunc(names, func(a, b []string) int { return slices.Compare(a, b) })
				got += fmt.Sprint(names)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules room.QueueRules
		over  time.Duration
	}{
		{"1v1", room.QueueRules{}, 20 * time.Second},
		{"5v5", room.QueueRules{TeamSize: 5}, 20 * time.Second},
		{"8 alone", room.QueueRules{Teams: 8}, 20 * time.Second},
		{"5v5, all at once", room.QueueRules{TeamSize: 5}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			rules := rulesOf(b, c.rules)
			entries := crowd(rand.New(rand.NewPCG(1, 2)), 10_000, rules.TeamSize, c.over)
			now := start.Add(c.over + 2*time.Second)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n = len(Round(now, rules, entries))
			}
			b.ReportMetric(float64(n), "matches")
		})
	}
	b.Run("5v5, nobody can be matched", func(b *testing.B) {
		rules := rulesOf(b, room.QueueRules{TeamSize: 5})
		var entries []Entry
		for i := range 10_000 {
			entries = append(entries, Entry{ID: fmt.Sprint(i), Since: start, Skill: float64(i), Party: fmt.Sprint(i / 4), PartySize: 4})
		}
		for b.Loop() {
			require.Empty(b, Round(start.Add(time.Minute), rules, entries))
		}
	})
}
