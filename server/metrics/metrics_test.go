package metrics

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/server/gateway"
	"github.com/tickhall/tickhall/server/version"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hotel has rooms of two kinds.
type hotel []room.Info

func (hotel) Kinds() []*room.Spec { return []*room.Spec{{Name: "duel"}, {Name: "chat"}} }
func (h hotel) List() []room.Info { return h }

// full is a Config with something in all of it.
func full() Config {
	cfg := Config{
		Rooms:   hotel{{Kind: "duel", Players: 2}, {Kind: "duel", Players: 1, Spectators: 4}, {Kind: "unknown", Players: 9}},
		Lobby:   new(lobby.Stats),
		Room:    new(room.Stats),
		Player:  new(player.Stats),
		Gateway: new(gateway.Stats),
		Queue:   func() Queue { return Queue{Waiting: 9, Matched: 10, Starved: 11} },
		Admin:   func() Admin { return Admin{Denied: 15} },
		Version: version.Info{Version: "v1.2.3", Revision: "abc", Go: "go1.26"}, LogDropped: func() int64 { return 12 }, SocketsRefused: func() int64 { return 13 },
		Waited: room.NewHistogram(int64(time.Second), int64(time.Minute)),
	}
	cfg.Room.Kind("duel")
	return cfg
}

func TestMetricsKeepPrometheussConventions(t *testing.T) {
	c := newCollector(full())
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Greater(t, testutil.CollectAndCount(c), 60)
}

func TestEveryMetricIsOfTickhallOrTheRuntime(t *testing.T) {
	r := NewRegistry(full())
	families, err := r.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.Regexp(t, `^(tickhall|go|process)_`, f.GetName())
		require.NotRegexp(t, `^tickhall_gateway_`, f.GetName(), "a new counter of the gateway needs a name in gatewayMetrics")
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if strings.HasPrefix(f.GetName(), "tickhall_") {
					require.Contains(t, []string{"kind", "phase", "cause", "reason", "where", "code", "version", "revision", "goversion"}, l.GetName())
				}
			}
		}
	}
}

func TestRoomsAndPlayersAreCountedByKind(t *testing.T) {
	require.NoError(t, testutil.CollectAndCompare(newCollector(full()), strings.NewReader(`
		# HELP tickhall_players Players who have a seat, those whose connection is lost for the moment included.
		# TYPE tickhall_players gauge
		tickhall_players{kind="chat"} 0
		tickhall_players{kind="duel"} 3
		# HELP tickhall_rooms Open rooms.
		# TYPE tickhall_rooms gauge
		tickhall_rooms{kind="chat"} 0
		tickhall_rooms{kind="duel"} 2
		# HELP tickhall_spectators Spectators.
		# TYPE tickhall_spectators gauge
		tickhall_spectators{kind="chat"} 0
		tickhall_spectators{kind="duel"} 4
	`), "tickhall_rooms", "tickhall_players", "tickhall_spectators"))
}

func TestHistogramsAreInSeconds(t *testing.T) {
	cfg := full()
	cfg.Waited.Observe(int64(500 * time.Millisecond))
	cfg.Waited.Observe(int64(time.Second)) // a bound is included
	cfg.Waited.Observe(int64(2 * time.Second))
	cfg.Waited.Observe(int64(time.Hour))
	require.NoError(t, testutil.CollectAndCompare(newCollector(cfg), strings.NewReader(`
		# HELP tickhall_match_wait_seconds From entering a queue to the match.
		# TYPE tickhall_match_wait_seconds histogram
		tickhall_match_wait_seconds_bucket{le="1"} 2
		tickhall_match_wait_seconds_bucket{le="60"} 3
		tickhall_match_wait_seconds_bucket{le="+Inf"} 4
		tickhall_match_wait_seconds_sum 3603.5
		tickhall_match_wait_seconds_count 4
	`), "tickhall_match_wait_seconds"))
}

func TestCountersOfEveryPartAreServed(t *testing.T) {
	cfg := full()
	cfg.Room.Kind("duel").Panics.Store(1)
	cfg.Room.Kind("duel").Keyframes.Store(2)
	cfg.Room.Kind("duel").SkippedCongested.Store(3)
	cfg.Room.Panics.Store(4)
	cfg.Room.Kind("duel").SkippedNanos.Store(int64(1500 * time.Millisecond))
	cfg.Room.Kind("duel").Unsendable.Store(14)
	cfg.Player.Limited.Store(5)
	cfg.Gateway.BytesOut.Store(6)
	cfg.Gateway.Panics.Store(7)
	cfg.Gateway.Open.Store(8)
	body := scrape(t, Handler(NewRegistry(cfg), nil))
	for _, line := range []string{
		`tickhall_rooms_ended_total{cause="panic",kind="duel"} 1`,
		`tickhall_keyframes_total{kind="duel"} 2`, `tickhall_keyframes_total{kind="chat"} 0`,
		`tickhall_snapshots_skipped_total{kind="duel",reason="congested"} 3`,
		`tickhall_panics_total{where="game"} 4`,
		`tickhall_tick_skipped_seconds_total{kind="duel"} 1.5`,
		`tickhall_messages_dropped_total{reason="rate_limited"} 5`,
		`tickhall_sent_bytes_total 6`,
		`tickhall_panics_total{where="connection"} 7`,
		`tickhall_connections 8`,
		`tickhall_queue_players 9`,
		`tickhall_queue_left_total{cause="matched"} 10`,
		`tickhall_queue_failures_total{reason="full"} 11`,
		`tickhall_refusals_total{code="rate_limited"} 0`,
		`tickhall_log_lines_dropped_total 12`,
		`tickhall_unsendable_values_total{kind="duel"} 14`,
		`tickhall_sockets_refused_total 13`,
		`tickhall_admin_requests_denied_total 15`,
		`tickhall_build_info{goversion="go1.26",revision="abc",version="v1.2.3"} 1`,
		`tickhall_connections_closed_total{code="kicked"} 0`,
		"# TYPE go_goroutines gauge", "# TYPE process_cpu_seconds_total counter", "# TYPE go_sched_latencies_seconds histogram",
	} {
		require.Contains(t, body, line+"\n")
	}
}

func TestWhatIsNotGivenIsLeftOut(t *testing.T) {
	body := scrape(t, Handler(NewRegistry(Config{Rooms: hotel{}}), slog.Default()))
	require.Contains(t, body, "tickhall_rooms{")
	require.NotContains(t, body, "tickhall_joins_total")
	require.NotContains(t, body, "tickhall_match_wait_seconds")
	require.NotContains(t, body, "tickhall_queue")
}

func scrape(t *testing.T, h http.Handler) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestPrivateLetsInThisMachineAndPrivateNetworks(t *testing.T) {
	for _, c := range []struct {
		addr string
		want int
	}{
		{addr: "127.0.0.1", want: 200},
		{addr: "::1", want: 200},
		{addr: "10.1.2.3", want: 200},
		{addr: "172.17.0.1", want: 200},
		{addr: "::ffff:192.168.0.9", want: 200},
		{addr: "fd12::7", want: 200},
		{addr: "fe80::1", want: 200},
		{addr: "203.0.113.5", want: 403},
		{addr: "2001:db8::1", want: 403},
		{addr: "", want: 403},
	} {
		t.Run(c.addr, func(t *testing.T) {
			var addr netip.Addr
			if c.addr != "" {
				addr = netip.MustParseAddr(c.addr)
			}
			h := Private(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }),
				func(*http.Request) netip.Addr { return addr })
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
			require.Equal(t, c.want, w.Code)
			if c.want == 403 {
				require.Contains(t, w.Body.String(), "--metrics-listen")
			}
		})
	}
}

type press struct{}

// clicker is a game that takes a while.
type clicker struct{ step func() }

func (*clicker) Join(*room.Tick, *room.Player) error        { return nil }
func (*clicker) Leave(*room.Tick, *room.Player, room.Cause) {}
func (c *clicker) Step(*room.Tick, []room.Input[press])     { c.step() }

type line struct{}

func (line) Send(...[]byte) error                { return nil }
func (line) Ready() bool                         { return true }
func (line) Close(protocol.Code, string, []byte) {}
func (line) RemoteAddr() string                  { return "192.0.2.1" }

// play makes a room of one player and lets it tick.
func play(t *testing.T, rate, ticks int, rtt time.Duration, step func()) *room.Stats {
	stats := new(room.Stats)
	kind := room.Kind[press]{Name: "duel", TickRate: rate, MaxPlayers: 2, New: func(*room.Setup) (room.Game[press], error) {
		return &clicker{step}, nil
	}}
	m, err := room.NewManual(t.Context(), kind, room.Config{ID: "a", Stats: stats})
	require.NoError(t, err)
	s, err := m.Join(room.Join{Conn: line{}}) // the first tick
	require.NoError(t, err)
	for n := 1; n < ticks; n++ {
		require.NoError(t, s.Receive(line{}, m.Now().Add(rtt), protocol.AppendAck(nil, uint32(n))))
		_, err := m.Tick()
		require.NoError(t, err)
	}
	return stats
}

func count(h *room.Histogram) int64 { _, _, n, _ := h.Read(); return int64(n) }
func sum(h *room.Histogram) int64   { _, _, _, s := h.Read(); return s }

func TestARoomsTicksAreMeasuredByPhase(t *testing.T) {
	const ticks, rate, took = 5, 128, 8 * time.Millisecond // which does not fit in 1/128 s
	k := play(t, rate, ticks, time.Millisecond, func() {
		for began := time.Now(); time.Since(began) < took; {
		}
	}).Kind("duel")
	require.EqualValues(t, ticks, count(k.Tick))
	require.GreaterOrEqual(t, sum(k.Tick), int64(ticks*took))
	require.GreaterOrEqual(t, sum(k.Phases[room.PhaseStep]), int64(ticks*took))
	var phases int64
	for i, h := range k.Phases {
		require.EqualValues(t, ticks, count(h), room.Phase(i))
		phases += sum(h)
	}
	require.Equal(t, sum(k.Tick), phases)
	require.EqualValues(t, ticks, k.Overruns.Load())
	require.EqualValues(t, ticks, count(k.Lateness))
}

func TestSnapshotsAndRoundTripsAreMeasured(t *testing.T) {
	const ticks, rate, seconds = 101, 20, 5
	stats := play(t, rate, ticks, 7*time.Millisecond, func() {})
	k := stats.Kind("duel")
	require.EqualValues(t, ticks, count(k.Size))
	require.Equal(t, stats.Snapshots.Load(), count(k.Size))
	require.Equal(t, stats.Bytes.Load(), sum(k.Size))
	require.EqualValues(t, seconds, count(k.RTT), "once a second")
	require.EqualValues(t, seconds*7*time.Millisecond, sum(k.RTT))
	require.Zero(t, k.SkippedNanos.Load())
}

func TestObservingAllocatesNothing(t *testing.T) {
	stats := new(room.Stats)
	stats.Kind("duel")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		k := stats.Kind("duel")
		k.Tick.Observe(12345)
		k.Size.Observe(900)
		k.Overruns.Add(1)
	}))
}

func TestKindsAreOfOneSetHoweverManyAskAtOnce(t *testing.T) {
	stats := new(room.Stats)
	got := make(chan *room.KindStats)
	for i := range 20 {
		go func() { got <- stats.Kind([]string{"b", "a"}[i%2]) }()
	}
	seen := map[*room.KindStats]bool{}
	for range 20 {
		seen[<-got] = true
	}
	require.Len(t, seen, 2)
	var names []string
	for name := range stats.Kinds() {
		names = append(names, name)
	}
	require.Equal(t, []string{"a", "b"}, names)
}

func TestHistogramsRefuseBoundsThatMakeNoBuckets(t *testing.T) {
	require.Panics(t, func() { room.NewHistogram() })
	require.Panics(t, func() { room.NewHistogram(2, 1) })
	require.Panics(t, func() { room.NewHistogram(make([]int64, 16)...) })
}

// BenchmarkScrape is of a server of 1000 rooms of five kinds.
func BenchmarkScrape(b *testing.B) {
	stats := new(room.Stats)
	var list hotel
	kinds := []string{"arena", "chat", "devices", "feed", "whiteboard"}
	for i := range 1000 {
		list = append(list, room.Info{Kind: kinds[i%5], Players: 10})
		stats.Kind(kinds[i%5]).Tick.Observe(int64(i) * 1000)
	}
	cfg := full()
	cfg.Rooms, cfg.Room = list, stats
	h := Handler(NewRegistry(cfg), nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
		b.SetBytes(int64(w.Body.Len()))
	}
}

// BenchmarkObserve is of all processors observing in one histogram.
func BenchmarkObserve(b *testing.B) {
	h := new(room.Stats).Kind("duel").Tick
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(123456)
		}
	})
}
