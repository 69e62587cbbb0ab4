package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

// beast has every kind of field that a checkpoint holds, most of them its own business.
type beast struct {
	creature
	memory [3]struct {
		at   float32
		seen uint64
		ok   bool
	}
	nick string
	_    func()
	debt int8
	last uint
}

// den is a world whose entities live a random life.
type den struct {
	world  *World
	beasts *Table[beast]
	walls  *Table[wall]
}

func newDen() *den {
	w := NewWorld(20)
	return &den{w, NewTable[beast](w, "beast"), NewTable[wall](w, "wall")}
}

func (d *den) live(r *rand.Rand) {
	for range r.IntN(4) {
		_, b := d.beasts.Add(uint32(r.IntN(4)))
		b.nick = someText(r)
		b.memory[r.IntN(3)].seen = r.Uint64() // also above what a signed integer holds
		b.last = uint(r.Uint64())
		d.walls.Add(0)
	}
	for id, b := range d.beasts.All() {
		b.change(r)
		b.skipped--
		b.debt = int8(someInt(r))
		m := &b.memory[r.IntN(3)]
		m.at, m.ok = float32(r.NormFloat64()), !m.ok
		if r.IntN(15) == 0 {
			d.beasts.Remove(id)
		}
	}
	for id := range d.walls.All() {
		if r.IntN(10) == 0 {
			d.walls.Remove(id)
		}
	}
	d.world.Snapshot(d.world.Tick() + 1)
}

func TestAWorldGoesOnFromACheckpoint(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			d, e := newDen(), newDen()
			layout, err := d.world.Layout()
			require.NoError(t, err)
			for range 1 + 20*r.IntN(6) {
				d.live(r)
			}
			saved := d.world.AppendCheckpoint(nil)

			for range 10 {
				e.beasts.Add(3) // as when a game is made: to be replaced
			}
			same, err := e.world.Layout()
			require.NoError(t, err)
			require.Equal(t, layout, same)
			rd := wire.NewReader(saved)
			require.NoError(t, e.world.ReadCheckpoint(rd, d.world.Tick()))
			require.NoError(t, rd.Finish())
			require.Equal(t, saved, e.world.AppendCheckpoint(nil))

			watcher := newClient(t, e.world, 2, false)
			one, two := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
			for range 2 * Ring {
				require.Equal(t, d.world.Checksum(), e.world.Checksum())
				require.Equal(t, d.world.holdings(2), e.world.holdings(2))
				watcher.update(t, r, e.world)
				d.live(one)
				e.live(two)
			}
			require.Equal(t, d.world.AppendCheckpoint(nil), e.world.AppendCheckpoint(nil))
		})
	}
}

func TestLayoutsDifferByWhatClientsDoNotSeeToo(t *testing.T) {
	type one struct {
		X float32 `sync:"x,step=1"`
		n int16
	}
	type two struct {
		X float32 `sync:"x,step=1"`
		n int32
	}
	a, b := NewWorld(20), NewWorld(20)
	NewTable[one](a, "t")
	NewTable[two](b, "t")
	require.Equal(t, a.Schema(), b.Schema())
	first, err := a.Layout()
	require.NoError(t, err)
	second, err := b.Layout()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	_, _ = one{}.n, two{}.n
}

func TestLayoutTellsWhatACheckpointCanNotHold(t *testing.T) {
	type friend struct {
		Name string `sync:"name"`
		bag  struct{ things [2]map[string]int }
	}
	w := NewWorld(20)
	NewTable[friend](w, "friend")
	_, err := w.Layout()
	require.ErrorContains(t, err, `table "friend": state.friend.bag.things[] is a map[string]int, which a checkpoint can't hold`)
	_ = friend{}.bag
}

func TestReadCheckpointRefuses(t *testing.T) {
	type row struct {
		A int8    `sync:"a"`
		F float32 `sync:"f,step=1"`
	}
	list := func(v ...any) []any { return v }
	for _, test := range []struct {
		name            string
		resting, living []any
		err             error
	}{
		{"half a resting id", list(1), nil, wire.ErrLength},
		{"half an entity", nil, list(1, 0, 1), wire.ErrLength},
		{"id 0", nil, list(0, 0, 0, 1, 1), wire.ErrRange},
		{"an id twice", nil, list(1, 0, 0, 1, 1, 1, 0, 0, 1, 1), ErrEntities},
		{"an id that would leave a gap", nil, list(2, 0, 0, 1, 1), ErrEntities},
		{"an id that rests and lives", list(1, 5), list(1, 0, 0, 1, 1), ErrEntities},
		{"a resting id beyond all", list(math.MaxUint32, 5), nil, ErrEntities},
		{"removed in the future", list(1, 0), nil, wire.ErrRange},
		{"removed too long ago", list(1, Ring+2), nil, wire.ErrRange},
		{"removed out of order", list(1, 4, 2, 5), nil, wire.ErrRange},
		{"a number that the field can't hold", nil, list(1, 0, 0, 128, 1), wire.ErrRange},
		{"a float that the field can't hold", nil, list(1, 0, 0, 1, 1e300), wire.ErrRange},
		{"another type", nil, list(1, 0, 0, "1", 1), wire.ErrType},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWorld(20)
			NewTable[row](w, "row")
			_, err := w.Layout()
			require.NoError(t, err)
			b := wire.AppendArray(nil, 2)
			b = append(append(b, encode(test.resting...)...), encode(test.living...)...)
			require.ErrorIs(t, w.ReadCheckpoint(wire.NewReader(b), 1), test.err)
		})
	}
}

// FuzzReadCheckpoint: whatever bytes a world accepts, it lives on with, and would write them again.
func FuzzReadCheckpoint(f *testing.F) {
	d := newDen()
	_, err := d.world.Layout()
	require.NoError(f, err)
	r := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		d.live(r)
		f.Add(d.world.AppendCheckpoint(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDen()
		_, err := d.world.Layout()
		require.NoError(t, err)
		if d.world.ReadCheckpoint(wire.NewReader(b), 7) != nil {
			return
		}
		again := newDen()
		_, err = again.world.Layout()
		require.NoError(t, err)
		require.NoError(t, again.world.ReadCheckpoint(wire.NewReader(d.world.AppendCheckpoint(nil)), 7))
		one, two := rand.New(rand.NewPCG(1, 0)), rand.New(rand.NewPCG(1, 0))
		for range 3 {
			require.Equal(t, d.world.Checksum(), again.world.Checksum())
			d.live(one)
			again.live(two)
		}
	})
}
