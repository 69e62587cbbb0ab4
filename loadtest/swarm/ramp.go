package swarm

import (
	"context"
	"fmt"
	"time"
)

// Step is one load that Climb tried.
type Step struct {
	Rooms   int    `json:"rooms"`
	Players int    `json:"players"` // in all of them
	OK      bool   `json:"ok"`
	Why     string `json:"why,omitempty"` // not
}

// Defaults of a Climb.
const (
	DefaultMostPlayers = 20_000
	DefaultStep        = 8 * time.Second
)

// ClimbGates are those of a climb that has none of its own.
var climbGates = []string{"staleness.p99<=150ms", "snapshots.late<=1%", "errors==0", "hash.mismatch==0", "players.missing==0"}

// search looks for the largest number of rooms that is good: it doubles until one is not, then halves what lies between,
// until that is less than a tenth. The zero value is not ready: see next.
type search struct {
	from, most int // rooms to begin with, and the largest number allowed
	good, bad  int // the largest known to be good and the smallest known not to be; 0: none
}

// next is the number to try next, 0 when the search is over.
func (s *search) next() int {
	switch {
	case s.bad == 0 && s.good == 0:
		return min(s.from, s.most)
	case s.bad == 0 && s.good >= s.most:
		return 0
	case s.bad == 0:
		return min(2*s.good, s.most)
	case s.good == 0 && s.bad > 1:
		return s.bad / 2
	case s.bad-s.good <= max(1, s.good/10):
		return 0
	}
	return (s.good + s.bad) / 2
}

// tried notes what came of n.
func (s *search) tried(n int, ok bool) {
	if ok {
		s.good = max(s.good, n)
	} else if s.bad == 0 || n < s.bad {
		s.bad = n
	}
}

// Climb finds the largest load, in rooms of cfg.Players, with which the server still meets the gates, beginning with cfg.Rooms
// and going no further than most players; each step lasts for cfg.Duration, and has a second chance. It returns the report of the best
// step, or of the last if none was good, with all steps in its Climb. told, if not nil, is called after each step.
func Climb(ctx context.Context, cfg Scenario, most int, told func(Step)) (*Report, error) {
	if cfg.Duration == 0 {
		cfg.Duration = DefaultStep
	}
	cfg = cfg.withDefaults()
	if len(cfg.Gates) == 0 {
		var err error
		if cfg.Gates, err = ParseGates(climbGates...); err != nil {
			return nil, err
		}
	}
	if most <= 0 {
		most = DefaultMostPlayers
	}
	s := search{from: cfg.Rooms, most: max(most/cfg.Players, 1)}
	var best *Report
	var steps []Step
	for n := s.next(); n > 0 && ctx.Err() == nil; n = s.next() {
		at := cfg
		at.Rooms = n
		at.JoinRate = max(cfg.JoinRate, float64(n*cfg.Players)/joinsWithin)
		r, err := Run(ctx, at)
		if err == nil && r.Broken == "" && r.Failed() && ctx.Err() == nil {
			r, err = Run(ctx, at) // something else may have disturbed it
		}
		if err != nil {
			if best != nil { // it was there at first
				best.Broken = err.Error()
				break
			}
			return nil, err
		}
		if ctx.Err() != nil && best != nil {
			break // cut short
		}
		step := Step{Rooms: n, Players: n * cfg.Players, OK: r.Broken == "" && !r.Failed(), Why: whyNot(r)}
		steps = append(steps, step)
		if told != nil {
			told(step)
		}
		s.tried(n, step.OK)
		if best == nil || step.OK && n > best.Rooms || best.Failed() && s.good == 0 && n < best.Rooms {
			best = r
		}
	}
	if best == nil {
		return nil, ctx.Err()
	}
	best.Climb = steps
	if ctx.Err() != nil && !best.Early {
		best.Early = true
		best.note("the climb was ended early")
	}
	if s.good > 0 && s.good == s.most {
		best.note("the climb ended at the most that it may try, %d players: the server may carry more", s.good*cfg.Players)
	}
	return best, nil
}

// joinsWithin is in how many seconds all players of a step join.
const joinsWithin = 8

// whyNot names the first gate that was not met.
func whyNot(r *Report) string {
	if r.Broken != "" {
		return r.Broken
	}
	for _, g := range r.Gates {
		if g.OK {
			continue
		}
		if d := r.Find(metrics[lateness].Name); d != nil && d.P99 > generatorLate {
			return g.Text + ", but the load generator was late itself"
		}
		return g.Text
	}
	return ""
}

// Best is the largest number of players in the steps that met the gates.
func Best(steps []Step) int {
	best := 0
	for _, s := range steps {
		if s.OK {
			best = max(best, s.Players)
		}
	}
	return best
}

// String is the step in one line.
func (s Step) String() string {
	verdict := "meets the gates"
	if !s.OK {
		verdict = "does not: " + s.Why
	}
	return fmt.Sprintf("%6d players in %4d rooms: %s", s.Players, s.Rooms, verdict)
}
