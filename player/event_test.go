package player

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

func TestEventsFromOutsideAreWhatEveryClientReads(t *testing.T) {
	for name, v := range map[string]any{
		"bool keys": map[bool]int{true: 1}, "keys of 64 bits": map[uint64]int{math.MaxUint64: 1}, "a channel": make(chan int),
		"a long one": strings.Repeat("x", protocol.MaxInbound), "": 1, strings.Repeat("n", protocol.MaxName+1): 1,
		strings.Repeat("n", protocol.MaxName-2) + "\xff": 1, // which takes three bytes, cleaned
	} {
		_, err := NewEvent(name, v)
		require.Error(t, err, name)
	}
	e, err := NewEvent("be\xff", []string{"ni\xfece"})
	require.NoError(t, err)
	r := wire.NewReader(e.Append(nil, 5))
	n := r.Array()
	r.Uint32()
	_, name, body, err := protocol.ReadEvent(r, n)
	require.NoError(t, err)
	require.Equal(t, "be\ufffd", string(name))
	require.Contains(t, string(body), "ni\ufffdce")
}
