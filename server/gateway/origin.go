package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/server/api"
)

// origin is where a page comes from (RFC 6454), as browsers write it: in lower case, without the scheme's own port.
type origin struct{ scheme, host string }

func (o origin) String() string { return o.scheme + "://" + o.host }

// parseOrigin reads what a request names as its origin, false if it is none, such as "null".
func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme == "" || !strings.EqualFold(u.Scheme+"://"+u.Host, s) {
		return origin{}, false
	}
	scheme := strings.ToLower(u.Scheme)
	return origin{scheme, bareHost(u.Host, scheme)}, true
}

// bareHost is a host in lower case, without the port if that is the scheme's own.
func bareHost(host, scheme string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// origins decides which pages may speak to this server. A browser names the page's origin, and no page
// can make it lie; other clients send none, and are let in.
type origins struct {
	any    bool
	listed map[origin]bool
	list   []string // of those listed, for messages
	told   refusedOrigins
}

// newOrigins reports every entry of the list that no browser's origin can be equal to.
func newOrigins(list []string) (*origins, error) {
	o := &origins{listed: map[origin]bool{}}
	var faults []error
	for _, s := range list {
		if s == "*" {
			o.any = true
			continue
		}
		entry, fault := listedOrigin(s)
		if fault != "" {
			faults = append(faults, fmt.Errorf("gateway: origin %q %s", s, fault))
			continue
		}
		if !o.listed[entry] {
			o.listed[entry] = true
			o.list = append(o.list, entry.String())
		}
	}
	return o, errors.Join(faults...)
}

// listedOrigin reads an entry of the list. fault says why no page's origin is ever equal to it.
func listedOrigin(s string) (_ origin, fault string) {
	const like = "must be like \"https://play.example.com\""
	if s == "null" {
		return origin{}, "is that of sandboxed pages and of files, whosever they are: it can't be listed"
	}
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	host, _, more := strings.Cut(rest, "/")
	switch {
	case !ok || scheme == "":
		return origin{}, like + ", with its scheme"
	case scheme == "ws" || scheme == "wss":
		return origin{}, fmt.Sprintf("can never match: it is a page's origin that counts, which begins with http:// or https://, such as %q", "http"+strings.TrimPrefix(scheme, "ws")+"://"+host)
	case strings.Contains(host, "*"):
		return origin{}, "can never match: a * stands for every origin, alone, and for no part of one; list each origin"
	case more || strings.ContainsAny(rest, "?#"):
		return origin{}, "can never match: an origin has no path, and no / at its end; " + like
	case strings.Contains(host, "@"):
		return origin{}, "can never match: an origin names no user; " + like
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' }):
		return origin{}, "can never match: browsers send such a host in Punycode, as xn--...; list it so, as a browser's console shows it by location.origin"
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return origin{}, like
	}
	if port := u.Port(); port != "" || strings.HasSuffix(host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return origin{}, "can never match: its port must be a number from 1 to 65535, or left out"
		}
	}
	if last := u.Hostname()[strings.LastIndexByte(u.Hostname(), '.')+1:]; strings.Contains(host, "[") || strings.Trim(last, "0123456789") == "" {
		a, err := netip.ParseAddr(u.Hostname())
		if err != nil || a.String() != strings.ToLower(u.Hostname()) {
			return origin{}, "can never match: its host is no IP address as browsers write it"
		}
	}
	entry, ok := parseOrigin(s)
	if !ok {
		return origin{}, like
	}
	return entry, ""
}

// checkOrigin refuses a request from a page that is not allowed. It lets pages of another host that is
// allowed read the answer (CORS).
func (g *Gateway) checkOrigin(w http.ResponseWriter, r *http.Request) *refusal {
	text := r.Header.Get("Origin")
	if text == "" {
		return nil
	}
	w.Header().Add("Vary", "Origin")
	from, ok := parseOrigin(text)
	hosts := g.hostsOf(r)
	if ok && slices.ContainsFunc(hosts, func(h string) bool { return bareHost(h, from.scheme) == from.host }) {
		return nil
	}
	if !g.origins.any && !g.origins.listed[from] {
		if g.origins.told.first(time.Now(), text) {
			g.cfg.Log.Warn("pages of an origin were refused", "origin", clip(text), "host", hosts, "listed", g.origins.list)
		}
		return refusef(protocol.ErrOrigin, "pages of %q may not use this server: it was called by the host %q, which is another, and its operator has not listed that origin in --origins", clip(text), hosts)
	}
	w.Header().Set("Access-Control-Allow-Origin", text)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	return nil
}

// hostsOf is by which hosts a request may have called this server, ports included: as it says, as a proxy that is
// trusted says, and as the operator does. No page of elsewhere can set these headers.
func (g *Gateway) hostsOf(r *http.Request) []string {
	hosts := []string{clip(r.Host)}
	if forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ","); forwarded != "" && g.proxies.Trusts(r) {
		hosts = append(hosts, clip(strings.TrimSpace(forwarded)))
	}
	if g.public != nil {
		hosts = append(hosts, g.public.Host)
	}
	return slices.Compact(hosts)
}

// clip shortens what a client sent, for messages.
func clip(s string) string { return s[:min(len(s), 200)] }

// Of refused origins, so many are told within an hour: anybody can make up more.
const (
	refusedTold  = 32
	refusedAgain = time.Hour
)

// refusedOrigins remembers what was told. The zero value is ready.
type refusedOrigins struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

// first reports whether an origin is to be told of.
func (r *refusedOrigins) first(now time.Time, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= refusedAgain {
		r.since, r.seen = now, map[string]bool{}
	}
	text = clip(text)
	if r.seen[text] || len(r.seen) >= refusedTold {
		return false
	}
	r.seen[text] = true
	return true
}

// AllowsHost answers a request that calls this server by a name that is not its own, if Config.Hosts says what its names
// are. False: it was one. A page of elsewhere can have its own name lead here (DNS rebinding), and would then be of the
// same origin; addresses and localhost can't be made to.
func (g *Gateway) AllowsHost(w http.ResponseWriter, r *http.Request) bool {
	if len(g.hosts) == 0 || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	name := hostname(r.Host)
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || slices.Contains(g.hosts, name) {
		return true
	}
	g.refuse(w, refusef(protocol.ErrHost, "this server is not called %q: call it by a name that its operator lists in --hosts, or by its address", clip(r.Host)))
	return false
}

// hostname is a host without its port, in lower case, without the brackets of an address and the dot of the root.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// checkHosts says what is wrong with Config.Hosts.
func checkHosts(list []string) error {
	var faults []error
	for _, s := range list {
		if s == "" || hostname(s) != strings.ToLower(s) || strings.ContainsAny(s, "*/@?# ") || strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
			faults = append(faults, fmt.Errorf("gateway: the host %q must be a name alone, such as play.example.com: without scheme, port, * and path, and in Punycode (xn--...) if it has other letters than a-z", s))
		}
	}
	return errors.Join(faults...)
}

// clientAddr is the address of whoever sent r. One that is unknown is "::", which nobody has: all such clients are limited
// as one.
func (g *Gateway) clientAddr(r *http.Request) netip.Addr {
	if !g.proxies.Trusts(r) && api.Forwarded(r.Header) && api.Proxies(nil).ClientAddr(r) == (netip.Addr{}) {
		g.proxied.Do(func() {
			g.cfg.Log.Warn("requests come through a proxy on this machine that is not trusted, so that all players count as one address for the limits: " +
				"if the proxy sets X-Forwarded-For, start with --trust-proxy 127.0.0.1,::1")
		})
	}
	if a := g.proxies.ClientAddr(r); a.IsValid() {
		return a
	}
	return netip.IPv6Unspecified()
}

// connectURL is the address to connect to with a ticket, its query left out: below Config.PublicURL, or else as r calls
// this server.
func (g *Gateway) connectURL(r *http.Request) url.URL {
	base := url.URL{Scheme: g.proxies.Scheme(r), Host: r.Host}
	if g.public != nil {
		base = *g.public
	}
	base.Scheme = "ws" + strings.TrimPrefix(base.Scheme, "http")
	base.Path += connectPath
	return base
}
