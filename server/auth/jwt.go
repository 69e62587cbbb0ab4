package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
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
	errUnknownKey = errors.New("no key fits")
	errCritical   = errors.New("the header has a \"crit\"")
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
	var wait time.Duration
	_, err := t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (keys any, err error) {
		keys, wait, err = t.keysFor(ctx, parsed)
		return keys, err
	})
	switch {
	case err == nil:
		return c.person(wanted)
	case wait > 0 && (errors.Is(err, errUnknownKey) || errors.Is(err, jwt.ErrTokenSignatureInvalid)):
		return Person{}, &UnavailableError{wait}
	}
	return Person{}, t.refusal(err)
}

// keysFor returns the keys that a token may have been signed with: those of its algorithm and key id. wait is above 0 if
// there may be another that is not known yet, and be known by then.
func (t *tokens) keysFor(ctx context.Context, token *jwt.Token) (_ any, wait time.Duration, _ error) {
	if _, ok := token.Header["crit"]; ok {
		return nil, 0, errCritical // RFC 7515, 4.1.11: we know no extension
	}
	id, _ := token.Header["kid"].(string)
	alg := token.Method.Alg()
	found := jwt.VerificationKeySet{Keys: pick(nil, t.fixed, id, alg)}
	if t.set != nil && (alg != algHS256 || t.set.file) { // a set that anybody can fetch holds no secret
		keys := t.set.current()
		named := pick(nil, keys, id, alg)
		// A fixed key that fits any id does not tell whether the set has a new one.
		if len(named) == 0 && (id != "" || len(found.Keys) == 0) {
			wait = t.set.renew(ctx)
			named = pick(nil, t.set.current(), id, alg)
		}
		found.Keys = append(found.Keys, named...)
	}
	if len(found.Keys) == 0 {
		return nil, wait, errUnknownKey
	}
	return found, wait, nil
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
	case errors.Is(err, errUnknownKey):
		return unauthorized("this server knows no key of the token's algorithm and key id: sign in again, for a new token")
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
		if _, moment := to.(**jwt.NumericDate); moment {
			if fault := faultOfMoment(raw); fault != "" {
				return &claimError{fmt.Sprintf("the token's claim %q %s", name, fault)}
			}
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return &claimError{fmt.Sprintf("the token's claim %q has the wrong type: see RFC 7519, 4.1", name)}
		}
		delete(c.rest, name)
	}
	return nil
}

// maxMoment is more seconds since 1970 than anybody means: the year 5138. In milliseconds that was in 1973.
const maxMoment = 1e11

// faultOfMoment says what keeps a claim from being a moment. The library takes numbers in quotes too, and milliseconds
// would be good for fifty thousand years.
func faultOfMoment(raw json.RawMessage) string {
	var seconds *float64
	switch err := json.Unmarshal(raw, &seconds); {
	case err != nil && raw[0] == '"':
		return "is a string: it must be a number of seconds since 1970, without quotes; see RFC 7519, 2"
	case err != nil:
		return "must be a number of seconds since 1970; see RFC 7519, 2"
	case seconds != nil && *seconds > maxMoment:
		return fmt.Sprintf("is %.40s, which looks like milliseconds: it must be seconds since 1970, such as %d; see RFC 7519, 2", raw, time.Now().Unix())
	}
	return ""
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
