// Package web is the pages that a browser gets: the start page, one page per game, and what they load.
// All is embedded; there is no build step. What the pages talk to (matching, the WebSocket, the list of
// rooms) and the client module that they import, /js/tickhall.js, is served by others.
//
// The package starts no goroutine.
package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/tickhall/tickhall/room"
)

//go:embed assets pages
var files embed.FS

var templates = template.Must(template.ParseFS(files, "pages/start.html", "pages/missing.html"))

// policy lets a page load and reach nothing but this server.
const policy = "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// types are those of the embedded files, whatever the machine's own table says.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is an embedded file, ready to be served.
type file struct {
	body, kind, etag string
}

// Handler serves the pages for the kinds given: / lists them, /play/NAME is a kind's page if there is
// one in pages/play, /assets/ is what these load. The files of own, which may be nil, come before these: /play/NAME is
// play/NAME.html there, / is index.html, and anything else what its path says. Anything that neither has gets a page that says so, with status
// 404. It panics if an embedded file can't be read or rendered, which is a mistake in the program.
func Handler(kinds []*room.Spec, own fs.FS) http.Handler {
	built := builtIn(kinds, own)
	if own == nil {
		return built
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := ownFile(own, r)
		if !ok {
			built.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		if kind := types[path.Ext(name)]; kind != "" {
			h.Set("Content-Type", kind)
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, own, name)
	})
}

// ownFile is the file of own that a request is for. None whose path has a part that begins with a dot is served.
func ownFile(own fs.FS, r *http.Request) (name string, ok bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", false
	}
	at := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if strings.HasPrefix(at, ".") || strings.Contains(at, "/.") {
		return "", false
	}
	for _, name := range []string{at, at + ".html", path.Join(at, "index.html")} {
		if !fs.ValidPath(name) {
			continue
		}
		if info, err := fs.Stat(own, name); err == nil && info.Mode().IsRegular() {
			return name, true
		}
	}
	return "", false
}

func builtIn(kinds []*room.Spec, own fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		render("missing.html", rootFrom(r.URL.EscapedPath())).serve(w, r, http.StatusNotFound)
	})

	var list []game
	for _, k := range kinds {
		page := "pages/play/" + k.Name + ".html"
		_, err := fs.Stat(files, page)
		playable, theirs := err == nil, false
		if own != nil {
			_, err := fs.Stat(own, "play/"+k.Name+".html")
			theirs = err == nil
		}
		list = append(list, game{k, playable || theirs, len(list) == 0, verbs[k.Name], invites[k.Name] && !theirs})
		if playable {
			mount(mux, "/play/"+k.Name, load(page))
		}
	}
	mount(mux, "/{$}", render("start.html", list))

	err := fs.WalkDir(files, "assets", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			mount(mux, "/"+name, load(name))
		}
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("web: listing the embedded files: %v", err))
	}
	return mux
}

// rootFrom leads from a path to the start page. All links are relative, so that a proxy may put the pages below a path.
func rootFrom(p string) string {
	return cmp.Or(strings.Repeat("../", strings.Count(p, "/")-1), "./")
}

// game is what the start page shows of a kind.
type game struct {
	*room.Spec
	Playable bool   // there is a page for it
	First    bool   // it is shown large
	Verb     string // what one does there; "" is to play
	Invites  bool   // its page can lead into one room of many, as /assets/page.js says
}

var (
	verbs   = map[string]string{"chat": "Talk", "whiteboard": "Draw", "feed": "Watch", "devices": "Operate"}
	invites = map[string]bool{"arena": true, "whiteboard": true}
)

func mount(mux *http.ServeMux, pattern string, f *file) {
	mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, http.StatusOK) })
}

func load(name string) *file {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("web: reading an embedded file: %v", err))
	}
	return newFile(name, b)
}

func render(name string, data any) *file {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		panic(fmt.Sprintf("web: rendering %s: %v", name, err))
	}
	return newFile(name, b.Bytes())
}

func newFile(name string, body []byte) *file {
	kind := types[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	sum := sha256.Sum256(body)
	return &file{string(body), kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// serve answers with the file. Browsers keep it and ask each time whether it has changed, so that a page
// and what it loads are always of the same build.
func (f *file) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusOK {
		h.Set("ETag", f.etag)
		if r.Header.Get("If-None-Match") == f.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(f.body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(f.body)) // the reader is gone: nobody to tell
	}
}
