package state

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

func TestRowsKeepTheirAddressAndIDsTheirHolder(t *testing.T) {
	w := NewWorld(20)
	table := NewTable[wall](w, "wall")
	rows := map[ID]*wall{}
	for i := range 1000 {
		id, row := table.Add(uint32(i))
		require.Equal(t, ID(i+1), id)
		row.Tall = uint32(id)
		rows[id] = row
	}
	for id, row := range rows {
		require.Same(t, row, table.Get(id))
		require.Equal(t, uint32(id), row.Tall)
		require.Equal(t, uint32(id-1), table.Owner(id))
	}
	for _, id := range []ID{0, 1001, 1<<32 - 1} {
		require.Nil(t, table.Get(id))
		require.False(t, table.Remove(id))
		require.Zero(t, table.Owner(id))
	}
	require.True(t, table.Remove(7))
	require.False(t, table.Remove(7))
	require.Nil(t, table.Get(7))
	require.Equal(t, 999, table.Len())
}

func TestRemovedIDsWaitUntilTheRingForgotThem(t *testing.T) {
	w := NewWorld(20)
	table := NewTable[wall](w, "wall")
	table.Add(0)
	w.Snapshot(1)
	_, row := table.Add(0)
	row.Kind = 3
	table.Remove(1)
	table.Remove(2)
	for tick := range uint32(Ring) {
		w.Snapshot(2 + tick)
	}
	id, _ := table.Add(0)
	require.Equal(t, ID(3), id)
	w.Snapshot(100)
	id, _ = table.Add(0)
	require.Equal(t, ID(1), id)
	id, row = table.Add(0)
	require.Equal(t, ID(2), id)
	require.Equal(t, wall{}, *row)
	id, _ = table.Add(0)
	require.Equal(t, ID(4), id)
}

func TestIterationToleratesRemovingAndAdding(t *testing.T) {
	w := NewWorld(20)
	table := NewTable[wall](w, "wall")
	for range 70 {
		table.Add(0)
	}
	var seen []ID
	for id := range table.All() {
		seen = append(seen, id)
		if id <= 70 {
			table.Remove(id)
			if id == 10 {
				table.Remove(12)
			}
			if id%7 == 0 {
				table.Add(0)
			}
		}
	}
	var want []ID
	for id := ID(1); id <= 80; id++ {
		if id != 12 {
			want = append(want, id)
		}
	}
	require.Equal(t, want, seen)
	for range table.All() {
		break
	}
}

func TestBaseOutOfTheRingLeadsToAKey(t *testing.T) {
	w := NewWorld(20)
	NewTable[wall](w, "wall")
	v := w.NewView(0, nil)
	b, key := v.Next()
	require.Nil(t, b)
	require.False(t, key)
	require.Zero(t, v.Base())
	w.Snapshot(5)
	_, key = v.Next()
	require.True(t, key)
	require.Equal(t, uint32(5), v.Base())
	b, key = v.Next()
	require.Nil(t, b)
	require.False(t, key)
	for tick := range uint32(Ring) {
		w.Snapshot(6 + 2*tick)
	}
	w.Snapshot(1000)
	require.False(t, v.Rewind(5))
	_, key = v.Next()
	require.True(t, key)
	require.False(t, v.Rewind(7), "no such snapshot")
	require.False(t, v.Rewind(1001))
	require.True(t, v.Rewind(68))
	b, key = v.Next()
	require.False(t, key)
	require.Equal(t, encode(3, 1000, 1000-68), b)
	require.False(t, v.Rewind(0))
	_, key = v.Next()
	require.True(t, key)
}

func TestViewsOfTheSameBaseShareTheirBytes(t *testing.T) {
	w := NewWorld(20)
	table := NewTable[wall](w, "wall")
	_, row := table.Add(0)
	a, b := w.NewView(1, nil), w.NewView(2, nil)
	for tick := range uint32(3) {
		row.Tall++
		w.Snapshot(1 + tick)
		x, _ := a.Next()
		y, _ := b.Next()
		require.Same(t, &x[0], &y[0])
	}
}

func TestWorldsThatDifferInAnOwnerFieldHaveDifferentChecksums(t *testing.T) {
	make := func(ammo int16) uint32 {
		w := NewWorld(20)
		_, row := NewTable[creature](w, "creature").Add(0)
		row.Ammo = ammo
		w.Snapshot(1)
		return w.Checksum()
	}
	require.Equal(t, make(1), make(1))
	require.NotEqual(t, make(1), make(2))
}

func TestCopyReadsTheAuthorsStruct(t *testing.T) {
	w := NewWorld(20)
	table := NewTable[creature](w, "creature")
	id, row := table.Add(1)
	*row = creature{X: -2.25, y: 0.3, VX: 1.5, vy: -3, Heading: -1, Odd: 1, HP: 9, Alive: true, Big: -5, Huge: 1 << 60, Name: "n", Ammo: -7, Secret: "s", Charge: 0.75, Untagged: "private"}
	table.Add(2)
	w.Snapshot(1)
	v := w.NewView(1, nil)
	r, err := NewReplica(w.Schema(), 20)
	require.NoError(t, err)
	b, _ := v.Next()
	require.NoError(t, apply(r, v.AppendOwn(append([]byte(nil), b...), 1, 1)))

	c, err := Bind[creature](r, "creature")
	require.NoError(t, err)
	got, ok := c.Get(id)
	require.True(t, ok)
	require.Equal(t, float32(-2.25), got.X)
	require.InDelta(t, 0.3, got.y, 1e-9)
	require.InDelta(t, -3, got.vy, 1e-9)
	require.InDelta(t, 2*3.14159265-1, got.Heading, 0.02)
	require.Equal(t, uint64(1<<52), got.Huge)
	got.X, got.y, got.vy, got.Heading, got.Odd, got.Huge = row.X, row.y, row.vy, row.Heading, row.Odd, row.Huge
	got.Untagged = row.Untagged
	require.Equal(t, *row, got)
	require.True(t, c.Mine(id))
	require.Equal(t, 2, c.Len())
	require.Zero(t, c.Index())
	_, ok = c.Get(9)
	require.False(t, ok)
	n := 0
	for id, other := range c.All() {
		n++
		if id == 2 {
			require.Equal(t, creature{}, other)
		}
	}
	require.Equal(t, 2, n)

	type narrow struct {
		Big  uint8   `sync:"big"`
		Huge int8    `sync:"huge"`
		X    float64 `sync:"x"`
		Turn float64 `sync:"heading"`
	}
	few, err := Bind[narrow](r, "creature")
	require.NoError(t, err)
	small, _ := few.Get(id)
	require.Equal(t, narrow{0, 127, -2.25, small.Turn}, small)

	_, err = Bind[creature](r, "ship")
	require.ErrorContains(t, err, `no table "ship"`)
	_, err = Bind[struct {
		Z int `sync:"z"`
	}](r, "creature")
	require.ErrorContains(t, err, `no field "z"`)
	_, err = Bind[struct {
		X int `sync:"x"`
	}](r, "creature")
	require.ErrorContains(t, err, "is of type float")
	_, err = Bind[struct {
		H float32 `sync:"heading,step=1"`
	}](r, "creature")
	require.ErrorContains(t, err, "is of type angle")
}

func TestReplicaRefusesADeltaAfterAFault(t *testing.T) {
	g := playSession(t)
	r, err := NewReplica(g.world.Schema(), 20)
	require.NoError(t, err)
	steps := g.session.Steps
	require.ErrorIs(t, apply(r, steps[1].Messages[0]), ErrBaseline)
	require.NoError(t, apply(r, steps[0].Messages[0]))
	require.Error(t, apply(r, encode(4, 1, 0, 9, 9, 0)))
	require.Zero(t, r.Tick())
	require.ErrorIs(t, apply(r, steps[1].Messages[0]), ErrBaseline)
	require.NoError(t, apply(r, steps[0].Messages[0]))
	require.NoError(t, apply(r, steps[1].Messages[0]))
}

// FuzzReplicaBelievesNothing gives a replica one to three messages, mangled, after a good KEY.
func FuzzReplicaBelievesNothing(f *testing.F) {
	g := playSession(&testing.T{})
	for i, s := range g.session.Steps {
		for _, m := range s.Messages[:len(s.Messages)-1] {
			if len(m) < 200 {
				f.Add([]byte(m), uint64(i))
			}
		}
	}
	schema, first := g.world.Schema(), g.session.Steps[0].Messages
	f.Fuzz(func(t *testing.T, message []byte, seed uint64) {
		r, err := NewReplica(schema, 20)
		require.NoError(t, err)
		held := map[Change]bool{}
		r.Observe(func(c Change) {
			at := Change{Table: c.Table, ID: c.ID}
			require.Equal(t, c.What != Entered, held[at], "%v", c)
			held[at] = true
			if c.What == Left {
				delete(held, at)
			}
		})
		require.NoError(t, apply(r, first[0]))
		require.NoError(t, apply(r, first[1]))
		random := rand.New(rand.NewPCG(seed, 0))
		message = bytes.Clone(message)
		for range 3 {
			rd := wire.NewReader(message)
			n := rd.Array()
			err = nil
			switch rd.Uint32() {
			case kindKey:
				err = r.Key(rd, n)
			case kindDelta:
				err = r.Delta(rd, n)
			case kindOwn:
				_, _, err = r.Own(rd, n)
			}
			if err != nil {
				require.Zero(t, r.Tick())
			}
			entities := 0
			for i := range schema.Tables {
				entities += r.Len(i)
				last := ID(0)
				for id := range r.IDs(i) {
					require.Greater(t, id, last)
					require.True(t, held[Change{Table: i, ID: id}])
					last = id
				}
			}
			require.Len(t, held, entities)
			r.Checksum()
			if len(message) > 0 {
				message[random.IntN(len(message))] ^= byte(1 << random.IntN(8))
			}
			if err != nil {
				require.NoError(t, apply(r, first[0]))
			}
		}
	})
}
