package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
)

// GuestLife is for how long a guest who does not come back is known.
const GuestLife = 180 * 24 * time.Hour

const guestPrefix = "guest-"

// guests makes and checks guests' proofs of who they are.
type guests struct {
	key []byte
}

// newGuests returns a guests that signs with key; without one it makes a random one.
func newGuests(key []byte) *guests {
	if len(key) == 0 {
		key = make([]byte, MinKey)
		rand.Read(key) // never fails: crypto/rand says so
	}
	return &guests{key: append([]byte(nil), key...)}
}

// The layout of a proof, before base64url: version, expiry in Unix seconds (8 bytes, big-endian), the id
// without its prefix, HMAC-SHA256 of guestContext and all before it. guestContext keeps what else may be signed with
// the same key apart.
const (
	guestVersion = 1
	guestHead    = 1 + 8
	guestIDSize  = 26 // what rand.Text makes
	guestSize    = guestHead + guestIDSize + sha256.Size
	guestContext = "tickhall guest\x00"
)

// know returns the id of a guest and a proof of it that is good for another GuestLife. Who has no valid
// proof is a new guest.
func (g *guests) know(now time.Time, proof string) (user, renewed string) {
	id, ok := g.open(now, proof)
	if !ok {
		id = strings.TrimPrefix(GuestID(), guestPrefix)
	}
	b := make([]byte, 0, guestSize)
	b = append(b, guestVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(GuestLife).Unix()))
	b = append(b, id...)
	return guestPrefix + id, ticketEncoding.EncodeToString(append(b, g.sum(b)...))
}

func (g *guests) open(now time.Time, proof string) (id string, ok bool) {
	if len(proof) != ticketEncoding.EncodedLen(guestSize) {
		return "", false
	}
	b, err := ticketEncoding.DecodeString(proof)
	if err != nil || len(b) != guestSize || b[0] != guestVersion {
		return "", false
	}
	b, sum := b[:guestSize-sha256.Size], b[guestSize-sha256.Size:]
	if !hmac.Equal(sum, g.sum(b)) || now.Unix() >= int64(binary.BigEndian.Uint64(b[1:])) {
		return "", false
	}
	return string(b[guestHead:]), true
}

func (g *guests) sum(b []byte) []byte {
	h := hmac.New(sha256.New, g.key)
	h.Write([]byte(guestContext))
	h.Write(b)
	return h.Sum(nil)
}
