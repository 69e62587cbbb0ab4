package lobby

import (
	crand "crypto/rand"
	"strings"
)

// idAlphabet is Crockford's base 32 in lower case (crockford.com/base32.html): no i, l, o or u, so that an id can be
// read aloud.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// newRoomID makes up an id of 10 characters, 50 random bits.
func newRoomID() string {
	var b [10]byte
	crand.Read(b[:])
	for i := range b {
		b[i] = idAlphabet[b[i]%32]
	}
	return string(b[:])
}

// maxTyped is how much of what somebody typed is looked at: an id with dashes and spaces is shorter.
const maxTyped = 64

// CleanID is the id that somebody means who typed s: case, dashes and spaces don't count, and o, i and l
// stand for the digits that they look like. What is no id, it returns as something that no room is called.
func CleanID(s string) string {
	if len(s) > maxTyped {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == ' ' || r == '_':
			return -1
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		}
		switch r {
		case 'o':
			return '0'
		case 'i', 'l':
			return '1'
		}
		return r
	}, s)
}
