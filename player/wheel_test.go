package player_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// peer is a connection whose other side answers pings after rtt, if it does.
type peer struct {
	beat player.Beat

	mu        sync.Mutex
	rtt       time.Duration // negative: it never answers
	congested bool
	pings     []time.Time
	tried     int
	closed    protocol.Code
	closedAt  time.Time
}

func (p *peer) Ping(payload []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried++
	if p.congested {
		return false
	}
	p.pings = append(p.pings, time.Now())
	if p.rtt >= 0 {
		payload = append([]byte(nil), payload...)
		time.AfterFunc(p.rtt, func() { p.beat.Pong(time.Now(), payload) })
	}
	return true
}

func (p *peer) Close(code protocol.Code, _ string, _ []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == 0 {
		p.closed, p.closedAt = code, time.Now()
	}
}

func (p *peer) set(rtt time.Duration, congested bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rtt, p.congested = rtt, congested
}

func (p *peer) state() (pings, tried int, closed protocol.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pings), p.tried, p.closed
}

// turning runs f in a bubble beside the Run of a Wheel.
func turning(t *testing.T, f func(t *testing.T, w *player.Wheel)) {
	synctest.Test(t, func(t *testing.T) {
		w := player.NewWheel(0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, w.Run(ctx), context.Canceled) })
		f(t, w)
		cancel()
		wg.Wait()
	})
}

func TestWheelPingsOncePerIntervalAndMeasures(t *testing.T) {
	turning(t, func(t *testing.T, w *player.Wheel) {
		p := &peer{rtt: 80 * time.Millisecond}
		last, smooth := p.beat.RTT()
		require.Zero(t, last+smooth)
		w.Add(&p.beat, p)
		time.Sleep(10*player.DefaultHeartbeat + time.Second)
		pings, _, closed := p.state()
		require.Equal(t, 10, pings-1) // the first comes at once: its slot is the next
		require.Zero(t, closed)
		last, smooth = p.beat.RTT()
		require.InDelta(t, 80*time.Millisecond, last, 10)
		require.InDelta(t, 80*time.Millisecond, smooth, 10)

		p.set(160*time.Millisecond, false)
		time.Sleep(player.DefaultHeartbeat)
		last, smooth = p.beat.RTT()
		require.InDelta(t, 160*time.Millisecond, last, 10)
		require.InDelta(t, 90*time.Millisecond, smooth, 10)
		for i := 1; i < len(p.pings); i++ {
			require.Equal(t, player.DefaultHeartbeat, p.pings[i].Sub(p.pings[i-1]))
		}
		w.Remove(&p.beat)
		time.Sleep(time.Second)
	})
}

func TestWheelSpreadsPingsOverTheInterval(t *testing.T) {
	turning(t, func(t *testing.T, w *player.Wheel) {
		peers := make([]peer, 600)
		for i := range peers {
			w.Add(&peers[i].beat, &peers[i])
		}
		time.Sleep(player.DefaultHeartbeat)
		synctest.Wait()
		perTurn := map[time.Time]int{}
		for i := range peers {
			for _, at := range peers[i].pings {
				perTurn[at]++
			}
		}
		require.Len(t, perTurn, 60)
		for _, n := range perTurn {
			require.Equal(t, 10, n)
		}
		for i := range peers {
			w.Remove(&peers[i].beat)
		}
		require.Zero(t, w.Len())
	})
}

func TestWheelClosesWhoDoesNotAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		during func(p *peer, w *player.Wheel)
		closed protocol.Code
	}{
		{"silence", func(p *peer, _ *player.Wheel) {
			time.Sleep(2*player.DefaultHeartbeat + time.Second)
		}, protocol.CodePongTimeout},
		{"silence, but for messages: a browser that answers no ping is gone", func(p *peer, _ *player.Wheel) {
			for range 40 {
				p.beat.Heard()
				time.Sleep(time.Second)
			}
		}, protocol.CodePongTimeout},
		{"not before the second is missed", func(p *peer, _ *player.Wheel) {
			time.Sleep(2*player.DefaultHeartbeat - time.Second)
		}, 0},
		{"one missed in each two", func(p *peer, _ *player.Wheel) {
			for i := range 10 {
				p.set(time.Duration(i%2-1), false)
				time.Sleep(player.DefaultHeartbeat)
			}
		}, 0},
		{"pongs that nobody asked for are signs of life", func(p *peer, _ *player.Wheel) {
			for range 40 {
				require.False(t, p.beat.Pong(time.Now(), nil))
				require.False(t, p.beat.Pong(time.Now(), make([]byte, 8)))
				time.Sleep(time.Second)
			}
			last, _ := p.beat.RTT()
			require.Zero(t, last)
		}, 0},
		{"congested all the time", func(p *peer, _ *player.Wheel) {
			p.set(-1, true)
			time.Sleep(3*player.DefaultHeartbeat + time.Second)
		}, protocol.CodePongTimeout},
		{"half open, then congested", func(p *peer, _ *player.Wheel) {
			time.Sleep(time.Second)
			p.set(-1, true)
			time.Sleep(2 * player.DefaultHeartbeat)
		}, protocol.CodePongTimeout},
		{"congested at each turn, but heard", func(p *peer, _ *player.Wheel) {
			p.set(0, true)
			for range 100 {
				p.beat.Heard()
				time.Sleep(time.Second)
			}
		}, 0},
		{"congested now and then", func(p *peer, _ *player.Wheel) {
			for i := range 10 {
				p.set(0, i%2 == 0)
				time.Sleep(player.DefaultHeartbeat)
			}
		}, 0},
		{"removed", func(p *peer, w *player.Wheel) {
			w.Remove(&p.beat)
			w.Remove(&p.beat) // twice does no harm
			time.Sleep(10 * player.DefaultHeartbeat)
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			turning(t, func(t *testing.T, w *player.Wheel) {
				p := &peer{rtt: -1}
				w.Add(&p.beat, p)
				c.during(p, w)
				_, _, closed := p.state()
				require.Equal(t, c.closed, closed)
				w.Remove(&p.beat)
			})
		})
	}
}

func TestWheelTakesNoMadeUpRoundTrip(t *testing.T) {
	turning(t, func(t *testing.T, w *player.Wheel) {
		p := &peer{rtt: time.Second}
		w.Add(&p.beat, p)
		time.Sleep(700 * time.Millisecond) // the ping is out, its answer on the way
		for d := range 1000 {
			stamp := time.Duration(d) * time.Millisecond
			p.beat.Pong(time.Now(), binary.BigEndian.AppendUint64(nil, uint64(stamp)))
		}
		last, _ := p.beat.RTT()
		require.Zero(t, last)
		time.Sleep(time.Second)
		last, _ = p.beat.RTT()
		require.InDelta(t, time.Second, last, 10)
		w.Remove(&p.beat)
	})
}

func TestWheelSurvivesComingAndGoing(t *testing.T) {
	turning(t, func(t *testing.T, w *player.Wheel) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					p := &peer{rtt: time.Millisecond}
					w.Add(&p.beat, p)
					time.Sleep(333 * time.Millisecond)
					p.beat.RTT()
					w.Remove(&p.beat)
				}
			})
		}
		wg.Wait()
		require.Zero(t, w.Len())
	})
}
