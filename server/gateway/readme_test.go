package gateway

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSpecificationTellsTheStatusOfEachRefusal(t *testing.T) {
	text, err := os.ReadFile("../../protocol/README.md")
	require.NoError(t, err)
	for _, r := range refusals {
		if r.code == refusedByGame {
			continue
		}
		require.Regexp(t, fmt.Sprintf("(?m)^\\| (\\d+, )?%d(, \\d+)? \\|[^|]*`%s`", r.status, r.code), string(text))
	}
}
