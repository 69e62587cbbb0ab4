package room

import (
	"context"
	"time"

	"github.com/tickhall/tickhall/player"
)

// Manual drives a room by hand, without its goroutine and with a clock of its own: the same code that
// Run runs, one tick a call. Package roomtest builds on it. It belongs to one goroutine.
type Manual struct {
	r   *Room
	now time.Time
}

// NewManual makes a room that is driven by hand. Its slow work ends with ctx.
func NewManual(ctx context.Context, kind AnyKind, cfg Config) (*Manual, error) {
	r, err := New(kind, cfg)
	if err != nil {
		return nil, err
	}
	return newManual(ctx, r), nil
}

// RestoreManual makes a room that is driven by hand from a checkpoint, as Restore does.
func RestoreManual(ctx context.Context, kind AnyKind, checkpoint []byte, cfg Config) (*Manual, error) {
	r, err := Restore(kind, checkpoint, cfg)
	if err != nil {
		return nil, err
	}
	return newManual(ctx, r), nil
}

func newManual(ctx context.Context, r *Room) *Manual {
	r.ctx, r.cancelWork = ctx, func() {}
	r.begin(r.base)
	return &Manual{r: r, now: r.base}
}

// Room is the room being driven. Methods of it that wait for an answer would wait forever: use those
// of Manual.
func (m *Manual) Room() *Room { return m.r }

// Now is the time that the last tick was made at.
func (m *Manual) Now() time.Time { return m.now }

// Tick makes the next tick, on time, once all slow work that was started is done. over tells that the
// room has ended, err that the game panicked. A room that ends finishes its slow work, and shows spectators of the past the
// rest, before Tick returns.
func (m *Manual) Tick() (over bool, err error) {
	m.r.works.Wait()
	step := time.Second / time.Duration(m.r.spec.TickRate)
	if next := m.r.clock.Next(); m.r.asleep || next.Before(m.now) {
		m.now = m.now.Add(step)
	} else {
		m.now = next
	}
	m.r.worked = true
	over, err = m.r.wakeUp(m.now)
	if over && err == nil {
		m.r.showRest(m.now)
		for m.r.attend(m.now); m.r.working > 0; m.r.attend(m.now) {
			m.r.works.Wait()
		}
	}
	return over, err
}

// Join makes a tick in which a player asks for a seat, as Room.Join does.
func (m *Manual) Join(j Join) (*player.Session, error) {
	a := newAnswer[*player.Session]()
	return tickFor(m, &joinPost{j, a}, a)
}

// Resume makes a tick in which a seat is asked back, as Room.Resume does.
func (m *Manual) Resume(v Resume) (*player.Session, error) {
	a := newAnswer[*player.Session]()
	return tickFor(m, &resumePost{v, a}, a)
}

// Lost makes a tick in which a session's connection is found to have ended, as Room.Lost does.
func (m *Manual) Lost(s *player.Session, c player.Conn) (over bool, err error) {
	m.r.mailbox <- &lostPost{s, c}
	return m.Tick()
}

// Checkpoint writes down the room as it is, as Room.Checkpoint does. It does not wait: the error may be ErrPending.
func (m *Manual) Checkpoint() ([]byte, error) {
	m.r.works.Wait()
	return m.r.checkpoint()
}

// Record sets the room's recorder, from the next tick on; nil for none.
func (m *Manual) Record(r Recorder) { m.r.cfg.Recorder = r }

func tickFor[T any](m *Manual, p post, a *answer[T]) (T, error) {
	m.r.mailbox <- p
	if _, err := m.Tick(); err != nil {
		var zero T
		return zero, err
	}
	o := <-a.c
	return o.value, o.err
}
