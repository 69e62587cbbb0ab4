package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/client"
)

const (
	shards     = 4
	mostPacers = 4
	settling   = time.Second      // between the last join and the measurement
	joinGrace  = 10 * time.Second // in which the last must have joined
	goneAfter  = 4 * time.Second  // without a single player in a room: the server is gone
	watchEvery = 5 * time.Millisecond
	reachIn    = 3 * time.Second
	leavesIn   = 3 * time.Second
	calm       = 3 * time.Second // after the last storm, so that all are back at the end
)

// swarm is one run of a Scenario.
type swarm struct {
	cfg       Scenario
	began     time.Time
	seats     []*seat
	shards    []*shard // the pacers' too
	recording *Recording
	poller    *poller // of run; nil: there is none

	opened  atomic.Int64 // when the measurement began, 0: not yet
	closing atomic.Bool  // everybody leaves

	mu       sync.Mutex
	errors   map[string]int    // by reason
	messages map[string]string // what a server said to it, at first
	notes    []string
	rooms    map[string]*Player // by id: who joined last
	clocks   map[string]*roomClock
	old      client.Stats // of players who are gone, added up

	abuse abuseCounts
}

// ErrUnreachable is wrapped by Run's error when the server could not be reached at the start.
var ErrUnreachable = errors.New("the server can't be reached")

// Run plays a scenario to its end or ctx's, and reports. It fails if the scenario is at fault or the server can't be
// reached to begin with. A server that goes away later, or refuses everybody, gives a report whose Broken says so.
func Run(ctx context.Context, cfg Scenario) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := newSwarm(cfg)
	if err := w.reach(ctx); err != nil {
		return nil, err
	}
	return w.run(ctx), nil
}

func newSwarm(cfg Scenario) *swarm {
	cfg = cfg.withDefaults()
	w := &swarm{cfg: cfg, began: time.Now(), errors: map[string]int{}, messages: map[string]string{}, rooms: map[string]*Player{}, clocks: map[string]*roomClock{}}
	for range shards {
		w.shards = append(w.shards, newShard())
	}
	r := rand.New(rand.NewPCG(cfg.Seed, 0))
	players := cfg.Rooms * cfg.Players
	slow := int(float64(players) * cfg.SlowShare)
	var groups []*group
	for range cfg.Rooms {
		groups = append(groups, &group{ready: make(chan struct{})})
	}
	add := func(g *group, leader, spectator bool) *seat {
		i := len(w.seats)
		s := &seat{
			swarm: w, number: i, group: g, leader: leader, spectator: spectator, shard: w.shards[i%shards],
			joinAt: time.Duration(float64(i) / cfg.JoinRate * float64(time.Second)),
			rand:   rand.New(rand.NewPCG(cfg.Seed, uint64(i+1))),
		}
		if cfg.InputRate > 0 {
			s.phase = time.Duration(r.Float64()*1000/cfg.InputRate) * time.Millisecond
		}
		w.seats = append(w.seats, s)
		return s
	}
	for _, g := range groups { // first, so that nobody waits long for a room
		add(g, true, false)
	}
	for _, g := range groups {
		for range cfg.Players - 1 {
			add(g, false, false)
		}
	}
	if cfg.Record {
		// Of the last room: it is the first to join beside the leader, so that it is not sent elsewhere should the room be full.
		w.seats[min(players-cfg.Players+1, players-1)].record = true
		w.recording = new(Recording)
	}
	for _, i := range r.Perm(players)[:slow] {
		w.seats[i].slow = true
	}
	for _, g := range groups {
		for range cfg.Spectators {
			add(g, false, true)
		}
	}
	return w
}

// since is the time of the run.
func (w *swarm) since() time.Duration { return time.Since(w.began) }

// wait returns at a time of the run, false if ctx ended first.
func (w *swarm) wait(ctx context.Context, at time.Duration) bool {
	t := time.NewTimer(at - w.since())
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// reach finds out whether anybody listens.
func (w *swarm) reach(ctx context.Context) error {
	u, err := url.Parse(w.cfg.URL)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, reachIn)
	defer cancel()
	dial := w.cfg.Client.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("%w at %s: %w: start it, such as with go run ./server, or name another with --url", ErrUnreachable, w.cfg.URL, err)
	}
	return conn.Close()
}

func (w *swarm) run(ctx context.Context) *Report {
	seated, cut := context.WithCancel(ctx)
	defer cut()
	w.began = time.Now()
	c := newCollector(w)
	stopPolling := w.poll()
	defer stopPolling()
	var seats sync.WaitGroup
	for _, s := range w.seats {
		seats.Go(func() { s.run(seated) })
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	if w.cfg.InputRate > 0 {
		n := min(mostPacers, runtime.GOMAXPROCS(0))
		parts := make([][]*seat, n)
		for i, s := range w.seats {
			if !s.spectator {
				parts[i%n] = append(parts[i%n], s)
			}
		}
		for _, part := range parts {
			p := newPacer(w, part)
			c.shards = append(c.shards, p.shard)
			wg.Go(func() { p.run(ctx) })
		}
	}
	watchdog := newShard()
	c.shards = append(c.shards, watchdog)
	wg.Go(func() { w.watch(ctx, watchdog) })
	if w.cfg.CutEvery > 0 {
		wg.Go(func() { w.storm(ctx) })
	}
	w.startAbuse(ctx, &wg)
	r := c.run(ctx)
	end()
	wg.Wait()
	r.Abuse = w.abuse.report()
	if r.Broken == "" {
		w.leave(cut, &seats)
	}
	cut()
	seats.Wait()
	return r
}

// poll starts the poller. The function that it returns ends it, and waits for that.
func (w *swarm) poll() (stop func()) {
	if w.poller = newPoller(); w.poller == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var polling sync.WaitGroup
	polling.Go(func() { w.poller.run(ctx) })
	return func() {
		cancel()
		polling.Wait()
	}
}

// leave gives all seats up, so that the next run finds none held, and waits for that, but not for long.
func (w *swarm) leave(cut func(), seats *sync.WaitGroup) {
	w.closing.Store(true)
	patience := time.AfterFunc(leavesIn, cut)
	defer patience.Stop()
	for _, s := range w.seats {
		s.group.open("")
		if p := s.player.Load(); p != nil {
			p.leaving.Store(true)
			p.Room.Leave()
		}
	}
	seats.Wait()
}

// watch measures how late a goroutine that has nothing else to do is woken.
func (w *swarm) watch(ctx context.Context, s *shard) {
	for due := w.since(); ; due += watchEvery {
		if !w.wait(ctx, due) {
			return
		}
		now := w.since()
		s.mu.Lock()
		s.now.record(lateness, (now - due).Microseconds(), 1)
		s.mu.Unlock()
	}
}

// storm cuts connections, all of them at the same time, again and again.
func (w *swarm) storm(ctx context.Context) {
	r := rand.New(rand.NewPCG(w.cfg.Seed, 1<<40))
	for ctx.Err() == nil {
		opened := time.Duration(w.opened.Load())
		if opened == 0 {
			w.wait(ctx, w.since()+50*time.Millisecond)
			continue
		}
		n := (w.since()-opened)/w.cfg.CutEvery + 1
		at := opened + n*w.cfg.CutEvery - w.cfg.CutEvery/2
		if at+min(w.cfg.CutEvery/2, calm) > opened+w.cfg.Duration || !w.wait(ctx, at) {
			return
		}
		now := w.since()
		for _, s := range w.seats {
			if p := s.player.Load(); p != nil && r.Float64() < w.cfg.CutShare {
				p.sever(now)
			}
		}
		if !w.wait(ctx, opened+n*w.cfg.CutEvery) {
			return
		}
	}
}

// meet gives p the clock of its room, and makes it look for the effects of who joined before it.
func (w *swarm) meet(p *Player, room string) {
	if p.Spectator {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clocks[room] == nil {
		w.clocks[room] = new(roomClock)
	}
	p.room.Store(w.clocks[room])
	if last := w.rooms[room]; last != nil && last != p && p.sighted != nil && !p.slow {
		last.watched.Store(true)
		p.neighbour.Store(last)
	}
	w.rooms[room] = p
}

// part keeps the counts of a player who is gone.
func (w *swarm) part(p *Player) {
	p.collect(w.since())
	p.mu.Lock()
	p.seeing = false
	p.mu.Unlock()
	if n := p.neighbour.Swap(nil); n != nil {
		n.watched.Store(false)
	}
	s := p.Room.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.old = sum(w.old, s)
}

// sum adds those counts up that a report needs.
func sum(a, b client.Stats) client.Stats {
	a.Keyframes += b.Keyframes
	a.SkippedTicks += b.SkippedTicks
	a.Mismatches += b.Mismatches
	a.Faults += b.Faults
	a.Reconnects += b.Reconnects
	a.InputsDropped += b.InputsDropped
	a.Undecoded += b.Undecoded
	a.Corrections += b.Corrections
	return a
}

func (w *swarm) fail(err error) {
	reason := reasonOf(err)
	w.cfg.Log.Debug("a player's error", "reason", reason, "error", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors[reason]++
	var refused *protocol.HTTPError
	if errors.As(err, &refused) && w.errors[reason] == 1 {
		w.messages[reason] = refused.Message
	}
}

func (w *swarm) noteOnce(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notes {
		if n == text {
			return
		}
	}
	w.notes = append(w.notes, text)
}

// isNotice reports whether err is something that the room said, not the end of a connection.
func isNotice(err error) bool {
	var notice *client.Error
	return errors.As(err, &notice)
}

// isLoss reports whether err may come of a connection that we cut.
func isLoss(err error) bool {
	var refused *protocol.HTTPError
	var stop *client.StopError
	return !isNotice(err) && !errors.As(err, &refused) && !errors.As(err, &stop) && !errors.Is(err, client.ErrMismatch)
}

// reasonOf sorts errors into few kinds.
func reasonOf(err error) string {
	var (
		notice  *client.Error
		refused *protocol.HTTPError
		stop    *client.StopError
		timeout net.Error
	)
	switch {
	case errors.Is(err, client.ErrMismatch):
		return "checksum differs"
	case errors.As(err, &notice):
		return "notice " + notice.Code
	case errors.As(err, &refused):
		return "refused: " + refused.Code
	case errors.As(err, &stop):
		return "closed: " + stop.Code.String()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	text := err.Error()
	if _, rest, found := strings.Cut(text, "closed by the server ("); found {
		code, _, _ := strings.Cut(rest, ")")
		return "closed: " + code
	}
	if strings.HasPrefix(text, "connection lost") {
		return "connection lost"
	}
	text, _, _ = strings.Cut(text, "\n")
	return text[:min(len(text), 80)]
}
