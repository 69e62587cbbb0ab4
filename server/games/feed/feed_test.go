package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// next is a Source made of a function.
type next func(ctx context.Context) (Batch, error)

func (f next) Next(ctx context.Context) (Batch, error) { return f(ctx) }

func kindOf(f next) room.Kind[Nothing] {
	return NewKind(func(uint64, Options) Source { return f })
}

// quotes are what a reader sees, by symbol.
func quotes(p *roomtest.Player) map[string]Quote {
	all := map[string]Quote{}
	for _, q := range roomtest.Table[Quote](p, "quote").All() {
		all[q.Symbol] = q
	}
	return all
}

func line(p *roomtest.Player) Line {
	l, _ := roomtest.Table[Line](p, "line").Get(1)
	return l
}

// numbers takes the numbers of all notices that a reader has got since the last call.
func numbers(p *roomtest.Player) []uint32 {
	var all []uint32
	for _, list := range roomtest.Events[[]Notice](p, "notices") {
		for _, n := range list {
			all = append(all, n.Number)
		}
	}
	for _, n := range roomtest.Events[Notice](p, "notice") {
		all = append(all, n.Number)
	}
	return all
}

func TestTwoHundredReadersMissNoNoticeAndEndWithTheNewestPrices(t *testing.T) {
	readers := 200
	if testing.Short() {
		readers = 20
	}
	told, last := uint32(0), map[string]float64{}
	source := rand.New(rand.NewPCG(1, 2))
	var silent atomic.Bool
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		var b Batch
		if silent.Load() {
			return b, nil
		}
		for range 50 { // ten times what a reader is shown
			v := Trade{Symbol: fmt.Sprintf("S%d", source.IntN(5)), Price: float64(1+source.IntN(100_000)) / 100, Shares: 1}
			last[v.Symbol] = v.Price
			b.Trades = append(b.Trades, v)
		}
		for range source.IntN(4) {
			told++
			b.News = append(b.News, News{Kind: Report, Text: fmt.Sprint("news ", told)})
		}
		return b, nil
	}))
	var all []*roomtest.Player
	got := make([][]uint32, readers)
	away := make([]int, readers) // ticks
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range readers {
		all = append(all, r.Join(fmt.Sprint("r", i)))
	}
	for range 150 {
		switch i := rnd.IntN(readers); {
		case away[i] == 0:
			all[i].Lose()
			away[i] = 1 + rnd.IntN(40) // within the grace period
		default:
			r.Tick(1)
		}
		for i, p := range all {
			if away[i] > 0 {
				if away[i]--; away[i] == 0 {
					p.Resume()
				}
			}
			got[i] = append(got[i], numbers(p)...)
		}
	}
	for i, p := range all {
		if away[i] > 0 {
			p.Resume()
		}
	}
	silent.Store(true)
	r.Tick(3)
	require.Greater(t, told, uint32(100))
	for i, p := range all {
		got[i] = append(got[i], numbers(p)...)
		for at, number := range got[i] {
			require.EqualValues(t, int(got[i][0])+at, number, "reader %d gets every notice once and in order", i)
		}
		require.Equal(t, told, got[i][len(got[i])-1], "to the last")
		seen := quotes(p)
		require.Len(t, seen, len(last))
		for symbol, price := range last {
			require.InDelta(t, price, seen[symbol].Last, 1e-9, "reader %d, %s", i, symbol)
		}
	}
}

func TestAQuoteTellsItsDay(t *testing.T) {
	prices := []float64{10, 12.5, 9.994, 11}
	at := 0
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		if at == len(prices) {
			return Batch{}, nil
		}
		at++
		return Batch{Trades: []Trade{{Symbol: "A", Name: "Alder", Price: prices[at-1], Shares: 10}}}, nil
	}))
	ada := r.Join("Ada")
	r.Tick(10)
	q := quotes(ada)["A"]
	require.Equal(t, Quote{Symbol: "A", Name: "Alder", Open: 10, Last: 11, High: 12.5, Low: 9.99, Volume: 40}, q)
}

func TestWhoComesLateGetsTheLastNoticesAndPrices(t *testing.T) {
	n := 0
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		n++
		return Batch{
			Trades: []Trade{{Symbol: "A", Price: float64(n)}},
			News:   []News{{Kind: Report, Text: fmt.Sprint(n)}},
		}, nil
	}))
	r.Join("Ada")
	r.Tick(samples*sampleEvery + 100)
	late := r.Join("Bob")
	r.Tick(1)
	lists := roomtest.Events[[]Notice](late, "notices")
	require.Len(t, lists, 1)
	require.Len(t, lists[0], keptNotices)
	first := roomtest.Events[Notice](late, "notice")[0]
	require.Equal(t, lists[0][keptNotices-1].Number+1, first.Number, "what follows has no gap")

	var newest, count uint32
	for _, p := range roomtest.Table[Point](late, "point").All() {
		require.Positive(t, p.Number)
		newest, count = max(newest, p.Number), count+1
	}
	require.EqualValues(t, samples, count)
	for _, p := range roomtest.Table[Point](late, "point").All() {
		require.Greater(t, p.Number+samples, newest, "the last %d moments", samples)
	}
	require.EqualValues(t, 1, quotes(late)["A"].Trend, "it has risen")
}

func TestAFailingSourceIsAskedAgainAndReadersAreTold(t *testing.T) {
	var calls atomic.Int32 // a question may be out while the test looks
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		n := calls.Add(1)
		if n == 2 || n == 3 {
			return Batch{}, errors.New("no route")
		}
		return Batch{Trades: []Trade{{Symbol: "A", Price: float64(n)}}}, nil
	}))
	ada := r.Join("Ada")
	require.Equal(t, Connecting, line(ada).State)
	r.Tick(1)
	require.Equal(t, Live, line(ada).State)
	r.Tick(1)
	require.Equal(t, Line{State: Down, Trades: 1, Failures: 1, Retry: 1, Reason: "no route"}, line(ada))
	r.Tick(tickRate + 1)
	require.Equal(t, Line{State: Down, Trades: 1, Failures: 2, Retry: 2, Reason: "no route"}, line(ada), "the pause grows")
	before := calls.Load()
	r.Tick(2*tickRate - 1)
	require.Equal(t, before, calls.Load(), "it is left alone meanwhile")
	require.InDelta(t, 1, quotes(ada)["A"].Last, 1e-9, "the last price stands")
	r.Tick(2)
	require.Equal(t, Live, line(ada).State)
	require.Zero(t, line(ada).Failures)
	require.Greater(t, quotes(ada)["A"].Last, 3.0)
}

func TestAPanickingSourceIsAFailureToo(t *testing.T) {
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) { panic("off by one") }))
	ada := r.Join("Ada")
	r.Tick(1)
	require.Equal(t, Down, line(ada).State)
	require.Contains(t, line(ada).Reason, "off by one")
}

func TestNobodyAsksForAnEmptyRoom(t *testing.T) {
	var calls atomic.Int32
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		calls.Add(1)
		return Batch{}, nil
	}))
	ada := r.Join("Ada")
	r.Tick(3)
	ada.Leave()
	r.Tick(2)
	before := calls.Load()
	r.Tick(20)
	require.Equal(t, before, calls.Load())
	r.Join("Bob")
	r.Tick(2)
	require.Greater(t, calls.Load(), before, "the next reader has it asked again")
}

func TestNonsenseFromTheSourceIsLeftOut(t *testing.T) {
	bad := []Trade{
		{Symbol: "A", Price: math.NaN()}, {Symbol: "A", Price: math.Inf(1)}, {Symbol: "A", Price: 0}, {Symbol: "A", Price: -3},
		{Symbol: "", Price: 1}, {Symbol: "MUCH-TOO-LONG", Price: 1},
	}
	var many []Trade
	for i := range 2 * maxSymbols {
		many = append(many, Trade{Symbol: fmt.Sprint("S", i), Price: 1})
	}
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		return Batch{Trades: append(bad, many...), News: []News{{Kind: Halted, Symbol: "NONE"}}}, nil
	}))
	ada := r.Join("Ada")
	r.Tick(1)
	require.Len(t, quotes(ada), maxSymbols)
	require.NotContains(t, quotes(ada), "A")
	require.EqualValues(t, maxSymbols, line(ada).Trades)
}

func TestHaltsShowInTheTable(t *testing.T) {
	news := []NewsKind{Opened, Halted, Resumed}
	at := 0
	r := roomtest.New(t, kindOf(func(context.Context) (Batch, error) {
		b := Batch{Trades: []Trade{{Symbol: "A", Price: 1}}}
		if at < len(news) {
			b.News = []News{{Kind: news[at], Symbol: "A"}}
			at++
		}
		return b, nil
	}))
	ada := r.Join("Ada")
	for _, halted := range []bool{false, true, false} {
		r.Tick(1)
		require.Equal(t, halted, quotes(ada)["A"].Halted)
	}
	require.Equal(t, []uint32{1, 2, 3}, numbers(ada))
}

// tape is a room.Recorder that keeps everything.
type tape struct {
	frames [][]byte
	sums   []uint32
}

func (t *tape) Record(_ uint32, frame []byte, world func() uint32, _ error) {
	t.frames = append(t.frames, bytes.Clone(frame))
	t.sums = append(t.sums, world())
}

func TestAPlaybackHasWhatTheSourceSaidWithoutIt(t *testing.T) {
	x := NewExchange(1, 10*time.Second)
	x.pace = 0
	var rec tape
	r := roomtest.NewSeeded(t, kindOf(x.Next), room.Config{ID: "test", Seed: 1, Recorder: &rec})
	ada := r.Join("Ada")
	r.Tick(40 * tickRate)
	require.Positive(t, line(ada).Trades)

	p, err := room.NewPlayback(kindOf(func(context.Context) (Batch, error) { panic("asked in a playback") }), 1, nil)
	require.NoError(t, err)
	for i, frame := range rec.frames {
		require.NoError(t, p.Step(frame))
		require.Equal(t, rec.sums[i], p.Checksum(), "tick %d", p.Tick())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		options, complains string
	}{
		{`{"outage_every": 10}`, ""},
		{`{}`, ""},
		{`{"outage_every": 0}`, "5 to 3600"},
		{`{"outage_every": 4000}`, "5 to 3600"},
		{`{"outage_every": "x"}`, `option "outage_every": a string does not fit`},
		{`{"outages": 9}`, `no option "outages"`},
	} {
		t.Run(c.options, func(t *testing.T) {
			_, err := room.New(Kind, room.Config{ID: "test", Options: []byte(c.options)})
			if c.complains == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.complains)
			var e *room.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "bad_options", e.Code)
		})
	}
}

// deaf is the connection of somebody who reads nothing.
type deaf struct{}

func (deaf) Ready() bool                         { return true }
func (deaf) RemoteAddr() string                  { return "192.0.2.1" }
func (deaf) Send(...[]byte) error                { return nil }
func (deaf) Close(protocol.Code, string, []byte) {}

var _ player.Conn = deaf{}

func TestASourceThatHangsDoesNotHoldUpTheRoom(t *testing.T) {
	for _, c := range []struct {
		name     string
		stubborn bool // it does not even end with its context
		after    time.Duration
		want     LineState
	}{
		{"for a moment", false, time.Second, Live},
		{"for a while", false, 3 * time.Second, Late},
		{"for longer than one waits", false, 6 * time.Second, Down},
		{"for ever", true, 30 * time.Second, Late},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, release := 0, make(chan struct{})
				k := kindOf(func(ctx context.Context) (Batch, error) {
					if calls++; calls == 1 {
						return Batch{Trades: []Trade{{Symbol: "A", Price: 1}}}, nil
					}
					if c.stubborn {
						ctx = context.Background()
					}
					select {
					case <-ctx.Done():
						return Batch{}, ctx.Err()
					case <-release:
						return Batch{}, nil
					}
				})
				seen := make(chan Line, 1)
				build := k.New
				k.New = func(s *room.Setup) (room.Game[Nothing], error) {
					g, err := build(s)
					room.OnSignal(s, "look", func(*room.Tick, struct{}) { seen <- *g.(*Feed).line })
					return g, err
				}
				var stats room.Stats
				r, err := room.New(k, room.Config{ID: "test", Stats: &stats, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- r.Run(ctx) }()
				_, err = r.Join(ctx, room.Join{Who: room.Identity{User: "ada", Name: "Ada"}, Conn: deaf{}})
				require.NoError(t, err)
				time.Sleep(c.after)
				require.InDelta(t, c.after.Seconds()*tickRate, stats.Ticks.Load(), 3, "the room keeps its pace")
				require.NoError(t, r.Signal(ctx, "look", struct{}{}))
				l := <-seen
				require.Equal(t, c.want, l.State)
				if c.want == Down {
					require.Equal(t, "no answer within 5s", l.Reason)
				}
				cancel()
				close(release)
				require.NoError(t, <-done)
			})
		})
	}
}

func TestTheExchangeIsTheSameForTheSameSeed(t *testing.T) {
	run := func(seed uint64) (batches []Batch, failures int) {
		x := NewExchange(seed, time.Minute)
		x.pace = 0
		for range 2000 {
			b, err := x.Next(t.Context())
			if err != nil {
				failures++
			}
			batches = append(batches, b)
		}
		return batches, failures
	}
	one, failures := run(1)
	same, _ := run(1)
	other, _ := run(2)
	require.Equal(t, one, same)
	require.NotEqual(t, one, other)
	require.Equal(t, outageFor*(2000/300), failures)

	kinds := map[NewsKind]int{}
	for _, b := range one {
		for _, n := range b.News {
			kinds[n.Kind]++
		}
		for _, v := range b.Trades {
			require.Greater(t, v.Price, 0.0)
			require.Less(t, v.Price, 10_000.0)
		}
	}
	require.Equal(t, 1, kinds[Opened])
	require.Positive(t, kinds[Halted])
	require.Positive(t, kinds[Report])
	require.InDelta(t, kinds[Halted], kinds[Resumed], 1)
}

func TestTheExchangeStopsWaitingWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := NewExchange(1, 0)
	x.pace = time.Hour
	_, err := x.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
