package gateway

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how often one address may do something. The zero value of each field is its default; a
// negative PerSecond means without limit.
type Limit struct {
	PerSecond float64
	Burst     int // how many at once
}

func (l Limit) withDefault(d Limit) Limit {
	if l.PerSecond == 0 {
		l.PerSecond = d.PerSecond
	}
	if l.Burst == 0 {
		l.Burst = d.Burst
	}
	return l
}

// maxAddresses bounds the table of addresses. It takes about 300 bytes each.
const maxAddresses = 1 << 14

// limiter holds each address to a Limit. It knows the addresses heard from last; one that was
// forgotten starts afresh, which is the price of a bound when addresses are plenty.
type limiter struct {
	limit Limit
	size  int

	mu     sync.Mutex
	places map[netip.Prefix]*list.Element
	order  list.List // of *place, the one heard from last in front
}

type place struct {
	prefix netip.Prefix
	tokens *rate.Limiter
}

func newLimiter(l Limit, size int) *limiter {
	return &limiter{limit: l, size: size, places: map[netip.Prefix]*list.Element{}}
}

// allow reports whether addr may go ahead at now, and if not, how long it should wait.
func (l *limiter) allow(now time.Time, addr netip.Addr) (wait time.Duration, ok bool) {
	if l.limit.PerSecond < 0 || addr.IsLoopback() {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tokens := l.tokensLocked(prefixOf(addr))
	if tokens.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - tokens.TokensAt(now)
	seconds := math.Ceil(missing / l.limit.PerSecond)
	return time.Duration(max(1, min(seconds, 3600))) * time.Second, false
}

// check waits for the lock.
func (l *limiter) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
}

func (l *limiter) tokensLocked(p netip.Prefix) *rate.Limiter {
	if e, ok := l.places[p]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*place).tokens
	}
	if len(l.places) >= l.size {
		oldest := l.order.Back()
		delete(l.places, oldest.Value.(*place).prefix)
		l.order.Remove(oldest)
	}
	v := &place{p, rate.NewLimiter(rate.Limit(l.limit.PerSecond), l.limit.Burst)}
	l.places[p] = l.order.PushFront(v)
	return v.tokens
}

// prefixOf is what counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is
// what one household has.
func prefixOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}
