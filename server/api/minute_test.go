package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMinuteIsNeverTooEarly(t *testing.T) {
	for at, want := range map[string]string{
		"2026-11-28T04:42:00Z":      "2026-11-28 04:42 UTC",
		"2026-11-28T04:42:00.001Z":  "2026-11-28 04:43 UTC",
		"2026-11-28T04:59:59Z":      "2026-11-28 05:00 UTC",
		"2026-11-28T01:10:30+02:00": "2026-11-27 23:11 UTC",
	} {
		moment, err := time.Parse(time.RFC3339Nano, at)
		require.NoError(t, err)
		require.Equal(t, want, Minute(moment), at)
	}
}
