package host

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/metrics"
)

// metricsOff stands in place of an address for metrics that are not served.
const metricsOff = "off"

// checkMetricsListen says what is wrong with Config.MetricsListen.
func checkMetricsListen(s string) error {
	if s == "" || s == metricsOff {
		return nil
	}
	return checkAddress(s)
}

// Metrics is what /metrics serves. An author's own metrics are registered here, before Run.
func (h *Host) Metrics() *prometheus.Registry { return h.metrics }

func (h *Host) newMetrics() *prometheus.Registry {
	return metrics.NewRegistry(metrics.Config{
		Rooms: h.lobby, Lobby: &h.lobbyStats, Room: &h.roomStats, Player: &h.playerStats, Gateway: h.gateway.Stats(),
		Queue: h.queueMetrics, Waited: h.queueStats.Waited,
	})
}

func (h *Host) queueMetrics() metrics.Queue {
	q := &h.queueStats
	return metrics.Queue{
		Waiting: q.Waiting.Load(), Entered: q.Entered.Load(), Matched: q.Matched.Load(), Cancelled: q.Cancelled.Load(),
		Vanished: q.Vanished.Load(), Matches: q.Matches.Load(), Starved: q.Starved.Load(), Failed: q.Failed.Load(),
	}
}

// routeMetrics serves metrics beside the rest, to this machine and private networks, unless they have an address
// of their own or none.
func (h *Host) routeMetrics(mux *http.ServeMux) {
	if h.cfg.MetricsListen != "" {
		return
	}
	mux.Handle("GET "+metrics.Path, metrics.Private(metrics.Handler(h.metrics, h.cfg.Log), h.cfg.TrustProxy,
		func(r *http.Request) netip.Addr { return api.ClientAddr(r, h.cfg.TrustProxy) }))
}

// serveMetrics serves metrics at an address of their own, if they have one, to whoever reaches it. stop ends that
// and waits for it.
func (h *Host) serveMetrics() (stop func(), err error) {
	if h.cfg.MetricsListen == "" || h.cfg.MetricsListen == metricsOff {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", h.cfg.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with --metrics-listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metrics.Path, metrics.Handler(h.metrics, h.cfg.Log))
	server := &http.Server{
		Handler: mux, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(h.cfg.Log.Handler(), slog.LevelWarn),
	}
	h.cfg.Log.Info("metrics are served", "url", "http://"+reachable(listener.Addr())+metrics.Path)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) }) // until stop
	return func() {
		_ = server.Close() // a scrape that is left gets cut
		wg.Wait()
	}, nil
}
