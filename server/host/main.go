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
	"github.com/tickhall/tickhall/server/auth"
	"github.com/tickhall/tickhall/server/flags"
	"github.com/tickhall/tickhall/server/logs"
	"github.com/tickhall/tickhall/server/version"
)

// Main is a whole server program: it reads flags and TICKHALL_* variables, serves the kinds given until
// SIGINT, SIGTERM or SIGHUP, stops in good order, and exits with status 0; a second SIGINT or SIGTERM ends it at once. It
// exits with 2 if the set-up is wrong, and with 1 if it can't serve. --help tells the settings, --version the build; with
// --healthcheck it asks a server that runs whether it is ready, and exits with 0 if so, else with 1.
//
// It logs to stderr. Nothing waits for what reads that, which may stand still or end; slog's default logs there too.
func Main(kinds ...room.AnyKind) {
	signal.Ignore(syscall.SIGPIPE) // a write to what nobody reads any more fails, and ends nothing
	os.Exit(run(program{
		args: os.Args[1:], getenv: os.LookupEnv, environ: os.Environ(), out: os.Stdout, err: os.Stderr,
		terminal: logs.IsTerminal(os.Stderr), whole: true,
	}, kinds))
}

// program is what a main gets from its surroundings.
type program struct {
	args     []string
	getenv   func(string) (string, bool)
	environ  []string // as os.Environ has it: none of it may be unknown
	out, err io.Writer
	terminal bool // err is one
	whole    bool // the process is this program: what it logs by slog's default goes with the rest
}

// loadtestVariables begin with ours, and are another program's.
const loadtestVariables = "TICKHALL_LOADTEST_"

func run(p program, kinds []room.AnyKind) (exit int) {
	args, task := takeTask(p.args)
	var cfg Config
	var level slog.Level
	given := settings(&cfg, &level)
	err := given.Parse(args, p.getenv)
	switch {
	case task == versionFlag:
		fmt.Fprintln(p.out, version.Read())
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(p.out, help())
		return 0
	case err == nil:
		err = given.Unknown(p.environ, loadtestVariables)
	}
	errs := logs.NewWriter(p.err, missing(p.terminal))
	go errs.Run()                               // until Close
	defer func() { _ = errs.Close(flushFor) }() // what can't leave by then stays
	p.err = errs
	if err != nil {
		return p.fail(2, err)
	}
	if task == healthcheckFlag {
		if err := healthcheck(context.Background(), cmp.Or(cfg.Listen, DefaultListen)); err != nil {
			return p.fail(1, err)
		}
		return 0
	}
	cfg.Kinds = kinds
	cfg.Log = newLog(p.err, p.terminal, level)
	cfg.LogDropped = errs.Dropped
	if p.whole {
		slog.SetDefault(cfg.Log)
	}
	var h *Host
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
			fmt.Fprintf(p.err, "Tickhall is ready: %s (%s)\n", url, h.version.Short()) // by itself, so that a terminal makes it a link
			return
		}
		cfg.Log.Info("Tickhall is ready: "+url, "version", h.version.Short())
	}
	h, err = New(cfg)
	if err != nil {
		return p.fail(2, blame(err, given, kinds))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := h.Run(stopped(ctx)); err != nil {
		return p.fail(1, err)
	}
	return 0
}

// stopped ends when the program is told to stop. A second SIGINT or SIGTERM has its usual effect. SIGHUP never has: a
// terminal that is closed sends several. One that was ignored from the start, by nohup, stays so.
func stopped(program context.Context) context.Context {
	ctx, cancel := context.WithCancel(program)
	signalled, stop := signal.NotifyContext(program, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(signalled, func() {
		stop()
		cancel()
	})
	if !signal.Ignored(syscall.SIGHUP) {
		hungUp, _ := signal.NotifyContext(program, syscall.SIGHUP) // which is never undone
		context.AfterFunc(hungUp, cancel)
	}
	return ctx
}

// blame names the flag or variable that is wrong by itself, if there is one.
func blame(err error, given *flags.Set, kinds []room.AnyKind) error {
	for _, g := range given.Given {
		alone := Config{Kinds: kinds, Log: slog.New(slog.DiscardHandler)}
		for _, f := range settings(&alone, new(slog.Level)).Flags {
			if f.Name != g.Name || f.Set(g.Value) != nil {
				continue
			}
			fault := alone.Validate()
			if fault == nil {
				_, fault = auth.New(alone.Auth) // it reads files
			}
			if fault != nil {
				return fmt.Errorf("%s: %w", g.Source, fault)
			}
		}
	}
	return err
}

// fail prints one line for each fault.
func (p program) fail(exit int, err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(p.err, "tickhall: "+strings.TrimSuffix(line, "\n"))
	}
	return exit
}
