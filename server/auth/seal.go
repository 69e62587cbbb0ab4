package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// seal signs what this server hands out and takes back. The text that it makes is base64url of the bytes and the
// HMAC-SHA256 (RFC 2104) of context and the bytes; context keeps apart what is signed with the same key.
type seal struct {
	key     []byte
	context string
}

// newSeal returns a seal with a copy of key, or with a random key if there is none.
func newSeal(key []byte, context string) seal {
	if len(key) == 0 {
		key = make([]byte, MinKey)
		rand.Read(key) // never fails: crypto/rand says so
	}
	return seal{key: append([]byte(nil), key...), context: context}
}

var sealEncoding = base64.RawURLEncoding.Strict()

// textLen is the length of the text of n bytes.
func (seal) textLen(n int) int { return sealEncoding.EncodedLen(n + sha256.Size) }

// text appends to b.
func (s seal) text(b []byte) string { return sealEncoding.EncodeToString(append(b, s.sum(b)...)) }

// open returns the bytes of a text that the method text made with the same key and context. One text only opens as
// them: Strict refuses spare bits, but the decoder passes over line ends all the same.
func (s seal) open(text string) (b []byte, ok bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	b, err := sealEncoding.DecodeString(text)
	if err != nil || len(b) < sha256.Size {
		return nil, false
	}
	b, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	return b, hmac.Equal(sum, s.sum(b))
}

func (s seal) sum(b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(s.context))
	h.Write(b)
	return h.Sum(nil)
}
