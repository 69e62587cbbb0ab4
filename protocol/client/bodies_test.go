package client

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

func nested(levels int) (v any) {
	for range levels {
		v = []any{v}
	}
	return v
}

func TestWhatNoServerTakesIsRefusedBeforeItIsSent(t *testing.T) {
	_, err := encodeMessage(1, "say", nested(wire.MaxInboundDepth-1))
	require.NoError(t, err)
	for _, c := range []struct {
		v    any
		want error
	}{
		{nested(wire.MaxInboundDepth), wire.ErrDepth}, {map[bool]int{true: 1}, wire.ErrKey}, {map[uint64]int{math.MaxUint64: 1}, wire.ErrKey},
	} {
		_, err := encodeMessage(1, "say", c.v)
		require.ErrorIs(t, err, c.want)
	}
	b, err := encodeMessage(1, "say", "a\xffb")
	require.NoError(t, err)
	r := wire.NewReader(b)
	n := r.Array()
	r.Uint32()
	_, _, body, err := protocol.ReadMessage(r, n)
	require.NoError(t, err)
	require.Equal(t, wire.AppendString(nil, "a\ufffdb"), body)
}

// votes is an input with a map.
type votes struct {
	By   map[uint64]int8
	Text string
}

func TestInputsThatNoServerTakesAreRefused(t *testing.T) {
	in := NewInputs[votes](New(Config{}))
	require.ErrorIs(t, in.add(votes{By: map[uint64]int8{1 << 53: 1}}, 0), wire.ErrKey)
	require.NoError(t, in.add(votes{By: map[uint64]int8{1: 1}, Text: "\xff"}, 0))
	require.NoError(t, in.check.Err(), "the text is cleaned")
}
