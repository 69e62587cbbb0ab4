// Package room runs games. An author writes a Game and describes it by a Kind; New makes a Room of a
// Kind, and its Run is the actor: one goroutine that owns the game, paces it, reads the players'
// inputs, steps the rules, and sends every player what changed.
//
// Goroutines: Run's own; one for each piece of slow work that a game starts with Go, which Run waits
// for. Connections' reader goroutines come in through player.Session, with bounded queues.
package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// Errors that a room's methods return.
var (
	ErrClosed = errors.New("the room has ended: match again")
	ErrFull   = errors.New("the room is full: match again")
	ErrLocked = errors.New("the room was locked meanwhile, nobody may join any more: match again")
	ErrStale  = errors.New("a later attempt of the same client came first")
	ErrToken  = errors.New("the resume token belongs to no seat of this room: match again")
	ErrSignal = errors.New("the game of this room takes no signal")
)

// Config is what a Room needs beside its Kind.
type Config struct {
	ID          string           // required
	Seed        uint64           // of the game's chance
	Options     json.RawMessage  // what whoever asked for the room wants of it; see Setup.Options
	Match       *Match           // whom a queue makes the room for; nil: it is made otherwise
	Courier     Courier          // brings events to other rooms; nil: they are dropped
	Registry    *player.Registry // of all sessions of a server; nil: a set of its own
	Limits      player.Limits    // per player; the zero value is the default
	Recorder    Recorder         // nil: nothing is recorded
	LastWords   *LastWords       // how seats ended, for players who come back; shared by all rooms of a server; nil: a set of its own
	WorkGrace   time.Duration    // how long slow work may go on once the room has ended; 10 s by default
	After       uint32           // the first tick is the one after this; for tests of what becomes of a room that is years old
	Stats       *Stats           // shared by all rooms of a server; nil: a set of its own
	PlayerStats *player.Stats    // likewise
	Log         *slog.Logger     // nil: slog.Default

	// Unsendable is told of each value that the game was to send, or list, and that can't be: see Tick.Send. what is such as
	// "event boom" or "result". It is called on the room's goroutine. nil: such values are counted and logged only.
	Unsendable func(what string, err error)
}

// Room is one running game. Its methods may be called from any goroutine, but for Run, once.
type Room struct {
	id    string
	spec  *Spec
	cfg   Config
	base  time.Time         // of the atomics below
	names map[string]string // of typed messages

	mailbox chan post
	wake    chan struct{} // capacity 1: something waits for a room that sleeps or ticks on demand
	freed   chan struct{} // capacity 1: nobody is expected any more
	done    chan struct{} // closed when Run returns, or the room is abandoned
	finish  func()        // closes done, once
	stop    atomic.Pointer[protocol.CloseError]
	epoch   atomic.Int64 // when tick 0 was due: nanoseconds after base
	busy    atomic.Int64 // when the current call into the game began: nanoseconds after base; 0 for none
	places  atomic.Int64 // held or taken, see Expect; negative when nobody can come any more
	touched atomic.Int64 // when that was 0 again: nanoseconds after base
	info    atomic.Pointer[Info]
	ending  atomic.Uint32 // see Ended
	memory  atomic.Int64  // see Memory
	works   sync.WaitGroup
	counts  *KindStats // cfg.Stats's, of its kind
	tokens  tokens

	eventsMu sync.Mutex
	events   []*player.Event // announced, for everybody
	roster   []command       // of members of a match who come or don't

	resultsMu sync.Mutex
	results   []command // of slow work

	// Run's goroutine owns the rest.
	core      *core
	clock     Clock
	asleep    bool
	seats     []*seat
	watchers  []*seat         // spectators
	delayed   *Playback       // what spectators see, if they see the past
	origin    *checkpoint     // from which it has yet to be restored, nil for none
	late      [][]byte        // frames that it has yet to make, a ring
	lateAt    int             // where the next one goes
	followed  int             // ticks since spectators of the past had to wait
	announced []*player.Event // scratch
	emptyFrom time.Time
	weighed   time.Time       // when the world's memory was last looked at
	left      int             // seats given up so far
	listed    json.RawMessage // the game's first listing data
	ctx       context.Context // for slow work; ends with the room's Config.WorkGrace
	unsent    bool            // somebody was skipped: an OnDemand room tries again
	retry     time.Time       // then
	worked    bool            // something has arrived: an OnDemand room ticks
	sent      sent            // in this round
	rejected  []uint32        // scratch
	commands  []byte          // of this tick, for the recorder
	recorded  int             // how many
	frame     []byte
	event     []byte // scratch

	checkpoints []*checkpointPost // that wait

	joined int   // players so far, those of a checkpoint not included
	final  Final // once it has ended

	partings   []parting // seats given up in this tick
	cancelWork func()    // ends ctx
	working    int       // pieces of slow work whose result the game has not got
	tooLate    bool      // to begin any more
	words      Words     // of the end
	unshown    int       // ticks that spectators of the past have not seen, once the room has ended
	broken     bool      // the game panicked: it is asked nothing any more
}

// Final is how a room ended.
type Final struct {
	Code    protocol.Code // that its players were told
	Reason  string        // likewise
	Players int           // seats that were taken then, away ones included
	Joined  int           // players in all
}

// Info is what the lobby lists of a room.
type Info struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Players    int             `json:"players"` // seats taken, away ones included
	MaxPlayers int             `json:"max_players"`
	Spectators int             `json:"spectators,omitempty"`
	Locked     bool            `json:"locked,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"` // what the game set with Tick.SetListing
	First      json.RawMessage `json:"-"`              // what that was at first
	Wanted     []int           `json:"-"`              // teams that ask the queue for a player each: see Tick.Backfill
	Expected   uint32          `json:"-"`              // how many members were added to the match
}

// New makes a room and its game. It starts nothing; Run does.
func New(kind AnyKind, cfg Config) (*Room, error) {
	spec, err := SpecOf(kind)
	if err != nil {
		return nil, err
	}
	r, err := newRoom(spec, cfg)
	if err != nil {
		return nil, err
	}
	r.publish()
	return r, nil
}

func newRoom(spec *Spec, cfg Config) (r *Room, err error) {
	if cfg.ID == "" || strings.Contains(cfg.ID, ".") {
		return nil, fmt.Errorf("room: ID %q must be neither empty nor contain a dot", cfg.ID)
	}
	if cfg.Stats == nil {
		cfg.Stats = new(Stats)
	}
	if cfg.PlayerStats == nil {
		cfg.PlayerStats = new(player.Stats)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.LastWords == nil {
		cfg.LastWords = new(LastWords)
	}
	orDefault(&cfg.WorkGrace, DefaultWorkGrace)
	if cfg.Registry == nil {
		cfg.Registry = new(player.Registry)
	}
	r = &Room{
		id: cfg.ID, spec: spec, cfg: cfg, base: time.Now(), names: map[string]string{},
		mailbox: make(chan post, 256), wake: make(chan struct{}, 1), freed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	r.counts = cfg.Stats.Kind(spec.Name)
	r.finish = sync.OnceFunc(func() { close(r.done) })
	if r.core, err = newCore(spec, cfg.Seed, cfg.Options, cfg.Match, r.startWork); err != nil {
		return nil, err
	}
	r.core.courier, r.core.sender = cfg.Courier, byRoom+cfg.ID
	r.core.number = cfg.After
	r.core.dropped = r.unsendable
	if r.core.unlisted != nil {
		r.unsendable("listing", r.core.unlisted)
	}
	if spec.SpectatorDelay > 0 {
		if r.delayed, err = newPlayback(spec, cfg); err != nil {
			return nil, err
		}
		r.late = make([][]byte, spec.SpectatorDelay)
	}
	for name := range r.core.handlers {
		r.names[name] = name
	}
	return r, nil
}

// unsendable accounts for what the game was to send.
func (r *Room) unsendable(what string, err error) {
	if r.cfg.Stats.unsendable(r.spec.Name, what, err) {
		r.cfg.Log.Warn("a game's value can't be sent and was dropped", "room", r.id, "kind", r.spec.Name, "what", what, "error", err)
	}
	if r.cfg.Unsendable != nil {
		r.cfg.Unsendable(what, err)
	}
}

// ID is the room's id.
func (r *Room) ID() string { return r.id }

// Spec is the room's kind.
func (r *Room) Spec() *Spec { return r.spec }

// Info is the room's listing, at most a tick old. Do not change it.
func (r *Room) Info() *Info { return r.info.Load() }

// Done is closed when the room has ended, and nobody is told anything any more: Run is about to return.
func (r *Room) Done() <-chan struct{} { return r.done }

// Ended is why the room ended: the code that its players were told, 0 while it runs. Slow work, and spectators who
// have not seen the end yet, may keep Run from returning for some time after.
func (r *Room) Ended() protocol.Code { return protocol.Code(r.ending.Load()) }

// Final is how the room ended. It may be asked once Run has returned.
func (r *Room) Final() Final { return r.final }

// Call tells the current call into the game from others: it is when the call began, in nanoseconds after some moment, and
// 0 while none runs.
func (r *Room) Call() int64 { return r.busy.Load() }

// Expect tells that so many more places in the room are held for players on their way, or, if by is negative, that so many
// are free again. While there are any, the room is not empty, and does not end for that. False: it has ended already, since
// it was empty for too long.
func (r *Room) Expect(by int) bool {
	for {
		n := r.places.Load()
		if n < 0 {
			return false
		}
		next := max(n+int64(by), 0)
		if next == 0 {
			r.touched.Store(int64(time.Since(r.base)))
		}
		if !r.places.CompareAndSwap(n, next) {
			continue
		}
		if next == 0 {
			select {
			case r.freed <- struct{}{}:
			default:
			}
		}
		return true
	}
}

// Join asks for a seat.
type Join struct {
	Who      Identity
	Conn     player.Conn
	Spectate bool // watch without a seat
	// Place names the reservation, as a ticket does. Until the client has acknowledged a snapshot, Resume takes it in place of a
	// token, and begins anew: the connection may have been lost before the WELCOME came. Unique; "" for none.
	Place string
	// Attempt numbers the client's attempts to connect, as Resume.Attempt does.
	Attempt uint64
	// Released is called exactly once, when the seat is free again; also if Join fails.
	Released func()
}

// Join seats a player in the next tick and returns the session to which Conn's messages go. The error is
// ErrClosed, ErrFull, ErrLocked, ctx's, or the game's refusal, for which see Error.
func (r *Room) Join(ctx context.Context, j Join) (*player.Session, error) {
	a := newAnswer[*player.Session]()
	s, err := ask(ctx, r, &joinPost{j, a}, a)
	if err != nil && j.Released != nil {
		j.Released()
	}
	return s, err
}

// Resume asks for a seat back.
type Resume struct {
	Token string
	Tick  uint32 // the last snapshot whose message the client processed, 0 for none
	Key   bool   // the client has lost its world
	// Attempt is larger for a later attempt of the same client; 0: not told. One that comes after a later one is
	// ErrStale: the client has given it up, and else it would replace the connection that the client holds.
	Attempt uint64
	Conn    player.Conn
}

// Resume gives a seat a new connection, in the next tick. If it had one, that is closed. The error is
// ErrClosed, ErrToken, ErrStale or ctx's.
func (r *Room) Resume(ctx context.Context, v Resume) (*player.Session, error) {
	a := newAnswer[*player.Session]()
	return ask(ctx, r, &resumePost{v, a}, a)
}

// CheckToken reports at once whether Resume would find a seat: the error is ErrClosed or ErrToken. It waits for no tick,
// so that a room that hangs does not hold it up.
func (r *Room) CheckToken(token string) error {
	select {
	case <-r.done:
		return ErrClosed
	default:
	}
	if _, ok := r.tokens.find(token); !ok {
		return ErrToken
	}
	return nil
}

// Haunted reports whether a user has a seat here that its client does not know of, since the connection was lost too early.
// The user's next Join takes it over, even if the room is full or locked. It waits for no tick.
func (r *Room) Haunted(user string) bool { return user != "" && r.tokens.ghost(user) != nil }

// Lost tells that c, which was s's connection, has ended.
func (r *Room) Lost(s *player.Session, c player.Conn) {
	_ = r.post(context.Background(), &lostPost{s, c})
}

// Kick removes a player. It returns when that is done; a number that nobody has is no error.
func (r *Room) Kick(ctx context.Context, number uint32, reason string) error {
	a := newAnswer[struct{}]()
	_, err := ask(ctx, r, &kickPost{number, reason, a}, a)
	return err
}

// Announce sends an event to every player and spectator, with the next snapshot. It does not wait. Who has too much
// waiting from the same sender already does not get it, and the sender is told: see player.Event.By.
func (r *Room) Announce(e *player.Event) {
	r.announce(e)
	r.nudge()
}

func (r *Room) announce(e *player.Event) {
	r.eventsMu.Lock()
	ok := admits(r.events, e, r.spec.Backlog)
	if ok {
		r.events = append(r.events, e)
	}
	r.eventsMu.Unlock()
	if !ok {
		e.Refuse()
	}
}

// Signal sends a signal to the game, for the next tick. It waits while the mailbox is full. The error is
// ErrClosed, ctx's, ErrSignal if the game does not know the name, or that v can't be encoded as a body.
func (r *Room) Signal(ctx context.Context, name string, v any) error {
	if r.core.signals[name] == nil {
		return fmt.Errorf("%w %q", ErrSignal, name)
	}
	b, err := encodeBody(v)
	if err != nil {
		return err
	}
	return r.post(ctx, &signalPost{name, b})
}

// Stop asks the room to end: players are told the code and the reason. It does not wait for it; see
// Done.
func (r *Room) Stop(code protocol.Code, reason string) {
	r.stop.CompareAndSwap(nil, protocol.Closef(code, "%s", reason))
	r.nudge()
}

// Abandon gives up a room whose game does not return from a call: Done is closed, and nobody waits for
// it any more. A goroutine can't be ended from outside, so Run goes on until the game returns after all, and then
// ends. Its players' connections are the caller's to close.
func (r *Room) Abandon() {
	r.Stop(protocol.CodeRoomStuck, "the game stopped answering: match again")
	r.finish()
}

// nudge wakes a room that sleeps or ticks on demand.
func (r *Room) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// moment is the room's time at now; a fraction of a tick from 0 to 255.
func (r *Room) moment(now time.Time) protocol.Moment {
	ns := int64(now.Sub(r.base)) - r.epoch.Load()
	if ns < 0 {
		return protocol.Moment{}
	}
	rate, second := int64(r.spec.TickRate), int64(time.Second)
	whole, rest := ns/second, ns%second
	part := rest * rate // of a second, in ticks of 1e-9
	return protocol.Moment{
		Tick:     uint32(min(whole*rate+part/second, math.MaxUint32)),
		Fraction: uint8(part % second * protocol.FractionsPerTick / second),
	}
}

// safely turns a panic of slow work into an error: only the game that waits for it is concerned.
func safely(ctx context.Context, work func(context.Context) ([]byte, error)) (b []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			b, err = nil, fmt.Errorf("slow work panicked: %v", v)
		}
	}()
	return work(ctx)
}

func (r *Room) publish() {
	if r.listed == nil {
		r.listed = r.core.listing
	}
	r.info.Store(&Info{
		ID: r.id, Kind: r.spec.Name, Players: len(r.seats), MaxPlayers: r.spec.MaxPlayers, Spectators: len(r.watchers),
		Locked: r.core.locked, Data: r.core.listing, First: r.listed, Wanted: r.core.wants(), Expected: r.core.expected,
	})
}
