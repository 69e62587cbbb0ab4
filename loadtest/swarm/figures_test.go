package swarm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTakingTalliesAddsThemUp(t *testing.T) {
	var total tally
	one, two := newShard(), newShard()
	for i := range int64(1000) {
		one.now.record(staleness, i+1, 1)
		two.now.record(staleness, 1000+i+1, 1)
	}
	one.now.snapshots, two.now.snapshots = 3, 4
	two.now.record(snapshotBytes, 300, 5)
	one.take(&total)
	two.take(&total)
	require.EqualValues(t, 7, total.snapshots)
	require.EqualValues(t, 2000, total.histograms[staleness].TotalCount())
	require.InDelta(t, 1.0, total.quantile(staleness, 50), 0.002)
	require.InDelta(t, 2.0, total.quantile(staleness, 100), 0.002)
	require.EqualValues(t, 300, total.quantile(snapshotBytes, 50))

	one.take(&total)
	two.take(&total)
	require.EqualValues(t, 7, total.snapshots, "what was taken is not taken again")
	require.EqualValues(t, 2000, total.histograms[staleness].TotalCount())
	one.now.record(staleness, 5, 1)
	one.take(&total)
	require.EqualValues(t, 2001, total.histograms[staleness].TotalCount())
}

func TestWhatIsBeyondABoundCountsAsTheBound(t *testing.T) {
	var h histograms
	h.record(staleness, -5, 1)
	h.record(staleness, 1<<60, 1)
	require.EqualValues(t, 2, h[staleness].TotalCount())
	require.InEpsilon(t, 60_000, h.quantile(staleness, 100), 0.001)
}

func TestGatesAreReadAndChecked(t *testing.T) {
	r := newReport(&Scenario{})
	var h histograms
	h.record(staleness, 150_000, 1)
	r.distribution(staleness, h[staleness])
	r.value("hash.mismatch", 0)
	r.value("snapshots.late", 2.5)
	r.value("server.memory", 1<<20)
	for _, c := range []struct {
		text string
		ok   bool
		says string
	}{
		{"staleness.p99<=200ms", true, ": it was 150 ms"},
		{"staleness.p99 <= 0.1s", false, "staleness.p99<=0.1s: it was 150 ms"},
		{"staleness.count==1", true, ""},
		{"hash.mismatch==0", true, ""},
		{"hash.mismatch!=0", false, ""},
		{"snapshots.late<3%", true, ""},
		{"snapshots.late>3%", false, "2.50%"},
		{"server.memory<=1MiB", true, ""},
		{"server.memory>=1.5MB", false, ""},
		{"resume.p99<1s", false, "resume.p99 was not measured"},
		{"resume.count==0", true, ""},
	} {
		g, err := ParseGate(c.text)
		require.NoError(t, err, c.text)
		result := g.Check(r)
		require.Equal(t, c.ok, result.OK, c.text)
		require.Contains(t, result.Text, c.says)
	}
}

func TestBadGatesAreRefusedWithWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"staleness.p99":      "one of <= >= == != < >",
		"staleness<=200ms":   "is a distribution: test staleness.p50, .p90",
		"staleness.p42<=1ms": "is a distribution",
		"freshness<=1":       `there is no "freshness": there are staleness.p99`,
		"staleness.p99<=200": "a time with its unit, such as 200ms",
		"hash.mismatch==0ms": "must be a number",
		"errors<=":           "must be a number",
		"errors<=NaN":        "must be a number",
		"snapshots.late<=5":  "a percentage, such as 5%",
		"bytes.wire<=9 many": "a number of bytes",
	} {
		_, err := ParseGates("errors==0", text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, 0, strings.Count(err.Error(), "\n"))
	}
}

func TestEveryMetricCanBeAGate(t *testing.T) {
	units := map[string]string{unitMillis: "1ms", unitMicros: "1us", unitBytes: "1kB", unitShare: "1%", unitCount: "1", unitRate: "1", unitCores: "1"}
	for _, m := range Metrics() {
		name := m.Name
		if m.Distribution {
			name += ".p99.9"
		}
		_, err := ParseGate(name + "<" + units[m.Unit])
		require.NoError(t, err)
		require.NotEmpty(t, m.About)
	}
}

func TestValuesAreWrittenForPeople(t *testing.T) {
	for want, got := range map[string]string{
		"0 ms": format(0, unitMillis), "0.004 ms": format(0.004, unitMillis), "0.22 ms": format(0.22, unitMillis), "12.3 ms": format(12.34, unitMillis),
		"1500 ms": format(1500, unitMillis), "12 s": format(12000, unitMillis), "480 B": format(480, unitBytes), "23.5 kB": format(23500, unitBytes),
		"78.4 MB": format(78.4e6, unitBytes), "5%": format(5, unitShare), "7": format(7, unitCount), "1.25 cores": format(1.25, unitCores),
	} {
		require.Equal(t, want, got)
	}
}
