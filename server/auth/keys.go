package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
)

// The algorithms that are accepted: one for each type of key, so that no token can choose how it is checked.
const (
	algHS256 = "HS256"
	algRS256 = "RS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

var algorithms = []string{algHS256, algRS256, algES256, algEdDSA}

const (
	minRSABits = 2048 // RFC 7518, 3.3
	maxKeys    = 64   // of one set
)

// key is one key that signatures are checked with.
type key struct {
	id    string // "" for one that fits any "kid"
	alg   string
	value any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// newKey finds the algorithm that goes with a key.
func newKey(id string, value any) (key, error) {
	switch v := value.(type) {
	case []byte:
		if len(v) < MinKey {
			return key{}, fmt.Errorf("a secret of %d bytes: HS256 needs at least %d", len(v), MinKey)
		}
		return key{id, algHS256, v}, nil
	case *rsa.PublicKey:
		if v.N.BitLen() < minRSABits {
			return key{}, fmt.Errorf("an RSA key of %d bits: RS256 needs at least %d", v.N.BitLen(), minRSABits)
		}
		return key{id, algRS256, v}, nil
	case *ecdsa.PublicKey:
		if v.Curve != elliptic.P256() {
			return key{}, fmt.Errorf("an EC key on %s: ES256 needs P-256", v.Params().Name)
		}
		return key{id, algES256, v}, nil
	case ed25519.PublicKey:
		return key{id, algEdDSA, v}, nil
	}
	return key{}, fmt.Errorf("a key of type %T: use RSA, P-256 or Ed25519", value)
}

// parsePEM reads public keys (PKIX or PKCS #1) and certificates. A private key is refused: to check tokens
// a server does not need one.
func parsePEM(text []byte) ([]key, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var keys []key
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		value, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("auth: PEM block %d (%s): %w", n, block.Type, err)
		}
		k, err := newKey("", value)
		if err != nil {
			return nil, fmt.Errorf("auth: PEM block %d holds %w", n, err)
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("auth: there is no key in the PEM: it needs a block that begins with -----BEGIN PUBLIC KEY-----")
	case len(keys) > maxKeys:
		return nil, fmt.Errorf("auth: there are %d keys in the PEM: at most %d", len(keys), maxKeys)
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		return nil, errors.New("this is the private key: give the public one (openssl pkey -pubout), and keep this where tokens are made")
	}
	return nil, errors.New("this is neither a public key nor a certificate")
}

// parseSet reads a JWK Set (RFC 7517). Keys that are of no use here, such as those for encryption, are left
// out and told in skipped; so are secrets unless allowed, which a set that anybody can fetch must not hold.
func parseSet(text []byte, secrets bool) (keys []key, skipped []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, nil, fmt.Errorf("it is no JWK Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("it holds %d keys: at most %d", len(set.Keys), maxKeys)
	}
	for n, raw := range set.Keys {
		k, err := parseJWK(raw, secrets)
		if err != nil {
			skipped = append(skipped, fmt.Sprintf("key %d: %v", n+1, err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, skipped, errors.New("it holds no key for RS256, ES256 or EdDSA")
	}
	return keys, skipped, nil
}

func parseJWK(raw json.RawMessage, secrets bool) (key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return key{}, err
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return key{}, fmt.Errorf("its use is %q, not signing", m.USE)
	}
	if m.KTY == jwkset.KtyOct && !secrets {
		return key{}, errors.New("it is a secret, which must not be where anybody can fetch it")
	}
	// Certificates add nothing to a key that comes from a trusted place, and the library would fetch those of an x5u.
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: m.KTY == jwkset.KtyOct}, jwkset.JWKValidateOptions{SkipKeyOps: true})
	if err != nil {
		return key{}, err
	}
	k, err := newKey(m.KID, jwk.Key())
	if err == nil && m.ALG != "" && string(m.ALG) != k.alg {
		err = fmt.Errorf("it is for %s, which is not accepted", m.ALG)
	}
	return k, err
}
