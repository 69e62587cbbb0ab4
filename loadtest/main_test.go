package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/loadtest/swarm"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/games/arena"
	"github.com/tickhall/tickhall/server/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func env(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

// serve runs a server for the length of the test.
func serve(t *testing.T) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h, err := host.New(host.Config{
		Kinds: []room.AnyKind{arena.Kind}, Listener: l, Log: slog.New(slog.DiscardHandler), Ready: func(string) {},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return "http://" + l.Addr().String()
}

func TestLoadIsPlayedReportedAndJudged(t *testing.T) {
	url, dir := serve(t), t.TempDir()
	files := []string{filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html"), filepath.Join(dir, "recording")}
	args := []string{"--url", url, "--rooms", "1", "--players", "3", "--duration", "2s", "--json", files[0], "--html", files[1], "--record", files[2]}
	var out, err bytes.Buffer
	exit := program{args: append(args, "--gate", "hash.mismatch==0,players>=3"), getenv: env(nil), out: &out, err: &err}.run(t.Context())
	require.Zero(t, exit, out.String()+err.String())
	require.Contains(t, out.String(), "gate ok     players>=3: it was 3")
	require.Contains(t, err.String(), "players 3/3  snapshots")
	require.NotContains(t, err.String(), "\r", "it is no terminal")

	b, e := os.ReadFile(files[0])
	require.NoError(t, e)
	var r swarm.Report
	require.NoError(t, json.Unmarshal(b, &r))
	require.Positive(t, r.Find("staleness").Count)
	b, e = os.ReadFile(files[1])
	require.NoError(t, e)
	require.Contains(t, string(b), "<svg")

	t.Run("a gate that is not met", func(t *testing.T) {
		out.Reset()
		exit := program{args: []string{"--gate", "players>=4", "--quiet"}, getenv: env(map[string]string{
			"TICKHALL_LOADTEST_URL": url, "TICKHALL_LOADTEST_ROOMS": "1", "TICKHALL_LOADTEST_PLAYERS": "1", "TICKHALL_LOADTEST_DURATION": "1s",
		}), out: &out, err: &err}.run(t.Context())
		require.Equal(t, exitGate, exit)
		require.Contains(t, out.String(), "gate FAILED players>=4: it was 1")
	})

	t.Run("the floor sends the same", func(t *testing.T) {
		rec, err := swarm.LoadRecording(files[2])
		require.NoError(t, err)
		require.Equal(t, 30, rec.Rate)
		rec.Messages = rec.Messages[:40] // so that it begins again
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { // ends with ctx
			defer close(done)
			newFloor(rec, 3).run(ctx, l)
		}()
		r, err := swarm.Run(t.Context(), swarm.Scenario{URL: "http://" + l.Addr().String(), Rooms: 1, Players: 5, Duration: 2e9})
		cancel()
		<-done
		require.NoError(t, err)
		require.Empty(t, r.Broken)
		require.EqualValues(t, 5, r.Values["players"], "%v", r.Errors)
		require.Zero(t, r.Values["errors"], "%v", r.Errors)
		require.Zero(t, r.Values["hash.mismatch"])
		require.Positive(t, r.Values["keyframes"], "it began again")
		require.Greater(t, r.Values["snapshots"], 50.)
	})
}

func TestBadFlagsGetOneLineThatSaysWhatIsAllowed(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--rooms none", "--rooms none: it must be a whole number from 1 to 100000"},
		{"--input-rate -3", "a number from 0 to 1000"},
		{"--duration 10", "a duration of 1s or more, such as 30s"},
		{"--scenario stampede", "there are steady, ramp, churn, reconnect, spectators, slow, abuse, idle"},
		{"--gate freshness<=1", `there is no "freshness": there are staleness.p99`},
		{"--seed 0", "a whole number above 0"},
		{"--quick=maybe", "true or false"},
		{"--unknown", "see --help"},
		{"extra", `there is no command "extra": there are floor, compare`},
		{"--quiet extra", `"extra" was given`},
		{"--url localhost:8080 --duration 1s", `must be http:// or https:// and a host`},
		{"--metrics-url localhost --duration 1s", `the address of metrics "localhost" must be`},
		{"--gate=", "a condition, such as staleness.p99<=200ms"},
		{"--json /nowhere/at/all.json", "the report can't be written"},
		{"--record /nowhere/at/all", "the report can't be written"},
		{"floor", "--recording is missing"},
		{"floor --listen 8081", "HOST:PORT or :PORT"},
		{"floor --recording /nowhere", "no such file"},
		{"compare --runs 0", "a whole number from 1 to 1000000"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out, err bytes.Buffer
			exit := program{args: strings.Fields(c.args), getenv: env(nil), out: &out, err: &err}.run(t.Context())
			require.Equal(t, exitFailed, exit)
			require.Contains(t, err.String(), c.want)
			require.Equal(t, 1, strings.Count(err.String(), "\n"), err.String())
			require.Empty(t, out.String())
		})
	}
	_, e := net.Dial("tcp", "127.0.0.1:1")
	require.Error(t, e, "nobody listens there")
	var out, err bytes.Buffer
	report := filepath.Join(t.TempDir(), "report.json")
	exit := program{args: []string{"--url", "http://127.0.0.1:1", "--json", report}, getenv: env(nil), out: &out, err: &err}.run(t.Context())
	require.Equal(t, exitFailed, exit)
	require.NoFileExists(t, report, "there is nothing to report")
	require.Contains(t, err.String(), "start it, such as with go run ./server")
	require.Equal(t, 1, strings.Count(err.String(), "\n"), err.String())
}

func TestLoadThatIsEndedEarlyReportsAndFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	stop := watcher{when: "1 s  players", then: cancel}
	exit := program{args: []string{"--url", serve(t), "--rooms", "1", "--players", "2", "--duration", "1m", "--gate", "hash.mismatch==0"},
		getenv: env(nil), out: &out, err: &stop}.run(ctx)
	require.Equal(t, exitFailed, exit)
	require.Contains(t, out.String(), "note: it was ended early, after 1")
	require.Contains(t, out.String(), "gate ok     hash.mismatch==0")
}

// watcher is a Writer that does something when it is told a text.
type watcher struct {
	when string
	then func()
}

func (w *watcher) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.when)) {
		w.then()
	}
	return len(b), nil
}

func TestHelpTellsFlagsVariablesDefaultsAndMetrics(t *testing.T) {
	var out bytes.Buffer
	require.Zero(t, program{args: []string{"--help"}, getenv: env(nil), out: &out}.run(t.Context()))
	for _, s := range settings(new(options)).Flags {
		require.Contains(t, out.String(), "--"+s.Name)
		require.Contains(t, out.String(), s.Variable)
		if s.Default != "" && s.Value != "" {
			require.NoError(t, s.Set(s.Default), "the default of --%s must be allowed", s.Name)
		}
	}
	for _, m := range swarm.Metrics() {
		require.Contains(t, out.String(), m.Name)
	}
	requireNarrow(t, out.String())
	for _, command := range []string{"floor", "compare"} {
		out.Reset()
		require.Zero(t, program{args: []string{command, "--help"}, getenv: env(nil), out: &out}.run(t.Context()))
		require.Contains(t, out.String(), "--json"[:2])
		requireNarrow(t, out.String())
	}
}

func requireNarrow(t *testing.T, help string) {
	for line := range strings.Lines(help) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, "too long for a terminal: %s", line)
	}
}

func TestUnknownVariablesAreRefusedAndOtherCommandsAreNot(t *testing.T) {
	for variable, want := range map[string]string{
		"TICKHALL_LOADTEST_PLAYER=3":   "there is no setting TICKHALL_LOADTEST_PLAYER: did you mean TICKHALL_LOADTEST_PLAYERS?",
		"TICKHALL_LOADTEST_GATE=x":     "--recording is missing", // the command goes on
		"TICKHALL_LOADTEST_LISTEN=:1":  "--recording is missing",
		"TICKHALL_LOADTEST_RUNS=3":     "--recording is missing",
		"TICKHALL_MAX_ROOMS=3":         "--recording is missing",
		"TICKHALL_LOADTEST_PLAYERS=10": "--recording is missing",
	} {
		var out bytes.Buffer
		exit := program{args: []string{"floor"}, getenv: env(nil), environ: []string{variable}, out: &out, err: &out}.run(t.Context())
		require.Equal(t, exitFailed, exit)
		require.Contains(t, out.String(), want, variable)
	}
}

func TestProgressOffATerminalIsALineEveryTenSeconds(t *testing.T) {
	var out bytes.Buffer
	p := progress{to: &out}
	for i := range 25 {
		p.show(swarm.Second{At: float64(i)})
	}
	p.end()
	require.Equal(t, 3, strings.Count(out.String(), "\n"), out.String())
	for _, when := range []string{"    1 s  ", "   11 s  ", "   21 s  "} {
		require.Contains(t, out.String(), when)
	}
}

func TestProgressIsOneLine(t *testing.T) {
	var out bytes.Buffer
	p := progress{to: &out, terminal: true}
	p.show(swarm.Second{Players: 3, Wanted: 9})
	p.show(swarm.Second{At: 2, Players: 9, Wanted: 9, Snapshots: 270, Late: 1, P50: 17, P99: 35.25, Errors: 2})
	p.end()
	p.end()
	require.Equal(t, "\r\x1b[Kjoining  players 3/9  snapshots 0/s  late 0  staleness p50 0.0 p99 0.0 ms  errors 0"+
		"\r\x1b[K    2 s  players 9/9  snapshots 270/s  late 1  staleness p50 17.0 p99 35.2 ms  errors 2\n", out.String())
}

func TestRatioIsTheMedianOfThePairs(t *testing.T) {
	var c comparison
	c.add(30, 20)
	c.add(20, 20)
	require.Equal(t, 1.25, c.Median)
	c.add(60, 20)
	require.Equal(t, 1.5, c.Median)
	require.Equal(t, 1., c.Min)
	require.Equal(t, 3., c.Max)
}

func TestFramesAreAsTheStandardHasThem(t *testing.T) {
	require.Equal(t, []byte{0x82, 2, 1, 2}, frame([]byte{1, 2}))
	require.Equal(t, []byte{0x82, 126, 1, 0}, frame(make([]byte, 256))[:4])
	require.Equal(t, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, frame(make([]byte, 1<<16))[:10])
}
