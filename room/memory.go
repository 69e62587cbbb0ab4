package room

import "time"

// weighEvery is how often a room that ticks looks at how much memory its world takes.
const weighEvery = time.Second

// outgrown reports whether the world takes more memory than Kind.MaxMemory.
func (r *Room) outgrown(now time.Time) bool {
	if now.Sub(r.weighed) < weighEvery {
		return false
	}
	r.weighed = now
	size := r.weigh()
	if size <= r.spec.MaxMemory {
		return false
	}
	count(&r.cfg.Stats.Outgrown, &r.counts.Outgrown)
	r.cfg.Log.Error("room ended: its world takes more memory than its kind may: remove rows, or raise MaxMemory",
		"room", r.id, "kind", r.spec.Name, "bytes", size, "max", r.spec.MaxMemory)
	return true
}

func (r *Room) weigh() int {
	size := r.core.world.Memory()
	r.memory.Store(int64(size))
	return size
}

// Memory estimates how many bytes the room's tables take, their newest snapshots included. It is at most a
// second old in a room that ticks.
func (r *Room) Memory() int { return int(r.memory.Load()) }
