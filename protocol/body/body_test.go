package body_test

import (
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/wire"
)

type Colour uint8

type point struct {
	X float32 `msgpack:"x"`
	Y float32 `msgpack:"y"`
}

type Head struct {
	ID    uint32 `msgpack:"id"`
	Title string `msgpack:"title,alias:name"`
}

type tree struct {
	Value    int32  `msgpack:"value"`
	Children []tree `msgpack:"children"`
}

type everything struct {
	Head
	Bool   bool
	I8     int8 `msgpack:"i8"`
	I16    int16
	I32    int32
	I64    int64
	Int    int
	U8     uint8
	U16    uint16
	U32    uint32 `msgpack:"u32,omitempty"`
	U64    uint64
	F32    float32
	F64    float64
	Text   string
	Colour Colour
	Bytes  []byte
	Hash   [4]byte
	Pos    point
	To     *point
	List   []point
	Pair   [2]int16
	ByName map[string]int32
	ByID   map[uint32]point
	Tree   tree
	For    time.Duration
	hidden int
	Skip   chan int `msgpack:"-"`
}

func codecOf[T any](t testing.TB) *body.Codec {
	c, err := body.New(reflect.TypeFor[T]())
	require.NoError(t, err)
	return c
}

// decode decodes b as a message's body.
func decode[T any](t testing.TB, b []byte) (T, error) {
	var v T
	var d body.Decoder
	r := wire.NewReader(b)
	d.Reset(r, wire.MaxInboundDepth-1)
	if err := codecOf[T](t).Decode(&d, unsafe.Pointer(&v)); err != nil {
		return v, err
	}
	return v, r.Finish()
}

func encode(t testing.TB, v any) []byte {
	b, err := msgpack.Marshal(v)
	require.NoError(t, err)
	return b
}

type m = map[string]any

var full = everything{
	Head: Head{7, "é"}, Bool: true, I8: -128, I16: -32768, I32: math.MinInt32, I64: math.MinInt64, Int: -1,
	U8: 255, U16: 65535, U32: math.MaxUint32, U64: math.MaxUint64, F32: 1.5, F64: -0.1, Text: "text", Colour: 3,
	Bytes: []byte{1, 255}, Hash: [4]byte{1, 2, 3, 4}, Pos: point{1, 2}, To: &point{3, 4}, List: []point{{5, 6}, {}},
	Pair: [2]int16{-1, 1}, ByName: map[string]int32{"a": 1, "b": -1}, ByID: map[uint32]point{9: {7, 8}},
	Tree: tree{1, []tree{{2, []tree{}}, {3, nil}}}, For: time.Second,
}

func TestWhatTheLibraryEncodesIsDecoded(t *testing.T) {
	got, err := decode[everything](t, encode(t, full))
	require.NoError(t, err)
	require.Equal(t, full, got)
	for _, v := range []any{nil, m{}, []any{}, everything{}} {
		got, err = decode[everything](t, encode(t, v))
		require.NoError(t, err)
		require.Equal(t, everything{}, got)
	}
}

func TestFieldsHaveNamesAndTypes(t *testing.T) {
	want := []protocol.Field{
		{Name: "id", Type: "uint32"}, {Name: "title", Type: "string"}, {Name: "Bool", Type: "bool"}, {Name: "i8", Type: "int8"}, {Name: "I16", Type: "int16"},
		{Name: "I32", Type: "int32"}, {Name: "I64", Type: "int64"}, {Name: "Int", Type: "int64"}, {Name: "U8", Type: "uint8"}, {Name: "U16", Type: "uint16"},
		{Name: "u32", Type: "uint32"}, {Name: "U64", Type: "uint64"}, {Name: "F32", Type: "float32"}, {Name: "F64", Type: "float64"}, {Name: "Text", Type: "string"},
		{Name: "Colour", Type: "uint8"}, {Name: "Bytes", Type: "bytes"}, {Name: "Hash", Type: "[4]uint8"}, {Name: "Pos", Type: "{x:float32,y:float32}"},
		{Name: "To", Type: "{x:float32,y:float32}"}, {Name: "List", Type: "[]{x:float32,y:float32}"}, {Name: "Pair", Type: "[2]int16"},
		{Name: "ByName", Type: "map[string]int32"}, {Name: "ByID", Type: "map[uint32]{x:float32,y:float32}"}, {Name: "Tree", Type: "{value:int32,children:[]tree}"}, {Name: "For", Type: "int64"},
	}
	require.Equal(t, want, codecOf[everything](t).Fields())
	require.Equal(t, "{}", codecOf[struct{}](t).String())
	require.Equal(t, "any", body.NameOf(reflect.TypeFor[struct{ At time.Time }]()))
}

// What other languages make of a value: PHP and Lua know one empty table, JavaScript one kind of number and objects whose keys
// are strings.
func TestWhatLanguagesDifferInFits(t *testing.T) {
	for name, c := range map[string]struct {
		in   m
		want everything
	}{
		"integers for floats":           {m{"F32": 3, "F64": -1 << 40}, everything{F32: 3, F64: -1 << 40}},
		"a 64-bit integer for a float":  {m{"F64": uint64(math.MaxUint64)}, everything{F64: math.MaxUint64}},
		"a double for a float 32":       {m{"F32": 0.1}, everything{F32: 0.1}},
		"a float 32 for a double":       {m{"F64": float32(0.5)}, everything{F64: 0.5}},
		"a double that float 32 rounds": {m{"F32": math.MaxFloat32 + 1e22}, everything{F32: math.MaxFloat32}},
		"a tiny double for a float 32":  {m{"F32": 1e-300}, everything{}},
		"whole floats for integers":     {m{"i8": -128.0, "U8": float32(255), "U64": 1e15, "I64": float64(-1 << 53)}, everything{I8: -128, U8: 255, U64: 1e15, I64: -1 << 53}},
		"minus nothing":                 {m{"U8": math.Copysign(0, -1)}, everything{}},
		"0 and 1 for bools":             {m{"Bool": 1}, everything{Bool: true}},
		"0.0 and 1.0 for bools":         {m{"Bool": 1.0}, everything{Bool: true}},
		"nothing":                       {m{"Bool": nil, "i8": nil, "Text": nil, "Bytes": nil, "Hash": nil, "To": nil, "List": nil, "Pair": nil, "ByName": nil, "Pos": nil}, everything{}},
		"an empty array for a map":      {m{"ByName": []int{}, "Pos": []int{}}, everything{ByName: map[string]int32{}}},
		"an empty map for an array":     {m{"List": m{}, "Bytes": m{}}, everything{List: []point{}, Bytes: []byte{}}},
		"an array for a struct":         {m{"Pos": []any{1, 2.5}, "List": []any{[]any{1, nil}}}, everything{Pos: point{1, 2.5}, List: []point{{1, 0}}}},
		"an array for bytes":            {m{"Bytes": []int{0, 255}, "Hash": []int{1, 2, 3, 4}}, everything{Bytes: []byte{0, 255}, Hash: [4]byte{1, 2, 3, 4}}},
		"digits for integer keys":       {m{"ByID": m{"12": m{"x": 1}}}, everything{ByID: map[uint32]point{12: {1, 0}}}},
		"integers for string keys":      {m{"ByName": map[int]int{-5: 1}}, everything{ByName: map[string]int32{"-5": 1}}},
		"nil for a struct in an array":  {m{"List": []any{nil, m{"x": 1}}}, everything{List: []point{{}, {1, 0}}}},
		"another name for a field":      {m{"name": "x"}, everything{Head: Head{Title: "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode[everything](t, encode(t, c.in))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestWhatDoesNotFitIsRefusedByTheFieldsName(t *testing.T) {
	twice := []byte{0x82, 0xa2, 'i', '8', 1, 0xa2, 'i', '8', 2}
	for _, c := range []struct {
		in   any
		says string
	}{
		{m{"U8": 300}, `field "U8": 300 does not fit uint8: 0 to 255`},
		{m{"U32": -1}, `there is no field "U32"`},
		{m{"u32": -1}, `field "u32": -1 does not fit uint32: 0 to 4294967295`},
		{m{"I32": 1<<32 + 5}, `field "I32": 4294967301 does not fit int32: -2147483648 to 2147483647`},
		{m{"i8": -129}, `field "i8": -129 does not fit int8: -128 to 127`},
		{m{"I64": uint64(math.MaxUint64)}, `field "I64": 18446744073709551615 does not fit int64`},
		{m{"U64": -1}, `field "U64": -1 does not fit uint64: 0 to 18446744073709551615`},
		{m{"Int": 1e300}, `field "Int": 1e+300 does not fit int64`},
		{m{"i8": 1.5}, `field "i8": 1.5 does not fit int8: -128 to 127`},
		{m{"U8": 256.0}, `field "U8": 256 does not fit uint8`},
		{m{"I64": float64(1<<53 + 2)}, `field "I64": 9.007199254740994e+15 does not fit int64`},
		{m{"I64": math.NaN()}, `field "I64": NaN does not fit int64`},
		{m{"F64": math.NaN()}, `field "F64": NaN does not fit float64: a finite number`},
		{m{"F32": math.Inf(-1)}, `field "F32": -Inf does not fit float32: a finite number`},
		{m{"F32": 1e300}, `field "F32": 1e+300 does not fit float32: a finite number`},
		{m{"F32": "1"}, `field "F32": a str does not fit float32`},
		{m{"Bool": 2}, `field "Bool": 2 does not fit bool: true, false, 0 or 1`},
		{m{"Bool": 0.5}, `field "Bool": 0.5 does not fit bool`},
		{m{"Bool": "yes"}, `field "Bool": a str does not fit bool`},
		{m{"i8": true}, `field "i8": a bool does not fit int8`},
		{m{"Text": []byte{0xff, 0xfe}}, `field "Text": a bin does not fit string: a str of valid UTF-8`},
		{m{"Text": []byte("fine")}, `field "Text": a bin does not fit string`},
		{m{"Text": "\xff\xfe"}, `field "Text": a str that is not valid UTF-8 does not fit string`},
		{m{"Text": 5}, `field "Text": an integer does not fit string`},
		{m{"Bytes": "text"}, `field "Bytes": a str does not fit bytes: a bin`},
		{m{"Bytes": []int{1, 256}}, `field "Bytes[1]": 256 does not fit uint8: 0 to 255`},
		{m{"Hash": []byte{1}}, `field "Hash": 1 bytes do not fit [4]uint8: a bin of 4 bytes`},
		{m{"Pos": m{"x": math.NaN()}}, `field "Pos.x": NaN does not fit float32: a finite number`},
		{m{"Pos": m{"z": 1}}, `field "Pos": there is no field "z": want x, y`},
		{m{"Pos": []int{1}}, `field "Pos": an array of 1 does not fit a map of x, y, or an array of all 2`},
		{m{"Pos": "here"}, `field "Pos": a str does not fit a map of x, y`},
		{m{"To": m{"y": "high"}}, `field "To.y": a str does not fit float32`},
		{m{"List": []any{m{}, m{"x": "far"}}}, `field "List[1].x": a str does not fit float32`},
		{m{"List": m{"x": 1}}, `field "List": a map does not fit []{x:float32,y:float32}: an array`},
		{m{"Pair": []int{1}}, `field "Pair": an array of 1 does not fit [2]int16: an array of 2`},
		{m{"Pair": []int{1, 1 << 20}}, `field "Pair[1]": 1048576 does not fit int16`},
		{m{"ByName": m{"Ada": 1 << 40}}, `field "ByName[Ada]": 1099511627776 does not fit int32`},
		{m{"ByName": []int{1}}, `field "ByName": an array does not fit map[string]int32: a map`},
		{m{"ByName": map[bool]int{true: 1}}, `field "ByName[key]": a bool does not fit string`},
		{m{"ByName": m{"\xff": 1}}, `field "ByName[key]": a str that is not valid UTF-8 does not fit string`},
		{m{"ByName": map[uint64]int{1 << 53: 1}}, `at most 53 bits`},
		{m{"ByID": m{"01": nil}}, `field "ByID[key]": the key "01" does not fit uint32`},
		{m{"ByID": m{"-1": nil}}, `field "ByID[key]": -1 does not fit uint32`},
		{m{"ByID": map[float64]int{1: 1}}, `field "ByID[key]": a float does not fit uint32`},
		{m{"ByID": m{"5": m{"x": "far"}}}, `field "ByID[5].x": a str does not fit float32`},
		{m{"Tree": m{"children": []any{m{"value": "leaf"}}}}, `field "Tree.children[0].value": a str does not fit int32`},
		{m{"hidden": 1}, `there is no field "hidden": want id, title`},
		{m{"Skip": 1}, `there is no field "Skip"`},
		{m{"Text": msgpack.RawMessage{0xd4, 1, 0}}, `field "Text": an extension does not fit string`},
		{map[int]int{1: 1}, `an integer is no field's name`},
		{[]int{1, 2}, `an array of 2 does not fit a map of id, title`},
		{"hello", `a str does not fit a map of id, title`},
		{msgpack.RawMessage(twice), `field "i8" is there twice`},
	} {
		t.Run(c.says, func(t *testing.T) {
			_, err := decode[everything](t, encode(t, c.in))
			require.ErrorContains(t, err, c.says)
			require.IsType(t, (*body.Fault)(nil), err)
		})
	}
	_, err := decode[map[int8]int](t, []byte{0x82, 1, 0, 0xa1, '1', 0})
	require.ErrorContains(t, err, "the key 1 is there twice")
	_, err = decode[uint8](t, encode(t, 256))
	require.EqualError(t, err, "256 does not fit uint8: 0 to 255")
	_, err = decode[[]uint16](t, encode(t, []int{1, -1}))
	require.EqualError(t, err, `field "[1]": -1 does not fit uint16: 0 to 65535`)
}

func TestMalformedBodiesAreRefused(t *testing.T) {
	whole := encode(t, full)
	for n := range whole {
		_, err := decode[everything](t, whole[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err := decode[everything](t, append(whole, 0))
	require.ErrorIs(t, err, wire.ErrTrailing)
	_, err = decode[struct{ List []int }](t, []byte{0x81, 0xa4, 'L', 'i', 's', 't', 0xdd, 0xff, 0xff, 0xff, 0xff})
	require.ErrorIs(t, err, wire.ErrLength)
}

func TestLevelsAreCountedFromTheMessagesArray(t *testing.T) {
	type nest []nest
	levels := func(n int) []byte { return append([]byte(strings.Repeat("\x91", n-1)), 0x90) }
	_, err := decode[nest](t, levels(wire.MaxInboundDepth-1))
	require.NoError(t, err)
	_, err = decode[nest](t, levels(wire.MaxInboundDepth))
	require.ErrorIs(t, err, wire.ErrDepth)
	_, err = decode[[]byte](t, []byte{0x91, 1})
	require.NoError(t, err)
}

type selfMade struct{ n int }

func (s *selfMade) UnmarshalBinary(b []byte) error { s.n = int(b[0]); return nil }

type libraryMade struct{}

func (l *libraryMade) DecodeMsgpack(*msgpack.Decoder) error { panic("oops") }

type withTime struct{ time.Time }

type P *P

func TestTypesThatCannotBeDecodedSafelyAreRefused(t *testing.T) {
	type deep struct {
		A struct {
			B []map[string]any `msgpack:"b"`
		} `msgpack:"a"`
	}
	for name, c := range map[string]struct {
		t    reflect.Type
		says string
	}{
		"a time":                  {reflect.TypeFor[struct{ At time.Time }](), `field "At": time.Time decodes itself`},
		"a pointer to a time":     {reflect.TypeFor[struct{ At *time.Time }](), `field "At": time.Time decodes itself`},
		"an embedded time":        {reflect.TypeFor[withTime](), `decodes itself`},
		"an interface":            {reflect.TypeFor[struct{ V any }](), `field "V": interface {} is a type that a client can't send`},
		"a nested one":            {reflect.TypeFor[deep](), `field "a.b[]{}": interface {}`},
		"an error":                {reflect.TypeFor[struct{ V error }](), `field "V": error`},
		"a map of any key":        {reflect.TypeFor[struct{ V map[any]string }](), `field "V": map[interface {}]string has keys`},
		"a map of bool keys":      {reflect.TypeFor[struct{ V map[bool]string }](), `field "V": map[bool]string has keys`},
		"a map of float keys":     {reflect.TypeFor[map[float64]string](), `has keys that are neither`},
		"a map of array keys":     {reflect.TypeFor[map[[2]int]string](), `has keys that are neither`},
		"a map of times":          {reflect.TypeFor[map[string]time.Time](), `time.Time decodes itself`},
		"a channel":               {reflect.TypeFor[struct{ V chan int }](), `field "V": chan int`},
		"a function":              {reflect.TypeFor[struct{ V func() }](), `field "V": func()`},
		"a complex number":        {reflect.TypeFor[struct{ V complex64 }](), `field "V": complex64`},
		"an address":              {reflect.TypeFor[struct{ V uintptr }](), `field "V": uintptr`},
		"one that decodes itself": {reflect.TypeFor[struct{ V []selfMade }](), `field "V[]": body_test.selfMade decodes itself, by UnmarshalBinary`},
		"one of the library's":    {reflect.TypeFor[struct{ V *libraryMade }](), `by DecodeMsgpack`},
		"raw":                     {reflect.TypeFor[struct{ V msgpack.RawMessage }](), `by DecodeMsgpack`},
		"interned": {reflect.TypeFor[struct {
			V string `msgpack:"v,intern"`
		}](), `field "v": its tag says intern`},
		"two of a name": {reflect.TypeFor[struct {
			A, B int `msgpack:"a"`
		}](), `two fields called "a"`},
		"an embedded pointer":       {reflect.TypeFor[struct{ *Head }](), `embeds a pointer`},
		"pointers without an end":   {reflect.TypeFor[struct{ V P }](), `more than 4 pointers`},
		"one that is too large":     {reflect.TypeFor[struct{ V [1 << 20]byte }](), `at most 65536`},
		"a pointer to such a thing": {reflect.TypeFor[struct{ V *[1 << 20]byte }](), `field "V": [1048576]uint8 takes 1048576 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := body.New(c.t)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// A byte on the wire may stand for a large struct, a zero one. It must not take its memory.
func TestMemoryIsBoundedByTheMessage(t *testing.T) {
	type large struct{ V [1000]int64 }
	many := encode(t, make([]*int, protocol.MaxInbound-3))
	for name, decoding := range map[string]func() error{
		"slices": func() error { _, err := decode[[]large](t, many); return err },
		"maps": func() error {
			_, err := decode[map[uint16]large](t, append([]byte{0xde, 0, 200}, encodePairs(200)...))
			return err
		},
		"pointers":         func() error { _, err := decode[[]*large](t, encode(t, make([]m, 2000))[:]); return err },
		"slices of slices": func() error { _, err := decode[[][]large](t, encode(t, [][]any{make([]any, 3000)})); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := decoding()
			runtime.ReadMemStats(&after)
			if name != "pointers" { // nil ones take none
				require.ErrorIs(t, err, wire.ErrLength)
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*memoryOf(protocol.MaxInbound)))
		})
	}
	_, err := decode[[]point](t, encode(t, make([]point, 200)))
	require.NoError(t, err)
}

func memoryOf(bytes int) int { return 4<<10 + 64*bytes + 64<<10 } // the last is for the test itself

func encodePairs(n int) (b []byte) {
	for i := range n {
		b = wire.AppendNil(wire.AppendUint(b, uint64(i)))
	}
	return b
}

func TestDecodingNumbersAllocatesNothing(t *testing.T) {
	type numbers struct {
		I    int16
		F    float32
		On   bool
		Pos  point
		Hash [4]byte
	}
	c := codecOf[numbers](t)
	list := encode(t, []any{-300, 1.5, 1, m{"x": 1}, []byte{1, 2, 3, 4}})
	byName := encode(t, numbers{I: 5, F: 2})
	var d body.Decoder
	var r wire.Reader
	v := new(numbers)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, b := range [2][]byte{list, byName} {
			*v = numbers{}
			r.Reset(b)
			d.Reset(&r, wire.MaxInboundDepth-1)
			if err := c.Decode(&d, unsafe.Pointer(v)); err != nil {
				panic(err)
			}
		}
	}))
	require.Equal(t, int16(5), v.I)
}

// own decodes what Append wrote.
func own[T any](t testing.TB, b []byte) T {
	var v T
	var d body.Decoder
	r := wire.NewReader(b)
	d.ResetOwn(r)
	require.NoError(t, codecOf[T](t).Decode(&d, unsafe.Pointer(&v)))
	require.NoError(t, r.Finish())
	return v
}

func TestWhatAGameHasMadeOfAnInputComesBack(t *testing.T) {
	v := full
	require.Equal(t, v, own[everything](t, codecOf[everything](t).Append(nil, unsafe.Pointer(&v))))
	v = everything{
		F64: math.Inf(1), F32: float32(math.Inf(-1)), Text: "\xff", Bytes: []byte{}, List: []point{}, ByName: map[string]int32{"\xfe": 1, "": 2},
		Tree: tree{Children: []tree{{Children: []tree{{}}}}},
	}
	b := codecOf[everything](t).Append(nil, unsafe.Pointer(&v))
	require.Equal(t, v, own[everything](t, b))
	for range 20 { // in whatever order a map is walked
		require.Equal(t, b, codecOf[everything](t).Append(nil, unsafe.Pointer(&v)))
	}
	nan := struct{ V float64 }{math.NaN()}
	require.True(t, math.IsNaN(own[struct{ V float64 }](t, codecOf[struct{ V float64 }](t).Append(nil, unsafe.Pointer(&nan))).V))
	big := struct{ M map[uint64]bool }{map[uint64]bool{math.MaxUint64: true}}
	require.Equal(t, big, own[struct{ M map[uint64]bool }](t, codecOf[struct{ M map[uint64]bool }](t).Append(nil, unsafe.Pointer(&big))))
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, full))
	f.Add(encode(f, m{"List": []any{nil, m{"x": 1.0}}, "ByID": m{"1": nil}, "Bool": 1, "Bytes": []int{1}}))
	f.Add(encode(f, m{"Text": []byte{0xff}, "Tree": m{"children": []any{m{}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > protocol.MaxInbound {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := decode[everything](t, b)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*memoryOf(len(b))), "with what else the process allocates meanwhile")
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.Equal(t, v, own[everything](t, codecOf[everything](t).Append(nil, unsafe.Pointer(&v))))
		again, err := decode[everything](t, encode(t, v))
		require.NoError(t, err, "what was decoded is encoded by the library and decoded again")
		require.Equal(t, v, again)
		_, err = body.Encode(v, wire.MaxOutboundDepth-1)
		require.NoError(t, err, "and can be sent on")
	})
}

func BenchmarkDecode(b *testing.B) {
	type move struct {
		DX, DY int8
		Aim    uint8
		Fire   bool
	}
	c := codecOf[move](b)
	in := []byte{0x94, 0xff, 1, 0xcc, 200, 0xc3}
	var d body.Decoder
	var r wire.Reader
	v := new(move)
	b.ReportAllocs()
	for b.Loop() {
		*v = move{}
		r.Reset(in)
		d.Reset(&r, 15)
		if err := c.Decode(&d, unsafe.Pointer(v)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhatIsSentIsCleanAndReadable(t *testing.T) {
	const levels = wire.MaxOutboundDepth - 1
	b, err := body.Encode(m{"a": "x\xffy", "b": []any{"\xfe\xfd", "fine", []byte{0xff}, 1.5, -70000}}, levels)
	require.NoError(t, err)
	var got m
	require.NoError(t, msgpack.Unmarshal(b, &got))
	require.Equal(t, "x\ufffdy", got["a"])
	require.Equal(t, "\ufffd", got["b"].([]any)[0])
	require.Equal(t, []byte{0xff}, got["b"].([]any)[2])

	nested := func(n int) (v any) {
		v = 1
		for range n {
			v = []any{v}
		}
		return v
	}
	_, err = body.Encode(nested(levels), levels)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		v    any
		want error
	}{
		"too deep":                 {nested(levels + 1), wire.ErrDepth},
		"too deep, and unclean":    {[]any{"\xff", nested(levels)}, wire.ErrDepth},
		"a time":                   {[]any{"\xff", time.Now()}, wire.ErrType},
		"bool keys":                {map[bool]int{true: 1}, wire.ErrKey},
		"keys of 64 bits":          {m{"a": map[uint64]int{1 << 53: 1}}, wire.ErrKey},
		"negative keys of 64 bits": {map[int64]int{-1 << 53: 1}, wire.ErrKey},
		"float keys":               {map[float32]string{1: "\xff"}, wire.ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := body.Encode(c.v, levels)
			require.ErrorIs(t, err, c.want)
		})
	}
	for _, v := range []any{map[int64]int{1<<53 - 1: 1, -(1<<53 - 1): 2}, map[Colour]int{1: 1}, nil, math.NaN(), uint64(math.MaxUint64)} {
		_, err := body.Encode(v, levels)
		require.NoError(t, err)
	}
	_, err = body.Encode(make(chan int), levels)
	require.Error(t, err)
	require.False(t, errors.Is(err, wire.ErrType))
}
