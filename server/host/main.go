package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tickhall/tickhall/room"
)

// Main is a whole server program: it reads flags and TICKHALL_* variables, serves the kinds given until
// SIGINT or SIGTERM, stops in good order, and exits with status 0; a second signal ends it at once. It
// exits with 2 if the set-up is wrong, and with 1 if it can't serve. --help tells the settings; with --healthcheck it
// asks a server that runs whether it is ready, and exits with 0 if so, else with 1.
func Main(kinds ...room.AnyKind) {
	os.Exit(run(program{args: os.Args[1:], getenv: os.LookupEnv, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr)}, kinds))
}

// program is what a main gets from its surroundings.
type program struct {
	args     []string
	getenv   func(string) (string, bool)
	out, err io.Writer
	terminal bool // err is one
}

func run(p program, kinds []room.AnyKind) (exit int) {
	args, healthy := takeHealthcheck(p.args)
	cfg, level, err := parse(args, p.getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(p.out, help())
		return 0
	}
	if err != nil {
		return p.fail(2, err)
	}
	if healthy {
		if err := healthcheck(context.Background(), cmp.Or(cfg.Listen, DefaultListen)); err != nil {
			return p.fail(1, err)
		}
		return 0
	}
	cfg.Kinds = kinds
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	cfg.Log = slog.New(slog.NewJSONHandler(p.err, options))
	if p.terminal {
		cfg.Log = slog.New(slog.NewTextHandler(p.err, options))
	}
	made := ""
	if p.terminal && cfg.AdminToken == "" && cfg.AdminListen != off {
		made = rand.Text()
		cfg.AdminToken = made
	}
	cfg.Ready = func(url string) {
		if made != "" { // by no entry of a log: others may read that
			fmt.Fprintf(p.err, "tickhall: the admin token is %s until the next start; TICKHALL_ADMIN_TOKEN sets another\n", made)
		}
		if p.terminal {
			fmt.Fprintln(p.out, "Tickhall is ready: "+url) // by itself, so that a terminal makes it a link
			return
		}
		cfg.Log.Info("Tickhall is ready: " + url)
	}
	h, err := New(cfg)
	if err != nil {
		return p.fail(2, err)
	}
	signalled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	context.AfterFunc(signalled, func() {
		stop() // a second signal has its usual effect
		cancel()
	})
	if err := h.Run(ctx); err != nil {
		return p.fail(1, err)
	}
	return 0
}

// fail prints one line for each fault.
func (p program) fail(exit int, err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(p.err, "tickhall: "+strings.TrimSuffix(line, "\n"))
	}
	return exit
}

// readable makes durations such as "1.5s", which JSON would show as nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
