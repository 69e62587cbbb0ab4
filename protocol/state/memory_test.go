package state

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

type note struct {
	Text string `sync:"text"`
	At   uint32 `sync:"at"`
	Seen int16  `sync:"seen"`
}

// distinct is how many columns the ring holds of a field.
func distinct(w *World, table, field int) int {
	seen := map[*column]bool{}
	for i := range w.ring {
		if s := &w.ring[i]; s.tables != nil && s.tables[table].columns[field] != nil {
			seen[s.tables[table].columns[field]] = true
		}
	}
	return len(seen)
}

func TestSnapshotsShareWhatDidNotChange(t *testing.T) {
	w := NewWorld(20)
	notes := NewTable[note](w, "note")
	var rows []*note
	for i := range 100 {
		_, row := notes.Add(0)
		row.Text, row.At = fmt.Sprint("note ", i), uint32(i)
		rows = append(rows, row)
	}
	v := w.NewView(0, nil)
	r, err := NewReplica(w.Schema(), 20)
	require.NoError(t, err)
	tick := uint32(0)
	step := func() {
		tick++
		rows[0].Seen = int16(tick)
		w.Snapshot(tick)
		b, _ := v.Next()
		require.NoError(t, apply(r, v.AppendOwn(append([]byte(nil), b...), 0, 0)))
		require.Equal(t, v.Checksum(), r.Checksum())
	}
	for range 3 * (Ring + 1) {
		step()
	}
	require.Equal(t, 1, distinct(w, 0, 0), "texts")
	require.Equal(t, 1, distinct(w, 0, 1), "numbers")
	require.Equal(t, Ring+1, distinct(w, 0, 2), "what changes each tick")
	require.Equal(t, 1, distinct(w, 0, 3), "ids")

	id, _ := notes.Add(0)
	step()
	require.Equal(t, 2, distinct(w, 0, 3))
	rows[5].Text = "another"
	notes.Remove(id)
	step()
	for range Ring + 1 {
		step()
	}
	require.Equal(t, 1, distinct(w, 0, 0))
	require.Equal(t, 1, distinct(w, 0, 3))
}

func TestSpareColumnsAreFreedInTime(t *testing.T) {
	w := NewWorld(20)
	notes := NewTable[note](w, "note")
	_, row := notes.Add(0)
	for tick := range uint32(3 * trimEvery) {
		if row.Seen++; tick > trimEvery {
			row.Seen = 0
		}
		w.Snapshot(tick + 1)
	}
	require.LessOrEqual(t, len(w.tables[0].spare[2].spare), 1)
}

func TestForgetFreesTheRing(t *testing.T) {
	w := NewWorld(20)
	notes := NewTable[note](w, "note")
	for range 300 {
		_, row := notes.Add(0)
		row.Text = string(make([]byte, 100))
	}
	v := w.NewView(0, nil)
	tick := uint32(0)
	step := func() {
		tick++
		id, row := notes.Add(0)
		row.At = tick
		w.Snapshot(tick)
		v.Next()
		notes.Remove(id)
	}
	for range 2 * Ring {
		step()
	}
	before := w.Memory()
	w.Forget()
	after := w.Memory()
	require.Less(t, after, before/3)
	require.Greater(t, after, 300*(100+8), "rows stay")

	held, err := NewReplica(w.Schema(), 20)
	require.NoError(t, err)
	require.False(t, v.Rewind(tick-1))
	tick++
	w.Snapshot(tick)
	b, key := v.Next()
	require.True(t, key, "nobody holds what a DELTA could begin from")
	require.NoError(t, apply(held, v.AppendOwn(append([]byte(nil), b...), 0, 0)))
	require.Equal(t, v.Checksum(), held.Checksum())
	for range 2 * Ring {
		step()
	}
}

func TestMemoryIsAboutWhatTheHeapSays(t *testing.T) {
	measure := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := measure()
	w := NewWorld(20)
	notes := NewTable[note](w, "note")
	for i := range 20_000 {
		_, row := notes.Add(0)
		row.Text = fmt.Sprintf("%100d", i)
	}
	for tick := range uint32(2 * Ring) {
		notes.Get(1).Seen = int16(tick)
		w.Snapshot(tick + 1)
	}
	is, says := measure()-before, w.Memory()
	runtime.KeepAlive(w)
	require.InEpsilon(t, is, says, 0.3)
}
