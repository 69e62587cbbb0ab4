package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Inputs is the stream of what a player does, one In per tick. Each is kept until the room says that
// it has consumed it, and sent again after a resume; the room takes each once. At most 128 are kept, and 16 KiB:
// then the oldest are dropped, and counted.
type Inputs[In any] struct {
	room *Room

	mu      sync.Mutex
	buf     bytes.Buffer
	encoder *msgpack.Encoder
	value   In // a copy to encode from, so that Send does not allocate
	check   wire.Reader
}

// NewInputs returns the input stream of a room. In is a struct with the exported fields of the game's
// input type, named alike; order and number may differ. Run fails if one of them is unknown to the
// room. Call it before Run, once.
func NewInputs[In any](r *Room) *Inputs[In] {
	r.mustBeNew("NewInputs")
	in := &Inputs[In]{room: r}
	in.encoder = msgpack.NewEncoder(&in.buf)
	in.encoder.UseCompactInts(true)
	in.encoder.UseArrayEncodedStructs(true)
	r.inputs = in
	return in
}

// fit makes Send write inputs in a way that a room whose inputs have these fields understands: as
// arrays if the fields are the same in the same order, otherwise as maps.
func (in *Inputs[In]) fit(fields []protocol.Field) error {
	t := reflect.TypeFor[In]()
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("the input type %v must be a struct", t)
	}
	codec, err := body.New(t)
	if err != nil {
		return fmt.Errorf("the input type %v: %w", t, err)
	}
	own, theirs := names(codec.Fields()), names(fields)
	for _, name := range own {
		if !slices.Contains(theirs, name) {
			return fmt.Errorf("the input type %v has field %q, the room's has only %s", t, name, strings.Join(theirs, ", "))
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.encoder.UseArrayEncodedStructs(slices.Equal(own, theirs))
	return nil
}

func names(fields []protocol.Field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.Name
	}
	return list
}

// Send sends one input, with the moment that the player is shown and the acknowledgement of the last
// snapshot. While there is no connection the input is kept for the next one, and Send tells so by
// ErrAway; a spectator's goes nowhere, ErrSpectator. Call it once per tick, or less often.
func (in *Inputs[In]) Send(v In) error {
	if in.room.Spectator() {
		return ErrSpectator
	}
	now := in.room.since()
	if err := in.add(v, now); err != nil {
		return err
	}
	return in.room.out.flushInputs(now)
}

// add encodes v and puts it into the outbox. What the room would refuse whatever its input type is, it refuses itself.
func (in *Inputs[In]) add(v In, now time.Duration) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.buf.Reset()
	in.value = v
	if err := in.encoder.Encode(&in.value); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	b := in.buf.Bytes()
	in.check.Reset(b)
	in.check.Body(wire.MaxInboundDepth - 1)
	if errors.Is(in.check.Err(), wire.ErrUTF8) {
		b = wire.AppendCleaned(nil, b)
		in.check.Reset(b)
		in.check.Body(wire.MaxInboundDepth - 1)
	}
	switch err := in.check.Finish(); {
	case err != nil:
		return fmt.Errorf("input: %w", err)
	case len(b) > protocol.MaxInbound-inputOverhead:
		return fmt.Errorf("input of %d bytes: %w", len(b), ErrTooLarge)
	}
	in.room.out.addInput(b, now)
	return nil
}

// Stream calls f once per tick of the room and sends what it returns with true. tick is the one for
// which the input is likely to be in time. It runs up to a tenth faster or slower than the room, so
// that about half an input waits there. Stream blocks in its caller's goroutine until ctx is done or
// Run has returned, or with ErrSpectator at the first input of a spectator; it pauses while there is no connection.
func (in *Inputs[In]) Stream(ctx context.Context, f func(tick uint32) (In, bool)) error {
	r := in.room
	if err := r.Ready(ctx); err != nil {
		return err
	}
	r.out.stream(true)
	defer r.out.stream(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.done:
			return ErrLost
		case <-timer.C:
		}
		if r.Joined() {
			if v, ok := f(moment(r.Now()).Tick + 1); ok {
				if err := in.Send(v); err != nil && err != ErrAway {
					return err
				}
			}
		}
		step := r.out.period()
		next = next.Add(step)
		if time.Since(next) >= (maxCatchUp-1)*step { // those ticks are over
			next = time.Now()
		}
		timer.Reset(time.Until(next))
	}
}
