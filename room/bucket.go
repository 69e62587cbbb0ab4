package room

import "time"

// Bucket limits how often something may happen in the game's time, such as the lines of a player: a token bucket, by the
// generic cell rate algorithm (ITU-T I.371, annex A). The zero value is full. It is plain, so that it may stand in a row
// or be saved: keep one for each player, or by user id, so that who rejoins does not begin with a full one.
//
// What arrives on the network is limited besides, by player.Limits.
type Bucket struct {
	Until time.Duration // Tick.Time at which it is full again
}

// Take reports whether it may happen now, and if so counts it: burst times at once, from 1, then once every so long.
func (b *Bucket) Take(t *Tick, burst int, every time.Duration) bool {
	next := max(b.Until, t.Time()) + every
	if next > t.Time()+time.Duration(burst)*every {
		return false
	}
	b.Until = next
	return true
}
