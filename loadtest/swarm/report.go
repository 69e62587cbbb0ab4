package swarm

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what came out of a run.
type Report struct {
	Scenario  string    `json:"scenario"`
	URL       string    `json:"url"`
	Kind      string    `json:"kind"`
	Rooms     int       `json:"rooms"`   // wanted
	Players   int       `json:"players"` // wanted, in each room
	InputRate float64   `json:"input_rate"`
	Seed      uint64    `json:"seed"`
	Began     time.Time `json:"began"`
	Lasted    float64   `json:"lasted"` // seconds of measurement
	Machine   string    `json:"machine"`

	ServerVersion string `json:"server_version,omitempty"` // as /healthz tells it

	// Broken tells why the run could not be carried to its end; "" if it was.
	Broken string   `json:"broken,omitempty"`
	Early  bool     `json:"early,omitempty"` // it was ended from outside, before its time
	Notes  []string `json:"notes,omitempty"` // what spoils or restricts the figures

	Distributions []Distribution         `json:"distributions"`
	Values        map[string]float64     `json:"values"` // by metric, in its unit
	Joins         int64                  `json:"joins"`
	Ended         int64                  `json:"rooms_ended,omitempty"` // seats whose room ended as it should
	Cuts          int64                  `json:"cuts,omitempty"`        // connections that the scenario cut
	Errors        map[string]int         `json:"errors,omitempty"`      // by reason
	Abuse         map[string]AbuseResult `json:"abuse,omitempty"`
	Server        *ServerView            `json:"server,omitempty"`
	Timeline      []Second               `json:"timeline"`
	Gates         []GateResult           `json:"gates,omitempty"`
	Climb         []Step                 `json:"climb,omitempty"` // of Climb, whose best step the rest is about

	Recording *Recording `json:"-"` // if Scenario.Record
}

// Distribution is a Metric's percentiles, in its unit.
type Distribution struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`

	Curve []Point `json:"curve"`
}

// Point is one of a percentile curve.
type Point struct {
	Percentile float64 `json:"p"`
	Value      float64 `json:"v"`
}

func newReport(s *Scenario) *Report {
	return &Report{
		Scenario: s.Name, URL: s.URL, Kind: s.Kind, Rooms: s.Rooms, Players: s.Players, InputRate: max(s.InputRate, 0), Seed: s.Seed,
		Began: time.Now().Round(time.Second), Values: map[string]float64{},
		Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
	}
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) value(name string, v float64) { r.Values[name] = v }

// curveTicks is how many points of a curve halve what is left of it.
const curveTicks = 5

func (r *Report) distribution(d distribution, h *hdrhistogram.Histogram) {
	if h == nil || h.TotalCount() == 0 {
		return
	}
	at := func(p float64) float64 { return shown(d, float64(h.ValueAtPercentile(p))) }
	out := Distribution{
		Name: metrics[d].Name, Unit: metrics[d].Unit, Count: h.TotalCount(),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: at(100), Mean: shown(d, h.Mean()),
	}
	end := 100 * (1 - 1/float64(out.Count)) // beyond it there is but one value
	for _, b := range h.CumulativeDistributionWithTicks(curveTicks) {
		if b.Quantile >= end {
			break
		}
		out.Curve = append(out.Curve, Point{b.Quantile, shown(d, float64(b.ValueAt))})
	}
	out.Curve = append(out.Curve, Point{end, out.Max})
	r.Distributions = append(r.Distributions, out)
}

// Find returns a distribution by its metric's name; nil if nothing was measured.
func (r *Report) Find(name string) *Distribution {
	for i := range r.Distributions {
		if r.Distributions[i].Name == name {
			return &r.Distributions[i]
		}
	}
	return nil
}

// Value returns what a gate of this name tests; false if it was not measured.
func (r *Report) Value(name string) (float64, bool) {
	m, statistic := find(name)
	if m == nil {
		return 0, false
	}
	if !m.Distribution {
		v, ok := r.Values[name]
		return v, ok
	}
	d := r.Find(m.Name)
	if d == nil {
		return 0, statistic == "count"
	}
	return map[string]float64{
		"p50": d.P50, "p90": d.P90, "p99": d.P99, "p99.9": d.P999, "max": d.Max, "mean": d.Mean, "count": float64(d.Count),
	}[statistic], true
}

const (
	generatorLate = 10. // ms, p99: beyond it, latencies are the generator's as much as the server's
	generatorBusy = 0.5 // of all cores
)

// judge checks the gates, and says what spoils the figures.
func (r *Report) judge(gates []Gate, cores int) {
	if d := r.Find(metrics[lateness].Name); d != nil && d.P99 > generatorLate {
		r.note("the load generator was late itself, by %s at p99: latencies are worse here than players would see them; use fewer players, or another machine for the load", format(d.P99, unitMillis))
	}
	if cpu := r.Values["generator.cpu"]; cpu > generatorBusy*float64(cores) {
		r.note("the load generator took %.1f of %d cores: what else runs here had the less", cpu, cores)
	}
	for _, g := range gates {
		r.Gates = append(r.Gates, g.Check(r))
	}
}

// Failed reports whether a gate was not met.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Gates, func(g GateResult) bool { return !g.OK })
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// has reports whether a value was measured and is not 0.
func (r *Report) has(name string) bool { return r.Values[name] != 0 }

// unknown stands for a value that was not measured.
const unknown = "?"

func (r *Report) text(name string) string {
	v, ok := r.Values[name]
	if !ok {
		return unknown
	}
	m, _ := find(name)
	if m.Unit == unitRate {
		return format(v, unitCount) + " " + name + unitRate
	}
	return format(v, m.Unit)
}

// title says in one line what was played.
func (r *Report) title() string {
	inputs := "no inputs"
	if r.InputRate > 0 {
		inputs = fmt.Sprintf("inputs at %g Hz", r.InputRate)
	}
	return fmt.Sprintf("%s: %d x %d players of %s, %s, %.0f s", r.Scenario, r.Rooms, r.Players, r.Kind, inputs, r.Lasted)
}

// facts are the lines of the summary beside the distributions: what they are about, and what they say.
func (r *Report) facts() [][2]string {
	var list [][2]string
	add := func(about string, parts ...string) {
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" || strings.HasPrefix(s, unknown) })
		if len(parts) > 0 {
			list = append(list, [2]string{about, strings.Join(parts, ", ")})
		}
	}
	if r.Lasted > 0 {
		add("players", r.text("players")+" in "+r.text("rooms")+" rooms", some(int64(r.Values["spectators"]), "spectators"), plural(int(r.Joins), "join"), r.text("reconnects")+" reconnects", some(r.Cuts, "cut by the scenario"), some(r.Ended, "seats whose room ended"))
		add("world", r.text("snapshots"), r.text("snapshots.late")+" late", r.text("ticks.skipped")+" ticks skipped", r.text("keyframes")+" keyframes")
		add("inputs", r.text("inputs"), r.text("inputs.dropped")+" dropped", r.text("effect.lost")+" without effect")
		add("network", r.text("bytes.payload")+" payload", r.text("bytes.websocket")+" WebSocket", "about "+r.text("bytes.wire")+" on the wire", r.text("bytes.sent")+" sent, per player and second")
	}
	var errors []string
	for _, reason := range slices.Sorted(maps.Keys(r.Errors)) {
		errors = append(errors, fmt.Sprintf("%d x %s", r.Errors[reason], reason))
	}
	if len(errors) > 6 {
		errors = append(errors[:6], fmt.Sprintf("%d other sorts", len(errors)-6))
	}
	add("trouble", append([]string{r.text("errors") + " errors", r.text("hash.mismatch") + " checksums differed", r.text("corrections") + " clock corrections"}, errors...)...)
	for _, kind := range slices.Sorted(maps.Keys(r.Abuse)) {
		a := r.Abuse[kind]
		add("abuse: "+kind, fmt.Sprintf("%d tried", a.Tried), fmt.Sprintf("%d refused", a.Refused), fmt.Sprintf("%d ended by the server", a.Ended), fmt.Sprintf("%d left open", a.Open), some(int64(a.Running), "still running at the end"))
	}
	if r.has("generator.cpu") {
		add("generator", r.text("generator.cpu"))
	}
	if s := r.Server; s != nil {
		add("server", r.text("server.cpu"), r.text("server.cpu_per_snapshot")+" CPU per snapshot", r.text("server.memory"), goPart(s))
		add("  its ticks", s.tickParts(r.Kind)...)
		add("  it dropped", s.drops()...)
	}
	return list
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func some(n int64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

func goPart(s *ServerView) string {
	n, ok := s.Gauges["go_goroutines"]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.0f goroutines, %.0f GCs", n, s.Counts["go_gc_duration_seconds_count"])
}

// tickParts tells of the durations and lateness of the ticks of a kind of room.
func (s *ServerView) tickParts(kind string) []string {
	var parts, phases []string
	for _, h := range s.Durations {
		base, labels, _ := strings.Cut(h.Name, "{")
		if !strings.Contains(labels, fmt.Sprintf("kind=%q", kind)) {
			continue
		}
		name, ok := map[string]string{
			"tickhall_tick_duration_seconds": "work", "tickhall_tick_lateness_seconds": "late", "tickhall_tick_phase_duration_seconds": "phase",
		}[base]
		if !ok {
			continue
		}
		if _, phase, found := strings.Cut(labels, `phase="`); found {
			phase, _, _ = strings.Cut(phase, `"`)
			phases = append(phases, phase+" "+format(h.Mean*1e6, unitMicros))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s p50 <= %s p99 <= %s", name, format(h.P50*1e3, unitMillis), format(h.P99*1e3, unitMillis)))
	}
	if len(phases) > 0 {
		parts = append(parts, "on average "+strings.Join(phases, ", "))
	}
	return parts
}

// drops tells what the server counted as dropped, skipped or refused.
func (s *ServerView) drops() []string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.Counts)) {
		base, labels, _ := strings.Cut(name, "{")
		v := s.Counts[name]
		if v == 0 || !strings.HasPrefix(base, "tickhall_") || strings.HasSuffix(base, "_count") || strings.Contains(base, "seconds") {
			continue
		}
		for _, word := range []string{"skipped", "dropped", "refus", "stale", "merged", "malformed", "panics", "overruns", "expired", "congested"} {
			if strings.Contains(base, word) {
				what := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(base, "tickhall_"), "_total"), "_", " ")
				if i := strings.Index(labels, `="`); i >= 0 {
					label, _, _ := strings.Cut(labels[i+2:], `"`)
					what += " (" + label + ")"
				}
				parts = append(parts, fmt.Sprintf("%s %s", format(v, unitCount), what))
				break
			}
		}
	}
	return parts
}
