package client

import "time"

const (
	backoffFirst = 250 * time.Millisecond
	backoffMost  = 5 * time.Second
	backoffGrow  = 1.6
	healthyAfter = 5 * time.Second // a connection that lived so long starts the backoff over
)

// backoff is the row of waits between attempts: each random between 0 and a bound that grows ("full
// jitter": Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015). The zero value
// starts at the first.
type backoff struct{ bound time.Duration }

// next returns the wait before the next attempt; random is within [0, 1).
func (b *backoff) next(random float64) time.Duration {
	if b.bound == 0 {
		b.bound = backoffFirst
	}
	wait := time.Duration(random * float64(b.bound))
	b.bound = min(time.Duration(float64(b.bound)*backoffGrow), backoffMost)
	return wait
}

func (b *backoff) reset() { b.bound = 0 }
