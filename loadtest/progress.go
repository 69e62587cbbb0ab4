package main

import (
	"fmt"
	"io"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

// printEvery is how many seconds are between two lines of progress where there is no terminal.
const printEvery = 10

// progress shows how a run goes: one line, drawn again each second on a terminal, and elsewhere lines one below the other,
// every ten seconds and when the measurement begins.
type progress struct {
	to       io.Writer
	terminal bool
	drawn    bool // a line stands on the terminal and has not ended
	silent   int  // seconds since a line was printed
	playing  bool // the first second of the measurement was printed
}

// show is swarm.Scenario.OnClock.
func (p *progress) show(s swarm.Second) {
	line := progressLine(s)
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[K", line)
		p.drawn = true
		return
	}
	if p.silent++; p.silent < printEvery && (p.playing || s.At == 0) {
		return
	}
	p.silent, p.playing = 0, s.At > 0
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
