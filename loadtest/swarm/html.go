package swarm

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{"format": format, "histogram": histogramValue}).Parse(pageText))

// plot is a chart with words to it.
type plot struct {
	Title, About string
	Plot         template.HTML
}

// WriteHTML writes the report as one page with plots, which needs nothing from elsewhere.
func (r *Report) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		Title    string
		Facts    [][2]string
		Plots    []plot
		Best     int
		Glossary []Metric
	}{r, r.title(), r.facts(), r.plots(), Best(r.Climb), r.glossary()})
}

// glossary is what the report has and means.
func (r *Report) glossary() []Metric {
	var list []Metric
	for _, m := range metrics {
		if _, ok := r.Values[m.Name]; ok || m.Distribution && r.Find(m.Name) != nil {
			list = append(list, m)
		}
	}
	return list
}

func (r *Report) plots() []plot {
	var list []plot
	add := func(title, about string, c chart) {
		if html := c.svg(); html != "" {
			list = append(list, plot{title, about, html})
		}
	}
	curves := func(names ...string) (c chart) {
		c.percentiles, c.logarithmic = true, true
		for _, name := range names {
			if d := r.Find(name); d != nil {
				c.unit = d.Unit
				c.limits = append(c.limits, r.limits(name)...)
				s := series{name: name}
				for _, p := range d.Curve {
					s.points = append(s.points, [2]float64{percentileAxis(p.Percentile), p.Value})
				}
				c.series = append(c.series, s)
			}
		}
		return c
	}
	over := func(unit string, named map[string]func(Second) float64, order ...string) (c chart) {
		c.unit = unit
		for _, name := range order {
			s := series{name: name}
			for _, t := range r.Timeline {
				s.points = append(s.points, [2]float64{t.At, named[name](t)})
			}
			c.series = append(c.series, s)
		}
		return c
	}
	perPlayer := func(f func(Second) float64) func(Second) float64 {
		before := 0
		return func(s Second) float64 { // those who left within the second had their share
			in := max(s.Players+s.Watching, before, 1)
			before = s.Players + s.Watching
			return f(s) / float64(in)
		}
	}
	add("What players see", "Age of the world, weighted by time, and the time until an input has its effect; by percentile.",
		curves("staleness", "effect.own", "effect.other", "slow.staleness"))
	add("Network and generator", "Gaps between snapshots, round trips, joins and resumes; and how late the load generator was itself.",
		curves("gap", "rtt", "join", "resume", "generator.lateness"))
	ages := over(unitMillis, map[string]func(Second) float64{
		"p50": func(s Second) float64 { return s.P50 }, "p99": func(s Second) float64 { return s.P99 },
	}, "p50", "p99")
	ages.limits = r.limits("staleness")
	add("Staleness over time", "Age of the world, of each second.", ages)
	add("Rate over time", "Per second, all players together.", over(unitRate, map[string]func(Second) float64{
		"snapshots": func(s Second) float64 { return s.Snapshots }, "inputs": func(s Second) float64 { return s.Inputs },
		"late": func(s Second) float64 { return float64(s.Late) },
	}, "snapshots", "inputs", "late"))
	if slices.ContainsFunc(r.Timeline, func(s Second) bool { return s.Players != s.Wanted || s.Errors > 0 }) {
		add("Players over time", "In a room, beside those who should be; and errors so far.", over(unitCount, map[string]func(Second) float64{
			"players": func(s Second) float64 { return float64(s.Players) }, "wanted": func(s Second) float64 { return float64(s.Wanted) },
			"errors": func(s Second) float64 { return float64(s.Errors) },
		}, "wanted", "players", "errors"))
	}
	add("Bytes over time", "Received per player and second. On the wire: an estimate, see below.", over(unitBytes, map[string]func(Second) float64{
		"payload":   perPlayer(func(s Second) float64 { return s.Payload }),
		"WebSocket": perPlayer(func(s Second) float64 { return s.WebSocket }),
		"wire":      perPlayer(func(s Second) float64 { return s.Wire }),
	}, "payload", "WebSocket", "wire"))
	add("Bytes of a snapshot", "By percentile.", curves("snapshot.bytes", "keyframe.bytes"))
	return list
}

// limits are what gates want of a distribution, but for how many values it has.
func (r *Report) limits(name string) (list []threshold) {
	for _, result := range r.Gates {
		g, err := ParseGate(result.Gate)
		if statistic, ok := strings.CutPrefix(g.Name, name+"."); err == nil && ok && statistic != "count" {
			list = append(list, threshold{result.Gate, g.Want})
		}
	}
	return list
}

// histogramValue writes a value of one of the server's histograms, whose name ends with its unit.
func histogramValue(name string, v float64) string {
	base, _, _ := strings.Cut(name, "{")
	switch {
	case strings.HasSuffix(base, "_seconds") && v < 1e-3:
		return format(v*1e6, unitMicros)
	case strings.HasSuffix(base, "_seconds"):
		return format(v*1e3, unitMillis)
	case strings.HasSuffix(base, "_bytes"):
		return format(v, unitBytes)
	}
	return format(v, unitCount)
}

// percentileAxis is where a percentile stands: each unit to the right leaves a tenth of what was left.
func percentileAxis(p float64) float64 {
	return min(-math.Log10(max(1-p/100, 1e-9)), mostNines)
}

// mostNines is where the axis ends: at 99.999.
const mostNines = 5

func percentileLabel(x float64) string {
	return []string{"0", "90", "99", "99.9", "99.99", "99.999"}[int(x)] + "%"
}

func secondsLabel(x float64) string { return fmt.Sprintf("%.0f s", x) }
