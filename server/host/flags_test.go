package host

import (
	"bytes"
	"flag"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/gateway"
)

func env(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

// parse reads flags and, for what they leave out, variables. flag.ErrHelp: help was asked for.
func parse(args []string, getenv func(string) (string, bool)) (cfg Config, level slog.Level, err error) {
	err = settings(&cfg, &level).Parse(args, getenv)
	return cfg, level, err
}

func TestNoSettingsAreTheZeroConfig(t *testing.T) {
	cfg, level, err := parse(nil, env(nil))
	require.NoError(t, err)
	require.Zero(t, cfg)
	require.Equal(t, slog.LevelInfo, level)
}

func TestSettingsComeFromFlagsThenVariables(t *testing.T) {
	cfg, level, err := parse(
		[]string{"--listen", "127.0.0.1:9", "-trust-proxy", "127.0.0.1, 10.0.0.0/8", "--hosts=play.example, b.example", "--player-messages=60", "--address-connections", "0", "--address-matches", "2.5", "--address-seats", "40", "--user-rooms=0", "--quick-rooms", "5"},
		env(map[string]string{
			"TICKHALL_LISTEN": ":1", "TICKHALL_GRACE": "2s", "TICKHALL_MAX_ROOMS": "7", "TICKHALL_PLAYER_BYTES": "4096",
			"TICKHALL_ORIGINS": "https://a.example, https://b.example", "TICKHALL_LOG_LEVEL": "WARN", "TICKHALL_TRUST_PROXY": "::1",
			"TICKHALL_PUBLIC_URL": "https://play.example/games",
		}))
	require.NoError(t, err)
	require.Equal(t, Config{
		Listen: "127.0.0.1:9", Origins: []string{"https://a.example", "https://b.example"},
		TrustProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")},
		Hosts:        []string{"play.example", "b.example"}, PublicURL: "https://play.example/games",
		Grace: 2 * time.Second, MaxRooms: 7, Limits: player.Limits{Messages: 60, Bytes: 4096},
		Connections: gateway.Limit{PerSecond: -1}, Matches: gateway.Limit{PerSecond: 2.5, Burst: 50},
		PerAddress: Share{Seats: 40}, PerUser: Share{Rooms: -1}, QuickRooms: 5,
	}, cfg)
	require.Equal(t, slog.LevelWarn, level)
}

func TestBadSettingsGetOneLineThatSaysWhatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"address", []string{"--listen", "8080"}, nil, "--listen 8080: the address \"8080\" must be HOST:PORT or :PORT"},
		{"port", []string{"--listen", ":70000"}, nil, "must be HOST:PORT"},
		{"folder", []string{"--pages", "flags_test.go"}, nil, "--pages flags_test.go: it must be a folder"},
		{"no folder", nil, map[string]string{"TICKHALL_PAGES": "nowhere"}, "it must be a folder"},
		{"duration", []string{"--grace=10"}, nil, "--grace 10: it must be a duration above 0, such as 10s"},
		{"number", []string{"--max-rooms", "many"}, nil, "a whole number above 0"},
		{"too small", []string{"--player-bytes", "0"}, nil, "a number of 1 or more"},
		{"no number", []string{"--player-bytes", "NaN"}, nil, "a number of 1 or more"},
		{"switch", []string{"--guests=maybe"}, nil, "true or false"},
		{"proxies", []string{"--trust-proxy=true"}, nil, "--trust-proxy true: it must be the addresses or networks of proxies, separated by commas, such as 127.0.0.1,10.0.0.0/8"},
		{"everybody a proxy", nil, map[string]string{"TICKHALL_TRUST_PROXY": "0.0.0.0/0"}, "is everybody"},
		{"public address", []string{"--public-url", "play.example.com"}, nil, "must be like https://play.example.com"},
		{"host", []string{"--hosts", "https://play.example.com"}, nil, "must be a name alone"},
		{"wildcard origin", []string{"--origins", "https://*.example.com"}, nil, "list each origin"},
		{"share", []string{"--address-open=-1"}, nil, "--address-open -1: it must be a whole number, 0 or more"},
		{"level", []string{"--log-level", "info+3"}, nil, "debug, info, warn or error"},
		{"variable", nil, map[string]string{"TICKHALL_GRACE": "x"}, "TICKHALL_GRACE=x: it must be a duration"},
		{"unknown flag", []string{"--port", "1"}, nil, "there is no flag --port: see --help"},
		{"no value", []string{"--grace"}, nil, "see --help"},
		{"argument", []string{"start"}, nil, `"start"`},
		{"origin", []string{"--origins", "play.example.com"}, nil, `--origins: gateway: origin "play.example.com" must be`},
		{"near flag", []string{"--max-room", "1"}, nil, "did you mean --max-rooms?"},
		{"near variable", nil, map[string]string{"TICKHALL_MAX_PLAYER": "1"}, "there is no setting TICKHALL_MAX_PLAYER: did you mean TICKHALL_MAX_PLAYERS?"},
		{"short secret", nil, map[string]string{"TICKHALL_JWT_SECRET": "hunter2"}, "TICKHALL_JWT_SECRET: auth: the JWT secret has 7 bytes"},
		{"short token", []string{"--admin-token", "hunter2"}, nil, "--admin-token: admin: the token has 7 bytes"},
		{"no keys", []string{"--jwt-issuer", "x"}, nil, "--jwt-issuer: auth: an issuer or audience is required"},
		{"no file", []string{"--jwt-jwks", "nowhere.json"}, nil, "--jwt-jwks: auth: the JWKS nowhere.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, err bytes.Buffer
			var environ []string
			for name, value := range c.env {
				environ = append(environ, name+"="+value)
			}
			exit := run(program{args: c.args, getenv: env(c.env), environ: environ, out: &out, err: &err}, []room.AnyKind{new(trial).kind()})
			require.Equal(t, 2, exit)
			require.Contains(t, err.String(), c.want)
			require.Equal(t, 1, strings.Count(err.String(), "\n"), err.String())
			require.Empty(t, out.String())
		})
	}
}

func TestHelpTellsEveryFlagItsVariableAndItsDefault(t *testing.T) {
	_, _, err := parse([]string{"-h"}, env(nil))
	require.ErrorIs(t, err, flag.ErrHelp)
	var out bytes.Buffer
	require.Zero(t, run(program{args: []string{"--help"}, getenv: env(nil), out: &out}, nil))
	for _, s := range settings(new(Config), new(slog.Level)).Flags {
		require.Contains(t, out.String(), "--"+s.Name)
		require.Contains(t, out.String(), s.Variable)
		require.Contains(t, out.String(), s.Default)
		if s.Default != "" && s.Value != "" {
			require.NoError(t, s.Set(s.Default), "the default of --%s must be allowed", s.Name)
		}
	}
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, "too long for a terminal: %s", line)
	}
}

func TestTakenPortGetsOneLineThatSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var out bytes.Buffer
	exit := run(program{args: []string{"--listen", l.Addr().String()}, getenv: env(nil), out: &out, err: &out}, []room.AnyKind{new(trial).kind()})
	require.Equal(t, 1, exit)
	require.Contains(t, out.String(), "is taken by another program")
	require.Contains(t, out.String(), "--listen")
	require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
}

func TestValidateReportsEveryFaultAtOnce(t *testing.T) {
	cfg := Config{Listen: "x", Origins: []string{"y"}, Grace: -1, MaxRooms: -1, Limits: player.Limits{Bytes: -1}}
	err := cfg.Validate()
	for _, part := range []string{"kind of room", `"x"`, `"y"`, "Grace", "MaxRooms", "Limits"} {
		require.ErrorContains(t, err, part)
	}
}

func TestVersionIsToldInPlaceOfServing(t *testing.T) {
	for _, arg := range []string{"--version", "-version"} {
		var out bytes.Buffer
		require.Zero(t, run(program{args: []string{arg}, getenv: env(nil), out: &out}, nil))
		require.Contains(t, out.String(), "tickhall ")
		require.Contains(t, out.String(), "go1.")
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
	}
}
