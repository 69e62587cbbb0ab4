package swarm

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sample is a report with something of everything.
func sample(t *testing.T) *Report {
	s := Scenario{Name: "steady", Rooms: 2, Players: 10, Duration: 3 * time.Second}.withDefaults()
	r := newReport(&s)
	r.Began, r.Machine, r.Lasted = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "a machine", 3
	var h histograms
	for i := range int64(1000) {
		h.record(staleness, 20_000+i*30, 1)
		h.record(snapshotBytes, 300+i, 1)
	}
	h.record(lateness, 25_000, 1)
	for d := range distributions {
		r.distribution(d, h[d])
	}
	for _, m := range metrics {
		if !m.Distribution {
			r.value(m.Name, 0)
		}
	}
	r.value("players", 20)
	r.value("snapshots", 601.4)
	r.value("generator.cpu", 0.25)
	r.value("server.cpu_per_snapshot", 33)
	r.Errors = map[string]int{"connection lost": 2, "closed: <flood>": 1}
	r.Timeline = []Second{
		{At: 1, Players: 20, Wanted: 20, Snapshots: 600, P50: 30, P99: 48, Payload: 5000}, {At: 2, Players: 20, Wanted: 20, Snapshots: 610, P50: 31, P99: 49, Payload: 5000},
	}
	r.ServerVersion = "v1.2.3"
	r.Broken = "the server went away after 2s: connection refused"
	r.Server = &ServerView{Source: "metrics", Durations: []ServerHistogram{{Name: `tickhall_tick_phase_duration_seconds{kind="arena",phase="step"}`, Count: 3, Mean: 12e-6}}}
	r.Climb = []Step{{Rooms: 2, Players: 20, OK: true}, {Rooms: 4, Players: 40, Why: "errors==0: it was 3"}}
	gates, err := ParseGates("staleness.p99<=200ms", "errors==0")
	require.NoError(t, err)
	r.value("errors", 3)
	r.judge(gates, 2)
	return r
}

func TestSummaryReadsWell(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample(t).WriteText(&b))
	require.Equal(t, strings.TrimLeft(`
steady: 2 x 10 players of arena, inputs at 20 Hz, 3 s
http://localhost:8080 (v1.2.3), a machine

BROKEN OFF: the server went away after 2s: connection refused

    20 players in    2 rooms: meets the gates
    40 players in    4 rooms: does not: errors==0: it was 3

The largest load that met the gates was 20 players. The figures below are of that step.

                          p50      p90      p99    p99.9      max  count
           staleness  35.0 ms  47.0 ms  49.7 ms  50.0 ms  50.0 ms   1000
      snapshot.bytes    799 B   1199 B   1289 B   1298 B   1299 B   1000
  generator.lateness  25.0 ms  25.0 ms  25.0 ms  25.0 ms  25.0 ms      1

players                20 in 0 rooms, 0 joins, 0 reconnects
world                  601 snapshots/s, 0% late, 0 ticks skipped, 0 keyframes
inputs                 0 inputs/s, 0 dropped, 0 without effect
network                0 B payload, 0 B WebSocket, about 0 B on the wire, 0 B sent, per player and second
trouble                3 errors, 0 checksums differed, 0 clock corrections, 1 x closed: <flood>, 2 x connection lost
generator              0.25 cores
server                 0 cores, 33 us CPU per snapshot, 0 B
  its ticks            on average step 12 us

note: the load generator was late itself, by 25.0 ms at p99: latencies are worse here than players would see them; use fewer players, or another machine for the load

gate ok     staleness.p99<=200ms: it was 49.7 ms
gate FAILED errors==0: it was 3
`, "\n"), b.String())
}

func TestPageStandsByItself(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample(t).WriteHTML(&b))
	html := b.String()
	require.Equal(t, 5, strings.Count(html, "<svg"), "what was not measured is not drawn")
	for _, part := range []string{"the server went away", "staleness", "closed: &lt;flood&gt;", "met the gates", "<td>12 us</td>", "<polyline", "99.9%"} {
		require.Contains(t, html, part)
	}
	require.NotContains(t, html, "Players over time", "all were there, all the time")
	require.Contains(t, html, "server v1.2.3")
	require.Regexp(t, `<circle class="hover s0"[^>]*><title>staleness: \d+\.\d ms at \d+(\.\d+)?%</title>`, html)
	require.Contains(t, html, `<title>staleness.p99&lt;=200ms</title></line>`, "what a gate wants is drawn")
	for _, part := range []string{"<script", "src=", "href=", "url(", "@import", "NaN", "Inf", "%!"} {
		require.NotContains(t, html, part)
	}
}

func TestEmptyReportsCanBeWritten(t *testing.T) {
	s := Scenario{}.withDefaults()
	r := newReport(&s)
	r.Broken = "nobody could join"
	r.judge(nil, 2)
	var b bytes.Buffer
	require.NoError(t, r.WriteText(&b))
	require.NoError(t, r.WriteHTML(&b))
	require.NoError(t, r.WriteJSON(&b))
	require.NotContains(t, b.String(), "NaN")
}

func TestReportSurvivesJSON(t *testing.T) {
	r := sample(t)
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	back := new(Report)
	require.NoError(t, json.Unmarshal(b.Bytes(), back))
	require.Equal(t, r, back)
}

func TestAxesHaveRoundNumbers(t *testing.T) {
	require.Equal(t, []float64{0, 10, 20, 30, 40, 50}, linearTicks(43))
	require.InDeltaSlice(t, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, linearTicks(0.9), 1e-9)
	require.InDeltaSlice(t, []float64{10, 20, 50, 100}, logTicks(11, 80), 1e-9)
	require.InDeltaSlice(t, []float64{1, 2}, logTicks(1, 1), 1e-9)
	require.Len(t, logTicks(0.1, 5000), 6, "powers of ten alone")
	require.InDelta(t, 3, percentileAxis(99.9), 1e-9)
	require.InDelta(t, mostNines, percentileAxis(100), 1e-9)
}

func TestCurvesEndWhereThereIsOneValueLeft(t *testing.T) {
	s := Scenario{}.withDefaults()
	r := newReport(&s)
	var h histograms
	for i := range int64(20) {
		h.record(join, (i+1)*1000, 1)
	}
	r.distribution(join, h[join])
	curve := r.Find("join").Curve
	require.Equal(t, Point{95, r.Find("join").Max}, curve[len(curve)-1])
	for i := 1; i < len(curve); i++ {
		require.Greater(t, curve[i].Percentile, curve[i-1].Percentile)
	}
	one := chart{unit: unitMillis, series: []series{{"p50", [][2]float64{{1, 5}}}}}
	require.Contains(t, string(one.svg()), "<circle", "a line of one point can't be seen")
}

func TestTicksAreThoseOfTheKindPlayed(t *testing.T) {
	v := ServerView{}
	for _, kind := range []string{"arena", "lobby"} {
		v.Durations = append(v.Durations, ServerHistogram{Name: `tickhall_tick_lateness_seconds{kind="` + kind + `"}`, P50: 0.001, P99: 0.002})
	}
	require.Equal(t, []string{"late p50 <= 1 ms p99 <= 2 ms"}, v.tickParts("arena"))
	require.Empty(t, v.tickParts("chat"))
}

func TestBytesAreThoseOfWhoWasThere(t *testing.T) {
	s := Scenario{}.withDefaults()
	r := newReport(&s)
	r.Timeline = []Second{{At: 1, Players: 10, Wanted: 10, Payload: 1000}, {At: 2, Wanted: 10, Payload: 500, Errors: 10}, {At: 3, Wanted: 10, Errors: 20}}
	plots := r.plots()
	require.Equal(t, "Players over time", plots[0].Title)
	require.Equal(t, "Bytes over time", plots[1].Title)
	require.Contains(t, string(plots[1].Plot), ">100 B<", "per player")
	require.NotContains(t, string(plots[1].Plot), ">500 B<", "all went within that second")
}
