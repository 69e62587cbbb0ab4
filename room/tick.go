package room

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Tick is the context of one call into a Game: the room's time, its chance and its ways out. It is
// only valid during the call, and only on the room's goroutine.
type Tick struct {
	core *core
}

// Number is the tick being made, from 1. In a room that ticks on demand it may jump.
func (t *Tick) Number() uint32 { return t.core.number }

// Time is the game's time: how long the room has run, in whole ticks. It never reads the wall clock.
func (t *Tick) Time() time.Duration { return t.core.timeOf(t.core.number) }

// Delta is the length of one tick in seconds, for moving things.
func (t *Tick) Delta() float64 { return 1 / float64(t.core.spec.TickRate) }

// Rand is the room's source of chance, seeded by the room's seed.
func (t *Tick) Rand() *rand.Rand { return t.core.rand }

// Players are those who have joined, in the order of joining, away ones included. The slice is the
// room's own: do not change it, and do not keep it.
func (t *Tick) Players() []*Player { return t.core.players }

// Player returns the player with that number, or nil.
func (t *Tick) Player(number uint32) *Player { return t.core.player(number) }

// Send sends an event to the players given: reliable, in order, delivered with the snapshot of this
// tick. body is encoded by msgpack now. name is 1 to 64 bytes; text in both is made valid UTF-8. A nil player gets nothing.
//
// What can't be sent is dropped, since a player's data may have made it so: a body that is too large, has more than 31
// levels of arrays and maps, or has a map whose keys are neither strings nor integers of at most 53 bits; and types that do
// not travel, such as time.Time. It is counted in Stats, logged once for each event and reason, and fails the test in package
// roomtest.
func (t *Tick) Send(name string, body any, to ...*Player) {
	b := t.core.encodeEvent(name, body)
	if b == nil {
		return
	}
	for _, p := range to {
		t.core.deliver(p, b)
	}
}

// Broadcast sends an event to every player and spectator. It is encoded once. See Send.
func (t *Tick) Broadcast(name string, body any) {
	b := t.core.encodeEvent(name, body)
	if b == nil {
		return
	}
	for _, p := range t.core.players {
		t.core.deliver(p, b)
	}
	for _, w := range t.core.watchers {
		t.core.give(w, b)
	}
}

// Courier brings events to players of other rooms.
type Courier interface {
	// ToUser sends e to every session of a user, and returns to how many.
	ToUser(user string, e *player.Event) int
	// ToRoom sends e to every player of a room, and reports whether there is such a room.
	ToRoom(id string, e *player.Event) bool
}

// SendUser sends an event to a user, by id, in every room of the server that the user is in. Whether
// there is one the game is not told, for that is not its own state. See Send.
func (t *Tick) SendUser(user, name string, body any) {
	if e := t.core.outgoing(name, body); e != nil {
		t.core.courier.ToUser(user, e)
	}
}

// SendRoom sends an event to every player of another room, by id. See SendUser.
func (t *Tick) SendRoom(id, name string, body any) {
	if e := t.core.outgoing(name, body); e != nil {
		t.core.courier.ToRoom(id, e)
	}
}

// outgoing is an event for the courier, nil where there is none or it can't be sent.
func (c *core) outgoing(name string, body any) *player.Event {
	if c.courier == nil {
		return nil
	}
	e, err := player.NewEvent(name, body)
	if err != nil {
		c.drop("event "+name, err)
		return nil
	}
	if c.cause == nil {
		return e.By(c.sender, nil)
	}
	var refused func()
	if s := c.cause.seat; s != nil {
		refused = s.notHeard
	}
	return e.By(c.cause.who.User, refused)
}

// After calls f once, d after this tick in the game's time, rounded up to whole ticks, at least one;
// before the Step of that tick. Calls due in the same tick come in the order in which they were asked for. What f
// captures lives on the heap, a loop's variable in each of its rounds: copy it where the timer is set. A checkpoint can't
// hold f: it waits for the call. For what takes longer than a moment see OnTimer.
func (t *Tick) After(d time.Duration, f func(t *Tick)) {
	t.core.push(timer{due: t.core.due(d), call: f})
}

// Go runs slow work on a goroutine of its own, and then calls then with its result before the Step of
// a later tick. work must not touch the game. The result is recorded, encoded by msgpack, so that a playback has it without
// the work.
//
// What is begun before the room ends, in Leave for example to save what a player has, is finished: its context lives until
// Config.WorkGrace after the end, of which a server's stop is one (for the rooms of a lobby nearly its Grace, 10 s by default), and
// then is called in a tick without a Step, in which nobody is there any more. Work that is not done by then has its context
// ended, and then gets that as the error; begun any later it is not run. After a panic of the game, then is not called.
func Go[T any](t *Tick, work func(ctx context.Context) (T, error), then func(t *Tick, v T, err error)) {
	c := t.core
	c.workSeq++
	c.works[c.workSeq] = func(t *Tick, body []byte, failed string) {
		var v T
		if failed != "" {
			then(t, v, &Error{Code: "failed", Message: failed})
			return
		}
		if err := msgpack.Unmarshal(body, &v); err != nil {
			then(t, v, fmt.Errorf("decoding the result of slow work: %w", err))
			return
		}
		then(t, v, nil)
	}
	c.startWork(c.workSeq, func(ctx context.Context) ([]byte, error) {
		v, err := work(ctx)
		if err != nil {
			return nil, err
		}
		return msgpack.Marshal(v)
	})
}

// Lock closes the room to further players, or opens it again. Those who are in it stay, and may resume; who is only on the
// way to it, with a ticket, is refused such that a client matches again.
func (t *Tick) Lock(locked bool) {
	if t.core.locked != locked {
		t.core.locked, t.core.listed = locked, true
	}
}

// SetListing sets what the lobby shows about the room, such as its map and mode. data is encoded as
// JSON now, of at most MaxListing bytes. If it can't be, such as NaN, the listing stays as it was: see Send.
func (t *Tick) SetListing(data any) {
	b, err := encodeListing(data)
	if err != nil {
		t.core.drop("listing", err)
		return
	}
	t.core.listing, t.core.listed = b, true
}

// Kick removes p at the end of this tick. p is shown the reason, of at most protocol.MaxText bytes, after all that it has
// been sent; Leave is called with CauseKicked. For nil it does nothing.
func (t *Tick) Kick(p *Player, reason string) {
	if p != nil && !p.gone {
		t.core.kicks = append(t.core.kicks, kick{p, wire.Cut(reason, protocol.MaxText)})
	}
}

// End ends the room after this tick. Every player is sent result, encoded by msgpack, nil for none, or if it can't be sent: see
// Send. It comes after all else; one who is away gets it when coming back within an hour. Spectators who see the past are
// shown the rest of it before.
func (t *Tick) End(result any) {
	if t.core.ended {
		return
	}
	t.core.ended = true
	if result == nil {
		return
	}
	b, err := encodeBody(result)
	if err != nil {
		t.core.drop("result", err)
		return
	}
	t.core.result = b
}

// Checksum is the checksum of the world as it was at the end of the last tick, all fields included.
func (t *Tick) Checksum() uint32 { return t.core.world.Checksum() }

type kick struct {
	player *Player
	reason string
}

type timer struct {
	due, seq uint32
	call     func(t *Tick)
	name     string // of a Timer; "" for a closure
	arg      []byte
}

func (t timer) compare(o timer) int {
	return cmp.Or(cmp.Compare(t.due, o.due), cmp.Compare(t.seq, o.seq))
}

// due is the tick in which a timer set now is due: at the earliest the next one, at the latest one that no room lives to see.
func (c *core) due(d time.Duration) uint32 {
	rate, second := int64(c.spec.TickRate), int64(time.Second)
	whole, rest := int64(max(d, 0))/second, int64(max(d, 0))%second // their product with rate can't overflow
	ticks := max(whole*rate+(rest*rate+second-1)/second, 1)
	return uint32(min(int64(c.number)+ticks, math.MaxUint32))
}

func (c *core) push(t timer) {
	c.timerSeq++
	t.seq = c.timerSeq
	heap.Push(&c.timers, t)
}

// setTimer sets a timer of OnTimer.
func (c *core) setTimer(due uint32, name string, arg []byte) error {
	decode := c.named[name]
	if decode == nil {
		return fmt.Errorf("there is no timer %q", name)
	}
	call, err := decode(arg)
	if err != nil {
		return err
	}
	c.push(timer{due: due, call: call, name: name, arg: arg})
	return nil
}

// timerHeap orders timers by when they are due, then by when they were asked for.
type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = timer{}
	*h = (*h)[:last]
	return x
}

var _ heap.Interface = (*timerHeap)(nil)
