package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

// intercepted answers every request with a status and a body, as a proxy or a hotel's network does.
func (f *fake) intercepted(status int, body string, header ...string) {
	f.set(func() {
		f.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	})
}

func TestWhatAProxyAnswersWhileReconnectingPasses(t *testing.T) {
	for name, intercept := range map[string]func(f *fake){
		"401":             func(f *fake) { f.intercepted(401, "log in first") },
		"403 with a code": func(f *fake) { f.intercepted(403, `{"error": "forbidden"}`) },
		"404":             func(f *fake) { f.intercepted(404, "<html>") },
		"a page":          func(f *fake) { f.intercepted(200, "<html>") },
		"another place":   func(f *fake) { f.intercepted(302, "", "Location", "http://login/") },
		"no upgrade":      func(f *fake) { f.intercepted(426, `{"code": "upgrade_required", "message": "no"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake) {
				r := New(f.config())
				p := f.play(r)
				c := f.join()
				intercept(f)
				c.cut()
				time.Sleep(20 * time.Second)
				f.set(func() { f.refuse = nil })
				c = f.accept()
				require.Equal(t, "token", f.lastToken(), "the seat is not given up")
				c.welcome(true, 0)
				c.snapshot(0)
				time.Sleep(time.Second)
				require.True(t, r.Joined())
				p.stop()
				require.NoError(t, p.err)
			})
		})
	}
}

func TestWhatAProxyAnswersForTooLongIsBelieved(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		p := f.play(New(f.config()))
		c := f.join()
		f.intercepted(404, "<html>")
		c.cut()
		require.ErrorContains(t, p.wait(), "http_404")
		f.mu.Lock()
		defer f.mu.Unlock()
		require.Len(t, f.dialled, 2+maxForeign+1)
	})
}

func TestUnreadableMessagesEndItAfterSome(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		p := f.play(New(f.config()))
		for i := range maxFaults {
			c := f.accept()
			c.welcome(i > 0, 0)
			c.snapshot(0)
			c.send([]byte{0x91, 99})
		}
		require.ErrorContains(t, p.wait(), "can't be read")
	})
}

func TestServerThatHasMovedToHTTPSIsFoundThere(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(protocol.HTTPError{Code: protocol.ErrUnknownKind, Message: fmt.Sprintf("%s %s %s %s", r.Method, r.Host, r.URL.Path, body)})
	}))
	defer secure.Close()
	for i, status := range []int{301, 302, 307, 308} {
		at := []string{"", "/games"}[i%2]
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://play.example.com"+r.URL.Path, status)
		}))
		cfg := Config{URL: "http://play.example.com" + at, Kind: "chess"}
		cfg.TLS = secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		cfg.TLS.ServerName = "example.com"
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			to := map[string]string{"play.example.com:80": plain.URL, "play.example.com:443": secure.URL}[address]
			u, err := url.Parse(to)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, u.Host)
		}
		err := New(cfg).Run(t.Context())
		var refused *protocol.HTTPError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, protocol.ErrUnknownKind, refused.Code)
		require.Contains(t, refused.Message, "POST play.example.com "+at+`/v1/match {"kind":"chess"`)
		plain.Close()
	}
}

func TestRedirectToAnotherPlaceIsNamed(t *testing.T) {
	for _, to := range []string{"https://login/v1/match", "https://fake/login", "http://fake:81/v1/match"} {
		withFake(t, func(t *testing.T, f *fake) {
			f.intercepted(301, "", "Location", to)
			p := f.play(New(f.config()))
			require.ErrorContains(t, p.wait(), "redirects to "+to)
			require.Len(t, f.dialled, 1)
		})
	}
}

func TestWebSocketIsOpenedByTLSWhereItIsSentThere(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		addresses := make(chan string, 16)
		cfg := f.config()
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			addresses <- address
			return f.dial(ctx, network, address)
		}
		f.set(func() {
			f.refuse = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v1/connect" || r.FormValue("ticket") == "" {
					return false
				}
				http.Redirect(w, r, "https://fake"+r.URL.String(), http.StatusMovedPermanently)
				return true
			}
		})
		p := f.play(New(cfg))
		for _, want := range []string{"fake:80", "fake:80", "fake:443"} { // the match, the WebSocket, and where it was sent
			require.Equal(t, want, <-addresses)
		}
		p.stop()
	})
}
