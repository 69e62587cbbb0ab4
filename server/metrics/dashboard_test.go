package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dashboard is what Grafana reads of observe/dashboards/tickhall.json, as far as it can be checked without Grafana.
type dashboard struct {
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Definition string
	Datasource       source
}

type source struct{ Type, UID string }

type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  source
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Datasource                source
	}
}

func readDashboard(t *testing.T) dashboard {
	b, err := os.ReadFile("observe/dashboards/tickhall.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(b, &d))
	require.Greater(t, len(d.Panels), 20)
	return d
}

func TestDashboardsPanelsTellWhatTheyShow(t *testing.T) {
	d := readDashboard(t)
	ids := map[int]bool{}
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, ids[p.ID], "%s: the id %d is taken", p.Title, p.ID)
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Description, p.Title)
		require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		refs := map[string]bool{}
		for _, q := range p.Targets {
			require.NotEmpty(t, q.LegendFormat, p.Title)
			require.False(t, refs[q.RefID], "%s: the query %s is there twice", p.Title, q.RefID)
			refs[q.RefID] = true
		}
	}
}

func TestDashboardsPanelsLieBesideEachOther(t *testing.T) {
	const width = 24
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		at := p.GridPos
		require.Positive(t, at.W*at.H, p.Title)
		require.LessOrEqual(t, at.X+at.W, width, p.Title)
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestDashboardAsksTheDataSourceThatIsProvisioned(t *testing.T) {
	b, err := os.ReadFile("observe/grafana/datasources/prometheus.yml")
	require.NoError(t, err)
	uid := regexp.MustCompile(`(?m)^ +uid: (\S+)$`).FindSubmatch(b)
	require.NotNil(t, uid)
	want := source{"prometheus", string(uid[1])}
	d := readDashboard(t)
	for _, v := range d.Templating.List {
		require.Equal(t, want, v.Datasource, v.Name)
	}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		require.Equal(t, want, p.Datasource, p.Title)
		for _, q := range p.Targets {
			require.Equal(t, want, q.Datasource, p.Title)
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(tickhall|go|process)_[a-z_]+`)
	counted    = regexp.MustCompile(`\b(rate|increase)\($`)
	quantile   = regexp.MustCompile(`^histogram_quantile\([0-9.]+, sum by \(le[^)]*\) \(rate\(`)
)

// Counters are asked for their rate, histograms for quantiles of it, in the unit that the panel is in; and nothing is
// asked that is not served.
func TestDashboardsQueriesFitTheMetrics(t *testing.T) {
	types, labels := served(t)
	d := readDashboard(t)
	variables := map[string]bool{"__rate_interval": true, "__range": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		name := metricName.FindString(v.Definition)
		require.Contains(t, types, name, v.Definition)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			about := fmt.Sprintf("%s: %s", p.Title, q.Expr)
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(q.Expr, -1) {
				require.True(t, variables[v[1]], "%s: there is no $%s", about, v[1])
			}
			name := metricName.FindString(q.Expr)
			require.Contains(t, types, name, about)
			at := strings.Index(q.Expr, name)
			histogram := types[name] == "HISTOGRAM"
			require.Equal(t, histogram || types[name] == "COUNTER", counted.MatchString(q.Expr[:at]), about)
			require.Equal(t, histogram && strings.HasSuffix(name, "_bucket"), quantile.MatchString(q.Expr), about)
			for _, l := range labelsOf(q.Expr, q.LegendFormat) {
				require.True(t, labels[name][l], "%s: %s has no label %s", about, name, l)
			}
			unit := p.FieldConfig.Defaults.Unit
			switch {
			case strings.Contains(q.Expr, " / "):
				require.Equal(t, "percentunit", unit, about)
			case strings.HasSuffix(name, "_seconds_bucket"), strings.HasSuffix(name, "_seconds"), strings.HasSuffix(name, "skipped_seconds_total"):
				require.Equal(t, "s", unit, about)
			case strings.HasSuffix(name, "_bytes_sum"), strings.Contains(name, "_bytes") && counted.MatchString(q.Expr[:at]) && !histogram:
				require.Equal(t, "Bps", unit, about)
			case strings.Contains(name, "_bytes"):
				require.Equal(t, "bytes", unit, about)
			default: // how many of something, or, for seconds of a processor per second, how many processors
				require.Equal(t, "short", unit, about)
			}
		}
	}
}

// wholeServer is the row from which on panels show what belongs to no kind of room.
const wholeServer = "The whole server, all kinds together"

func TestKindFiltersEveryPanel(t *testing.T) {
	_, labels := served(t)
	whole := false
	for _, p := range readDashboard(t).Panels {
		whole = whole || p.Type == "row" && p.Title == wholeServer
		for _, q := range p.Targets {
			for _, name := range metricName.FindAllString(q.Expr, -1) {
				require.Equal(t, !whole, labels[name]["kind"], "%s: %s", p.Title, name)
				require.Equal(t, !whole, regexp.MustCompile(name+`\{[^}]*\bkind=~"\$kind"`).MatchString(q.Expr), "%s: %s", p.Title, q.Expr)
			}
		}
	}
	require.True(t, whole)
}

// Alerts are of metrics and labels that are served, say what is wrong and what to do, and Prometheus is given them.
func TestAlertsFitTheMetrics(t *testing.T) {
	b, err := os.ReadFile("observe/alerts.yml")
	require.NoError(t, err)
	types, labels := served(t)
	labels["process_start_time_seconds"] = map[string]bool{"job": true}
	types["up"], labels["up"] = "GAUGE", map[string]bool{"job": true}
	alerts := strings.Split(string(b), "      - alert: ")[1:]
	require.Greater(t, len(alerts), 8)
	for _, a := range alerts {
		name, _, _ := strings.Cut(a, "\n")
		require.Regexp(t, `^Tickhall[A-Z]\w+$`, name)
		for _, line := range []string{`expr: \S`, `labels: \{severity: (page|ticket)\}`, `annotations:`, `summary: [A-Z].*\.`, `description: [A-Z].*\.`} {
			require.Regexp(t, `(?m)^ +`+line, a)
		}
		expr := regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindStringSubmatch(a)[1]
		metrics := regexp.MustCompile(`\b(?:(?:tickhall|go|process)_[a-z_]+|up)\b`).FindAllString(expr, -1)
		require.NotEmpty(t, metrics, expr)
		for _, m := range metrics {
			require.Contains(t, types, m, expr)
			for _, l := range append(labelsOf(expr, ""), labelsOf(regexp.MustCompile(`(\w+)!=`).ReplaceAllString(expr, `$1=`), "")...) {
				require.True(t, labels[m][l], "%s: %s has no label %s", expr, m, l)
			}
		}
		for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a, -1) {
			require.Contains(t, expr, l[1], "%s: the result has no label %s", name, l[1])
		}
	}
	b, err = os.ReadFile("observe/prometheus.yml")
	require.NoError(t, err)
	require.Contains(t, string(b), "rule_files:\n  - alerts.yml\n")
	b, err = os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	require.Contains(t, string(b), "./server/metrics/observe/alerts.yml:/etc/prometheus/alerts.yml:ro")
}

// served are the types of what is served, and their labels, both by name.
func served(t *testing.T) (types map[string]string, labels map[string]map[string]bool) {
	families, err := NewRegistry(full()).Gather()
	require.NoError(t, err)
	types, labels = map[string]string{}, map[string]map[string]bool{}
	for _, f := range families {
		name := f.GetName()
		names := []string{name}
		if f.GetType().String() == "HISTOGRAM" || f.GetType().String() == "SUMMARY" {
			names = append(names, name+"_bucket", name+"_sum", name+"_count")
		}
		for _, n := range names {
			types[n], labels[n] = f.GetType().String(), map[string]bool{"job": true}
			for _, m := range f.Metric {
				for _, l := range m.Label {
					labels[n][l.GetName()] = true
				}
				if m.Summary != nil {
					labels[n]["quantile"] = true
				}
			}
			if strings.HasSuffix(n, "_bucket") {
				labels[n]["le"] = true
			}
		}
	}
	return types, labels
}

// labelsOf are the labels that a query chooses or groups by, and those that its legend shows.
func labelsOf(expr, legend string) (names []string) {
	for _, m := range regexp.MustCompile(`(\w+)=~?"`).FindAllStringSubmatch(expr, -1) {
		names = append(names, m[1])
	}
	if m := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(expr); m != nil {
		names = append(names, strings.Split(m[1], ", ")...)
	}
	for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(legend, -1) {
		names = append(names, m[1])
	}
	return names
}
