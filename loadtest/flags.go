package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

// setting is one flag and its variable.
type setting struct {
	name, value string // --name VALUE; no value for a switch
	def         string // "" for none
	usage       string
	set         func(s string) error // the error says what is allowed
}

// variable is the setting's environment variable: TICKHALL_LOADTEST_INPUT_RATE for --input-rate.
func (s *setting) variable() string {
	return "TICKHALL_LOADTEST_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

func allowed(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New("it must be " + what)
}

func wholeNumber(to *int, most int) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.Atoi(s)
		return allowed(err == nil && *to >= 1 && *to <= most, fmt.Sprintf("a whole number from 1 to %d", most))
	}
}

func numberOf(to *float64, least, most float64) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.ParseFloat(s, 64)
		return allowed(err == nil && *to >= least && *to <= most, fmt.Sprintf("a number from %v to %v", least, most))
	}
}

func durationOf(to *time.Duration, least time.Duration) func(string) error {
	return func(s string) (err error) {
		*to, err = time.ParseDuration(s)
		return allowed(err == nil && *to >= least, fmt.Sprintf("a duration of %v or more, such as 30s or 2m", least))
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
func loadSettings(o *options) []setting {
	o.cfg.Rooms, o.cfg.Players, o.cfg.InputRate = swarm.DefaultRooms, swarm.DefaultPlayers, swarm.DefaultInputRate
	return []setting{
		{"kind", "NAME", swarm.DefaultKind, "kind of room; in kinds other than arena the bots only watch", text(&o.cfg.Kind)},
		{"rooms", "N", strconv.Itoa(swarm.DefaultRooms), "rooms; where a ramp begins", wholeNumber(&o.cfg.Rooms, swarm.MostRooms)},
		{"players", "N", strconv.Itoa(swarm.DefaultPlayers), "players in each room", wholeNumber(&o.cfg.Players, swarm.MostPlayers)},
		{"input-rate", "N", strconv.Itoa(swarm.DefaultInputRate), "inputs per player and second; 0 for none", func(s string) error {
			err := numberOf(&o.cfg.InputRate, 0, 1000)(s)
			if o.cfg.InputRate == 0 {
				o.cfg.InputRate = -1
			}
			return err
		}},
		{"join-rate", "N", strconv.Itoa(swarm.DefaultJoinRate), "joins per second at the beginning", numberOf(&o.cfg.JoinRate, 0.1, 1e5)},
		{"seed", "N", "1", "of what is random", func(s string) (err error) {
			o.cfg.Seed, err = strconv.ParseUint(s, 10, 64)
			return allowed(err == nil && o.cfg.Seed > 0, "a whole number above 0")
		}},
	}
}

func settings(o *options) []setting {
	names, abouts := swarm.Names()
	var about []string
	for i, n := range names {
		about = append(about, fmt.Sprintf("%-11s %s", n, abouts[i]))
	}
	list := []setting{
		{"url", "URL", swarm.DefaultURL, "the server's address", text(&o.cfg.URL)},
		{"scenario", "NAME", names[0], "what happens:\n" + strings.Join(about, "\n"), func(s string) error {
			_, err := swarm.Named(s, swarm.Scenario{})
			o.scenario = s
			return err
		}},
		{"duration", "DURATION", swarm.DefaultDuration.String(), "of the measurement, or of each step of a ramp (8s there)", durationOf(&o.cfg.Duration, time.Second)},
	}
	list = append(list, loadSettings(o)...)
	return append(list, []setting{
		{"gate", "CONDITION", "", "what the report must meet, or else the exit status is 1; may be repeated,\nsuch as --gate 'staleness.p99<=200ms' --gate 'hash.mismatch==0'", func(s string) error {
			parts := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '\n' })
			for _, part := range parts {
				g, err := swarm.ParseGate(strings.TrimSpace(part))
				if err != nil {
					return err
				}
				o.cfg.Gates = append(o.cfg.Gates, g)
			}
			return allowed(len(parts) > 0, "a condition, such as staleness.p99<=200ms") // it comes of a variable that is not set
		}},
		{"json", "FILE", "", "write the report there as JSON", text(&o.json)},
		{"html", "FILE", "", "write the report there as a page with plots", text(&o.html)},
		{"most-players", "N", strconv.Itoa(swarm.DefaultMostPlayers), "where a ramp ends at the latest", wholeNumber(&o.mostPlayers, mostAtAll)},
		{"quick", "", "false", "match players as people are, into rooms with others; else rooms of their own are made", switchOf(&o.cfg.Quick)},
		{"metrics-url", "URL", "", "the server's metrics; --url with path /metrics if not given", text(&o.cfg.MetricsURL)},
		{"pid", "N", "", "process of a server on this machine, to read its CPU from; if not given, found by its port where it has no metrics", wholeNumber(&o.cfg.PID, math.MaxInt32)},
		{"record", "FILE", "", "keep there what one player was sent, for loadtest floor", text(&o.record)},
		{"quiet", "", "false", "no progress, only the summary", switchOf(&o.quiet)},
	}...)
}

func switchOf(to *bool) func(string) error {
	return func(s string) (err error) {
		*to, err = strconv.ParseBool(s)
		return allowed(err == nil, "true or false")
	}
}

// parse reads flags and, for what they leave out, variables. flag.ErrHelp: help was asked for, and given.
func (p program) parse(about string, list []setting) error {
	given := map[string]bool{}
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var fault error // as we word it
	for _, s := range list {
		take := func(v string) error {
			given[s.name] = true
			err := s.set(v)
			if err != nil && fault == nil {
				fault = fmt.Errorf("--%s %s: %w", s.name, v, err)
			}
			return err
		}
		if s.value == "" {
			flags.BoolFunc(s.name, "", take)
		} else {
			flags.Func(s.name, "", take)
		}
	}
	switch err := flags.Parse(p.args); {
	case fault != nil:
		return fault
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(p.out, help(about, list))
		return err
	case err != nil:
		return fmt.Errorf("%w: see --help", err)
	case flags.NArg() > 0:
		return fmt.Errorf("there are no arguments besides flags, but %q was given: see --help", flags.Arg(0))
	}
	for _, s := range list {
		v, ok := p.getenv(s.variable())
		if !ok || v == "" || given[s.name] {
			continue
		}
		if err := s.set(v); err != nil {
			return fmt.Errorf("%s=%s: %w", s.variable(), v, err)
		}
	}
	return nil
}

func help(about string, list []setting) string {
	var b strings.Builder
	b.WriteString(about)
	b.WriteString("\n\n")
	for _, s := range list {
		fmt.Fprintf(&b, "  --%s", s.name)
		if s.value != "" {
			b.WriteString(" " + s.value)
		}
		fmt.Fprintf(&b, "  (%s)\n", s.variable())
		b.WriteString("      " + strings.ReplaceAll(s.usage, "\n", "\n      "))
		if s.def == "" {
			b.WriteString(" (default: none)\n")
		} else {
			b.WriteString(" (default: " + s.def + ")\n")
		}
	}
	return b.String()
}

// loadHelp is what --help says before the flags.
func loadHelp() string {
	var b strings.Builder
	b.WriteString(`Plays many players against a server and reports what they experience.

The exit status is 1 if a gate was not met, and 2 if the flags are wrong, the server could not be reached or went away, the
load was ended early, or a report could not be written. Against a server on this machine no more than half of the cores are used,
unless GOMAXPROCS is set. There are also: loadtest floor, loadtest compare; each has its own --help.

Gates test these, the distributions by their .p50, .p90, .p99, .p99.9, .max, .mean and .count:

`)
	for _, m := range swarm.Metrics() {
		name, unit := m.Name, m.Unit
		if m.Distribution {
			name += ".*"
		}
		if unit == "" {
			unit = "number"
		}
		fmt.Fprintf(&b, "  %-25s %-7s %s\n", name, unit, m.About)
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
	return allowed(err == nil, "HOST:PORT or :PORT, such as :8081")
}
