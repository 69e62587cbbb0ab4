package swarm

import (
	"time"

	"github.com/tickhall/tickhall/protocol/state"
)

// Bot plays one seat.
type Bot interface {
	// Act is called whenever an input is due and the player is in the room: decide, and send. It runs on a goroutine that
	// acts for many players, so it must not wait. It reads the world in Player.Room.Do.
	Act() error
}

// BotFunc is a Bot that is a function.
type BotFunc func() error

// Act calls f.
func (f BotFunc) Act() error { return f() }

// Sighted is a Bot whose inputs have effects that can be seen, so that the time until then is measured: after sending
// an input, Act calls Player.Mark.
type Sighted interface {
	Bot
	// Look returns what can be seen of an entity, the player's own or another's, in the same terms as
	// Mark's value. It is false while there is nothing to be seen: no such entity, or one that can't act at the
	// moment. It is called on the goroutine of the player's client.Room, after a snapshot, with the world standing still.
	Look(id state.ID) (value uint64, ok bool)
}

// patience is how long an effect is waited for.
const patience = 2 * time.Second

// probe is an input whose effect is waited for.
type probe struct {
	entity state.ID
	value  uint64
	due    time.Duration

	own, other bool // has been seen; by whom it is looked for: guarded by the prober's mu
}

// Mark tells, in Act, that the input just sent will make the entity, which is the player's own, show value; it must
// not have shown it lately. It returns false if an earlier effect is still waited for: then this one
// is not measured. As long as it is, see Marked, inputs should leave the value as it is.
func (p *Player) Mark(entity state.ID, value uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probe != nil || p.slow {
		return false
	}
	p.slot = probe{entity: entity, value: value, due: p.due}
	p.probe = &p.slot
	return true
}

// Marked returns the value whose effect is waited for.
func (p *Player) Marked() (value uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked(p.swarm.since())
	if p.probe == nil {
		return 0, false
	}
	return p.probe.value, true
}

// expireLocked gives up an effect that does not come.
func (p *Player) expireLocked(now time.Duration) {
	pr := p.probe
	if pr == nil || now-pr.due < patience {
		return
	}
	p.probe = nil
	if p.leaving.Load() { // nobody waits for it any more
		return
	}
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.shard.now.effectLost++
	if !pr.own {
		p.shard.now.record(effectOwn, (now - pr.due).Microseconds(), 1)
	}
}

// look looks for effects after a snapshot: the player's own and its neighbour's.
func (p *Player) look(now time.Duration) {
	if p.sighted == nil || p.slow {
		return
	}
	p.seek(p, now, effectOwn)
	if n := p.neighbour.Load(); n != nil {
		p.seek(n, now, effectOther)
	}
}

// seek looks for the effect that q waits for, in p's world.
func (p *Player) seek(q *Player, now time.Duration, d distribution) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expireLocked(now) // nobody else may do so: q may have left
	pr := q.probe
	if pr == nil || d == effectOwn && pr.own || d == effectOther && pr.other {
		return
	}
	value, ok := p.sighted.Look(pr.entity)
	if !ok {
		if d == effectOwn {
			q.probe = nil // it can't have an effect any more
		}
		return
	}
	if value != pr.value {
		return
	}
	if d == effectOwn {
		pr.own = true
	} else {
		pr.other = true
	}
	if pr.own && (pr.other || !q.watched.Load()) {
		q.probe = nil
	}
	if now < pr.due {
		return
	}
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.shard.now.record(d, (now - pr.due).Microseconds(), 1)
}
