package host

import (
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// composed returns docker-compose.yml, its part about the server, and .env.example.
func composed(t *testing.T) (all, server, example string) {
	b, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	_, server, found := strings.Cut(string(b), "\n  server:\n")
	require.True(t, found)
	server, _, found = strings.Cut(server, "\n\n")
	require.True(t, found)
	e, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	return string(b), server, string(e)
}

func namesIn(text, pattern string) []string {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func TestComposeHandsTheServerSettingsThatItHas(t *testing.T) {
	_, server, _ := composed(t)
	has := map[string]bool{}
	for _, s := range settings(new(Config), new(slog.Level)).Flags {
		has[s.Variable] = true
	}
	names := namesIn(server, `(?m)^ +(TICKHALL_\w+):`)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, has[name], "the server has no %s", name)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(TICKHALL_\w+): \$\{(.*?):-\}$`).FindAllStringSubmatch(server, -1) {
		require.Equal(t, m[1], m[2], "a setting comes from the variable of its name")
	}
}

func TestEnvExampleTellsEveryVariableOfComposeAndItsDefault(t *testing.T) {
	all, _, example := composed(t)
	require.Equal(t, namesIn(all, `\$\{(\w+)`), namesIn(example, `(?m)^#(TICKHALL_\w+)=`))
	for _, s := range settings(new(Config), new(slog.Level)).Flags {
		if m := regexp.MustCompile(`(?m)^#` + s.Variable + `=(.*)$`).FindStringSubmatch(example); m != nil && s.Default != "" && s.Value != "" {
			require.Equal(t, s.Default, m[1], s.Variable)
		}
	}
}

func TestComposeWaitsLongerThanTheServerTakesToStop(t *testing.T) {
	_, server, _ := composed(t)
	m := regexp.MustCompile(`(?m)^ +stop_grace_period: (\w+)`).FindStringSubmatch(server)
	require.NotNil(t, m)
	wait, err := time.ParseDuration(m[1])
	require.NoError(t, err)
	require.Greater(t, wait, DefaultGrace+farewell+time.Second)
}
