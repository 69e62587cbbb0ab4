package lobby

import (
	"crypto/pbkdf2"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

const (
	// hashRounds of PBKDF2 with HMAC-SHA256 (RFC 8018) take about 50 ms of one core.
	hashRounds = 260_000
	// maxHashing passwords are hashed at the same time, so that who guesses can't take all cores.
	maxHashing = 2
	// hashPatience is how long somebody waits for a turn.
	hashPatience = 5 * time.Second
)

// password is what is kept of one: nothing that tells it.
type password struct {
	salt [16]byte
	key  []byte
}

// newPassword hashes text; nil stands for none. The error is ErrBusy.
func (l *Lobby) newPassword(text string) (*password, error) {
	if text == "" {
		return nil, nil
	}
	p := new(password)
	crand.Read(p.salt[:])
	var err error
	p.key, err = l.hash(text, p.salt[:])
	if err != nil {
		return nil, err
	}
	return p, nil
}

// check reports whether text is the password, in a time that does not depend on it. The error is ErrPassword or
// ErrBusy.
func (l *Lobby) check(p *password, text string) error {
	switch {
	case p == nil:
		return nil
	case text == "": // costs nothing, and tells nothing
		return ErrPassword
	}
	key, err := l.hash(text, p.salt[:])
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(key, p.key) == 0 {
		return ErrPassword
	}
	return nil
}

func (l *Lobby) hash(text string, salt []byte) ([]byte, error) {
	patience := time.NewTimer(hashPatience)
	defer patience.Stop()
	select {
	case l.hashing <- struct{}{}:
	case <-patience.C:
		return nil, ErrBusy
	}
	defer func() { <-l.hashing }()
	return pbkdf2.Key(sha256.New, text, salt, l.rounds, sha256.Size)
}
