package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/server/api"
)

// origins decides which pages may speak to this server. A browser names the page's origin, and no page
// can make it lie; other clients send none, and are let in.
type origins struct {
	any    bool
	listed map[string]bool
}

func newOrigins(list []string) (origins, error) {
	o := origins{listed: map[string]bool{}}
	for _, s := range list {
		if s == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != s {
			return o, fmt.Errorf("gateway: origin %q must be \"*\" or like \"https://play.example.com\", without a path", s)
		}
		o.listed[strings.ToLower(s)] = true
	}
	return o, nil
}

// check refuses a request from a page that is not allowed. It lets pages of another host that is
// allowed read the answer (CORS).
func (o origins) check(w http.ResponseWriter, r *http.Request) *refusal {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	w.Header().Add("Vary", "Origin")
	if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) {
		return nil
	}
	if !o.any && !o.listed[strings.ToLower(origin)] {
		return refusef(protocol.ErrOrigin, "pages of %.100q may not use this server: its operator can list the origin in --origins", origin)
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	return nil
}

// clientAddr is the address of whoever sent r.
func (g *Gateway) clientAddr(r *http.Request) netip.Addr {
	addr := api.ClientAddr(r, g.cfg.TrustProxy)
	if addr.IsLoopback() && !g.cfg.TrustProxy && r.Header.Get("X-Forwarded-For") != "" {
		g.proxied.Do(func() {
			g.cfg.Log.Warn("requests come through a proxy on this machine, so that all players share its address, which is not limited: " +
				"if the proxy sets X-Forwarded-For, start with --trust-proxy")
		})
	}
	return addr
}

// scheme is "wss" if the client came by TLS, else "ws".
func (g *Gateway) scheme(r *http.Request) string {
	if r.TLS != nil || g.cfg.TrustProxy && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "wss"
	}
	return "ws"
}
