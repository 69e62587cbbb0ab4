package swarm

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// adopted is a connection in a poller's care, and its other end.
func adopted(t *testing.T) (near, far net.Conn) {
	w := new(swarm)
	t.Cleanup(w.poll())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	plain, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	near = w.poller.adopt(plain)
	require.IsType(t, (*polled)(nil), near)
	_, err = plain.Write([]byte{1})
	require.ErrorIs(t, err, net.ErrClosed, "it is the poller's")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestPolledConnectionCarriesAll(t *testing.T) {
	near, far := adopted(t)
	require.Equal(t, far.RemoteAddr(), near.LocalAddr())
	require.Equal(t, far.LocalAddr(), near.RemoteAddr())
	sent := make([]byte, 4<<20) // more than the kernel keeps
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	var echo sync.WaitGroup
	echo.Go(func() {
		_, _ = io.Copy(far, far)
		_ = far.Close()
	})
	echo.Go(func() { _, _ = near.Write(sent) })
	got := make([]byte, len(sent))
	_, err := io.ReadFull(near, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, far.(*net.TCPConn).CloseRead())
	echo.Wait()
	_, err = near.Read(got)
	require.ErrorIs(t, err, io.EOF)
}

func TestPolledConnectionEnds(t *testing.T) {
	t.Run("a read by Close", func(t *testing.T) {
		near, _ := adopted(t)
		var reading sync.WaitGroup
		reading.Go(func() {
			_, err := near.Read(make([]byte, 1))
			require.ErrorIs(t, err, net.ErrClosed)
		})
		require.NoError(t, near.Close())
		reading.Wait()
		_, err := near.Write([]byte{1})
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, near.Close(), net.ErrClosed)
	})
	t.Run("a read by its deadline", func(t *testing.T) {
		near, far := adopted(t)
		require.NoError(t, near.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := near.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, near.SetReadDeadline(time.Time{}))
		_, err = far.Write([]byte{7})
		require.NoError(t, err)
		b := make([]byte, 1)
		_, err = near.Read(b)
		require.NoError(t, err)
		require.Equal(t, []byte{7}, b)
	})
	t.Run("a write by its deadline", func(t *testing.T) {
		near, _ := adopted(t)
		require.NoError(t, near.SetDeadline(time.Now().Add(10*time.Millisecond)))
		n, err := near.Write(make([]byte, 64<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Positive(t, n)
	})
	t.Run("what was closed while it was dealt with", func(t *testing.T) {
		near, far := adopted(t)
		require.NoError(t, far.Close())
		_, err := near.Read(make([]byte, 1))
		require.Error(t, err)
	})
}

func TestPollerLeavesOthersAlone(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	p := newPoller()
	require.Same(t, a, p.adopt(a))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.run(ctx)
	require.Same(t, a, (*poller)(nil).adopt(a))
}
