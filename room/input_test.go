package room

import (
	"math"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol/wire"
)

type everyInput struct {
	Bool   bool
	I8     int8
	I64    int64 `msgpack:"i"`
	U16    uint16
	F32    float32
	F64    float64
	Text   string
	List   []int
	hidden int
	Skip   int `msgpack:"-"`
}

func decodeInput(b []byte) (everyInput, error) {
	var v everyInput
	r := wire.NewReader(b)
	newInputCodec(reflect.TypeFor[everyInput]()).decode(r, unsafe.Pointer(&v))
	return v, r.Finish()
}

func TestInputsAreReadAsArrayAndAsMap(t *testing.T) {
	want := everyInput{Bool: true, I8: -128, I64: math.MinInt64, U16: 65535, F32: 1.5, F64: -2, Text: "é", List: []int{1, 2}}
	codec := newInputCodec(reflect.TypeFor[everyInput]())
	got, err := decodeInput(codec.append(nil, unsafe.Pointer(&want)))
	require.NoError(t, err)
	require.Equal(t, want, got)

	b, err := msgpack.Marshal(map[string]any{"i": 7, "List": []int{3}})
	require.NoError(t, err)
	got, err = decodeInput(b)
	require.NoError(t, err)
	require.Equal(t, everyInput{I64: 7, List: []int{3}}, got)
}

func TestInputsThatAreRefused(t *testing.T) {
	encode := func(v any) []byte {
		b, err := msgpack.Marshal(v)
		require.NoError(t, err)
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		says string
	}{
		{"too few fields", encode([]int{1}), "8 fields, not 1"},
		{"unknown name", encode(map[string]int{"speed": 1}), `no field "speed"`},
		{"skipped name", encode(map[string]int{"Skip": 1}), `no field "Skip"`},
		{"too large for the type", encode(map[string]int{"I8": 128}), "not within -128 to 127"},
		{"negative unsigned", encode(map[string]int{"U16": -1}), "not within 0 to 65535"},
		{"not a number", encode(map[string]any{"F64": math.NaN()}), "finite"},
		{"too large for float 32", encode(map[string]any{"F32": 1e300}), "finite"},
		{"wrong type", encode(map[string]any{"Bool": "yes"}), wire.ErrType.Error()},
		{"wrong type in a list", encode(map[string]any{"List": "yes"}), `"List"`},
		{"lying list", []byte{0x81, 0xa4, 'L', 'i', 's', 't', 0xdd, 0xff, 0xff, 0xff, 0xff}, wire.ErrLength.Error()},
		{"text", encode("hello"), wire.ErrType.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := decodeInput(test.b)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func FuzzInput(f *testing.F) {
	codec := newInputCodec(reflect.TypeFor[everyInput]())
	f.Add(codec.append(nil, unsafe.Pointer(&everyInput{Text: "x", List: []int{1}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeInput(b)
		if err != nil {
			return
		}
		again, err := decodeInput(codec.append(nil, unsafe.Pointer(&v)))
		require.NoError(t, err)
		if len(v.List) == 0 { // nil and empty are not told apart on the wire
			v.List, again.List = nil, nil
		}
		require.Equal(t, v, again)
	})
}
