package client

import (
	"math"
	"time"
)

const (
	backoffFirst = 250 * time.Millisecond
	backoffGrow  = 1.6
	backoffSoon  = 1200 * time.Millisecond // while the server may be back at any moment and still hold the seat
	soonTries    = 60
	backoffMost  = 5 * time.Second // later
	healthyAfter = 5 * time.Second // a connection that stood so long starts the backoff over
)

// backoff is the row of waits between attempts: each random between 0 and a bound that grows ("full
// jitter": Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015). The zero value
// starts at the first.
type backoff struct{ attempts int }

// next returns the wait after one more failed attempt; random is within [0, 1).
func (b *backoff) next(random float64) time.Duration {
	b.attempts++
	return time.Duration(random * float64(b.bound()))
}

// bound is the longest wait after the last attempt.
func (b *backoff) bound() time.Duration {
	most := backoffSoon
	if b.attempts > soonTries {
		most = backoffMost
	}
	return time.Duration(min(float64(backoffFirst)*math.Pow(backoffGrow, float64(b.attempts-1)), float64(most)))
}

func (b *backoff) reset() { b.attempts = 0 }
