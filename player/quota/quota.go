// Package quota counts what each user and each address has at the same time, such as seats or rooms, and refuses more
// than a share of it, so that one of them can't take all that a server has. How often something may be done is another
// matter: see the gateway's limits.
//
// It starts no goroutine, and its methods may be called from any.
package quota

import (
	"fmt"
	"net/netip"
	"sync"
)

// Holder is who has something. The zero value is the server itself, which is not limited.
type Holder struct {
	User string     // "": not known yet; only the address is counted
	Addr netip.Addr // not limited if it is a loopback address, nor is its user; one that is unknown counts as an address
}

func (h Holder) limited() bool { return h != Holder{} && !h.Addr.IsLoopback() }

// Near reports whether h and o are one user, or of one network, as far as can be told.
func (h Holder) Near(o Holder) bool { return h.User == o.User || widest(h.Addr) == widest(o.Addr) }

func widest(addr netip.Addr) (widest netip.Prefix) {
	for network := range Networks(addr) {
		widest = network
	}
	return widest
}

// Limits are how much one user and one address may have; 0 is without limit. An IPv4 address counts as one address, and so
// does an IPv6 network of 64 bits, which is what one household has. Some have more: one of 56 bits may have twice as much,
// one of 48 bits four times, but none more than Network.
type Limits struct{ User, Address, Network int }

// network is what an address belongs to, and how many times as much as an address it may have.
type network struct{ bits, times int }

var (
	network4 = [...]network{{32, 1}}
	network6 = [...]network{{64, 1}, {56, 2}, {48, 4}}
)

func networksOf(addr netip.Addr) []network {
	if addr.Is6() {
		return network6[:]
	}
	return network4[:]
}

// Networks yields the networks by which addr is counted, the narrowest first, and how many times the limit of an address
// each has. That of an unknown address is the zero Prefix.
func Networks(addr netip.Addr) func(yield func(of netip.Prefix, times int) bool) {
	addr = addr.Unmap().WithZone("")
	return func(yield func(netip.Prefix, int) bool) {
		for _, n := range networksOf(addr) {
			of, _ := addr.Prefix(n.bits) // the zero Prefix for the zero Addr
			if !yield(of, n.times) {
				return
			}
		}
	}
}

// Error is a refusal: somebody has as much as they may.
type Error struct {
	What  string // in the plural, such as "seats"
	Of    string // "user", "address" or "network"
	Limit int
}

func (e *Error) Error() string {
	whose := "you have"
	switch e.Of {
	case "address":
		whose = "all players at your address have"
	case "network":
		whose = "all players of your network have"
	}
	return fmt.Sprintf("%s %d %s by now, which is as many as they may: give one up, or try again later", whose, e.Limit, e.What)
}

// Counter counts one thing.
type Counter struct {
	what   string
	limits Limits

	mu       sync.Mutex
	users    map[string]int
	networks map[netip.Prefix]int
}

// New returns a Counter of what, in the plural.
func New(what string, l Limits) *Counter {
	return &Counter{what: what, limits: l, users: map[string]int{}, networks: map[netip.Prefix]int{}}
}

// Take counts one more that h has, if h may have it. The error is an *Error.
func (c *Counter) Take(h Holder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.fitsLocked(h); err != nil {
		return err
	}
	c.addLocked(h, 1)
	return nil
}

// Fits says what Take would.
func (c *Counter) Fits(h Holder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fitsLocked(h)
}

// Add counts one more that h has, whether h may have it or not.
func (c *Counter) Add(h Holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(h, 1)
}

// Give counts one less.
func (c *Counter) Give(h Holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(h, -1)
}

func (c *Counter) fitsLocked(h Holder) error {
	if !h.limited() {
		return nil
	}
	if n := c.limits.User; h.User != "" && n > 0 && c.users[h.User] >= n {
		return &Error{c.what, "user", n}
	}
	if c.limits.Address <= 0 {
		return nil
	}
	of := "address"
	for network, times := range Networks(h.Addr) {
		n := times * c.limits.Address
		if most := c.limits.Network; most > 0 && times > 1 {
			n = min(n, most)
		}
		if c.networks[network] >= n {
			return &Error{c.what, of, n}
		}
		of = "network"
	}
	return nil
}

func (c *Counter) addLocked(h Holder, by int) {
	if !h.limited() {
		return
	}
	if h.User != "" {
		add(c.users, h.User, by)
	}
	for network := range Networks(h.Addr) {
		add(c.networks, network, by)
	}
}

func add[K comparable](m map[K]int, key K, by int) {
	if m[key] += by; m[key] <= 0 {
		delete(m, key)
	}
}
