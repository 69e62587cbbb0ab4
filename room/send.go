package room

import (
	"fmt"
	"math"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

type stateID = state.ID

const (
	// warnUnacknowledged is for how long a client that gets snapshots may acknowledge none before it is told, and
	// maxUnacknowledged before its connection is closed.
	warnUnacknowledged = 15 * time.Second
	maxUnacknowledged  = 45 * time.Second

	// A KEY in parts may take keyTime, and a second for each keyPace bytes.
	keyTime = 30 * time.Second
	keyPace = 6 << 10

	// maxSchema is the longest description of a kind's tables and inputs, in bytes: it must fit into a WELCOME.
	maxSchema = 48 << 10
)

var errOwnCut = fmt.Errorf("%w: those of one player's entities take more than 56 KiB, and some are not sent", errTooLarge)

// maxHash is the longest HASH, in bytes.
const maxHash = 12

// send brings up to date every player whom flow control lets. Who is skipped gets one DELTA over all
// the ticks between, later.
func (r *Room) send(now time.Time) {
	step := time.Second / time.Duration(r.spec.TickRate)
	r.unsent = false
	r.sent = sent{}
	r.retry = now.Add(step)
	r.sent.lap = r.sinceBase()
	for _, s := range r.seats {
		r.consider(s, now, step)
	}
	for _, s := range r.watchers {
		r.consider(s, now, step)
	}
	r.sent.encoding += r.sent.since(r.sinceBase())
	r.cfg.Stats.sent(r.spec.Name, &r.sent)
}

// sent is what one round of sending comes to, to be added to the shared counters at once.
type sent struct {
	snapshots, keyframes, bytes, congested, unacknowledged int

	sizes, rtts, ages tally
	encoding, sending time.Duration
	lap               int64 // when the last of these ended: nanoseconds after Room.base
}

// since is how much time has passed since the last call, or since lap was set.
func (n *sent) since(now int64) time.Duration {
	d := time.Duration(now - n.lap)
	n.lap = now
	return d
}

// countDropped accounts for the events that were not kept for s.
func (r *Room) countDropped(s *seat) {
	if s.backlog.dropped != 0 {
		r.cfg.Stats.EventsDropped.Add(s.backlog.dropped)
		r.cfg.Stats.Kind(r.spec.Name).EventsDropped.Add(s.backlog.dropped)
		s.backlog.dropped = 0
	}
}

func (r *Room) consider(s *seat, now time.Time, step time.Duration) {
	r.countDropped(s)
	if s.conn == nil || s.ended {
		return
	}
	acked := s.session.Flow.Acked()
	s.backlog.ack(acked)
	r.tokens.settle(s, acked)
	r.age(s, acked, step)
	s.view.Acked(acked)
	if stalled := s.session.Flow.Stalled(now); stalled >= warnUnacknowledged && !r.unacknowledged(s, now, stalled) {
		return
	}
	switch {
	case s.feed == nil && s.world.Tick() == 0 && s.welcome && s.conn.Ready():
		r.sendEmpty(s, now)
	case r.tooSlow(s, now):
	case s.feed == nil && s.world.Tick() <= s.newest, !s.view.Due():
		if s.backlog.unsent() || s.view.Partial() { // they go with the snapshot of a tick to come
			r.unsent = true
			r.worked = r.worked || r.spec.OnDemand && s.conn.Ready() && s.open(now, step)
		}
	case !s.conn.Ready():
		r.sent.congested++
		r.unsent = true
		s.view.Keep()
	case !s.open(now, step):
		r.sent.unacknowledged++
		r.unsent = true
		s.view.Keep()
	default:
		r.sendTo(s, now)
	}
}

// open reports whether flow control admits a message. Of the parts of a KEY few are under way at once, so that little waits before
// what is urgent.
func (s *seat) open(now time.Time, step time.Duration) bool {
	return s.session.Flow.Open(now, step) && (!s.view.Partial() || s.session.Flow.Few(now))
}

// tooSlow closes the connection of a client that takes too long for a KEY in parts, whose world is kept meanwhile, and reports
// whether it did.
func (r *Room) tooSlow(s *seat, now time.Time) bool {
	if s.began.IsZero() || now.Sub(s.began) < keyTime+time.Duration(s.view.Size()/keyPace)*time.Second {
		return false
	}
	s.ended = true
	s.conn.Close(protocol.CodeSlowReader, "the line is too slow for the world of this room", nil)
	return true
}

// unacknowledged warns a client that has acknowledged nothing for that long, and in the end closes its connection; then it
// reports false.
func (r *Room) unacknowledged(s *seat, now time.Time, stalled time.Duration) bool {
	since := now.Add(-stalled)
	if !s.warned.After(since) { // not yet in this stall
		s.warned = now
		s.answer(r.core.number, 0, "unacknowledged", "you acknowledge no snapshots: do, or the connection is closed")
	}
	if stalled < maxUnacknowledged || now.Sub(s.warned) < maxUnacknowledged-warnUnacknowledged {
		return true
	}
	count(&r.cfg.Stats.Unacknowledged, &r.cfg.Stats.Kind(r.spec.Name).Unacknowledged)
	s.ended = true
	s.conn.Close(protocol.CodeUnacknowledged, "no snapshot was acknowledged for 45 s", nil)
	return false
}

// sendEmpty greets a spectator of the past in a room that has none yet: with a world of nothing, and how long to wait.
func (r *Room) sendEmpty(s *seat, now time.Time) {
	const tick = 1
	s.head = r.appendWelcome(s.head[:0], s, tick)
	s.head = s.world.AppendEmptyKey(s.head, tick)
	s.head = s.view.AppendOwn(s.head, 0, 0)
	rate := time.Duration(r.spec.TickRate)
	delay := time.Duration(r.spec.SpectatorDelay) * time.Second / rate
	wait := time.Duration(max(r.spec.SpectatorDelay-r.followed, 1)) * time.Second / rate
	s.own = protocol.AppendError(s.own[:0], tick, 0, "delayed",
		fmt.Sprintf("this room is shown %.0f s late, and is younger than that: wait %.0f s", delay.Seconds(), math.Ceil(wait.Seconds())))
	s.session.Flow.Sent(tick, true, now)
	if s.put(s.head, s.own) != nil {
		s.session.Flow.Unsent()
		r.unsent = true
		return
	}
	s.newest, s.welcome = tick, false
}

// appendWelcome appends a WELCOME at tick. Without a seat to come back to there is no token.
func (r *Room) appendWelcome(b []byte, s *seat, tick uint32) []byte {
	w := protocol.Welcome{
		Room: r.id, Kind: r.spec.Name, Player: s.player.number, User: s.session.User,
		Rate: uint32(r.spec.TickRate), OnDemand: r.spec.OnDemand, Tick: tick,
		Schema: r.core.world.Schema().Append(nil), Inputs: r.spec.Inputs, Resumed: s.resumed,
	}
	if s.feed != nil {
		w.LastInput, _ = s.feed.consumed()
		w.Token = s.pass.token(r.id, s.pass.serial)
		w.Grace = uint32(r.spec.Grace / time.Second)
	}
	return w.Append(b)
}

// age measures now and then how old the world is that s is known to have, whether it is sent anything or not.
func (r *Room) age(s *seat, acked uint32, step time.Duration) {
	tick := s.world.Tick()
	if r.spec.OnDemand || acked == 0 || acked > tick || tick-s.aged < uint32(r.spec.TickRate) {
		return
	}
	s.aged = tick
	r.sent.ages.observe(staleBounds, int64(time.Duration(tick-acked)*step))
}

// next returns what the view has to give, and puts OWN into s.own.
func (s *seat) next(seq uint32, slack int) (snapshot []byte, key bool) {
	snapshot, key = s.view.Next()
	if s.own = s.own[:0]; snapshot != nil && !s.view.Partial() {
		s.own = s.view.AppendOwn(s.own, seq, slack)
	}
	return snapshot, key
}

// tooLarge deals with a world that no client takes.
func (r *Room) tooLarge(s *seat) {
	count(&r.cfg.Stats.TooLarge, &r.cfg.Stats.Kind(r.spec.Name).TooLarge)
	r.unsendable("world", fmt.Errorf("%w: a KEY of %d bytes, at most %d", errTooLarge, s.view.TooLarge(), state.MaxKey))
	s.ended = true
	s.conn.Close(protocol.CodeRefused, "the world of this room is too large to be sent", nil)
}

// sendTo sends s one message: WELCOME if it is due, the snapshot, and what is the player's own.
func (r *Room) sendTo(s *seat, now time.Time) {
	tick := s.world.Tick()
	s.head = s.head[:0]
	var seq uint32
	var slack int
	if s.feed != nil {
		seq, slack = s.feed.consumed()
	}
	if s.welcome {
		s.head = r.appendWelcome(s.head, s, tick)
	}
	snapshot, key := s.next(seq, slack)
	if snapshot == nil && s.view.TooLarge() > 0 {
		r.tooLarge(s)
		return
	}
	if s.view.OwnCut() {
		r.unsendable("owner fields", errOwnCut)
	}
	room := protocol.MaxOutbound - len(s.head) - len(snapshot) - len(s.own) - maxHash
	switch {
	case room < 0 && len(s.head) > 0: // WELCOME goes alone
		s.view.Unsent()
		r.unsent = true
		if s.put(s.head) == nil {
			s.pass.proof = tick
			s.welcome = false
		}
		return
	case room < 0:
		s.view.Unsent()
		s.view.Split()
		snapshot, key = s.next(seq, slack)
		room = protocol.MaxOutbound - len(snapshot) - maxHash
	}
	partial := s.view.Partial()
	switch {
	case !partial:
		s.began = time.Time{}
	case s.began.IsZero():
		s.began = now
	}
	if key && !partial {
		r.sent.keyframes++
	}
	own := len(s.own)
	s.own = s.backlog.appendUnsent(s.own, tick, room)
	if s.stuck++; len(s.own) > own || !s.backlog.unsent() {
		s.stuck = 0
	} else if s.stuck > r.spec.TickRate { // an event that is too long to travel with snapshots as large as these
		s.view.Split()
		s.stuck = 0
	}
	if !partial && !s.view.OwnLacks() && (tick-s.checked >= uint32(r.spec.TickRate) || key) {
		s.checked = tick
		s.own = protocol.AppendHash(s.own, s.view.Base(), s.view.Checksum())
		if rtt := s.session.Flow.MinRTT(); rtt > 0 {
			r.sent.rtts.observe(rttBounds, int64(rtt))
		}
	}
	s.parts = [3][]byte{s.head, snapshot, s.own}
	s.session.Flow.Sent(tick, key, now)
	r.sent.encoding += r.sent.since(r.sinceBase())
	err := s.put(s.parts[:]...)
	r.sent.sending += r.sent.since(r.sinceBase())
	if err != nil {
		// The connection is ending, or something slipped in after Ready: either way the client did not
		// get this message, and has all before it.
		count(&r.cfg.Stats.SendFailed, &r.counts.SendFailed)
		s.session.Flow.Unsent()
		s.view.Unsent()
		s.backlog.unsend(tick)
		r.unsent = true
		return
	}
	if s.welcome {
		s.pass.proof = tick
	}
	s.newest, s.welcome = tick, false
	if partial || s.backlog.unsent() {
		r.unsent = true // there is more
	}
	r.sent.snapshots++
	size := len(s.head) + len(snapshot) + len(s.own)
	r.sent.bytes += size
	r.sent.sizes.observe(sizeBounds, int64(size))
}
