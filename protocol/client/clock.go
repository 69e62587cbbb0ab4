package client

import (
	"math"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

const (
	clockBurst  = 5               // samples taken one after another at a join
	clockEvery  = 2 * time.Second // between samples afterwards
	clockWindow = 10 * time.Second
	clockSlack  = 1.2 // samples with a round trip of at most so many times the least are used
	clockSmooth = 0.1
	clockMaxRTT = 30 * time.Second
	clockJump   = 0.25 // seconds: an error beyond this is corrected at once, not smoothly
)

// clock estimates a room's time from samples: the time at the server, taken half a round trip ago. Of
// the samples it uses those whose round trip was near the least of the last 10 s, and smooths them
// (Mills, "Internet Time Synchronization: the Network Time Protocol", 1991, calls it the minimum
// filter). One that was far quicker than all before says more than they do together, and is taken as it is: a client
// that joins while its line is busy is not wrong for long. Times are durations since any fixed moment. A clock with a
// rate is ready.
type clock struct {
	rate    float64 // ticks per second
	offset  float64 // room's tick when the client's clock was 0
	samples int     // used so far
	first   int     // samples seen so far, up to clockBurst
	rtt     time.Duration

	least, leastBefore time.Duration // shortest round trip of this half window and the one before; 0: none
	half               time.Duration // when this half window ends
	corrections        uint64
}

// sample takes the answer to a question sent at asked, arrived at now, of room time m.
func (c *clock) sample(asked, now time.Duration, m protocol.Moment) {
	rtt := max(now-asked, 1)
	if rtt > clockMaxRTT {
		return
	}
	if now >= c.half {
		c.leastBefore, c.least = c.least, 0
		if now >= c.half+clockWindow/2 { // both halves are over
			c.leastBefore = 0
		}
		c.half = now + clockWindow/2
	}
	before := c.best()
	if c.least == 0 || rtt < c.least {
		c.least = rtt
	}
	least := c.best()
	c.rtt = rtt
	early := c.first < clockBurst
	if early {
		c.first++
	}
	if float64(rtt) > clockSlack*float64(least) {
		return
	}
	room := float64(m.Tick) + float64(m.Fraction)/protocol.FractionsPerTick + rtt.Seconds()/2*c.rate
	wrong := room - now.Seconds()*c.rate - c.offset
	far := c.samples > 0 && math.Abs(wrong) > clockJump*c.rate
	if far {
		c.corrections++
	}
	better := float64(before) > clockSlack*float64(rtt) // what counted so far no longer would
	if c.samples == 0 || far || better || early && rtt == least {
		c.offset += wrong
	} else {
		c.offset += clockSmooth * wrong
	}
	c.samples++
}

// best is the shortest round trip of the last 5 to 10 s, 0 if there is none.
func (c *clock) best() time.Duration {
	if c.least == 0 || c.leastBefore != 0 && c.leastBefore < c.least {
		return c.leastBefore
	}
	return c.least
}

// at is the room's tick at now, 0 while nothing is known.
func (c *clock) at(now time.Duration) float64 {
	if c.samples == 0 {
		return 0
	}
	return max(c.offset+now.Seconds()*c.rate, 0)
}

// moment turns a tick into a Moment, rounding down.
func moment(tick float64) protocol.Moment {
	if !(tick > 0) {
		return protocol.Moment{}
	}
	if tick >= math.MaxUint32 {
		return protocol.Moment{Tick: math.MaxUint32}
	}
	whole, fraction := math.Modf(tick)
	return protocol.Moment{Tick: uint32(whole), Fraction: uint8(fraction * protocol.FractionsPerTick)}
}
