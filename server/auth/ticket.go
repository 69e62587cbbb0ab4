// Package auth says who somebody is before they have a seat: an Identifier tells guests and the bearers of JWTs;
// Tickets carry a held seat, and whose it is, from the answer of a match to the connection; names are made fit to be
// shown. It knows no rooms and answers no requests: the gateway maps its errors to statuses, and the lobby keeps the seats.
//
// It starts no goroutine. The one in which Identifier.Run is called fetches keys; those who need a new key wait for it.
package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// TicketLife is how long a ticket is good for.
const TicketLife = 15 * time.Second

// MinKey is the shortest key that NewTickets accepts, in bytes: as long as what HMAC-SHA256 makes.
const MinKey = sha256.Size

// Bounds of a Ticket.
const (
	MaxTicketField  = 255     // bytes of a text
	MaxTicketClaims = 4 << 10 // bytes; MaxClaims is less
	MaxTeam         = 1<<16 - 1
)

// Why a ticket is refused. The gateway returns ErrTicketUsed for one whose seat is no longer held.
var (
	ErrTicketInvalid = errors.New("the ticket is not one of this server's: ask for a match again")
	ErrTicketExpired = errors.New("the ticket has expired, it is good for 15 s: ask for a match again")
	ErrTicketUsed    = errors.New("the ticket was used before, it works once: ask for a match again")
)

// Ticket is what a ticket tells.
type Ticket struct {
	Seat string // id of the held seat
	Room string // id of the room that it is in
	User string // id of the person
	Name string // display name

	Claims   json.RawMessage // what the person's token says, see Person; nil for none
	Team     int             // from a match by skill, from 1; else 0
	Spectate bool            // to watch: Seat is a spectator's place
}

// Tickets issues tickets and opens them again. A ticket is encrypted and authenticated: it stands in an address, which
// proxies log, and who a player is and what a token claims are nobody's business there. Tickets keeps no state: that a
// ticket works once is the held seat's doing. Its methods may be called from any goroutine.
type Tickets struct {
	vault vault
}

// NewTickets returns a Tickets that seals with key, which all servers that open each other's tickets
// share: at least MinKey bytes. Without a key it makes a random one.
func NewTickets(key []byte) (*Tickets, error) {
	if len(key) > 0 && len(key) < MinKey {
		return nil, fmt.Errorf("auth: the ticket key has %d bytes: it needs at least %d, from a random source", len(key), MinKey)
	}
	return &Tickets{newVault(key, ticketContext)}, nil
}

// The layout of what is sealed: version, expiry in Unix milliseconds (8 bytes, big-endian), 1 to spectate or 0, team
// (2 bytes), length of the claims (2 bytes), each text as a length byte and its bytes, the claims.
const (
	ticketContext = "tickhall ticket"
	ticketVersion = 2
	ticketHead    = 1 + 8 + 1 + 2 + 2
	ticketMin     = ticketHead + 4
	ticketMax     = ticketHead + 4*(1+MaxTicketField) + MaxTicketClaims
)

func (t *Ticket) fields() [4]*string { return [4]*string{&t.Seat, &t.Room, &t.User, &t.Name} }

// Issue makes a ticket that is good for TicketLife from now. It panics if a field is out of its bounds:
// names, user ids and claims are checked where they come in.
func (s *Tickets) Issue(now time.Time, t Ticket) string {
	b := make([]byte, 0, 256)
	b = append(b, ticketVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(TicketLife).UnixMilli()))
	if t.Team < 0 || t.Team > MaxTeam || len(t.Claims) > MaxTicketClaims {
		panic(fmt.Sprintf("auth: a ticket for team %d has claims of %d bytes: at most %d and %d fit", t.Team, len(t.Claims), MaxTeam, MaxTicketClaims))
	}
	spectate := byte(0)
	if t.Spectate {
		spectate = 1
	}
	b = append(b, spectate)
	b = binary.BigEndian.AppendUint16(b, uint16(t.Team))
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.Claims)))
	for _, f := range t.fields() {
		if len(*f) > MaxTicketField {
			panic(fmt.Sprintf("auth: a field of a ticket has %d bytes: at most %d fit", len(*f), MaxTicketField))
		}
		b = append(b, byte(len(*f)))
		b = append(b, *f...)
	}
	b = append(b, t.Claims...)
	return s.vault.text(b)
}

// Open reads a ticket that Issue made with the same key. The error is ErrTicketInvalid or
// ErrTicketExpired; with the latter the Ticket is valid all the same.
func (s *Tickets) Open(now time.Time, text string) (Ticket, error) {
	if len(text) > s.vault.textLen(ticketMax) {
		return Ticket{}, ErrTicketInvalid
	}
	b, ok := s.vault.open(text)
	if !ok || len(b) < ticketMin || b[0] != ticketVersion {
		return Ticket{}, ErrTicketInvalid
	}
	expiry := time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:])))
	if b[9] > 1 {
		return Ticket{}, ErrTicketInvalid
	}
	t := Ticket{Spectate: b[9] == 1, Team: int(binary.BigEndian.Uint16(b[10:]))}
	claims, rest := int(binary.BigEndian.Uint16(b[12:])), b[ticketHead:]
	for _, f := range t.fields() {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return Ticket{}, ErrTicketInvalid
		}
		n := 1 + int(rest[0])
		*f, rest = string(rest[1:n]), rest[n:]
	}
	if len(rest) != claims {
		return Ticket{}, ErrTicketInvalid
	}
	if claims > 0 {
		t.Claims = json.RawMessage(rest)
	}
	if !now.Before(expiry) {
		return t, ErrTicketExpired
	}
	return t, nil
}
