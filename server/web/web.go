// Package web is the pages that a browser gets: the start page, one page per game, and what they load.
// All is embedded; there is no build step. What the pages talk to (matching, the WebSocket, the list of
// rooms) and the client module that they import, /js/tickhall.js, is served by others.
//
// The package starts no goroutine.
package web

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/tickhall/tickhall/room"
)

//go:embed assets pages
var files embed.FS

var templates = template.Must(template.ParseFS(files, "pages/start.html", "pages/missing.html"))

// Handler serves the pages for the kinds given: / lists them, /play/NAME is a kind's page if there is
// one in pages/play, /assets/ is what these load. The files of theirs, which may be nil, come before these, with the same
// protections: /play/NAME is
// play/NAME.html there, / is index.html, and anything else what its path says. Anything that neither has gets a page that says so, with status
// 404. It panics if an embedded file can't be read or rendered, which is a mistake in the program.
func Handler(kinds []*room.Spec, theirs fs.FS) http.Handler {
	built := builtIn(kinds, theirs)
	if theirs == nil {
		return built
	}
	o := &own{files: theirs}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.serve(w, r) {
			built.ServeHTTP(w, r)
		}
	})
}

func builtIn(kinds []*room.Spec, theirs fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		render("missing.html", rootFrom(r.URL.EscapedPath())).serve(w, r, http.StatusNotFound)
	})

	var list []game
	for _, k := range kinds {
		page := "pages/play/" + k.Name + ".html"
		_, err := fs.Stat(files, page)
		playable, replaced := err == nil, false
		if theirs != nil {
			_, err := fs.Stat(theirs, "play/"+k.Name+".html")
			replaced = err == nil
		}
		list = append(list, game{k, playable || replaced, len(list) == 0, verbs[k.Name], invites[k.Name] && !replaced})
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

func mount(mux *http.ServeMux, pattern string, a *Asset) { mux.Handle("GET "+pattern, a) }

func load(name string) *Asset {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("web: reading an embedded file: %v", err))
	}
	return NewAsset(name, b)
}

func render(name string, data any) *Asset {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		panic(fmt.Sprintf("web: rendering %s: %v", name, err))
	}
	return NewAsset(name, b.Bytes())
}
