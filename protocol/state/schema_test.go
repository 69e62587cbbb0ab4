package state

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

func panicOf(f func()) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	f()
	return ""
}

func TestWrongTagsPanicWithTheRemedy(t *testing.T) {
	type untold struct {
		Count int `sync:"count"`
		Pos   struct{}
	}
	for _, c := range []struct {
		name  string
		make  func(w *World)
		wants []string
	}{
		{"float without a step", func(w *World) {
			NewTable[struct {
				Speed float32 `sync:"speed"`
			}](w, "t")
		}, []string{"Speed", "needs a step", "step=1/8"}},
		{"slice", func(w *World) {
			NewTable[struct {
				Items []int `sync:"items"`
			}](w, "t")
		}, []string{"Items", "[]int", "leave the tag out"}},
		{"step of zero", func(w *World) {
			NewTable[struct {
				X float64 `sync:"x,step=0"`
			}](w, "t")
		}, []string{"positive number"}},
		{"step of a word", func(w *World) {
			NewTable[struct {
				X float64 `sync:"x,step=fine"`
			}](w, "t")
		}, []string{"positive number"}},
		{"step with huge parts", func(w *World) {
			NewTable[struct {
				X float64 `sync:"x,step=1/4294967296"`
			}](w, "t")
		}, []string{"below 2^32"}},
		{"step of an int", func(w *World) {
			NewTable[struct {
				X int `sync:"x,step=2"`
			}](w, "t")
		}, []string{"for floats"}},
		{"step and turn", func(w *World) {
			NewTable[struct {
				X float64 `sync:"x,step=2,turn=9"`
			}](w, "t")
		}, []string{"not both"}},
		{"turn of 1", func(w *World) {
			NewTable[struct {
				X float64 `sync:"x,turn=1"`
			}](w, "t")
		}, []string{"from 2 to 65536"}},
		{"unknown option", func(w *World) {
			NewTable[struct {
				X int `sync:"x,private"`
			}](w, "t")
		}, []string{`"private" is unknown`}},
		{"no name", func(w *World) {
			NewTable[struct {
				X int `sync:",owner"`
			}](w, "t")
		}, []string{"name is missing"}},
		{"name twice", func(w *World) {
			NewTable[struct {
				X int `sync:"x"`
				Y int `sync:"x"`
			}](w, "t")
		}, []string{`"x"`, "twice"}},
		{"rate of nothing", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1,rate=v"`
			}](w, "t")
		}, []string{"rate=v names no field"}},
		{"rate that is an int", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1,rate=v"`
				V int     `sync:"v"`
			}](w, "t")
		}, []string{`"v" is no float`}},
		{"rate with a rate", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1,rate=v"`
				V float32 `sync:"v,step=1,rate=a"`
				A float32 `sync:"a,step=1"`
			}](w, "t")
		}, []string{`"v" has a rate itself`}},
		{"rate that is an owner field", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1,rate=v"`
				V float32 `sync:"v,step=1,owner"`
			}](w, "t")
		}, []string{"share it"}},
		{"owner field with a rate", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1,rate=v,owner"`
				V float32 `sync:"v,step=1"`
			}](w, "t")
		}, []string{"an owner field has no rate"}},
		{"angle with a rate", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,turn=8,rate=v"`
				V float32 `sync:"v,step=1"`
			}](w, "t")
		}, []string{"only a float has a rate"}},
		{"fraction too large", func(w *World) {
			NewTable[struct {
				X float32 `sync:"x,step=1/1000000,rate=v"`
				V float32 `sync:"v,step=1"`
			}](w, "t")
		}, []string{"whose ratio is simpler"}},
		{"no struct", func(w *World) { NewTable[int](w, "t") }, []string{"int is no struct"}},
		{"table twice", func(w *World) { NewTable[untold](w, "a"); NewTable[untold](w, "a") }, []string{`"a"`, "twice"}},
		{"table without a name", func(w *World) { NewTable[untold](w, "") }, []string{"name is missing"}},
		{"table with a long name", func(w *World) { NewTable[untold](w, strings.Repeat("n", 65)) }, []string{"longer than 64"}},
		{"schema in use", func(w *World) { w.Schema(); NewTable[untold](w, "a") }, []string{"already in use"}},
		{"too many tables", func(w *World) {
			for i := range 65 {
				NewTable[untold](w, fmt.Sprint(i))
			}
		}, []string{"at most 64"}},
		{"rate of ticks", func(*World) { NewWorld(0) }, []string{"use 1 to 1000"}},
		{"tick that does not rise", func(w *World) { w.Snapshot(3); w.Snapshot(3) }, []string{"not above 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			message := panicOf(func() { c.make(NewWorld(20)) })
			for _, want := range c.wants {
				require.Contains(t, message, want)
			}
		})
	}
}

func TestStepsAreExactFractionsInLowestTerms(t *testing.T) {
	type steps struct {
		A float32 `sync:"a,step=1/8"`
		B float64 `sync:"b,step=0.125"`
		C float64 `sync:"c,step=6/4"`
		D float64 `sync:"d,step=3"`
		E float64 `sync:"e,step=.1"`
		F float64 `sync:"f,turn=65536,owner"`
	}
	w := NewWorld(20)
	NewTable[steps](w, "t")
	var got [][2]uint32
	for _, f := range w.Schema().Tables[0].Fields {
		got = append(got, [2]uint32{f.Num, f.Den})
	}
	require.Equal(t, [][2]uint32{{1, 8}, {1, 8}, {3, 2}, {3, 1}, {1, 10}, {1, 65536}}, got)
	require.Equal(t, Angle, w.Schema().Tables[0].Fields[5].Type)
	require.True(t, w.Schema().Tables[0].Fields[5].Owner)
}

func TestEmbeddedStructsAreSentToo(t *testing.T) {
	type place struct {
		X float64 `sync:"x,step=1"`
	}
	type thing struct {
		private int
		place
		HP uint8 `sync:"hp"`
	}
	w := NewWorld(20)
	things := NewTable[thing](w, "thing")
	id, row := things.Add(0)
	row.X, row.HP, row.private = 7, 9, 1
	w.Snapshot(1)
	r, err := NewReplica(w.Schema(), 20)
	require.NoError(t, err)
	b, _ := w.NewView(0, nil).Next()
	require.NoError(t, apply(r, b))
	c, err := Bind[thing](r, "thing")
	require.NoError(t, err)
	got, ok := c.Get(id)
	require.True(t, ok)
	require.Equal(t, thing{place: place{7}, HP: 9}, got)
}

// schemaBytes is a schema of one table with these fields.
func schemaBytes(fields ...any) []byte {
	return encode([]any{"t", fields})
}

func TestSchemasThatBreakTheRulesAreRefused(t *testing.T) {
	field := func(values ...any) []any {
		f := []any{"f", 2, 1, 8, -1, 0}
		for i := 0; i < len(values); i += 2 {
			f[values[i].(int)] = values[i+1]
		}
		return f
	}
	many := func(n, flags int) (list []any) {
		for i := range n {
			list = append(list, field(0, fmt.Sprint("f", i), 5, flags))
		}
		return list
	}
	_, err := ReadSchema(wire.NewReader(schemaBytes(append(many(32, 0), field(5, 1))...)))
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, wire.ErrTruncated},
		{"a map", []byte{0x80}, wire.ErrType},
		{"more tables than bytes", []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, wire.ErrLength},
		{"65 tables", append(wire.AppendArray(nil, 65), make([]byte, 65)...), wire.ErrLength},
		{"a table of three", encode([]any{"t", []any{}, 1}), wire.ErrLength},
		{"a table without a name", encode([]any{"", []any{}}), ErrSchema},
		{"a table with a long name", encode([]any{strings.Repeat("n", 65), []any{}}), wire.ErrLength},
		{"two tables of a name", encode([]any{"t", []any{}}, []any{"t", []any{}}), ErrSchema},
		{"a field of five", schemaBytes(field()[:5]), wire.ErrLength},
		{"a field without a name", schemaBytes(field(0, "")), ErrSchema},
		{"two fields of a name", schemaBytes(field(), field()), ErrSchema},
		{"33 shared fields", schemaBytes(many(33, 0)...), ErrSchema},
		{"33 owner fields", schemaBytes(many(33, 1)...), ErrSchema},
		{"65 fields", schemaBytes(many(65, 0)...), wire.ErrLength},
		{"type 5", schemaBytes(field(1, 5)), wire.ErrRange},
		{"type as a string", schemaBytes(field(1, "int")), wire.ErrType},
		{"num 0", schemaBytes(field(2, 0)), ErrSchema},
		{"den 0", schemaBytes(field(3, 0)), ErrSchema},
		{"den 2^32", schemaBytes(field(3, 1<<32)), wire.ErrRange},
		{"an angle with num 2", schemaBytes(field(1, 3, 2, 2)), ErrSchema},
		{"rate beyond the fields", schemaBytes(field(4, 1)), wire.ErrRange},
		{"rate -2", schemaBytes(field(4, -2)), wire.ErrRange},
		{"its own rate", schemaBytes(field(4, 0)), ErrSchema},
		{"an int with a rate", schemaBytes(field(1, 0, 4, 1), field(0, "v")), ErrSchema},
		{"rate that is an int", schemaBytes(field(4, 1), field(0, "v", 1, 0)), ErrSchema},
		{"rate that is an owner field", schemaBytes(field(4, 1), field(0, "v", 5, 1)), ErrSchema},
		{"owner field with a rate", schemaBytes(field(4, 1, 5, 1), field(0, "v")), ErrSchema},
		{"unknown flags", schemaBytes(field(5, 2)), wire.ErrRange},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadSchema(wire.NewReader(c.in))
			require.ErrorIs(t, err, c.want)
		})
	}
	s := &Schema{Tables: []TableSchema{{"t", []Field{{"x", Float, 1, 1 << 20, 1, false}, {"v", Float, 1, 1, -1, false}}}}}
	_, err = NewReplica(s, 20)
	require.ErrorIs(t, err, ErrPrediction)
	_, err = NewReplica(s, 0)
	require.ErrorIs(t, err, ErrSchema)
}

func TestPredictionIsTheFloorOfTheExactFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		x := Field{Name: "x", Num: 1 + r.Uint32()>>r.IntN(32), Den: 1 + r.Uint32()>>(1+r.IntN(31))}
		v := Field{Name: "v", Num: 1 + r.Uint32()>>(1+r.IntN(31)), Den: 1 + r.Uint32()>>(1+r.IntN(31))}
		if x.Num == 0 {
			x.Num = 1
		}
		ticks := 1 + r.IntN(MaxRate)
		p, err := newPredictor(&x, &v, 0, ticks)
		if err != nil {
			require.ErrorIs(t, err, ErrPrediction)
			continue
		}
		require.LessOrEqual(t, p.a, int64(maxA))
		require.LessOrEqual(t, p.b, int64(maxB))
		for range 8 {
			sum := r.Int64N(1<<33) - 1<<32
			switch r.IntN(4) {
			case 0:
				sum = 2 * MaxFloat
			case 1:
				sum = -2 * MaxFloat
			case 2:
				sum = int64(r.IntN(9)) - 4
			}
			k := int64(1 + r.IntN(MaxSpan))
			want := new(big.Int).Mul(big.NewInt(sum), big.NewInt(k*p.a))
			want.Add(want, big.NewInt(p.b))
			want.Div(want, big.NewInt(2*p.b)) // Euclidean, which is the floor for a positive divisor
			require.Equal(t, want.Int64(), p.step(sum, k*p.a), "sum %d, k %d, a %d, b %d", sum, k, p.a, p.b)
		}
	}
}

func TestFloatsAreRoundedAndSaturated(t *testing.T) {
	for _, c := range []struct {
		x, scale float64
		want     int64
	}{
		{0, 8, 0}, {1, 8, 8}, {0.0625, 8, 1}, {-0.0625, 8, 0}, {-0.07, 8, -1}, {0.06, 8, 0},
		{math.NaN(), 8, 0}, {math.Inf(1), 8, MaxFloat}, {math.Inf(-1), 8, -MaxFloat}, {1e300, 8, MaxFloat}, {-1e300, 1e300, -MaxFloat},
		{MaxFloat, 1, MaxFloat}, {-MaxFloat, 1, -MaxFloat}, {MaxFloat + 1, 1, MaxFloat}, {-MaxFloat - 1, 1, -MaxFloat}, {-MaxFloat + 1, 1, -MaxFloat + 1},
	} {
		require.Equal(t, c.want, quantiseFloat(c.x, c.scale), "%v * %v", c.x, c.scale)
	}
}

func TestAnglesWrap(t *testing.T) {
	const scale = 256 / (2 * math.Pi)
	for _, c := range []struct {
		x    float64
		want int64
	}{
		{0, 0}, {math.Pi, 128}, {-math.Pi / 2, 192}, {2 * math.Pi, 0}, {6.28, 0}, {-0.001, 0}, {-0.02, 255}, {7 * math.Pi, 128}, {-7 * math.Pi, 128},
		{math.NaN(), 0}, {math.Inf(1), 0}, {math.Inf(-1), 0},
	} {
		require.Equal(t, c.want, quantiseAngle(c.x, scale, 256), "%v", c.x)
	}
	for _, x := range []float64{1e15, -1e15, 1e17, -1e300, math.MaxFloat64} {
		for _, turn := range []int64{2, 7, 256, 65536} {
			q := quantiseAngle(x, scale, turn)
			require.True(t, q >= 0 && q < turn, "%v of %d: %d", x, turn, q)
		}
	}
}

func TestTextIsMadeValidAndCutAtARune(t *testing.T) {
	require.Equal(t, "ok", cleanText("ok"))
	require.Equal(t, "a\uFFFDb", cleanText("a\xffb"))
	require.Equal(t, strings.Repeat("é", 512), cleanText(strings.Repeat("é", 600)))
	require.Equal(t, "x"+strings.Repeat("é", 511), cleanText("x"+strings.Repeat("é", 600)))
	require.Len(t, cleanText(strings.Repeat("a", 1023)+"🎮"), 1023)
	require.LessOrEqual(t, len(cleanText(strings.Repeat("\xffa", 600))), MaxString)
	require.LessOrEqual(t, len(cleanText(strings.Repeat("\x80", 3000))), MaxString)
}

func FuzzReadSchema(f *testing.F) {
	f.Add(newArena(1).Schema().Append(nil))
	w := NewWorld(20)
	NewTable[creature](w, "creature")
	NewTable[marker](w, "marker")
	f.Add(w.Schema().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadSchema(wire.NewReader(b))
		if err != nil {
			return
		}
		again, err := ReadSchema(wire.NewReader(s.Append(nil)))
		require.NoError(t, err)
		require.Equal(t, s, again)
		if r, err := NewReplica(s, 20); err == nil {
			require.Zero(t, r.Checksum())
		}
	})
}
