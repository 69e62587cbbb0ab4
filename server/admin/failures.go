package admin

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong tokens an address may send: a person mistypes some, a program guesses many.
const (
	failuresPerSecond = 0.2
	failuresBurst     = 10
	maxFailing        = 1024 // addresses that are remembered
)

// failures tells addresses that send wrong tokens to wait. The zero value is ready.
type failures struct {
	mu     sync.Mutex
	places map[netip.Prefix]*rate.Limiter
}

// note counts a wrong token. wait is above 0 if too many came from addr; last reports that this was the last one that is
// not told to wait.
func (f *failures) note(now time.Time, addr netip.Addr) (wait time.Duration, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := prefixOf(addr)
	tokens := f.places[p]
	if tokens == nil {
		f.makeRoomLocked(now)
		tokens = rate.NewLimiter(failuresPerSecond, failuresBurst)
		f.places[p] = tokens
	}
	if tokens.AllowN(now, 1) {
		return 0, tokens.TokensAt(now) < 1
	}
	missing := 1 - tokens.TokensAt(now)
	return time.Duration(missing / failuresPerSecond * float64(time.Second)), false
}

// makeRoomLocked forgets addresses that have paid, and if there are none, any one.
func (f *failures) makeRoomLocked(now time.Time) {
	if f.places == nil {
		f.places = map[netip.Prefix]*rate.Limiter{}
	}
	if len(f.places) < maxFailing {
		return
	}
	for p, tokens := range f.places {
		if tokens.TokensAt(now) >= failuresBurst {
			delete(f.places, p)
		}
	}
	for p := range f.places {
		if len(f.places) < maxFailing {
			return
		}
		delete(f.places, p)
	}
}

// prefixOf is what counts as one address: an IPv4 address, or an IPv6 network of 64 bits.
func prefixOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}
