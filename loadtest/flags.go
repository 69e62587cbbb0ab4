package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/loadtest/swarm"
	"github.com/tickhall/tickhall/server/flags"
)

func wholeNumber(to *int, most int) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.Atoi(s)
		return flags.Allowed(err == nil && *to >= 1 && *to <= most, fmt.Sprintf("a whole number from 1 to %d", most))
	}
}

func numberOf(to *float64, least, most float64) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.ParseFloat(s, 64)
		return flags.Allowed(err == nil && *to >= least && *to <= most, fmt.Sprintf("a number from %v to %v", least, most))
	}
}

func durationOf(to *time.Duration, least time.Duration) func(string) error {
	return func(s string) (err error) {
		*to, err = time.ParseDuration(s)
		return flags.Allowed(err == nil && *to >= least, fmt.Sprintf("a duration of %v or more, such as 30s or 2m", least))
	}
}

func text(to *string) func(string) error {
	return func(s string) error {
		*to = s
		return nil
	}
}

// mostAtAll bounds the players of a ramp, and the runs of a comparison.
const mostAtAll = 1_000_000

// options are those of a load test.
type options struct {
	cfg         swarm.Scenario
	scenario    string
	json, html  string
	record      string
	mostPlayers int
	quiet       bool
}

// loadSettings are the load itself, which compare has too.
func loadSettings(f *flags.Set, o *options) {
	o.cfg.Rooms, o.cfg.Players, o.cfg.InputRate = swarm.DefaultRooms, swarm.DefaultPlayers, swarm.DefaultInputRate
	f.Add("kind NAME", swarm.DefaultKind, "kind of room; in kinds other than arena the bots only watch", text(&o.cfg.Kind))
	f.Add("rooms N", strconv.Itoa(swarm.DefaultRooms), "rooms; where a ramp begins", wholeNumber(&o.cfg.Rooms, swarm.MostRooms))
	f.Add("players N", strconv.Itoa(swarm.DefaultPlayers), "players in each room", wholeNumber(&o.cfg.Players, swarm.MostPlayers))
	f.Add("input-rate N", strconv.Itoa(swarm.DefaultInputRate), "inputs per player and second; 0 for none", func(s string) error {
		err := numberOf(&o.cfg.InputRate, 0, 1000)(s)
		if o.cfg.InputRate == 0 {
			o.cfg.InputRate = -1
		}
		return err
	})
	f.Add("join-rate N", strconv.Itoa(swarm.DefaultJoinRate), "joins per second at the beginning", numberOf(&o.cfg.JoinRate, 0.1, 1e5))
	f.Add("seed N", "1", "of what is random", func(s string) (err error) {
		o.cfg.Seed, err = strconv.ParseUint(s, 10, 64)
		return flags.Allowed(err == nil && o.cfg.Seed > 0, "a whole number above 0")
	})
}

func settings(o *options) *flags.Set {
	f := newSet()
	names, abouts := swarm.Names()
	var about []string
	for i, n := range names {
		about = append(about, fmt.Sprintf("%-11s %s", n, abouts[i]))
	}
	f.Group("The load")
	f.Add("url URL", swarm.DefaultURL, "the server's address", text(&o.cfg.URL))
	f.Add("scenario NAME", names[0], "what happens:\n"+strings.Join(about, "\n"), func(s string) error {
		_, err := swarm.Named(s, swarm.Scenario{})
		o.scenario = s
		return err
	})
	f.Add("duration DURATION", swarm.DefaultDuration.String(), "of the measurement, or of each step of a ramp (8s there)", durationOf(&o.cfg.Duration, time.Second))
	loadSettings(f, o)
	f.Group("What is checked and reported")
	f.Add("gate CONDITION", "", "what the report must meet, or else the exit status is 1; may be repeated,\nsuch as --gate 'staleness.p99<=200ms' --gate 'hash.mismatch==0'", func(s string) error {
		parts := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '\n' })
		for _, part := range parts {
			g, err := swarm.ParseGate(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			o.cfg.Gates = append(o.cfg.Gates, g)
		}
		return flags.Allowed(len(parts) > 0, "a condition, such as staleness.p99<=200ms") // it comes of a variable that is not set
	})
	f.Add("json FILE", "", "write the report there as JSON", text(&o.json))
	f.Add("html FILE", "", "write the report there as a page with plots", text(&o.html))
	f.Add("most-players N", strconv.Itoa(swarm.DefaultMostPlayers), "where a ramp ends at the latest", wholeNumber(&o.mostPlayers, mostAtAll))
	f.Add("quick", "false", "match players as people are, into rooms with others; else rooms of their own are made", switchOf(&o.cfg.Quick))
	f.Add("metrics-url URL", "", "the server's metrics; --url with path /metrics if not given", text(&o.cfg.MetricsURL))
	f.Add("pid N", "", "process of a server on this machine, to read its CPU from; if not given, found by its port where it has no metrics", wholeNumber(&o.cfg.PID, math.MaxInt32))
	f.Add("record FILE", "", "keep there what one player was sent, for loadtest floor", text(&o.record))
	f.Add("quiet", "false", "no progress, only the summary", switchOf(&o.quiet))
	return f
}

func switchOf(to *bool) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.ParseBool(s)
		return flags.Allowed(err == nil, "true or false")
	}
}

func newSet() *flags.Set { return &flags.Set{Prefix: "TICKHALL_LOADTEST_"} }

// parse reads flags and, for what they leave out, variables. flag.ErrHelp: help was asked for, and given.
func (p program) parse(about string, f *flags.Set) error {
	err := f.Parse(p.args, p.getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(p.out, about+"\n\n"+f.Help()+"  --version\n"+flags.Fold("tells the version and the build"))
	}
	if err == nil {
		err = f.Unknown(p.environ, otherVariables()...)
	}
	return err
}

// otherVariables are those of a load test, and those of the other commands: none of them is wrong, whichever command runs.
func otherVariables() []string {
	list := []string{"TICKHALL_LOADTEST_LISTEN=", "TICKHALL_LOADTEST_RECORDING=", "TICKHALL_LOADTEST_RUNS=", "TICKHALL_LOADTEST_SERVER=", "TICKHALL_LOADTEST_MOST_RATIO="}
	for _, f := range settings(new(options)).Flags {
		list = append(list, f.Variable+"=")
	}
	return list
}

// loadHelp is what --help says before the flags.
func loadHelp() string {
	var b strings.Builder
	b.WriteString(`Plays many players against a server and reports what they experience.

The exit status is 1 if a gate was not met, and 2 if the flags are wrong, the
server could not be reached or went away, the load was ended early, or a report
could not be written. Against a server on this machine no more than half of the
cores are used, unless GOMAXPROCS is set. There are also: loadtest floor,
loadtest compare; each has its own --help.

Gates test these, the distributions by their .p50, .p90, .p99, .p99.9, .max,
.mean and .count:

`)
	for _, m := range swarm.Metrics() {
		name, unit := m.Name, m.Unit
		if m.Distribution {
			name += ".*"
		}
		if unit == "" {
			unit = "number"
		}
		fmt.Fprintf(&b, "  %s (%s)\n%s", name, unit, flags.Fold(m.About))
	}
	b.WriteString("\nFlags come before variables, variables before defaults.")
	return b.String()
}

// checkAddress says what is wrong with an address to listen at.
func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return flags.Allowed(err == nil, "HOST:PORT or :PORT, such as :8081")
}
