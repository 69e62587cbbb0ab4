package swarm

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const scraped = `# HELP process_cpu_seconds_total Total.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 2.5e+07
go_goroutines 42
go_nan NaN
other_metric 1
tickhall_snapshots_skipped_total{reason="congested"} 7 1700000000000
tickhall_odd{label="a b} c"} 3
tickhall_tick_lateness_seconds_bucket{kind="arena",le="0.001"} 90
tickhall_tick_lateness_seconds_bucket{kind="arena",le="0.01"} 100
tickhall_tick_lateness_seconds_bucket{kind="arena",le="+Inf"} 100
tickhall_tick_lateness_seconds_sum{kind="arena"} 0.2
tickhall_tick_lateness_seconds_count{kind="arena"} 100
tickhall_cut_off{
`

func TestMetricsAreReadWithTolerance(t *testing.T) {
	m := parseMetrics(strings.NewReader(scraped))
	require.Equal(t, 12.5, m["process_cpu_seconds_total"])
	require.Equal(t, 7., m[`tickhall_snapshots_skipped_total{reason="congested"}`])
	require.Equal(t, 3., m[`tickhall_odd{label="a b} c"}`])
	require.NotContains(t, m, "other_metric")
	require.NotContains(t, m, "go_nan")
	require.Empty(t, parseMetrics(strings.NewReader("<html>not found</html>")))

	h := serverHistograms(map[string]float64{}, m)
	require.Len(t, h, 1)
	require.Equal(t, ServerHistogram{Name: `tickhall_tick_lateness_seconds{kind="arena"}`, Count: 100, Mean: 0.002, P50: 0.001, P99: 0.01}, h[0])
	require.Empty(t, serverHistograms(m, m), "nothing has come since")
}

func TestServersViewIsWhatCameBetween(t *testing.T) {
	first := parseMetrics(strings.NewReader(scraped))
	last := parseMetrics(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(scraped, "12.5", "14.5"), "} 7 ", "} 17 ")))
	s := server{cfg: &Scenario{MetricsURL: "http://x/metrics"}, first: first, last: last, firstAt: time.Now(), lasted: 10 * time.Second}
	r := newReport(&Scenario{})
	s.fill(r, 1000, 10*time.Second)
	require.InDelta(t, 0.2, r.Values["server.cpu"], 1e-9)
	require.InDelta(t, 2000, r.Values["server.cpu_per_snapshot"], 1e-6)
	require.Equal(t, 2.5e7, r.Values["server.memory"])
	require.Equal(t, []string{"10 snapshots skipped (congested)"}, r.Server.drops())
}

func TestProcessIsReadFromProc(t *testing.T) {
	cpu, memory, err := parseStat("42 (a) b) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 8 0 100 1000 3 18446744073709551615")
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, cpu)
	require.Positive(t, memory)
	_, _, err = parseStat("42 (a) R 1")
	require.Error(t, err)

	line := "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000 100 0 0 10 0"
	require.Equal(t, "4711", listening(line, 8080))
	require.Empty(t, listening(line, 8081))
	require.Empty(t, listening(strings.Replace(line, " 0A ", " 01 ", 1), 8080))
	require.Empty(t, listening("  sl  local_address rem_address", 8080))
}
