package host

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
)

// farConn is a connection that comes from somewhere.
type farConn struct {
	net.Conn
	from netip.AddrPort
}

func (c *farConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }
func (c *farConn) Close() error         { return nil }

func TestOneAddressHasAShareOfTheSockets(t *testing.T) {
	var upgraded atomic.Int64
	s := newSockets(100, &upgraded, slog.New(slog.DiscardHandler))
	refused := 0
	s.share([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, func(e *quota.Error) {
		require.Equal(t, "sockets", e.What)
		refused++
	})
	var open []net.Conn
	admit := func(addr string) bool {
		c := &farConn{from: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}
		if !s.admit(c, false) {
			return false
		}
		s.count(c, http.StateNew)
		open = append(open, c)
		return true
	}
	for range 25 {
		require.True(t, admit("192.0.2.1"))
	}
	for range 10 {
		require.False(t, admit("192.0.2.1"))
	}
	require.Equal(t, 10, refused)
	require.True(t, admit("192.0.2.2"), "others are let in")
	s.count(open[0], http.StateHijacked) // a WebSocket counts as a connection of its player
	s.count(open[1], http.StateClosed)
	require.True(t, admit("192.0.2.1"))
	require.True(t, admit("192.0.2.1"))
	require.False(t, admit("192.0.2.1"))
	for range 40 {
		require.True(t, admit("10.1.2.3"), "a proxy brings many players")
	}
}
