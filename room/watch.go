package room

import (
	"slices"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// watch lets somebody see the room without a seat. A spectator is not part of the game: nothing of it is recorded but
// that the game was asked whether it may come, and who loses the connection has left.
func (r *Room) watch(j Join) (s *seat, refused, err error) {
	if r.isEnding() {
		return nil, ErrClosed, nil
	}
	if len(r.watchers) >= r.spec.Spectators {
		return nil, ErrFull, nil
	}
	s = r.newSeat(j)
	r.cfg.Registry.Add(s.session)
	if r.core.admitter != nil {
		m := command{op: opWatch, who: j.Who}
		r.note(&m)
		err = r.core.guard(func() { refused = r.core.admit(&m) })
		if err != nil || refused != nil {
			r.turnAway(s, err == nil)
			return nil, refused, err
		}
	}
	s.player = &Player{who: j.Who}
	c := r.core
	if r.delayed != nil {
		c = r.delayed.core
	}
	r.seat(s, c)
	r.watchers = append(r.watchers, s)
	c.watchers = append(c.watchers, &s.backlog)
	return s, nil, nil
}

// unwatch gives up a spectator's place.
func (r *Room) unwatch(s *seat, code protocol.Code, reason string) {
	i := slices.Index(r.watchers, s)
	r.watchers = slices.Delete(r.watchers, i, i+1)
	c := r.core
	if r.delayed != nil {
		c = r.delayed.core
	}
	c.watchers = slices.DeleteFunc(c.watchers, func(b *backlog) bool { return b == &s.backlog })
	r.vacate(s, Words{Code: code, Reason: reason})
}

// stopWatching is for a connection that has ended; false if it was no spectator's.
func (r *Room) stopWatching(session *player.Session) bool {
	for _, s := range r.watchers {
		if s.session == session {
			s.conn = nil
			r.unwatch(s, protocol.CodeLost, "")
			return true
		}
	}
	return false
}

// dismiss gives up all spectators' places.
func (r *Room) dismiss(w Words) {
	for _, s := range r.watchers {
		r.vacate(s, w)
	}
	r.watchers = nil
}

// deliverWatchers answers what spectators sent, which is nothing but farewells.
func (r *Room) deliverWatchers() {
	for i := 0; i < len(r.watchers); i++ {
		s := r.watchers[i]
		var mail mail
		mail, r.rejected = s.letters.take(r.rejected)
		for _, l := range mail.list {
			r.rejected = append(r.rejected, l.request)
		}
		for _, request := range r.rejected {
			s.answer(r.core.number, request, "spectator", "spectators only watch")
		}
		switch {
		case s.kicked.Load() != nil:
			r.unwatch(s, protocol.CodeKicked, *s.kicked.Load())
		case s.leaving.Load():
			r.unwatch(s, protocol.CodeNormal, "you left")
		default:
			continue
		}
		i--
	}
}

// deliverEvents puts what was announced into the players' backlogs, and the spectators'.
func (r *Room) deliverEvents() {
	r.eventsMu.Lock()
	r.events, r.announced = r.announced[:0], r.events
	r.eventsMu.Unlock()
	for _, list := range [2][]*seat{r.seats, r.watchers} {
		for _, s := range list {
			r.event = s.letters.takeEvents(&s.backlog, r.core.number, r.event)
		}
	}
	for _, e := range r.announced {
		r.event = e.Append(r.event[:0], r.core.number)
		for _, list := range [2][]*seat{r.seats, r.watchers} {
			for _, s := range list {
				s.backlog.announce(r.event, e)
			}
		}
	}
	clear(r.announced)
}

// follow lets the world that spectators see make the tick that is SpectatorDelay ticks older than the
// one just recorded: a room is a function of its inputs, so the past is made again from them.
func (r *Room) follow() error {
	if r.delayed == nil {
		return nil
	}
	r.followed++
	return r.showNext(r.frame)
}

// showNext lets the world that spectators see make its next tick, and keeps frame for later.
func (r *Room) showNext(frame []byte) error {
	due := &r.late[r.lateAt]
	r.lateAt = (r.lateAt + 1) % len(r.late)
	var err error
	if len(*due) > 0 {
		if r.origin != nil {
			err = r.delayed.core.restore(r.origin)
			r.origin = nil
		}
		if err == nil {
			err = r.delayed.Step(*due)
		}
	}
	*due = append((*due)[:0], frame...)
	return err
}
