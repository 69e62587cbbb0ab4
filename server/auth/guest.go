package auth

import (
	"encoding/binary"
	"strings"
	"time"
)

// GuestLife is for how long a guest who does not come back is known.
const GuestLife = 180 * 24 * time.Hour

const guestPrefix = "guest-"

// guests makes and checks guests' proofs of who they are.
type guests struct {
	seal seal
}

// The layout of what is sealed for a proof: version, expiry in Unix seconds (8 bytes, big-endian), the id without its
// prefix.
const (
	guestVersion = 1
	guestHead    = 1 + 8
	guestIDSize  = 26 // what rand.Text makes
	guestSize    = guestHead + guestIDSize
	guestContext = "tickhall guest\x00"
)

// newGuests returns a guests that signs with key; without one it makes a random one.
func newGuests(key []byte) *guests { return &guests{newSeal(key, guestContext)} }

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
	return guestPrefix + id, g.seal.text(b)
}

func (g *guests) open(now time.Time, proof string) (id string, ok bool) {
	if len(proof) != g.seal.textLen(guestSize) {
		return "", false
	}
	b, ok := g.seal.open(proof)
	if !ok || len(b) != guestSize || b[0] != guestVersion || now.Unix() >= int64(binary.BigEndian.Uint64(b[1:])) {
		return "", false
	}
	return string(b[guestHead:]), true
}
