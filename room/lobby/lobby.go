// Package lobby creates, lists, finds, watches, locks and closes the rooms of one server, and holds seats in
// them for players who are on their way. The list of the public rooms is itself a kind of room, so that
// clients watch it as they watch a game; see ListingKind. What happens inside a room is package room's business;
// who a player is, the gateway's.
//
// Goroutines: Run's own, which lets held seats expire, tells who watches what has changed, and looks for rooms that
// hang; one for each room, started when the room is made and waited for by Run. Methods may be called from
// any goroutine. One mutex guards the rooms and seats; no call into a game is made under it.
package lobby

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// Why no seat can be had. What the methods return wraps one of these, or is the *room.Error with which a game's New
// refused, or a *quota.Error or *WaitError for who has or does too much, or says why a game could not be made.
var (
	ErrUnknownKind = errors.New("unknown kind of room")
	ErrListing     = errors.New("the lobby itself is joined by a quick match, without options or filter")
	ErrFull        = errors.New("this server has no place left: try again later")
	ErrDraining    = errors.New("this server is stopping: try again in a moment")
	ErrRoomUnknown = errors.New("there is no such room: check the code, or choose another room")
	ErrRoomFull    = errors.New("the room is full: try again later, or choose another room")
	ErrRoomLocked  = errors.New("the room is locked, nobody may join at present: choose another room")
	ErrPassword    = errors.New("the password of the room is missing or wrong: ask whoever opened the room")
	ErrBusy        = errors.New("too many passwords are being checked: try again in a moment")
	ErrNotWatched  = errors.New("rooms of this kind take no spectators: join one as a player")
	ErrHangs       = errors.New("no room can be made at present, since the game does not answer: try again later")
)

// Defaults of a Config.
const (
	DefaultMaxRooms   = 1000
	DefaultMaxPlayers = 20_000
	DefaultSeatFor    = 15 * time.Second
	DefaultGrace      = 10 * time.Second

	DefaultUserPlaces    = 16
	DefaultAddressPlaces = 500
	DefaultUserRooms     = 8
	DefaultAddressRooms  = 200
)

// How long a call into a game may run, and how often the lobby looks.
const (
	slowAfter  = 2 * time.Second  // it is logged
	stuckAfter = 10 * time.Second // the room is given up
	watchEvery = 250 * time.Millisecond
)

// Config is what a Lobby needs. The zero value of each field but Kinds is its default.
type Config struct {
	Kinds      []room.AnyKind // at least one; their names differ, and none is ListingName
	MaxRooms   int            // rooms at the same time; 1000 by default
	MaxPlayers int            // seats and spectators' places, held or taken, in all rooms; 20,000 by default
	SeatFor    time.Duration  // how long a seat is held; 15 s by default
	Grace      time.Duration  // how long Run waits for the rooms' end; 10 s by default
	Limits     player.Limits  // of each player

	// QuickRooms are those of MaxRooms that only quick matches may make: a tenth by default, none if negative. So whoever
	// opens rooms on purpose can't keep everybody else from playing.
	QuickRooms int

	// Places limits what each user and address may have at the same time of seats and spectators' places, held or taken: 16
	// and 500 by default, but no address more than a quarter of MaxPlayers. Made limits likewise how many rooms they may have
	// made in which nobody from elsewhere is: 8 and 200, but no address more than a quarter of MaxRooms. A negative number is
	// without limit. No network has more than three quarters of MaxPlayers and MaxRooms. See package quota.
	Places, Made quota.Limits

	Registry *player.Registry // of all sessions of the server; nil: a set of its own

	Stats       *Stats        // nil: a set of its own, as for the next two
	RoomStats   *room.Stats   // shared by all rooms
	PlayerStats *player.Stats // shared by all players
	Log         *slog.Logger  // nil: slog.Default

	memory func() memory // nil, but in tests: readMemory

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
		{"MaxRooms", c.MaxRooms < 0}, {"MaxPlayers", c.MaxPlayers < 0}, {"SeatFor", c.SeatFor < 0}, {"Grace", c.Grace < 0},
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
		if s.Name == ListingName {
			faults = append(faults, fmt.Errorf("lobby: a kind of room is called %q, as the lobby's own: rename it", s.Name))
		}
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
	Broken   atomic.Int64 // rooms that could not be made, by a fault of their game
	Hung     atomic.Int64 // rooms that could not be made, their game's New not having returned
	Unmet    atomic.Int64 // quick matches refused since a new room would not be as their filter asks
	Expired  atomic.Int64 // held seats that nobody took
	Dropped  atomic.Int64 // empty rooms ended since memory was short
}

// Lobby is the rooms of one server.
type Lobby struct {
	cfg     Config
	specs   []*room.Spec
	kinds   map[string]*kind
	courier room.Courier
	hashing chan struct{} // holds a token for each password that is being hashed
	words   room.LastWords
	kick    chan struct{} // capacity 1: a new watcher waits for the whole list
	checks  chan struct{} // Run receives: see Check
	over    chan struct{} // closed when Run returns

	placesOf *quota.Counter // seats and spectators' places
	roomsOf  *quota.Counter

	ctx    context.Context // of the rooms; ended by Run
	cancel context.CancelFunc
	ended  sync.WaitGroup // rooms that have not ended and were not given up

	mu       sync.Mutex
	draining bool
	strained bool                // memory is short: see relieve
	relieved uint64              // the garbage collection after which rooms were last dropped for it
	rooms    map[string]*entry   // that can be found, by id
	running  map[*entry]struct{} // whose goroutine runs, but for those given up
	making   int                 // rooms being made: they count for MaxRooms
	players  int                 // places in all rooms, held and taken: they count for MaxPlayers
	held     map[string]*Seat    // seats not taken yet, by id
	holds    []*Seat             // the same, oldest first, and some that are no longer held
	watchers []*watcher
	gone     []string // public rooms that were removed since the watchers were told
}

// kind is one kind's rooms.
type kind struct {
	room.AnyKind
	spec   *room.Spec
	making chan struct{} // capacity 1: Quick makes one room at a time, so that those who wait find seats in it
	news   chan struct{} // a token for each call of New under way, those that hang included

	// Lobby.mu guards the rest.
	rooms     []*entry // oldest first
	iface     *protocol.Interface
	described time.Time // when iface was last looked for in vain
	hungUntil time.Time // no room is made until then, one New having hung
	ignores   bool      // it was told that the game makes rooms other than quick matches ask for
}

// maxNews is how many rooms of a kind are made at the same time, and how many calls of New may hang.
const maxNews = 16

func newKind(k room.AnyKind, spec *room.Spec) *kind {
	return &kind{AnyKind: k, spec: spec, making: make(chan struct{}, 1), news: make(chan struct{}, maxNews)}
}

// New returns a lobby without rooms. It starts nothing; rooms start when they are made, and Run has to be
// called to watch them and to end them.
func New(cfg Config) (*Lobby, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	orDefault(&cfg.MaxRooms, DefaultMaxRooms)
	orDefault(&cfg.MaxPlayers, DefaultMaxPlayers)
	orDefault(&cfg.SeatFor, DefaultSeatFor)
	orDefault(&cfg.Grace, DefaultGrace)
	orShare(&cfg.QuickRooms, cfg.MaxRooms/10)
	share := func(l *quota.Limits, user, address, all int) {
		orShare(&l.User, user)
		orShare(&l.Address, min(address, max(all/4, 1)))
		orShare(&l.Network, max(all*3/4, 1))
	}
	share(&cfg.Places, DefaultUserPlaces, DefaultAddressPlaces, cfg.MaxPlayers)
	share(&cfg.Made, DefaultUserRooms, DefaultAddressRooms, cfg.MaxRooms)
	if cfg.memory == nil {
		cfg.memory = readMemory
	}
	if cfg.Registry == nil {
		cfg.Registry = new(player.Registry)
	}
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
	l := &Lobby{
		cfg: cfg, kinds: map[string]*kind{}, hashing: make(chan struct{}, maxHashing), kick: make(chan struct{}, 1),
		checks: make(chan struct{}), over: make(chan struct{}),
		placesOf: quota.New("seats", cfg.Places), roomsOf: quota.New("rooms", cfg.Made),
		rooms: map[string]*entry{}, running: map[*entry]struct{}{}, held: map[string]*Seat{},
	}
	l.courier = courier{l}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.specs, _ = cfg.specs()
	for i, s := range l.specs {
		l.kinds[s.Name] = newKind(cfg.Kinds[i], s)
	}
	listing, err := room.SpecOf(ListingKind())
	if err != nil {
		return nil, err
	}
	l.kinds[ListingName] = newKind(ListingKind(), listing)
	return l, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// orShare is orDefault where a negative number stands for none.
func orShare(n *int, def int) {
	orDefault(n, def)
	*n = max(*n, 0)
}

// Kinds are the kinds of room, in the order of the Config, without ListingKind. Do not change them.
func (l *Lobby) Kinds() []*room.Spec { return l.specs }

// Find returns the room with that id, as a person may have typed it, or nil.
func (l *Lobby) Find(id string) *room.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.rooms[CleanID(id)]; e != nil {
		return e.room
	}
	return nil
}

// LastWords returns how the seat of a resume token ended, for a player who comes back when the seat, or the whole room, is
// gone; false if that is not known, or no longer.
func (l *Lobby) LastWords(token string) (room.Words, bool) { return l.words.Find(time.Now(), token) }

// List tells of every room, those that are private and those of ListingKind included, by kind, oldest first. For
// the public ones see Rooms.
func (l *Lobby) List() []room.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]room.Info, 0, len(l.rooms))
	add := func(k *kind) {
		for _, e := range k.rooms {
			info := *e.room.Info()
			info.Locked = info.Locked || e.locked
			list = append(list, info)
		}
	}
	for _, s := range l.specs {
		add(l.kinds[s.Name])
	}
	add(l.kinds[ListingName])
	return list
}

// Lock keeps new players, those from the queue included, out of a room, or lets them in again; a room that its game has locked stays so. Seats that are
// held for players on their way are released, so that their clients match again; spectators may come. False: there is no such
// room.
func (l *Lobby) Lock(id string, locked bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.rooms[CleanID(id)]
	if e != nil {
		e.locked, e.barred = locked, locked
		for _, s := range l.held {
			if locked && s.entry == e && !s.spectate {
				l.releaseLocked(s)
			}
		}
	}
	return e != nil
}

// Close asks a room to end: its players are told the code and the reason. It does not wait for the end; the
// room takes nobody any more. False: there is no such room.
func (l *Lobby) Close(id string, code protocol.Code, reason string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.rooms[CleanID(id)]
	if e != nil {
		e.closeLocked(code, reason)
	}
	return e != nil
}

// Drain lets nobody hold a seat from now on: the error is ErrDraining. Seats that are held may still be taken.
func (l *Lobby) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
}

// courier brings what games send to others.
type courier struct{ *Lobby }

var _ room.Courier = courier{}

// ToUser implements room.Courier.
func (c courier) ToUser(user string, e *player.Event) int { return c.cfg.Registry.Send(user, e) }

// ToRoom implements room.Courier.
func (c courier) ToRoom(id string, e *player.Event) bool {
	r := c.Find(id)
	if r != nil {
		r.Announce(e)
	}
	return r != nil
}
