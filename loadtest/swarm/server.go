package swarm

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// ServerView is what the server says of itself, over the time of the measurement.
type ServerView struct {
	Source    string             `json:"source"`    // where it comes from
	CPU       float64            `json:"cpu"`       // cores
	Memory    float64            `json:"memory"`    // resident bytes at the end
	Counts    map[string]float64 `json:"counts"`    // by how much its counters grew, by name and labels
	Gauges    map[string]float64 `json:"gauges"`    // other values, at the end
	Durations []ServerHistogram  `json:"durations"` // its histograms
}

// ServerHistogram is what came into one of the server's histograms. Its percentiles are the upper bounds of
// the buckets that hold them, +Inf left out.
type ServerHistogram struct {
	Name  string  `json:"name"` // with labels
	Count float64 `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
}

const (
	scrapeTimeout = 2 * time.Second
	mostScraped   = 8 << 20
)

// server reads a server's metrics, or what the operating system knows of it, at the beginning and at the end.
type server struct {
	cfg          *Scenario
	client       *http.Client
	first, last  map[string]float64
	firstAt      time.Time
	lasted       time.Duration
	pid          int
	cpu0, cpu1   time.Duration
	memory       float64
	unmeasurable string
	version      string // "" where it tells none
}

func newServer(cfg *Scenario) *server {
	return &server{cfg: cfg, client: &http.Client{
		Timeout:   scrapeTimeout,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: cfg.Client.Dial, TLSClientConfig: cfg.Client.TLS},
	}}
}

func (s *server) begin(ctx context.Context) {
	var err error
	if s.first, err = s.scrape(ctx); err != nil {
		s.unmeasurable = err.Error()
	}
	s.pid = s.cfg.PID
	if s.pid == 0 && s.first["process_cpu_seconds_total"] == 0 && IsLocal(s.cfg.URL) {
		s.pid = listenerOf(portOf(s.cfg.URL))
	}
	if s.pid != 0 {
		s.cpu0, _, _ = processUse(s.pid)
	}
	s.version = s.askVersion(ctx)
	s.firstAt = time.Now()
}

// askVersion asks the server for its version; what is no Tickhall has none.
func (s *server) askVersion(ctx context.Context) string {
	address, err := url.JoinPath(s.cfg.URL, "healthz")
	if err != nil {
		return ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return ""
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var health struct{ Version string }
	if json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&health) != nil || len(health.Version) > 100 {
		return ""
	}
	return health.Version
}

func (s *server) end(ctx context.Context, broken bool) {
	if s.firstAt.IsZero() {
		return
	}
	s.lasted = time.Since(s.firstAt)
	if s.pid != 0 {
		s.cpu1, s.memory, _ = processUse(s.pid)
	}
	if s.first != nil && !broken {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTimeout)
		defer cancel()
		s.last, _ = s.scrape(ctx)
	}
}

// fill puts the server's view into the report.
func (s *server) fill(r *Report, snapshots int64, lasted time.Duration) {
	r.ServerVersion = s.version
	view := &ServerView{Counts: map[string]float64{}, Gauges: map[string]float64{}}
	switch {
	case s.last != nil:
		view.Source = s.cfg.MetricsURL
		for name, v := range s.last {
			switch base, _, _ := strings.Cut(name, "{"); {
			case strings.HasSuffix(base, "_bucket"), strings.HasSuffix(base, "_sum"):
			case strings.HasSuffix(base, "_total"), strings.HasSuffix(base, "_count"):
				view.Counts[name] = v - s.first[name]
			default:
				view.Gauges[name] = v
			}
		}
		view.Durations = serverHistograms(s.first, s.last)
		view.CPU = view.Counts["process_cpu_seconds_total"] / s.lasted.Seconds()
		view.Memory = view.Gauges["process_resident_memory_bytes"]
	case s.firstAt.IsZero():
		return
	}
	if s.pid != 0 && s.cpu1 > s.cpu0 {
		view.Source = strings.TrimSpace(fmt.Sprintf("%s /proc/%d", view.Source, s.pid))
		view.CPU, view.Memory = (s.cpu1-s.cpu0).Seconds()/s.lasted.Seconds(), s.memory
	}
	if view.Source == "" {
		if r.Broken == "" {
			r.note("nothing is known of the server's own view: %s", cmp.Or(s.unmeasurable, "it could not be read at the end"))
		}
		return
	}
	r.Server = view
	if view.CPU > 0 {
		r.value("server.cpu", view.CPU)
		if snapshots > 0 {
			r.value("server.cpu_per_snapshot", view.CPU*lasted.Seconds()*1e6/float64(snapshots))
		}
	}
	if view.Memory > 0 {
		r.value("server.memory", view.Memory)
	}
}

// scrape reads the metrics of the process, of Go and of Tickhall.
func (s *server) scrape(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.MetricsURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", s.cfg.MetricsURL, resp.StatusCode)
	}
	m := parseMetrics(io.LimitReader(resp.Body, mostScraped))
	if len(m) == 0 {
		return nil, fmt.Errorf("%s has no metrics", s.cfg.MetricsURL)
	}
	return m, nil
}

// parseMetrics reads Prometheus's text format, as far as it is of use here; what it does not understand it leaves out.
func parseMetrics(r io.Reader) map[string]float64 {
	m := map[string]float64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(line, "process_") && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "tickhall_") {
			continue
		}
		at := strings.LastIndexByte(line, '}') + 1
		if at == 0 {
			at = strings.IndexByte(line, ' ')
		}
		if at <= 0 {
			continue
		}
		fields := strings.Fields(line[at:]) // a time may follow the value
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			m[line[:at]] = v
		}
	}
	return m
}

// serverHistograms finds tickhall's histograms and what came into them.
func serverHistograms(first, last map[string]float64) []ServerHistogram {
	type bucket struct{ le, n float64 }
	buckets := map[string][]bucket{}
	grown := func(name string) float64 { return last[name] - first[name] }
	for name := range last {
		base, labels, _ := strings.Cut(name, "{")
		metric, ok := strings.CutSuffix(base, "_bucket")
		if !ok || !strings.HasPrefix(base, "tickhall_") {
			continue
		}
		var rest []string
		le := math.Inf(1)
		for label := range strings.SplitSeq(strings.TrimSuffix(labels, "}"), ",") {
			if v, ok := strings.CutPrefix(label, "le="); ok {
				if f, err := strconv.ParseFloat(strings.Trim(v, `"`), 64); err == nil {
					le = f
				}
			} else if label != "" {
				rest = append(rest, label)
			}
		}
		if len(rest) > 0 {
			metric += "{" + strings.Join(rest, ",") + "}"
		}
		buckets[metric] = append(buckets[metric], bucket{le, grown(name)})
	}
	var list []ServerHistogram
	for metric, b := range buckets {
		base, labels, labelled := strings.Cut(metric, "{")
		if labelled {
			labels = "{" + labels
		}
		h := ServerHistogram{Name: metric, Count: grown(base + "_count" + labels)}
		if h.Count <= 0 {
			continue
		}
		h.Mean = grown(base+"_sum"+labels) / h.Count
		sort.Slice(b, func(i, j int) bool { return b[i].le < b[j].le })
		at := func(q float64) (le float64) {
			for _, x := range b {
				if !math.IsInf(x.le, 1) {
					le = x.le
				}
				if x.n >= q*h.Count {
					return le
				}
			}
			return le
		}
		h.P50, h.P99 = at(0.5), at(0.99)
		list = append(list, h)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// IsLocal reports whether the address of a server is one of this machine's own.
func IsLocal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func portOf(address string) int {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	port, _ := strconv.Atoi(u.Port())
	return port
}
