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

func TestASecretIsNotRepeated(t *testing.T) {
	f := &flags.Set{Prefix: "T_"}
	f.Add("key SECRET", "", "", func(string) error { return errors.New("it is too short") })
	require.EqualError(t, f.Parse([]string{"--key", "hunter2"}, noVariables), "--key: it is too short")
	env := func(string) (string, bool) { return "hunter2", true }
	require.EqualError(t, f.Parse(nil, env), "T_KEY: it is too short")
}

func TestWhatWasGivenIsKnownWithItsSource(t *testing.T) {
	f := set(map[string]string{})
	env := func(k string) (string, bool) { return "true", k == "T_QUIET" }
	require.NoError(t, f.Parse([]string{"-max-rooms=3"}, env))
	require.Equal(t, []flags.Given{{"max-rooms", "--max-rooms", "3"}, {"quiet", "T_QUIET", "true"}}, f.Given)
}

func TestUnknownFlagsAreRefusedWithTheNearest(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"--max-room", "there is no flag --max-room: did you mean --max-rooms?"},
		{"-maxrooms=3", "there is no flag --maxrooms: did you mean --max-rooms?"},
		{"--queit", "there is no flag --queit: did you mean --quiet?"},
		{"--listen", "there is no flag --listen: see --help"},
		{"--max-rooms", "--max-rooms needs a value, such as --max-rooms N: see --help"},
	} {
		require.EqualError(t, set(map[string]string{}).Parse([]string{c.arg}, noVariables), c.want)
	}
}

func TestUnknownVariablesAreRefusedWithTheNearest(t *testing.T) {
	f := set(map[string]string{})
	for _, c := range []struct{ env, want string }{
		{"T_MAX_ROOM=1", "there is no setting T_MAX_ROOM: did you mean T_MAX_ROOMS?"},
		{"T_ELSE=1", "there is no setting T_ELSE: see --help"},
		{"T_MAX_ROOMS=x", ""},
		{"MAX_ROOM=1", ""},
		{"T_OTHER_THING=1", ""},
		{"T_SERVICE_HOST=10.0.0.1", ""},
		{"T_GAME_SERVICE_PORT_HTTP=80", ""},
		{"T_PORT=tcp://10.0.0.1:80", ""},
		{"T_PORT_80_TCP_ADDR=10.0.0.1", ""},
	} {
		err := f.Unknown([]string{"HOME=/", c.env}, "T_OTHER_")
		if c.want == "" {
			require.NoError(t, err, c.env)
			continue
		}
		require.EqualError(t, err, c.want)
	}
}

func TestHelpIsInGroupsAndNarrow(t *testing.T) {
	f := &flags.Set{Prefix: "T_"}
	none := func(string) error { return nil }
	f.Group("First")
	f.Add("a N", "1", "one", none)
	f.Group("Then")
	f.Add("a-name-that-is-long ADDRESS", "a default of some length", "two", none)
	f.Add("b", "", "three", none)
	require.Equal(t, `First:
  --a N  (T_A, default 1)
      one

Then:
  --a-name-that-is-long ADDRESS
      (T_A_NAME_THAT_IS_LONG, default a default of some length)
      two
  --b  (T_B, default none)
      three
`, f.Help())
}
