package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Config says which room to join, and as whom. The zero value of each field but URL and Kind is its
// default. The callbacks may be nil. Run's goroutine makes them.
type Config struct {
	URL  string // the server's address, such as "http://localhost:8080"
	Kind string // kind of room; a join can do without
	Mode string // one of protocol's Mode constants; protocol.ModeQuick by default
	Name string // display name; the server gives one to a guest without

	// What counts depends on Mode; the server refuses what does not.
	Room     string // join: id of the room, which is also its code; case and dashes don't count
	Password string // create: sets it; join: must be it
	Private  bool   // create: the room is not listed, and quick does not find it
	Spectate bool   // quick, join: watch without a seat
	Options  any    // create, quick: for the game that is made, if one is; a struct or a map, sent as JSON
	Filter   any    // quick: only rooms whose listing data has these properties; a struct or a map, sent as JSON

	Skill      float64           // queue: the player's rating, where the kind lets clients say it
	Properties map[string]string // queue: must be equal within a match, such as region
	Party      string            // queue: a code that friends share, to be matched together
	PartySize  int               // queue: how many friends share it, oneself included

	// Token says who the player is, where the server asks for it: a JWT. It is called for each HTTP
	// request, so that it can renew the token, on Run's goroutine. After an error Run tries again.
	Token func(ctx context.Context) (string, error)
	// Guest is what Room.Guest gave earlier: be the same guest again. It counts where Token is nil.
	Guest string

	// Seat is what Room.Seat gave earlier, perhaps in another process: take that seat back, if it is still kept, before
	// asking for a match. To OnJoin it is a first join.
	Seat string

	// Dial opens connections; a net.Dialer's by default. TLS is for https addresses.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config

	// OnJoin is called when the first snapshot of a connection has been applied and its message
	// processed whole; inputs may be sent from now on. resumed tells that it is still the same seat.
	OnJoin func(resumed bool)
	// OnQueue is told, in mode queue, how it stands, whenever there is news.
	OnQueue func(protocol.QueueReply)
	// OnSnapshot is called after each snapshot, the events of its message excepted.
	OnSnapshot func(tick uint32)
	// OnDropped is called in place of the events that the server could not keep for this client, with their number:
	// ask the game for what they would have told. No reply is ever lost like this.
	OnDropped func(count uint32)
	// OnError is told what went wrong and was dealt with: a connection lost, a refusal after which Run
	// tries again, a checksum that differs, a body that does not fit. A *Error is a notice of the room.
	// It must read no table and not call Do: some of this happens while the world is held.
	OnError func(err error)
}

// Validate reports every fault of a Config.
func (c *Config) Validate() error {
	var faults []error
	if c.Kind == "" && c.Mode != protocol.ModeJoin {
		faults = append(faults, errors.New("client: Kind is missing"))
	}
	if c.Room == "" && c.Mode == protocol.ModeJoin {
		faults = append(faults, errors.New("client: Room is missing: which one to join"))
	}
	_, err := c.matchRequest()
	return errors.Join(append(faults, c.validateURL(), err)...)
}

func (c *Config) validateURL() error {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("client: URL %q must be http:// or https:// and a host", c.URL)
	}
	return nil
}

// fill gives a Config its defaults.
func (c *Config) fill() {
	if c.Mode == "" {
		c.Mode = protocol.ModeQuick
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
}

// Room is one seat in one room at a time, or a spectator's place, from New until Run returns.
type Room struct {
	cfg      Config
	random   func() float64
	born     time.Time     // times are measured from here
	done     chan struct{} // closed when Run returns
	ready    chan struct{} // closed when the first snapshot has been applied
	welcome  atomic.Pointer[protocol.Welcome]
	guest    atomic.Pointer[string] // never nil
	seat     atomic.Pointer[string] // likewise
	team     atomic.Int64
	joined   atomic.Bool
	left     atomic.Bool
	counters counters
	out      outbox

	mu sync.Mutex // the world: held by Run's goroutine for each message, and by Do

	// Under mu.
	replica  *state.Replica // nil before the first WELCOME
	schema   []byte         // what replica was made for
	tables   []binding
	byIndex  []binding // tables by their number in the schema, nil where none is bound
	changes  []state.Change
	observed bool // a table wants changes
	fresh    bool // a snapshot has been applied that callbacks have not been told of
	events   map[string]func(body []byte)
	inputs   interface {
		fit(fields []protocol.Field) error
	}
	reader wire.Reader

	// Run's goroutine alone.
	tick     uint32 // snapshot whose message was last processed whole
	backoff  backoff
	ticket   *url.URL // to connect with a ticket, nil without one
	base     *url.URL // to connect with a token: without its query
	token    string   // "" without a seat
	faults   int      // unreadable messages since the last connection that stood long enough
	foreign  int      // answers that were not Tickhall's, since the last join
	needKey  bool     // the copy of the world is no longer to be trusted
	attempts int64    // number of the last attempt to connect: its time, in milliseconds since 1970
	place    string   // in the queue, "" for none

	nextTeam int  // of the last match
	watching bool // the connection is, or was, a spectator's: there is no seat to come back to

	lifeMu sync.Mutex
	cancel context.CancelFunc // of Run's context
	link   *link              // the connection after its WELCOME, nil without
}

// binding is a Table of any type.
type binding interface {
	bind(r *state.Replica, rate int) error
	index() int
	wants() bool // changes
	change(c state.Change)
	drop(id state.ID)
	forget()
	record(tick uint32)
}

// New returns a Room that has no seat yet. It does nothing but to remember cfg; Run reports its faults.
func New(cfg Config) *Room {
	cfg.fill()
	r := &Room{
		cfg: cfg, random: rand.Float64, born: time.Now(),
		done: make(chan struct{}), ready: make(chan struct{}),
		events: map[string]func([]byte){},
	}
	r.guest.Store(&cfg.Guest)
	r.seat.Store(new(string))
	if base, token, ok := strings.Cut(cfg.Seat, " "); ok && token != "" {
		if u, err := url.Parse(base); err == nil && u.Host != "" {
			r.base, r.token, r.needKey = u, token, true
			r.seat.Store(&cfg.Seat)
		}
	}
	return r
}

// since is the client's time: how long ago the Room was made, never 0.
func (r *Room) since() time.Duration { return max(time.Since(r.born), 1) }

// mustBeNew panics if Run has been called.
func (r *Room) mustBeNew(what string) {
	r.lifeMu.Lock()
	defer r.lifeMu.Unlock()
	if r.cancel != nil {
		panic("client: " + what + " must be called before Run")
	}
}

// Run takes a seat and keeps it: it matches, waits in the queue, connects, reads, resumes after a loss and
// matches again, by the same request, when the seat is gone, with growing and random waits between. A
// spectator, who has no seat, matches again after each loss. It returns nil when ctx is done or after
// Leave; a *StopError when the server closed the connection for good; an error that wraps a
// *protocol.HTTPError when a request was refused for good; or what else can't be mended by trying
// again, such as a table that does not fit. It may be called once.
//
// A ctx that ends cuts the connection: the server keeps the seat for its grace period. Leave gives it up.
// Either leaves the queue, for which Run may take another 2 s.
func (r *Room) Run(ctx context.Context) error {
	if err := r.cfg.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.lifeMu.Lock()
	if r.cancel != nil {
		r.lifeMu.Unlock()
		return errors.New("client: Run was called before")
	}
	r.cancel = cancel
	r.lifeMu.Unlock()
	defer close(r.done)
	defer r.out.lost()
	defer r.leaveQueue(ctx)

	for ctx.Err() == nil && !r.left.Load() {
		end := r.judge(r.attempt(ctx))
		if ctx.Err() != nil || r.left.Load() {
			break
		}
		if r.watching && end.advice == protocol.AdviceResume {
			end.advice = protocol.AdviceMatch
		}
		switch end.advice {
		case protocol.AdviceStop:
			r.seat.Store(new(string))
			return end.err
		case protocol.AdviceMatch:
			if r.token != "" || r.watching {
				r.out.lost()
			}
			r.ticket, r.token, r.place, r.watching = nil, "", "", false
			r.keepSeat()
		}
		r.report(end.err)
		if end.back {
			r.backoff.reset()
		}
		sleep(ctx, end.wait+r.backoff.next(r.random()))
	}
	if r.left.Load() {
		r.seat.Store(new(string))
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Leave gives the seat up, or the place in the queue, and makes Run return nil: when the server has
// said goodbye, within 2 s. It does not wait for that.
func (r *Room) Leave() {
	r.left.Store(true)
	r.lifeMu.Lock()
	l, cancel := r.link, r.cancel
	r.lifeMu.Unlock()
	if l != nil {
		l.finish()
		if r.out.leave(r.since()) {
			return
		}
	}
	if cancel != nil {
		cancel()
	}
}

// Done is closed when Run has returned.
func (r *Room) Done() <-chan struct{} { return r.done }

// Ready waits until the first snapshot has been applied. It fails with ErrLost if Run returned before,
// and with ctx's error. Run must be running.
func (r *Room) Ready(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-r.done:
		return ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Joined reports whether there is a connection whose first snapshot has been applied.
func (r *Room) Joined() bool { return r.joined.Load() }

// Welcome is the last WELCOME: who the client is, in which room, at what rate. It is nil before the
// first. Do not change it.
func (r *Room) Welcome() *protocol.Welcome { return r.welcome.Load() }

// Guest is what the server told last to be the same guest again: give it to the next Room as
// Config.Guest. It is empty for a player with a token, and before the first match.
func (r *Room) Guest() string { return *r.guest.Load() }

// Seat names the seat that the client has, for a later Room to take back as Config.Seat: keep it secret, and the newest one,
// since each connection changes it. It is "" without a seat, and once Run has returned because it is over.
func (r *Room) Seat() string { return *r.seat.Load() }

// keepSeat notes the seat for Seat.
func (r *Room) keepSeat() {
	seat := ""
	if r.token != "" && r.base != nil {
		seat = r.base.String() + " " + r.token
	}
	r.seat.Store(&seat)
}

// Team is the player's team, from 1, if the queue made teams; else 0.
func (r *Room) Team() int { return int(r.team.Load()) }

// Spectator reports whether there is no seat: a spectator sees everything, sends no inputs, and is
// refused every call.
func (r *Room) Spectator() bool {
	w := r.welcome.Load()
	return w != nil && w.Player == 0
}

// Now estimates the room's time in ticks, with a fraction, as it is at the server at this moment. It
// is 0 until the first snapshot, and right a round trip after joining.
func (r *Room) Now() float64 { return r.out.now(r.since()) }

// Do calls f while the world stands still, so that f reads tables that are all of the same tick. While
// f runs no snapshot is applied: be quick. Do must not be called in a callback, where the world
// already stands still.
func (r *Room) Do(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// Tick is the tick of the world as it stands. Call it in a callback or in Do.
func (r *Room) Tick() uint32 {
	if r.replica == nil {
		return 0
	}
	return r.replica.Tick()
}

func (r *Room) setLink(l *link) {
	r.lifeMu.Lock()
	defer r.lifeMu.Unlock()
	r.link = l
}

func (r *Room) report(err error) {
	if r.cfg.OnError != nil && err != nil {
		r.cfg.OnError(err)
	}
}
