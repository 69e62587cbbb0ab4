package room

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"sync"
)

const (
	secretSize = 16
	// restoredTokens is how many tokens a restored room accepts that may have been issued after the checkpoint: as
	// many as a player can get by resuming between the checkpoint and the end of the old room.
	restoredTokens = 16
)

// pass is one seat's right to be resumed. Each connection is told a token of its own, and the one that it was opened
// with stays good until the client has acknowledged a snapshot of the new connection: a WELCOME that is lost on the way
// costs no seat. Tokens are numbered, and made from a secret of the seat, so that a checkpoint can hold them all.
// The room's goroutine owns it.
type pass struct {
	secret [secretSize]byte
	serial uint32   // of the newest token, from 1
	older  []uint32 // serials of earlier ones that are still good
	proof  uint32   // tick of the first snapshot of this connection, 0: none was sent; its ACK shows that the newest token arrived
	place  string   // Join.Place, as good as a token until the client has acknowledged anything: it may have got no WELCOME
}

func newPass() pass {
	p := pass{serial: 1}
	rand.Read(p.secret[:])
	return p
}

// restorePass is the pass of a seat whose newest token was serial when it was written down: the client may have had some
// more since.
func restorePass(secret [secretSize]byte, serial, earlier uint32) pass {
	p := pass{secret: secret, serial: serial + restoredTokens, older: []uint32{earlier}}
	for n := max(serial, earlier+1); n < p.serial; n++ {
		p.older = append(p.older, n)
	}
	return p
}

// token is the room's id, a dot and 128 bits that nobody can guess.
func (p *pass) token(room string, serial uint32) string {
	h := hmac.New(sha256.New, p.secret[:])
	h.Write(binary.BigEndian.AppendUint32([]byte(room), serial))
	return room + "." + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16])
}

// tokens are all that are good.
func (p *pass) tokens(room string) []string {
	list := []string{p.token(room, p.serial)}
	for _, serial := range p.older {
		list = append(list, p.token(room, serial))
	}
	return list
}

// tokens finds seats by the tokens that are good at present. The room writes it; any goroutine may ask, and none waits
// for a tick.
type tokens struct {
	mu     sync.Mutex
	known  map[string]tokenOf
	ghosts map[string]*seat // by user
}

type tokenOf struct {
	seat   *seat
	serial uint32 // 0: it is the seat's place
}

func (t *tokens) find(token string) (tokenOf, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of, ok := t.known[token]
	return of, ok
}

// show makes s's tokens known.
func (t *tokens) show(s *seat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]tokenOf{}
	}
	for _, serial := range append(slices.Clone(s.pass.older), s.pass.serial) {
		t.known[s.pass.token(s.room.id, serial)] = tokenOf{s, serial}
	}
	if s.pass.place != "" {
		t.known[s.pass.place] = tokenOf{s, 0}
	}
}

// hide takes s's tokens away.
func (t *tokens) hide(s *seat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, serial := range append(slices.Clone(s.pass.older), s.pass.serial) {
		delete(t.known, s.pass.token(s.room.id, serial))
	}
	delete(t.known, s.pass.place)
	if t.ghosts[s.session.User] == s {
		delete(t.ghosts, s.session.User)
	}
}

// haunt notes that the connection of a seat was lost before the client acknowledged anything. Its user, coming again, is
// to take it.
func (t *tokens) haunt(s *seat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ghosts == nil {
		t.ghosts = map[string]*seat{}
	}
	t.ghosts[s.session.User] = s
}

// ghost is the seat that haunt has noted for a user, nil for none.
func (t *tokens) ghost(user string) *seat {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ghosts[user]
}

// renew gives s a new token for a connection that was opened with the one of that serial, which alone of the others
// stays good: the client has seen no later one.
func (t *tokens) renew(s *seat, used uint32) {
	t.hide(s)
	if s.pass.older = s.pass.older[:0]; used != 0 {
		s.pass.older, s.pass.place = append(s.pass.older, used), ""
	}
	s.pass.serial = max(s.pass.serial, used) + 1
	s.pass.proof = 0
	t.show(s)
}

// settle forgets s's older tokens once the client has acknowledged the tick that shows that it has the newest.
func (t *tokens) settle(s *seat, acked uint32) {
	if s.pass.proof == 0 || acked < s.pass.proof {
		return
	}
	s.met = true
	if len(s.pass.older) == 0 && s.pass.place == "" {
		return
	}
	t.hide(s)
	s.pass.older, s.pass.place = s.pass.older[:0], ""
	t.show(s)
}
