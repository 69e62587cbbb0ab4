package gateway

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
)

func jsonUnmarshal(s string, v any) error { return json.Unmarshal([]byte(s), v) }

func TestLimiterHoldsEachAddressToItsShare(t *testing.T) {
	l := newLimiter(Limit{PerSecond: 0.5, Burst: 3}, 10)
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range 3 {
		_, ok := l.allow(now, a)
		require.True(t, ok)
	}
	wait, ok := l.allow(now, a)
	require.False(t, ok)
	require.Equal(t, 2*time.Second, wait)
	_, ok = l.allow(now, b)
	require.True(t, ok, "another address")
	_, ok = l.allow(now, netip.MustParseAddr("::ffff:192.0.2.1"))
	require.False(t, ok, "the same, written otherwise")
	_, ok = l.allow(now.Add(2*time.Second), a)
	require.True(t, ok, "after the wait")
}

func TestLimiterTakesAnIPv6NetworkForOneAddress(t *testing.T) {
	l := newLimiter(Limit{PerSecond: 1, Burst: 1}, 10)
	now := time.Now()
	_, ok := l.allow(now, netip.MustParseAddr("2001:db8:0:1::1"))
	require.True(t, ok)
	_, ok = l.allow(now, netip.MustParseAddr("2001:db8:0:1:ffff::2"))
	require.False(t, ok)
	_, ok = l.allow(now, netip.MustParseAddr("2001:db8:0:2::1"))
	require.True(t, ok)
}

func TestLimiterLetsLoopbackAndTheUnlimitedThrough(t *testing.T) {
	one, none := newLimiter(Limit{PerSecond: 1, Burst: 1}, 10), newLimiter(Limit{PerSecond: -1, Burst: 1}, 10)
	for range 100 {
		for _, s := range []string{"127.0.0.1", "::1"} {
			_, ok := one.allow(time.Now(), netip.MustParseAddr(s))
			require.True(t, ok)
		}
		_, ok := none.allow(time.Now(), netip.MustParseAddr("192.0.2.1"))
		require.True(t, ok)
	}
}

func TestLimiterIsBoundedUnderAFloodOfAddresses(t *testing.T) {
	l := newLimiter(Limit{PerSecond: 0.001, Burst: 1}, 100)
	now := time.Now()
	heavy := netip.MustParseAddr("203.0.113.1")
	_, ok := l.allow(now, heavy)
	require.True(t, ok)
	for i := range 10_000 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 10<<24+uint32(i))
		_, ok = l.allow(now, netip.AddrFrom4(b))
		require.True(t, ok)
		if i%50 == 0 {
			_, ok = l.allow(now, heavy)
			require.False(t, ok, "whoever keeps coming is not forgotten")
		}
	}
	require.Len(t, l.places, 100)
	require.Equal(t, 100, l.order.Len())
}

func TestLimitsSpareThisMachineAlone(t *testing.T) {
	for _, c := range []struct {
		name, remote, header, forwarded string
		trusted                         []netip.Prefix
		limited                         bool
	}{
		{"a client on this machine", "127.0.0.1:5", "", "", nil, false},
		{"a client of elsewhere", "192.0.2.1:5", "", "", nil, true},
		{"no address at all", "@", "", "", nil, true},
		{"a proxy on this machine that is not trusted", "127.0.0.1:5", "X-Forwarded-For", "127.0.0.1", nil, true},
		{"one that names itself only", "[::1]:5", "Via", "1.1 x", nil, true},
		{"a trusted one whose header can't be read", "127.0.0.1:5", "X-Forwarded-For", "127.0.0.1, x", loopback, true},
		{"a trusted one that forwards for this machine", "127.0.0.1:5", "X-Forwarded-For", "127.0.0.1", loopback, true},
		{"a trusted one that does not say for whom", "127.0.0.1:5", "X-Forwarded-Proto", "https", loopback, true},
		{"a trusted one that asks for itself", "127.0.0.1:5", "", "", loopback, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEdge(t, Config{TrustProxies: c.trusted, Matches: Limit{PerSecond: 1, Burst: 1}, Log: slog.New(slog.DiscardHandler)})
			status := 0
			for range 2 {
				r := post(`{"kind":"arena"}`)
				r.RemoteAddr = c.remote
				if c.header != "" {
					r.Header.Set(c.header, c.forwarded)
				}
				status, _, _, _ = e.do(r)
				by := quota.Holder{Addr: e.clientAddr(r)}
				require.NotEqual(t, quota.Holder{}, by, "what nobody holds is not limited")
				require.Equal(t, c.limited, !by.Addr.IsLoopback())
			}
			require.Equal(t, c.limited, status == http.StatusTooManyRequests, status)
		})
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestProxyOnThisMachineThatIsNotTrustedIsToldOfOnce(t *testing.T) {
	for _, c := range []struct {
		name, remote, forwarded string
		trusted                 []netip.Prefix
		warnings                int
	}{
		{"not trusted", "127.0.0.1:5", "203.0.113.9", nil, 1},
		{"trusted", "127.0.0.1:5", "203.0.113.9", loopback, 0},
		{"trusted, with a broken header", "127.0.0.1:5", "x", loopback, 0},
		{"none", "127.0.0.1:5", "", nil, 0},
		{"somebody's header", "192.0.2.1:5", "203.0.113.9", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := new(bytes.Buffer)
			e := newEdge(t, Config{TrustProxies: c.trusted, Log: slog.New(slog.NewTextHandler(log, nil))})
			for range 3 {
				r := post(`{"kind":"arena"}`)
				r.RemoteAddr = c.remote
				if c.forwarded != "" {
					r.Header.Set("X-Forwarded-For", c.forwarded)
				}
				e.do(r)
			}
			require.Equal(t, c.warnings, strings.Count(log.String(), "--trust-proxy"))
		})
	}
}
