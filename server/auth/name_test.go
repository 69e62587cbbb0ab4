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
		{name: "an invisible letter", in: "\u3164", err: "nothing of it can be shown"},
		{name: "a control character", in: "A\x00d\x7fa\u0085", want: "Ada"},
		{name: "a line break within", in: "Ada\r\nL.", want: "Ada  L."},
		{name: "another space", in: "Ada\u00a0L.", want: "Ada L."},
		{name: "a change of direction", in: "\u2066A\u202eda\u200f", want: "Ada"},
		{name: "letters from right to left", in: "\u05e2\u05d3\u05d4", want: "\u05e2\u05d3\u05d4"},
		{name: "a zero-width space", in: "\ufeffA\u200bda", want: "Ada"},
		{name: "hidden text", in: "Ada\U000e0041\U000e0042", want: "Ada"},
		{name: "for private use", in: "A\ue000da", want: "Ada"},
		{name: "in place of what was no character", in: "A\ufffdda", want: "Ada"},
		{name: "invisible ones don't count", in: strings.Repeat("\u200b", 100) + strings.Repeat("x", MaxName), want: strings.Repeat("x", MaxName)},
		{name: "as many marks as are written", in: "e\u0301\u0323\u0304\u0306\u0307", want: "e\u0301\u0323\u0304\u0306\u0307"},
		{name: "marks that cover the page", in: "A" + strings.Repeat("\u0301", 90) + "da", want: "A\u0301\u0301\u0301\u0301\u0301da"},
		{name: "marks with what is invisible between them", in: "A" + strings.Repeat("\u0301\u200b", 9), want: "A\u0301\u0301\u0301\u0301\u0301"},
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
	for _, s := range []string{"", "Ada", " a b ", "\xff", "\u202e", strings.Repeat("x", 40), "e\u0301", "a\u0301\u0301\u0301\u0301\u0301\u200b\u0301"} {
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
