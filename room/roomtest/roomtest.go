// Package roomtest drives a game tick by tick in a test, with virtual players: no server, no network,
// no waiting. A virtual player is a whole client: its inputs travel as wire messages, and it keeps a
// copy of the world from the snapshots that it is sent, whose checksum is verified after every tick.
//
// It starts no goroutine but those of the game's own slow work, for which each tick waits.
package roomtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
)

// T is what a test gives: *testing.T, *testing.B and *testing.F are ones.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// Panics is a T for examples and programs: it panics where a test fails.
type Panics struct{}

// Helper implements T.
func (Panics) Helper() {}

// Fatalf implements T.
func (Panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Context implements T.
func (Panics) Context() context.Context { return context.Background() }

// Room is a room under test. What goes wrong in it fails the test: a panic of the game, or a value that it sends and
// that can't be sent, which a live room drops.
type Room struct {
	t        T
	kind     room.AnyKind
	cfg      room.Config
	manual   *room.Manual
	players  []*Player
	letters  []letter
	over     bool
	recorder room.Recorder // the test's
	shadows  []*room.Playback
	astray   error // of a shadow
	unsent   error // what the game meant to send, and why it can't be
}

// New makes a room of that kind, with seed 1.
func New(t T, kind room.AnyKind) *Room {
	t.Helper()
	return NewSeeded(t, kind, room.Config{ID: "test", Seed: 1})
}

// NewSeeded makes a room of that kind with a Config of the test's choice: its seed, options, or a recorder. Without a
// Courier of its own, what the game sends by Tick.SendUser and SendRoom waits for Letters; without an Unsendable of its own,
// what can't be sent fails the test.
func NewSeeded(t T, kind room.AnyKind, cfg room.Config) *Room {
	t.Helper()
	r := &Room{t: t, kind: kind, recorder: cfg.Recorder}
	if cfg.Courier == nil {
		cfg.Courier = courier{r}
	}
	if cfg.Unsendable == nil {
		cfg.Unsendable = func(what string, err error) { r.unsent = cmp.Or(r.unsent, fmt.Errorf("%s: %w", what, err)) }
	}
	m, err := room.NewManual(t.Context(), kind, cfg)
	if err != nil {
		t.Fatalf("making the room: %v", err)
	}
	r.cfg, r.manual = cfg, m
	return r
}

// Checkpoint writes down the room as it is now.
func (r *Room) Checkpoint() []byte {
	r.t.Helper()
	b, err := r.manual.Checkpoint()
	if err != nil {
		r.t.Fatalf("writing down the room: %v", err)
	}
	return b
}

// Shadow writes down the room as it is now, and makes a second one from that: from now on, it makes every tick of the
// first one again, from the same inputs. The test fails when their worlds differ, which tells that the game's Save and
// Restore forget something, or that the game is not deterministic.
func (r *Room) Shadow() {
	r.t.Helper()
	p, err := room.RestorePlayback(r.kind, r.Checkpoint())
	if err != nil {
		r.t.Fatalf("making a room from a checkpoint: %v", err)
	}
	r.shadows = append(r.shadows, p)
	r.manual.Record(recorder{r})
}

// recorder hands what a room records to its shadows, and to the test's own recorder.
type recorder struct{ *Room }

var _ room.Recorder = recorder{}

// Record implements room.Recorder.
func (r recorder) Record(tick uint32, frame []byte, world func() uint32, failed error) {
	if r.recorder != nil {
		r.recorder.Record(tick, frame, world, failed)
	}
	for _, p := range r.shadows {
		from := p.Tick()
		err := p.Step(frame)
		if err == nil && p.Checksum() != world() {
			err = errors.New("their worlds differ")
		}
		if failed == nil && err != nil && r.astray == nil {
			r.astray = fmt.Errorf("a room made from a checkpoint goes astray after tick %d: %w", from, err)
		}
	}
}

// Restart ends the room without a word, as when its server is killed, and goes on with one made from a checkpoint of it. Every
// player's connection is lost: see Player.Resume.
func (r *Room) Restart() {
	r.t.Helper()
	b := r.Checkpoint()
	m, err := room.RestoreManual(r.t.Context(), r.kind, b, r.cfg)
	if err != nil {
		r.t.Fatalf("making a room from a checkpoint: %v", err)
	}
	for _, p := range r.players {
		p.away = true
	}
	r.manual, r.shadows = m, nil
}

// Tick makes n ticks.
func (r *Room) Tick(n int) {
	r.t.Helper()
	for range n {
		if r.over {
			r.t.Fatalf("the room has ended")
		}
		over, err := r.manual.Tick()
		r.check(over, err)
	}
}

// Settle makes ticks until every player holds a whole world: a large one comes in parts, a tick each.
func (r *Room) Settle() {
	r.t.Helper()
	for range state.MaxParts + 2 {
		r.Tick(1)
		if !slices.ContainsFunc(r.players, (*Player).waits) {
			return
		}
	}
	r.t.Fatalf("a player is still waiting for the world")
}

// waits reports whether p is here, and has no whole world.
func (p *Player) waits() bool {
	return p.session != nil && !p.away && p.bye == nil && (p.replica == nil || p.replica.Tick() == 0 || p.replica.Partial())
}

func (r *Room) check(over bool, err error) {
	r.t.Helper()
	if p := (*room.PanicError)(nil); errors.As(err, &p) {
		r.t.Fatalf("%v\n%s", p, p.Stack)
	}
	r.over = r.over || over
	if r.astray != nil {
		r.t.Fatalf("%v", r.astray)
	}
	if r.unsent != nil {
		r.t.Fatalf("the game sends what can't be sent: %v", r.unsent)
	}
	for _, p := range r.players {
		if p.fault != nil {
			r.t.Fatalf("%s's copy of the world: %v", p.name, p.fault)
		}
	}
}

// Ended reports whether the room has ended.
func (r *Room) Ended() bool { return r.over }

// Info is what the lobby lists.
func (r *Room) Info() *room.Info { return r.manual.Room().Info() }

// Player is a virtual player.
type Player struct {
	room    *Room
	name    string
	session *player.Session
	replica *state.Replica
	welcome protocol.Welcome
	events  []event
	answers map[uint32]answer
	bye     *Bye
	away    bool
	stalled bool // acknowledges nothing
	seq     uint32
	request uint32
	fault   error
	out     []byte
}

type event struct {
	name string
	body []byte
}

type answer struct {
	body []byte
	err  error
}

// Bye is how a connection ended.
type Bye struct {
	Code   protocol.Code
	Reason string
	Result []byte // msgpack, nil for none
}

// Join makes a tick in which a player of that name joins, whose user id is "user-" and the name. A refusal fails the
// test; see TryJoin.
func (r *Room) Join(name string) *Player {
	r.t.Helper()
	return r.JoinAs(named(name))
}

// TryJoin makes a tick in which a player of that name asks to join, and returns the refusal.
func (r *Room) TryJoin(name string) (*Player, error) {
	r.t.Helper()
	return r.TryJoinAs(named(name))
}

func named(name string) room.Identity { return room.Identity{User: "user-" + name, Name: name} }

// JoinAs is Join for a player with a user id, claims or a team of the test's choice.
func (r *Room) JoinAs(who room.Identity) *Player {
	r.t.Helper()
	p, err := r.TryJoinAs(who)
	if err != nil {
		r.t.Fatalf("%s is refused: %v", who.Name, err)
	}
	return p
}

// TryJoinAs is JoinAs that returns the refusal.
func (r *Room) TryJoinAs(who room.Identity) (*Player, error) {
	r.t.Helper()
	return r.join(room.Join{Who: who})
}

// Expected makes a tick in which the game learns that a player of that name was found in the queue, for a team that
// Tick.Backfill asked for, and is on the way: see JoinAs. Whom a match is made of at first, the Config of NewSeeded says.
func (r *Room) Expected(name string, team int) {
	r.t.Helper()
	r.manual.Room().Expected(room.Member{User: named(name).User, Team: team})
	r.Tick(1)
}

// Absent makes a tick in which the game learns that the member of the match of that name will not come: an example of a user
// who cancelled, or whose time is over.
func (r *Room) Absent(name string) {
	r.t.Helper()
	r.manual.Room().Absent(named(name).User)
	r.Tick(1)
}

// Watch makes a tick in which a spectator joins. Its World is nil until the first snapshot, which comes as late as the
// kind's SpectatorDelay says.
func (r *Room) Watch() *Player {
	r.t.Helper()
	p, err := r.join(room.Join{Who: named("spectator"), Spectate: true})
	if err != nil {
		r.t.Fatalf("a spectator is refused: %v", err)
	}
	return p
}

func (r *Room) join(j room.Join) (*Player, error) {
	r.t.Helper()
	p := &Player{room: r, name: j.Who.Name, answers: map[uint32]answer{}}
	r.players = append(r.players, p)
	j.Conn = p
	session, err := r.manual.Join(j)
	r.check(false, err)
	p.session = session
	return p, err
}

// Signal makes a tick in which the game gets a signal, as from Room.Signal.
func (r *Room) Signal(name string, body any) {
	r.t.Helper()
	if err := r.manual.Room().Signal(r.t.Context(), name, body); err != nil {
		r.t.Fatalf("%v", err)
	}
	r.Tick(1)
}

// letter is an event that the game sent elsewhere.
type letter struct {
	to string
	event
}

type courier struct{ *Room }

var _ room.Courier = courier{}

// ToUser implements room.Courier.
func (c courier) ToUser(user string, e *player.Event) int {
	c.keep(user, e)
	return 0
}

// ToRoom implements room.Courier.
func (c courier) ToRoom(id string, e *player.Event) bool {
	c.keep(id, e)
	return false
}

func (c courier) keep(to string, e *player.Event) {
	r := wire.NewReader(e.Append(nil, 1))
	n := r.Array()
	r.Uint32() // its kind
	_, name, body, err := protocol.ReadEvent(r, n)
	if err != nil {
		c.t.Fatalf("what the game sends to %s: %v", to, err)
	}
	c.letters = append(c.letters, letter{to, event{string(name), body}})
}

// Letters takes the events of that name which the game has sent since the last call to a user, by Tick.SendUser, or to
// another room, by SendRoom; to is the id.
func Letters[T any](r *Room, to, name string) []T {
	r.t.Helper()
	var got []T
	kept := r.letters[:0]
	for _, l := range r.letters {
		if l.to != to || l.name != name {
			kept = append(kept, l)
			continue
		}
		got = append(got, decode[T](r, l.event))
	}
	r.letters = kept
	return got
}

func decode[T any](r *Room, e event) (v T) {
	r.t.Helper()
	if err := msgpack.Unmarshal(e.body, &v); err != nil {
		r.t.Fatalf("event %q: %v", e.name, err)
	}
	return v
}

// Welcome is what the player was told on joining, or on the last resume.
func (p *Player) Welcome() protocol.Welcome { return p.welcome }

// Number is the seat's number: see room.Player.
func (p *Player) Number() uint32 { return p.welcome.Player }

// Input sends v as the input of the next tick. In must be the kind's input type, or have its shape.
func (p *Player) Input(v any) {
	p.room.t.Helper()
	p.seq++
	p.out = protocol.InputHead{Seq: p.seq, View: protocol.Moment{Tick: p.replica.Tick()}, Ack: p.replica.Tick()}.Append(p.out[:0], 1)
	p.send(append(p.out, p.encode(v)...))
}

// Call makes a tick in which the typed message is handled, decodes the reply into reply, unless that is
// nil, and returns the game's error, a *room.Error.
func (p *Player) Call(name string, request, reply any) error {
	p.room.t.Helper()
	p.request++
	p.send(protocol.AppendMessage(nil, p.request, name, p.encode(request)))
	p.room.Tick(1)
	a, ok := p.answers[p.request]
	if !ok {
		p.room.t.Fatalf("%s's call of %q was not answered within its tick", p.name, name)
	}
	delete(p.answers, p.request)
	if a.err != nil || reply == nil {
		return a.err
	}
	if err := msgpack.Unmarshal(a.body, reply); err != nil {
		p.room.t.Fatalf("the reply to %s's call of %q: %v", p.name, name, err)
	}
	return nil
}

// Leave makes a tick in which the player leaves.
func (p *Player) Leave() {
	p.room.t.Helper()
	p.send(protocol.AppendLeave(nil))
	p.room.Tick(1)
}

// Lose makes a tick in which the player's connection is lost.
func (p *Player) Lose() {
	p.room.t.Helper()
	p.away = true
	over, err := p.room.manual.Lost(p.session, p)
	p.room.check(over, err)
}

// Stall makes the player acknowledge nothing from now on, as a client does whose line or machine is too slow: the room
// soon sends it no snapshots, and keeps for it what else there is, as far as that is bounded. A Resume, after Lose, ends it.
func (p *Player) Stall() { p.stalled = true }

// Resume makes a tick in which the player comes back and continues from the last snapshot applied. That the seat is gone
// fails the test; see TryResume.
func (p *Player) Resume() {
	p.room.t.Helper()
	if err := p.TryResume(); err != nil {
		p.room.t.Fatalf("%s can't resume: %v", p.name, err)
	}
}

// TryResume is Resume that returns room.ErrToken if the seat is gone.
func (p *Player) TryResume() error {
	p.room.t.Helper()
	p.away, p.stalled = false, false
	session, err := p.room.manual.Resume(room.Resume{Token: p.welcome.Token, Tick: p.replica.Taken(), Conn: p})
	if p.away = err != nil; err == nil {
		p.session = session
	}
	p.room.check(false, nil)
	return err
}

// Bye is how the player's connection was ended, nil while it was not.
func (p *Player) Bye() *Bye { return p.bye }

// World is the player's copy of the world.
func (p *Player) World() *state.Replica { return p.replica }

// Table is the player's copy of a table, as the author's own structs.
func Table[T any](p *Player, name string) *state.Copy[T] {
	p.room.t.Helper()
	c, err := state.Bind[T](p.replica, name)
	if err != nil {
		p.room.t.Fatalf("table %q: %v", name, err)
	}
	return c
}

// Events takes the events of that name which the player has got since the last call.
func Events[T any](p *Player, name string) []T {
	p.room.t.Helper()
	var got []T
	kept := p.events[:0]
	for _, e := range p.events {
		if e.name != name {
			kept = append(kept, e)
			continue
		}
		got = append(got, decode[T](p.room, e))
	}
	p.events = kept
	return got
}

func (p *Player) encode(v any) []byte {
	p.room.t.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		p.room.t.Fatalf("encoding what %s sends: %v", p.name, err)
	}
	return b
}

func (p *Player) send(b []byte) {
	p.room.t.Helper()
	if err := p.session.Receive(p, p.room.manual.Now(), b); err != nil {
		p.room.t.Fatalf("what %s sends is refused: %v", p.name, err)
	}
}

var _ player.Conn = (*Player)(nil)

// Ready implements player.Conn.
func (p *Player) Ready() bool { return !p.away && p.bye == nil }

// RemoteAddr implements player.Conn.
func (p *Player) RemoteAddr() string { return "192.0.2.1" }

// Close implements player.Conn.
func (p *Player) Close(code protocol.Code, reason string, result []byte) {
	if p.bye == nil {
		p.bye = &Bye{code, reason, append([]byte(nil), result...)}
	}
}

// Send implements player.Conn: it applies a server's message as a client does.
func (p *Player) Send(parts ...[]byte) error {
	var message []byte
	for _, part := range parts {
		message = append(message, part...)
	}
	r := wire.NewReader(message)
	for r.Rest() > 0 && p.fault == nil {
		n := r.Array()
		p.fault = p.apply(protocol.Kind(r.Uint32()), r, n)
	}
	if p.fault == nil {
		p.fault = r.Err()
	}
	// Applied at once and acknowledged at once: flow control never holds a virtual player back.
	if p.fault == nil && p.session != nil && p.replica != nil && !p.stalled {
		_ = p.session.Flow.Ack(p.replica.Taken(), p.room.manual.Now())
	}
	return nil
}

func (p *Player) apply(kind protocol.Kind, r *wire.Reader, n int) error {
	switch kind {
	case protocol.KindWelcome:
		if err := p.welcome.Read(r, n); err != nil || p.welcome.Resumed {
			return err
		}
		schema, err := state.ReadSchema(wire.NewReader(p.welcome.Schema))
		if err != nil {
			return err
		}
		p.replica, err = state.NewReplica(schema, int(p.welcome.Rate))
		return err
	case protocol.KindKey:
		return p.replica.Key(r, n)
	case protocol.KindDelta:
		return p.replica.Delta(r, n)
	case protocol.KindOwn:
		_, _, err := p.replica.Own(r, n)
		return err
	case protocol.KindHash:
		tick, sum, err := protocol.ReadHash(r, n)
		if err == nil && (tick != p.replica.Tick() || sum != p.replica.Checksum()) {
			err = fmt.Errorf("checksum %08x at tick %d, but the server has %08x at %d", p.replica.Checksum(), p.replica.Tick(), sum, tick)
		}
		return err
	case protocol.KindEvent:
		_, name, body, err := protocol.ReadEvent(r, n)
		p.events = append(p.events, event{string(name), append([]byte(nil), body...)})
		return err
	case protocol.KindDropped:
		_, _, err := protocol.ReadDropped(r, n)
		return err
	case protocol.KindReply:
		_, request, body, err := protocol.ReadReply(r, n)
		p.answers[request] = answer{body: append([]byte(nil), body...)}
		return err
	case protocol.KindError:
		_, request, code, message, err := protocol.ReadError(r, n)
		p.answers[request] = answer{err: &room.Error{Code: code, Message: message}}
		return err
	}
	return fmt.Errorf("unexpected message kind %d", kind)
}
