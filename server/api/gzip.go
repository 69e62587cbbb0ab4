package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// TakesGzip reports whether a request's Accept-Encoding allows gzip (RFC 9110, 12.5.3).
func TakesGzip(h http.Header) bool {
	named, others := -1.0, -1.0
	for _, line := range h.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(line, ",") {
			coding, parameter, _ := strings.Cut(one, ";")
			weight := 1.0
			if name, value, ok := strings.Cut(parameter, "="); ok && strings.EqualFold(strings.TrimSpace(name), "q") {
				q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if weight = q; err != nil || !(q >= 0 && q <= 1) {
					weight = 0
				}
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				named = max(named, weight)
			case "*":
				others = weight
			}
		}
	}
	if named < 0 {
		named = others
	}
	return named > 0
}

// leastCompressed is the smallest answer that is compressed, in bytes: a smaller one fits into a packet.
const leastCompressed = 1 << 10

var packers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed+1) // the level is one that there is
	return z
}}

// WritePublic answers r with v as JSON, status 200, compressed if that pays. It is for lists that anybody may have: the size of an
// answer that holds a secret and something of the request would tell about the secret (BREACH).
func WritePublic(w http.ResponseWriter, r *http.Request, v any) {
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(v)
	w.Header().Add("Vary", "Accept-Encoding")
	if err != nil || b.Len() < leastCompressed || !TakesGzip(r.Header) {
		Write(w, http.StatusOK, v)
		return
	}
	var packed bytes.Buffer
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(&packed)
	_, _ = z.Write(b.Bytes()) // a Buffer takes all
	_ = z.Close()
	head := w.Header()
	head.Set("Content-Encoding", "gzip")
	head.Set("Content-Length", strconv.Itoa(packed.Len()))
	writeHeader(w, http.StatusOK)
	_, _ = w.Write(packed.Bytes()) // who is gone needs no answer
}
