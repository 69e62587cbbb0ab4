package lobby

import (
	"crypto/pbkdf2"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"time"

	"github.com/tickhall/tickhall/player/quota"
)

const (
	// hashRounds of PBKDF2 with HMAC-SHA256 (RFC 8018) take less than half a millisecond of one core, so that a check costs no
	// room a tick. Guessing is kept slow by guessBurst and guessEvery: the password itself lives as long as its room, in
	// memory alone, where the hash keeps it from being read at a glance.
	hashRounds = 2000
	// maxHashing passwords are hashed at the same time, so that whoever guesses can't take all cores.
	maxHashing = 1
	// hashPatience is how long somebody waits for a turn.
	hashPatience = 5 * time.Second

	// guessBurst is how many passwords an address may try at one room at once, and then one every guessEvery. Right ones
	// don't count.
	guessBurst = 10
	guessEvery = 10 * time.Second
	// maxGuessers bounds the addresses that are known of a room.
	maxGuessers = 1024
)

// WaitError is the refusal of who has given too many wrong passwords.
type WaitError struct {
	Wait time.Duration // until the next may be tried
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("your address has given too many wrong passwords for this room: wait %d seconds", int(e.Wait.Seconds()))
}

// password is what is kept of one: nothing that tells it.
type password struct {
	salt [16]byte
	key  []byte
	// guessed says when each network may try as often as at first again: see room.Bucket. Lobby.mu guards it.
	guessed map[netip.Prefix]time.Time
}

// newPassword hashes text; nil stands for none. The error is ErrBusy.
func (l *Lobby) newPassword(text string) (*password, error) {
	if text == "" {
		return nil, nil
	}
	p := &password{guessed: map[netip.Prefix]time.Time{}}
	crand.Read(p.salt[:])
	var err error
	p.key, err = l.hash(text, p.salt[:])
	if err != nil {
		return nil, err
	}
	return p, nil
}

// check reports whether text is the password of a room, in a time that does not depend on it. The error is ErrPassword,
// ErrBusy or a *WaitError.
func (l *Lobby) check(e *entry, text string, by quota.Holder) error {
	p := e.password
	switch {
	case p == nil:
		return nil
	case text == "": // costs nothing, and tells nothing
		return ErrPassword
	}
	l.mu.Lock()
	wait := p.guess(time.Now(), by)
	l.mu.Unlock()
	if wait > 0 {
		return &WaitError{wait}
	}
	key, err := l.hash(text, p.salt[:])
	right := err == nil && subtle.ConstantTimeCompare(key, p.key) != 0
	if right || err != nil {
		l.mu.Lock()
		p.forgive(by)
		l.mu.Unlock()
	}
	switch {
	case err != nil:
		return err
	case !right:
		return ErrPassword
	}
	return nil
}

// guess counts one password that is tried, and says how long to wait in place of that.
func (p *password) guess(now time.Time, by quota.Holder) (wait time.Duration) {
	if by == (quota.Holder{}) {
		return 0
	}
	for network, times := range quota.Networks(by.Addr) {
		next := later(p.guessed[network], now).Add(guessEvery / time.Duration(times))
		wait = max(wait, next.Sub(now.Add(guessBurst*guessEvery)))
	}
	if wait > 0 {
		return wait.Truncate(time.Second) + time.Second
	}
	for network, times := range quota.Networks(by.Addr) {
		p.guessed[network] = later(p.guessed[network], now).Add(guessEvery / time.Duration(times))
	}
	if len(p.guessed) > maxGuessers {
		p.forget(now)
	}
	return 0
}

// forgive takes back what guess counted.
func (p *password) forgive(by quota.Holder) {
	for network, times := range quota.Networks(by.Addr) {
		if until, ok := p.guessed[network]; ok {
			p.guessed[network] = until.Add(-guessEvery / time.Duration(times))
		}
	}
}

// forget makes room for others: by those for whom nothing is counted, else by the one for whom the least is.
func (p *password) forget(now time.Time) {
	var least netip.Prefix
	for network, until := range p.guessed {
		if !until.After(now) {
			delete(p.guessed, network)
		} else if least == (netip.Prefix{}) || until.Before(p.guessed[least]) {
			least = network
		}
	}
	if len(p.guessed) > maxGuessers {
		delete(p.guessed, least)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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
	return pbkdf2.Key(sha256.New, text, salt, hashRounds, sha256.Size)
}
