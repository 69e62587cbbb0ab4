package swarm

import (
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// clockLife is how long it takes until a sample of twice the round trip is preferred to the one in use.
const clockLife = 10 * time.Second

// roomClock estimates a room's time from the CLOCKs that its players get. A player alone may know the
// time badly, having joined while the server was busy; of all samples of a room, the one with the least
// round trip is right to half of that.
type roomClock struct {
	mu     sync.Mutex
	known  bool
	offset float64       // the room's tick when the run began
	rtt    time.Duration // of the sample in use
	taken  time.Duration // when it was
}

// sample takes the answer m to a question asked at asked, which came at now, of a room with rate ticks per second.
func (c *roomClock) sample(asked, now time.Duration, m protocol.Moment, rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rtt := max(now-asked, 1)
	if c.known && float64(rtt) > float64(c.rtt)*(1+float64(now-c.taken)/float64(clockLife)) {
		return
	}
	at := float64(m.Tick) + float64(m.Fraction)/protocol.FractionsPerTick + rtt.Seconds()/2*rate
	c.known, c.offset, c.rtt, c.taken = true, at-now.Seconds()*rate, rtt, now
}

// at is the room's tick at a time of the run; false while nothing is known.
func (c *roomClock) at(now time.Duration, rate float64) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset + now.Seconds()*rate, c.known
}
