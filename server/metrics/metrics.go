// Package metrics serves what a server counts to Prometheus: rooms and players by kind, ticks, snapshots, the
// network, refusals, and the Go runtime. Nothing is labelled by room or player, so that the number of series does not
// grow with either. The counting is done where things happen, with atomics; here they are only read.
//
// There are no goroutines but those in which net/http serves scrapes, and the registry collects for them.
package metrics

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/gateway"
	"github.com/tickhall/tickhall/server/version"
)

// Path is where metrics are served.
const Path = "/metrics"

const (
	scrapesAtOnce = 4 // more get 503
	scrapeTimeout = 10 * time.Second
)

// Rooms tells of the rooms that there are. *lobby.Lobby does.
type Rooms interface {
	Kinds() []*room.Spec
	List() []room.Info
}

// Config says what is read. Rooms is required; what else is nil is left out.
type Config struct {
	Rooms   Rooms
	Lobby   *lobby.Stats
	Room    *room.Stats
	Player  *player.Stats
	Gateway *gateway.Stats

	Queue  func() Queue    // called in each scrape
	Waited *room.Histogram // nanoseconds from entering a queue to the match

	Admin func() Admin // called in each scrape

	SocketsRefused func() int64 // called in each scrape: sockets above the cap

	Version    version.Info // the zero value is left out
	LogDropped func() int64 // called in each scrape: lines of the log that could not be written

	Log *slog.Logger // nil: slog.Default
}

// Queue is what is read of those who wait for a match, over all queues.
type Queue struct {
	Waiting    int64 // players, now
	Entered    int64 // players
	Matched    int64 // players
	Cancelled  int64 // players who left
	Vanished   int64 // players for whom nobody asked any more
	Backfilled int64 // players who came into a running match
	Matches    int64
	Starved    int64 // matches that found no place
	Failed     int64 // matches whose game could not be made
}

// Admin is what is read of operators' requests.
type Admin struct {
	Served   int64 // carried out
	Refused  int64 // with the right token, and at fault
	Denied   int64 // without it
	Throttle int64 // of these: told to wait
}

// NewRegistry returns a registry of all that cfg names, the Go runtime and the process. An author's own metrics
// may be added to it.
func NewRegistry(cfg Config) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		newCollector(cfg),
		collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			// How long goroutines that could run wait for a processor: late ticks begin here.
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/sched/latencies:seconds$`)},
		)),
	)
	return r
}

// Handler serves r's metrics to whoever asks, at most four at a time.
func Handler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.Default()
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), Registry: r,
		MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTimeout,
	})
}

// Private lets through to next who asks from this machine or a private network, and refuses everybody else with
// 403. addr tells whom a request comes from, the zero Addr if that is unknown, as of one that a proxy forwarded which is
// not trusted.
func Private(next http.Handler, addr func(*http.Request) netip.Addr) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPrivate(addr(r)) {
			head := w.Header()
			head.Set("Content-Type", "application/json")
			head.Set("Cache-Control", "no-store")
			head.Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(http.StatusForbidden)
			// Who is gone needs no answer.
			_ = json.NewEncoder(w).Encode(&protocol.HTTPError{
				Code:    "forbidden",
				Message: Path + " is only for this machine and private networks: scrape from there, or give it an address of its own with --metrics-listen",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}
