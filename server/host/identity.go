package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/tickhall/tickhall/server/auth"
	"github.com/tickhall/tickhall/server/flags"
)

// maxKeyFile is the largest file of keys or secrets that is read, in bytes.
const maxKeyFile = 256 << 10

// identitySettings are those that say who players and the operator are. Secrets are checked by Validate, so that no
// message repeats one.
func identitySettings(f *flags.Set, cfg *Config) {
	secret(f, "guest-key", "signs guests' ids, so that they are known after a restart too: at least 32 random bytes. Better set the variable or a file: flags show in lists of processes", func(b []byte) { cfg.Auth.GuestKey = b })
	f.Add("guests", "false", "let in guests, who need no token, even if tokens are checked", func(s string) error {
		on, err := strconv.ParseBool(s)
		cfg.Auth.Guests = on
		return flags.Allowed(err == nil, "true or false")
	})
	secret(f, "jwt-secret", "checks players' tokens signed with HS256: at least 32 random bytes. Better set the variable or a file", func(b []byte) { cfg.Auth.Secret = b })
	f.Add("jwt-keys FILE", "", "public keys or certificates in PEM: they check tokens signed with RS256, ES256 or EdDSA", file(func(b []byte) { cfg.Auth.Keys = b }))
	f.Add("jwt-jwks ADDRESS", "", "where the keys are as a JWK Set: https://..., or a file. It is read again every 15 minutes, and when a token names a key that is not known", text(func(s string) { cfg.Auth.JWKS = s }))
	f.Add("jwt-issuer ISSUER", "", "what a token's \"iss\" must be", text(func(s string) { cfg.Auth.Issuer = s }))
	f.Add("jwt-audience LIST", "", "a token's \"aud\" must hold one of these, separated by commas", list(&cfg.Auth.Audience))
	f.Add("jwt-skew DURATION", auth.DefaultSkew.String(), "by how much the issuer's clock and this one may differ", func(s string) error {
		d, err := time.ParseDuration(s)
		cfg.Auth.Skew = d
		return flags.Allowed(err == nil && d > 0 && d <= auth.MaxSkew, "a duration above 0 and up to "+auth.MaxSkew.String()+", such as 30s")
	})
	secret(f, "admin-token", "lets the operator use /v1/admin/: at least 16 random bytes. Better set the variable or a file. Without one a terminal is shown a random token, and elsewhere the API is off", func(b []byte) { cfg.AdminToken = string(b) })
	f.Add("admin-listen ADDRESS", "", "where to serve /v1/admin/; without one it is served with all else; off for nowhere", func(s string) error {
		cfg.AdminListen = s
		return checkAside(s)
	})
}

// secret adds a setting for a secret, and one for a file that holds it. Only one of them may be given: else one that
// nobody thinks of any more might count.
func secret(f *flags.Set, name, usage string, to func([]byte)) {
	var plain, fromFile bool
	f.Add(name+" SECRET", "", usage, text(func(s string) {
		plain = true
		to([]byte(s))
	}))
	f.Add(name+"-file FILE", "", "holds that secret; a line break at its end does not count", file(func(b []byte) {
		fromFile = true
		to(b)
	}))
	f.Check(func() error {
		if plain && fromFile {
			return fmt.Errorf("--%s and --%s-file, or their variables, are both given: leave one out", name, name)
		}
		return nil
	})
}

// text is for values that are not empty: an empty secret would mean that there is none, and let everybody in.
func text(to func(string)) func(string) error {
	return func(s string) error {
		to(s)
		return flags.Allowed(s != "", "more than nothing: leave it out if it is not meant")
	}
}

// file is for what is in a file, without line breaks at its end.
func file(to func([]byte)) func(string) error {
	return func(name string) error {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
			return errors.New("it must be a file of at most 256 KiB")
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b = bytes.TrimRight(b, "\r\n")
		to(b)
		return flags.Allowed(len(b) > 0, "a file that is not empty")
	}
}
