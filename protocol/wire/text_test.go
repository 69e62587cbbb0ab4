package wire_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

func TestTextIsCutInWholeCharacters(t *testing.T) {
	const most = 123
	for _, s := range []string{"", strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("é", 62),
		"x" + strings.Repeat("é", 62), strings.Repeat("🙂", 40)} {
		got := wire.Cut(s, most)
		require.True(t, strings.HasPrefix(s, got))
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), most)
		require.GreaterOrEqual(t, len(got), min(len(s), most-3))
	}
	require.Equal(t, "a\ufffd", wire.Cut("a\xff\xfeb", 4))
	require.Equal(t, "a", wire.Cut("a\xff\xfeb", 3))
}

func TestTextIsAppendedClean(t *testing.T) {
	r := wire.NewReader(wire.AppendString(nil, "a\xc3("))
	require.Equal(t, "a\ufffd(", string(r.String()))
	require.NoError(t, r.Finish())
	require.Equal(t, []byte("\ufffdx"), wire.CleanBytes([]byte("\xff\xfex")))
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = wire.Clean("välid"); wire.CleanBytes(nil) }))
}

func FuzzAppendCleaned(f *testing.F) {
	f.Add([]byte{0x82, 0xa1, 0xff, 0x92, 0xa2, 0xc3, 0x28, 0xc0, 1, 0xc4, 1, 0xff})
	f.Add([]byte{0x91, 0xd6, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0xda, 0, 0}) // an empty str in a longer form
	f.Fuzz(func(t *testing.T, b []byte) {
		before := wire.NewReader(b)
		if before.Unchecked(wire.MaxOutboundDepth); before.Finish() != nil {
			wire.AppendCleaned(nil, b) // whatever comes of it
			return
		}
		cleaned := wire.AppendCleaned(nil, b)
		r := wire.NewReader(cleaned)
		r.Raw()
		require.NoError(t, r.Finish())
		if before.Reset(b); before.Raw() != nil {
			require.Equal(t, b, cleaned, "valid text, in whatever form, stays as it is")
		}
	})
}
