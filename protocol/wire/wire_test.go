package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol/wire"
)

var update = flag.Bool("update", false, "write the golden vectors instead of checking them")

var someInts = []int64{
	0, 1, 127, 128, 255, 256, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 52, 1<<53 - 1, math.MaxInt64,
	-1, -32, -33, -128, -129, -32768, -32769, -1 << 31, -1<<31 - 1, -1 << 52, -1 << 53, math.MinInt64,
}

func TestIntegersAreWrittenShortestAndReadBack(t *testing.T) {
	for _, v := range someInts {
		b := wire.AppendInt(nil, v)
		size := 9
		switch {
		case v >= -32 && v < 128:
			size = 1
		case v >= math.MinInt8 && v <= math.MaxUint8:
			size = 2
		case v >= math.MinInt16 && v <= math.MaxUint16:
			size = 3
		case v >= math.MinInt32 && v <= math.MaxUint32:
			size = 5
		}
		require.Len(t, b, size, "%d", v)
		r := wire.NewReader(b)
		require.Equal(t, v, r.Int())
		require.NoError(t, r.Finish())
		var other int64
		require.NoError(t, msgpack.Unmarshal(b, &other))
		require.Equal(t, v, other)
		if v >= 0 {
			require.Equal(t, b, wire.AppendUint(nil, uint64(v)))
		}
	}
	r := wire.NewReader(wire.AppendUint(nil, 1<<63))
	require.Zero(t, r.Int())
	require.ErrorIs(t, r.Err(), wire.ErrRange)
}

func TestUint32RefusesWhatDoesNotFit(t *testing.T) {
	for _, v := range []int64{-1, 1 << 32, math.MinInt64} {
		r := wire.NewReader(wire.AppendInt(nil, v))
		require.Zero(t, r.Uint32())
		require.ErrorIs(t, r.Err(), wire.ErrRange)
	}
	r := wire.NewReader(wire.AppendInt(nil, 1<<32-1))
	require.Equal(t, uint32(1<<32-1), r.Uint32())
	require.NoError(t, r.Finish())
}

func TestStringsBytesAndArraysAreReadBack(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("x", n)
		r := wire.NewReader(wire.AppendString(nil, s))
		require.Equal(t, s, string(r.String()))
		require.NoError(t, r.Finish())
		b := wire.AppendBytes(nil, []byte(s))
		r = wire.NewReader(b)
		require.Equal(t, s, string(r.Bytes()))
		require.NoError(t, r.Finish())
		b = append(wire.AppendArray(nil, n), make([]byte, n)...)
		r = wire.NewReader(b)
		require.Equal(t, n, r.Array())
		require.NoError(t, r.Err())
		require.Equal(t, b, wire.NewReader(b).Raw())
	}
}

func TestScalarsAreReadBack(t *testing.T) {
	b := wire.AppendNil(wire.AppendBool(wire.AppendBool(nil, true), false))
	b = wire.AppendFloat(b, -1.5)
	b = append(b, 0xca, 0x3f, 0xc0, 0, 0) // float 32, 1.5
	b = wire.AppendInt(b, -7)
	r := wire.NewReader(b)
	require.True(t, r.Bool())
	require.False(t, r.Bool())
	require.True(t, r.Nil())
	require.False(t, r.Nil())
	require.Equal(t, -1.5, r.Float())
	require.Equal(t, 1.5, r.Float())
	require.Equal(t, -7.0, r.Float())
	require.Zero(t, r.Rest())
	require.NoError(t, r.Finish())
}

func TestFaultsAreNamedAndTheFirstIsKept(t *testing.T) {
	depth := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0) }
	for _, c := range []struct {
		name string
		in   []byte
		read func(*wire.Reader)
		want error
	}{
		{"nothing", nil, func(r *wire.Reader) { r.Int() }, wire.ErrTruncated},
		{"half an integer", []byte{0xcd, 1}, func(r *wire.Reader) { r.Int() }, wire.ErrTruncated},
		{"half a float", []byte{0xcb, 1}, func(r *wire.Reader) { r.Float() }, wire.ErrTruncated},
		{"half a string", []byte{0xa2, 'a'}, func(r *wire.Reader) { _ = r.String() }, wire.ErrTruncated},
		{"a string longer than the message", []byte{0xdb, 0xff, 0xff, 0xff, 0xff, 'a'}, func(r *wire.Reader) { _ = r.String() }, wire.ErrLength},
		{"bytes longer than the message", []byte{0xc6, 0xff, 0xff, 0xff, 0xff, 'a'}, func(r *wire.Reader) { r.Bytes() }, wire.ErrLength},
		{"a small array longer than the message", []byte{0x92, 1}, func(r *wire.Reader) { r.Array() }, wire.ErrLength},
		{"an array longer than the message", []byte{0xdd, 0x7f, 0xff, 0xff, 0xff, 1}, func(r *wire.Reader) { r.Array() }, wire.ErrLength},
		{"a map with half as much as it says", []byte{0x82, 1, 1, 1}, func(r *wire.Reader) { r.Skip() }, wire.ErrLength},
		{"an extension", []byte{0xc7, 1, 5, 0}, func(r *wire.Reader) { r.Skip() }, wire.ErrType},
		{"an extension of fixed length, such as a time", []byte{0x91, 0xd6, 0xff, 0, 0, 0, 0}, func(r *wire.Reader) { r.Raw() }, wire.ErrType},
		{"a string for an integer", []byte{0xa1, 'a'}, func(r *wire.Reader) { r.Int() }, wire.ErrType},
		{"a float for an integer", wire.AppendFloat(nil, 1), func(r *wire.Reader) { r.Int() }, wire.ErrType},
		{"an integer for a string", []byte{1}, func(r *wire.Reader) { _ = r.String() }, wire.ErrType},
		{"bytes for a string", []byte{0xc4, 0}, func(r *wire.Reader) { _ = r.String() }, wire.ErrType},
		{"a string for bytes", []byte{0xa0}, func(r *wire.Reader) { r.Bytes() }, wire.ErrType},
		{"nil for a bool", []byte{0xc0}, func(r *wire.Reader) { r.Bool() }, wire.ErrType},
		{"a map for an array", []byte{0x80}, func(r *wire.Reader) { r.Array() }, wire.ErrType},
		{"the code that is never used", []byte{0xc1}, func(r *wire.Reader) { r.Skip() }, wire.ErrType},
		{"a string that is not UTF-8", []byte{0xa1, 0xff}, func(r *wire.Reader) { _ = r.String() }, wire.ErrUTF8},
		{"such a string within a value", []byte{0x91, 0xa1, 0xff}, func(r *wire.Reader) { r.Raw() }, wire.ErrUTF8},
		{"33 levels", depth(33), func(r *wire.Reader) { r.Raw() }, wire.ErrDepth},
		{"more levels than may be", depth(3), func(r *wire.Reader) { r.Body(2) }, wire.ErrDepth},
		{"more levels than may be, the last one empty", []byte{0x91, 0x91, 0x80}, func(r *wire.Reader) { r.Unchecked(2) }, wire.ErrDepth},
		{"a bool as a key", []byte{0x81, 0xc3, 1}, func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"a nil as a key", []byte{0x81, 0xc0, 1}, func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"a float as a key", append(wire.AppendFloat([]byte{0x91, 0x81}, 1), 1), func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"a bin as a key", []byte{0x81, 0xc4, 0, 1}, func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"an integer of 54 bits as a key", append(wire.AppendInt([]byte{0x81}, 1<<53), 1), func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"a negative one", append(wire.AppendInt([]byte{0x81}, -1<<53), 1), func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"one above 2^63", append(wire.AppendUint([]byte{0x81}, 1<<63), 1), func(r *wire.Reader) { r.Body(9) }, wire.ErrKey},
		{"bytes that are left", []byte{1, 2}, func(r *wire.Reader) { r.Int() }, wire.ErrTrailing},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire.NewReader(c.in)
			c.read(r)
			err := r.Finish()
			require.ErrorIs(t, err, c.want)
			r.Fail(wire.ErrRange)
			require.Equal(t, err, r.Err())
			require.Zero(t, r.Rest())
			require.Zero(t, r.Int())
			require.Empty(t, r.String())
			require.Empty(t, r.Bytes())
			require.Zero(t, r.Array())
			require.Nil(t, r.Raw())
			require.False(t, r.Bool())
			require.Zero(t, r.Float())
		})
	}
	require.NotNil(t, wire.NewReader(depth(32)).Raw())
	require.NotNil(t, wire.NewReader(depth(2)).Body(2))
	for _, key := range []int64{0, -1, 1<<53 - 1, -(1<<53 - 1)} {
		require.NotNil(t, wire.NewReader(append(wire.AppendInt([]byte{0x81}, key), 1)).Body(1))
	}
	require.NotNil(t, wire.NewReader([]byte{0x81, 0xc3, 0xa1, 0xff}).Unchecked(1))
}

func FuzzReaderBelievesNothing(f *testing.F) {
	for _, v := range []any{1, -1, "s", []byte("b"), 1.5, nil, true, []any{1, "a", map[string]any{"k": []int{1}}}} {
		b, err := msgpack.Marshal(v)
		require.NoError(f, err)
		f.Add(b, uint64(0x123456789))
	}
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, uint64(5))
	f.Fuzz(func(t *testing.T, in []byte, script uint64) {
		r := wire.NewReader(in)
		if raw := r.Raw(); raw != nil {
			// What Raw lets pass, a decoder that trusts lengths reads to the same end.
			d := msgpack.NewDecoder(bytes.NewReader(raw))
			require.NoError(t, d.Skip())
			n, err := d.Buffered().Read(make([]byte, 1))
			require.Zero(t, n, err)
		}
		r.Reset(in)
		for range 16 {
			rest := r.Rest()
			switch script & 15 {
			case 0, 1:
				r.Int()
			case 2:
				r.Uint32()
			case 3:
				r.Float()
			case 4:
				r.Bool()
			case 5:
				r.Nil()
			case 6, 7:
				require.LessOrEqual(t, len(r.String()), rest)
			case 8:
				require.LessOrEqual(t, len(r.Bytes()), rest)
			case 9, 10, 11:
				require.LessOrEqual(t, r.Array(), r.Rest())
			case 12:
				require.LessOrEqual(t, len(r.Raw()), rest)
			default:
				r.Skip()
			}
			require.LessOrEqual(t, r.Rest(), rest)
			script >>= 4
		}
	})
}

func TestReadingAllocatesNothing(t *testing.T) {
	b := wire.AppendString(wire.AppendInt(wire.AppendArray(nil, 2), -70000), "a string")
	r := wire.NewReader(nil)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.Reset(b)
		r.Raw()
		r.Reset(b)
		r.Array()
		r.Int()
		_ = r.String()
		if r.Finish() != nil {
			panic(r.Err())
		}
	}))
}

// What a length claims is never taken for granted, nor made room for: only the error takes memory.
func TestALyingLengthAllocatesNothing(t *testing.T) {
	skip := func(r *wire.Reader) { r.Skip() }
	for _, c := range []struct {
		name string
		in   []byte
		read func(*wire.Reader)
	}{
		{"an array", []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, func(r *wire.Reader) { r.Array() }},
		{"a map", []byte{0xdf, 0xff, 0xff, 0xff, 0xff}, func(r *wire.Reader) { r.Map() }},
		{"a string", []byte{0xdb, 0xff, 0xff, 0xff, 0xff}, func(r *wire.Reader) { _ = r.String() }},
		{"bytes", []byte{0xc6, 0xff, 0xff, 0xff, 0xff}, func(r *wire.Reader) { r.Bytes() }},
		{"an array to be skipped", []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, skip},
		{"a map to be skipped", []byte{0xdf, 0xff, 0xff, 0xff, 0xff}, skip},
		{"arrays in arrays", bytes.Repeat([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, 9), func(r *wire.Reader) { r.Raw() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			const times = 1000
			runtime.ReadMemStats(&before)
			for range times {
				var r wire.Reader
				r.Reset(c.in)
				c.read(&r)
				require.ErrorIs(t, r.Err(), wire.ErrLength)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, (after.TotalAlloc-before.TotalAlloc)/times, uint64(4<<10))
		})
	}
}

func TestPrimitivesAreTheGoldenOnes(t *testing.T) {
	type entry struct {
		Value  any    `json:"value,omitempty"`
		Repeat int    `json:"repeat,omitempty"`
		Hex    string `json:"hex"`
		Reason string `json:"reason,omitempty"`
	}
	lists := map[string][]entry{}
	add := func(list string, e entry, b []byte) {
		e.Hex = hex.EncodeToString(b)
		lists[list] = append(lists[list], e)
	}
	for _, v := range someInts {
		add("ints", entry{Value: strconv.FormatInt(v, 10)}, wire.AppendInt(nil, v))
	}
	for _, s := range []string{"a", "Ada", "ünï", "漢字", "🎮", "\x00", "\"\\"} {
		add("strings", entry{Value: s, Repeat: 1}, wire.AppendString(nil, s))
	}
	for _, n := range []int{31, 32, 255, 256, 1024} {
		add("strings", entry{Value: "x", Repeat: n}, wire.AppendString(nil, strings.Repeat("x", n)))
	}
	for _, v := range []float64{0.1, -1.5, 1e300, 1234.5, 1 << 40} {
		add("floats", entry{Value: v}, wire.AppendFloat(nil, v))
	}
	for _, c := range []struct {
		v   int64
		hex string
	}{{5, "cc05"}, {5, "cd0005"}, {5, "ce00000005"}, {5, "cf0000000000000005"}, {5, "d005"}, {-1, "d1ffff"}, {-1, "d2ffffffff"}, {-1, "d3ffffffffffffffff"}} {
		b, err := hex.DecodeString(c.hex)
		require.NoError(t, err)
		require.Equal(t, c.v, wire.NewReader(b).Int())
		add("accepted", entry{Value: strconv.FormatInt(c.v, 10)}, b)
	}
	for _, c := range []struct{ hex, reason string }{
		{"", "nothing"}, {"c1", "a code that is never used"}, {"cd01", "half an integer"}, {"cb00", "half a float"}, {"a261", "half a string"},
		{"a1ff", "a string that is not UTF-8"}, {"a3eda080", "a lone surrogate"}, {"a2c080", "an overlong form"}, {"92", "an array without elements"}, {"8101", "a map without a value"}, {"ddffffffff", "an array longer than the message"},
		{"dbffffffff61", "a string longer than the message"}, {"c6ffffffff61", "bytes longer than the message"}, {strings.Repeat("91", 33) + "00", "33 levels"}, {strings.Repeat("91", 32) + "80", "33 levels, the last one empty"},
		{"81c301", "a bool as a map's key"}, {"81c001", "nil as a map's key"}, {"81cb3ff000000000000001", "a float as a map's key"}, {"81c40101", "a bin as a map's key"},
		{"819001", "an array as a map's key"}, {"81cf002000000000000001", "2^53 as a map's key"}, {"81d3ffe000000000000001", "-2^53 as a map's key"},
		{"9181cfffffffffffffffff01", "2^64-1 as a map's key"}, {"c70105ff", "an extension"},
	} {
		b, err := hex.DecodeString(c.hex)
		require.NoError(t, err)
		require.Nil(t, wire.NewReader(b).Body(wire.MaxOutboundDepth), c.reason)
		add("refused", entry{Reason: c.reason}, b)
	}

	for _, h := range []string{strings.Repeat("91", 32) + "00", strings.Repeat("81a161", 31) + "90", "82a17801cf001fffffffffffff02", "81d3ffe000000000000101", "cfffffffffffffffff", "c0"} {
		b, err := hex.DecodeString(h)
		require.NoError(t, err)
		require.NotNil(t, wire.NewReader(b).Body(wire.MaxOutboundDepth), h)
		add("values", entry{}, b)
	}

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(lists))
	path := filepath.Join("..", "testdata", "primitives.json")
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the wire has changed: if that is meant, run the test with -update")
}
