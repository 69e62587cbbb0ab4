package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// seal signs what this server hands out and takes back, and hides nothing of it. The text that it makes is base64url of the bytes and the
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
// them.
func (s seal) open(text string) (b []byte, ok bool) {
	b, ok = decode(text)
	if !ok || len(b) < sha256.Size {
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

// vault encrypts what this server hands out and takes back, so that nobody on the way reads it. The text is base64url
// of a nonce, and of the bytes sealed with AES-256-GCM (NIST SP 800-38D), which authenticates them too.
type vault struct{ cipher.AEAD }

// newVault returns a vault with a key made from key and context by HKDF (RFC 5869), or from a random one if there is
// none. Nonces are random: one key is good for 2^32 texts.
func newVault(key []byte, context string) vault {
	if len(key) == 0 {
		key = make([]byte, MinKey)
		rand.Read(key) // never fails: crypto/rand says so
	}
	derived, err := hkdf.Key(sha256.New, key, nil, context, sha256.Size)
	if err != nil {
		panic("auth: " + err.Error()) // of lengths, which are constants
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic("auth: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("auth: " + err.Error())
	}
	return vault{aead}
}

// textLen is the length of the text of n bytes.
func (v vault) textLen(n int) int { return sealEncoding.EncodedLen(n + v.Overhead()) }

func (v vault) text(b []byte) string { return sealEncoding.EncodeToString(v.Seal(nil, nil, b, nil)) }

// open returns the bytes of a text that the method text made with the same key and context. One text only opens as
// them.
func (v vault) open(text string) (b []byte, ok bool) {
	b, ok = decode(text)
	if !ok {
		return nil, false
	}
	b, err := v.Open(nil, nil, b, nil)
	return b, err == nil
}

// decode reads what sealEncoding wrote, in its one spelling: Strict refuses spare bits, but the decoder passes over
// line ends all the same.
func decode(text string) (b []byte, ok bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	b, err := sealEncoding.DecodeString(text)
	return b, err == nil
}
