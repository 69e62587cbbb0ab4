package room

import (
	"unsafe"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/wire"
)

const (
	// holdFraction of a second is how long the last input stands in for one that did not come.
	holdFraction = 4
	// mostWaiting inputs may be left when one has been taken; more are merged at once.
	mostWaiting = 8
	// fewWaiting inputs may be left for a whole second; more are merged, since they only add delay.
	fewWaiting = 1
)

// stepper is a Game without its input type.
type stepper interface {
	game() any
	join(t *Tick, p *Player) error
	leave(t *Tick, p *Player, why Cause)
	newFeed() feeder
	// collect takes this tick's inputs from the players' feeds.
	collect(players []*Player, rate int)
	// appendInputs appends, for every player who has a new input, what load reads.
	appendInputs(b []byte) (_ []byte, players int)
	// load makes the input that a recording tells p's input of this tick; players without one hold theirs.
	load(p *Player, r *wire.Reader) error
	// appendFeed appends what of a player's inputs the next ticks depend on, and readFeed reads it into a new feed.
	appendFeed(b []byte, p *Player) []byte
	readFeed(p *Player, r *wire.Reader)
	step(t *Tick)
}

// feeder is one player's inputs without their type.
type feeder interface {
	// decode gives each input as it came to see, if that is not nil.
	decode(h protocol.InputHead, n int, r *wire.Reader, stats *player.Stats, see func(input []byte)) error
	consumed() (seq uint32, slack int)
}

type runner[In any] struct {
	g      Game[In]
	codec  *body.Codec
	merge  func(into *In, next In) // into lies on the heap already, so that nothing is allocated
	inputs []Input[In]
	taken  [player.InboxSize]player.Entry[In]

	loading body.Decoder // of recordings and checkpoints
}

func newRunner[In any](g Game[In], codec *body.Codec) *runner[In] {
	r := &runner[In]{g: g, codec: codec}
	r.merge = func(into *In, next In) { *into = next }
	if _, ok := any(new(In)).(Merger[In]); ok {
		r.merge = func(into *In, next In) { *into = any(into).(Merger[In]).Merge(next) }
	}
	return r
}

// feed is one seat's inputs.
type feed[In any] struct {
	runner *runner[In]
	inbox  player.Inbox[In]

	scratch player.Entry[In] // the reader goroutine's
	decoder body.Decoder     // likewise

	// The room's goroutine owns the rest.
	entry player.Entry[In] // the last one taken
	fresh bool             // taken in this tick
	idle  int              // ticks since one was taken
	slack int
	low   int // fewest left over in this second
	ticks int // of this second
}

func (r *runner[In]) game() any                           { return r.g }
func (r *runner[In]) join(t *Tick, p *Player) error       { return r.g.Join(t, p) }
func (r *runner[In]) leave(t *Tick, p *Player, why Cause) { r.g.Leave(t, p, why) }
func (r *runner[In]) newFeed() feeder                     { return &feed[In]{runner: r, low: mostWaiting} }

func (r *runner[In]) step(t *Tick) {
	players := t.core.players
	r.inputs = r.inputs[:0]
	for _, p := range players {
		f := p.feed.(*feed[In])
		in := Input[In]{Player: p, Seq: f.entry.Seq, View: f.entry.View, Held: !f.fresh}
		if !p.away && f.idle < max(t.core.spec.TickRate/holdFraction, 1) {
			in.Value = f.entry.Value
		}
		r.inputs = append(r.inputs, in)
	}
	r.g.Step(t, r.inputs)
}

func (r *runner[In]) collect(players []*Player, rate int) {
	for _, p := range players {
		p.feed.(*feed[In]).take(rate)
	}
}

// take takes the next input, and merges into it what waits for longer than it should.
func (f *feed[In]) take(rate int) {
	f.fresh = false
	waiting := f.inbox.Len()
	if waiting == 0 {
		f.idle++
		f.slack = -f.idle
		f.low, f.ticks = mostWaiting, 0
		return
	}
	n := 1
	if f.ticks++; f.ticks >= rate {
		n += max(f.low-fewWaiting, 0)
		f.low, f.ticks = mostWaiting, 0
	}
	if waiting-n > mostWaiting {
		n = waiting - fewWaiting
	}
	n = f.inbox.Take(f.runner.taken[:min(n, waiting)])
	f.takeEntries(f.runner.taken[:n])
	f.slack = waiting - n
	f.low = min(f.low, f.slack)
}

func (f *feed[In]) takeEntries(entries []player.Entry[In]) {
	for i := 1; i < len(entries); i++ {
		next := entries[i].Value
		entries[i].Value = entries[i-1].Value
		f.runner.merge(&entries[i].Value, next)
	}
	f.entry = entries[len(entries)-1]
	f.fresh, f.idle = true, 0
}

func (f *feed[In]) consumed() (seq uint32, slack int) { return f.entry.Seq, f.slack }

// decode runs on the reader's goroutine.
func (f *feed[In]) decode(h protocol.InputHead, n int, r *wire.Reader, stats *player.Stats, see func(input []byte)) error {
	newest := f.inbox.Newest()
	if int64(h.Seq)+int64(n)-1 > int64(newest)+protocol.MaxSeqJump {
		return protocol.Closef(protocol.CodeProtocol, "input %d is too far ahead of %d", int64(h.Seq)+int64(n)-1, newest)
	}
	f.decoder.Reset(r, wire.MaxInboundDepth-1)
	for i := range n {
		f.scratch = player.Entry[In]{Seq: h.Seq + uint32(i), View: h.View}
		rest := r.Rest()
		if err := f.runner.codec.Decode(&f.decoder, unsafe.Pointer(&f.scratch.Value)); err != nil {
			return protocol.Malformed(protocol.KindInput, err)
		}
		if see != nil {
			see(r.Last(rest - r.Rest()))
		}
		stale, merged := f.inbox.Put(f.scratch, f.mergeWaiting)
		if stale {
			stats.Stale.Add(1)
		}
		if merged {
			stats.Merged.Add(1)
		}
	}
	return nil
}

func (f *feed[In]) mergeWaiting(old, next In) In {
	f.runner.merge(&old, next)
	return old
}

func (r *runner[In]) appendInputs(b []byte) (_ []byte, players int) {
	for i := range r.inputs {
		in := &r.inputs[i]
		if in.Held {
			continue
		}
		players++
		b = wire.AppendArray(b, 5)
		b = wire.AppendUint(b, uint64(in.Player.number))
		// The input as it was taken: a player who is away has one that does not count.
		b = r.appendEntry(b, &in.Player.feed.(*feed[In]).entry)
	}
	return b, players
}

func (r *runner[In]) appendEntry(b []byte, e *player.Entry[In]) []byte {
	b = wire.AppendUint(b, uint64(e.Seq))
	b = wire.AppendUint(b, uint64(e.View.Tick))
	b = wire.AppendUint(b, uint64(e.View.Fraction))
	return r.codec.Append(b, unsafe.Pointer(&e.Value))
}

func (r *runner[In]) appendFeed(b []byte, p *Player) []byte {
	f := p.feed.(*feed[In])
	b = wire.AppendArray(b, 5)
	b = wire.AppendUint(b, uint64(f.idle))
	return r.appendEntry(b, &f.entry)
}

func (r *runner[In]) readFeed(p *Player, rd *wire.Reader) {
	want(rd, 5)
	f := p.feed.(*feed[In])
	idle := rd.Uint32()
	if err := r.load(p, rd); err != nil {
		return
	}
	f.fresh, f.idle = false, int(idle)
	// What waited is the client's to send again, beginning with the input after this one.
	if stale, _ := f.inbox.Put(f.entry, f.mergeWaiting); !stale {
		f.inbox.Take(r.taken[:1])
	}
}

func (r *runner[In]) load(p *Player, rd *wire.Reader) error {
	f := p.feed.(*feed[In])
	e := player.Entry[In]{Seq: rd.Uint32()}
	e.View = protocol.Moment{Tick: rd.Uint32(), Fraction: uint8(rd.Uint32())}
	r.loading.ResetOwn(rd)
	if err := r.codec.Decode(&r.loading, unsafe.Pointer(&e.Value)); err != nil {
		rd.Fail(err)
		return rd.Err()
	}
	r.taken[0] = e
	f.takeEntries(r.taken[:1])
	return nil
}
