package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const replacement = string(utf8.RuneError)

// Clean returns s with each run of bytes that are no UTF-8 replaced by U+FFFD. Valid text it returns as it is,
// without allocating.
func Clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, replacement)
}

// CleanBytes is Clean for bytes. Valid ones are returned, not copied.
func CleanBytes(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte(replacement))
}

// Cut cleans s, and cuts it to at most n bytes, in whole characters.
func Cut(s string, n int) string {
	if s = Clean(s); len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// AppendCleaned appends the msgpack values in v with every str cleaned; all else stays as it is. It stops where v is not
// well-formed.
func AppendCleaned(b, v []byte) []byte {
	r := NewReader(v)
	for r.Rest() > 0 {
		from := r.i
		switch r.Peek() {
		case TypeString:
			if s := r.text(); !utf8.Valid(s) {
				b = AppendString(b, string(s))
				continue
			}
		case TypeArray:
			r.Array()
		case TypeMap:
			r.Map()
		default: // no container: nothing in it needs a look
			r.Skip()
		}
		if r.err == nil {
			b = append(b, v[from:r.i]...)
		}
	}
	return b
}
