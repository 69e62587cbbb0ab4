package room

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// core is the deterministic part of a room: the same seed, commands and inputs make the same world,
// in a live room, in a playback and in a test. It knows no connection and no clock.
type core struct {
	spec     *Spec
	world    *state.World
	events   map[string]reflect.Type // of the bodies of those that the game has declared
	layout   string                  // of the world, if there is a saver
	pcg      *rand.PCG
	rand     *rand.Rand // from pcg
	stepper  stepper
	admitter Admitter // these five are nil if the game does without
	rejoiner Rejoiner
	seer     Seer
	absentee Absentee
	saver    Checkpointer
	handlers map[string]handler
	signals  map[string]signal
	named    map[string]namedTimer
	courier  Courier // nil in a playback, and where there is none
	sender   string  // who sends what the game itself sends to other rooms
	tick     Tick

	cause *Player // whose command or message is being carried out: what the game sends meanwhile is this player's doing

	number     uint32 // the tick being made, or made last
	players    []*Player
	lastPlayer uint32
	timers     timerHeap
	timerSeq   uint32
	works      map[uint32]func(t *Tick, body []byte, failed string)
	workSeq    uint32
	startWork  func(id uint32, work func(context.Context) ([]byte, error))

	watchers []*backlog // of spectators, who get what is broadcast
	kicks    []kick
	kicked   []kick // carried out in this tick
	locked   bool
	listing  []byte
	unlisted error  // why what the Setup was to list can't be
	listed   bool   // locked, listing or the match has changed
	match    *Match // nil: the room was made otherwise
	wanted   []int  // teams that ask for a player each
	asked    bool   // by the game
	expected uint32 // members who were added
	ended    bool
	closing  bool // the room has ended: the game is told the rest, and steps no more
	result   []byte
	event    []byte                       // scratch
	reader   wire.Reader                  // of a typed message
	decoder  body.Decoder                 // likewise
	dropped  func(what string, err error) // is told what can't be sent; nil in a playback
}

// PanicError is a game's panic. It ended its room.
type PanicError struct {
	Tick  uint32
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("the game panicked in tick %d: %v", e.Tick, e.Value)
}

// guard calls f, which calls into the game, and returns its panic as a PanicError.
func (c *core) guard(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{c.number, v, debug.Stack()}
		}
	}()
	f()
	return nil
}

func newCore(spec *Spec, seed uint64, options json.RawMessage, match *Match, startWork func(uint32, func(context.Context) ([]byte, error))) (*core, error) {
	c := &core{
		spec: spec, world: state.NewWorld(spec.TickRate), handlers: map[string]handler{}, signals: map[string]signal{},
		named: map[string]namedTimer{}, events: map[string]reflect.Type{}, works: map[uint32]func(*Tick, []byte, string){}, startWork: startWork, match: match.clone(),
		// Two different streams from one seed; the second constant is PCG's default increment.
		pcg: rand.NewPCG(seed, 0xda3e39cb94b95bdb),
	}
	c.rand = rand.New(c.pcg)
	c.tick.core = c
	var err error
	setup := &Setup{events: c.events, seed: seed, options: options, match: match, world: c.world, handlers: c.handlers, signals: c.signals, timers: c.named}
	if p := c.guard(func() { c.stepper, err = spec.build(setup) }); p != nil {
		return nil, fmt.Errorf("room kind %q: New panicked: %v", spec.Name, p.(*PanicError).Value)
	}
	if err != nil {
		return nil, fmt.Errorf("room kind %q: New: %w", spec.Name, err)
	}
	if !setup.asked && hasMembers(options) {
		return nil, Errorf("bad_options", "rooms of kind %q take no options", spec.Name)
	}
	c.listing, c.unlisted = setup.listing, setup.unlisted
	c.admitter, _ = c.stepper.game().(Admitter)
	c.rejoiner, _ = c.stepper.game().(Rejoiner)
	c.seer, _ = c.stepper.game().(Seer)
	c.absentee, _ = c.stepper.game().(Absentee)
	size := len(c.world.Schema().Append(nil))
	for _, f := range spec.Inputs {
		size += len(f.Name) + len(f.Type) + 8
	}
	if size > maxSchema {
		return nil, fmt.Errorf("room kind %q: the names of tables, fields and inputs take %d bytes, at most %d: use fewer or shorter ones", spec.Name, size, maxSchema)
	}
	if c.saver, _ = c.stepper.game().(Checkpointer); c.saver != nil {
		if c.layout, err = c.world.Layout(); err != nil {
			return nil, fmt.Errorf("room kind %q: %w", spec.Name, err)
		}
	}
	return c, nil
}

// timeOf is the game's time at the end of tick n.
func (c *core) timeOf(n uint32) time.Duration {
	rate := uint32(c.spec.TickRate)
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}

func (c *core) player(number uint32) *Player {
	i, ok := slices.BinarySearchFunc(c.players, number, func(p *Player, n uint32) int { return int(int64(p.number) - int64(n)) })
	if !ok {
		return nil
	}
	return c.players[i]
}

// op is what a command does.
type op uint8

const (
	opJoin op = iota + 1
	opLeave
	opAway
	opBack
	opMessage
	opResult
	opSignal
	opEnd
	opWatch
	opExpect
	opAbsent
)

// command is something that happened to a room between two ticks. Commands, inputs and the seed are
// all that a world depends on.
type command struct {
	op      op
	player  uint32 // opJoin: unused
	who     Identity
	cause   Cause
	request uint32 // opResult: the number of the work
	name    string
	body    []byte
	failed  string
}

// append appends the command to a recording.
func (m *command) append(b []byte) []byte {
	b = wire.AppendArray(b, 11)
	b = wire.AppendUint(b, uint64(m.op))
	b = wire.AppendUint(b, uint64(m.player))
	b = wire.AppendString(b, m.who.User)
	b = wire.AppendString(b, m.who.Name)
	b = wire.AppendBytes(b, m.who.Claims)
	b = wire.AppendInt(b, int64(m.who.Team))
	b = wire.AppendUint(b, uint64(m.cause))
	b = wire.AppendUint(b, uint64(m.request))
	b = wire.AppendString(b, m.name)
	b = wire.AppendBytes(b, m.body)
	return wire.AppendString(b, m.failed)
}

func (m *command) read(r *wire.Reader) {
	if n := r.Array(); n != 11 {
		r.Fail(wire.ErrLength)
		return
	}
	m.op, m.player = op(min(r.Uint32(), 255)), r.Uint32()
	m.who = Identity{User: string(r.String()), Name: string(r.String()), Claims: readClaims(r), Team: int(r.Int())}
	m.cause, m.request = Cause(min(r.Uint32(), 255)), r.Uint32()
	m.name, m.body, m.failed = string(r.String()), r.Bytes(), string(r.String())
}

// readClaims reads what is kept for longer than what it is read from. Those of a guest are nil.
func readClaims(r *wire.Reader) json.RawMessage {
	if b := r.Bytes(); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

// admit asks the game whether a spectator may come. The error is its refusal.
func (c *core) admit(m *command) error {
	if c.admitter == nil {
		return nil
	}
	who := m.who
	who.Spectator = true
	return c.admitter.Admit(&c.tick, who)
}

// join seats a player. The error is the game's refusal.
func (c *core) join(who Identity, s *seat) (*Player, error) {
	if c.admitter != nil {
		if err := c.admitter.Admit(&c.tick, who); err != nil {
			return nil, err
		}
	}
	c.lastPlayer++
	p := &Player{number: c.lastPlayer, who: who, seat: s, feed: c.stepper.newFeed()}
	if s != nil {
		p.out = &s.backlog
	}
	c.players = append(c.players, p)
	c.match.move(who.User, Coming, Here)
	c.cause = p
	err := c.stepper.join(&c.tick, p)
	c.cause = nil
	if err != nil {
		c.remove(p)
		c.match.move(who.User, Here, Coming)
		return nil, err
	}
	return p, nil
}

func (c *core) remove(p *Player) {
	p.gone = true
	c.players = slices.DeleteFunc(c.players, func(q *Player) bool { return q == p })
}

// apply carries out a command other than opJoin. One for a player who is gone does nothing.
func (c *core) apply(m *command) {
	if m.op == opSignal {
		// A signal that the game does not know, or that has another shape than it thinks, is the server's
		// mistake, not the game's; Room.Signal has told its caller.
		if f := c.signals[m.name]; f != nil {
			_ = f(&c.tick, m.body)
		}
		return
	}
	switch m.op {
	case opExpect:
		c.expect(m)
		return
	case opAbsent:
		c.absent(m)
		return
	}
	if m.op == opResult {
		if then := c.works[m.request]; then != nil {
			delete(c.works, m.request)
			then(&c.tick, m.body, m.failed)
		}
		return
	}
	switch m.op {
	case opEnd:
		c.closing = true
		return
	case opWatch:
		_ = c.admit(m) // refused here as it was then
		return
	}
	p := c.player(m.player)
	if p == nil {
		return
	}
	c.cause = p
	defer func() { c.cause = nil }()
	switch m.op {
	case opLeave:
		c.leave(p, m.cause)
	case opAway:
		p.away = true
		if c.rejoiner != nil {
			c.rejoiner.Away(&c.tick, p)
		}
	case opBack:
		p.away = false
		if c.rejoiner != nil {
			c.rejoiner.Back(&c.tick, p)
		}
	case opMessage:
		c.message(p, m)
	}
}

func (c *core) leave(p *Player, why Cause) {
	c.remove(p)
	c.match.move(p.who.User, Here, Left)
	c.stepper.leave(&c.tick, p, why)
}

func (c *core) message(p *Player, m *command) {
	var reply []byte
	h, known := c.handlers[m.name]
	err := error(Errorf("unknown_message", "this room takes no message %q", m.name))
	if known {
		reply, err = h.call(&c.tick, p, m.body, m.request != 0)
	}
	switch {
	case err != nil:
		e := asError(err)
		c.event = protocol.AppendError(c.event[:0], c.number, m.request, e.Code, e.Message)
	case m.request == 0:
		return
	default:
		c.event = protocol.AppendReply(c.event[:0], c.number, m.request, reply)
	}
	c.deliver(p, c.event)
}

// finish is the rest of a tick, after its commands: what is due, the inputs, the game's step, the
// snapshot. A playback reads the inputs from recorded.
func (c *core) finish(recorded *wire.Reader) {
	if c.closing {
		if recorded != nil {
			c.load(recorded)
		}
		c.world.Snapshot(c.number)
		return
	}
	for len(c.timers) > 0 && c.timers[0].due <= c.number {
		heap.Pop(&c.timers).(timer).call(&c.tick)
	}
	c.stepper.collect(c.players, c.spec.TickRate)
	if recorded != nil {
		if c.load(recorded); recorded.Err() != nil {
			return
		}
	}
	c.stepper.step(&c.tick)
	c.kicked = c.kicked[:0]
	for i := 0; i < len(c.kicks); i++ { // Leave may kick further ones
		if k := c.kicks[i]; !k.player.gone {
			c.leave(k.player, CauseKicked)
			c.kicked = append(c.kicked, k)
		}
	}
	c.kicks = c.kicks[:0]
	c.world.Snapshot(c.number)
}

// encodeEvent returns an EVENT, valid until the next one, or nil if it can't be sent.
func (c *core) encodeEvent(name string, body any) []byte {
	if name = wire.Clean(name); name == "" || len(name) > protocol.MaxName {
		c.drop("event "+wire.Cut(name, protocol.MaxName), fmt.Errorf("%w: its name has %d bytes, not 1 to %d", errName, len(name), protocol.MaxName))
		return nil
	}
	b, err := encodeBody(body)
	if err != nil {
		c.drop("event "+name, err)
		return nil
	}
	c.event = protocol.AppendEvent(c.event[:0], c.number, name, b)
	return c.event
}

var errName = errors.New("no name for an event")

// deliver queues an encoded EVENT, REPLY or ERROR for p.
func (c *core) deliver(p *Player, b []byte) {
	if p != nil && p.out != nil && !p.gone {
		c.give(p.out, b)
	}
}

// give adds an encoded array to a backlog. If too much waits there that the same player has caused, it is not kept, and
// that player hears so; the game does not, for what waits is not its own state.
func (c *core) give(to *backlog, b []byte) {
	from := ""
	if c.cause != nil {
		from = c.cause.who.User
	}
	if !to.add(b, from) && c.cause.seat != nil {
		c.cause.seat.unheard.Store(true)
	}
}
