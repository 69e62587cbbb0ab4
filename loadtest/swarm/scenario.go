package swarm

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol/client"
)

// Defaults of a Scenario.
const (
	DefaultURL       = "http://localhost:8080"
	DefaultKind      = "arena"
	DefaultRooms     = 4
	DefaultPlayers   = 20
	DefaultInputRate = 20
	DefaultDuration  = 30 * time.Second
	DefaultJoinRate  = 200
)

// Bounds of a Scenario.
const (
	MostRooms   = 100_000
	MostPlayers = 100_000 // in each room
)

// Scenario says who plays, where and how. The zero value of each field is its default; combine what
// disturbs the players as you like.
type Scenario struct {
	Name string // for the report

	URL       string        // the server's address; "http://localhost:8080" by default
	Kind      string        // kind of room; "arena" by default
	Rooms     int           // 4 by default
	Players   int           // in each room; 20 by default
	InputRate float64       // inputs per player and second; 20 by default, negative for none
	Duration  time.Duration // of the measurement, which begins when everybody has joined; 30 s by default
	Seed      uint64        // the same seed makes the same decisions, as far as the network lets it

	// Bot makes what plays a seat. It is called before each seat's client.Room runs, to register inputs and tables
	// there. By default arena bots play the arena, and in other kinds of room players only look on and send no inputs.
	// It may return nil for a player who does.
	Bot func(*Player) Bot

	Quick    bool    // players are matched as people are, into any room; else each room is made for them
	JoinRate float64 // joins per second until all have joined; 200 by default

	Stay       time.Duration // mean time after which a player leaves for good and another comes; 0: never
	CutEvery   time.Duration // time between storms, which cut the connections of CutShare at once; 0: never
	CutShare   float64       // of the players; 1 by default
	Spectators int           // of each room, beside its players
	SlowShare  float64       // of the players, who read SlowBytes per second
	SlowBytes  int           // 2048 by default
	Abusers    int           // raw connections that flood, send garbage, or stand half open

	Gates []Gate // that the report must meet

	MetricsURL string // of the server's metrics; URL with path /metrics by default
	PID        int    // of a server on this machine, whose CPU is read from there; 0: found by its port where it has no metrics, on Linux

	Client  client.Config // what the fields above leave open: Token, TLS, Dial, Options
	Record  bool          // keep the messages of one player in Report.Recording
	OnClock func(Second)  // called once per second of the run; nil: nobody
	Log     *slog.Logger  // each error of a player, at level debug; nil: nobody
}

// named are the scenarios of the command, each changing what it is named after.
var named = []struct {
	name, about string
	change      func(*Scenario)
}{
	{"steady", "everybody joins and plays", func(*Scenario) {}},
	{"ramp", "finds the largest load that meets the gates", func(*Scenario) {}},
	{"churn", "players stay for 10 s on average; others come", func(s *Scenario) { s.Stay = cmp.Or(s.Stay, 10*time.Second) }},
	{"reconnect", "every 8 s all connections are cut at once", func(s *Scenario) { s.CutEvery = cmp.Or(s.CutEvery, 8*time.Second) }},
	{"spectators", "as many again watch each room", func(s *Scenario) { s.Spectators = cmp.Or(s.Spectators, max(s.Players, 1)) }},
	{"slow", "a fifth of the players read 2 kB per second", func(s *Scenario) { s.SlowShare = cmp.Or(s.SlowShare, 0.2) }},
	{"abuse", "beside the players, 20 connections flood, send garbage, or stand half open", func(s *Scenario) { s.Abusers = cmp.Or(s.Abusers, 20) }},
	{"idle", "players join and send no inputs", func(s *Scenario) { s.InputRate = -1 }},
}

// Names lists the named scenarios and what each is about.
func Names() (names, abouts []string) {
	for _, n := range named {
		names = append(names, n.name)
		abouts = append(abouts, n.about)
	}
	return names, abouts
}

// Named makes s the scenario of this name, keeping what is set. "ramp" is a matter of Climb.
func Named(name string, s Scenario) (Scenario, error) {
	for _, n := range named {
		if n.name == name {
			s = s.withDefaults()
			s.Name = name
			n.change(&s)
			return s, nil
		}
	}
	names, _ := Names()
	return s, fmt.Errorf("there is no scenario %q: there are %s", name, strings.Join(names, ", "))
}

func (s Scenario) withDefaults() Scenario {
	s.Name = cmp.Or(s.Name, "steady")
	s.URL = strings.TrimSuffix(cmp.Or(s.URL, DefaultURL), "/")
	s.Kind = cmp.Or(s.Kind, DefaultKind)
	s.Rooms = cmp.Or(s.Rooms, DefaultRooms)
	s.Players = cmp.Or(s.Players, DefaultPlayers)
	s.InputRate = cmp.Or(s.InputRate, DefaultInputRate)
	s.Duration = cmp.Or(s.Duration, DefaultDuration)
	s.Seed = cmp.Or(s.Seed, 1)
	s.JoinRate = cmp.Or(s.JoinRate, DefaultJoinRate)
	s.CutShare = cmp.Or(s.CutShare, 1)
	s.SlowBytes = cmp.Or(s.SlowBytes, 2048)
	s.MetricsURL = cmp.Or(s.MetricsURL, s.URL+"/metrics")
	if s.Bot == nil {
		if s.Bot = botFor(s.Kind); s.Bot == nil {
			s.Bot, s.InputRate = func(*Player) Bot { return nil }, -1
		}
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Validate reports every fault at once.
func (s *Scenario) Validate() error {
	d := s.withDefaults()
	var faults []error
	for _, f := range []struct {
		bad  bool
		text string
	}{
		{!isAddress(d.URL), fmt.Sprintf("the address %q must be http:// or https:// and a host", d.URL)},
		{isAddress(d.URL) && !isAddress(d.MetricsURL), fmt.Sprintf("the address of metrics %q must be http:// or https:// and a host", d.MetricsURL)},
		{d.Rooms < 0 || d.Rooms > MostRooms, fmt.Sprintf("rooms must be 1 to %d", MostRooms)},
		{d.Players < 0 || d.Players > MostPlayers, fmt.Sprintf("players must be 1 to %d in each room", MostPlayers)},
		{d.InputRate > 1000, "the input rate must be at most 1000 per second"},
		{d.Duration < time.Second || d.Duration > 24*time.Hour, "the duration must be 1s to 24h"},
		{d.JoinRate < 0, "the join rate must be above 0"},
		{d.Stay < 0 || d.CutEvery < 0, "times must not be negative"},
		{d.CutShare < 0 || d.CutShare > 1 || d.SlowShare < 0 || d.SlowShare > 1, "shares must be 0 to 1"},
		{d.Spectators < 0 || d.Abusers < 0 || d.SlowBytes < 0, "numbers must not be negative"},
		{slices.ContainsFunc(d.Gates, func(g Gate) bool { return g.text == "" }), "gates come from ParseGate"},
	} {
		if f.bad {
			faults = append(faults, errors.New("loadtest: "+f.text))
		}
	}
	return errors.Join(faults...)
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
