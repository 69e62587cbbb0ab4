package protocol_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// section returns what stands in the specification below a heading, up to the next one of that level.
func section(t *testing.T, heading string) string {
	b, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(b), "\n"+heading+"\n")
	require.True(t, found, heading)
	level, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+level+" ")
	return text
}

func TestTheSpecificationHasAllRefusals(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "http.go", nil, 0)
	require.NoError(t, err)
	table, n := section(t, "### Refusals"), 0
	ast.Inspect(file, func(node ast.Node) bool {
		v, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Err") {
			return true
		}
		code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Regexp(t, "(?m)^\\| [0-9, ]+ \\|.*`"+code+"`", table)
		n++
		return true
	})
	require.Greater(t, n, 20)
}

func TestTheSpecificationHasAllCloseCodes(t *testing.T) {
	text := section(t, "## Close codes")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (4\d)00-4\d99 \| (\w+) \| (.*) \|$`).FindAllStringSubmatch(text, -1) {
		for _, code := range regexp.MustCompile(`\b4\d{3}\b`).FindAllString(row[3], -1) {
			n, err := strconv.Atoi(code)
			require.NoError(t, err)
			require.Equal(t, row[2], string(protocol.Code(n).Advice()), code)
			listed[code] = true
		}
	}
	for c := protocol.Code(4000); c < 4300; c++ {
		known := !strings.HasPrefix(c.String(), "code_")
		require.Equal(t, known, listed[strconv.Itoa(int(c))], "code %d, which is called %s", uint16(c), c)
	}
}

func TestTheSpecificationsLimitsAreThoseOfTheCode(t *testing.T) {
	text := section(t, "## Limits")
	for what, n := range map[string]int{
		"a WebSocket message | %s | 1009 |":                               protocol.MaxInbound,
		"a WebSocket message | %s |\n":                                    protocol.MaxOutbound,
		"levels of arrays and maps | %s | 4200 |":                         wire.MaxInboundDepth,
		"levels of arrays and maps | %s |\n":                              wire.MaxOutboundDepth,
		"inputs in one INPUT | %s | 4200 |":                               protocol.MaxInputs,
		"an input's number | %s above the newest received |":              protocol.MaxSeqJump,
		"a MESSAGE's `name` | %s |":                                       protocol.MaxName,
		"the body of an EVENT or a REPLY, a BYE's result | %s (60 KiB) |": protocol.MaxBody,
		"an EVENT's `name`, an ERROR's `code` | %s |":                     protocol.MaxName,
		"an ERROR's `message`, a BYE's `reason` | %s |":                   protocol.MaxText,
		"the reason in a close frame | %s |":                              protocol.MaxReason,
		"ticks per second | 128; a client need not take more than %s |":   state.MaxRate,
		"tables | %s |":                                               state.MaxTables,
		"fields of a table | %s shared ones":                          state.MaxShared,
		"shared ones and %s owner fields |":                           state.MaxOwner,
		"the name of a table or a field | %s |":                       state.MaxName,
		"a string field | %s |":                                       state.MaxString,
		"all parts of a KEY together | %s (4 MiB)":                    state.MaxKey,
		"all parts of a KEY together | 4,194,304 (4 MiB), %s parts |": state.MaxParts,
	} {
		require.Contains(t, text, fmt.Sprintf(what, thousands(n)))
	}
}

// thousands writes n with a comma between each three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
