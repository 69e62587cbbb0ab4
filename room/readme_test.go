package room_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheReadmesFirstGameIsTheOneThatIsTested(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("first_test.go")
	require.NoError(t, err)
	_, game, _ := strings.Cut(string(source), "// Move is")
	game, _, _ = strings.Cut(game, "// A first game")
	require.True(t, strings.Contains(string(readme), "```go\n// Move is"+strings.TrimRight(game, "\n")+"\n```"), "the README shows another game")
	code := 0
	for line := range strings.Lines(game) {
		if s := strings.TrimSpace(line); s != "" && !strings.HasPrefix(s, "//") {
			code++
		}
	}
	require.LessOrEqual(t, code, 40, "lines of code")
}
