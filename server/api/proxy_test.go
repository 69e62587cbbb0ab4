package api

import (
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientAddrBelievesProxiesAlone(t *testing.T) {
	const unknown = "invalid IP"
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		trusted      string
		want         string
	}{
		{"the connection's", "192.0.2.1:5", nil, "", "192.0.2.1"},
		{"mapped", "[::ffff:192.0.2.1]:5", nil, "", "192.0.2.1"},
		{"this machine's", "127.0.0.1:5", nil, "", "127.0.0.1"},
		{"this machine's, which is trusted too", "127.0.0.1:5", nil, "127.0.0.1", "127.0.0.1"},
		{"none", "pipe", nil, "", unknown},
		{"a header that anybody can write", "192.0.2.1:5", []string{"198.51.100.1"}, "", "192.0.2.1"},
		{"of somebody outside the trusted network", "192.0.2.1:5", []string{"198.51.100.1"}, "10.0.0.0/8", "192.0.2.1"},
		{"a proxy on this machine that is not trusted", "127.0.0.1:5", []string{"198.51.100.1"}, "", unknown},
		{"a proxy's word", "10.0.0.1:5", []string{"198.51.100.1"}, "10.0.0.1", "198.51.100.1"},
		{"a network's", "10.9.9.9:5", []string{"198.51.100.1"}, "192.168.0.0/16, 10.0.0.0/8", "198.51.100.1"},
		{"a network written by one of its addresses", "10.9.9.9:5", []string{"198.51.100.1"}, "10.1.2.3/8", "198.51.100.1"},
		{"a mapped network", "10.9.9.9:5", []string{"198.51.100.1"}, "::ffff:10.0.0.0/104", "198.51.100.1"},
		{"a mapped peer", "[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "10.0.0.1", "198.51.100.1"},
		{"what the client made up comes first", "10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "10.0.0.1", "198.51.100.1"},
		{"past several proxies", "10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1, 10.0.0.3, 10.0.0.2"}, "10.0.0.0/8", "198.51.100.1"},
		{"over several headers", "10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1", "10.0.0.3", "10.0.0.2"}, "10.0.0.0/8", "198.51.100.1"},
		{"not past one that is not trusted", "10.0.0.1:5", []string{"203.0.113.9, 172.16.0.1, 10.0.0.2"}, "10.0.0.0/8", "172.16.0.1"},
		{"proxies alone", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.0/8", "10.0.0.3"},
		{"with a port", "10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1:4711"}, "10.0.0.1", "198.51.100.1"},
		{"version 6", "10.0.0.1:5", []string{"2001:db8::1"}, "10.0.0.1", "2001:db8::1"},
		{"version 6 with a port", "10.0.0.1:5", []string{"[2001:db8::1]:4711"}, "10.0.0.1", "2001:db8::1"},
		{"version 6 in brackets", "10.0.0.1:5", []string{"[2001:db8::1]"}, "10.0.0.1", "2001:db8::1"},
		{"with a zone", "[fe80::1%eth0]:5", nil, "", "fe80::1"},

		// What tells nothing is no proxy's address, which may be exempt, and no loopback.
		{"nonsense", "10.0.0.1:5", []string{"nobody"}, "10.0.0.1", unknown},
		{"nonsense from this machine", "127.0.0.1:5", []string{"nobody"}, "127.0.0.1", unknown},
		{"nonsense behind a proxy", "10.0.0.1:5", []string{"198.51.100.1, x, 10.0.0.2"}, "10.0.0.0/8", unknown},
		{"an empty element", "10.0.0.1:5", []string{"198.51.100.1,"}, "10.0.0.1", unknown},
		{"an empty header", "127.0.0.1:5", []string{""}, "127.0.0.1", unknown},
		{"one too long an address", "127.0.0.1:5", []string{strings.Repeat("1", 10_000)}, "127.0.0.1", unknown},
		{"unknown, in words", "127.0.0.1:5", []string{"unknown"}, "127.0.0.1", unknown},
		{"leading zeros", "10.0.0.1:5", []string{"198.051.100.001"}, "10.0.0.1", unknown},
		{"unspecified", "10.0.0.1:5", []string{"0.0.0.0"}, "10.0.0.1", unknown},
		{"a loopback that a client made up", "10.0.0.1:5", []string{"127.0.0.1"}, "10.0.0.1", unknown},
		{"a loopback behind the proxy on this machine", "127.0.0.1:5", []string{"127.0.0.1"}, "127.0.0.0/8", unknown},
		{"a mapped loopback", "10.0.0.1:5", []string{"::ffff:127.0.0.1"}, "10.0.0.1", unknown},
		{"a loopback of version 6", "127.0.0.1:5", []string{"::1"}, "127.0.0.1", unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParseProxies(c.trusted)
			require.NoError(t, err)
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			if c.forwarded != nil {
				r.Header["X-Forwarded-For"] = c.forwarded
			}
			require.Equal(t, c.want, p.ClientAddr(r).String())
		})
	}
}

func TestProxyThatDoesNotSayForWhomTellsNothing(t *testing.T) {
	for _, name := range []string{"Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host", "CF-Connecting-IP"} {
		for _, remote := range []string{"127.0.0.1:5", "[::1]:5", "10.0.0.1:5"} {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = remote
			r.Header.Set(name, "127.0.0.1")
			p, err := ParseProxies("127.0.0.1,::1,10.0.0.1")
			require.NoError(t, err)
			require.False(t, p.ClientAddr(r).IsValid(), "%s from %s", name, remote)
			require.False(t, Proxies(nil).ClientAddr(r).IsLoopback(), "%s from %s", name, remote)
		}
	}
}

func TestProxiesAreAddressesAndNetworks(t *testing.T) {
	for list, want := range map[string]string{
		"": "[]", " , ": "[]", "127.0.0.1": "[127.0.0.1/32]", "::1, 10.0.0.0/8 ,": "[::1/128 10.0.0.0/8]", "fe80::1%eth0": "[fe80::1/128]",
	} {
		p, err := ParseProxies(list)
		require.NoError(t, err, list)
		require.Equal(t, want, fmt.Sprint(p), list)
	}
	for list, says := range map[string]string{
		"true": `"true" is none`, "false": "such as 127.0.0.1,10.0.0.0/8", "10.0.0.0/33": "is none", "proxy.example": "is none", "*": "is none",
		"0.0.0.0/0": "is everybody", "10.0.0.1,::/0": "is everybody",
	} {
		_, err := ParseProxies(list)
		require.ErrorContains(t, err, says, list)
	}
	require.Error(t, Proxies{{}}.Validate())
}

func TestSchemeIsTheClients(t *testing.T) {
	p, err := ParseProxies("10.0.0.1")
	require.NoError(t, err)
	for _, c := range []struct {
		name, remote, proto string
		tls                 bool
		want                string
	}{
		{"plain", "192.0.2.1:5", "", false, "http"},
		{"by TLS", "192.0.2.1:5", "", true, "https"},
		{"by TLS, whatever is said", "192.0.2.1:5", "http", true, "https"},
		{"a header that anybody can write", "192.0.2.1:5", "https", false, "http"},
		{"a proxy's word", "10.0.0.1:5", "HTTPS", false, "https"},
		{"the first proxy's", "10.0.0.1:5", "https, http", false, "https"},
		{"a proxy that says plain", "10.0.0.1:5", "http", false, "http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			if c.tls {
				r.TLS = new(tls.ConnectionState)
			}
			require.Equal(t, c.want, p.Scheme(r))
		})
	}
}

// FuzzClientAddr: no header makes a client of elsewhere one of this machine.
func FuzzClientAddr(f *testing.F) {
	f.Add("127.0.0.1", "::1")
	f.Add("198.51.100.1, 10.0.0.2", "[::1]:7")
	f.Add("::ffff:7f00:1", ",")
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, trusted := range []string{"", "10.0.0.0/8", "127.0.0.0/8,::1,10.0.0.0/8"} {
			p, err := ParseProxies(trusted)
			require.NoError(t, err)
			for _, remote := range []string{"127.0.0.1:5", "10.0.0.1:5", "[::1]:5"} {
				r := httptest.NewRequest("GET", "/", nil)
				r.RemoteAddr = remote
				r.Header["X-Forwarded-For"] = []string{first, second}
				require.False(t, p.ClientAddr(r).IsLoopback())
			}
		}
	})
}
