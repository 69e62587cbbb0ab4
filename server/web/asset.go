package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/tickhall/tickhall/server/api"
)

// policy lets a page load and reach nothing but this server.
const policy = "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// types are those of files, whatever the machine's own table says.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".gif":         "image/gif",
	".glb":         "model/gltf-binary",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".jpg":         "image/jpeg",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".mjs":         "text/javascript; charset=utf-8",
	".mp3":         "audio/mpeg",
	".mp4":         "video/mp4",
	".ogg":         "audio/ogg",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".wasm":        "application/wasm",
	".wav":         "audio/wav",
	".webm":        "video/webm",
	".webmanifest": "application/manifest+json",
	".webp":        "image/webp",
	".woff2":       "font/woff2",
}

// typeOf is the content type of a file.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Files of fewer bytes fit into a packet as they are.
const leastCompressed = 1 << 10

// compressible reports whether files of a content type grow much smaller.
func compressible(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind {
	case "application/json", "application/manifest+json", "application/wasm", "application/xml", "image/svg+xml", "image/x-icon", "model/gltf-binary":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// Asset is a file in memory, ready to be served. Nothing of it depends on who asks, so that its compressed size tells
// nothing.
type Asset struct {
	kind, policy string
	body, etag   string
	compressible bool
	packed       func() string // compressed, once somebody takes it so; "" if that is of no use
}

// NewAsset returns an Asset with the content type that goes with name.
func NewAsset(name string, body []byte) *Asset {
	sum := sha256.Sum256(body)
	a := &Asset{kind: typeOf(name), policy: policy, body: string(body), etag: hex.EncodeToString(sum[:8])}
	a.compressible = len(body) >= leastCompressed && compressible(a.kind)
	a.packed = sync.OnceValue(a.pack)
	return a
}

func (a *Asset) pack() string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that there is
	_, _ = z.Write([]byte(a.body))                        // a Buffer takes all
	_ = z.Close()
	if b.Len() >= len(a.body)*9/10 {
		return ""
	}
	return b.String()
}

// ServeHTTP answers with the file. Browsers keep it and ask each time whether it has changed, so that a page
// and what it loads are always of the same build.
func (a *Asset) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.serve(w, r, http.StatusOK) }

func (a *Asset) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	protect(h, a.kind, a.policy)
	body, etag := a.body, `"`+a.etag+`"`
	if a.compressible {
		h.Add("Vary", "Accept-Encoding")
		if api.TakesGzip(r.Header) {
			if packed := a.packed(); packed != "" {
				body, etag = packed, `"`+a.etag+`-gzip"` // other bytes, so another tag (RFC 9110, 8.8.3)
				h.Set("Content-Encoding", "gzip")
			}
		}
	}
	if status == http.StatusOK {
		h.Set("ETag", etag)
		if hasTag(r.Header, etag) {
			h.Del("Content-Type")
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // the reader is gone: nobody to tell
	}
}

// protect sets the header that all files have.
func protect(h http.Header, kind, policy string) {
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}

// hasTag reports whether a request names what it has, by If-None-Match, and that is tag, by the weak comparison of RFC
// 9110, 13.1.2: a proxy on the way may have made the tag a weak one.
func hasTag(h http.Header, tag string) bool {
	for _, line := range h.Values("If-None-Match") {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
