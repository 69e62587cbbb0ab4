package admin

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/room"
)

// TestBroadcastReachesAllOfTenThousand: among 10,000 sessions in ten rooms some are congested and some are
// away. All get the event exactly once, those as soon as they can, and no room was waited for.
func TestBroadcastReachesAllOfTenThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms, each = 10, 1000
		h := newHall(t, rooms)
		for i := range rooms {
			h.fill(i, each)
		}
		h.tick()
		all, away := h.seated, map[*far]bool{}
		for i, c := range all {
			switch {
			case i%10 == 1:
				c.full = true
			case i%500 == 2:
				_, err := h.rooms[i/each].Lost(c.session, c)
				require.NoError(t, err)
				away[c] = true
			}
		}
		// Nobody ticks meanwhile: if the request waited for a room, it would wait for ever.
		status, body := h.ask("POST", "/v1/admin/message", `{"name": "notice", "body": "hello", "to": {"all": true}}`)
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"reached": 10000}`, body)
		h.tick()
		for i, c := range all {
			want := 1
			if c.full || away[c] {
				want = 0
			}
			require.Len(t, c.got(), want, "player %d", i)
			c.full = false
		}
		h.tick()
		for i, c := range all {
			if !away[c] {
				require.Equal(t, []string{"notice a568656c6c6f"}, c.got(), "player %d", i)
			}
		}
		for c := range away { // back in time, with nothing lost
			again := new(far)
			m := h.rooms[slices.Index(all, c)/each]
			_, err := m.Resume(room.Resume{Token: c.token, Tick: c.acked, Conn: again})
			require.NoError(t, err)
			require.Equal(t, []string{"notice a568656c6c6f"}, again.got())
		}
	})
}

// TestBroadcastIsEncodedOnce: what it costs beside the list of sessions does not grow with them, all rooms
// share the event's bytes.
func TestBroadcastIsEncodedOnce(t *testing.T) {
	h := newHall(t, 1)
	for i := range 200 {
		h.seat(0, fmt.Sprint(i))
	}
	e, err := player.NewEvent("notice", "hello")
	require.NoError(t, err)
	for range 10 { // until the sessions' lists have room
		h.registry.Broadcast(e)
	}
	h.tick()
	reached := 0
	allocs := testing.AllocsPerRun(5, func() { reached = h.registry.Broadcast(e) })
	require.Equal(t, 200, reached)
	require.LessOrEqual(t, allocs, 1.0, "the list of sessions")
}

// BenchmarkBroadcastTo10000 is what an operator's request costs, not what the rooms then send.
func BenchmarkBroadcastTo10000(b *testing.B) {
	stats, none := player.Stats{}, player.Limits{}
	var registry player.Registry
	for i := range 10_000 {
		registry.Add(player.NewSession(fmt.Sprint(i), "Ada", new(shelf), none, &stats))
	}
	b.ReportAllocs()
	for b.Loop() {
		e, err := player.NewEvent("notice", "hello")
		require.NoError(b, err)
		require.Equal(b, 10_000, registry.Broadcast(e))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/session")
}

// shelf is a room's side of a session, as far as events go.
type shelf struct {
	player.Receiver
	mu     sync.Mutex
	events [64]*player.Event
	n      int
}

func (s *shelf) Announce(e *player.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[s.n%len(s.events)] = e
	s.n++
	return true
}
