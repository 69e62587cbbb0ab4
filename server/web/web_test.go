package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

var kinds = []*room.Spec{
	{Name: "arena", Title: "Arena", About: "Dodge & aim.", MaxPlayers: 24},
	{Name: "chat", Title: "Chat", MaxPlayers: 200},
	{Name: "whiteboard", Title: "Whiteboard", MaxPlayers: 32},
	{Name: "feed", Title: "Feed", MaxPlayers: 10_000},
	{Name: "devices", Title: "Devices", MaxPlayers: 256},
	{Name: "chess", Title: "Chess <3", MaxPlayers: 2},
}

func get(t *testing.T, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler(kinds, nil).ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		kind, contains string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "Pick a game"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/play/arena", 200, "text/html; charset=utf-8", "<canvas"},
		{"GET", "/play/chess", 404, "text/html; charset=utf-8", "See the games"},
		{"GET", "/play/", 404, "text/html; charset=utf-8", "See the games"},
		{"GET", "/nowhere", 404, "text/html; charset=utf-8", "See the games"},
		{"GET", "/assets/", 404, "text/html; charset=utf-8", "See the games"},
		{"GET", "/assets/../web.go", 307, "", ""},
		{"GET", "/assets/site.css", 200, "text/css; charset=utf-8", ":root"},
		{"GET", "/assets/start.js", 200, "text/javascript; charset=utf-8", "localStorage"},
		{"GET", "/assets/icon.svg", 200, "image/svg+xml", "<svg"},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			w := get(t, c.method, c.target)
			require.Equal(t, c.status, w.Code)
			if c.kind != "" {
				require.Equal(t, c.kind, w.Header().Get("Content-Type"))
				require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self'; connect-src 'self' ws: wss:")
				require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			}
			require.Contains(t, w.Body.String(), c.contains)
		})
	}
}

func TestTheStartPageListsTheKinds(t *testing.T) {
	body := get(t, "GET", "/").Body.String()
	require.Contains(t, body, `href="play/arena"`)
	require.Contains(t, body, "Dodge &amp; aim.")
	require.Contains(t, body, "Chess &lt;3")
	require.NotContains(t, body, `href="play/chess"`, "there is no page for it")

	w := httptest.NewRecorder()
	Handler(nil, nil).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.Body.String(), "This server has no games.")
}

func TestAnAuthorsOwnPagesComeFirst(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), ModTime: time.Unix(1e9, 0)} }
	own := fstest.MapFS{
		"play/chess.html": file("my chess"), "play/arena.html": file("my arena"), "chess.js": file("let me"), "rules/index.html": file("my rules"),
		".env": file("secret"), ".git/config": file("secret"), "art/.hidden/a.svg": file("secret"),
	}
	h := Handler(kinds, own)
	ask := func(method, target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		return w
	}
	for target, want := range map[string]string{
		"/play/chess": "my chess", "/play/arena": "my arena", "/chess.js": "let me", "/rules/": "my rules",
		"/play/chat": "<title>Chat", "/assets/site.css": ":root", "/": "Pick a game",
	} {
		w := ask("GET", target)
		require.Equal(t, http.StatusOK, w.Code, target)
		require.Contains(t, w.Body.String(), want, target)
	}
	require.Equal(t, "text/javascript; charset=utf-8", ask("GET", "/chess.js").Header().Get("Content-Type"))
	for _, target := range []string{"/.env", "/.git/config", "/art/.hidden/a.svg", "/art", "/play/../.env", "/x/..%2f.env", "/nowhere"} {
		w := ask("GET", target)
		require.NotEqual(t, http.StatusOK, w.Code, target)
		require.NotContains(t, w.Body.String(), "secret", target)
	}
	require.NotEqual(t, http.StatusOK, ask("POST", "/play/chess").Code)
	start := ask("GET", "/").Body.String()
	require.Contains(t, start, `href="play/chess"`)
	require.NotContains(t, start, `href="play/arena?private"`, "the author's page may know nothing of it")

	own["index.html"] = file("my start")
	require.Equal(t, "my start", ask("GET", "/").Body.String())
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	first := get(t, "GET", "/assets/site.css")
	again := get(t, "GET", "/assets/site.css", "If-None-Match", first.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Empty(t, again.Body.String())
}

var (
	inHTML = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	inCSS  = regexp.MustCompile(`url\(([^)]*)\)`)
	inJS   = regexp.MustCompile(`(?m)^import .* from "([^"]*)";$`)
)

// TestEveryReferenceLeadsSomewhere follows what pages load, from page to page, where a proxy puts all of it below a path.
func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	const prefix = "/games"
	elsewhere := map[string]bool{"/js/tickhall.js": true}
	seen := map[string]bool{}
	var follow func(target string)
	follow = func(target string) {
		if seen[target] || elsewhere[target] {
			return
		}
		seen[target] = true
		w := get(t, "GET", target)
		require.Equal(t, http.StatusOK, w.Code, target)
		find := inHTML
		switch path.Ext(target) {
		case ".css":
			find = inCSS
		case ".js":
			find = inJS
		case ".svg":
			return
		}
		from, err := url.Parse("http://tickhall.test" + prefix + target)
		require.NoError(t, err)
		for _, m := range find.FindAllStringSubmatch(w.Body.String(), -1) {
			to, err := from.Parse(m[1])
			require.NoError(t, err)
			below, ok := strings.CutPrefix(to.Path, prefix)
			require.True(t, ok, "%s leads beside the path, to %s", target, m[1])
			follow(below)
		}
	}
	follow("/")
	require.True(t, seen["/assets/arena/ground.js"], "the arena's modules are followed")
}

func TestMissingPageFindsTheWayBackFromAnywhere(t *testing.T) {
	for _, at := range []string{"/nowhere", "/play/chess", "/play/", "/a/b/c", "/a%2Fb/c"} {
		from, err := url.Parse("http://tickhall.test/games" + at)
		require.NoError(t, err)
		links := inHTML.FindAllStringSubmatch(get(t, "GET", at).Body.String(), -1)
		require.NotEmpty(t, links)
		for _, m := range links {
			to, err := from.Parse(m[1])
			require.NoError(t, err)
			require.Contains(t, []string{"/games/", "/games/assets/icon.svg", "/games/assets/site.css"}, to.Path, at)
		}
	}
}

// TestNothingNamesThePathOfTheServer holds because scripts and pages can't know it.
func TestNothingNamesThePathOfTheServer(t *testing.T) {
	absolute := regexp.MustCompile(`(?:href|src|action)="/|url\(['"]?/|(?:from |import\(?|fetch\(|assign\(|URL\()["'` + "`" + `]/|location\.origin,`)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		require.Empty(t, absolute.FindString(string(b)), name)
		return err
	})
	require.NoError(t, err)
}

// TestPagesKeepToThePolicy holds because browsers would refuse what stands in a page itself.
func TestPagesKeepToThePolicy(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|https?://`)
	script := regexp.MustCompile(`(?s)<script[^>]*>(.*?)</script>`)
	for _, target := range []string{"/", "/play/arena", "/play/chat", "/play/whiteboard", "/play/feed", "/play/devices", "/nowhere"} {
		body := get(t, "GET", target).Body.String()
		require.Empty(t, inline.FindString(body), target)
		for _, m := range script.FindAllStringSubmatch(body, -1) {
			require.Empty(t, m[1], target)
		}
	}
}
