package client

import (
	"math"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// Times in milliseconds. Their values, and what they are for, stand in "What a client does" of the
// specification.
const (
	clockBurst      = 5                      // questions asked soon after one another at a join
	clockBurstEvery = 100 * time.Millisecond // between these
	clockEvery      = 2 * time.Second        // between those afterwards
	clockWindow     = 10_000
	clockSamples    = 16
	clockSlack      = 1.2 // samples with a round trip of at most so many times the least are used
	clockGain       = 0.1
	clockMost       = 30_000
	clockSnap       = 250 // an error beyond this is corrected at once, not smoothly
)

// clock estimates a room's time, in milliseconds since its tick 0, from samples: the time at the
// server, taken half a round trip ago. Of the samples it uses those whose round trip was near the
// least of the last 10 s, and smooths them (Mills, "Internet Time Synchronization: the Network Time
// Protocol", 1991, calls it the minimum filter). One that was far quicker than all before says more
// than they do together, and is taken as it is: a client that joins while its line is busy is not
// wrong for long. A snapshot is never ahead of the room. The client's times are milliseconds since
// any fixed moment.
type clock struct {
	offset  float64 // room's time when the client's clock was 0
	latency float64 // half the round trip of the samples that count: how old a snapshot is when it arrives
	known   bool    // a snapshot has come, or a sample
	synced  bool    // a sample has counted

	floor  float64 // the least round trip; 0: none
	early  int     // samples seen so far, up to clockBurst
	window [clockSamples]roundTrip
	n      int

	rtt         float64 // of the newest sample
	corrections uint64
}

type roundTrip struct{ at, rtt float64 }

// snapshot takes the room's time of a snapshot that has just arrived: it is at least that.
func (c *clock) snapshot(now, room float64) {
	if c.known && room-now <= c.offset {
		return
	}
	// A machine that slept: its clock stood still, and made the answers that waited for it look
	// quick.
	if c.synced && room-now-c.offset > clockSnap {
		c.corrections++
		c.reroute()
	}
	c.offset, c.known = room-now, true
}

// sample takes the answer to a question sent at asked, which arrived at now: the room's time in
// between.
func (c *clock) sample(asked, now, room float64) {
	rtt := now - asked
	if !(rtt >= 0 && rtt <= clockMost) {
		return
	}
	c.rtt = rtt
	n := 0
	for _, s := range c.window[:c.n] {
		if s.at > now-clockWindow {
			c.window[n] = s
			n++
		}
	}
	if n == clockSamples {
		n = copy(c.window[:], c.window[1:])
	}
	c.window[n] = roundTrip{now, rtt}
	c.n = n + 1
	before, early := c.floor, c.early < clockBurst
	if early {
		c.early++
	}
	c.floor = rtt
	for _, s := range c.window[:c.n] {
		c.floor = min(c.floor, s.rtt)
	}
	if rtt > clockSlack*c.floor {
		return
	}
	offset := room - (asked+now)/2
	wrong := offset - c.offset
	far := c.synced && math.Abs(wrong) > clockSnap
	if far {
		c.corrections++
	}
	better := before == 0 || before > clockSlack*rtt // what counted so far no longer would
	if !c.synced || far || better || early && rtt == c.floor {
		c.offset, c.latency = offset, rtt/2
	} else {
		c.offset += clockGain * wrong
		c.latency += clockGain * (rtt/2 - c.latency)
	}
	c.known, c.synced = true, true
}

// reroute forgets the round trips: the next connection may take another way.
func (c *clock) reroute() { c.floor, c.early, c.n = 0, 0, 0 }

// at is the room's time at now, 0 while nothing is known.
func (c *clock) at(now float64) float64 {
	if !c.known {
		return 0
	}
	return max(c.offset+now, 0)
}

// arriving is the room's time of which snapshots arrive now.
func (c *clock) arriving(now float64) float64 { return c.at(now) - c.latency }

// playhead is the moment that is shown. It follows a target at a pace within 10 % of real time, so
// that corrections of the clock don't show; it jumps forward when far behind, and waits when far
// ahead. Times are in milliseconds.
type playhead struct {
	at, now float64
	on      bool
}

func (p *playhead) advance(now, target float64) float64 {
	elapsed := max(0, now-p.now)
	wrong := target - (p.at + elapsed)
	p.now = now
	switch {
	case !p.on || wrong > clockSnap:
		p.at, p.on = target, true
	case wrong > -clockSnap:
		p.at += elapsed * (1 + min(max(wrong/500, -0.1), 0.1))
	}
	return p.at
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
