package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOriginIsComparedAsBrowsersMeanIt(t *testing.T) {
	for _, c := range []struct {
		name, host, origin string
		cfg                Config
		forwardedHost      string
		ok                 bool
	}{
		{name: "of the host itself", host: "play.test:8080", origin: "http://play.test:8080", ok: true},
		{name: "in capitals", host: "PLAY.test", origin: "HTTPS://play.TEST", ok: true},
		{name: "the port of HTTPS in the host", host: "play.test:443", origin: "https://play.test", ok: true},
		{name: "the port of HTTPS in the origin", host: "play.test", origin: "https://play.test:443", ok: true},
		{name: "the port of HTTP", host: "play.test:80", origin: "http://play.test", ok: true},
		{name: "the port of another scheme", host: "play.test:443", origin: "http://play.test"},
		{name: "an address of version 6", host: "[::1]:80", origin: "http://[::1]", ok: true},
		{name: "another port", host: "play.test", origin: "https://play.test:8443"},
		{name: "another host", host: "play.test", origin: "https://evil.test"},
		{name: "a host that ends alike", host: "play.test", origin: "https://evilplay.test"},
		{name: "no origin", host: "play.test", origin: "play.test"},
		{name: "an origin with a path", host: "play.test", origin: "https://play.test/x"},
		{name: "an origin with a user", host: "play.test", origin: "https://evil@play.test"},
		{name: "nobody's", host: "play.test", origin: "null"},
		{name: "listed", host: "10.0.0.9:8080", origin: "https://play.test", cfg: Config{Origins: []string{"https://play.test"}}, ok: true},
		{name: "listed with the scheme's port", host: "x", origin: "https://play.test", cfg: Config{Origins: []string{"https://play.test:443"}}, ok: true},
		{name: "named with the scheme's port", host: "x", origin: "https://play.test:443", cfg: Config{Origins: []string{"https://PLAY.test"}}, ok: true},
		{name: "listed with another", host: "x", origin: "https://play.test:8443", cfg: Config{Origins: []string{"https://play.test"}}},
		{name: "of the public address", host: "10.0.0.9:8080", origin: "https://play.test", cfg: Config{PublicURL: "https://play.test/games"}, ok: true},
		{name: "of the public address, with its port", host: "x", origin: "https://play.test", cfg: Config{PublicURL: "https://play.test:443"}, ok: true},
		{name: "as a trusted proxy was called", host: "x", origin: "https://play.test", forwardedHost: "play.test, y",
			cfg: Config{TrustProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, ok: true},
		{name: "as another proxy was called", host: "x", origin: "https://play.test", forwardedHost: "play.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Log = slog.New(slog.DiscardHandler)
			e := newEdge(t, c.cfg)
			r := post(`{"kind":"arena"}`)
			r.Host = c.host
			r.Header.Set("Origin", c.origin)
			if c.forwardedHost != "" {
				r.Header.Set("X-Forwarded-Host", c.forwardedHost)
			}
			status, he, _, _ := e.do(r)
			if c.ok {
				require.Equal(t, http.StatusOK, status, he.Message)
				return
			}
			require.Equal(t, http.StatusForbidden, status)
			require.Contains(t, he.Message, fmt.Sprintf("%q", c.origin))
			require.Contains(t, he.Message, fmt.Sprintf("%q", c.host), "the message names what was compared")
		})
	}
}

func TestOriginsThatCanNeverMatchAreFaults(t *testing.T) {
	for s, says := range map[string]string{
		"play.test":                "with its scheme",
		"https://*.play.test":      "a * stands for every origin, alone",
		"*.play.test":              "with its scheme",
		"https://play.test/":       "no / at its end",
		"https://play.test/games":  "has no path",
		"https://play.test?x":      "has no path",
		"https://play.test:":       "number from 1 to 65535",
		"https://play.test:0":      "number from 1 to 65535",
		"https://play.test:0443":   "number from 1 to 65535",
		"https://play.test:70000":  "number from 1 to 65535",
		"https://play.test:http":   "https://play.example.com",
		"https://:443":             "https://play.example.com",
		"https://":                 "https://play.example.com",
		"https://spiel.straße.de":  "Punycode",
		"https://ada@play.test":    "names no user",
		"wss://play.test":          `such as "https://play.test"`,
		"ws://play.test:8080":      `such as "http://play.test:8080"`,
		"null":                     "can't be listed",
		"https://play .test":       "https://play.example.com",
		"http://127.1":             "no IP address as browsers write it",
		"http://010.0.0.1":         "no IP address as browsers write it",
		"http://[0:0:0:0:0:0:0:1]": "no IP address as browsers write it",
		"":                         "with its scheme",
	} {
		cfg := Config{Origins: []string{"https://good.test", s, "x"}}
		err := cfg.Validate()
		require.ErrorContains(t, err, fmt.Sprintf("origin %q", s))
		require.ErrorContains(t, err, says, s)
		require.ErrorContains(t, err, `origin "x"`, "every fault is told")
		require.NotContains(t, err.Error(), "good.test")
	}
	for _, s := range []string{"*", "https://play.test", "http://localhost:3000", "HTTPS://Play.TEST:443", "http://[::1]:8080", "http://127.0.0.1", "capacitor://localhost", "https://xn--spiel-strae-k2a.de"} {
		_, err := newOrigins([]string{s})
		require.NoError(t, err, s)
	}
}

func TestRefusedOriginIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		e := newEdge(t, Config{Origins: []string{"https://play.test"}, Log: slog.New(slog.NewTextHandler(log, nil))})
		ask := func(origin string) {
			r := post(`{"kind":"arena"}`)
			r.Header.Set("Origin", origin)
			e.do(r)
		}
		for range 5 {
			ask("https://other.test")
		}
		require.Equal(t, 1, strings.Count(log.String(), "\n"), log)
		for _, part := range []string{"https://other.test", "tickhall.test", "https://play.test"} {
			require.Contains(t, log.String(), part)
		}
		for i := range 10_000 {
			ask(fmt.Sprintf("https://%d.test", i))
		}
		ask("https://" + strings.Repeat("x", 10_000))
		require.Equal(t, refusedTold, strings.Count(log.String(), "\n"), "anybody can make origins up")
		require.LessOrEqual(t, len(e.origins.told.seen), refusedTold)
		time.Sleep(refusedAgain)
		ask("https://other.test")
		require.Equal(t, refusedTold+1, strings.Count(log.String(), "\n"))
	})
}

func TestHostsKeepOutNamesThatAreNotTheServers(t *testing.T) {
	for _, c := range []struct {
		hosts  []string
		public string
		host   string
		ok     bool
	}{
		{nil, "", "evil.test", true},
		{[]string{"play.test"}, "", "play.test", true},
		{[]string{"Play.test"}, "", "PLAY.test.:8080", true},
		{[]string{"play.test"}, "", "evil.test", false},
		{[]string{"play.test"}, "", "evil.test:8080", false},
		{[]string{"play.test"}, "", "play.test.evil.test", false},
		{[]string{"play.test"}, "", "", false},
		{[]string{"play.test"}, "", "localhost:8080", true},
		{[]string{"play.test"}, "", "127.0.0.1:8080", true},
		{[]string{"play.test"}, "", "192.168.1.5", true},
		{[]string{"play.test"}, "", "[::1]:8080", true},
		{[]string{"play.test"}, "", "127.0.0.1.evil.test", false},
		{[]string{"play.test"}, "https://games.test/x", "games.test", true},
	} {
		e := newEdge(t, Config{Hosts: c.hosts, PublicURL: c.public})
		r := post("")
		r.Host = c.host
		w := httptest.NewRecorder()
		require.Equal(t, c.ok, e.AllowsHost(w, r), "%+v", c)
		if !c.ok {
			require.Equal(t, http.StatusMisdirectedRequest, w.Code)
			require.Contains(t, w.Body.String(), "host_refused")
			require.Contains(t, w.Body.String(), "--hosts")
			require.EqualValues(t, 1, e.Stats().Refused("host_refused"))
		}
		r.URL.Path = "/healthz"
		require.True(t, e.AllowsHost(httptest.NewRecorder(), r), "a probe of health may call a server as it likes")
	}
	for _, s := range []string{"", "https://play.test", "play.test:80", "*.play.test", "play.test/", "straße.de", "play.test."} {
		cfg := Config{Hosts: []string{s}}
		require.ErrorContains(t, cfg.Validate(), fmt.Sprintf("host %q", s))
	}
}
