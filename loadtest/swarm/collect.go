package swarm

import (
	"context"
	"maps"
	"runtime"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol/client"
)

// Second is what happened in one second of a run.
type Second struct {
	At        float64 `json:"at"`        // seconds after the measurement began; negative: before
	Players   int     `json:"players"`   // in a room
	Wanted    int     `json:"wanted"`    // who should be
	Watching  int     `json:"watching"`  // spectators in a room
	Snapshots float64 `json:"snapshots"` // per second
	Inputs    float64 `json:"inputs"`    // per second
	Late      int64   `json:"late"`      // snapshots more than one tick old
	Errors    int     `json:"errors"`    // so far
	P50       float64 `json:"p50"`       // staleness, ms
	P99       float64 `json:"p99"`
	Payload   float64 `json:"payload"` // bytes per second, all players
	WebSocket float64 `json:"websocket"`
	Wire      float64 `json:"wire"`
}

// collector adds up what the players measure, once per second. All of it runs on Run's goroutine.
type collector struct {
	w      *swarm
	shards []*shard
	total  tally
	second tally
	line   []Second
	lastAt time.Duration
	stats  client.Stats // at the beginning of the measurement
	server *server
	away   time.Duration // since when nobody has been in a room, 0: somebody is

	wanted, players, watching int
}

func newCollector(w *swarm) *collector {
	return &collector{w: w, shards: append([]*shard(nil), w.shards...), server: newServer(&w.cfg)}
}

// run waits for the joins, measures, and reports.
func (c *collector) run(ctx context.Context) *Report {
	w := c.w
	r := newReport(&w.cfg)
	if strings.HasPrefix(w.cfg.URL, "https:") {
		r.note("the connections are encrypted: sizes of messages and round trips can't be seen, and ages are by each player's own clock")
	}
	if broken := c.gather(ctx); broken != "" {
		c.tick(false)
		return c.finish(ctx, r, broken, 0, 0)
	}
	c.tick(false) // what it took to get here does not count, but for the joins
	before := c.total
	c.total = tally{}
	for _, d := range []distribution{join, keyframeBytes} {
		c.total.histograms[d] = before.histograms[d]
	}
	c.total.joins = before.joins
	c.server.begin(ctx)
	opened, cpu := w.since(), ownCPU()
	c.stats = c.clientStats()
	w.opened.Store(int64(opened))
	c.lastAt = opened
	broken := ""
	for n := time.Duration(1); ; n++ {
		at := min(opened+n*time.Second, opened+w.cfg.Duration)
		if !w.wait(ctx, at) {
			break
		}
		c.tick(true)
		if broken = c.gone(); broken != "" || at == opened+w.cfg.Duration {
			break
		}
	}
	lasted := w.since() - opened
	return c.finish(ctx, r, broken, lasted, ownCPU()-cpu)
}

// gather waits until all have joined, or enough has been waited for them. It returns why nobody has.
func (c *collector) gather(ctx context.Context) (broken string) {
	w := c.w
	latest := w.seats[len(w.seats)-1].joinAt + joinGrace
	for n := time.Duration(1); ; n++ {
		if !w.wait(ctx, n*100*time.Millisecond) {
			return "it was ended before the measurement began"
		}
		c.census()
		if n%10 == 0 {
			c.tick(true)
			if broken := c.gone(); broken != "" {
				return broken
			}
		}
		switch {
		case c.players == c.wanted && c.players > 0:
			if !w.wait(ctx, w.since()+settling) {
				return "it was ended before the measurement began"
			}
			return ""
		case c.wanted == 0 || w.since() > latest && c.players == 0:
			return "nobody could join" + c.because()
		case w.since() > latest:
			return ""
		}
	}
}

// because tells the commonest error.
func (c *collector) because() string {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	most, reason := 0, ""
	for r, n := range c.w.errors {
		if n > most || n == most && r < reason {
			most, reason = n, r
		}
	}
	if reason == "" {
		return ""
	}
	if m := c.w.messages[reason]; m != "" {
		reason += " (" + m + ")"
	}
	return ": " + reason
}

// census counts those in a room and those who should be.
func (c *collector) census() {
	c.players, c.wanted, c.watching = 0, 0, 0
	for _, s := range c.w.seats {
		p := s.player.Load()
		in := p != nil && p.Room.Joined()
		switch {
		case s.spectator && in:
			c.watching++
		case s.spectator:
		case in:
			c.players++
			fallthrough
		case !s.gone.Load():
			c.wanted++
		}
	}
}

// gone tells that the server is.
func (c *collector) gone() string {
	now := c.w.since()
	switch {
	case c.players > 0 || c.total.joins == 0:
		c.away = 0
	case c.away == 0:
		c.away = now
	case now-c.away >= goneAfter || c.wanted == 0:
		at := c.away
		if opened := time.Duration(c.w.opened.Load()); opened > 0 {
			at -= opened
		}
		return "the server went away after " + max(at, 0).Round(100*time.Millisecond).String() + c.because()
	}
	return ""
}

// tick collects what has been measured since the last one. shown: it counts as a second of the run.
func (c *collector) tick(shown bool) {
	w := c.w
	now := w.since()
	for _, s := range w.seats {
		p := s.player.Load()
		if p == nil {
			continue
		}
		p.collect(now)
	}
	for _, s := range c.shards {
		s.take(&c.second)
	}
	c.total.merge(&c.second.histograms)
	c.total.counts.add(&c.second.counts)
	c.census()
	if took := (now - c.lastAt).Seconds(); shown && took > 0 {
		n := &c.second
		at := now - time.Duration(w.opened.Load())
		if w.opened.Load() == 0 {
			at = 0
		}
		errors := 0
		w.mu.Lock()
		for _, n := range w.errors {
			errors += n
		}
		w.mu.Unlock()
		s := Second{
			At: at.Seconds(), Players: c.players, Wanted: c.wanted, Watching: c.watching,
			Snapshots: float64(n.snapshots) / took, Inputs: float64(n.inputs) / took, Late: n.late, Errors: errors,
			P50: n.quantile(staleness, 50), P99: n.quantile(staleness, 99),
			Payload: float64(n.payload) / took, WebSocket: float64(n.websocket) / took,
			Wire: float64(n.websocket+segmentHeader*n.segments) / took,
		}
		if at > 0 {
			c.line = append(c.line, s)
		}
		if w.cfg.OnClock != nil {
			w.cfg.OnClock(s)
		}
	}
	c.second.reset()
	c.second.counts = counts{}
	c.lastAt = now
}

// clientStats adds up what the clients count.
func (c *collector) clientStats() client.Stats {
	c.w.mu.Lock()
	all := c.w.old
	c.w.mu.Unlock()
	for _, s := range c.w.seats {
		if p := s.player.Load(); p != nil && !isDone(p.Room) {
			all = sum(all, p.Room.Stats())
		}
	}
	return all
}

func isDone(r *client.Room) bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

// finish makes the report.
func (c *collector) finish(ctx context.Context, r *Report, broken string, lasted, cpu time.Duration) *Report {
	w := c.w
	r.Broken, r.Lasted, r.Timeline = broken, lasted.Seconds(), c.line
	if ctx.Err() != nil && broken == "" {
		r.Early = true
		r.note("it was ended early, after %v", lasted.Round(100*time.Millisecond))
	}
	c.server.end(ctx, broken != "")
	c.fill(r, lasted, cpu)
	w.mu.Lock()
	r.Errors = maps.Clone(w.errors)
	r.Notes = append(r.Notes, w.notes...)
	w.mu.Unlock()
	c.server.fill(r, c.total.snapshots, lasted)
	if n := r.Values["players.missing"]; n > 0 && broken == "" {
		r.note("%.0f players were not in a room at the end%s", n, c.because())
	}
	r.judge(w.cfg.Gates, runtime.NumCPU())
	r.Recording = w.recording
	return r
}

// fill puts the figures into the report.
func (c *collector) fill(r *Report, lasted, cpu time.Duration) {
	w, t := c.w, &c.total
	for d := range distributions {
		r.distribution(d, t.histograms[d])
	}
	wanted := w.cfg.Rooms * w.cfg.Players
	w.mu.Lock()
	errors, rooms := 0, len(w.rooms)
	for _, n := range w.errors {
		errors += n
	}
	w.mu.Unlock()
	r.value("players", float64(c.players))
	r.value("players.missing", float64(max(wanted-c.players, 0)))
	r.value("spectators", float64(c.watching))
	r.value("rooms", float64(rooms))
	r.value("errors", float64(errors))
	stats := c.clientStats()
	r.value("hash.mismatch", float64(stats.Mismatches))
	r.value("reconnects", float64(t.resumes+t.rematches))
	r.Joins, r.Ended, r.Cuts = t.joins, t.ended, t.cuts
	if lasted <= 0 {
		return
	}
	seconds := lasted.Seconds()
	playerSeconds := 0.
	for i, s := range c.line {
		took, in := s.At, s.Players+s.Watching
		before := in
		if i > 0 {
			took, before = took-c.line[i-1].At, c.line[i-1].Players+c.line[i-1].Watching
		}
		playerSeconds += took * float64(before+in) / 2
	}
	r.value("snapshots", float64(t.snapshots)/seconds)
	if t.snapshots > 0 {
		r.value("snapshots.late", 100*float64(t.late)/float64(t.snapshots))
	}
	r.value("ticks.skipped", float64(stats.SkippedTicks-c.stats.SkippedTicks))
	r.value("keyframes", float64(stats.Keyframes-c.stats.Keyframes))
	r.value("inputs", float64(t.inputs)/seconds)
	r.value("inputs.dropped", float64(stats.InputsDropped-c.stats.InputsDropped)+float64(t.inputsSkipped))
	r.value("effect.lost", float64(t.effectLost))
	r.value("corrections", float64(stats.Corrections-c.stats.Corrections))
	if playerSeconds > 0 {
		perPlayer := func(n int64) float64 { return float64(n) / playerSeconds }
		if t.payload > 0 {
			r.value("bytes.payload", perPlayer(t.payload))
		}
		r.value("bytes.websocket", perPlayer(t.websocket))
		r.value("bytes.wire", perPlayer(t.websocket+segmentHeader*t.segments))
		r.value("bytes.sent", perPlayer(t.sent))
	}
	if cpu > 0 {
		r.value("generator.cpu", cpu.Seconds()/seconds)
	}
}
