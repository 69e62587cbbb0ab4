package room

import (
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

type stateID = state.ID

// send brings up to date every player whom flow control lets. Who is skipped gets one DELTA over all
// the ticks between, later.
func (r *Room) send(now time.Time) {
	step := time.Second / time.Duration(r.spec.TickRate)
	r.unsent = false
	r.sent = sent{}
	r.retry = now.Add(step)
	for _, s := range r.seats {
		r.consider(s, now, step)
	}
	for _, s := range r.watchers {
		r.consider(s, now, step)
	}
	r.cfg.Stats.sent(&r.sent)
}

// sent is what one round of sending comes to, to be added to the shared counters at once.
type sent struct {
	snapshots, keyframes, bytes, congested, unacknowledged int
}

func (r *Room) consider(s *seat, now time.Time, step time.Duration) {
	if s.conn == nil {
		return
	}
	s.backlog.ack(s.session.Flow.Acked())
	switch {
	case s.view.Base() == s.world.Tick():
	case !s.conn.Ready():
		r.sent.congested++
		r.unsent = true
	case !s.session.Flow.Open(step):
		r.sent.unacknowledged++
		r.unsent = true
	default:
		r.sendTo(s, now)
	}
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
		w := protocol.Welcome{
			Room: r.id, Kind: r.spec.Name, Player: s.player.number, User: s.session.User, Token: s.token,
			Rate: uint32(r.spec.TickRate), OnDemand: r.spec.OnDemand, Tick: tick, LastInput: seq,
			Schema: r.core.world.Schema().Append(nil), Inputs: r.spec.Inputs, Resumed: s.resumed,
		}
		s.head = w.Append(s.head)
	}
	base := s.view.Base()
	snapshot, key := s.view.Next()
	if key {
		r.sent.keyframes++
	}
	s.own = s.view.AppendOwn(s.own[:0], seq, slack)
	s.own = s.backlog.appendUnsent(s.own, tick)
	if tick-s.checked >= uint32(r.spec.TickRate) || key {
		s.checked = tick
		s.own = protocol.AppendHash(s.own, tick, s.view.Checksum())
	}
	s.parts = [3][]byte{s.head, snapshot, s.own}
	s.session.Flow.Sent(tick, now)
	if err := s.conn.Send(s.parts[:]...); err != nil {
		// The connection is ending, or something slipped in after Ready: either way the client did not
		// get this message, and has all before it.
		r.cfg.Stats.SendFailed.Add(1)
		s.session.Flow.Unsent()
		s.view.Rewind(base)
		s.backlog.unsend(tick)
		r.unsent = true
		return
	}
	s.newest, s.welcome = tick, false
	r.sent.snapshots++
	r.sent.bytes += len(s.head) + len(snapshot) + len(s.own)
}
