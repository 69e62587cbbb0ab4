package host

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/gateway"
)

// setting is one flag and its variable.
type setting struct {
	name, value string // --name VALUE; no value for a switch
	def         string // "" for none
	usage       string
	set         func(s string) error // the error says what is allowed
}

// variable is the setting's environment variable: TICKHALL_MAX_ROOMS for --max-rooms.
func (s *setting) variable() string {
	return "TICKHALL_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// settings are those of cfg and level, in the order in which --help shows them.
func settings(cfg *Config, level *slog.Level) []setting {
	list := []setting{
		{"listen", "ADDRESS", DefaultListen, "where to listen: HOST:PORT, or :PORT on every interface", func(s string) error {
			cfg.Listen = s
			return checkAddress(s)
		}},
		{"metrics-listen", "ADDRESS", "", "where to serve /metrics to whoever reaches it; without one it is served with all else, but only to this machine and private networks; off for nowhere", func(s string) error {
			cfg.MetricsListen = s
			return checkMetricsListen(s)
		}},
		{"origins", "LIST", "", "other origins whose pages may use this server, separated by commas, such as https://play.example.com; * for all", func(s string) error {
			cfg.Origins = nil
			for origin := range strings.SplitSeq(s, ",") {
				if origin = strings.TrimSpace(origin); origin != "" {
					cfg.Origins = append(cfg.Origins, origin)
				}
			}
			return nil
		}},
		{"pages", "FOLDER", "", "pages of your own, which come before those built in: play/NAME.html for kind NAME,\nindex.html for the start page, and what they load", func(s string) error {
			cfg.Pages = nil
			if s == "" {
				return nil
			}
			info, err := os.Stat(s)
			cfg.Pages = os.DirFS(s)
			return allowed(err == nil && info.IsDir(), "a folder")
		}},
		{"trust-proxy", "", "false", "believe X-Forwarded-For and X-Forwarded-Proto: only behind a proxy that sets them", func(s string) error {
			on, err := strconv.ParseBool(s)
			cfg.TrustProxy = on
			return allowed(err == nil, "true or false")
		}},
		{"grace", "DURATION", DefaultGrace.String(), "how long a stop waits for rooms to end", func(s string) error {
			d, err := time.ParseDuration(s)
			cfg.Grace = d
			return allowed(err == nil && d > 0, "a duration above 0, such as 10s or 1m")
		}},
		{"max-rooms", "N", strconv.Itoa(lobby.DefaultMaxRooms), "rooms at the same time", func(s string) error {
			n, err := strconv.Atoi(s)
			cfg.MaxRooms = n
			return allowed(err == nil && n > 0, "a whole number above 0")
		}},
		{"max-players", "N", strconv.Itoa(lobby.DefaultMaxPlayers), "players and spectators in all rooms", func(s string) error {
			n, err := strconv.Atoi(s)
			cfg.MaxPlayers = n
			return allowed(err == nil && n > 0, "a whole number above 0")
		}},
		{"player-messages", "N", "120", "messages that a player may send per second", atLeast(&cfg.Limits.Messages, 1)},
		{"player-bytes", "N", "32768", "bytes that a player may send per second", atLeast(&cfg.Limits.Bytes, 1)},
		{"address-connections", "N", number(gateway.DefaultConnectionsPerSecond), "connections that an address may open per second, 20 times that at once; 0 for any number", perAddress(&cfg.Connections)},
		{"address-matches", "N", number(gateway.DefaultMatchesPerSecond), "matches that an address may ask for per second, 20 times that at once; 0 for any number", perAddress(&cfg.Matches)},
	}
	list = append(list, identitySettings(cfg)...)
	return append(list, setting{"log-level", "LEVEL", "info", "least level that is logged: debug, info, warn or error", func(s string) error {
		switch l := strings.ToLower(s); l {
		case "debug", "info", "warn", "error":
			return level.UnmarshalText([]byte(l))
		}
		return allowed(false, "debug, info, warn or error")
	}})
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func allowed(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New("it must be " + what)
}

func parseNumber(s string, least float64) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	return n, allowed(err == nil && n >= least && n <= math.MaxInt32, fmt.Sprintf("a number of %v or more", least))
}

func atLeast(to *float64, least float64) func(string) error {
	return func(s string) (err error) {
		*to, err = parseNumber(s, least)
		return err
	}
}

// burst is how many seconds' worth an address may do at once.
const burst = 20

func perAddress(to *gateway.Limit) func(string) error {
	return func(s string) error {
		n, err := parseNumber(s, 0)
		*to = gateway.Limit{PerSecond: n, Burst: int(math.Ceil(n * burst))}
		if n == 0 {
			*to = gateway.Limit{PerSecond: -1}
		}
		return err
	}
}

// parse reads flags and, for what they leave out, variables. flag.ErrHelp: help was asked for.
func parse(args []string, getenv func(string) (string, bool)) (cfg Config, level slog.Level, err error) {
	list := settings(&cfg, &level)
	given := map[string]bool{}
	flags := flag.NewFlagSet("tickhall", flag.ContinueOnError)
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
	switch err := flags.Parse(args); {
	case fault != nil:
		return cfg, level, fault
	case errors.Is(err, flag.ErrHelp):
		return cfg, level, err
	case err != nil:
		return cfg, level, fmt.Errorf("%w: see --help", err)
	case flags.NArg() > 0:
		return cfg, level, fmt.Errorf("there are no arguments besides flags, but %q was given: see --help", flags.Arg(0))
	}
	for _, s := range list {
		v, ok := getenv(s.variable())
		if !ok || v == "" || given[s.name] {
			continue
		}
		if err := s.set(v); err != nil {
			return cfg, level, fmt.Errorf("%s=%s: %w", s.variable(), v, err)
		}
	}
	return cfg, level, nil
}

// help is the text of --help.
func help() string {
	var b strings.Builder
	b.WriteString("Serves multiplayer game rooms. Flags come before variables.\n\n")
	list := settings(new(Config), new(slog.Level))
	for _, s := range list {
		fmt.Fprintf(&b, "  --%s", s.name)
		if s.value != "" {
			b.WriteString(" " + s.value)
		}
		fmt.Fprintf(&b, "  (%s, default %s)\n%s\n", s.variable(), cmp.Or(s.def, "none"), fold(s.usage))
	}
	b.WriteString("\n  " + healthcheckFlag + "\n" +
		fold("in place of serving: asks the server with these settings on this machine whether it is ready") + "\n")
	return b.String()
}

const (
	helpIndent = "      "
	helpWidth  = 80
)

// fold breaks text between words into indented lines, none of which is longer than helpWidth.
func fold(text string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
			b.WriteString(helpIndent)
			column = len(helpIndent)
		case column+1+len(word) > helpWidth:
			b.WriteString("\n" + helpIndent)
			column = len(helpIndent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
