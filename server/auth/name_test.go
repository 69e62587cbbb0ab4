package auth

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCleanName(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		err            string
	}{
		{name: "as it is", in: "Ada", want: "Ada"},
		{name: "spaces around are removed", in: " \t Ada L. \n", want: "Ada L."},
		{name: "other scripts", in: "Зоя 志明", want: "Зоя 志明"},
		{name: "combining marks", in: "न\u093fशा", want: "न\u093fशा"},
		{name: "an emoji", in: "❤\ufe0f", want: "❤\ufe0f"},
		{name: "as long as may be, in characters", in: strings.Repeat("ß", MaxName), want: strings.Repeat("ß", MaxName)},
		{name: "too long", in: strings.Repeat("ß", MaxName+1), err: "33 characters: shorten it to 32"},
		{name: "empty", in: "", err: "empty"},
		{name: "nothing but spaces", in: " \u3000 ", err: "empty"},
		{name: "nothing but a mark", in: "\u0301", err: "empty"},
		{name: "a control character", in: "A\x00da", err: "U+0000"},
		{name: "a line break within", in: "A\nda", err: "U+000A"},
		{name: "a change of direction", in: "A\u202eda", err: "U+202E"},
		{name: "a zero-width space", in: "A\u200bda", err: "U+200B"},
		{name: "an invisible letter", in: "\u3164", err: "U+3164"},
		{name: "a byte that is no UTF-8", in: "A\xffda", err: "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := CleanName(c.in)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestGuestsHaveProperNamesAndIDsOfTheirOwn(t *testing.T) {
	ids := map[string]bool{}
	for range 1000 {
		name := GuestName()
		clean, err := CleanName(name)
		require.NoError(t, err)
		require.Equal(t, name, clean)
		ids[GuestID()] = true
	}
	require.Len(t, ids, 1000)
}

// FuzzCleanName: what comes out can be shown, and cleaning it again changes nothing.
func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"", "Ada", " a b ", "\xff", "\u202e", strings.Repeat("x", 40), "e\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := CleanName(s)
		if err != nil {
			require.Empty(t, name)
			return
		}
		require.True(t, utf8.ValidString(name))
		require.LessOrEqual(t, utf8.RuneCountInString(name), MaxName)
		require.NotContains(t, name, "\n")
		again, err := CleanName(name)
		require.NoError(t, err)
		require.Equal(t, name, again)
	})
}
