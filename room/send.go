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
)

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
	if stalled := s.session.Flow.Stalled(now); stalled >= warnUnacknowledged && !r.unacknowledged(s, now, stalled) {
		return
	}
	switch {
	case s.feed == nil && s.world.Tick() == 0 && s.welcome && s.conn.Ready():
		r.sendEmpty(s, now)
	case s.feed == nil && s.world.Tick() <= s.newest, s.view.Base() == s.world.Tick():
		if s.backlog.unsent() { // they go with the snapshot of a tick to come
			r.unsent = true
			r.worked = r.worked || r.spec.OnDemand && s.conn.Ready() && s.session.Flow.Open(now, step)
		}
	case !s.conn.Ready():
		r.sent.congested++
		r.unsent = true
	case !s.session.Flow.Open(now, step):
		r.sent.unacknowledged++
		r.unsent = true
	default:
		r.sendTo(s, now)
	}
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
	r.cfg.Stats.Unacknowledged.Add(1)
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
	base := s.view.Base()
	snapshot, key := s.view.Next()
	if key {
		r.sent.keyframes++
	}
	s.own = s.view.AppendOwn(s.own[:0], seq, slack)
	s.own = s.backlog.appendUnsent(s.own, tick, protocol.MaxOutbound-len(s.head)-len(snapshot)-len(s.own)-maxHash)
	if tick-s.checked >= uint32(r.spec.TickRate) || key {
		s.checked = tick
		s.own = protocol.AppendHash(s.own, tick, s.view.Checksum())
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
		s.view.Unsend(base)
		s.backlog.unsend(tick)
		r.unsent = true
		return
	}
	if s.welcome {
		s.pass.proof = tick
	}
	s.newest, s.welcome = tick, false
	r.sent.snapshots++
	size := len(s.head) + len(snapshot) + len(s.own)
	r.sent.bytes += size
	r.sent.sizes.observe(sizeBounds, int64(size))
}
