package room

import (
	"math"
	"time"
)

// maxCatchUp is how many ticks a late room makes up for at once. What is later than that is skipped.
const maxCatchUp = 5

// Clock tells a room how many ticks are due. It is a pure value: time comes in as an argument.
// Deadlines are absolute, so that a late tick does not make the ones after it late: tick n is due at
// the start + n / rate, whatever happened before ("Fix Your Timestep!", G. Fiedler, 2004).
type Clock struct {
	rate    int64
	start   time.Time // when tick 0 was due
	done    int64     // ticks made or skipped since start
	Skipped time.Duration
}

// NewClock returns a clock of rate ticks per second whose tick 0 is now.
func NewClock(rate int, now time.Time) Clock {
	return Clock{rate: int64(rate), start: now}
}

// from makes n the number of the clock's last tick, which was made just now.
func (c *Clock) from(n uint32) {
	c.start = c.start.Add(c.start.Sub(c.due(int64(n))))
	c.done = int64(n)
}

// Due is when tick n of the clock is due, counted from its start. n is at most 2^32.
func (c *Clock) due(n int64) time.Time {
	seconds, rest := n/c.rate, n%c.rate
	return c.start.Add(time.Duration(seconds)*time.Second + time.Duration(rest)*time.Second/time.Duration(c.rate))
}

// Next is when the next tick is due.
func (c *Clock) Next() time.Time { return c.due(c.done + 1) }

// Advance returns how many ticks are due at now, at most maxCatchUp. If more are, the clock's start
// moves by the rest, which is added to Skipped: the room lives on a little younger.
func (c *Clock) Advance(now time.Time) (ticks int) {
	n := c.elapsed(now) - c.done
	if n <= 0 {
		return 0
	}
	if n > maxCatchUp {
		late := c.due(c.done + n).Sub(c.due(c.done + maxCatchUp))
		c.start = c.start.Add(late)
		c.Skipped += late
		n = maxCatchUp
	}
	c.done += n
	return int(n)
}

// Jump makes the tick that is due at now the newest, at least one more than the last, and returns by
// how much it is ahead of it. A room that ticks on demand uses it in place of Advance.
func (c *Clock) Jump(now time.Time) (ticks int64) {
	ticks = max(c.elapsed(now)-c.done, 1)
	c.done += ticks
	return ticks
}

// Resume shifts the clock so that the next tick is due at now: time asleep did not pass.
func (c *Clock) Resume(now time.Time) {
	c.start = c.start.Add(now.Sub(c.due(c.done + 1)))
}

// elapsed is the number of the newest tick due at now.
func (c *Clock) elapsed(now time.Time) int64 {
	d := now.Sub(c.start)
	n := int64(math.Floor(d.Seconds() * float64(c.rate)))
	// Floating point may be off by one next to a deadline; the deadlines decide.
	for n > 0 && c.due(n).After(now) {
		n--
	}
	for !c.due(n + 1).After(now) {
		n++
	}
	return n
}
