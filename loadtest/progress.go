package main

import (
	"fmt"
	"io"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

// progress shows how a run goes: one line, drawn again each second on a terminal, and lines one below the other
// elsewhere.
type progress struct {
	to       io.Writer
	terminal bool
	drawn    bool // a line stands on the terminal and has not ended
}

// show is swarm.Scenario.OnClock.
func (p *progress) show(s swarm.Second) {
	line := progressLine(s)
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[K", line)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.to, line)
}

func progressLine(s swarm.Second) string {
	when := "joining"
	if s.At > 0 {
		when = fmt.Sprintf("%5.0f s", s.At)
	}
	return fmt.Sprintf("%s  players %d/%d  snapshots %.0f/s  late %d  staleness p50 %.1f p99 %.1f ms  errors %d",
		when, s.Players, s.Wanted, s.Snapshots, s.Late, s.P50, s.P99, s.Errors)
}

// end leaves the line as it is.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(p.to)
		p.drawn = false
	}
}
