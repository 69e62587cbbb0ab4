package lobby

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestEmptyRoomsEndFirstWhenMemoryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var live atomic.Int64
		var cycle atomic.Uint64
		const limit = 100 << 20
		live.Store(10 << 20)
		l, _ := run(t, Config{
			Kinds:  []room.AnyKind{new(trial).kind("duel", 2)},
			memory: func() memory { return memory{live.Load(), limit, cycle.Load()} },
		})
		open := func() *Seat {
			s, err := l.Create("duel", CreateOptions{})
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
			return s
		}
		oldest, held, played, newest := open(), open(), open(), open()
		oldest.Release()
		newest.Release()
		join(t, played)
		wait := func() { time.Sleep(2 * watchEvery); synctest.Wait() }
		wait()
		require.Len(t, l.List(), 4)

		live.Store(limit/100*relievedAt + 1)
		wait()
		require.Len(t, l.List(), 4, "not short yet")
		cycle.Add(1)
		live.Store(limit/100*strainedAt + 1)
		wait()
		require.EqualValues(t, 2, l.cfg.Stats.Dropped.Load(), "the empty ones, which take little")
		require.Nil(t, l.Find(oldest.Room().ID()))
		require.Nil(t, l.Find(newest.Room().ID()))
		require.NotNil(t, l.Find(held.Room().ID()), "somebody is on the way")
		require.NotNil(t, l.Find(played.Room().ID()))
		_, err := l.Create("duel", CreateOptions{})
		require.ErrorIs(t, err, ErrFull)
		_, err = l.Quick("duel", QuickOptions{})
		require.ErrorIs(t, err, ErrFull, "not even into a room that is there")

		live.Store(10 << 20)
		wait()
		_, err = l.Quick("duel", QuickOptions{})
		require.NoError(t, err)
	})
}

func TestNoMoreRoomsEndThanMemoryNeeds(t *testing.T) {
	l, err := New(Config{Kinds: []room.AnyKind{new(trial).kind("duel", 2)}})
	require.NoError(t, err)
	var rooms []*entry
	for i := range 6 {
		r, err := room.New(new(trial).kind("duel", 2), room.Config{ID: string(rune('a' + i))})
		require.NoError(t, err)
		rooms = append(rooms, &entry{room: r, opened: time.Unix(int64(i), 0)})
		l.running[rooms[i]] = struct{}{}
	}
	ended := func() (n int) {
		for n < len(rooms) && rooms[n].closing {
			n++
		}
		for _, e := range rooms[n:] {
			require.False(t, e.closing, "the oldest end first")
		}
		return n
	}
	// Between the two marks lie 5 % of the limit: one room and a half.
	m := memory{limit: 30 * roomOverhead, cycle: 1}
	m.live = m.limit/100*strainedAt + 1
	changed, strained := l.relieveBy(m)
	require.True(t, changed && strained)
	require.Equal(t, 2, ended())
	l.relieveBy(m)
	require.Equal(t, 2, ended(), "what was freed shows at the next collection")
	m.cycle++
	l.relieveBy(m)
	require.Equal(t, 4, ended())
}

func TestTheRuntimeTellsItsMemory(t *testing.T) {
	m := readMemory()
	require.Positive(t, m.live)
	require.Zero(t, m.limit, "no GOMEMLIMIT in tests")
}
