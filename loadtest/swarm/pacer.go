package swarm

import (
	"context"
	"slices"
	"time"
)

// mostLate is how far a pacer may be behind before it gives inputs up.
const mostLate = time.Second

// pacer sends the inputs of some seats, each at a moment of its own in every period. The moments are whole
// milliseconds, so that one waking serves several.
type pacer struct {
	swarm  *swarm
	period time.Duration
	seats  []*seat // by phase
	shard  *shard
}

func newPacer(s *swarm, seats []*seat) *pacer {
	p := &pacer{swarm: s, period: time.Duration(float64(time.Second) / s.cfg.InputRate), seats: seats, shard: newShard()}
	slices.SortStableFunc(p.seats, func(a, b *seat) int { return int(a.phase - b.phase) })
	return p
}

func (p *pacer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for start := p.swarm.since(); ; start += p.period {
		if behind := p.swarm.since() - start; behind > mostLate {
			periods := int64(behind / p.period)
			p.count(func(t *tally) { t.inputsSkipped += periods * int64(len(p.seats)) })
			start += time.Duration(periods) * p.period
		}
		for _, s := range p.seats {
			due := start + s.phase
			if wait := due - p.swarm.since(); wait > 0 {
				timer.Reset(wait)
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
			}
			if ctx.Err() != nil {
				return
			}
			if q := s.player.Load(); q != nil && q.bot != nil && !q.Spectator && q.Room.Joined() {
				late := p.swarm.since() - due
				q.act(due)
				p.count(func(t *tally) { t.record(lateness, late.Microseconds(), 1) })
			}
		}
		if len(p.seats) == 0 {
			return
		}
	}
}

func (p *pacer) count(f func(*tally)) {
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	f(p.shard.now)
}
