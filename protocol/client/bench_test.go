package client

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

// treadmill is a connection that upgrades, greets, and then sends n times a DELTA in which nothing
// happened. What is written to it is dropped.
type treadmill struct {
	net.Conn
	out   bytes.Buffer
	tick  uint32
	n     int
	frame [12]byte
}

func (c *treadmill) Write(b []byte) (int, error) {
	if c.out.Len() == 0 && c.tick == 0 {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return 0, err
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		c.out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: " +
			protocol.Subprotocol + "\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
		_, welcome, key, _, _ := newFeed()
		for _, m := range [][]byte{welcome, key} {
			c.out.Write([]byte{0x82, 126, byte(len(m) >> 8), byte(len(m))})
			c.out.Write(m)
		}
		c.tick = 1
	}
	return len(b), nil
}

func (c *treadmill) Read(b []byte) (int, error) {
	if c.out.Len() > 0 {
		return c.out.Read(b)
	}
	if c.n == 0 {
		return 0, io.EOF
	}
	c.n--
	c.tick++
	frame := append(c.frame[:0], 0x82, 8, 0x93, 3, 0xce)
	frame = append(binary.BigEndian.AppendUint32(frame, c.tick), 1)
	return copy(b, frame), nil
}

func (c *treadmill) SetDeadline(time.Time) error      { return nil }
func (c *treadmill) SetReadDeadline(time.Time) error  { return nil }
func (c *treadmill) SetWriteDeadline(time.Time) error { return nil }
func (c *treadmill) Close() error                     { return nil }

// BenchmarkSnapshot reads a DELTA of 100 ships that follow their prediction and writes the
// acknowledgement, gws included.
func BenchmarkSnapshot(b *testing.B) {
	b.ReportAllocs()
	r := New(Config{URL: "http://fake", Kind: "arena"})
	Bind[ship](r, "ship")
	f := &feed{room: r, link: &link{Conn: &treadmill{n: b.N}, counters: &r.counters, shaking: true, budget: maxHandshake}}
	u, _ := url.Parse("ws://fake/v1/connect")
	require.NoError(b, f.handshake(u, protocol.Subprotocol))
	b.ResetTimer()
	require.ErrorIs(b, f.run(), io.EOF)
	require.EqualValues(b, b.N+1, r.Stats().Snapshots)
}
