// Command loadtest plays many players against a server and reports what they experience, as percentiles, with gates
// that fail a build.
//
//	loadtest            plays a scenario; --help tells the flags
//	loadtest floor      serves the same sockets and bytes, and does nothing else
//	loadtest compare    measures the CPU of the server and of the floor on the same load, in turn
//
// It exits with status 1 if a gate was not met, and with 2 if the flags are wrong, the server could not be reached or went
// away, the load was ended early, or a report could not be written.
//
// Against a server on the same machine it takes no more than half of the cores, unless GOMAXPROCS is set.
//
// Goroutines: those of package swarm. The floor has one per connection and one per room.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/tickhall/tickhall/server/logs"
	"github.com/tickhall/tickhall/server/version"
)

// The exit statuses.
const (
	exitOK     = 0
	exitGate   = 1
	exitFailed = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal has its usual effect
	p := program{args: os.Args[1:], getenv: os.LookupEnv, environ: os.Environ(), out: os.Stdout, err: os.Stderr, terminal: logs.IsTerminal(os.Stderr)}
	os.Exit(p.run(ctx))
}

// program is what main gets from its surroundings.
type program struct {
	args     []string
	getenv   func(string) (string, bool)
	environ  []string // as os.Environ has it: none of it may be unknown
	out, err io.Writer
	terminal bool // err is one
}

func (p program) run(ctx context.Context) (exit int) {
	if slices.Contains(p.args, "--version") || slices.Contains(p.args, "-version") {
		fmt.Fprintln(p.out, version.Read())
		return exitOK
	}
	command := ""
	if len(p.args) > 0 && !strings.HasPrefix(p.args[0], "-") {
		command, p.args = p.args[0], p.args[1:]
	}
	var err error
	switch command {
	case "":
		exit, err = p.load(ctx)
	case "floor":
		exit, err = p.floor(ctx)
	case "compare":
		exit, err = p.compare(ctx)
	default:
		err = fmt.Errorf("there is no command %q: there are floor, compare, and none for a load test", command)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(p.err, "loadtest: "+strings.TrimPrefix(strings.TrimSpace(line), "loadtest: "))
		}
		return exitFailed
	}
	return exit
}
