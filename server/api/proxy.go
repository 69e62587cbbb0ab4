package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies whose forwarding headers are believed. None by default: anybody can write
// such a header.
type Proxies []netip.Prefix

// ParseProxies reads networks such as 10.0.0.0/8, and addresses, separated by commas.
func ParseProxies(list string) (Proxies, error) {
	var p Proxies
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		network, err := netip.ParsePrefix(s)
		if a, e := netip.ParseAddr(s); e == nil {
			network, err = netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("it must be the addresses or networks of proxies, separated by commas, such as 127.0.0.1,10.0.0.0/8, and %q is none", s)
		}
		p = append(p, network)
	}
	return p, p.Validate()
}

// Validate refuses what would believe anybody.
func (p Proxies) Validate() error {
	for _, network := range p {
		switch {
		case !network.IsValid():
			return fmt.Errorf("a network of proxies is not valid")
		case network.Bits() == 0:
			return fmt.Errorf("the network %s is everybody, whose word would be believed: name those of your proxies", network)
		}
	}
	return nil
}

// Trusts reports whether r comes from one of the proxies.
func (p Proxies) Trusts(r *http.Request) bool { return p.contains(remoteAddr(r)) }

func (p Proxies) contains(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(p, func(network netip.Prefix) bool {
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		return network.Contains(a)
	})
}

// ClientAddr is the address of whoever sent r, the zero Addr if it is unknown. Of X-Forwarded-For it believes what the
// proxies added: from the right, past the addresses of proxies, the first other one; what stands before that anybody may
// have written. A header that can't be read, or is missing where a proxy forwarded the request, tells nothing: then the
// address is unknown, never the proxy's. So a loopback address is that of a client on this machine, which came without a
// proxy, or by one that leaves no trace.
func (p Proxies) ClientAddr(r *http.Request) netip.Addr {
	remote := remoteAddr(r)
	if !Forwarded(r.Header) {
		return remote
	}
	if !p.contains(remote) {
		return unlessLoopback(remote) // it would be everybody's behind the proxy
	}
	client := netip.Addr{}
	for hop := range backwards(r.Header.Values("X-Forwarded-For")) {
		var ok bool
		if client, ok = parseHop(hop); !ok {
			return netip.Addr{}
		}
		if !p.contains(client) {
			break
		}
	}
	return unlessLoopback(client)
}

// Scheme is "https" if the client came by TLS, else "http".
func (p Proxies) Scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if p.Trusts(r) && strings.EqualFold(strings.TrimSpace(first), "https") {
		return "https"
	}
	return "http"
}

// Forwarded reports whether a proxy says in a header that it forwarded the request.
func Forwarded(h http.Header) bool {
	for _, name := range [...]string{
		"X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
		"Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Fly-Client-Ip", "Fastly-Client-Ip",
	} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

func remoteAddr(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap().WithZone("")
}

func unlessLoopback(a netip.Addr) netip.Addr {
	if a.IsLoopback() {
		return netip.Addr{}
	}
	return a
}

// backwards yields the elements of a comma-separated header, the last of the last line first.
func backwards(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for {
				i := strings.LastIndexByte(line, ',')
				if !yield(strings.TrimSpace(line[i+1:])) {
					return
				}
				if i < 0 {
					break
				}
				line = line[:i]
			}
		}
	}
}

// parseHop reads an element of X-Forwarded-For: an address, to which some proxies add the port.
func parseHop(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		var with netip.AddrPort
		with, err = netip.ParseAddrPort(s)
		a = with.Addr()
	}
	a = a.Unmap().WithZone("")
	return a, err == nil && !a.IsUnspecified()
}
