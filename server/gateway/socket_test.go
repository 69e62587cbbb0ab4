package gateway

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
)

// await yields until ok, or fails the test.
func await(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			require.FailNow(t, "it never came to be")
		}
	}
}

func TestSocketTakesWhatFitsAndFlushesTheRest(t *testing.T) {
	e := newEdge(t, Config{})
	defer e.sockets()()
	c := e.connect("ticket=" + e.ticket())
	f, err := c.read()
	require.NoError(t, err)
	require.Equal(t, "welcome", string(f.payload))
	conn := e.room.connection()
	require.Equal(t, "127.0.0.1", conn.RemoteAddr())

	// Nobody reads: the kernel takes some messages whole, then one in part, then none.
	message := bytes.Repeat([]byte{7}, protocol.MaxOutbound)
	sent := 0
	for ; err == nil; sent++ {
		message[0] = byte(sent)
		err = conn.Send(message[:1], message[1:])
	}
	sent--
	require.ErrorIs(t, err, player.ErrCongested)
	require.Positive(t, sent)
	require.False(t, conn.Ready())
	conn.Close(protocol.CodeKicked, "enough", nil) // waits its turn

	for i := range sent {
		f, err := c.read()
		require.NoError(t, err)
		require.Len(t, f.payload, len(message))
		require.Equal(t, byte(i), f.payload[0])
	}
	c.listen().ended(protocol.CodeKicked)
	_ = c.Close()
	await(t, func() bool { return e.Stats().Open.Load() == 0 })
	require.Equal(t, int64(sent+1), e.Stats().MessagesOut.Load())
	require.Greater(t, e.Stats().BytesOut.Load(), int64(sent*len(message)))
}

func TestSocketBecomesReadyAgain(t *testing.T) {
	e := newEdge(t, Config{})
	defer e.sockets()()
	c := e.connect("ticket=" + e.ticket())
	_, err := c.read()
	require.NoError(t, err)
	conn := e.room.connection()
	message := bytes.Repeat([]byte{7}, protocol.MaxOutbound)
	for range 3 {
		sent := 0
		for conn.Send(message) == nil {
			sent++
		}
		for range sent {
			_, err := c.read()
			require.NoError(t, err)
		}
		await(t, conn.Ready)
	}
	_ = c.Close()
}

func TestSlowReaderOfASocketIsCutOff(t *testing.T) {
	e := newEdge(t, Config{WriteTimeout: 20 * time.Millisecond})
	defer e.sockets()()
	c := e.connect("ticket=" + e.ticket())
	_, err := c.read()
	require.NoError(t, err)
	conn := e.room.connection()
	message := bytes.Repeat([]byte{7}, protocol.MaxOutbound)
	for conn.Send(message) == nil {
	}
	await(t, func() bool { return e.Stats().Open.Load() == 0 })
	require.Equal(t, int64(1), e.Stats().Closed(protocol.CodeSlowReader))
	require.Equal(t, 1, e.room.losses())
	_ = c.Close()
}

// Room, heartbeat, reader and close at once, for the race detector.
func TestConnectionIsSafeFromAllSides(t *testing.T) {
	e := newEdge(t, Config{Heartbeat: time.Millisecond})
	defer e.sockets()()
	for range 5 {
		e.room.set(func(r *fakeRoom) { r.conn = nil })
		c := e.connect("ticket=" + e.ticket()).listen()
		await(t, func() bool { return e.room.connection() != nil })
		conn := e.room.connection()
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 300 {
				_ = conn.Send([]byte("a"), []byte("b"))
			}
		})
		wg.Go(func() {
			for range 100 {
				c.write(9, nil)
				c.write(2, protocol.AppendTime(nil, 1))
			}
		})
		wg.Go(func() {
			for range 300 {
				conn.Ready()
				conn.(*Conn).RTT()
				conn.(*Conn).Ping([]byte("12345678"))
			}
			conn.Close(protocol.CodeKicked, "bye", nil)
		})
		wg.Wait()
		c.ended(protocol.CodeKicked)
		_ = c.Close()
	}
	await(t, func() bool { return e.Stats().Open.Load() == 0 })
	require.Equal(t, int64(5), e.Stats().Closed(protocol.CodeKicked))
}

func TestTLSWritesByTheFlusher(t *testing.T) {
	e := newEdge(t, Config{})
	s := httptest.NewUnstartedServer(nil) // for its certificate
	s.StartTLS()
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer e.serve(tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates}), func() net.Conn {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		return c
	})()
	c := e.connect("ticket=" + e.ticket())
	await(t, func() bool { return e.room.connection() != nil })
	conn := e.room.connection()
	for range 20 {
		await(t, conn.Ready)
		require.NoError(t, conn.Send(bytes.Repeat([]byte("x"), 50_000)))
	}
	conn.Close(protocol.CodeKicked, "bye", nil)
	c.listen().ended(protocol.CodeKicked)
	_ = c.Close()
}

// maxGwsAllocs is what gws allocates for a message; ours is 0.
const maxGwsAllocs = 1.0

// pair is two sockets that are connected.
func pair(t testing.TB) (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	return a, b
}

func TestWriteDoesNotAllocate(t *testing.T) {
	raw, other := pair(t)
	cfg := Config{}.withDefaults()
	c := newNetConn(raw, &cfg, cfg.Stats)
	p, got := make([]byte, 600), make([]byte, 600)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if _, err := c.Write(p); err != nil {
			panic(err)
		}
		if _, err := io.ReadFull(other, got); err != nil {
			panic(err)
		}
	}))
}

func TestSendAllocatesNoMoreThanGws(t *testing.T) {
	e := newEdge(t, Config{})
	defer e.sockets()()
	c := e.connect("ticket=" + e.ticket())
	await(t, func() bool { return e.room.connection() != nil })
	conn := e.room.connection()
	_, err := c.read()
	require.NoError(t, err)
	parts, got := [][]byte{make([]byte, 10), make([]byte, 580), make([]byte, 10)}, make([]byte, 604)
	n := testing.AllocsPerRun(500, func() {
		if err := conn.Send(parts...); err != nil {
			panic(err)
		}
		if _, err := io.ReadFull(c.br, got); err != nil {
			panic(err)
		}
	})
	t.Logf("gws allocates %v times per message", n)
	require.LessOrEqual(t, n, maxGwsAllocs)
	_ = c.Close()
}

// BenchmarkSend is the time of a write and of reading it at the other end, in the same goroutine, 16
// at a time.
func BenchmarkSend(b *testing.B) {
	raw, rawOther := pair(b)
	ours, ourOther := pair(b)
	cfg := Config{}.withDefaults()
	c := newNetConn(ours, &cfg, cfg.Stats)
	e := newEdge(b, Config{})
	defer e.sockets()()
	cl := e.connect("ticket=" + e.ticket())
	await(b, func() bool { return e.room.connection() != nil })
	conn := e.room.connection()
	_, err := cl.read()
	require.NoError(b, err)
	p := make([]byte, 604)
	parts := [][]byte{p[:10], p[10:590], p[590:600]}
	for _, v := range []struct {
		name  string
		other net.Conn
		write func() error
	}{
		{"net.Conn", rawOther, func() error { _, err := raw.Write(p); return err }},
		{"netConn", ourOther, func() error { _, err := c.Write(p); return err }},
		{"Conn", cl.Conn, func() error { return conn.Send(parts...) }},
	} {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			got := make([]byte, 16*len(p))
			for b.Loop() {
				for range 16 {
					if err := v.write(); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := io.ReadFull(v.other, got); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/message")
		})
	}
	_ = cl.Close()
}

// BenchmarkIdleConnection reports what a joined connection on which nothing happens holds in memory,
// the session included, but no room; and, in the same process, a client's bare socket.
func BenchmarkIdleConnection(b *testing.B) {
	const n = 1000
	e := newEdge(b, Config{})
	defer e.sockets()()
	clients := make([]net.Conn, 0, n)
	e.room.forget = true // the room keeps none of the sessions but by their connections
	inUse := func() (heap, stack uint64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.StackInuse
	}
	for b.Loop() {
		heap, stack := inUse()
		for range n {
			c := e.resume("r1.secret", "")
			_, err := c.read()
			require.NoError(b, err)
			clients = append(clients, c.Conn)
		}
		heap2, stack2 := inUse()
		b.ReportMetric(float64(heap2-heap)/n, "heap-B/conn")
		b.ReportMetric(float64(stack2-stack)/n, "stack-B/conn")
		for _, c := range clients {
			_ = c.Close()
		}
		clients = clients[:0]
		await(b, func() bool { return e.Stats().Open.Load() == 0 })
	}
}
