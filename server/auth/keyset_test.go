package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

const setAddress = "https://id.example/jwks.json"

func newES256(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// setOf is the JWK Set of some public keys and secrets, by key id.
func setOf(t testing.TB, keys map[string]any) string {
	var set jwkset.JWKSMarshal
	for id, k := range keys {
		jwk, err := jwkset.NewJWKFromKey(k, jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{KID: id}, Marshal: jwkset.JWKMarshalOptions{Private: true},
		})
		require.NoError(t, err)
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	b, err := json.Marshal(set)
	require.NoError(t, err)
	return string(b)
}

// issuer serves a JWK Set from memory.
type issuer struct {
	mu     sync.Mutex
	status int
	body   string
	err    error
	delay  time.Duration
	asked  int
	moved  string // where it redirects to
}

func (s *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	status, body, err, delay := s.status, s.body, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if s.moved != "" {
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {s.moved}}, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (s *issuer) set(status int, body string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body, s.err = status, body, err
}

func (s *issuer) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// withIssuer runs f in a bubble beside an Identifier that has its keys from s.
func withIssuer(t *testing.T, s *issuer, f func(t *testing.T, i *Identifier, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		i := newTestIdentifier(t, Config{JWKS: setAddress, Client: &http.Client{Transport: s}, Log: slog.New(slog.NewTextHandler(log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- i.Run(ctx) }()
		synctest.Wait()
		f(t, i, log)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestRotatedKeyIsFetchedWhenATokenNamesIt(t *testing.T) {
	first, second := newES256(t), newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": first.Public()})}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		require.Equal(t, 1, s.times())
		_, err := present(t, i, sign(t, algES256, "1", first, soon(nil)))
		require.NoError(t, err)
		require.Equal(t, 1, s.times(), "a known key asks nobody")

		s.set(200, setOf(t, map[string]any{"2": second.Public()}), nil)
		time.Sleep(refreshLeast)
		who, err := present(t, i, sign(t, algES256, "2", second, soon(nil)))
		require.NoError(t, err)
		require.Equal(t, "ada", who.User)
		require.Equal(t, 2, s.times())
		_, err = present(t, i, sign(t, algES256, "1", first, soon(nil)))
		requireUnavailable(t, err, refreshLeast)
		time.Sleep(refreshLeast)
		_, err = present(t, i, sign(t, algES256, "1", first, soon(nil)))
		requireRefused(t, err, protocol.ErrUnauthorized, "knows no key")
	})
}

// requireUnavailable requires a refusal that says to come back after wait.
func requireUnavailable(t testing.TB, err error, wait time.Duration) {
	t.Helper()
	requireRefused(t, err, ErrUnavailable, "try again")
	var e *UnavailableError
	require.ErrorAs(t, err, &e)
	require.Equal(t, wait, e.Wait)
}

func TestTokenOfABrandNewKeyIsToldToComeBack(t *testing.T) {
	fixed, first, second := newES256(t), newES256(t), newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": first.Public()})}
	for _, besideFixed := range []bool{false, true} {
		withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
			if besideFixed { // its id fits any
				k, err := newKey("", fixed.Public())
				require.NoError(t, err)
				i.tokens.fixed = []key{k}
			}
			s.set(200, setOf(t, map[string]any{"1": first.Public(), "2": second.Public()}), nil)
			defer s.set(200, setOf(t, map[string]any{"1": first.Public()}), nil)
			time.Sleep(10 * time.Second)
			token := sign(t, algES256, "2", second, soon(nil))
			_, err := present(t, i, token)
			requireUnavailable(t, err, refreshLeast-10*time.Second)
			time.Sleep(refreshLeast - 10*time.Second)
			_, err = present(t, i, token)
			require.NoError(t, err)
			_, err = present(t, i, sign(t, algES256, "1", second, soon(nil)))
			requireRefused(t, err, protocol.ErrUnauthorized, "signature is wrong")
		})
	}
}

func TestTokenThatNoSetCouldKnowIsRefusedAtOnce(t *testing.T) {
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": newES256(t).Public()})}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		_, err := present(t, i, sign(t, algHS256, "s", testSecret, soon(nil)))
		requireRefused(t, err, protocol.ErrUnauthorized, "knows no key")
	})
}

func TestTokenThatCameDuringAFetchIsToldToComeBack(t *testing.T) {
	k := newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": k.Public()}), delay: 3 * time.Second}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		time.Sleep(time.Second)
		_, err := present(t, i, sign(t, algES256, "2", k, soon(nil)))
		requireUnavailable(t, err, refreshLeast-3*time.Second)
	})
}

func TestRotatedKeyIsFetchedAlsoBesideAFixedKey(t *testing.T) {
	fixed, first := newES256(t), newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": first.Public()})}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		k, err := newKey("", fixed.Public())
		require.NoError(t, err)
		i.tokens.fixed = []key{k}
		second := newES256(t)
		s.set(200, setOf(t, map[string]any{"2": second.Public()}), nil)
		time.Sleep(refreshLeast)
		for _, token := range []string{sign(t, algES256, "2", second, soon(nil)), sign(t, algES256, "", fixed, soon(nil)), sign(t, algES256, "x", fixed, soon(nil))} {
			_, err = present(t, i, token)
			require.NoError(t, err)
		}
		require.Equal(t, 2, s.times())
	})
}

func TestMadeUpKeysDoNotBurdenTheIssuer(t *testing.T) {
	k := newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": k.Public()})}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		for n := range 300 {
			_, err := present(t, i, sign(t, algES256, rand.Text(), k, soon(nil)))
			if n%30 == 0 && n > 0 { // this one had the set read
				requireRefused(t, err, protocol.ErrUnauthorized, "knows no key")
			} else {
				requireUnavailable(t, err, time.Duration(30-n%30)*time.Second)
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, s.times(), 1+300/30)
	})
}

func TestKeysAreFetchedAgainNowAndThen(t *testing.T) {
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": newES256(t).Public()})}
	withIssuer(t, s, func(t *testing.T, _ *Identifier, _ *bytes.Buffer) {
		time.Sleep(time.Hour + time.Second)
		require.Equal(t, 1+4, s.times())
	})
}

func TestPlayersWaitForTheFirstFetch(t *testing.T) {
	k := newES256(t)
	s := &issuer{status: 200, body: setOf(t, map[string]any{"1": k.Public()}), delay: 3 * time.Second}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		var wg sync.WaitGroup
		token := sign(t, algES256, "1", k, soon(jwt.MapClaims{"exp": time.Now().Add(48 * time.Hour).Unix()}))
		for range 20 {
			wg.Go(func() {
				_, err := present(t, i, token)
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, 1, s.times())
	})
}

func TestIssuerThatIsDownDoesNotTakeTheServerDown(t *testing.T) {
	k := newES256(t)
	set := setOf(t, map[string]any{"1": k.Public()})
	for _, c := range []struct {
		name   string
		status int
		body   string
		err    error
		says   string
	}{
		{"unreachable", 0, "", errors.New("connection refused"), "connection refused"},
		{"an error", 500, "oops", nil, "it answered Internal Server Error"},
		{"no JSON", 200, "<html>", nil, "it is no JWK Set"},
		{"no keys", 200, `{"keys":[]}`, nil, "holds no key"},
		{"a secret alone", 200, setOf(t, map[string]any{"s": testSecret}), nil, "holds no key"},
		{"endless", 200, strings.Repeat(" ", maxSetBytes+1), nil, "larger than"},
		{"too many keys", 200, `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`, nil, "at most 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &issuer{status: c.status, body: c.body, err: c.err}
			withIssuer(t, s, func(t *testing.T, i *Identifier, log *bytes.Buffer) {
				token := sign(t, algES256, "1", k, soon(jwt.MapClaims{"exp": time.Now().Add(48 * time.Hour).Unix()}))
				_, err := present(t, i, token)
				requireRefused(t, err, ErrUnavailable, "try again")
				time.Sleep(time.Hour)
				require.Equal(t, 1, strings.Count(log.String(), "could not be read"), "it is said once: %s", log)
				require.Contains(t, log.String(), c.says)
				require.Less(t, s.times(), 70, "retries grow rarer")

				s.set(200, set, nil)
				time.Sleep(retryMost)
				_, err = present(t, i, token)
				require.NoError(t, err)

				s.set(c.status, c.body, c.err)
				time.Sleep(3 * time.Hour)
				_, err = present(t, i, token)
				require.NoError(t, err, "the keys read last stay in use")
				require.Equal(t, 2, strings.Count(log.String(), "could not be read"))
			})
		})
	}
}

func TestKeysDoNotComeByAnUnsafeDetour(t *testing.T) {
	k := newES256(t)
	for to, says := range map[string]string{
		"http://id.example/jwks.json":  "redirects to http://id.example/jwks.json, which is not encrypted",
		"https://id.example/jwks.json": "more than 5 redirects",
	} {
		s := &issuer{status: 200, body: setOf(t, map[string]any{"1": k.Public()}), moved: to}
		withIssuer(t, s, func(t *testing.T, i *Identifier, log *bytes.Buffer) {
			_, err := present(t, i, sign(t, algES256, "1", k, soon(nil)))
			requireRefused(t, err, ErrUnavailable, "try again")
			require.Contains(t, log.String(), says)
		})
	}
}

func TestIssuerThatHangsIsGivenUp(t *testing.T) {
	k := newES256(t)
	s := &issuer{status: 200, body: "", delay: time.Hour}
	withIssuer(t, s, func(t *testing.T, i *Identifier, _ *bytes.Buffer) {
		began := time.Now()
		_, err := present(t, i, sign(t, algES256, "1", k, soon(nil)))
		requireRefused(t, err, ErrUnavailable, "try again")
		require.Equal(t, refreshWait, time.Since(began))
	})
}

func TestSetsOfAllKindsOfKeysAreRead(t *testing.T) {
	other := newES256(t)
	set := setOf(t, map[string]any{
		"r": signers()[algRS256].Public(), "e": signers()[algES256].Public(), "d": signers()[algEdDSA].Public(), "s": testSecret,
	})
	name := filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(name, []byte(set), 0o600))
	i := newTestIdentifier(t, Config{JWKS: name})
	for alg, kid := range map[string]string{algRS256: "r", algES256: "e", algEdDSA: "d", algHS256: "s"} {
		var key any = testSecret
		if s := signers()[alg]; s != nil {
			key = s
		}
		_, err := present(t, i, sign(t, alg, kid, key, soon(nil)))
		require.NoError(t, err, alg)
		_, err = present(t, i, sign(t, alg, "", key, soon(nil)))
		require.NoError(t, err, alg)
		_, err = present(t, i, sign(t, alg, "x", key, soon(nil)))
		requireRefused(t, err, protocol.ErrUnauthorized, "knows no key")
	}
	_, err := present(t, i, sign(t, algES256, "r", other, soon(nil)))
	requireRefused(t, err, protocol.ErrUnauthorized, "knows no key")

	keys, skipped, err := parseSet([]byte(set), false)
	require.NoError(t, err)
	require.Len(t, keys, 3)
	require.Len(t, skipped, 1, "a set that anybody can fetch holds no secret")
}

func TestKeysThatAreOfNoUseAreLeftOut(t *testing.T) {
	raw := func(change func(m map[string]any)) json.RawMessage {
		var set struct{ Keys []map[string]any }
		require.NoError(t, json.Unmarshal([]byte(setOf(t, map[string]any{"r": signers()[algRS256].Public()})), &set))
		change(set.Keys[0])
		b, err := json.Marshal(set.Keys[0])
		require.NoError(t, err)
		return b
	}
	for name, change := range map[string]func(map[string]any){
		"for encryption":    func(m map[string]any) { m["use"] = "enc" },
		"another algorithm": func(m map[string]any) { m["alg"] = "PS256" },
		"too small":         func(m map[string]any) { m["n"] = "AQAB" },
		"another type":      func(m map[string]any) { m["kty"] = "XYZ" },
		"no number":         func(m map[string]any) { m["n"] = "!" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseJWK(raw(change), true)
			require.Error(t, err)
		})
	}
	k, err := parseJWK(raw(func(m map[string]any) { m["x5u"], m["use"], m["alg"] = "https://evil.example/", "sig", "RS256" }), false)
	require.NoError(t, err, "nobody is asked for certificates")
	require.Equal(t, algRS256, k.alg)
}

// FuzzSet: no JWK Set makes parseSet panic, and all of its keys go with an algorithm.
func FuzzSet(f *testing.F) {
	f.Add(setOf(f, map[string]any{"r": signers()[algRS256].Public(), "e": signers()[algES256].Public()}))
	f.Add(setOf(f, map[string]any{"d": signers()[algEdDSA].Public(), "s": testSecret}))
	f.Add(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"},{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`)
	f.Fuzz(func(t *testing.T, set string) {
		keys, _, err := parseSet([]byte(set), true)
		require.Equal(t, err != nil, len(keys) == 0)
		for _, k := range keys {
			require.Contains(t, algorithms, k.alg)
		}
	})
}
