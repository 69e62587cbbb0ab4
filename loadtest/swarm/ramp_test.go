package swarm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// limit searches where up to most are good.
func limit(s search, good int) (tried []int, best int) {
	for n := s.next(); n > 0; n = s.next() {
		tried = append(tried, n)
		s.tried(n, n <= good)
	}
	return tried, s.good
}

func TestSearchDoublesThenHalves(t *testing.T) {
	tried, best := limit(search{from: 4, most: 1000}, 37)
	require.Equal(t, []int{4, 8, 16, 32, 64, 48, 40, 36, 38}, tried)
	require.Equal(t, 36, best)
}

func TestSearchGoesDownWhenTheFirstIsTooMuch(t *testing.T) {
	tried, best := limit(search{from: 16, most: 1000}, 3)
	require.Equal(t, []int{16, 8, 4, 2, 3}, tried)
	require.Equal(t, 3, best)
}

func TestSearchEnds(t *testing.T) {
	for good := range 130 {
		for _, from := range []int{1, 4, 7, 200} {
			tried, best := limit(search{from: from, most: 100}, good)
			require.LessOrEqual(t, len(tried), 16, "%d from %d", good, from)
			require.LessOrEqual(t, best, min(good, 100))
			require.GreaterOrEqual(t, best+max(1, best/10), min(good, 100), "%d from %d", good, from)
		}
	}
}
