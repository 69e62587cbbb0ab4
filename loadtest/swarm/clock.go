package swarm

import (
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// clockLife is how long it takes until a sample of twice the round trip is preferred to the one in use.
const clockLife = 10 * time.Second

// clockSlack, in ticks, is for the rounding of answers and for clocks that don't run quite alike.
const clockSlack = 0.02

// roomClock estimates a room's time from the CLOCKs that its players get. A player alone may know the
// time badly, having joined while the server was busy; of all samples of a room, the one with the least
// round trip is right to half of that. It counts until a later one proves it wrong: a room that was held up
// skips time.
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
	answer := float64(m.Tick) + float64(m.Fraction)/protocol.FractionsPerTick
	least, most := answer-now.Seconds()*rate, answer-asked.Seconds()*rate // offsets: it was given in between
	wrong := c.offset < least-clockSlack || c.offset > most+clockSlack
	if c.known && !wrong && float64(rtt) > float64(c.rtt)*(1+float64(now-c.taken)/float64(clockLife)) {
		return
	}
	c.known, c.offset, c.rtt, c.taken = true, (least+most)/2, rtt, now
}

// at is the room's tick at a time of the run; false while nothing is known.
func (c *roomClock) at(now time.Duration, rate float64) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset + now.Seconds()*rate, c.known
}
