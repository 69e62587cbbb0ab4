package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/wire"
)

// call is a request that waits for its answer.
type call struct {
	sent    bool
	message []byte      // until it is sent
	answer  chan answer // of capacity 1
}

type answer struct {
	body []byte
	err  error
}

// Call sends a typed message and waits for its answer, which is decoded into a Res. The room's refusal
// is an *Error. A call made while there is no connection is sent at the next join, or fails with ErrBusy if too many wait; one that was sent
// before a connection was lost is not sent again, since the room may have it: its reply still comes
// after the resume, or ctx ends the wait. ErrLost tells that no answer can come any more.
//
// It must not be called in a callback.
func Call[Res any](ctx context.Context, r *Room, name string, req any) (Res, error) {
	var res Res
	body, err := r.request(ctx, name, req)
	if err != nil {
		return res, err
	}
	if err := msgpack.Unmarshal(body, &res); err != nil {
		return res, fmt.Errorf("reply to %q: %w", name, err)
	}
	return res, nil
}

// Send sends a typed message that wants no answer. It may be lost if the connection is. While the connection is lost it
// waits for the next one; what has waited is sent at a pace that the server takes. ErrBusy tells that too many wait, ErrAway
// that there is no seat.
func (r *Room) Send(name string, v any) error {
	b, err := encodeMessage(0, name, v)
	if err != nil {
		return err
	}
	return r.out.message(b, r.since())
}

func encodeMessage(request uint32, name string, v any) ([]byte, error) {
	encoded, err := body.Encode(v, wire.MaxInboundDepth-1)
	if err != nil {
		return nil, fmt.Errorf("message %q: %w", name, err)
	}
	b := protocol.AppendMessage(make([]byte, 0, len(encoded)+len(name)+16), request, name, encoded)
	if len(name) > protocol.MaxName || len(b) > protocol.MaxInbound {
		return nil, fmt.Errorf("message %q of %d bytes: %w", name, len(b), ErrTooLarge)
	}
	return b, nil
}

// request sends a message and returns the body of its reply.
func (r *Room) request(ctx context.Context, name string, v any) ([]byte, error) {
	o := &r.out
	c := &call{answer: make(chan answer, 1)}
	o.mu.Lock()
	o.lastCall++
	id := o.lastCall
	o.mu.Unlock()
	b, err := encodeMessage(id, name, v)
	if err != nil {
		return nil, err
	}
	if err := o.call(id, c, b, r.since()); err != nil {
		return nil, err
	}
	defer o.drop(id)
	select {
	case a := <-c.answer:
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.done:
		return nil, ErrLost
	}
}

// call registers c, to be sent now or at the next join.
func (o *outbox) call(id uint32, c *call, message []byte, now time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.socket == nil && !o.away {
		c.message = message
	} else if len(o.queue) >= maxQueued {
		return ErrBusy
	} else {
		c.sent = true
		o.queue = append(o.queue, message)
	}
	if o.calls == nil {
		o.calls = map[uint32]*call{}
	}
	o.calls[id] = c
	o.flushLocked(now)
	return nil
}

func (o *outbox) drop(id uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.calls, id)
}

// answer gives a reply or an error to the call that waits for it. Nobody may: ctx may have ended.
func (o *outbox) answer(id uint32, a answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.calls[id]; c != nil {
		delete(o.calls, id)
		c.answer <- a
	}
}

// lost fails every call: the seat is gone, and with it what was to be sent there.
func (o *outbox) lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away, o.queue = false, nil
	for id, c := range o.calls {
		delete(o.calls, id)
		c.answer <- answer{err: ErrLost}
	}
}

func sortedCalls(calls map[uint32]*call) []uint32 {
	return slices.Sorted(maps.Keys(calls))
}

// OnEvent sets what is called for the event called name, on Run's goroutine, with the snapshot that it
// came with applied. body is one msgpack value and only valid during the call. Call it before Run.
func (r *Room) OnEvent(name string, f func(body []byte)) {
	r.mustBeNew("OnEvent")
	r.events[name] = f
}

// On is OnEvent with the body decoded into a new T. One that does not fit is counted, see Stats, and
// reported to Config.OnError.
func On[T any](r *Room, name string, f func(T)) {
	r.OnEvent(name, func(body []byte) {
		var v T
		if err := msgpack.Unmarshal(body, &v); err != nil {
			r.counters.undecoded.Add(1)
			r.report(fmt.Errorf("event %q: %w", name, err))
			return
		}
		f(v)
	})
}
