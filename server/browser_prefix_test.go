package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestPagesWorkBelowAPathOfAProxy puts the server below /games: by a proxy that cuts the path off, of which the server
// knows nothing, and by one that leaves it there and calls the server by another name, whose public address it is told.
func TestPagesWorkBelowAPathOfAProxy(t *testing.T) {
	const prefix = "/games"
	path := browser(t)
	for _, keeps := range []bool{false, true} {
		name := map[bool]string{false: "Cuts", true: "Keeps"}[keeps]
		t.Run(name, func(t *testing.T) {
			var target *url.URL
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				below, ok := strings.CutPrefix(r.URL.Path, prefix+"/")
				if !ok {
					http.NotFound(w, r) // another program's
					return
				}
				(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
					if !keeps {
						p.Out.URL.Path, p.Out.URL.RawPath = "/"+below, ""
					}
					p.SetURL(target)
					if !keeps {
						p.Out.Host = p.In.Host
					}
				}}).ServeHTTP(w, r)
			}))
			t.Cleanup(proxy.Close)
			if keeps {
				t.Setenv("TICKHALL_PUBLIC_URL", proxy.URL+prefix)
			}
			server := startProcess(t)
			target = &url.URL{Scheme: "http", Host: server.address}

			b := openTab(t, path, name, proxy.URL+prefix+"/")
			b.waitFor("the start page counts players", `document.querySelector("[data-count]").textContent.includes("here")`)
			b.run(chromedp.Click(chromedp.CSS(`[href="play/arena?private"]`)))
			joined := `window.__tickhall && __tickhall.state() === "joined" && __tickhall.me()`
			b.waitFor("joins", joined)
			server.kill()
			b.waitFor("loses the server", `__tickhall.state() !== "joined"`)
			server.start()
			require.Equal(t, prefix+"/play/arena", js[string](b, "location.pathname"))
			for _, page := range []string{"", "play/arena", "play/chat", "play/whiteboard", "play/feed", "play/devices", "nowhere/at/all"} {
				b.run(chromedp.Navigate(proxy.URL + prefix + "/" + page))
				const loaded = `performance.getEntriesByType("resource").map((r) => r.name)`
				wanted := map[bool]string{true: "/v1/match", false: ".svg"}[strings.HasPrefix(page, "play/")]
				b.waitFor(page+" loads", loaded+`.some((n) => n.endsWith("`+wanted+`"))`)
				require.Empty(t, js[[]string](b, loaded+`.filter((n) => !n.startsWith(location.origin + "`+prefix+`/"))`), page)
				if page == "play/arena" {
					b.waitFor("joins", joined)
				}
			}
			b.run(chromedp.Click(chromedp.CSS("a.button")))
			b.waitFor("finds back to the start page", `location.pathname === "`+prefix+`/"`)
		})
	}
}
