package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tickhall/tickhall/protocol"
)

// tokens checks JWTs (RFC 7519, by the advice of RFC 8725).
type tokens struct {
	parser *jwt.Parser
	fixed  []key
	set    *keySet // nil: there is no JWKS
	cfg    Config
}

func newTokens(cfg Config) (*tokens, error) {
	t := &tokens{cfg: cfg}
	var err error
	if t.fixed, err = parsePEM(cfg.Keys); err != nil {
		return nil, err
	}
	if len(cfg.Secret) > 0 {
		t.fixed = append(t.fixed, key{alg: algHS256, value: bytes.Clone(cfg.Secret)})
	}
	if cfg.JWKS != "" {
		if t.set, err = newKeySet(cfg); err != nil {
			return nil, err
		}
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithLeeway(cfg.Skew), jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if len(cfg.Audience) > 0 {
		options = append(options, jwt.WithAudience(cfg.Audience...))
	}
	t.parser = jwt.NewParser(options...)
	return t, nil
}

// Why no key fits a token.
var (
	errUnknownKey  = errors.New("no key fits")
	errUnavailable = errors.New("the keys could not be fetched")
	errCritical    = errors.New("the header has a \"crit\"")
)

// identify says whose token it is. wanted is the display name that is asked for, for a token without one.
func (t *tokens) identify(ctx context.Context, token, wanted string) (Person, error) {
	if token == "" {
		return Person{}, unauthorized("the token is missing: send \"Authorization: Bearer TOKEN\"")
	}
	if len(token) > MaxToken {
		return Person{}, unauthorized("the token has %d bytes: at most %d are accepted; let its issuer leave claims out", len(token), MaxToken)
	}
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) { return t.keysFor(ctx, parsed) })
	if err != nil {
		return Person{}, t.refusal(err)
	}
	return c.person(wanted)
}

// keysFor returns the keys that a token may have been signed with: those of its algorithm and key id.
func (t *tokens) keysFor(ctx context.Context, token *jwt.Token) (any, error) {
	if _, ok := token.Header["crit"]; ok {
		return nil, errCritical // RFC 7515, 4.1.11: we know no extension
	}
	id, _ := token.Header["kid"].(string)
	alg := token.Method.Alg()
	found := jwt.VerificationKeySet{Keys: pick(nil, t.fixed, id, alg)}
	if t.set != nil {
		keys, _ := t.set.current()
		named := pick(nil, keys, id, alg)
		// A fixed key that fits any id does not tell whether the set has a new one.
		if len(named) == 0 && (id != "" || len(found.Keys) == 0) && t.set.renew(ctx) {
			keys, _ = t.set.current()
			named = pick(nil, keys, id, alg)
		}
		found.Keys = append(found.Keys, named...)
	}
	if len(found.Keys) > 0 {
		return found, nil
	}
	if t.set != nil {
		if _, err := t.set.current(); err != nil {
			return nil, errUnavailable
		}
	}
	return nil, errUnknownKey
}

func pick(to []jwt.VerificationKey, keys []key, id, alg string) []jwt.VerificationKey {
	for _, k := range keys {
		if k.alg == alg && (k.id == id || k.id == "" || id == "") {
			to = append(to, k.value)
		}
	}
	return to
}

// refusal puts an error of the library in words that help whoever sent the token. What exactly is wrong with
// a signature is nobody's business.
func (t *tokens) refusal(err error) error {
	switch {
	case errors.Is(err, errUnavailable):
		return &protocol.HTTPError{Code: ErrUnavailable, Message: "this server can't reach the keys that tokens are checked with: try again in a moment; the server's log says more"}
	case errors.Is(err, errUnknownKey):
		return unauthorized("this server knows no key of the token's algorithm and key id: sign in again, for a new token; a key that is brand-new is known after half a minute")
	case errors.Is(err, errCritical):
		return unauthorized("the token's header has \"crit\": this server knows no extensions, let its issuer leave it out")
	case errors.Is(err, jwt.ErrTokenMalformed):
		if fault := (*claimError)(nil); errors.As(err, &fault) {
			return unauthorized("%v", fault)
		}
		return unauthorized("the token is malformed: send a JWT, three parts of base64url with dots between them")
	case errors.Is(err, jwt.ErrTokenUnverifiable), strings.Contains(err.Error(), "signing method"):
		return unauthorized("the token's algorithm is not accepted: let its issuer sign with %s", strings.Join(algorithms, ", "))
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return unauthorized("the token's signature is wrong: sign in again, for a new token")
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthorized("the token has expired: sign in again, for a new token")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return unauthorized("the token is not valid yet: wait, or set the issuer's clock right; %v of difference are allowed", t.cfg.Skew)
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return unauthorized("the token is of another issuer: this server accepts %q", t.cfg.Issuer)
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return unauthorized("the token is for another audience: this server accepts %q", t.cfg.Audience)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return unauthorized("the token lacks a claim that is required: it needs %s", strings.Join(t.required(), ", "))
	}
	return unauthorized("the token is not accepted: sign in again, for a new one")
}

func (t *tokens) required() []string {
	names := []string{`"exp"`, `"sub"`}
	if t.cfg.Issuer != "" {
		names = append(names, fmt.Sprintf(`"iss" %q`, t.cfg.Issuer))
	}
	if len(t.cfg.Audience) > 0 {
		names = append(names, fmt.Sprintf(`"aud" %q`, t.cfg.Audience))
	}
	return names
}

// claims are a token's. Nothing of them counts before the signature has been checked.
type claims struct {
	jwt.RegisteredClaims
	name string
	rest map[string]json.RawMessage
}

// claimError is a fault in what a token says.
type claimError struct{ text string }

func (e *claimError) Error() string { return e.text }

// UnmarshalJSON implements json.Unmarshaler. Unlike encoding/json for a struct it takes names to the letter, so
// that "SUB" is not "sub".
func (c *claims) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) {
		return &claimError{"the token's claims are not valid UTF-8"}
	}
	if err := json.Unmarshal(b, &c.rest); err != nil {
		return err
	}
	for name, to := range map[string]any{
		"iss": &c.Issuer, "sub": &c.Subject, "aud": &c.Audience, "exp": &c.ExpiresAt, "nbf": &c.NotBefore, "iat": &c.IssuedAt,
		"jti": &c.ID, "name": &c.name,
	} {
		raw, ok := c.rest[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return &claimError{fmt.Sprintf("the token's claim %q has the wrong type: see RFC 7519, 4.1", name)}
		}
		delete(c.rest, name)
	}
	return nil
}

// person is what the claims of a token that is good say.
func (c *claims) person(wanted string) (Person, error) {
	if fault := faultOfSubject(c.Subject); fault != "" {
		return Person{}, unauthorized("the token's claim \"sub\" %s", fault)
	}
	name, ok := fitName(c.name)
	if !ok {
		var err error
		if name, err = chosenName(wanted); err != nil {
			return Person{}, err
		}
	}
	rest := []byte("{}")
	if len(c.rest) > 0 {
		var err error
		if rest, err = json.Marshal(c.rest); err != nil {
			return Person{}, unauthorized("the token's claims can't be read: %v", err)
		}
	}
	if len(rest) > MaxClaims {
		return Person{}, unauthorized("the token's own claims come to %d bytes: at most %d are accepted; let its issuer leave some out", len(rest), MaxClaims)
	}
	return Person{User: c.Subject, Name: name, Claims: rest}, nil
}

// faultOfSubject says what keeps a subject from being a user id.
func faultOfSubject(s string) string {
	switch {
	case s == "":
		return "is missing: it must name the user"
	case len(s) > MaxSubject:
		return fmt.Sprintf("has %d bytes: at most %d are accepted", len(s), MaxSubject)
	case strings.HasPrefix(s, guestPrefix):
		return fmt.Sprintf("begins with %q, which is for guests: let the issuer put something before it", guestPrefix)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return "contains a control character, or one that is no character at all: let the issuer leave it out"
	}
	return ""
}
