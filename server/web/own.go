package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Folder is a folder of an author's own pages, opened anew for each file, so that another one may take its place. No path
// or symbolic link leads out of it.
type Folder string

var _ fs.StatFS = Folder("")

// Open implements fs.FS.
func (f Folder) Open(name string) (fs.File, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close() // what is open stays so
	return root.FS().Open(name)
}

// Stat implements fs.StatFS.
func (f Folder) Stat(name string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return fs.Stat(root.FS(), name)
}

// What is kept of an author's own files, compressed.
const (
	maxKept    = 2 << 20 // bytes of one file: larger ones are served as they are
	maxAllKept = 32 << 20
)

// own serves an author's own files.
type own struct {
	files fs.FS

	mu   sync.Mutex
	kept map[string]keptFile
	size int // bytes of those kept
}

// keptFile is a file as it was at a time.
type keptFile struct {
	asset   *Asset
	changed time.Time
	size    int64
}

// serve answers a request for a file of the author's. False: it is for none. None whose path has a part that begins with a
// dot is served.
func (o *own) serve(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	at, within := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if strings.HasPrefix(at, ".") || strings.Contains(at, "/.") {
		return false
	}
	within = within || at == ""
	names := []string{at, at + ".html"}
	if within { // of a folder: relative links of its page lead into it
		names = []string{path.Join(at, "index.html")}
	}
	for _, name := range names {
		if o.serveFile(w, r, name) {
			return true
		}
	}
	if within || !o.has(path.Join(at, "index.html")) {
		return false
	}
	w.Header().Set("Location", "./"+path.Base(r.URL.EscapedPath())+"/") // relative: a proxy may put all of this below a path
	w.WriteHeader(http.StatusFound)
	return true
}

func (o *own) has(name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	info, err := fs.Stat(o.files, name)
	return err == nil && info.Mode().IsRegular()
}

func (o *own) serveFile(w http.ResponseWriter, r *http.Request, name string) bool {
	if !o.has(name) { // which opens no pipe
		return false
	}
	f, err := o.files.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	kind := typeOf(name)
	if info.Size() <= maxKept && compressible(kind) {
		a, err := o.asset(name, f, info)
		if err != nil {
			return false
		}
		a.ServeHTTP(w, r)
		return true
	}
	content, ok := f.(io.ReadSeeker)
	if !ok {
		b, err := io.ReadAll(f)
		if err != nil {
			return false
		}
		content = bytes.NewReader(b)
	}
	protect(w.Header(), kind, policy)
	if !info.ModTime().IsZero() {
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	}
	http.ServeContent(w, r, "", info.ModTime(), content)
	return true
}

// asset reads a file, unless it is known as it is.
func (o *own) asset(name string, f io.Reader, info fs.FileInfo) (*Asset, error) {
	o.mu.Lock()
	k, ok := o.kept[name]
	o.mu.Unlock()
	if ok && k.changed.Equal(info.ModTime()) && k.size == info.Size() && !k.changed.IsZero() {
		return k.asset, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return nil, err
	}
	a := NewAsset(name, b)
	if strings.HasPrefix(a.kind, "text/html") {
		a.policy = policyOf(b)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, ok := o.kept[name]; ok {
		o.size -= len(before.asset.body)
	}
	if o.kept == nil || o.size+len(b) > maxAllKept {
		o.kept, o.size = map[string]keptFile{}, 0
	}
	o.size += len(b)
	o.kept[name] = keptFile{a, info.ModTime(), info.Size()}
	return a, nil
}

// Scripts and styles that stand in a page itself, and their texts. One that a parser would see otherwise is not allowed,
// and does no harm.
var (
	scripts = regexp.MustCompile(`(?is)<script\b[^>]*>(.*?)</script`)
	styles  = regexp.MustCompile(`(?is)<style\b[^>]*>(.*?)</style`)
)

// policyOf is the policy of an author's page: it allows the scripts and styles that stand in it too, by their sums, and
// WebAssembly; what is put into the page later, by whoever, does not run.
func policyOf(page []byte) string {
	page = bytes.ReplaceAll(page, []byte("\r\n"), []byte("\n")) // as a parser does
	return policy + "; script-src 'self' 'wasm-unsafe-eval'" + sums(scripts, page) + "; style-src 'self'" + sums(styles, page) +
		"; img-src 'self' data: blob:; media-src 'self' data: blob:"
}

func sums(of *regexp.Regexp, page []byte) string {
	var b strings.Builder
	for _, m := range of.FindAllSubmatch(page, 64) {
		if len(bytes.TrimSpace(m[1])) > 0 {
			sum := sha256.Sum256(m[1])
			b.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
		}
	}
	return b.String()
}
