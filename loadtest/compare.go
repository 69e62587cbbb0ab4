package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

const compareHelp = `Measures the CPU that a server takes per snapshot delivered, beside that of the
floor, which reads and writes the same bytes and does nothing else: each as a
process of its own, in turn, several times, on the same load. What the first
run of the server sent to one player is what the floor sends. Times drift on
shared machines; the ratio holds. It works on Linux alone.`

const (
	startsIn = 10 * time.Second
	stopsIn  = 15 * time.Second
)

// comparison is what compare found out, in microseconds of CPU per snapshot.
type comparison struct {
	Server []float64 `json:"server"`
	Floor  []float64 `json:"floor"`
	Ratios []float64 `json:"ratios"` // of each pair
	Min    float64   `json:"min"`
	Median float64   `json:"median"`
	Max    float64   `json:"max"`
}

// add takes a pair of runs.
func (c *comparison) add(server, floor float64) {
	c.Server, c.Floor, c.Ratios = append(c.Server, server), append(c.Floor, floor), append(c.Ratios, server/floor)
	sorted := slices.Sorted(slices.Values(c.Ratios))
	n := len(sorted)
	c.Min, c.Max, c.Median = sorted[0], sorted[n-1], (sorted[(n-1)/2]+sorted[n/2])/2
}

func (p program) compare(ctx context.Context) (exit int, err error) {
	var o options
	runs, binary, most := 3, "", 0.
	f := newSet()
	loadSettings(f, &o)
	f.Add("duration DURATION", "10s", "of each run", durationOf(&o.cfg.Duration, time.Second))
	f.Add("runs N", strconv.Itoa(runs), "runs of each", wholeNumber(&runs, mostAtAll))
	f.Add("server FILE", "", "the server's program; that of this module is built if not given. It must know --listen", text(&binary))
	f.Add("most-ratio N", "", "exit with status 1 if the median ratio is above", numberOf(&most, 0.01, 1000))
	f.Add("json FILE", "", "write the result there as JSON", text(&o.json))
	o.cfg.Duration = 10 * time.Second
	if err := p.parse(compareHelp, f); err != nil {
		return 0, err
	}
	if runtime.GOOS != "linux" {
		return 0, errors.New("compare works on Linux alone: it reads a process's CPU from /proc")
	}
	dir, err := os.MkdirTemp("", "loadtest")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "server")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/tickhall/tickhall/server").CombinedOutput(); err != nil {
			return 0, fmt.Errorf("building the server: %w: %s", err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	p.leaveCores()
	recording := filepath.Join(dir, "recording")
	var c comparison
	for n := range runs {
		o.cfg.Record = n == 0
		server, err := p.measure(ctx, "server", o.cfg, binary)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			var b bytes.Buffer
			if err := server.Recording.Write(&b); err != nil {
				return 0, err
			}
			if err := os.WriteFile(recording, b.Bytes(), 0o600); err != nil {
				return 0, err
			}
		}
		o.cfg.Record = false
		floor, err := p.measure(ctx, "floor", o.cfg, self, "floor", "--recording", recording, "--players", strconv.Itoa(o.cfg.Players))
		if err != nil {
			return 0, err
		}
		c.add(server.Values["server.cpu_per_snapshot"], floor.Values["server.cpu_per_snapshot"])
		fmt.Fprintf(p.out, "        ratio %.2f\n", c.Ratios[n])
	}
	fmt.Fprintf(p.out, "\nserver / floor, CPU per snapshot: median %.2f, min %.2f, max %.2f of %d\n", c.Median, c.Min, c.Max, runs)
	if o.json != "" {
		b, err := json.MarshalIndent(c, "", "  ")
		if err == nil {
			err = os.WriteFile(o.json, append(b, '\n'), 0o644)
		}
		if err != nil {
			return 0, err
		}
	}
	if most > 0 && c.Median > most {
		fmt.Fprintf(p.out, "FAILED: the median is above %v\n", most)
		return exitGate, nil
	}
	return exitOK, nil
}

// measure starts a program that listens where --listen says, plays the load against it, and stops it.
func (p program) measure(ctx context.Context, what string, cfg swarm.Scenario, path string, args ...string) (*swarm.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, append(args, "--listen", address)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopsIn
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	}()
	if err := reachable(ctx, address); err != nil {
		cancel()
		_ = cmd.Wait() // so that nothing is written to said any more
		return nil, fmt.Errorf("the %s did not come up: %w: %s", what, err, strings.TrimSpace(said.String()))
	}
	cfg.URL, cfg.PID, cfg.Name = "http://"+address, cmd.Process.Pid, "compare"
	r, err := swarm.Run(ctx, cfg)
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, errors.New("it was ended early")
	case r.Broken != "":
		return nil, fmt.Errorf("the run against the %s broke off: %s", what, r.Broken)
	case r.Values["server.cpu_per_snapshot"] == 0:
		return nil, fmt.Errorf("the %s's CPU could not be measured: load it more, or for longer", what)
	}
	size := 0.
	if d := r.Find("snapshot.bytes"); d != nil {
		size = d.Mean
	}
	fmt.Fprintf(p.out, "%-7s %6.1f us CPU per snapshot, %6.0f snapshots/s of %4.0f bytes, %.2f cores; generator %.2f cores\n",
		what, r.Values["server.cpu_per_snapshot"], r.Values["snapshots"], size, r.Values["server.cpu"], r.Values["generator.cpu"])
	if n := r.Values["errors"] + r.Values["hash.mismatch"]; n > 0 {
		fmt.Fprintf(p.out, "        with %.0f errors, which spoil it\n", n)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(p.out, "        note: %s\n", n)
	}
	return r, nil
}

// freeAddress is one at which nobody listens just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// reachable waits until somebody listens.
func reachable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startsIn)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}
