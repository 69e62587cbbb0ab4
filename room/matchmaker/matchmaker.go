// Package matchmaker matches players by skill: Round says who plays with whom, and a Matchmaker is the queue of one
// server, which asks it once a second, opens a room for each match and holds its members' seats there. Where the
// rooms are is package room/lobby's business; who a player is, and what a ticket looks like, the gateway's.
//
// Goroutines: in Run, one for each kind that has a queue, which makes its rounds; it alone matches those who wait there, so
// that nobody is matched twice, and a game whose room takes long to make holds up its own queue alone. The other methods
// may be called from any goroutine. One mutex guards the queues; neither Round nor the making of a room is
// under it.
package matchmaker

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
)

// Why somebody has no place in a queue. Enter returns a *room.Error besides, for what is wrong with a request.
var (
	ErrUnknown  = errors.New("there is no such place in a queue: it was left, cancelled or not asked for in time; match again")
	ErrReplaced = errors.New("this place in the queue was replaced by a newer one of the same player: only that one is matched")
	ErrFull     = errors.New("too many players wait: try again later")
	ErrStopped  = errors.New("the server is stopping: match again in a moment")
	ErrSkill    = errors.New("the skill of the player could not be found out: try again in a moment")
)

const (
	// VanishAfter is how long a place is kept for whom nobody asks.
	VanishAfter = 30 * time.Second
	// AttendedFor is how long after a poll a player can be matched who is in no room: others should not be matched
	// with somebody who may have gone.
	AttendedFor = 5 * time.Second
	// MaxWait is the longest that Poll waits.
	MaxWait = 20 * time.Second
	// DefaultMaxWaiting is that of a Config.
	DefaultMaxWaiting = 20_000

	DefaultUserPlaces    = 8
	DefaultAddressPlaces = 500

	roundEvery    = time.Second            // since windows widen and clients vanish
	gatherFor     = 100 * time.Millisecond // how long a newcomer waits for a round at the most; others come along
	progressEvery = 5 * time.Second        // between two events that tell a waiting user of progress

	// maxInherited is how much waiting a new place takes over from the one that it replaces.
	maxInherited = 5 * time.Minute
	// maxReplaced is how many replaced places of a user are told so; older ones are unknown.
	maxReplaced = 8
	// skillPatience is how long QueueRules.Skill may take.
	skillPatience = 5 * time.Second
)

// Limits of a Request.
const (
	MaxSkill      = 1e9 // either way
	MaxProperties = 8
	MaxText       = 64 // bytes of a party's code, and of a property's name and value
)

// Rooms opens rooms for matches. *lobby.Lobby does.
type Rooms interface {
	Kinds() []*room.Spec
	// Reserve makes a room and holds a seat in it for each member. Of its errors lobby.ErrFull is expected: the players wait on.
	Reserve(kind string, match []lobby.Member) ([]*lobby.Seat, error)
	// Matches lists the rooms of a kind that were made by Reserve, and whom they ask for; Place holds a seat there for one of those.
	Matches(kind string) ([]lobby.Wanting, error)
	Place(room string, m lobby.Member) (*lobby.Seat, error)
	// Fits says why somebody may not have one more seat, if so.
	Fits(by quota.Holder) error
	// Take takes a held seat, so that it can be released.
	Take(seat string) (*lobby.Seat, bool)
	// Held reports whether Take would find the seat.
	Held(seat string) bool
}

// Config is what a Matchmaker needs. The zero value of each field but Rooms is its default.
type Config struct {
	Rooms      Rooms            // required
	Registry   *player.Registry // through which users are told, in the rooms that they are in; nil: they are not
	MaxWaiting int              // players, in all queues; 20,000 by default

	// Places limits what each user and address may have of places in queues at the same time: 8 and 500 by default, but no
	// address more than a quarter of MaxWaiting, and no network more than three quarters. A negative number is without limit.
	Places quota.Limits

	Stats *Stats       // nil: a set of its own
	Log   *slog.Logger // nil: slog.Default
}

// Stats counts what happens to those who wait.
type Stats struct {
	Waiting    atomic.Int64 // players in a queue now
	Entered    atomic.Int64
	Matched    atomic.Int64 // players
	Matches    atomic.Int64
	Backfilled atomic.Int64 // players who came into a running match; among those matched, too
	Cancelled  atomic.Int64 // places given up, those replaced by a new one of the same user, and of banned users, included
	Vanished   atomic.Int64 // places for which nobody asked
	Starved    atomic.Int64 // matches that found no place on the server; the players waited on
	Failed     atomic.Int64 // matches whose game could not be made; likewise

	Waited *room.Histogram // nanoseconds from entering a queue to the match, of each player; New makes it
}

// Request is a player who wants to be matched.
type Request struct {
	Kind       string
	Who        room.Identity // the user has one place in the queue of a kind: a new one replaces it
	Addr       netip.Addr    // from where
	Skill      float64       // as the client says, for kinds whose QueueRules have ClientSkill; else 0
	Properties map[string]string
	Party      string
	PartySize  int

	// Reply makes the answer for a player who was matched. It may be called on Run's goroutines or by Enter, and must not wait.
	Reply func(now time.Time, seat *lobby.Seat, team int) protocol.MatchReply
}

// by is who is to have the place, and the seat.
func (r *Request) by() quota.Holder { return quota.Holder{User: r.Who.User, Addr: r.Addr} }

// alike reports whether o asks for the same match as r, so that it may stand in its place.
func (r *Request) alike(o *Request) bool {
	return r.Skill == o.Skill && r.Party == o.Party && r.PartySize == o.PartySize && maps.Equal(r.Properties, o.Properties)
}

// Matchmaker is the queues of one server.
type Matchmaker struct {
	cfg  Config
	done chan struct{}  // closed when Run returns
	held *quota.Counter // places of those who wait

	mu      sync.Mutex
	stopped bool
	queues  map[string]*queue // by kind; the map itself is not changed
	places  map[string]*place // by id, matched and replaced ones included
	waiting int
}

// queue is those who wait for one kind of room. Matchmaker.mu guards it.
type queue struct {
	kind    string
	rules   room.QueueRules
	wake    chan struct{}                // capacity 1: somebody came
	waiting map[string]*place            // by user
	matched map[string]*place            // by user: those whose result can be had
	running map[string]*running          // matches by room; the goroutine that makes the rounds alone
	parties map[string]map[string]*place // by code, then by user
}

func newQueue(kind string, rules room.QueueRules) *queue {
	return &queue{
		kind: kind, rules: rules, wake: make(chan struct{}, 1),
		waiting: map[string]*place{}, matched: map[string]*place{}, running: map[string]*running{}, parties: map[string]map[string]*place{},
	}
}

// place is a player's place in a queue. Matchmaker.mu guards what changes.
type place struct {
	id      string
	request Request
	queue   *queue
	since   time.Time // when the user came, to this place or to one that it replaced

	seen   time.Time     // when somebody last asked
	polls  int           // that wait
	cut    bool          // the last one's connection broke
	news   chan struct{} // closed when there is something to tell
	told   time.Time     // when the user was sent an event
	left   bool
	result *protocol.MatchReply
	seat   *lobby.Seat
	team   int

	by       *place    // the user's newest place, which has replaced this one; nil: it was not replaced
	at       time.Time // when that was
	replaced []*place  // by this one, oldest first
}

// New returns a Matchmaker. It starts nothing; Run does.
func New(cfg Config) (*Matchmaker, error) {
	if cfg.Rooms == nil || cfg.MaxWaiting < 0 {
		return nil, errors.New("matchmaker: Rooms is missing, or MaxWaiting is negative: use 0 for the default")
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = DefaultMaxWaiting
	}
	if cfg.Stats == nil {
		cfg.Stats = new(Stats)
	}
	if cfg.Stats.Waited == nil {
		second := int64(time.Second)
		cfg.Stats.Waited = room.NewHistogram(second, 2*second, 5*second, 10*second, 20*second, 30*second, 60*second, 120*second, 300*second)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	for _, f := range []struct {
		limit   *int
		byUsual int
	}{
		{&cfg.Places.User, DefaultUserPlaces}, {&cfg.Places.Address, min(DefaultAddressPlaces, max(cfg.MaxWaiting/4, 1))},
		{&cfg.Places.Network, max(cfg.MaxWaiting*3/4, 1)},
	} {
		if *f.limit == 0 {
			*f.limit = f.byUsual
		}
		*f.limit = max(*f.limit, 0)
	}
	m := &Matchmaker{
		cfg: cfg, done: make(chan struct{}), held: quota.New("places in queues", cfg.Places), queues: map[string]*queue{}, places: map[string]*place{},
	}
	for _, s := range cfg.Rooms.Kinds() {
		if s.Queue != nil {
			m.queues[s.Name] = newQueue(s.Name, *s.Queue)
		}
	}
	return m, nil
}

// Enter puts a player into a queue and returns how things stand there; QueueReply.Queue names the place. A place
// that the user has already is replaced, and whoever polls for it gets ErrReplaced. If both ask for the same match, the new
// one goes on with the waiting of the old one, and takes over its match if there is one by now whose seat is still held. The
// error is ErrFull, ErrStopped, ctx's, a *quota.Error, wraps ErrSkill or lobby.ErrUnknownKind, or is a *room.Error that says what to change.
func (m *Matchmaker) Enter(ctx context.Context, now time.Time, r Request) (protocol.QueueReply, error) {
	q, err := m.check(&r)
	if err != nil {
		return protocol.QueueReply{}, err
	}
	if q.rules.Skill != nil {
		if r.Skill, err = skillOf(ctx, &q.rules, r.Who); err != nil {
			return protocol.QueueReply{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	user := r.Who.User
	switch {
	case m.stopped:
		return protocol.QueueReply{}, ErrStopped
	case m.waiting >= m.cfg.MaxWaiting && q.waiting[user] == nil:
		return protocol.QueueReply{}, ErrFull
	}
	if err := q.admits(&r); err != nil {
		return protocol.QueueReply{}, err
	}
	if err := m.cfg.Rooms.Fits(r.by()); err != nil {
		return protocol.QueueReply{}, err
	}
	if q.waiting[user] == nil {
		if err := m.held.Fits(r.by()); err != nil {
			return protocol.QueueReply{}, err
		}
	}
	p := &place{id: crand.Text(), request: r, queue: q, since: now, seen: now, told: now, news: make(chan struct{})}
	m.places[p.id] = p
	for _, old := range []*place{q.waiting[user], q.matched[user]} {
		if old != nil {
			m.replaceLocked(now, old, p)
		}
	}
	if p.result != nil {
		return p.progress(now), nil // the next poll brings it
	}
	q.waiting[user] = p
	m.held.Add(r.by()) // the place that it replaced is no longer counted
	if r.Party != "" {
		if q.parties[r.Party] == nil {
			q.parties[r.Party] = map[string]*place{}
		}
		q.parties[r.Party][user] = p
		q.tell(r.Party)
	}
	m.countLocked(1)
	m.cfg.Stats.Entered.Add(1)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return p.progress(now), nil
}

// skillOf asks the kind's rules for a player's skill.
func skillOf(ctx context.Context, rules *room.QueueRules, who room.Identity) (skill float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, skillPatience)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: QueueRules.Skill panicked: %v", ErrSkill, v)
		}
	}()
	var refused *room.Error
	switch skill, err = rules.Skill(ctx, who); {
	case errors.As(err, &refused):
		return 0, refused
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrSkill, err)
	case math.IsNaN(skill) || math.Abs(skill) > MaxSkill:
		return 0, fmt.Errorf("%w: it is %v, and must be from -1e9 to 1e9", ErrSkill, skill)
	}
	return skill, nil
}

// replaceLocked has p stand in the place of old, of the same user.
func (m *Matchmaker) replaceLocked(now time.Time, old, p *place) {
	p.replaced = append(p.replaced, append(old.replaced, old)...)
	for len(p.replaced) > maxReplaced {
		delete(m.places, p.replaced[0].id)
		p.replaced = p.replaced[1:]
	}
	for _, o := range p.replaced {
		o.by = p
	}
	old.replaced, old.at = nil, now
	alike := old.request.alike(&p.request)
	if old.result == nil {
		m.cfg.Stats.Cancelled.Add(1)
		if alike && old.since.Before(p.since) {
			p.since = old.since
			if least := now.Add(-maxInherited); p.since.Before(least) {
				p.since = least
			}
		}
	}
	m.retireLocked(old)
	switch {
	case old.result == nil || !m.cfg.Rooms.Held(old.seat.ID()): // if it was taken, the user plays that match, or has
	case !alike:
		m.giveUp(old.seat)
	default:
		reply := p.request.Reply(now, old.seat, old.team)
		p.result, p.seat, p.team = &reply, old.seat, old.team
		p.queue.matched[p.request.Who.User] = p
	}
}

// check finds the queue for a request, and says what is wrong with it.
func (m *Matchmaker) check(r *Request) (*queue, error) {
	q := m.queues[r.Kind]
	if q == nil {
		if !slices.ContainsFunc(m.cfg.Rooms.Kinds(), func(s *room.Spec) bool { return s.Name == r.Kind }) {
			return nil, fmt.Errorf("%w %.40q", lobby.ErrUnknownKind, r.Kind)
		}
		return nil, badf("kind %q has no queue: use mode %q", r.Kind, protocol.ModeQuick)
	}
	switch {
	case r.Skill != 0 && !q.rules.ClientSkill:
		return nil, badf(`field "skill" is not for kind %q, whose server knows how good players are: leave it out`, r.Kind)
	case math.IsNaN(r.Skill) || math.Abs(r.Skill) > MaxSkill:
		return nil, badf(`field "skill" must be a number from -1e9 to 1e9`)
	case len(r.Properties) > MaxProperties:
		return nil, badf(`field "properties" has %d of them: at most %d are allowed`, len(r.Properties), MaxProperties)
	case r.Party == "" && r.PartySize != 0:
		return nil, badf(`field "party_size" needs "party", the code that the friends share`)
	case r.Party != "" && !fine(r.Party):
		return nil, badf(`field "party" must be text of at most %d bytes`, MaxText)
	case r.Party != "" && (r.PartySize < 2 || r.PartySize > q.rules.TeamSize):
		if q.rules.TeamSize < 2 {
			return nil, badf(`field "party" is not for kind %q, where everybody plays alone: leave it out`, r.Kind)
		}
		return nil, badf(`field "party_size" must be from 2 to %d, the size of a team`, q.rules.TeamSize)
	}
	for k, v := range r.Properties {
		if k == "" || !fine(k) || !fine(v) {
			return nil, badf(`field "properties": names and values are text of at most %d bytes, and no name is empty`, MaxText)
		}
	}
	return q, nil
}

func fine(s string) bool { return len(s) <= MaxText && utf8.ValidString(s) }

func badf(format string, args ...any) error {
	return room.Errorf(protocol.ErrBadRequest, format, args...)
}

// admits says why the party does not take a friend.
func (q *queue) admits(r *Request) error {
	if r.Party == "" {
		return nil
	}
	others := 0
	for user, p := range q.parties[r.Party] {
		if user == r.Who.User {
			continue // replaced
		}
		if others++; p.request.PartySize != r.PartySize {
			return badf(`field "party_size" is %d, but others of this party say %d: agree on one`, r.PartySize, p.request.PartySize)
		}
		if propertyKey(p.request.Properties) != propertyKey(r.Properties) {
			return badf(`field "properties" differs from what others of this party say: agree on them`)
		}
	}
	if others >= r.PartySize {
		return badf("the party is complete with %d: choose another code", r.PartySize)
	}
	return nil
}

// tell wakes who polls for a member of a party.
func (q *queue) tell(party string) {
	for _, p := range q.parties[party] {
		p.announce()
	}
}

// announce wakes who polls.
func (p *place) announce() {
	close(p.news)
	p.news = make(chan struct{})
}

// progress is how things stand for p. The caller holds Matchmaker.mu.
func (p *place) progress(now time.Time) protocol.QueueReply {
	r := protocol.QueueReply{Queue: p.id, Waited: now.Sub(p.since).Seconds(), Waiting: len(p.queue.waiting)}
	since := p.since
	if p.request.Party != "" {
		friends := p.queue.parties[p.request.Party]
		r.Missing = max(p.request.PartySize-len(friends), 0)
		for _, f := range friends {
			if f.since.After(since) {
				since = f.since
			}
		}
	}
	waited := now.Sub(since)
	if r.Missing > 0 {
		waited = 0
	}
	r.Window = WindowAt(p.queue.rules, waited)
	return r
}

// attendedLocked reports whether somebody waits for p's match, as far as one can tell.
func (m *Matchmaker) attendedLocked(p *place, now time.Time) bool {
	return p.polls > 0 || !p.cut && now.Sub(p.seen) < AttendedFor ||
		m.cfg.Registry != nil && slices.ContainsFunc(m.cfg.Registry.User(p.request.Who.User), func(s *player.Session) bool { return !s.Away() })
}

// Poll waits for news of a place, at most for wait: for a match, or for a friend who comes or goes. The result is nil
// while the player has not been matched; then progress says how things stand. The result of a match can be had
// until VanishAfter has passed. After ctx has ended, a player who is in no room is not matched until somebody asks again. The error is
// ErrUnknown, ErrReplaced, ErrStopped or ctx's.
func (m *Matchmaker) Poll(ctx context.Context, id string, wait time.Duration) (progress protocol.QueueReply, result *protocol.MatchReply, err error) {
	timer := time.NewTimer(min(max(wait, 0), MaxWait))
	defer timer.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.places[id]
	if p == nil || p.left {
		return progress, nil, m.goneLocked(p)
	}
	if p.result == nil && wait > 0 {
		p.polls++
		news := p.news
		m.mu.Unlock()
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		case <-m.done:
		}
		m.mu.Lock()
		p.polls--
	}
	now := time.Now()
	switch {
	case p.left || m.stopped && p.result == nil:
		return progress, nil, m.goneLocked(p)
	case p.result != nil: // seen stays the time of the match
		return progress, p.result, nil
	}
	p.seen, p.cut = now, err != nil
	return p.progress(now), nil, err
}

// goneLocked says why nobody waits at p, nil if it is not known.
func (m *Matchmaker) goneLocked(p *place) error {
	switch {
	case m.stopped:
		return ErrStopped
	case p != nil && p.by != nil:
		return ErrReplaced
	}
	return ErrUnknown
}

// Cancel gives a place up. If the player has been matched, the seat is given up, unless it was taken. The error is
// ErrUnknown, ErrReplaced or ErrStopped.
func (m *Matchmaker) Cancel(id string) error {
	m.mu.Lock()
	p := m.places[id]
	if p == nil || p.left {
		defer m.mu.Unlock()
		return m.goneLocked(p)
	}
	m.cfg.Stats.Cancelled.Add(1)
	m.removeLocked(p)
	seat := p.seat
	m.mu.Unlock()
	m.giveUp(seat)
	return nil
}

// giveUp releases a seat if it is still held.
func (m *Matchmaker) giveUp(seat *lobby.Seat) {
	if seat == nil {
		return
	}
	if s, ok := m.cfg.Rooms.Take(seat.ID()); ok {
		s.Release()
	}
}

func (m *Matchmaker) countLocked(by int) {
	m.waiting += by
	m.cfg.Stats.Waiting.Store(int64(m.waiting))
}

// removeLocked forgets a place.
func (m *Matchmaker) removeLocked(p *place) {
	delete(m.places, p.id)
	m.retireLocked(p)
}

// retireLocked has nobody wait at p any more.
func (m *Matchmaker) retireLocked(p *place) {
	if p.left {
		return
	}
	p.left = true
	m.dequeueLocked(p)
	if user := p.request.Who.User; p.queue.matched[user] == p {
		delete(p.queue.matched, user)
	}
	p.announce()
}

// dequeueLocked takes a place out of its queue.
func (m *Matchmaker) dequeueLocked(p *place) {
	q := p.queue
	if q.waiting[p.request.Who.User] != p {
		return
	}
	delete(q.waiting, p.request.Who.User)
	m.held.Give(p.request.by())
	m.countLocked(-1)
	if code := p.request.Party; code != "" {
		if delete(q.parties[code], p.request.Who.User); len(q.parties[code]) == 0 {
			delete(q.parties, code)
		}
		q.tell(code)
	}
}
