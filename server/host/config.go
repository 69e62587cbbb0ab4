package host

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/admin"
	"github.com/tickhall/tickhall/server/auth"
	"github.com/tickhall/tickhall/server/gateway"
)

// Defaults of a Config.
const (
	DefaultListen = ":8080"
	DefaultGrace  = lobby.DefaultGrace
)

// Config is how a Host is set up. The zero value of each field but Kinds is its default, which is safe
// and usable.
type Config struct {
	Kinds []room.AnyKind // at least one; their names differ

	Listen   string       // HOST:PORT or :PORT; ":8080" by default
	Listener net.Listener // in place of Listen, if set; Run closes it

	// MetricsListen is where /metrics is served to whoever reaches it: HOST:PORT or :PORT. "" is with all else, but only
	// to this machine and private networks; "off" is nowhere.
	MetricsListen string
	// AdminListen is where the admin API is served: HOST:PORT or :PORT. "" is with all else; "off" is nowhere.
	AdminListen string

	// Pages are the author's own, before those built in: play/NAME.html is the page of kind NAME, index.html the start page,
	// and what they load lies beside them. What begins with a dot is not served.
	Pages fs.FS

	Origins []string // of pages that may use this server beside its own, such as "https://play.example.com"; "*" for all
	// Hosts are the names by which this server may be called, besides localhost and addresses; none: by any. They keep out
	// pages that have their own name lead here (DNS rebinding).
	Hosts []string
	// PublicURL is the address by which players reach this server, such as "https://play.example.com" or
	// "https://example.com/games": tickets and the ready line name it. "": as each request calls the server.
	PublicURL string
	// TrustProxies are the networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are
	// believed; none by default.
	TrustProxies []netip.Prefix

	Grace      time.Duration // how long Run waits at its end for rooms and connections; 10 s by default
	MaxRooms   int           // rooms at the same time; 1000 by default
	MaxPlayers int           // players and spectators in all rooms; 20,000 by default

	// MaxSockets is how many sockets may be open. 0 is as many as the process may have descriptors, less 128 that are kept
	// back. Above it health checks are answered and all else is refused.
	MaxSockets int

	Auth       auth.Config // who players are: guests, unless it has keys for tokens; its Log is this one's if nil
	AdminToken string      // of the admin API, at least 16 bytes; "": there is no admin API

	Limits               player.Limits // of what each player sends
	Connections, Matches gateway.Limit // of each address
	PerUser, PerAddress  Share         // what each may have at the same time
	QuickRooms           int           // of MaxRooms, those that only quick matches may make; a tenth by default, none if negative

	Log *slog.Logger // it should not wait for whoever reads it: see logs.Writer; nil: slog.Default
	// LogDropped, if set, tells how many lines of Log could not be written, for /metrics: logs.Writer's Dropped.
	LogDropped func() int64

	Ready func(url string) // called once, when players can come; nil: the log says so
}

// Share is how much of something one user, or one address, may have at the same time. The zero value of each field is its
// default, which leaves room for a hundred people behind one address; a negative one is without limit. An IPv6 network of 64
// bits counts as one address; one of 56 bits may have twice as much, one of 48 bits four times. Loopback addresses are not
// limited.
type Share struct {
	Connections int // open: 16 and 500 by default
	Seats       int // held or taken, spectators' places included: 16 and 500, but no address a quarter of MaxPlayers
	Rooms       int // made, in which nobody from elsewhere is: 8 and 200, but no address a quarter of MaxRooms
	Queue       int // places in queues: 8 and 500
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	l, g := c.lobby(), c.gateway()
	g.Lobby, g.Tickets = gateway.FromLobby(nil), new(auth.Tickets) // New puts the real ones there
	faults := []error{l.Validate(), g.Validate(), c.Auth.Validate()}
	if c.Listener == nil && c.Listen != "" {
		faults = append(faults, checkAddress(c.Listen))
	}
	if err := checkAside(c.MetricsListen); err != nil {
		faults = append(faults, fmt.Errorf("host: MetricsListen: %w", err))
	}
	if err := checkAside(c.AdminListen); err != nil {
		faults = append(faults, fmt.Errorf("host: AdminListen: %w", err))
	}
	switch {
	case c.AdminToken != "":
		faults = append(faults, admin.CheckToken(c.AdminToken))
	case c.AdminListen != "" && c.AdminListen != off:
		faults = append(faults, fmt.Errorf("host: the admin API has an address, %s, but no token: set TICKHALL_ADMIN_TOKEN, or --admin-token-file, to at least 16 random bytes", c.AdminListen))
	}
	if c.MaxSockets < 0 {
		faults = append(faults, errors.New("host: MaxSockets is negative: use 0 for the default"))
	}
	if c.Limits.Messages < 0 || c.Limits.Bytes < 0 {
		faults = append(faults, errors.New("host: Limits is negative: use 0 for the default"))
	}
	return errors.Join(faults...)
}

func (c *Config) lobby() lobby.Config {
	return lobby.Config{
		Kinds: c.Kinds, MaxRooms: c.MaxRooms, MaxPlayers: c.MaxPlayers, Grace: c.Grace, Limits: c.Limits, Log: c.Log,
		Places:     quota.Limits{User: c.PerUser.Seats, Address: c.PerAddress.Seats},
		Made:       quota.Limits{User: c.PerUser.Rooms, Address: c.PerAddress.Rooms},
		QuickRooms: c.QuickRooms,
	}
}

func (c *Config) gateway() gateway.Config {
	return gateway.Config{
		Origins: c.Origins, Hosts: c.Hosts, PublicURL: c.PublicURL, TrustProxies: c.TrustProxies,
		Connections: c.Connections, Matches: c.Matches, Log: c.Log,
		Open: quota.Limits{User: c.PerUser.Connections, Address: c.PerAddress.Connections},
	}
}

// checkAddress says what is wrong with an address to listen at.
func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("the address %q must be HOST:PORT or :PORT, such as :8080", s)
	}
	return nil
}
