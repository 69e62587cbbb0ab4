package client

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// receive takes one WebSocket message, which arrived at now. An error ends the connection: a bye, a
// fatal, or a *protocol.CloseError for what breaks the protocol.
func (f *feed) receive(message []byte, now time.Duration) error {
	r := f.room
	r.mu.Lock()
	defer r.mu.Unlock()
	rd := &r.reader
	rd.Reset(message)
	if rd.Rest() == 0 {
		return protocol.Closef(protocol.CodeProtocol, "empty message")
	}
	for rd.Rest() > 0 {
		n := rd.Array()
		kind := protocol.Kind(min(rd.Uint32(), 255))
		if err := rd.Err(); err != nil {
			return protocol.Closef(protocol.CodeProtocol, "malformed message: %v", err)
		}
		if err := f.take(kind, rd, n, now); err != nil {
			return err
		}
	}
	r.settle()
	if !f.arrived {
		return nil
	}
	r.tick = r.replica.Taken()
	r.out.processed(r.tick, f.whole, r.replica.Tick(), now)
	if f.whole && !r.joined.Swap(true) {
		f.joined()
	}
	return nil
}

// joined tells that the first snapshot's message has been processed.
func (f *feed) joined() {
	r := f.room
	f.joinedAt, r.foreign = r.since(), 0
	select {
	case <-r.ready:
	default:
		close(r.ready)
	}
	if r.cfg.OnJoin != nil {
		r.cfg.OnJoin(f.kept)
	}
}

// settle makes the callbacks that are due for the newest snapshot: its own fields, which come after it,
// have been applied.
func (r *Room) settle() {
	if !r.fresh && len(r.changes) == 0 {
		return
	}
	for _, c := range r.changes { // an id that left may have come back as another's
		if t := r.byIndex[c.Table]; t != nil && c.What == state.Left {
			t.drop(c.ID)
		}
	}
	if r.fresh {
		for _, t := range r.tables {
			t.record(r.replica.Tick())
		}
	}
	for _, c := range r.changes {
		if t := r.byIndex[c.Table]; t != nil {
			t.change(c)
		}
	}
	r.changes = r.changes[:0]
	if r.fresh && r.cfg.OnSnapshot != nil {
		r.cfg.OnSnapshot(r.replica.Tick())
	}
	r.fresh = false
}

// take reads one array of n elements, whose kind has been read.
func (f *feed) take(kind protocol.Kind, rd *wire.Reader, n int, now time.Duration) error {
	r := f.room
	if (kind == protocol.KindWelcome) == f.welcomed && kind != protocol.KindBye {
		return protocol.Closef(protocol.CodeProtocol, "message of kind %d out of order: WELCOME comes once, and first", kind)
	}
	switch kind {
	case protocol.KindWelcome:
		return f.welcome(rd, n)
	case protocol.KindKey, protocol.KindDelta:
		return f.snapshot(kind, rd, n)
	case protocol.KindBye:
		code, reason, advice, result, err := protocol.ReadBye(rd, n)
		if err != nil {
			return err
		}
		if len(result) == 1 && result[0] == 0xc0 {
			result = nil
		}
		switch advice {
		case protocol.AdviceResume, protocol.AdviceMatch, protocol.AdviceStop:
		default:
			advice = code.Advice()
		}
		r.settle()
		return &bye{code: code, reason: reason, advice: advice, result: bytes.Clone(result)}
	case protocol.KindClock:
		asked, at, err := protocol.ReadClock(rd, n)
		if err == nil {
			r.out.answered(asked, at, now)
		}
		return err
	case protocol.KindError:
		_, request, code, message, err := protocol.ReadError(rd, n)
		if err != nil {
			return err
		}
		if refused := (&Error{Code: code, Message: message}); request == 0 {
			r.report(refused)
		} else {
			r.out.answer(request, answer{err: refused})
		}
		return nil
	}
	if (kind == protocol.KindOwn || kind == protocol.KindHash) && (!f.whole || r.replica.Partial()) {
		return protocol.Closef(protocol.CodeProtocol, "message of kind %d before the first snapshot is whole", kind)
	}
	switch kind {
	case protocol.KindOwn:
		last, slack, err := r.replica.Own(rd, n)
		if err != nil {
			return fault(kind, err)
		}
		r.counters.slack.Store(int64(slack))
		r.out.told(last, slack)
	case protocol.KindEvent:
		_, name, body, err := protocol.ReadEvent(rd, n)
		if err != nil {
			return err
		}
		r.settle()
		if call := r.events[string(name)]; call != nil {
			call(body)
		}
	case protocol.KindDropped:
		_, count, err := protocol.ReadDropped(rd, n)
		if err != nil {
			return err
		}
		r.settle()
		r.counters.dropped.Add(uint64(count))
		if r.cfg.OnDropped != nil {
			r.cfg.OnDropped(count)
		}
	case protocol.KindReply:
		_, request, body, err := protocol.ReadReply(rd, n)
		if err != nil {
			return err
		}
		r.out.answer(request, answer{body: bytes.Clone(body)})
	case protocol.KindHash:
		tick, checksum, err := protocol.ReadHash(rd, n)
		if err != nil {
			return err
		}
		if at := r.replica.Tick(); tick != at {
			return protocol.Closef(protocol.CodeProtocol, "HASH of tick %d after the snapshot of tick %d", tick, at)
		}
		if own := r.replica.Checksum(); own != checksum {
			r.counters.mismatches.Add(1)
			return fmt.Errorf("%w: %w", ErrMismatch,
				protocol.Closef(protocol.CodeLost, "checksum at tick %d is %d, the server's %d", tick, own, checksum))
		}
	default:
		return protocol.Closef(protocol.CodeProtocol, "unknown message kind %d", kind)
	}
	return nil
}

// fault makes what a replica found wrong a fault of the protocol.
func fault(kind protocol.Kind, err error) error {
	var closing *protocol.CloseError
	if errors.As(err, &closing) {
		return err
	}
	return protocol.Malformed(kind, err)
}

func (f *feed) welcome(rd *wire.Reader, n int) error {
	r := f.room
	w := new(protocol.Welcome)
	if err := w.Read(rd, n); err != nil {
		return &fatal{err} // whoever greets like this won't do better the next time
	}
	f.kept = w.Resumed && r.token != "" && bytes.Equal(w.Schema, r.schema)
	if !f.kept {
		if r.token != "" {
			r.out.lost()
		}
		if err := r.restart(w); err != nil {
			return &fatal{err}
		}
	}
	f.welcomed = true
	r.ticket, r.token, r.watching = nil, w.Token, w.Player == 0
	r.keepSeat()
	r.team.Store(int64(r.nextTeam))
	r.welcome.Store(w)
	r.out.open(f.socket, w, f.kept)
	r.setLink(f.link)
	return nil
}

// restart makes an empty world, laid out as w says.
func (r *Room) restart(w *protocol.Welcome) error {
	var rd wire.Reader
	rd.Reset(w.Schema)
	schema, err := state.ReadSchema(&rd)
	if err != nil {
		return fmt.Errorf("schema of room kind %q: %w", w.Kind, err)
	}
	replica, err := state.NewReplica(schema, int(w.Rate))
	if err != nil {
		return fmt.Errorf("schema of room kind %q: %w", w.Kind, err)
	}
	if r.inputs != nil {
		if err := r.inputs.fit(w.Inputs); err != nil {
			return fmt.Errorf("room kind %q: %w", w.Kind, err)
		}
	}
	for _, t := range r.tables {
		t.forget()
	}
	r.replica, r.schema, r.tick, r.needKey = replica, slices.Clone(w.Schema), 0, false
	r.changes = r.changes[:0]
	r.byIndex = make([]binding, len(schema.Tables))
	r.observed = false
	for _, t := range r.tables {
		if err := t.bind(replica, int(w.Rate)); err != nil {
			return fmt.Errorf("room kind %q: %w", w.Kind, err)
		}
		r.byIndex[t.index()] = t
		r.observed = r.observed || t.wants()
	}
	if r.observed {
		replica.Observe(func(c state.Change) { r.changes = append(r.changes, c) })
	}
	return nil
}

func (f *feed) snapshot(kind protocol.Kind, rd *wire.Reader, n int) error {
	r := f.room
	r.settle()
	before := r.replica.Tick()
	if kind == protocol.KindKey {
		if err := r.replica.Key(rd, n); err != nil {
			return fault(kind, err)
		}
		f.arrived = true
		if r.replica.Partial() {
			f.joinBy = r.since() + joinTimeout
			return nil
		}
		r.counters.keyframes.Add(1)
		r.needKey = false
	} else {
		if r.needKey {
			return protocol.Closef(protocol.CodeProtocol, "a DELTA instead of the KEY asked for")
		}
		if err := r.replica.Delta(rd, n); err != nil {
			return fault(kind, err)
		}
		if span := r.replica.Tick() - before; span > 1 {
			r.counters.skipped.Add(uint64(span - 1))
		}
	}
	r.counters.snapshots.Add(1)
	f.arrived = true
	if !f.whole {
		f.whole = true
		r.counters.joins.Add(1)
	}
	r.fresh = true
	return nil
}
