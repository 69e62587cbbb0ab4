package host

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/room/matchmaker"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/flags"
	"github.com/tickhall/tickhall/server/gateway"
	"github.com/tickhall/tickhall/server/web"
)

// settings are those of cfg and level, in the order in which --help shows them.
func settings(cfg *Config, level *slog.Level) *flags.Set {
	f := &flags.Set{Prefix: "TICKHALL_"}
	f.Group("Where it listens, and to whom")
	f.Add("listen ADDRESS", DefaultListen, "where to listen: HOST:PORT, or :PORT on every interface", func(s string) error {
		cfg.Listen = s
		return checkAddress(s)
	})
	f.Add("metrics-listen ADDRESS", "", "where to serve /metrics to whoever reaches it; without one it is served with all else, but only to this machine and private networks; off for nowhere", func(s string) error {
		cfg.MetricsListen = s
		return checkAside(s)
	})
	f.Add("public-url ADDRESS", "", "the address by which players reach this server, if it is not the one that they call it by, such as https://example.com/games: what is handed out begins with it", func(s string) error {
		cfg.PublicURL = s
		_, err := api.ParsePublicURL(s)
		return err
	})
	f.Add("origins LIST", "", "other origins whose pages may use this server, separated by commas, such as https://play.example.com; * for all", list(&cfg.Origins))
	f.Add("hosts LIST", "", "the names by which this server may be called, separated by commas, besides localhost and addresses; without them any name will do, also one that somebody else's page has lead here", list(&cfg.Hosts))
	f.Add("pages FOLDER", "", "pages of your own, which come before those built in: play/NAME.html for kind NAME,\nindex.html for the start page, and what they load. No path or link leads out of the folder", func(s string) error {
		cfg.Pages = nil
		if s == "" {
			return nil
		}
		info, err := os.Stat(s)
		cfg.Pages = web.Folder(s)
		return flags.Allowed(err == nil && info.IsDir(), "a folder")
	})
	f.Add("trust-proxy LIST", "", "addresses and networks of proxies, separated by commas, such as 127.0.0.1,10.0.0.0/8: their X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed", func(s string) (err error) {
		cfg.TrustProxies, err = api.ParseProxies(s)
		return err
	})
	f.Group("How much it takes on")
	f.Add("grace DURATION", DefaultGrace.String(), "how long a stop waits for rooms to end", func(s string) error {
		d, err := time.ParseDuration(s)
		cfg.Grace = d
		return flags.Allowed(err == nil && d > 0, "a duration above 0, such as 10s or 1m")
	})
	f.Add("max-rooms N", strconv.Itoa(lobby.DefaultMaxRooms), "rooms at the same time", func(s string) error {
		n, err := strconv.Atoi(s)
		cfg.MaxRooms = n
		return flags.Allowed(err == nil && n > 0, "a whole number above 0")
	})
	f.Add("max-players N", strconv.Itoa(lobby.DefaultMaxPlayers), "players and spectators in all rooms", func(s string) error {
		n, err := strconv.Atoi(s)
		cfg.MaxPlayers = n
		return flags.Allowed(err == nil && n > 0, "a whole number above 0")
	})
	f.Add("max-sockets N", "", "sockets that may be open; without one it is the limit of open files less 128, which are kept back", func(s string) error {
		n, err := strconv.Atoi(s)
		cfg.MaxSockets = n
		return flags.Allowed(err == nil && n > 0, "a whole number above 0")
	})
	f.Add("player-messages N", "120", "messages that a player may send per second", atLeast(&cfg.Limits.Messages, 1))
	f.Add("player-bytes N", "32768", "bytes that a player may send per second", atLeast(&cfg.Limits.Bytes, 1))
	f.Add("address-connections N", number(gateway.DefaultConnectionsPerSecond), "connections that an address may open per second, 20 times that at once; 0 for any number", perAddress(&cfg.Connections))
	f.Add("address-matches N", number(gateway.DefaultMatchesPerSecond), "matches that an address may ask for per second, 20 times that at once; 0 for any number", perAddress(&cfg.Matches))
	shareSettings(f, cfg)
	f.Group("Who players and the operator are")
	identitySettings(f, cfg)
	f.Group("What it says")
	f.Add("log-level LEVEL", "info", "least level that is logged: debug, info, warn or error", func(s string) error {
		switch l := strings.ToLower(s); l {
		case "debug", "info", "warn", "error":
			return level.UnmarshalText([]byte(l))
		}
		return flags.Allowed(false, "debug, info, warn or error")
	})
	return f
}

// list is for values separated by commas.
func list(to *[]string) func(string) error {
	return func(s string) error {
		*to = nil
		for one := range strings.SplitSeq(s, ",") {
			if one = strings.TrimSpace(one); one != "" {
				*to = append(*to, one)
			}
		}
		return nil
	}
}

// shareSettings are how much one address and one user may have at the same time.
func shareSettings(f *flags.Set, cfg *Config) {
	for _, share := range []struct {
		name, what string
		def        int
		to         *int
	}{
		{"address-open", "connections that an address may have open", gateway.DefaultAddressOpen, &cfg.PerAddress.Connections},
		{"address-seats", "seats that an address may have; by default no more than a quarter of --max-players", lobby.DefaultAddressPlaces, &cfg.PerAddress.Seats},
		{"address-rooms", "rooms that an address may have made in which nobody from elsewhere is; by default no more than a quarter of --max-rooms", lobby.DefaultAddressRooms, &cfg.PerAddress.Rooms},
		{"address-queue", "players that may wait in queues at an address", matchmaker.DefaultAddressPlaces, &cfg.PerAddress.Queue},
		{"user-open", "connections that a user may have open", gateway.DefaultUserOpen, &cfg.PerUser.Connections},
		{"user-seats", "seats that a user may have", lobby.DefaultUserPlaces, &cfg.PerUser.Seats},
		{"user-rooms", "rooms that a user may have made in which nobody from elsewhere is", lobby.DefaultUserRooms, &cfg.PerUser.Rooms},
		{"user-queue", "queues in which a user may wait", matchmaker.DefaultUserPlaces, &cfg.PerUser.Queue},
	} {
		f.Add(share.name+" N", strconv.Itoa(share.def), share.what+"; 0 for any number", orAny(share.to))
	}
	f.Add("quick-rooms N", "", "rooms that are kept for quick matches, so that nobody fills the server by opening rooms: a tenth of --max-rooms, if not given; 0 for none", orAny(&cfg.QuickRooms))
}

// orAny reads a number of which 0 means that there is no limit.
func orAny(to *int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if *to = n; n == 0 {
			*to = -1
		}
		return flags.Allowed(err == nil && n >= 0, "a whole number, 0 or more")
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func parseNumber(s string, least float64) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	return n, flags.Allowed(err == nil && n >= least && n <= math.MaxInt32, fmt.Sprintf("a number of %v or more", least))
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

// help is the text of --help.
func help() string {
	return "Serves multiplayer game rooms. Flags come before variables.\n\n" + settings(new(Config), new(slog.Level)).Help() +
		"\nIn place of serving:\n  " + healthcheckFlag + "\n" +
		flags.Fold("asks the server with these settings on this machine whether it is ready") +
		"  " + versionFlag + "\n" + flags.Fold("tells the version and the build") + "  --help\n" + flags.Fold("tells the settings")
}
