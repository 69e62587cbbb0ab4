package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

var testSecret = bytes.Repeat([]byte("0123456789abcdef"), 2)

// signers are private keys, by algorithm; made once, RSA's taking its time.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{algRS256: r, algES256: e, algEdDSA: d}
})

func pemOf(t testing.TB, key any) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// allKeys is a PEM of the public keys of all signers.
func allKeys(t testing.TB) []byte {
	var all []byte
	for _, alg := range []string{algRS256, algES256, algEdDSA} {
		all = append(all, pemOf(t, signers()[alg].Public())...)
	}
	return all
}

func sign(t testing.TB, alg, kid string, key any, claims jwt.Claims) string {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

// soon are claims that are good.
func soon(more jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://id.example", "aud": "tickhall"}
	for k, v := range more {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func newTestIdentifier(t testing.TB, cfg Config) *Identifier {
	i, err := New(cfg)
	require.NoError(t, err)
	return i
}

func present(t testing.TB, i *Identifier, token string) (Person, error) {
	return i.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, &protocol.MatchRequest{Name: "Wanted"})
}

func requireRefused(t testing.TB, err error, code, says string) {
	var e *protocol.HTTPError
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Message)
	require.Contains(t, e.Message, says)
}

func TestTokenOfEachAlgorithmNamesThePlayer(t *testing.T) {
	i := newTestIdentifier(t, Config{Secret: testSecret, Keys: allKeys(t), Issuer: "https://id.example", Audience: []string{"other", "tickhall"}})
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			var key any = testSecret
			if s := signers()[alg]; s != nil {
				key = s
			}
			for _, kid := range []string{"", "any"} {
				who, err := present(t, i, sign(t, alg, kid, key, soon(jwt.MapClaims{"name": "Ada L.", "rank": 12345678901234567})))
				require.NoError(t, err)
				require.Equal(t, Person{User: "ada", Name: "Ada L.", Claims: json.RawMessage(`{"rank":12345678901234567}`)}, who)
			}
		})
	}
}

func TestTokenWithoutANameLeavesTheChoiceToThePlayer(t *testing.T) {
	i := newTestIdentifier(t, Config{Secret: testSecret})
	for _, c := range []struct {
		name, claim any
		want        string
	}{
		{"missing", nil, "Wanted"},
		{"empty", " ", "Wanted"},
		{"nothing but controls", "\u202e\x00", "Wanted"},
		{"controls left out", "A\u202ed\x00a\n", "Ada"},
		{"cut", strings.Repeat("ß", 40), strings.Repeat("ß", MaxName)},
		{"cut at a space", strings.Repeat("ß", 31) + " x", strings.Repeat("ß", 31)},
	} {
		t.Run(c.name.(string), func(t *testing.T) {
			who, err := present(t, i, sign(t, algHS256, "", testSecret, soon(jwt.MapClaims{"name": c.claim})))
			require.NoError(t, err)
			require.Equal(t, c.want, who.Name)
			require.JSONEq(t, "{}", string(who.Claims))
		})
	}
	header := http.Header{"Authorization": {"bearer " + sign(t, algHS256, "", testSecret, soon(nil))}}
	who, err := i.Identify(t.Context(), header, &protocol.MatchRequest{})
	require.NoError(t, err)
	require.NotEmpty(t, who.Name)
	_, err = i.Identify(t.Context(), header, &protocol.MatchRequest{Name: "\x00\u200b"})
	requireRefused(t, err, protocol.ErrBadRequest, "nothing of it can be shown")
}

func TestSkewIsAllowed(t *testing.T) {
	i := newTestIdentifier(t, Config{Secret: testSecret, Skew: time.Minute})
	_, err := present(t, i, sign(t, algHS256, "", testSecret, soon(jwt.MapClaims{
		"exp": time.Now().Add(-50 * time.Second).Unix(), "nbf": time.Now().Add(50 * time.Second).Unix(),
	})))
	require.NoError(t, err)
}

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// spare is the letter of base64url that differs from c, the last of 32 bytes, in a bit that does not count.
func spare(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)|1:][:1]
}

func TestTokenThatIsNoGoodIsRefused(t *testing.T) {
	rsaKey := signers()[algRS256]
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	full := Config{Secret: testSecret, Keys: allKeys(t), Issuer: "https://id.example", Audience: []string{"tickhall"}}
	asymmetric := full
	asymmetric.Secret = nil
	symmetric := full
	symmetric.Keys = nil
	good := sign(t, algHS256, "", testSecret, soon(nil))
	parts := strings.Split(good, ".")
	hs := func(c jwt.MapClaims) string { return sign(t, algHS256, "", testSecret, soon(c)) }
	// raw signs a payload that no library would make.
	raw := func(header, payload string) string {
		text := segment(header) + "." + segment(payload)
		sum, err := jwt.SigningMethodHS256.Sign(text, testSecret)
		require.NoError(t, err)
		return text + "." + segment(string(sum))
	}
	for _, c := range []struct {
		name, token, says string
		cfg               Config
	}{
		{"expired", hs(jwt.MapClaims{"exp": time.Now().Add(-31 * time.Second).Unix()}), "expired", full},
		{"expired long ago", hs(jwt.MapClaims{"exp": 1}), "expired", full},
		{"without an end", hs(jwt.MapClaims{"exp": nil}), `needs "exp"`, full},
		{"an end in milliseconds", hs(jwt.MapClaims{"exp": time.Now().Add(time.Hour).UnixMilli()}), `claim "exp" is 1`, full},
		{"an end in milliseconds, with a fraction", raw(`{"alg":"HS256"}`, `{"sub":"ada","exp":1.8e12}`), `which looks like milliseconds`, full},
		{"an end in nanoseconds", raw(`{"alg":"HS256"}`, `{"sub":"ada","exp":1800000000000000000}`), `which looks like milliseconds`, full},
		{"an end in quotes", hs(jwt.MapClaims{"exp": "1893456000"}), `claim "exp" is a string: it must be a number of seconds`, full},
		{"an end as a date", hs(jwt.MapClaims{"exp": "2030-01-01T00:00:00Z"}), `claim "exp" is a string`, full},
		{"an end that is an object", hs(jwt.MapClaims{"exp": map[string]int{}}), `claim "exp" must be a number of seconds`, full},
		{"an end beyond all numbers", raw(`{"alg":"HS256"}`, `{"sub":"ada","exp":1e400}`), `claim "exp" must be a number of seconds`, full},
		{"a beginning in milliseconds", hs(jwt.MapClaims{"nbf": time.Now().UnixMilli()}), `claim "nbf" is 1`, full},
		{"a beginning in quotes", hs(jwt.MapClaims{"nbf": "1"}), `claim "nbf" is a string`, full},
		{"issued in milliseconds", hs(jwt.MapClaims{"iat": time.Now().UnixMilli()}), `claim "iat" is 1`, full},
		{"issued in quotes", hs(jwt.MapClaims{"iat": "1"}), `claim "iat" is a string`, full},
		{"not valid yet", hs(jwt.MapClaims{"nbf": time.Now().Add(time.Minute).Unix()}), "not valid yet", full},
		{"another issuer", hs(jwt.MapClaims{"iss": "https://evil.example"}), `accepts "https://id.example"`, full},
		{"no issuer", hs(jwt.MapClaims{"iss": nil}), `"iss" "https://id.example"`, full},
		{"another audience", hs(jwt.MapClaims{"aud": []string{"x", "y"}}), `accepts ["tickhall"]`, full},
		{"no audience", hs(jwt.MapClaims{"aud": nil}), `"aud"`, full},
		{"alg none", sign(t, "none", "", jwt.UnsafeAllowNoneSignatureType, soon(nil)), "algorithm is not accepted", full},
		{"alg None", segment(`{"alg":"None"}`) + "." + parts[1] + ".", "algorithm is not accepted", full},
		{"alg left out", raw(`{"typ":"JWT"}`, `{"sub":"ada"}`), "algorithm is not accepted", full},
		{"alg of another size", sign(t, "HS512", "", testSecret, soon(nil)), "algorithm is not accepted", full},
		{"alg of another padding", sign(t, "PS256", "", rsaKey, soon(nil)), "algorithm is not accepted", full},
		{"HS256 by the public key", sign(t, algHS256, "", pemOf(t, rsaKey.Public()), soon(nil)), "knows no key", asymmetric},
		{"HS256 by the public key, beside a secret", sign(t, algHS256, "", pemOf(t, rsaKey.Public()), soon(nil)), "signature is wrong", full},
		{"RS256 against a secret", sign(t, algRS256, "", rsaKey, soon(nil)), "knows no key", symmetric},
		{"another key", sign(t, algES256, "", small, soon(nil)), "signature is wrong", full},
		{"another secret", sign(t, algHS256, "", []byte("x"), soon(nil)), "signature is wrong", full},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature is wrong", full},
		{"changed claims", parts[0] + "." + segment(`{"sub":"root","exp":99999999999}`) + "." + parts[2], "signature is wrong", full},
		{"no subject", hs(jwt.MapClaims{"sub": nil}), `"sub" is missing`, full},
		{"empty subject", hs(jwt.MapClaims{"sub": ""}), `"sub" is missing`, full},
		{"long subject", hs(jwt.MapClaims{"sub": strings.Repeat("x", MaxSubject+1)}), "at most 128", full},
		{"subject of a guest", hs(jwt.MapClaims{"sub": GuestID()}), "is for guests", full},
		{"subject with a control character", hs(jwt.MapClaims{"sub": "a\nb"}), "control character", full},
		{"subject with half a character", raw(`{"alg":"HS256"}`, `{"sub":"a\ud800","exp":99999999999,"iss":"https://id.example","aud":"tickhall"}`), "control character", full},
		{"subject of another type", hs(jwt.MapClaims{"sub": 7}), `"sub" has the wrong type`, full},
		{"name of another type", hs(jwt.MapClaims{"name": 7}), `"name" has the wrong type`, full},
		{"end of another type", hs(jwt.MapClaims{"exp": "soon"}), `"exp" is a string`, full},
		{"claims in capitals", raw(`{"alg":"HS256"}`, `{"SUB":"ada","exp":99999999999,"iss":"https://id.example","aud":"tickhall"}`), `"sub" is missing`, full},
		{"claims that are too many", hs(jwt.MapClaims{"x": strings.Repeat("x", MaxClaims)}), "at most 2048", full},
		{"bad UTF-8", raw(`{"alg":"HS256"}`, "{\"sub\":\"a\xff\",\"exp\":99999999999}"), "not valid UTF-8", full},
		{"null", raw(`{"alg":"HS256"}`, "null"), "lacks a claim", full},
		{"an array", raw(`{"alg":"HS256"}`, "[]"), "malformed", full},
		{"an extension", raw(`{"alg":"HS256","crit":["b64"]}`, `{"sub":"ada"}`), `"crit"`, full},
		{"too large", strings.Repeat("x", MaxToken+1), "at most 8192", full},
		{"garbage", "garbage", "malformed", full},
		{"dots", "..", "malformed", full},
		{"a part too many", good + ".x", "malformed", full},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "=", "malformed", full},
		{"spare bits", good[:len(good)-1] + spare(good[len(good)-1]), "malformed", full},
		{"nothing", "", "missing", full},
		{"a token where none is checked", good, "guests only", Config{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := present(t, newTestIdentifier(t, c.cfg), c.token)
			requireRefused(t, err, protocol.ErrUnauthorized, c.says)
			require.Zero(t, who)
		})
	}
}

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(signers()[algEdDSA])
	require.NoError(t, err)
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, c := range []struct {
		name string
		cfg  Config
		says []string
	}{
		{"all", Config{GuestKey: []byte("x"), Secret: []byte("y"), Keys: []byte("z"), JWKS: "ftp://x", Skew: -1},
			[]string{"guest key has 1 bytes", "JWT secret has 1 bytes", "no key in the PEM", "ftp://x", "skew"}},
		{"issuer without keys", Config{Issuer: "x"}, []string{"no keys to check tokens with"}},
		{"a private key", Config{Keys: private}, []string{"give the public one"}},
		{"a short RSA key", Config{Keys: pemOf(t, weak.Public())}, []string{"1024 bits"}},
		{"another curve", Config{Keys: pemOf(t, wide.Public())}, []string{"P-384"}},
		{"a broken key", Config{Keys: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})}, []string{"PEM block 1"}},
		{"no such file", Config{JWKS: "/no/such/file"}, []string{"no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.cfg)
			for _, s := range c.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
}

// FuzzToken: no token makes Identify panic, and none that we did not sign is believed.
func FuzzToken(f *testing.F) {
	i := newTestIdentifier(f, Config{Secret: testSecret, Keys: allKeys(f)})
	good := sign(f, algHS256, "", testSecret, soon(jwt.MapClaims{"exp": 1 << 40})) // the same in each process
	f.Add(good)
	f.Add(sign(f, "none", "", jwt.UnsafeAllowNoneSignatureType, soon(nil)))
	f.Add(segment(`{"alg":"RS256","kid":"x"}`) + "." + segment(`{"sub":"a"}`) + ".x")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := i.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + token}}, &protocol.MatchRequest{})
		if strings.TrimSpace(token) != good {
			var e *protocol.HTTPError
			require.ErrorAs(t, err, &e)
			require.Equal(t, protocol.ErrUnauthorized, e.Code)
		}
	})
}

// FuzzClaims: whatever a token that is signed says, what comes out of it is a proper person or a refusal.
func FuzzClaims(f *testing.F) {
	i := newTestIdentifier(f, Config{Secret: testSecret})
	f.Add(`{"sub":"ada","exp":99999999999,"name":"Ada","x":[1,{"y":null}]}`)
	f.Add(`{"sub":"guest-x","exp":1e300}`)
	f.Add(`{"sub":"\ud800","exp":-1,"aud":[null]}`)
	f.Fuzz(func(t *testing.T, payload string) {
		text := segment(`{"alg":"HS256"}`) + "." + segment(payload)
		sum, _ := jwt.SigningMethodHS256.Sign(text, testSecret)
		who, err := i.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + text + "." + segment(string(sum))}}, &protocol.MatchRequest{})
		if err != nil {
			var e *protocol.HTTPError
			require.ErrorAs(t, err, &e)
			return
		}
		require.Empty(t, faultOfSubject(who.User))
		name, err := CleanName(who.Name)
		require.NoError(t, err)
		require.Equal(t, name, who.Name)
		require.LessOrEqual(t, len(who.Claims), MaxClaims)
		require.True(t, json.Valid(who.Claims))
		require.Equal(t, byte('{'), who.Claims[0])
	})
}
