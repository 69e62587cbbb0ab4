package flags_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/server/flags"
)

// noVariables is an environment without any.
func noVariables(string) (string, bool) { return "", false }

func ExampleSet() {
	port := "8080"
	f := &flags.Set{Prefix: "GAME_"}
	f.Add("port N", port, "where to listen", func(s string) error {
		port = s
		return flags.Allowed(strings.Trim(s, "0123456789") == "", "a number")
	})
	fmt.Println(f.Parse([]string{"--port", "ten"}, noVariables))
	fmt.Print(f.Help())
	// Output:
	// --port ten: it must be a number
	//   --port N  (GAME_PORT, default 8080)
	//       where to listen
}

// set has one flag of each form, whose values go to got.
func set(got map[string]string) *flags.Set {
	f := &flags.Set{Prefix: "T_"}
	for _, form := range []string{"max-rooms N", "quiet"} {
		name, _, _ := strings.Cut(form, " ")
		f.Add(form, "", "", func(s string) error {
			got[name] = s
			return flags.Allowed(s != "bad", "good")
		})
	}
	return f
}

func TestFlagsComeBeforeVariables(t *testing.T) {
	got := map[string]string{}
	env := map[string]string{"T_MAX_ROOMS": "1", "T_QUIET": "true"}
	getenv := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	require.NoError(t, set(got).Parse([]string{"--max-rooms=2"}, getenv))
	require.Equal(t, map[string]string{"max-rooms": "2", "quiet": "true"}, got)

	clear(got)
	env["T_QUIET"] = ""
	require.NoError(t, set(got).Parse(nil, getenv))
	require.Equal(t, map[string]string{"max-rooms": "1"}, got, "an empty variable is none")
	env["T_MAX_ROOMS"] = "bad"
	require.EqualError(t, set(got).Parse(nil, getenv), "T_MAX_ROOMS=bad: it must be good")
	require.NoError(t, set(got).Parse([]string{"-max-rooms", "3", "-quiet"}, getenv), "a variable that does not count does no harm")
}

func TestFaultsAreOneLine(t *testing.T) {
	for _, args := range [][]string{{"--max-rooms", "bad"}, {"--max-rooms"}, {"--nonsense"}, {"--quiet=bad"}, {"more"}} {
		err := set(map[string]string{}).Parse(args, noVariables)
		require.Error(t, err, args)
		require.NotContains(t, err.Error(), "\n", args)
	}
	require.True(t, errors.Is(set(map[string]string{}).Parse([]string{"--help"}, noVariables), flag.ErrHelp))
}

func TestFold(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"few words", "      few words\n"},
		{"a table\nx    1\nlong 2", "      a table\n      x    1\n      long 2\n"},
		{strings.Repeat("word ", 20), "      " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n      word word word word word\n"},
		{strings.Repeat("x", 90) + " y", "      " + strings.Repeat("x", 90) + "\n      y\n"},
		{strings.Repeat("x", 90), "      " + strings.Repeat("x", 90) + "\n"},
	} {
		require.Equal(t, c.want, flags.Fold(c.text))
	}
}
