package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFaultsAreLoggedOncePerKindAndMinute(t *testing.T) {
	var f faults
	now := time.Unix(1e9, 0)
	log, more := f.note(now, `field "dx" wants an int8, not 300`)
	require.True(t, log)
	require.Zero(t, more)
	for i := range 5 {
		log, _ = f.note(now.Add(time.Second), fmt.Sprintf(`field "dy%d" wants an int8, not -%d`, i, i))
		require.False(t, log, "it differs in what the client chose only")
	}
	log, _ = f.note(now.Add(time.Second), "text frames are not allowed")
	require.True(t, log, "another kind")
	log, more = f.note(now.Add(faultEvery), `field "dx" wants an int8, not 1`)
	require.True(t, log)
	require.Equal(t, 5, more)

	for i := range 10 * faultKinds {
		f.note(now, fmt.Sprintf("fault %c%c", 'a'+i%26, 'a'+i/26))
	}
	require.LessOrEqual(t, len(f.seen), faultKinds)
	log, _ = f.note(now.Add(2*faultEvery), "something new")
	require.True(t, log, "old kinds make room for new ones")
}
