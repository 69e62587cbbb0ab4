package host

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

// get asks h's handler as somebody at addr.
func (h *Host) get(path, addr string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = addr
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func TestMetricsTellOfTheHostsRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}})
		f.Metrics().MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "trial_wins_total", Help: "An author's own."}))
		f.join()
		time.Sleep(time.Second)
		body := f.get("/metrics", "127.0.0.1:1").Body.String()
		for _, line := range []string{
			`tickhall_rooms{kind="trial"} 1`, `tickhall_players{kind="trial"} 1`, `tickhall_joins_total{kind="trial"} 1`, "trial_wins_total 0",
		} {
			require.Contains(t, body, line+"\n")
		}
		require.Regexp(t, `tickhall_tick_duration_seconds_count\{kind="trial"\} [1-9]`, body)
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestMetricsAreNotForEverybody(t *testing.T) {
	for _, c := range []struct {
		listen, addr string
		want         int
	}{
		{"", "127.0.0.1:1", http.StatusOK},
		{"", "192.168.1.2:1", http.StatusOK},
		{"", "203.0.113.5:1", http.StatusForbidden},
		{":0", "127.0.0.1:1", http.StatusNotFound},
		{"off", "127.0.0.1:1", http.StatusNotFound},
	} {
		h, err := New(Config{Kinds: []room.AnyKind{new(trial).kind()}, MetricsListen: c.listen, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.Equal(t, c.want, h.get("/metrics", c.addr).Code, "%+v", c)
	}
}

func TestMetricsAreNotForWhoComesThroughAProxy(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	for _, c := range []struct {
		name, remote, header, value string
		trusted                     []netip.Prefix
		want                        int
	}{
		{"a proxy that is not trusted", "127.0.0.1:1", "X-Forwarded-For", "127.0.0.1", nil, http.StatusForbidden},
		{"one that says little", "10.0.0.2:1", "Forwarded", "for=10.0.0.3", trusted, http.StatusForbidden},
		{"a trusted one, for a private network", "10.0.0.1:1", "X-Forwarded-For", "192.168.1.2", trusted, http.StatusOK},
		{"a trusted one, for elsewhere", "10.0.0.1:1", "X-Forwarded-For", "192.168.1.2, 203.0.113.5", trusted, http.StatusForbidden},
		{"a trusted one that does not say for whom", "10.0.0.1:1", "Via", "1.1 x", trusted, http.StatusForbidden},
		{"a trusted one whose header can't be read", "10.0.0.1:1", "X-Forwarded-For", "x", trusted, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := New(Config{Kinds: []room.AnyKind{new(trial).kind()}, TrustProxies: c.trusted, Log: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.RemoteAddr = c.remote
			r.Header.Set(c.header, c.value)
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			require.Equal(t, c.want, w.Code)
		})
	}
}

func TestMetricsHaveAnAddressOfTheirOwnIfAsked(t *testing.T) {
	url := make(chan string, 1)
	log := logged(func(line string) {
		if u := regexp.MustCompile(`http://\S+/metrics`).FindString(line); u != "" {
			url <- u
		}
	})
	h, err := New(Config{
		Kinds: []room.AnyKind{new(trial).kind()}, Listen: "127.0.0.1:0", MetricsListen: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	res, err := http.Get(<-url)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, string(body), `tickhall_rooms{kind="trial"} 0`)
	http.DefaultClient.CloseIdleConnections()
	stop()
	require.NoError(t, <-ended)
}

// logged is a log that calls itself with each line.
type logged func(line string)

func (l logged) Write(b []byte) (int, error) { l(string(b)); return len(b), nil }

func TestTakenMetricsPortGetsOneLineThatSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	h, err := New(Config{
		Kinds: []room.AnyKind{new(trial).kind()}, Listen: "127.0.0.1:0", MetricsListen: taken.Addr().String(), Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	require.ErrorContains(t, h.Run(t.Context()), "--metrics-listen")
}

func TestHealthcheckTellsWhetherAServerIsReady(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"stopping"}`)
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	ask := func(args []string, vars map[string]string) (int, string) {
		var out bytes.Buffer
		exit := run(program{args: args, getenv: env(vars), out: &out, err: &out}, nil)
		return exit, out.String()
	}
	exit, out := ask([]string{"--healthcheck", "--listen", "127.0.0.1:" + port}, nil)
	require.Zero(t, exit, out)
	exit, out = ask([]string{"-healthcheck"}, map[string]string{"TICKHALL_LISTEN": ":" + port})
	require.Zero(t, exit, out)

	status = http.StatusServiceUnavailable
	exit, out = ask([]string{"--healthcheck"}, map[string]string{"TICKHALL_LISTEN": "0.0.0.0:" + port})
	require.Equal(t, 1, exit)
	require.Contains(t, out, "not ready")
	server.Close()
	exit, out = ask([]string{"--healthcheck"}, map[string]string{"TICKHALL_LISTEN": ":" + port})
	require.Equal(t, 1, exit)
	require.Contains(t, out, "does not answer")
	exit, out = ask([]string{"--healthcheck", "--listen", "127.0.0.1:0"}, nil)
	require.Equal(t, 1, exit)
	require.Contains(t, out, "--listen")
	exit, _ = ask([]string{"--healthcheck", "--nonsense"}, nil)
	require.Equal(t, 2, exit)
}

// What the queue and the admin API count is handed on under the same names: metrics knows neither.
func TestCountersAreHandedOnUnderTheirNames(t *testing.T) {
	h := new(Host)
	for _, c := range []struct {
		stats reflect.Value
		read  func() reflect.Value
	}{
		{reflect.ValueOf(&h.queueStats).Elem(), func() reflect.Value { return reflect.ValueOf(h.queueMetrics()) }},
		{reflect.ValueOf(&h.adminStats).Elem(), func() reflect.Value { return reflect.ValueOf(h.adminMetrics()) }},
	} {
		for i := range c.stats.NumField() {
			counter, ok := c.stats.Field(i).Addr().Interface().(*atomic.Int64)
			if !ok {
				continue // a histogram
			}
			name := c.stats.Type().Field(i).Name
			counter.Store(int64(i + 1))
			field := c.read().FieldByName(name)
			require.True(t, field.IsValid(), "%s.%s is counted and not served", c.stats.Type(), name)
			require.EqualValues(t, i+1, field.Int(), name)
		}
	}
}
