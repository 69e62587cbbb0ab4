package swarm

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

type found struct {
	opcode byte
	size   int
	head   string
}

func TestMessagesAreFoundHoweverTheyArrive(t *testing.T) {
	long, longest := bytes.Repeat([]byte{7}, 300), bytes.Repeat([]byte{8}, 70_000)
	stream := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
	stream = append(stream, 0x82, 3, 0x92, 3, 9)
	stream = append(stream, 0x89, 0) // a ping
	stream = append(append(stream, 0x82, 126, 1, 44), long...)
	stream = append(append(stream, 0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70), longest...)
	stream = append(stream, 0x82, 1, 0xc0)
	want := []found{{2, 3, "\x92\x03\x09"}, {9, 0, ""}, {2, 300, string(long[:headBytes])}, {2, 70_000, string(longest[:headBytes])}, {2, 1, "\xc0"}}
	for _, step := range []int{1, 2, 3, 7, 100, 4096, len(stream)} {
		var f frames
		var got []found
		for rest := stream; len(rest) > 0; {
			n := min(step, len(rest))
			f.feed(rest[:n], func(opcode byte, size int, head []byte) { got = append(got, found{opcode, size, string(head)}) })
			rest = rest[n:]
		}
		require.Equal(t, want, got, "in pieces of %d", step)
	}
	whole := frames{keep: true}
	whole.feed(stream, func(_ byte, size int, head []byte) { require.Len(t, head, size) })
}

func TestOtherAnswersHaveNoMessages(t *testing.T) {
	var f frames
	f.feed([]byte("HTTP/1.1 200 OK\r\n\r\n\x82\x01\xc0"), func(byte, int, []byte) { t.Fail() })
	f.feed([]byte("\x82\x01\xc0"), func(byte, int, []byte) { t.Fail() })
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 \r\n\r\n\x82\x03abc"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		var a, b frames
		n, m := 0, 0
		a.feed(stream, func(_ byte, size int, _ []byte) { n += size + 1 })
		if cut < 0 || cut > len(stream) {
			cut = 0
		}
		count := func(_ byte, size int, _ []byte) { m += size + 1 }
		b.feed(stream[:cut], count)
		b.feed(stream[cut:], count)
		require.Equal(t, n, m)
	})
}

func TestKindsAreRecognised(t *testing.T) {
	require.Equal(t, protocol.KindDelta, kindOf([]byte{0x93, 3, 1}))
	require.Equal(t, protocol.KindWelcome, kindOf([]byte{0x9f, 1}))
	require.Equal(t, protocol.KindDelta, kindOf([]byte{0xdc, 0, 20, 3, 1}))
	require.Equal(t, protocol.KindDelta, kindOf([]byte{0xdd, 0, 0, 0, 20, 3, 1}))
	require.Zero(t, kindOf([]byte{0xc0}))
	require.Zero(t, kindOf(nil))
}
