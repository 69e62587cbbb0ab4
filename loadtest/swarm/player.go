package swarm

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/protocol/wire"
)

// sampleEvery is how finely the age of the world is sampled.
const sampleEvery = 4 * time.Millisecond

// Player is one who plays, from the match until the end, over as many connections as it takes.
type Player struct {
	Room      *client.Room
	Number    int        // of the seat in the swarm, from 0
	Rand      *rand.Rand // for Act
	Spectator bool

	swarm   *swarm
	shard   *shard
	seat    *seat
	bot     Bot
	sighted Sighted // bot, if it is one
	slow    bool
	joinDue time.Duration

	neighbour atomic.Pointer[Player] // whose effects this one looks for
	watched   atomic.Bool            // somebody looks for this one's
	leaving   atomic.Bool

	room atomic.Pointer[roomClock]
	born time.Duration // when Room was made: what its clock counts from

	due time.Duration // pacer's: when the input that it acts for was due

	mu        sync.Mutex // before the shard's
	conn      *meter
	pending   counts // what connections counted since the last snapshot
	sizes     []int  // of snapshots since then; negative: with a keyframe
	recording *Recording
	probe     *probe // slot, or nil
	slot      probe
	reader    wire.Reader

	joined  bool          // once
	lostAt  time.Duration // when the connection was, 0: it was not
	cut     bool          // by us
	arrived time.Duration // of the last snapshot on this connection, 0: none yet

	seeing  bool          // there is a world, and its age is known
	anchor  time.Duration // when the newest snapshot came
	age     time.Duration // how old it was then
	sampled time.Duration // up to when the age has been counted
}

// join is client.Config.OnJoin.
func (p *Player) join(resumed bool) {
	now := p.swarm.since()
	p.seat.joined(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	n := p.shard.now
	switch {
	case !p.joined:
		p.joined = true
		n.joins++
		if !p.Spectator && !p.slow {
			n.record(join, (now - p.joinDue).Microseconds(), 1)
		}
	case resumed:
		n.resumes++
		if p.lostAt > 0 {
			n.record(resume, (now - p.lostAt).Microseconds(), 1)
		}
	default:
		n.rematches++
	}
	p.lostAt, p.cut = 0, false
}

// fault is client.Config.OnError.
func (p *Player) fault(err error) {
	p.mu.Lock()
	if !isNotice(err) {
		p.arrived = 0
		if p.joined && p.lostAt == 0 {
			p.lostAt = p.swarm.since()
		}
	}
	meant := p.cut && isLoss(err) || p.leaving.Load()
	p.mu.Unlock()
	if !meant {
		p.swarm.fail(err)
	}
}

// snapshot is client.Config.OnSnapshot.
func (p *Player) snapshot(tick uint32) {
	now := p.swarm.since()
	w := p.Room.Welcome()
	at, known := 0., false
	if c := p.room.Load(); c != nil {
		at, known = c.at(now, float64(w.Rate))
	}
	if !known { // the CLOCKs can't be seen on an encrypted connection, but by the client
		at = p.Room.Now()
		known = at > 0
	}
	step := time.Second / time.Duration(w.Rate)
	p.look(now)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	n := p.shard.now
	n.snapshots++
	p.settle(n)
	if p.Spectator {
		return
	}
	if p.arrived > 0 && !p.slow {
		n.record(gap, (now - p.arrived).Microseconds(), 1)
	}
	p.arrived = now
	if !known || w.OnDemand { // in a room on demand nothing may have happened for long
		return
	}
	p.sample(n, now)
	p.age = max(time.Duration((at-float64(tick))*float64(step)), 0)
	if !p.seeing {
		p.seeing, p.sampled = true, now
	}
	p.anchor = now
	if p.age > step && !p.slow {
		n.late++
	}
}

// clocked takes a CLOCK. p.mu is held.
func (p *Player) clocked(message []byte, now time.Duration) {
	c, w := p.room.Load(), p.Room.Welcome()
	if c == nil || w == nil {
		return
	}
	p.reader.Reset(message)
	n := p.reader.Array()
	p.reader.Uint32()
	millis, m, err := protocol.ReadClock(&p.reader, n)
	asked := p.born + time.Duration(millis*float64(time.Millisecond))
	if err != nil || asked > now || p.slow || p.Spectator {
		return
	}
	c.sample(asked, now, m, float64(w.Rate))
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.shard.now.record(rtt, (now - asked).Microseconds(), 1)
}

// settle adds what the connection has counted. Both locks are held.
func (p *Player) settle(n *tally) {
	n.counts.add(&p.pending)
	p.pending = counts{}
	for _, size := range p.sizes {
		if size < 0 {
			n.record(keyframeBytes, int64(-size), 1)
		} else {
			n.record(snapshotBytes, int64(size), 1)
		}
	}
	p.sizes = p.sizes[:0]
}

// sample counts the age of what the player saw, up to now. Both locks are held.
func (p *Player) sample(n *tally, now time.Duration) {
	if !p.seeing {
		return
	}
	d := staleness
	if p.slow {
		d = slowStaleness
	}
	for ; p.sampled < now; p.sampled += sampleEvery {
		n.record(d, (p.age + p.sampled - p.anchor).Microseconds(), 1)
	}
}

// collect counts what is due now, whether snapshots come or not.
func (p *Player) collect(now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked(now)
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.settle(p.shard.now)
	p.sample(p.shard.now, now)
}

// sever cuts the connection, as a network does.
func (p *Player) sever(now time.Duration) {
	p.mu.Lock()
	conn := p.conn
	if !p.joined || conn == nil || p.lostAt > 0 {
		p.mu.Unlock()
		return
	}
	p.lostAt, p.cut = now, true
	p.mu.Unlock()
	_ = conn.Close() // it is meant to break
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.shard.now.cuts++
}

// act lets the bot send the input that was due.
func (p *Player) act(due time.Duration) {
	p.due = due
	err := p.bot.Act()
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	if err == nil {
		p.shard.now.inputs++
	}
}
