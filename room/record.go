package room

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Recorder takes down what a room is a function of. Its methods run on the room's goroutine and must
// not wait.
type Recorder interface {
	// Record takes one tick. frame is only valid during the call; Playback.Step makes the tick again
	// from it. world returns the checksum of the world after the tick, and takes some microseconds per hundred
	// entities. failed is the game's panic, after which nothing more is recorded.
	Record(tick uint32, frame []byte, world func() uint32, failed error)
}

// record hands the tick just made to the recorder.
func (r *Room) record(failed error) {
	if !r.recording() {
		return
	}
	b := wire.AppendArray(r.frame[:0], 3)
	b = wire.AppendUint(b, uint64(r.core.number))
	b = wire.AppendArray(b, r.recorded)
	b = append(b, r.commands...)
	var players int
	r.commands, players = r.core.stepper.appendInputs(r.commands[:0])
	if failed != nil || r.core.closing {
		players, r.commands = 0, r.commands[:0] // whether they were taken is not known
	}
	b = wire.AppendArray(b, players)
	b = append(b, r.commands...)
	r.frame = b
	if rec := r.cfg.Recorder; rec != nil {
		rec.Record(r.core.number, b, r.core.world.Checksum, failed)
	}
}

func (r *Room) recording() bool { return r.cfg.Recorder != nil || r.delayed != nil }

// note takes down a command of this tick.
func (r *Room) note(m *command) {
	if r.recording() {
		r.commands = m.append(r.commands)
		r.recorded++
	}
}

// Playback makes a recorded match again, without a room, connections or a clock.
type Playback struct {
	core *core
}

// NewPlayback returns a playback of a room of that kind, seed and options, that was made for no match: see PlaybackOf. Its first frame must be that
// room's first.
func NewPlayback(kind AnyKind, seed uint64, options json.RawMessage) (*Playback, error) {
	spec, err := SpecOf(kind)
	if err != nil {
		return nil, err
	}
	return newPlayback(spec, Config{Seed: seed, Options: options})
}

// PlaybackOf is NewPlayback for a room whose Config had that Seed, Options and Match; the rest of cfg does not count.
func PlaybackOf(kind AnyKind, cfg Config) (*Playback, error) {
	spec, err := SpecOf(kind)
	if err != nil {
		return nil, err
	}
	return newPlayback(spec, cfg)
}

func newPlayback(spec *Spec, cfg Config) (*Playback, error) {
	c, err := newCore(spec, cfg.Seed, cfg.Options, cfg.Match, func(uint32, func(context.Context) ([]byte, error)) {})
	if err != nil {
		return nil, err
	}
	return &Playback{c}, nil
}

// Tick is the tick made last.
func (p *Playback) Tick() uint32 { return p.core.number }

// Checksum is the checksum of the world after the last Step, all fields included.
func (p *Playback) Checksum() uint32 { return p.core.world.Checksum() }

// Step makes the tick that frame tells of. The error is a *PanicError if the game panicked, or says
// what is wrong with the frame.
func (p *Playback) Step(frame []byte) error {
	r := wire.NewReader(frame)
	if n := r.Array(); r.Err() == nil && n != 3 {
		r.Fail(wire.ErrLength)
	}
	number := r.Uint32()
	if r.Err() == nil && number <= p.core.number {
		return fmt.Errorf("frame %d follows %d", number, p.core.number)
	}
	c := p.core
	c.number = number
	for range r.Array() {
		var m command
		m.read(r)
		if r.Err() != nil {
			break
		}
		err := c.guard(func() {
			if m.op == opJoin {
				_, _ = c.join(m.who, nil) // refused here as it was then
				return
			}
			c.apply(&m)
		})
		if err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("frame %d: %w", number, err)
	}
	if err := c.guard(func() { c.finish(r) }); err != nil {
		return err
	}
	if err := r.Finish(); err != nil {
		return fmt.Errorf("frame %d: %w", number, err)
	}
	return nil
}

// load reads the inputs of a frame.
func (c *core) load(r *wire.Reader) {
	for range r.Array() {
		if n := r.Array(); r.Err() == nil && n != 5 {
			r.Fail(wire.ErrLength)
		}
		p := c.player(r.Uint32())
		if r.Err() != nil {
			return
		}
		if p == nil {
			r.Fail(fmt.Errorf("input of a player who is not there"))
			return
		}
		if err := c.stepper.load(p, r); err != nil {
			return
		}
	}
}
