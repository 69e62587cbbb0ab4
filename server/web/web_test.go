package web

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
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
	moved := ask("GET", "/rules")
	require.Equal(t, http.StatusFound, moved.Code, "its links lead into it")
	require.Equal(t, "./rules/", moved.Header().Get("Location"))
	require.Equal(t, http.StatusNotFound, ask("GET", "/play/chess/").Code, "its links would lead beside it")
	require.NotEqual(t, http.StatusOK, ask("POST", "/play/chess").Code)
	start := ask("GET", "/").Body.String()
	require.Contains(t, start, `href="play/chess"`)
	require.NotContains(t, start, `href="play/arena?private"`, "the author's page may know nothing of it")

	own["index.html"] = file("my start")
	require.Equal(t, "my start", ask("GET", "/").Body.String())
}

func TestAnAuthorsOwnPagesAreProtectedAsOursAre(t *testing.T) {
	const page = "<!doctype html>\r\n<style>\r\nb{}</style><script type=\"module\">\r\nlet x = 1;\r\n</script><script src=\"a.js\"></script>"
	files := fstest.MapFS{
		"index.html": {Data: []byte(page)}, "a.js": {Data: []byte("let x")}, "a.png": {Data: []byte("\x89PNG<script>")},
		"what": {Data: []byte("<script>")}, "a.wasm": {Data: []byte("\x00asm")},
	}
	h := Handler(kinds, files)
	for target, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/a.js": "text/javascript; charset=utf-8", "/a.png": "image/png",
		"/what": "application/octet-stream", "/a.wasm": "application/wasm",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		require.Equal(t, http.StatusOK, w.Code, target)
		head := w.Header()
		require.Equal(t, kind, head.Get("Content-Type"), target)
		require.True(t, strings.HasPrefix(head.Get("Content-Security-Policy"), policy), target)
		for name, value := range get(t, "GET", "/play/arena").Header() {
			if strings.HasPrefix(name, "X-") || name == "Referrer-Policy" || name == "Cache-Control" {
				require.Equal(t, value, head[name], target)
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	sum := func(s string) string {
		b := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(b[:]) + "'"
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "script-src 'self' 'wasm-unsafe-eval' "+sum("\nlet x = 1;\n")+"; style-src 'self' "+sum("\nb{}"),
		"what stands in the page itself is the author's")
}

func TestFolderOfPagesIsNotLeft(t *testing.T) {
	base := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(base, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(base, name), []byte(text), 0o644))
	}
	write("secret.html", "hush")
	write("outside/index.html", "hush")
	write("pages/play/chess.html", "my chess")
	write("pages/big.bin", strings.Repeat("0123456789", 1000))
	pages := filepath.Join(base, "pages")
	for name, to := range map[string]string{
		"out.html": "../secret.html", "absolute.html": filepath.Join(base, "secret.html"), "outside": "../outside", "in.html": "play/chess.html",
		"play/up.html": "../../secret.html", "loop.html": "loop.html",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(pages, name)))
	}
	h := Handler(kinds, Folder(pages))
	ask := func(target string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: target}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, "my chess", ask("/play/chess").Body.String())
	require.Equal(t, "my chess", ask("/in.html").Body.String(), "a link within the folder is followed")
	for _, target := range []string{
		"/out.html", "/out", "/absolute.html", "/outside/", "/outside/index.html", "/play/up.html", "/loop.html", "/../secret.html",
		"/play/../../secret.html", `/..\secret.html`, "//secret.html", "/play",
	} {
		w := ask(target)
		require.NotEqual(t, http.StatusOK, w.Code, target)
		require.NotContains(t, w.Body.String(), "hush", target)
	}
	part := ask("/big.bin", "Range", "bytes=5-9")
	require.Equal(t, http.StatusPartialContent, part.Code)
	require.Equal(t, "56789", part.Body.String(), "sounds and films are asked for in parts")
	require.Equal(t, http.StatusNotModified, ask("/big.bin", "If-None-Match", part.Header().Get("ETag")).Code)

	first := ask("/play/chess").Header().Get("ETag")
	require.Equal(t, http.StatusNotModified, ask("/play/chess", "If-None-Match", first).Code)
	write("pages/play/chess.html", "another chess")
	require.Equal(t, "another chess", ask("/play/chess", "If-None-Match", first).Body.String(), "what changed is read again")
	require.NoError(t, os.Rename(pages, pages+".old"))
	write("pages/play/chess.html", "newest")
	require.Equal(t, "newest", ask("/play/chess").Body.String(), "another folder may take the place")
}

func TestOwnFilesAreKeptWithinABound(t *testing.T) {
	now, files := time.Now(), fstest.MapFS{}
	for i := range 40 {
		files[fmt.Sprintf("%d.js", i)] = &fstest.MapFile{Data: make([]byte, 1<<20), ModTime: now}
	}
	o := &own{files: files}
	for i := range 40 {
		w := httptest.NewRecorder()
		require.True(t, o.serve(w, httptest.NewRequest("HEAD", fmt.Sprintf("/%d.js", i), nil)))
		require.LessOrEqual(t, o.size, maxAllKept)
		require.LessOrEqual(t, len(o.kept), maxAllKept>>20)
	}
}

func unpack(t *testing.T, w *httptest.ResponseRecorder) string {
	z, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(b)
}

func TestFilesAreCompressedForWhoTakesThemSo(t *testing.T) {
	plain := get(t, "GET", "/assets/site.css")
	for _, c := range []struct {
		accept string
		packed bool
	}{
		{"", false}, {"gzip, deflate, br, zstd", true}, {"GZIP", true}, {"br;q=1.0, gzip;q=0.5", true}, {"*", true}, {"x-gzip", true},
		{"gzip;q=0", false}, {"gzip; q=0.000", false}, {"*;q=0", false}, {"gzip;q=0, *", false}, {"identity", false}, {"br", false},
		{"gzip;q=x", false}, {"gzip;q=NaN", false}, {"gzipped", false},
	} {
		w := get(t, "GET", "/assets/site.css", "Accept-Encoding", c.accept)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"), "caches keep both")
		require.Equal(t, fmt.Sprint(w.Body.Len()), w.Header().Get("Content-Length"))
		require.Equal(t, plain.Header().Get("Content-Type"), w.Header().Get("Content-Type"))
		if !c.packed {
			require.Empty(t, w.Header().Get("Content-Encoding"), c.accept)
			require.Equal(t, plain.Body.String(), w.Body.String(), c.accept)
			continue
		}
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"), c.accept)
		require.NotEqual(t, plain.Header().Get("ETag"), w.Header().Get("ETag"), "other bytes have another tag")
		head := get(t, "HEAD", "/assets/site.css", "Accept-Encoding", c.accept)
		require.Equal(t, w.Header(), head.Header())
		require.Empty(t, head.Body.String())
		require.Equal(t, plain.Body.String(), unpack(t, w))
	}
	require.Empty(t, get(t, "GET", "/assets/icon.svg", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"), "what is tiny is sent as it is")
	missing := get(t, "GET", "/nowhere", "Accept-Encoding", "gzip")
	require.Equal(t, http.StatusNotFound, missing.Code)
	require.Empty(t, missing.Header().Get("ETag"))
}

func TestTagsAreComparedWeakly(t *testing.T) {
	tag := get(t, "GET", "/assets/site.css").Header().Get("ETag")
	packed := get(t, "GET", "/assets/site.css", "Accept-Encoding", "gzip").Header().Get("ETag")
	for _, c := range []struct {
		has, accept string
		same        bool
	}{
		{tag, "", true}, {"W/" + tag, "", true}, {`"x", ` + tag + ` ,"y"`, "", true}, {"*", "", true}, {packed, "gzip", true}, {"W/" + packed, "gzip", true},
		{`"x"`, "", false}, {strings.Trim(tag, `"`), "", false}, {"", "", false},
	} {
		w := get(t, "GET", "/assets/site.css", "If-None-Match", c.has, "Accept-Encoding", c.accept)
		require.Equal(t, c.same, w.Code == http.StatusNotModified, c.has)
		if c.same {
			require.Empty(t, w.Body.String())
			require.NotEmpty(t, w.Header().Get("ETag"))
			require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
			require.Empty(t, w.Header().Get("Content-Length"))
		}
	}
}

// TestPagesAreSmallOnTheWire adds up what a browser loads for the arena, but for the client.
func TestPagesAreSmallOnTheWire(t *testing.T) {
	sizes := map[string]int{}
	plain, packed := 0, 0
	var load func(target string)
	load = func(target string) {
		if _, done := sizes[target]; done || strings.HasPrefix(target, "/js/") || strings.HasPrefix(target, "/play/") && len(sizes) > 0 || target == "/" {
			return
		}
		body := get(t, "GET", target).Body.String()
		sizes[target] = get(t, "GET", target, "Accept-Encoding", "gzip").Body.Len()
		plain, packed = plain+len(body), packed+sizes[target]
		from, err := url.Parse(target)
		require.NoError(t, err)
		for _, find := range []*regexp.Regexp{inHTML, inJS} {
			for _, m := range find.FindAllStringSubmatch(body, -1) {
				to, err := from.Parse(m[1])
				require.NoError(t, err)
				load(to.Path)
			}
		}
	}
	load("/play/arena")
	t.Logf("the arena: %d bytes, %d on the wire", plain, packed)
	require.Contains(t, sizes, "/assets/arena/renderer.js")
	require.Less(t, packed, plain*45/100)
	require.Less(t, packed, 60_000)
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
