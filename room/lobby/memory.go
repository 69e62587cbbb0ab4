package lobby

import (
	"cmp"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"slices"

	"github.com/tickhall/tickhall/protocol"
)

// Shares of the memory limit, in per cent of what is live.
const (
	strainedAt = 80 // empty rooms end, and nobody is let in
	relievedAt = 75 // until so much is left
)

// roomOverhead is what a room takes besides its tables, about.
const roomOverhead = 32 << 10

// memory is how much of its memory the process uses, against the limit that it was given.
type memory struct {
	live  int64  // bytes that the last garbage collection left, and stacks
	limit int64  // bytes; 0 for none
	cycle uint64 // number of the last garbage collection
}

// readMemory takes the limit from the Go runtime, which has it from GOMEMLIMIT.
func readMemory() memory {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples[:])
	m := memory{
		live:  int64(samples[0].Value.Uint64() + samples[1].Value.Uint64()),
		limit: debug.SetMemoryLimit(-1), cycle: samples[2].Value.Uint64(),
	}
	if m.limit == math.MaxInt64 {
		m.limit = 0
	}
	return m
}

// relieve ends empty rooms, oldest first, while the process is short of memory, and keeps others from
// coming in as long as that does not help. What an ended room frees shows at the next garbage collection.
func (l *Lobby) relieve() {
	m := l.cfg.memory()
	switch changed, strained := l.relieveBy(m); {
	case changed && strained:
		l.cfg.Log.Warn("memory is short: empty rooms end, and nobody new is let in; raise GOMEMLIMIT, or lower --max-rooms and --max-players",
			"live_mb", m.live>>20, "limit_mb", m.limit>>20)
	case changed:
		l.cfg.Log.Info("memory suffices again", "live_mb", m.live>>20, "limit_mb", m.limit>>20)
	}
}

func (l *Lobby) relieveBy(m memory) (changed, strained bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	strained = m.limit > 0 && m.live > m.limit/100*strainedAt
	changed = strained != l.strained
	l.strained = strained
	if !strained || m.cycle == l.relieved {
		return changed, strained
	}
	l.relieved = m.cycle
	var empty []*entry
	for e := range l.running {
		if e.seats+e.watching == 0 && !e.over() {
			empty = append(empty, e)
		}
	}
	slices.SortFunc(empty, func(a, b *entry) int {
		return cmp.Or(a.opened.Compare(b.opened), cmp.Compare(a.room.ID(), b.room.ID()))
	})
	over := m.live - m.limit/100*relievedAt
	for _, e := range empty {
		if over <= 0 {
			break
		}
		over -= int64(e.room.Memory()) + roomOverhead
		e.closeLocked(protocol.CodeGone, "the server was short of memory, and the room was empty: match again")
		l.cfg.Stats.Dropped.Add(1)
	}
	return changed, strained
}
