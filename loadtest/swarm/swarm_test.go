package swarm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/games/arena"
	"github.com/tickhall/tickhall/server/host"
)

// pipes is a net.Listener in memory, which works in a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{Port: 8080} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs a server in memory; stop ends it.
func serve(t *testing.T, kinds ...room.AnyKind) (s Scenario, stop func()) {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	h, err := host.New(host.Config{Kinds: kinds, Listener: p, Log: slog.New(slog.DiscardHandler), Ready: func(string) {}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }() // ends with stop
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return Scenario{URL: "http://tickhall.test", Client: client.Config{Dial: p.dial}}, stop
}

// play runs the scenario called name with change, in a bubble, against the arena.
func play(t *testing.T, name string, change func(*Scenario)) (report *Report) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := serve(t, arena.Kind)
		defer stop()
		s.Rooms, s.Players, s.Duration = 2, 5, 10*time.Second
		if change != nil {
			change(&s)
		}
		s, err := Named(name, s)
		require.NoError(t, err)
		report, err = Run(t.Context(), s)
		require.NoError(t, err)
	})
	require.Empty(t, report.Broken)
	require.Zero(t, report.Values["hash.mismatch"])
	return report
}

func TestSteadyLoadIsMeasured(t *testing.T) {
	seconds := 0
	gates, err := ParseGates("staleness.p99<=40ms", "errors==0", "players.missing==0", "snapshots>=299", "effect.lost==0", "generator.lateness.p99<1ms")
	require.NoError(t, err)
	r := play(t, "steady", func(s *Scenario) {
		s.Gates = gates
		s.OnClock = func(Second) { seconds++ }
	})
	require.False(t, r.Failed(), "%v", r.Gates)
	require.EqualValues(t, 2, r.Values["rooms"])
	require.InDelta(t, 300, r.Values["snapshots"], 1, "ten players at 30 Hz")
	require.InDelta(t, 200, r.Values["inputs"], 2)
	require.GreaterOrEqual(t, seconds, 10)
	require.Len(t, r.Timeline, 10)

	// In memory nothing takes time, so the world ages from 0 to one tick between two snapshots.
	stale := r.Find("staleness")
	require.Greater(t, stale.Count, int64(1000))
	require.InDelta(t, 17, stale.P50, 2.5)
	require.InDelta(t, 33.3, r.Find("gap").P50, 1)
	for _, name := range []string{"effect.own", "effect.other"} {
		require.Greater(t, r.Find(name).Count, int64(100), name)
		require.Less(t, r.Find(name).Max, 70., name)
	}
	require.Positive(t, r.Find("snapshot.bytes").P50)
	require.EqualValues(t, 10, r.Find("keyframe.bytes").Count)
	require.Greater(t, r.Values["bytes.wire"], r.Values["bytes.websocket"])
	require.Greater(t, r.Values["bytes.websocket"], r.Values["bytes.payload"])
}

func TestAgeIsSampledEveryFourMilliseconds(t *testing.T) {
	p := &Player{seeing: true, age: 10 * time.Millisecond, anchor: time.Second, sampled: time.Second}
	n := new(tally)
	p.sample(n, time.Second+50*time.Millisecond)
	require.EqualValues(t, 13, n.histograms[staleness].TotalCount())
	require.InDelta(t, 10, n.quantile(staleness, 0), 0.1)
	require.InDelta(t, 58, n.quantile(staleness, 100), 0.1)
	p.age, p.anchor = 0, time.Second+50*time.Millisecond // a new snapshot
	p.sample(n, time.Second+60*time.Millisecond)
	require.EqualValues(t, 15, n.histograms[staleness].TotalCount(), "at 52 and 56 ms: the rhythm goes on")
	p.sample(n, 11*time.Second)
	require.EqualValues(t, 2500, n.histograms[staleness].TotalCount(), "who gets nothing sees an old world for long")
	require.InEpsilon(t, 9946, n.quantile(staleness, 100), 0.001)
}

func TestPlayersComeAndGoInChurn(t *testing.T) {
	r := play(t, "churn", func(s *Scenario) { s.Stay = 2 * time.Second })
	require.Greater(t, r.Joins, int64(20))
	require.Zero(t, r.Values["errors"], "%v", r.Errors)
	require.Positive(t, r.Find("join").P99)
}

func TestStormsAreSurvived(t *testing.T) {
	r := play(t, "reconnect", func(s *Scenario) { s.CutEvery = 4 * time.Second })
	require.EqualValues(t, 20, r.Cuts, "ten players, after 2 s and 6 s")
	require.EqualValues(t, 20, r.Values["reconnects"])
	require.EqualValues(t, 20, r.Find("resume").Count)
	require.Zero(t, r.Values["errors"], "%v", r.Errors)
	require.Greater(t, r.Find("staleness").Max, r.Find("resume").P50, "who is away sees an old world")
}

func TestSlowReadersCountByThemselves(t *testing.T) {
	r := play(t, "slow", nil)
	require.Positive(t, r.Find("slow.staleness").Count)
	require.Less(t, r.Find("staleness").Max, 40., "the others don't notice")
}

func TestIdlePlayersSendNothing(t *testing.T) {
	r := play(t, "idle", nil)
	require.Zero(t, r.Values["inputs"])
	require.Nil(t, r.Find("effect.own"))
	require.InDelta(t, 300, r.Values["snapshots"], 1)
}

func TestAbuseIsToldApartFromPlayers(t *testing.T) {
	r := play(t, "abuse", func(s *Scenario) { s.Abusers = 6 })
	require.Zero(t, r.Values["errors"], "%v", r.Errors)
	require.Positive(t, r.Abuse["garbage"].Ended)
	require.Positive(t, r.Abuse["half open"].Ended)
	require.Positive(t, r.Abuse["forged ticket"].Refused)
	require.Zero(t, r.Abuse["forged ticket"].Open)
	require.Positive(t, r.Abuse["bad message"].Ended)
	require.Positive(t, r.Abuse["flood"].Ended)
	require.Equal(t, 1, r.Abuse["never reads"].Running, "who is still at it is told of too")
}

func TestServerThatGoesAwayGivesAReportThatSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := serve(t, arena.Kind)
		s.Rooms, s.Players, s.Duration = 1, 4, time.Minute
		time.AfterFunc(10*time.Second, stop)
		began := time.Now()
		r, err := Run(t.Context(), s)
		require.NoError(t, err)
		require.Contains(t, r.Broken, "the server went away after")
		require.Less(t, time.Since(began), 30*time.Second)
		require.NotZero(t, r.Values["errors"])
		require.Positive(t, r.Find("staleness").Count)
		var text bytes.Buffer
		require.NoError(t, r.WriteText(&text))
		require.Contains(t, text.String(), "BROKEN OFF: the server went away")
	})
}

func TestServerThatRefusesEverybodyGivesAReportThatSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := serve(t, arena.Kind)
		defer stop()
		s.Kind = "chess"
		r, err := Run(t.Context(), s)
		require.NoError(t, err)
		require.Contains(t, r.Broken, "nobody could join: refused: unknown_kind")
	})
}

func TestPlayersWithoutABotLookOn(t *testing.T) {
	r := play(t, "steady", func(s *Scenario) { s.Bot = func(*Player) Bot { return nil } })
	require.Zero(t, r.Values["inputs"])
	require.Positive(t, r.Find("staleness").Count)
	other := Scenario{Kind: "chat"}.withDefaults()
	require.Negative(t, other.InputRate)
	require.Nil(t, other.Bot(nil))
}

func TestSpectatorsWatch(t *testing.T) {
	r := play(t, "spectators", nil)
	require.EqualValues(t, 10, r.Values["spectators"])
	require.EqualValues(t, 10, r.Values["players"])
	require.InDelta(t, 600, r.Values["snapshots"], 2)
	require.Zero(t, r.Values["errors"], "%v", r.Errors)
}

func TestSpectatorsAreLeftOutWhereTheyAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := arena.Kind
		kind.Spectators = 0
		s, stop := serve(t, kind)
		defer stop()
		s.Rooms, s.Players, s.Spectators, s.Duration = 1, 3, 2, 3*time.Second
		r, err := Run(t.Context(), s)
		require.NoError(t, err)
		require.Contains(t, strings.Join(r.Notes, "\n"), "spectators were left out")
		require.Zero(t, r.Values["errors"], "%v", r.Errors)
		require.Zero(t, r.Values["spectators"])
		require.EqualValues(t, 3, r.Values["players"])
	})
}

func TestServerThatIsNotThereIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = Run(t.Context(), Scenario{URL: "http://" + address})
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, "go run ./server")
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := serve(t, arena.Kind)
		defer stop()
		s.Rooms, s.Players, s.Duration = 1, 3, time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		r, err := Run(ctx, s)
		require.NoError(t, err)
		require.Empty(t, r.Broken)
		require.True(t, r.Early)
		require.Contains(t, r.Notes[0], "ended early")
		require.Positive(t, r.Find("staleness").Count)
	})
}

func TestClimbFindsWhereTheGatesBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := serve(t, arena.Kind)
		defer stop()
		gates, err := ParseGates("players<=12")
		require.NoError(t, err)
		s.Rooms, s.Players, s.Duration, s.Gates = 1, 3, 2*time.Second, gates
		var told []Step
		r, err := Climb(t.Context(), s, 100, func(s Step) { told = append(told, s) })
		require.NoError(t, err)
		require.Equal(t, 12, Best(r.Climb))
		require.Equal(t, told, r.Climb)
		require.Equal(t, 4, r.Rooms, "the report is of the best step")
		require.False(t, r.Failed())
		require.Contains(t, told[3].Why, "players<=12: it was 24")
	})
}

func TestBadScenariosAreRefusedWithEveryFault(t *testing.T) {
	_, err := Run(t.Context(), Scenario{URL: "localhost", Players: -1, Duration: 1, CutShare: 2, InputRate: 1e6})
	for _, part := range []string{`"localhost" must be http://`, "players", "duration", "shares", "input rate"} {
		require.ErrorContains(t, err, part)
	}
	_, err = Named("stampede", Scenario{})
	require.ErrorContains(t, err, `there is no scenario "stampede": there are steady, ramp, churn`)
}

func TestWhoIsRecordedIsNotSentElsewhere(t *testing.T) {
	for _, c := range []struct{ rooms, players, number int }{{1, 1, 0}, {3, 1, 2}, {1, 5, 1}, {2, 5, 6}} {
		w := newSwarm(Scenario{Rooms: c.rooms, Players: c.players, Record: true})
		for _, s := range w.seats {
			require.Equal(t, s.number == c.number, s.record, "%+v, seat %d", c, s.number)
		}
		last := w.seats[c.number].group
		for _, s := range w.seats[c.number+1:] {
			require.Same(t, last, s.group, "it is in the last room, and comes first")
		}
	}
	r := play(t, "steady", func(s *Scenario) {
		s.Rooms, s.Players, s.Duration, s.Record = 1, arena.Kind.MaxPlayers+3, 2*time.Second, true
	})
	require.Contains(t, strings.Join(r.Notes, " "), "room_full")
	require.Greater(t, len(r.Recording.Messages), 60)
	n := 0
	for _, m := range r.Recording.Messages {
		n += len(m)
	}
	require.Greater(t, float64(n)/float64(len(r.Recording.Messages)), r.Find("snapshot.bytes").Mean/2, "its room is as full as most")
}

func TestEncryptedPlayIsMeasured(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	cert.Close()
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		h, err := host.New(host.Config{
			Kinds: []room.AnyKind{arena.Kind}, Listener: tls.NewListener(p, &tls.Config{Certificates: cert.TLS.Certificates}),
			Log: slog.New(slog.DiscardHandler), Ready: func(string) {},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var serving sync.WaitGroup
		serving.Go(func() { _ = h.Run(ctx) })
		r, err := Run(t.Context(), Scenario{
			URL: "https://example.com", Rooms: 1, Players: 3, Duration: 3 * time.Second,
			Client: client.Config{Dial: p.dial, TLS: &tls.Config{RootCAs: roots}},
		})
		cancel()
		serving.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 3, r.Values["players"], "%v", r.Errors)
		require.Positive(t, r.Find("staleness").Count)
		require.Less(t, r.Find("staleness").Max, 100.)
		require.Positive(t, r.Find("effect.own").Count)
		require.Contains(t, r.Notes[0], "encrypted")
		require.NotContains(t, r.Values, "bytes.payload")
	})
}
