package matchmaker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room/lobby"
)

// Run makes a round for each kind every second, and soon after somebody came, until ctx is done. Then whoever waits is told
// ErrStopped. Run is called once. The error is ctx's.
func (m *Matchmaker) Run(ctx context.Context) error {
	defer m.stop()
	var wg sync.WaitGroup
	for _, q := range m.queues {
		wg.Go(func() { m.serve(ctx, q) })
	}
	<-ctx.Done()
	wg.Wait()
	return ctx.Err()
}

// serve makes the rounds of one kind.
func (m *Matchmaker) serve(ctx context.Context, q *queue) {
	next := time.NewTimer(roundEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
			select { // others who come at the same time come along
			case <-ctx.Done():
				return
			case <-time.After(gatherFor):
			}
		case <-next.C:
		}
		m.round(ctx, q, time.Now())
		next.Reset(roundEvery)
	}
}

func (m *Matchmaker) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	close(m.done)
}

// Check goes through what everybody who waits goes through. It waits for ever if that hangs, for a health check to notice.
func (m *Matchmaker) Check() {
	m.mu.Lock()
	defer m.mu.Unlock()
}

// round does what is due at now for one kind.
func (m *Matchmaker) round(ctx context.Context, q *queue, now time.Time) {
	select {
	case <-q.wake: // who came by now is in this round
	default:
	}
	m.expire(now, q)
	places := m.backfill(now, q, m.snapshot(now, q))
	entries := make([]Entry, len(places))
	for i, p := range places {
		r := &p.request
		entries[i] = Entry{ID: p.id, Since: p.since, Skill: r.Skill, Party: r.Party, PartySize: r.PartySize, Properties: r.Properties}
	}
	for _, match := range Round(now, q.rules, entries) {
		if ctx.Err() != nil || !m.open(q, match, places) {
			break
		}
	}
	m.report(now, q)
}

// expire forgets the places for which nobody asks, those of users who were banned while they waited, and those that were
// replaced, when the newer one waits no longer and some time has passed.
func (m *Matchmaker) expire(now time.Time, q *queue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.places {
		if p.queue != q {
			continue
		}
		if p.by != nil {
			if waits := !p.by.left && p.by.result == nil; !waits && now.Sub(p.at) >= VanishAfter {
				delete(m.places, p.id)
			}
			continue
		}
		vanished := p.polls == 0 && now.Sub(p.seen) >= VanishAfter
		switch {
		case vanished && p.result == nil:
			m.cfg.Stats.Vanished.Add(1)
		case vanished: // the result was to be had for long enough
		case p.result == nil && m.banned(now, p.request.Who.User):
			m.cfg.Stats.Cancelled.Add(1)
		default:
			continue
		}
		m.removeLocked(p)
	}
}

func (m *Matchmaker) banned(now time.Time, user string) bool {
	if m.cfg.Registry == nil {
		return false
	}
	_, _, banned := m.cfg.Registry.Banned(now, user)
	return banned
}

// snapshot lists who may be matched now.
func (m *Matchmaker) snapshot(now time.Time, q *queue) []*place {
	m.mu.Lock()
	defer m.mu.Unlock()
	places := make([]*place, 0, len(q.waiting))
	for _, p := range q.waiting {
		if m.attendedLocked(p, now) {
			places = append(places, p)
		}
	}
	return places
}

// open makes the room of a match. False: the server has no place for further ones.
func (m *Matchmaker) open(q *queue, match Match, places []*place) bool {
	var members []*place
	var teams []int
	for team, list := range match.Teams {
		for _, i := range list {
			members, teams = append(members, places[i]), append(teams, team+1)
		}
	}
	if m.anyLeft(members) {
		return true // somebody left: the others are in the next round
	}
	roster := make([]lobby.Member, len(members))
	for i, p := range members {
		roster[i] = lobby.Member{By: p.request.by(), Team: teams[i]}
	}
	seats, err := m.cfg.Rooms.Reserve(q.kind, roster)
	now := time.Now()
	if err != nil {
		m.fail(q.kind, members, err)
		return false
	}
	q.note(seats[0].Room().ID(), members)
	m.cfg.Stats.Matches.Add(1)
	m.cfg.Stats.Matched.Add(int64(len(members)))
	for i, p := range members {
		m.cfg.Stats.Waited.Observe(int64(now.Sub(p.since)))
		m.seat(now, p, seats[i], teams[i])
	}
	return true
}

// seat gives p's result to whoever waits there, or at the place that has replaced it meanwhile.
func (m *Matchmaker) seat(now time.Time, p *place, seat *lobby.Seat, team int) {
	for p = m.heir(p); p != nil; p = m.heir(p) {
		reply := p.request.Reply(now, seat, team)
		if !m.settle(now, p, seat, team, &reply) {
			continue
		}
		m.send(p.request.Who.User, "match", map[string]any{
			"queue": p.id, "room": reply.Room, "url": reply.URL, "player": reply.Player, "team": reply.Team,
		})
		return
	}
	m.giveUp(seat)
}

// heir is the place at which p's player waits for the same match now, nil if nowhere.
func (m *Matchmaker) heir(p *place) *place {
	m.mu.Lock()
	defer m.mu.Unlock()
	if by := p.by; by != nil && p.request.alike(&by.request) {
		p = by
	}
	if p.left || p.result != nil {
		return nil
	}
	return p
}

func (m *Matchmaker) anyLeft(members []*place) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(members, func(p *place) bool { return p.left })
}

// fail is for a match whose members wait on.
func (m *Matchmaker) fail(kind string, members []*place, err error) {
	if errors.Is(err, lobby.ErrFull) || errors.Is(err, lobby.ErrDraining) {
		m.cfg.Stats.Starved.Add(1)
		return
	}
	m.cfg.Stats.Failed.Add(1)
	if errors.Is(err, lobby.ErrHangs) {
		return // the lobby has told of it
	}
	m.cfg.Log.Error("a match could not be opened: its players wait on", "kind", kind, "players", len(members), "error", err)
}

// settle gives p its result. False: p has left meanwhile.
func (m *Matchmaker) settle(now time.Time, p *place, seat *lobby.Seat, team int, reply *protocol.MatchReply) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.left {
		return false
	}
	p.result, p.seat, p.team, p.seen = reply, seat, team, now
	m.dequeueLocked(p)
	p.queue.matched[p.request.Who.User] = p
	p.announce()
	return true
}

// report tells users who are in some room how their waiting goes.
func (m *Matchmaker) report(now time.Time, q *queue) {
	if m.cfg.Registry == nil || m.cfg.Registry.Len() == 0 {
		return
	}
	type news struct {
		user string
		protocol.QueueReply
	}
	var list []news
	m.mu.Lock()
	for user, p := range q.waiting {
		if now.Sub(p.told) >= progressEvery {
			p.told = now
			list = append(list, news{user, p.progress(now)})
		}
	}
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b news) int { return strings.Compare(a.Queue, b.Queue) })
	for i := range list {
		r := &list[i]
		m.send(r.user, "queue", map[string]any{
			"queue": r.Queue, "waited": r.Waited, "waiting": r.Waiting, "window": r.Window, "missing": r.Missing,
		})
	}
}

// send sends a user an event, in whatever rooms the user is.
func (m *Matchmaker) send(user, name string, body map[string]any) {
	if m.cfg.Registry == nil || len(m.cfg.Registry.User(user)) == 0 {
		return
	}
	e, err := player.NewEvent(name, body)
	if err != nil { // an address far too long: the poll brings it all the same
		m.cfg.Log.Error("an event of the queue could not be sent", "event", name, "error", err)
		return
	}
	m.cfg.Registry.Send(user, e)
}
