// Package lobby creates, lists, watches and closes the rooms of one server, and holds seats in them for
// players who are on their way. What happens inside a room is package room's business; who a player is,
// the gateway's.
//
// Goroutines: Run's own, which lets held seats expire and watches for rooms that hang; one for each room,
// started when the room is made and waited for by Run. Methods may be called from any goroutine. One mutex
// guards the rooms and seats; no call into a game is made under it.
package lobby

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/room"
)

// Errors of Quick.
var (
	ErrUnknownKind = errors.New("unknown kind of room")
	ErrFull        = errors.New("this server has no place left: try again later")
	ErrDraining    = errors.New("this server is stopping: try again in a moment")
)

// Defaults of a Config.
const (
	DefaultMaxRooms = 1000
	DefaultSeatFor  = 15 * time.Second
	DefaultGrace    = 10 * time.Second
)

// How long a call into a game may run, and how often the lobby looks.
const (
	slowAfter  = 2 * time.Second  // it is logged
	stuckAfter = 10 * time.Second // the room is given up
	watchEvery = 500 * time.Millisecond
)

// Config is what a Lobby needs. The zero value of each field but Kinds is its default.
type Config struct {
	Kinds    []room.AnyKind // at least one; their names differ
	MaxRooms int            // rooms at the same time; 1000 by default
	SeatFor  time.Duration  // how long a seat is held; 15 s by default
	Grace    time.Duration  // how long Run waits for the rooms' end; 10 s by default
	Limits   player.Limits  // of each player

	Stats       *Stats        // nil: a set of its own, as for the next two
	RoomStats   *room.Stats   // shared by all rooms
	PlayerStats *player.Stats // shared by all players
	Log         *slog.Logger  // nil: slog.Default

	// OnStuck, if set, is called once for a room that was given up because its game does not return. It
	// runs on Run's goroutine, must not wait, and should end the connections that lead to the room.
	OnStuck func(*room.Room)
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	_, err := c.specs()
	faults := []error{err}
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"MaxRooms", c.MaxRooms < 0}, {"SeatFor", c.SeatFor < 0}, {"Grace", c.Grace < 0},
	} {
		if f.bad {
			faults = append(faults, fmt.Errorf("lobby: %s is negative: use 0 for the default", f.name))
		}
	}
	return errors.Join(faults...)
}

func (c *Config) specs() ([]*room.Spec, error) {
	var faults []error
	var specs []*room.Spec
	if len(c.Kinds) == 0 {
		faults = append(faults, errors.New("lobby: no kind of room: give at least one"))
	}
	for _, k := range c.Kinds {
		s, err := room.SpecOf(k)
		faults = append(faults, err)
		if slices.ContainsFunc(specs, func(o *room.Spec) bool { return o.Name == s.Name }) {
			faults = append(faults, fmt.Errorf("lobby: two kinds of room are called %q: rename one", s.Name))
		}
		specs = append(specs, s)
	}
	return specs, errors.Join(faults...)
}

// Stats counts what happens to rooms and held seats.
type Stats struct {
	Opened   atomic.Int64 // rooms made
	Ended    atomic.Int64 // rooms that ended as they should: empty for too long, by the game, at the server's stop
	Panicked atomic.Int64 // rooms that a game's panic ended
	Stuck    atomic.Int64 // rooms given up because their game did not return
	Slow     atomic.Int64 // calls into a game that ran for more than 2 s, stuck ones included
	Broken   atomic.Int64 // rooms that could not be made
	Expired  atomic.Int64 // held seats that nobody took
}

// Lobby is the rooms of one server.
type Lobby struct {
	cfg   Config
	specs []*room.Spec
	kinds map[string]*kind

	ctx    context.Context // of the rooms; ended by Run
	cancel context.CancelFunc
	ended  sync.WaitGroup // rooms that have not ended and were not given up

	mu       sync.Mutex
	draining bool
	rooms    map[string]*entry   // that can be found, by id
	running  map[*entry]struct{} // whose goroutine runs, but for those given up
	making   int                 // rooms being made: they count for MaxRooms
	held     map[string]*Seat    // seats not taken yet, by id
	holds    []*Seat             // the same, oldest first, and some that are no longer held
}

// kind is one kind's rooms.
type kind struct {
	room.AnyKind
	making sync.Mutex // one room is made at a time, so that those who wait find seats in it
	rooms  []*entry   // oldest first; guarded by Lobby.mu
}

// entry is one room. Lobby.mu guards what changes.
type entry struct {
	room   *room.Room
	kind   *kind
	opened time.Time
	settle func() // tells Lobby.ended, once
	seats  int    // held and taken
	held   int
	listed bool
	slow   bool // the current call was reported
	stuck  bool
}

// New returns a lobby without rooms. It starts nothing; rooms start when they are made, and Run has to be
// called to watch them and to end them.
func New(cfg Config) (*Lobby, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	orDefault(&cfg.MaxRooms, DefaultMaxRooms)
	orDefault(&cfg.SeatFor, DefaultSeatFor)
	orDefault(&cfg.Grace, DefaultGrace)
	if cfg.Stats == nil {
		cfg.Stats = new(Stats)
	}
	if cfg.RoomStats == nil {
		cfg.RoomStats = new(room.Stats)
	}
	if cfg.PlayerStats == nil {
		cfg.PlayerStats = new(player.Stats)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	l := &Lobby{cfg: cfg, kinds: map[string]*kind{}, rooms: map[string]*entry{}, running: map[*entry]struct{}{}, held: map[string]*Seat{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.specs, _ = cfg.specs()
	for i, s := range l.specs {
		l.kinds[s.Name] = &kind{AnyKind: cfg.Kinds[i]}
	}
	return l, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Kinds are the kinds of room, in the order of the Config. Do not change them.
func (l *Lobby) Kinds() []*room.Spec { return l.specs }

// Find returns the room with that id, in upper or lower case, or nil.
func (l *Lobby) Find(id string) *room.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.rooms[strings.ToLower(id)]; e != nil {
		return e.room
	}
	return nil
}

// List tells of every room, by kind, oldest first.
func (l *Lobby) List() []room.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]room.Info, 0, len(l.rooms))
	for _, s := range l.specs {
		for _, e := range l.kinds[s.Name].rooms {
			list = append(list, *e.room.Info())
		}
	}
	return list
}

// Drain makes Quick fail with ErrDraining from now on. Seats that are held may still be taken.
func (l *Lobby) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
}

// Quick holds a seat for SeatFor in the fullest room of that kind that has one free and is not locked,
// else in a new room. It returns when the seat is held: at once, or after the game's New. The error is
// ErrUnknownKind, ErrFull, ErrDraining, or why the game could not be made.
func (l *Lobby) Quick(name string) (*Seat, error) {
	k := l.kinds[name]
	if k == nil {
		names := make([]string, len(l.specs))
		for i, s := range l.specs {
			names[i] = s.Name
		}
		return nil, fmt.Errorf("%w %.40q: this server has %s", ErrUnknownKind, name, strings.Join(names, ", "))
	}
	if s, err := l.hold(k, time.Now()); s != nil || err != nil {
		return s, err
	}
	k.making.Lock()
	defer k.making.Unlock()
	if s, err := l.hold(k, time.Now()); s != nil || err != nil {
		return s, err // somebody made a room meanwhile
	}
	return l.open(k)
}

// hold holds a seat in a room that there is, nil if there is none.
func (l *Lobby) hold(k *kind, now time.Time) (*Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return nil, ErrDraining
	}
	l.expireLocked(now)
	var best *entry
	for _, e := range k.rooms {
		if e.seats < e.room.Spec().MaxPlayers && (best == nil || e.seats > best.seats) && !over(e.room) && !e.room.Info().Locked {
			best = e
		}
	}
	if best == nil {
		return nil, nil
	}
	return l.holdLocked(best, now), nil
}

func over(r *room.Room) bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

// open makes a room of kind k, holds a seat in it and starts it. The caller holds k.making.
func (l *Lobby) open(k *kind) (*Seat, error) {
	id, err := l.reserve()
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	crand.Read(seed[:])
	r, err := room.New(k.AnyKind, room.Config{
		ID: id, Seed: binary.LittleEndian.Uint64(seed[:]), Limits: l.cfg.Limits,
		Stats: l.cfg.RoomStats, PlayerStats: l.cfg.PlayerStats, Log: l.cfg.Log,
	})

	l.mu.Lock()
	defer l.mu.Unlock()
	l.making--
	switch {
	case err != nil:
		l.cfg.Stats.Broken.Add(1)
		return nil, fmt.Errorf("making a room: %w", err)
	case l.draining:
		return nil, ErrDraining
	}
	e := &entry{room: r, kind: k, opened: time.Now(), settle: sync.OnceFunc(l.ended.Done), listed: true}
	l.rooms[id], l.running[e] = e, struct{}{}
	k.rooms = append(k.rooms, e)
	l.cfg.Stats.Opened.Add(1)
	l.cfg.Log.Info("room opened", "room", id, "kind", r.Spec().Name)
	s := l.holdLocked(e, e.opened)
	// Not wg.Go: a room that hangs is given up, and then counts as ended.
	l.ended.Add(1)
	go func() {
		defer e.settle()
		l.close(e, r.Run(l.ctx))
	}()
	return s, nil
}

// reserve reserves a place for a room and chooses its id.
func (l *Lobby) reserve() (id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.draining:
		return "", ErrDraining
	case len(l.rooms)+l.making >= l.cfg.MaxRooms:
		return "", ErrFull
	}
	for id = newRoomID(); l.rooms[id] != nil; {
		id = newRoomID()
	}
	l.making++
	return id, nil
}

// idAlphabet is Crockford's base 32 in lower case: no i, l, o or u, so that an id can be read aloud.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// newRoomID makes up an id of 10 characters, 50 random bits.
func newRoomID() string {
	var b [10]byte
	crand.Read(b[:])
	for i := range b {
		b[i] = idAlphabet[b[i]%32]
	}
	return string(b[:])
}

// close is called when a room's Run has returned.
func (l *Lobby) close(e *entry, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, e)
	l.removeLocked(e)
	log := l.cfg.Log.With("room", e.room.ID(), "kind", e.room.Spec().Name, "after", time.Since(e.opened).Round(time.Millisecond))
	switch {
	case e.stuck:
		log.Warn("a room that was given up has ended after all")
	case err != nil:
		l.cfg.Stats.Panicked.Add(1)
		log.Error("room ended by a fault of its game", "error", err)
	default:
		l.cfg.Stats.Ended.Add(1)
		log.Info("room ended")
	}
}

// removeLocked takes a room and the seats held in it off the lists.
func (l *Lobby) removeLocked(e *entry) {
	if !e.listed {
		return
	}
	e.listed = false
	delete(l.rooms, e.room.ID())
	e.kind.rooms = slices.DeleteFunc(e.kind.rooms, func(o *entry) bool { return o == e })
	for id, s := range l.held {
		if s.entry == e {
			delete(l.held, id)
		}
	}
}
