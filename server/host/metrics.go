package host

import (
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/metrics"
)

// Metrics is what /metrics serves. An author's own metrics are registered here, before Run.
func (h *Host) Metrics() *prometheus.Registry { return h.metrics }

func (h *Host) newMetrics() *prometheus.Registry {
	return metrics.NewRegistry(metrics.Config{
		Rooms: h.lobby, Lobby: &h.lobbyStats, Room: &h.roomStats, Player: &h.playerStats, Gateway: h.gateway.Stats(),
		Queue: h.queueMetrics, Waited: h.queueStats.Waited, Admin: h.adminMetrics, Version: h.version, SocketsRefused: h.sockets.refused.Load, LogDropped: h.cfg.LogDropped,
	})
}

func (h *Host) queueMetrics() metrics.Queue {
	q := &h.queueStats
	return metrics.Queue{
		Waiting: q.Waiting.Load(), Entered: q.Entered.Load(), Matched: q.Matched.Load(), Cancelled: q.Cancelled.Load(),
		Vanished: q.Vanished.Load(), Backfilled: q.Backfilled.Load(), Matches: q.Matches.Load(), Starved: q.Starved.Load(), Failed: q.Failed.Load(),
	}
}

func (h *Host) adminMetrics() metrics.Admin {
	a := &h.adminStats
	return metrics.Admin{Served: a.Served.Load(), Refused: a.Refused.Load(), Denied: a.Denied.Load(), Throttle: a.Throttle.Load()}
}

// routeMetrics serves metrics beside the rest, to this machine and private networks, unless they have an address
// of their own or none.
func (h *Host) routeMetrics(mux *http.ServeMux) {
	if h.cfg.MetricsListen != "" {
		return
	}
	proxies := api.Proxies(h.cfg.TrustProxies)
	mux.Handle("GET "+metrics.Path, metrics.Private(metrics.Handler(h.metrics, h.cfg.Log), func(r *http.Request) netip.Addr {
		if api.Forwarded(r.Header) && !proxies.Trusts(r) { // the address is the proxy's
			return netip.Addr{}
		}
		return proxies.ClientAddr(r)
	}))
}

// serveMetrics serves metrics at an address of their own, if they have one, to whoever reaches it. stop ends that
// and waits for it.
func (h *Host) serveMetrics() (stop func(), err error) {
	mux := http.NewServeMux()
	mux.Handle("GET "+metrics.Path, metrics.Handler(h.metrics, h.cfg.Log))
	return h.serveAside(h.cfg.MetricsListen, "metrics-listen", "metrics are served", metrics.Path, mux)
}
