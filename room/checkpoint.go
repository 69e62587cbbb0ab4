package room

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol/wire"
)

// MaxCheckpoint is the longest checkpoint, in bytes.
const MaxCheckpoint = 64 << 20

// Errors of checkpoints.
var (
	ErrNoCheckpoint = errors.New("the game of this room can't be written down: implement room.Checkpointer")
	ErrPending      = errors.New("what waits in a closure can't be written down: wait, or use room.OnTimer in place of Tick.After")
	ErrCheckpoint   = errors.New("checkpoint can't be used")
)

// A checkpoint is a msgpack array of these elements, and the CRC-32C of its bytes in four more, big-endian. It
// holds everything that the room's later ticks depend on, but for what waits to be delivered: inputs, messages and
// events from outside, which their senders send again or lose, as when a connection breaks.
//
//	mark, version, kind, room, rate, seed, options, match, layout of the world, core, seats
//
// core is bytes: an array of what a playback needs too, see core.appendCheckpoint. seats is what players need who
// come back, see seat.appendCheckpoint.
const (
	checkpointMark     = "tickhall checkpoint"
	checkpointVersion  = 1
	checkpointElements = 11
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealCheckpoint appends to b what tells that it is whole.
func sealCheckpoint(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkpoint is one that was opened.
type checkpoint struct {
	spec    *Spec
	room    string
	seed    uint64
	options json.RawMessage
	match   *Match // as the room was made for
	layout  string
	core    []byte
	seats   *wire.Reader
}

// openCheckpoint checks everything but core and seats. What it returns shares no memory with b.
func openCheckpoint(of AnyKind, b []byte) (*checkpoint, error) {
	spec, err := SpecOf(of)
	if err != nil {
		return nil, err
	}
	end := len(b) - crc32.Size
	switch {
	case len(b) > MaxCheckpoint:
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d", ErrCheckpoint, len(b), MaxCheckpoint)
	case end < 0 || crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]):
		return nil, fmt.Errorf("%w: it is damaged or cut off", ErrCheckpoint)
	}
	r := wire.NewReader(bytes.Clone(b[:end]))
	if n := r.Array(); r.Err() != nil || n != checkpointElements || string(r.String()) != checkpointMark {
		return nil, fmt.Errorf("%w: it is something else", ErrCheckpoint)
	}
	if v := r.Uint32(); r.Err() == nil && v != checkpointVersion {
		return nil, fmt.Errorf("%w: it has version %d, not %d", ErrCheckpoint, v, checkpointVersion)
	}
	kind := string(r.String())
	cp := &checkpoint{spec: spec, room: string(r.String())}
	rate := r.Int()
	cp.seed, cp.options, cp.match = uint64(r.Int()), bytes.Clone(r.Bytes()), readOrigin(r)
	cp.layout, cp.core, cp.seats = string(r.String()), r.Bytes(), r
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, r.Err())
	case kind != spec.Name || rate != int64(spec.TickRate):
		return nil, fmt.Errorf("%w: it is of kind %q at %d ticks per second, not %q at %d", ErrCheckpoint, kind, rate, spec.Name, spec.TickRate)
	case len(cp.options) > 0 && !json.Valid(cp.options):
		return nil, fmt.Errorf("%w: its options are not JSON", ErrCheckpoint)
	}
	return cp, nil
}

// Checkpoint writes down the room as it is between two ticks; Restore makes a room of it. If slow work or timers of
// Tick.After are pending, it waits until there is a tick after which there are none. The error is ErrClosed,
// ErrNoCheckpoint, or ctx's with ErrPending. It holds the resume tokens of the players: keep it as secret as those.
func (r *Room) Checkpoint(ctx context.Context) ([]byte, error) {
	p := &checkpointPost{answer: newAnswer[[]byte]()}
	b, err := ask(ctx, r, p, p.answer)
	if pending := p.pending.Load(); ctx.Err() != nil && pending != nil {
		err = fmt.Errorf("%w: %w", err, *pending)
	}
	return b, err
}

type checkpointPost struct {
	*answer[[]byte]
	pending atomic.Pointer[error] // what it waits for
}

func (p *checkpointPost) deliver(r *Room, now time.Time) error {
	if r.ending.Load() != 0 {
		if p.begin() {
			p.give(nil, ErrClosed)
		}
		return nil
	}
	r.checkpoints = append(r.checkpoints, p)
	return nil
}

// answerCheckpoints gives the checkpoints that were asked for, unless something is pending. An error is the game's
// panic.
func (r *Room) answerCheckpoints() error {
	r.checkpoints = slices.DeleteFunc(r.checkpoints, func(p *checkpointPost) bool { return p.givenUp() })
	if len(r.checkpoints) == 0 {
		return nil
	}
	r.busy.Store(r.sinceBase())
	defer r.busy.Store(0)
	b, err := r.checkpoint()
	if errors.Is(err, ErrPending) {
		for _, p := range r.checkpoints {
			p.pending.Store(&err)
		}
		return nil
	}
	for _, p := range r.checkpoints {
		if p.begin() {
			p.give(bytes.Clone(b), err)
		}
	}
	r.checkpoints = nil
	if p := (*PanicError)(nil); errors.As(err, &p) {
		return p
	}
	return nil
}

// checkpoint writes down the room.
func (r *Room) checkpoint() ([]byte, error) {
	core, err := r.core.appendCheckpoint(nil)
	if err != nil {
		return nil, err
	}
	b := wire.AppendArray(nil, checkpointElements)
	b = wire.AppendString(b, checkpointMark)
	b = wire.AppendUint(b, checkpointVersion)
	b = wire.AppendString(b, r.spec.Name)
	b = wire.AppendString(b, r.id)
	b = wire.AppendUint(b, uint64(r.spec.TickRate))
	b = wire.AppendInt(b, int64(r.cfg.Seed))
	b = wire.AppendBytes(b, r.cfg.Options)
	b = r.cfg.Match.appendOrigin(b)
	b = wire.AppendString(b, r.core.layout)
	b = wire.AppendBytes(b, core)
	b = wire.AppendArray(b, len(r.seats))
	for _, s := range r.seats {
		b = s.appendCheckpoint(b)
	}
	if b = sealCheckpoint(b); len(b) > MaxCheckpoint {
		return nil, fmt.Errorf("the checkpoint has %d bytes, at most %d: keep less in the room", len(b), MaxCheckpoint)
	}
	return b, nil
}

// Restore makes a room that goes on where a checkpoint was taken, of a kind that is the same in name, rate and tables.
// ID, Seed, Options and Match are the checkpoint's, whatever cfg says. Its players have lost their connections, and the
// kind's Grace to resume with the tokens that they have; spectators are gone. One who has seen later ticks than the
// checkpoint's gets a KEY of an earlier world, and events again that came after it. Like New it starts nothing. The
// error wraps ErrCheckpoint, or is ErrNoCheckpoint or the game's.
func Restore(kind AnyKind, b []byte, cfg Config) (*Room, error) {
	cp, err := openCheckpoint(kind, b)
	if err != nil {
		return nil, err
	}
	cfg.ID, cfg.Seed, cfg.Options, cfg.Match = cp.room, cp.seed, cp.options, cp.match
	r, err := newRoom(cp.spec, cfg)
	if err != nil {
		return nil, err
	}
	if err := r.core.restore(cp); err != nil {
		return nil, err
	}
	for _, m := range r.core.match.In(Coming) {
		r.Absent(m.User) // the place that was held is gone
	}
	if err := r.restoreSeats(cp.seats); err != nil {
		return nil, fmt.Errorf("%w: seats: %w", ErrCheckpoint, err)
	}
	if r.delayed != nil {
		r.origin = cp
	}
	r.publish()
	return r, nil
}

// RestorePlayback returns a playback that starts from a checkpoint: its first frame is the first that the room, or
// one that was made by Restore, recorded after it.
func RestorePlayback(kind AnyKind, b []byte) (*Playback, error) {
	cp, err := openCheckpoint(kind, b)
	if err != nil {
		return nil, err
	}
	p, err := newPlayback(cp.spec, Config{Seed: cp.seed, Options: cp.options, Match: cp.match})
	if err != nil {
		return nil, err
	}
	if err := p.core.restore(cp); err != nil {
		return nil, err
	}
	return p, nil
}

// pending tells what of the core only a closure knows.
func (c *core) pending() error {
	timers := 0
	for i := range c.timers {
		if c.timers[i].name == "" {
			timers++
		}
	}
	if timers+len(c.works) == 0 {
		return nil
	}
	return fmt.Errorf("%w (now %d timers and %d pieces of slow work)", ErrPending, timers, len(c.works))
}

// appendCheckpoint appends an array of all that makes the core's later ticks:
//
//	tick, last player's number, last work's number, locked, listing, chance, match, players, timers, entities, game
func (c *core) appendCheckpoint(b []byte) ([]byte, error) {
	if c.saver == nil {
		return nil, ErrNoCheckpoint
	}
	if c.number == 0 {
		return nil, errors.New("a room that has made no tick has nothing to write down: make it anew")
	}
	if err := c.pending(); err != nil {
		return nil, err
	}
	var saved any
	if err := c.guard(func() { saved = c.saver.Save(&c.tick) }); err != nil {
		return nil, err
	}
	game, err := saveValue(saved)
	if err != nil {
		return nil, fmt.Errorf("what the game saves: %w", err)
	}
	chance, err := c.pcg.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b = wire.AppendArray(b, 11)
	b = wire.AppendUint(b, uint64(c.number))
	b = wire.AppendUint(b, uint64(c.lastPlayer))
	b = wire.AppendUint(b, uint64(c.workSeq))
	b = wire.AppendBool(b, c.locked)
	b = wire.AppendBytes(b, c.listing)
	b = wire.AppendBytes(b, chance)
	b = c.appendMatch(b)
	b = wire.AppendArray(b, len(c.players))
	for _, p := range c.players {
		b = wire.AppendArray(b, 7)
		b = wire.AppendUint(b, uint64(p.number))
		b = wire.AppendString(b, p.who.User)
		b = wire.AppendString(b, p.who.Name)
		b = wire.AppendBytes(b, p.who.Claims)
		b = wire.AppendInt(b, int64(p.who.Team))
		b = wire.AppendBool(b, p.away)
		b = c.stepper.appendFeed(b, p)
	}
	due := slices.Clone(c.timers)
	slices.SortFunc(due, func(a, b timer) int { return a.compare(b) })
	b = wire.AppendArray(b, len(due))
	for _, t := range due {
		b = wire.AppendArray(b, 3)
		b = wire.AppendUint(b, uint64(t.due))
		b = wire.AppendString(b, t.name)
		b = wire.AppendBytes(b, t.arg)
	}
	b = c.world.AppendCheckpoint(b)
	return append(b, game...), nil
}

// restore brings a core that has made no tick to where cp was taken.
func (c *core) restore(cp *checkpoint) error {
	if c.saver == nil {
		return ErrNoCheckpoint
	}
	if cp.layout != c.layout {
		return fmt.Errorf("%w: the rows of its tables have other fields", ErrCheckpoint)
	}
	r := wire.NewReader(cp.core)
	game := c.readCheckpoint(r)
	if err := r.Finish(); err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	var err error
	if p := c.guard(func() { err = c.saver.Restore(&c.tick, func(v any) error { return restoreValue(game, v) }) }); p != nil {
		return fmt.Errorf("room kind %q: Restore panicked: %v", c.spec.Name, p.(*PanicError).Value)
	}
	if err != nil {
		return fmt.Errorf("room kind %q: Restore: %w", c.spec.Name, err)
	}
	return nil
}

// readCheckpoint reads what appendCheckpoint appended, and returns what is the game's.
func (c *core) readCheckpoint(r *wire.Reader) (game []byte) {
	want(r, 11)
	c.number, c.lastPlayer, c.workSeq = r.Uint32(), r.Uint32(), r.Uint32()
	c.locked, c.listing = r.Bool(), bytes.Clone(r.Bytes())
	chance := r.Bytes()
	if r.Err() != nil {
		return nil
	}
	if c.number == 0 || len(c.listing) > 0 && !json.Valid(c.listing) {
		r.Fail(wire.ErrRange)
		return nil
	}
	if err := c.pcg.UnmarshalBinary(chance); err != nil {
		r.Fail(err)
		return nil
	}
	if c.readMatch(r); r.Err() != nil {
		return nil
	}
	for range r.Array() {
		if c.readPlayer(r); r.Err() != nil {
			return nil
		}
	}
	for range r.Array() {
		if c.readTimer(r); r.Err() != nil {
			return nil
		}
	}
	if err := c.world.ReadCheckpoint(r, c.number); err != nil {
		return nil
	}
	return r.Unchecked(savedDepth)
}

func (c *core) readPlayer(r *wire.Reader) {
	want(r, 7)
	p := &Player{number: r.Uint32(), feed: c.stepper.newFeed()}
	p.who = Identity{User: string(r.String()), Name: string(r.String()), Claims: readClaims(r), Team: int(r.Int())}
	p.away = r.Bool()
	c.stepper.readFeed(p, r)
	last := uint32(0)
	if n := len(c.players); n > 0 {
		last = c.players[n-1].number
	}
	if p.number <= last || p.number > c.lastPlayer || len(p.who.Claims) > 0 && !json.Valid(p.who.Claims) {
		r.Fail(wire.ErrRange)
	}
	c.players = append(c.players, p)
}

func (c *core) readTimer(r *wire.Reader) {
	want(r, 3)
	due, name, arg := r.Uint32(), string(r.String()), bytes.Clone(r.Bytes())
	if r.Err() != nil {
		return
	}
	if err := c.setTimer(due, name, arg); err != nil {
		r.Fail(err)
	}
}

func want(r *wire.Reader, elements int) {
	if n := r.Array(); n != elements {
		r.Fail(wire.ErrLength)
	}
}

// appendCheckpoint appends an array of what a player needs who comes back:
//
//	number, secret of its tokens, number of the newest one, of the earliest one that is still good, tick of the
//	newest snapshot sent, tick up to which these may be parts of KEYs, backlog's bytes, its items (size, tick of the message)
func (s *seat) appendCheckpoint(b []byte) []byte {
	b = wire.AppendArray(b, 8)
	b = wire.AppendUint(b, uint64(s.player.number))
	b = wire.AppendBytes(b, s.pass.secret[:])
	b = wire.AppendUint(b, uint64(s.pass.serial))
	earlier := s.pass.serial
	if len(s.pass.older) > 0 {
		earlier = s.pass.older[0]
	}
	b = wire.AppendUint(b, uint64(earlier))
	b = wire.AppendUint(b, uint64(s.newest))
	b = wire.AppendUint(b, uint64(s.view.Unclear()))
	b = wire.AppendBytes(b, s.backlog.bytes)
	b = wire.AppendArray(b, 2*len(s.backlog.items))
	for _, i := range s.backlog.items {
		b = wire.AppendUint(b, uint64(i.size))
		b = wire.AppendUint(b, uint64(i.sent))
	}
	return b
}

func (s *seat) readCheckpoint(r *wire.Reader) {
	want(r, 8)
	if n := r.Uint32(); n != s.player.number {
		r.Fail(fmt.Errorf("seat %d where that of player %d belongs", n, s.player.number))
	}
	secret, serial, earlier := r.Bytes(), r.Uint32(), r.Uint32()
	s.newest = r.Uint32()
	s.view.SetUnclear(r.Uint32())
	s.backlog.read(r)
	switch {
	case r.Err() != nil:
	case len(secret) != secretSize || serial == 0 || earlier == 0 || earlier > serial || serial > math.MaxUint32-restoredTokens:
		r.Fail(wire.ErrRange)
	default:
		s.pass = restorePass([secretSize]byte(secret), serial, earlier)
	}
}

// restoreSeats gives every player of a restored core a seat without a connection.
func (r *Room) restoreSeats(rd *wire.Reader) error {
	want(rd, len(r.core.players))
	for _, p := range r.core.players {
		if rd.Err() != nil {
			break
		}
		s := r.newSeat(Join{Who: p.who})
		s.player, s.feed = p, p.feed
		p.seat, p.out = s, &s.backlog
		s.watch(r.core)
		s.readCheckpoint(rd)
		r.seats = append(r.seats, s)
		r.tokens.show(s)
	}
	return rd.Finish()
}
