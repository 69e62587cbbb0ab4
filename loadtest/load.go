package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

// load is the command without a name: it plays a scenario and reports.
func (p program) load(ctx context.Context) (exit int, err error) {
	var o options
	if err := p.parse(loadHelp(), settings(&o)); err != nil {
		return 0, err
	}
	o.cfg.Record = o.record != ""
	files := []reportFile{
		{path: o.json, render: (*swarm.Report).WriteJSON}, {path: o.html, render: (*swarm.Report).WriteHTML},
		{path: o.record, render: func(r *swarm.Report, w io.Writer) error { return r.Recording.Write(w) }},
	}
	for i := range files { // before the load, not after it
		defer files[i].tidy()
		if err := files[i].open(); err != nil {
			return 0, err
		}
	}
	if swarm.IsLocal(cmp.Or(o.cfg.URL, swarm.DefaultURL)) {
		p.leaveCores()
	}
	line := progress{to: p.err, terminal: p.terminal}
	if !o.quiet {
		o.cfg.OnClock = line.show
	}
	var r *swarm.Report
	if o.scenario == "ramp" {
		r, err = p.climb(ctx, &o, &line)
	} else {
		if o.cfg, err = swarm.Named(cmp.Or(o.scenario, "steady"), o.cfg); err != nil {
			return 0, err
		}
		r, err = swarm.Run(ctx, o.cfg)
	}
	line.end()
	if err != nil {
		return 0, err
	}
	if err := r.WriteText(p.out); err != nil {
		return 0, err
	}
	for i := range files {
		if err := files[i].write(r); err != nil {
			return 0, err
		}
	}
	return exitOf(r, o.scenario == "ramp"), nil
}

// leaveCores keeps half of the cores free for the server, unless GOMAXPROCS says otherwise. Besides, fewer
// threads that wait for bots to run find more of them at once, which is cheaper.
func (p program) leaveCores() {
	if _, set := p.getenv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(max(runtime.NumCPU()/2, 1))
	}
}

// exitOf is the exit status. The gates of a ramp are there to be broken, as long as some load met them.
func exitOf(r *swarm.Report, ramp bool) int {
	switch {
	case r.Early:
		return exitFailed
	case ramp && swarm.Best(r.Climb) > 0:
		return exitOK
	case r.Broken != "":
		return exitFailed
	case r.Failed():
		return exitGate
	}
	return exitOK
}

func (p program) climb(ctx context.Context, o *options, line *progress) (*swarm.Report, error) {
	cfg := o.cfg
	cfg.Name = "ramp"
	return swarm.Climb(ctx, cfg, o.mostPlayers, func(s swarm.Step) {
		line.end()
		fmt.Fprintln(p.err, s)
	})
}

// reportFile is a file that a report goes to, if its path is not "".
type reportFile struct {
	path   string
	render func(*swarm.Report, io.Writer) error
	made   bool // by open, and nothing written yet
}

// open finds out whether the file can be written.
func (f *reportFile) open() error {
	if f.path == "" {
		return nil
	}
	_, err := os.Stat(f.path)
	f.made = os.IsNotExist(err)
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		f.made = false
		return fmt.Errorf("the report can't be written: %w", err)
	}
	return file.Close()
}

// tidy leaves no empty file where there was none.
func (f *reportFile) tidy() {
	if f.made {
		_ = os.Remove(f.path) // it does no harm
	}
}

func (f *reportFile) write(r *swarm.Report) error {
	if f.path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := f.render(r, &b); err != nil {
		return err
	}
	f.made = false
	return os.WriteFile(f.path, b.Bytes(), 0o644)
}
