package room

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// post is a typed command in the mailbox. deliver runs on the room's goroutine, within a tick.
type post interface {
	deliver(r *Room, now time.Time) error // an error is the game's panic
}

// post puts p into the mailbox. It waits while that is full.
func (r *Room) post(ctx context.Context, p post) error {
	select {
	case <-r.done:
		return ErrClosed
	default:
	}
	select {
	case r.mailbox <- p:
		r.nudge()
		return nil
	case <-r.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer is how a post answers: on a channel of capacity 1, and only if whoever asked still waits.
type answer[T any] struct {
	state atomic.Int32 // 0 waiting, 1 being carried out, 2 given up
	c     chan outcome[T]
}

type outcome[T any] struct {
	value T
	err   error
}

func newAnswer[T any]() *answer[T] { return &answer[T]{c: make(chan outcome[T], 1)} }

// begin reports whether the one who asked still waits; if so it will wait for the answer.
func (a *answer[T]) begin() bool { return a.state.CompareAndSwap(0, 1) }

// givenUp reports whether the one who asked does not wait any more.
func (a *answer[T]) givenUp() bool { return a.state.Load() == 2 }

func (a *answer[T]) give(v T, err error) { a.c <- outcome[T]{v, err} }

func ask[T any](ctx context.Context, r *Room, p post, a *answer[T]) (T, error) {
	var zero T
	if err := r.post(ctx, p); err != nil {
		return zero, err
	}
	select {
	case o := <-a.c:
		return o.value, o.err
	case <-r.done:
	case <-ctx.Done():
		if a.state.CompareAndSwap(0, 2) {
			return zero, ctx.Err()
		}
	}
	select { // the room had begun, or has ended: what it said in the end counts
	case o := <-a.c:
		return o.value, o.err
	case <-r.done:
	}
	select {
	case o := <-a.c:
		return o.value, o.err
	default:
		return zero, ErrClosed
	}
}

type joinPost struct {
	Join
	*answer[*player.Session]
}

func (p *joinPost) deliver(r *Room, now time.Time) error {
	if !p.begin() {
		return nil
	}
	join := r.join
	if p.Spectate {
		join = r.watch
	}
	s, refused, err := join(p.Join)
	switch {
	case err != nil:
		p.give(nil, ErrClosed)
		return err
	case refused != nil:
		count(&r.cfg.Stats.Refused, &r.counts.Refused)
		p.give(nil, refused)
	default:
		count(&r.cfg.Stats.Joins, &r.counts.Joins)
		p.give(s.session, nil)
	}
	return nil
}

type resumePost struct {
	Resume
	*answer[*player.Session]
}

func (p *resumePost) deliver(r *Room, now time.Time) error {
	if !p.begin() {
		return nil
	}
	of, ok := r.tokens.find(p.Token)
	if !ok {
		p.give(nil, ErrToken)
		return nil
	}
	s := of.seat
	if p.Attempt != 0 && p.Attempt <= s.attempt {
		p.give(nil, ErrStale)
		return nil
	}
	s.attempt = max(s.attempt, p.Attempt)
	count(&r.cfg.Stats.Resumes, &r.counts.Resumes)
	r.tokens.renew(s, of.serial)
	err := r.resume(s, p.Resume, of.serial != 0)
	if err != nil {
		p.give(nil, ErrClosed)
		return err
	}
	p.give(s.session, nil)
	return nil
}

type lostPost struct {
	session *player.Session
	conn    player.Conn
}

func (p *lostPost) deliver(r *Room, now time.Time) error {
	if !p.session.Detach(p.conn) {
		return nil
	}
	if r.stopWatching(p.session) {
		return nil
	}
	for _, s := range r.seats {
		if s.session == p.session {
			r.tokens.settle(s, s.session.Flow.Acked())
			if s.conn = nil; !s.met {
				r.tokens.haunt(s)
			}
			s.awayUntil = now.Add(r.spec.Grace)
			return r.command(&command{op: opAway, player: s.player.number})
		}
	}
	return nil
}

type kickPost struct {
	number uint32
	reason string
	*answer[struct{}]
}

func (p *kickPost) deliver(r *Room, now time.Time) error {
	if !p.begin() {
		return nil
	}
	var err error
	if s := r.seatByNumber(p.number); s != nil {
		err = r.leave(s, CauseKicked, protocol.CodeKicked, p.reason)
	}
	p.give(struct{}{}, nil)
	return err
}

type signalPost struct {
	name string
	body []byte
}

func (p *signalPost) deliver(r *Room, now time.Time) error {
	if r.ending.Load() != 0 {
		return nil
	}
	return r.command(&command{op: opSignal, name: p.name, body: p.body})
}
