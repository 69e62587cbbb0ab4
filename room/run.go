package room

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// lastTick is the highest number that a tick has. A room that old ends: tick numbers are 32 bits on the wire, and must not
// begin again. What is left above it are the ticks in which the game is told of the end, and never: see core.due.
const lastTick = math.MaxUint32 - 1<<16

// Run is the room: it blocks until the room has ended, by itself, by Stop or with ctx, and everything
// that it started has ended too. The error is a *PanicError if the game panicked, else nil.
func (r *Room) Run(ctx context.Context) error {
	r.ctx, r.cancelWork = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		r.finish()
		r.cancelWork()
		r.works.Wait()
	}()
	if err := r.run(ctx); err != nil {
		return err
	}
	r.linger(ctx)
	return nil
}

// run is Run until the room has ended.
func (r *Room) run(ctx context.Context) error {
	r.begin(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, wake := r.next()
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			r.end(time.Now(), protocol.CodeShuttingDown, "the server is stopping: match again", nil)
			return nil
		case <-timer.C:
		case <-wake:
			r.worked = true
			continue // next tells when the rate allows a tick
		case <-r.freed:
			continue // a room that is empty may have to end sooner
		}
		if over, err := r.wakeUp(time.Now()); over {
			return err
		}
	}
}

// begin starts the room's time.
func (r *Room) begin(now time.Time) {
	r.clock = NewClock(r.spec.TickRate, now)
	r.clock.from(r.core.number)
	r.asleep, r.emptyFrom = r.empty(), now
	r.setEpoch()
	for _, s := range r.seats { // of a room that was restored
		r.worked = true
		s.awayUntil = now.Add(r.spec.Grace)
		r.cfg.Registry.Add(s.session)
	}
}

// next is when the room has to do something, and what may come earlier: a nudge, for a room that
// waits for one.
func (r *Room) next() (time.Time, <-chan struct{}) {
	switch {
	case r.asleep && r.worked:
		return time.Time{}, nil
	case r.asleep:
		return r.emptyUntil(), r.wake
	case !r.spec.OnDemand, r.worked:
		return r.clock.Next(), nil
	}
	next := r.nextDue()
	if r.unsent && r.retry.Before(next) {
		next = r.retry
	}
	return next, r.wake
}

// emptyUntil is when a room that stays empty ends.
func (r *Room) emptyUntil() time.Time {
	if r.places.Load() > 0 {
		return time.Now().Add(time.Hour) // freed tells when that has changed
	}
	from := r.base.Add(time.Duration(r.touched.Load()))
	if from.Before(r.emptyFrom) {
		from = r.emptyFrom
	}
	return from.Add(r.spec.EmptyFor)
}

// nextDue is when a room to which nothing comes has to tick all the same: for a timer, or since the
// grace period of somebody who is away is over.
func (r *Room) nextDue() time.Time {
	next := r.clock.Next().Add(time.Hour)
	if len(r.core.timers) > 0 {
		if due := r.clock.due(int64(r.core.timers[0].due)); due.Before(next) {
			next = due
		}
	}
	for _, s := range r.seats {
		if s.conn == nil && s.awayUntil.Before(next) {
			next = s.awayUntil
		}
		if idle := s.activeAt.Add(r.spec.IdleFor); s.conn != nil && r.spec.IdleFor > 0 && idle.Before(next) {
			next = idle
		}
	}
	if least := r.clock.Next(); next.Before(least) {
		return least
	}
	return next
}

// wakeUp does what is due at now. over tells that the room has ended, err that the game panicked.
func (r *Room) wakeUp(now time.Time) (over bool, err error) {
	if r.asleep {
		if !r.worked {
			if now.Before(r.emptyUntil()) || !r.places.CompareAndSwap(0, -1) {
				return false, nil // somebody is on the way
			}
			r.end(now, protocol.CodeGone, "the room was empty for too long: match again", nil)
			return true, nil
		}
		r.clock.Resume(now)
		r.asleep = false
	}
	ticks, skipped := 1, time.Duration(0)
	if r.spec.OnDemand {
		if !r.worked && now.Before(r.nextDue()) {
			return r.sendAll(now)
		}
		r.clock.Jump(now)
	} else {
		due, before := r.clock.Next(), r.clock.Skipped // Advance moves the clock by what it skips
		if ticks = r.clock.Advance(now); ticks == 0 {
			return false, nil
		}
		skipped = r.clock.Skipped - before
		r.cfg.Stats.late(r.spec.Name, now.Sub(due), skipped)
	}
	if r.clock.done > lastTick {
		r.end(now, protocol.CodeGone, "the room has run for as long as a room can: match again", nil)
		return true, nil
	}
	r.worked = false
	r.setEpoch()
	left := r.left
	var took laps
	long := 0 // ticks that took longer than a step, without sending
	for i := range ticks {
		began := took.sum()
		if err := r.step(now, uint32(r.clock.done)-uint32(ticks-1-i), i == 0, &took); err != nil {
			r.fail(err)
			return true, err
		}
		if took.sum()-began > r.span(1) {
			long++
		}
	}
	if over, err := r.sendAll(now); over {
		return true, err
	}
	took[PhaseSnapshot], took[PhaseSend] = r.sent.encoding, r.sent.sending
	r.cfg.Stats.worked(r.spec.Name, ticks, &took, r.overruns(ticks, long, skipped, &took))
	if info := r.info.Load(); r.core.listed || info.Players != len(r.seats) || info.Spectators != len(r.watchers) {
		r.core.listed = false
		r.publish()
	}
	switch {
	case r.core.ended:
		r.end(now, protocol.CodeRoomEnded, "the room has ended", r.core.result)
		return true, nil
	case r.stop.Load() != nil:
		stop := r.stop.Load()
		r.end(now, stop.Code, stop.Reason, nil)
		return true, nil
	case r.outgrown(now):
		r.end(now, protocol.CodeRoomFailed, "the room grew larger than this server allows: match again", nil)
		return true, nil
	case r.empty():
		if r.asleep = true; r.left != left {
			r.emptyFrom = now
		}
		r.core.world.Forget() // whoever comes gets a KEY
		r.weigh()
	}
	if err := r.answerCheckpoints(); err != nil {
		r.fail(err)
		return true, err
	}
	return false, nil
}

// span is how long some ticks may take.
func (r *Room) span(ticks int) time.Duration {
	return time.Duration(ticks) * time.Second / time.Duration(r.spec.TickRate)
}

// overruns is how many of a waking's ticks came too late for the next one: long were so by themselves. That others made up
// for them, or were skipped, does not hide it.
func (r *Room) overruns(ticks, long int, skipped time.Duration, took *laps) int {
	if long == 0 && (skipped > 0 || took.sum() > r.span(ticks)) {
		return 1
	}
	return long
}

// sendAll is send under guard, for it asks the game who sees what.
func (r *Room) sendAll(now time.Time) (over bool, err error) {
	if err := r.core.guard(func() { r.send(now) }); err != nil {
		r.fail(err)
		return true, err
	}
	return false, nil
}

func (r *Room) setEpoch() { r.epoch.Store(int64(r.clock.start.Sub(r.base))) }

// step makes one tick, and adds to took. An error is the game's panic.
func (r *Room) step(now time.Time, number uint32, first bool, took *laps) error {
	began := r.sinceBase()
	r.busy.Store(began)
	defer r.busy.Store(0)
	r.core.number = number
	r.commands, r.recorded = r.commands[:0], 0
	if first {
		if err := r.deliver(now); err != nil {
			r.record(err)
			return err
		}
	}
	delivered := r.sinceBase()
	err := r.core.guard(func() { r.core.finish(nil) })
	stepped := r.sinceBase()
	r.record(err)
	if err == nil {
		err = r.follow()
	}
	took[PhaseMailbox] += time.Duration(delivered - began)
	took[PhaseStep] += time.Duration(stepped - delivered)
	took[PhaseRecord] += time.Duration(r.sinceBase() - stepped)
	if err != nil {
		return err
	}
	for _, k := range r.core.kicked {
		if s := k.player.seat; s != nil {
			r.free(s, protocol.CodeKicked, k.reason)
		}
	}
	return r.bid(now, true)
}

// deliver carries out what has arrived since the last tick: the mailbox, then, seat by seat, typed
// messages, farewells and grace periods that are over.
func (r *Room) deliver(now time.Time) error {
	if r.spec.OnDemand || r.empty() {
		select { // first, so that a nudge for what comes after it is not lost
		case <-r.wake:
		default:
		}
	}
	results := r.takeResults()
	if err := r.deliverRoster(); err != nil { // before the mailbox, in which a member may ask for the seat
		return err
	}
	for range len(r.mailbox) { // what comes meanwhile waits for the next tick, as the results of what is begun in this one
		if err := (<-r.mailbox).deliver(r, now); err != nil {
			return err
		}
	}
	for _, result := range results {
		r.working--
		if err := r.command(&result); err != nil {
			return err
		}
	}
	r.deliverEvents()
	r.deliverWatchers()
	for i := 0; i < len(r.seats); i++ {
		s := r.seats[i]
		if s.conn == nil && !s.player.away { // the room was restored, and the game thinks that the player is here
			if err := r.command(&command{op: opAway, player: s.player.number}); err != nil {
				return err
			}
		}
		var mail mail
		mail, r.rejected = s.letters.take(r.rejected)
		at := 0
		for _, l := range mail.list {
			m := command{op: opMessage, player: s.player.number, request: l.request, name: l.name, body: mail.bytes[at : at+l.size]}
			at += l.size
			if s.backlog.busy() {
				r.rejected = append(r.rejected, l.request)
				continue
			}
			if err := r.command(&m); err != nil {
				return err
			}
		}
		for _, request := range r.rejected {
			s.answer(r.core.number, request, "busy", "too many messages wait for the room, or answers for you: send fewer")
		}
		if s.limited.Swap(false) {
			s.answer(r.core.number, 0, "rate_limited", "you send too much: some of it was dropped")
		}
		if s.unheard.Load() && !s.backlog.busy() && (s.told == 0 || r.core.number-s.told >= uint32(r.spec.TickRate)) {
			s.unheard.Store(false)
			s.told = r.core.number
			s.answer(r.core.number, 0, "busy", "somebody whom you wrote to has too much waiting from you: some of it was dropped")
		}
		var err error
		switch {
		case s.kicked.Load() != nil:
			err = r.leave(s, CauseKicked, protocol.CodeKicked, *s.kicked.Load())
		case s.leaving.Load():
			err = r.leave(s, CauseLeft, protocol.CodeNormal, "you left")
		case s.conn == nil && !now.Before(s.awayUntil):
			count(&r.cfg.Stats.Expired, &r.counts.Expired)
			err = r.leave(s, CauseLost, protocol.CodeGone, "")
		case s.idle(now):
			count(&r.cfg.Stats.Idle, &r.counts.Idle)
			err = r.leave(s, CauseIdle, protocol.CodeIdle, "you did nothing for too long: join again when you are back")
		}
		if err != nil {
			return err
		}
		if s.player.gone {
			i--
		}
	}
	return nil
}

// command records m and carries it out.
func (r *Room) command(m *command) error {
	r.note(m)
	return r.core.guard(func() { r.core.apply(m) })
}

// join seats a player. refused is the reason why not; err the game's panic.
func (r *Room) join(j Join) (s *seat, refused, err error) {
	if r.isEnding() {
		return nil, ErrClosed, nil
	}
	if g := r.tokens.ghost(j.Who.User); g != nil && j.Who.User != "" {
		return g, nil, r.takeOver(g, j)
	}
	if len(r.seats) >= r.spec.MaxPlayers {
		return nil, ErrFull, nil
	}
	if r.core.locked {
		return nil, ErrLocked, nil
	}
	r.note(&command{op: opJoin, who: j.Who})
	s = r.newSeat(j)
	s.session.Number = r.core.lastPlayer + 1
	r.cfg.Registry.Add(s.session) // already now: Join may send to the user
	var p *Player
	err = r.core.guard(func() { p, refused = r.core.join(j.Who, s) })
	if err != nil || refused != nil {
		r.turnAway(s, err == nil)
		return nil, refused, err
	}
	r.joined++
	s.player, s.feed = p, p.feed
	r.seat(s, r.core)
	r.seats = append(r.seats, s)
	r.tokens.show(s)
	return s, nil, nil
}

// isEnding reports whether nobody can come in any more.
func (r *Room) isEnding() bool { return r.stop.Load() != nil || r.core.ended || r.ending.Load() != 0 }

// newSeat is what every seat begins as, a spectator's too.
func (r *Room) newSeat(j Join) *seat {
	s := &seat{room: r, pass: newPass(), released: j.Released, conn: j.Conn, welcome: true}
	if r.spec.IdleFor > 0 {
		s.see = s.noteInput
	}
	s.pass.place = j.Place
	s.session = player.NewSession(j.Who.User, j.Who.Name, s, r.cfg.Limits, r.cfg.PlayerStats)
	s.session.Room, s.session.Kind = r.id, r.spec.Name
	s.backlog.limit = r.spec.Backlog
	s.attempt = j.Attempt
	return s
}

// turnAway forgets a seat that was refused. What the game has sent to it is told, behind a WELCOME; the refusal, which
// closes the connection, is the caller's to tell.
func (r *Room) turnAway(s *seat, tell bool) {
	r.cfg.Registry.Remove(s.session)
	if !tell {
		return
	}
	r.event = s.letters.takeEvents(&s.backlog, r.core.number, r.event)
	s.world, s.feed = r.core.world, nil // no token: there is nothing to come back to
	s.player = &Player{number: s.session.Number, gone: true}
	r.sendLast(s, time.Now(), false)
}

// seat lets s see a world and be reached.
func (r *Room) seat(s *seat, c *core) {
	s.watch(c)
	s.session.Attach(s.conn, 0)
}

// watch lets s see a world.
func (s *seat) watch(c *core) {
	s.world = c.world
	p := s.player
	if p.number == 0 {
		p = nil
	}
	s.view = c.world.NewView(s.player.number, sees(c.seer, p))
	s.session.Number = s.player.number
}

func (r *Room) empty() bool { return len(r.seats)+len(r.watchers) == 0 }

func sees(seer Seer, p *Player) func(table int, id stateID) bool {
	if seer == nil {
		return nil
	}
	return func(table int, id stateID) bool { return seer.Sees(p, table, id) }
}

// takeOver gives a seat that its client has never heard of to the same user, who has come again.
func (r *Room) takeOver(s *seat, j Join) error {
	r.tokens.hide(s)
	s.pass = newPass()
	s.pass.place, s.attempt = j.Place, j.Attempt
	r.tokens.show(s)
	if s.released != nil {
		s.released()
	}
	s.released = j.Released
	return r.resume(s, Resume{Conn: j.Conn, Key: true}, false)
}

// resume gives s a new connection, to a client that knows of the seat or not. An error is the game's panic.
func (r *Room) resume(s *seat, v Resume, known bool) error {
	tick := v.Tick
	if tick > s.newest {
		tick = 0 // nonsense: start over
	}
	s.backlog.ack(s.session.Flow.Acked()) // what came since the last tick counts, whatever the client says now
	s.backlog.rewind(tick)
	if ok := s.view.Rewind(tick); v.Key || !ok {
		s.view.Rewind(0)
		tick = 0
	}
	s.view.Hold(v.Tick, v.Tick <= s.newest)
	if old := s.session.Attach(v.Conn, tick); old != nil {
		old.Close(protocol.CodeReplaced, "this seat was taken over by a newer connection", nil)
	}
	s.conn, s.welcome, s.resumed, s.ended = v.Conn, true, known, false
	s.stirred.Store(true)
	s.began = time.Time{}
	if !s.player.away {
		return nil
	}
	return r.command(&command{op: opBack, player: s.player.number})
}

// leave takes s's player out of the game. An error is the game's panic.
func (r *Room) leave(s *seat, why Cause, code protocol.Code, reason string) error {
	err := r.command(&command{op: opLeave, player: s.player.number, cause: why})
	r.free(s, code, reason)
	return err
}

// free gives up the seat of a player who has left the game.
func (r *Room) free(s *seat, code protocol.Code, reason string) {
	r.seats = slices.DeleteFunc(r.seats, func(o *seat) bool { return o == s })
	r.vacate(s, Words{Code: code, Reason: reason})
}

func (r *Room) seatByNumber(number uint32) *seat {
	for _, s := range r.seats {
		if s.player.number == number {
			return s
		}
	}
	return nil
}

// sinceBase is now, for busy, of which 0 means idle.
func (r *Room) sinceBase() int64 { return max(int64(time.Since(r.base)), 1) }
