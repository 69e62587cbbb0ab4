package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// Person is who a player is, as far as a server can tell before the player has a seat.
type Person struct {
	User   string          // id: a guest's begins with "guest-", a JWT's subject never does
	Name   string          // display name, as CleanName makes it
	Claims json.RawMessage // what a JWT says beside the registered claims and the name, an object; nil for guests
	Guest  string          // a guest's proof of the id, for MatchReply.Guest; "" for others
}

// ErrUnavailable is the code of a refusal with status 503: the keys that tokens are checked with could not be
// fetched yet, or the one that a token names may be newer than those that were.
const ErrUnavailable = "identity_unavailable"

// UnavailableError is the refusal with code ErrUnavailable. It unwraps to its *protocol.HTTPError.
type UnavailableError struct {
	Wait time.Duration // until it may be known better
}

func (e *UnavailableError) Error() string { return e.Unwrap().Error() }

// Unwrap returns the *protocol.HTTPError.
func (e *UnavailableError) Unwrap() error {
	return &protocol.HTTPError{
		Code:    ErrUnavailable,
		Message: "this server does not have the key that your token was signed with, or not yet: try again in a moment; the server's log says if the keys can't be reached",
	}
}

// Defaults and bounds of a Config and of what is checked by it.
const (
	DefaultSkew = 30 * time.Second
	MaxSkew     = 10 * time.Minute
	MaxToken    = 8 << 10 // bytes of a JWT
	MaxSubject  = 128     // bytes of its subject
	MaxClaims   = 2 << 10 // bytes of the claims that reach a game
)

// Config is how an Identifier is set up. The zero value lets in guests alone, who are new after a restart.
// With a Secret, Keys or JWKS, players need a JWT that one of the keys signed.
type Config struct {
	GuestKey []byte // signs guests' proofs of who they are, at least MinKey bytes; nil: a random one
	Guests   bool   // let guests in even if JWTs are checked

	Secret []byte // for HS256, at least MinKey bytes
	Keys   []byte // PEM: public keys or certificates; RSA for RS256, P-256 for ES256, Ed25519 for EdDSA
	JWKS   string // where a JWK Set is: an http(s) address, or a file; fetched again now and then

	Issuer   string        // if set, "iss" must be it
	Audience []string      // if set, "aud" must hold one of them
	Skew     time.Duration // by which clocks may differ; 30 s by default

	Client *http.Client // fetches the JWKS, within 10 s; nil: one like http.DefaultClient
	Log    *slog.Logger // nil: slog.Default
}

func (c *Config) checksTokens() bool { return len(c.Secret) > 0 || len(c.Keys) > 0 || c.JWKS != "" }

// Validate reports every fault at once, except in what JWKS refers to.
func (c *Config) Validate() error {
	_, err := parsePEM(c.Keys)
	faults := []error{err, checkJWKS(c.JWKS)}
	if n := len(c.GuestKey); n > 0 && n < MinKey {
		faults = append(faults, fmt.Errorf("auth: the guest key has %d bytes: it needs at least %d, from a random source", n, MinKey))
	}
	if n := len(c.Secret); n > 0 && n < MinKey {
		faults = append(faults, fmt.Errorf("auth: the JWT secret has %d bytes: HS256 needs at least %d, from a random source", n, MinKey))
	}
	if c.Skew < 0 || c.Skew > MaxSkew {
		faults = append(faults, fmt.Errorf("auth: the skew %v must be between 0 and %v", c.Skew, MaxSkew))
	}
	if !c.checksTokens() && (c.Issuer != "" || len(c.Audience) > 0) {
		faults = append(faults, errors.New("auth: an issuer or audience is required of tokens, but there are no keys to check tokens with: configure a secret, keys or a JWKS too"))
	}
	return errors.Join(faults...)
}

// Identifier says who a player is. Its methods may be called from any goroutine.
type Identifier struct {
	log    *slog.Logger
	guests *guests // nil: they are refused
	brief  bool    // guests are known until the next start only
	tokens *tokens // nil: none are checked
}

// New returns an Identifier. It starts nothing and asks no other machine; Run does. A JWKS that is a file is
// read here, so that a fault in it shows at once.
func New(cfg Config) (*Identifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Skew == 0 {
		cfg.Skew = DefaultSkew
	}
	i := &Identifier{log: cfg.Log}
	if cfg.Guests || !cfg.checksTokens() {
		i.guests, i.brief = newGuests(cfg.GuestKey), len(cfg.GuestKey) == 0
	}
	if cfg.checksTokens() {
		var err error
		if i.tokens, err = newTokens(cfg); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// Run keeps the keys of a JWKS fresh until ctx ends, and logs what the operator should know. The error is ctx's. Without it an Identifier uses
// the keys that it was made with.
func (i *Identifier) Run(ctx context.Context) error {
	if i.brief {
		i.log.Info("guests are known until the next start only: set TICKHALL_GUEST_KEY to at least 32 random bytes to know them after it")
	}
	if i.tokens != nil && isAddress(i.tokens.cfg.JWKS) && len(i.tokens.cfg.Audience) == 0 {
		i.log.Warn("tokens for any audience are accepted, also those that the issuer made for others: set TICKHALL_JWT_AUDIENCE")
	}
	if i.tokens != nil && i.tokens.set != nil {
		i.tokens.set.run(ctx)
	}
	<-ctx.Done()
	return ctx.Err()
}

// Identify says who sent a match request with this header. A JWT comes as "Authorization: Bearer TOKEN" and
// counts before req.Guest; authorizations of other schemes, such as a proxy's, are none of its business. A guest whose
// proof is missing, forged or expired is a new guest. It waits for nothing but a refresh of keys, 5 s at
// the most. The error is always a *protocol.HTTPError: unauthorized, bad_request or identity_unavailable.
func (i *Identifier) Identify(ctx context.Context, header http.Header, req *protocol.MatchRequest) (Person, error) {
	token, sent, err := bearer(header)
	switch {
	case err != nil:
		return Person{}, err
	case sent && i.tokens == nil:
		return Person{}, unauthorized("this server knows guests only and can't check your token: leave the Authorization header out, or let its operator configure a key, such as --jwt-secret")
	case sent:
		return i.tokens.identify(ctx, token, req.Name)
	case i.guests == nil:
		return Person{}, unauthorized("this server lets in no guests: send your token as the header \"Authorization: Bearer TOKEN\"")
	}
	name, err := chosenName(req.Name)
	if err != nil {
		return Person{}, err
	}
	user, proof := i.guests.know(time.Now(), req.Guest)
	return Person{User: user, Name: name, Guest: proof}, nil
}

// bearer finds the token in an Authorization header.
func bearer(header http.Header) (token string, sent bool, err error) {
	for _, v := range header.Values("Authorization") {
		scheme, rest, _ := strings.Cut(v, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if sent {
			return "", false, unauthorized("there are two tokens in the Authorization headers: send one")
		}
		token, sent = strings.TrimSpace(rest), true
	}
	return token, sent, nil
}

// chosenName is the name that a player asks for, or a made-up one.
func chosenName(name string) (string, error) {
	if strings.TrimSpace(name) == "" {
		return GuestName(), nil
	}
	clean, err := CleanName(name)
	if err != nil {
		return "", &protocol.HTTPError{Code: protocol.ErrBadRequest, Message: err.Error()}
	}
	return clean, nil
}

func unauthorized(format string, args ...any) error {
	return &protocol.HTTPError{Code: protocol.ErrUnauthorized, Message: fmt.Sprintf(format, args...)}
}
