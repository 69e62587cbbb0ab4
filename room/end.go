package room

import (
	"context"
	"slices"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// DefaultWorkGrace is how long slow work may go on once its room has ended.
const DefaultWorkGrace = 10 * time.Second

// longestShow bounds the time in which a server that stops shows spectators what they have not seen yet.
const longestShow = 2 * time.Second

// parting is a seat that was given up in this tick. Its connection is closed at the end of the tick, behind what the
// game sent before.
type parting struct {
	seat *seat
	Words
}

// vacate frees a seat, whose connection is left to bid.
func (r *Room) vacate(s *seat, w Words) {
	w.Reason = wire.Cut(w.Reason, protocol.MaxText)
	if s.feed != nil && w.outlive() {
		r.cfg.LastWords.keep(time.Now(), s.pass.tokens(r.id), w)
	}
	r.tokens.hide(s)
	r.cfg.Registry.Remove(s.session)
	s.player.gone = true
	if s.conn != nil {
		s.session.Detach(s.conn)
		r.partings = append(r.partings, parting{s, w})
	}
	count(&r.cfg.Stats.Leaves, &r.counts.Leaves)
	r.countDropped(s)
	r.left++
	if s.released != nil {
		s.released()
	}
}

// bid sends everybody who has left what the game sent last, the newest snapshot included, and the farewell behind it.
// Without snapshots the game is asked nothing. An error is its panic.
func (r *Room) bid(now time.Time, snapshots bool) error {
	var first error
	for _, p := range r.partings {
		if err := r.core.guard(func() { r.sendLast(p.seat, now, snapshots && first == nil) }); err != nil && first == nil {
			first = err
		}
		p.seat.conn.Close(p.Code, p.Reason, p.Result)
		p.seat.conn = nil
	}
	clear(r.partings)
	r.partings = r.partings[:0]
	return first
}

// sendLast sends s what it has not been sent yet, although the line may be slow: this is the last chance.
func (r *Room) sendLast(s *seat, now time.Time, snapshot bool) {
	s.last = true
	if snapshot && s.world.Tick() != 0 && s.view.Due() {
		r.sendTo(s, now)
	}
	for s.backlog.unsent() { // what did not go with the snapshot, or there was none
		s.head = s.head[:0]
		if s.welcome {
			s.head = r.appendWelcome(s.head, s, s.world.Tick())
		}
		s.own = s.backlog.appendUnsent(s.own[:0], max(r.core.number, 1), protocol.MaxOutbound-len(s.head))
		if len(s.own) == 0 || s.put(s.head, s.own) != nil {
			return // the connection is ending, or has more to take than it keeps
		}
		s.welcome = false
	}
}

// put sends one message; after sendLast although others wait to leave.
func (s *seat) put(parts ...[]byte) error {
	if s.last {
		if c, ok := s.conn.(player.LastSender); ok {
			return c.SendLast(parts...)
		}
	}
	return s.conn.Send(parts...)
}

// end tells everybody that the room has ended: first the players, then the game. Spectators of the past are told when
// they have seen it: see linger.
func (r *Room) end(now time.Time, code protocol.Code, reason string, result []byte) {
	r.busy.Store(r.sinceBase())
	defer r.busy.Store(0)
	r.words = Words{code, reason, result}
	r.final = Final{code, reason, len(r.seats), r.joined}
	r.ending.Store(uint32(code))
	seats := r.seats
	r.seats = nil
	for _, s := range seats {
		r.vacate(s, r.words)
	}
	if r.delayed == nil {
		r.dismiss(r.words)
	}
	r.unshown = len(r.late)
	if err := r.bid(now, true); err != nil {
		r.panicked("while its room ended", err)
	}
	r.publish()
	for _, p := range r.checkpoints {
		if p.begin() {
			p.give(nil, ErrClosed)
		}
	}
	r.checkpoints = nil
	if len(seats) == 0 {
		return
	}
	r.close(func() (first error) {
		for _, s := range seats {
			if err := r.command(&command{op: opLeave, player: s.player.number, cause: CauseEnded}); err != nil && first == nil {
				first = err // the others are told all the same: there may be something to save
			}
		}
		return first
	})
}

// close makes a tick of a room that has ended: one in which the game is told something, but does not step. It is
// recorded like any other.
func (r *Room) close(tell func() error) {
	if r.broken {
		return
	}
	r.core.number++
	r.commands, r.recorded = r.commands[:0], 0
	var err error
	if !r.core.closing {
		err = r.command(&command{op: opEnd})
	}
	if e := tell(); err == nil {
		err = e
	}
	if err == nil {
		err = r.core.guard(func() { r.core.finish(nil) })
	}
	r.record(err)
	if err != nil {
		r.broken = true
		r.panicked("while its room ended", err)
	}
}

// linger is what is left to do after the end: slow work that was begun, such as saving in Leave, is finished, and the game
// given its results, until Config.WorkGrace is over; spectators of the past are shown the rest, at the room's pace unless
// ctx ends.
func (r *Room) linger(ctx context.Context) {
	grace := time.NewTimer(r.cfg.WorkGrace)
	defer grace.Stop()
	pace := time.NewTicker(time.Second / time.Duration(r.spec.TickRate))
	defer pace.Stop()
	stopping := ctx.Done()
	for {
		r.attend(time.Now())
		if r.working == 0 && len(r.watchers) == 0 {
			return
		}
		var show <-chan time.Time
		if len(r.watchers) > 0 {
			show = pace.C
		}
		select {
		case <-r.wake:
		case <-show:
			r.show(time.Now())
		case <-stopping:
			stopping = nil
			r.showRest(time.Now())
		case <-grace.C:
			r.tooLate = true
			r.cancelWork()
		}
	}
}

// attend does what has come for a room that has ended.
func (r *Room) attend(now time.Time) {
	r.busy.Store(r.sinceBase())
	defer r.busy.Store(0)
	for range len(r.mailbox) {
		_ = (<-r.mailbox).deliver(r, now) // no longer the game's business
	}
	r.deliverWatchers()
	_ = r.bid(now, false)
	results := r.takeResults()
	if len(results) == 0 {
		return
	}
	r.working -= len(results)
	r.close(func() error {
		for i := range results {
			if err := r.command(&results[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// show lets the spectators of the past see one tick more, and dismisses them after the last.
func (r *Room) show(now time.Time) {
	r.busy.Store(r.sinceBase())
	defer r.busy.Store(0)
	err := r.showNext(nil)
	if err == nil {
		_, err = r.sendAll(now)
	}
	if r.unshown--; r.unshown > 0 && err == nil {
		return
	}
	r.dismiss(r.words)
	if e := r.bid(now, err == nil); err == nil {
		err = e
	}
	if err != nil {
		r.panicked("while its spectators saw the end", err)
	}
	r.publish()
}

// showRest shows the spectators of the past at once what they have not seen yet.
func (r *Room) showRest(now time.Time) {
	for began := time.Now(); len(r.watchers) > 0; {
		if time.Since(began) > longestShow {
			r.unshown = 1
		}
		r.show(now)
	}
}

// fail ends the room after the game's panic, without asking the game for anything more.
func (r *Room) fail(err error) {
	count(&r.cfg.Stats.Panics, &r.counts.Panics)
	r.broken = true
	r.final = Final{protocol.CodeRoomFailed, "the game panicked", len(r.seats), r.joined}
	r.panicked("", err)
	w := Words{Code: protocol.CodeRoomFailed, Reason: "the game failed in this room: match again"}
	for _, s := range r.seats {
		r.vacate(s, w)
	}
	r.seats = nil
	r.dismiss(w)
	_ = r.bid(time.Now(), false) // asks the game nothing
	r.ending.Store(uint32(protocol.CodeRoomFailed))
	r.publish()
}

func (r *Room) panicked(when string, err error) {
	stack := ""
	if p, ok := err.(*PanicError); ok {
		stack = string(p.Stack)
	}
	if when != "" {
		when = " " + when
	}
	r.cfg.Log.Error("a game panicked"+when, "room", r.id, "kind", r.spec.Name, "error", err, "stack", stack)
}

// startWork runs a game's slow work. Run waits for it.
func (r *Room) startWork(id uint32, work func(context.Context) ([]byte, error)) {
	ctx := r.ctx
	if ctx == nil { // in New
		panic("room: Go was called before the room ran")
	}
	if r.tooLate {
		delete(r.core.works, id)
		return
	}
	r.working++
	r.works.Go(func() {
		body, err := safely(ctx, work)
		failed := ""
		if err != nil {
			if failed = wire.Clean(err.Error()); failed == "" { // as a recording has it
				failed = "failed"
			}
			body = nil
		}
		r.resultsMu.Lock()
		r.results = append(r.results, command{op: opResult, request: id, body: body, failed: failed})
		r.resultsMu.Unlock()
		r.nudge()
	})
}

// takeResults takes what slow work came to since the last call.
func (r *Room) takeResults() []command {
	r.resultsMu.Lock()
	defer r.resultsMu.Unlock()
	results := slices.Clip(r.results)
	r.results = nil
	return results
}
