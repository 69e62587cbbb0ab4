package room

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBacklogSendsEachOnceAndAgainAfterAResume(t *testing.T) {
	var b backlog
	b.add([]byte("one"))
	b.add([]byte("two"))
	require.Equal(t, "onetwo", string(b.appendUnsent(nil, 5)))
	require.Empty(t, b.appendUnsent(nil, 6), "nothing is sent twice on one connection")
	b.add([]byte("three"))
	require.Equal(t, "three", string(b.appendUnsent(nil, 7)))

	b.rewind(5) // the client processed tick 5, the message of tick 7 was lost
	require.Equal(t, "three", string(b.appendUnsent(nil, 9)))
	b.ack(9)
	require.Empty(t, b.items)
	require.Empty(t, b.bytes)
}

func TestBacklogIsBounded(t *testing.T) {
	for _, test := range []struct {
		name  string
		array []byte
		fits  int
	}{
		{"in count", []byte{1}, maxBacklogItems},
		{"in bytes", make([]byte, maxBacklogBytes/4), 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b backlog
			for range test.fits {
				b.add(test.array)
				require.False(t, b.full)
			}
			b.add(test.array)
			require.True(t, b.full)
			require.Len(t, b.items, test.fits)
		})
	}
}

func TestAMessageThatDidNotLeaveIsTakenBackAlone(t *testing.T) {
	var b backlog
	b.add([]byte("one"))
	require.Equal(t, "one", string(b.appendUnsent(nil, 5)))
	b.add([]byte("two"))
	require.Equal(t, "two", string(b.appendUnsent(nil, 6)))
	b.unsend(6)
	b.add([]byte("three"))
	require.Equal(t, "twothree", string(b.appendUnsent(nil, 7)), "the client has one, acknowledged or not")
}
