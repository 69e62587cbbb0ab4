package host

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/auth"
)

const somePEM = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`

func write(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestIdentitySettingsComeFromFlagsVariablesAndFiles(t *testing.T) {
	secret := strings.Repeat("s", 32)
	cfg, _, err := parse([]string{
		"--guests", "--jwt-secret-file", write(t, secret+"\r\n"), "--jwt-keys", write(t, somePEM), "--jwt-skew=1m",
		"--jwt-audience", "a, b,",
	}, env(map[string]string{
		"TICKHALL_GUEST_KEY": "g", "TICKHALL_JWT_JWKS": "https://id.example/jwks", "TICKHALL_JWT_ISSUER": "https://id.example",
		"TICKHALL_ADMIN_TOKEN": "token",
	}))
	require.NoError(t, err)
	require.Equal(t, Config{
		AdminToken: "token",
		Auth: auth.Config{
			GuestKey: []byte("g"), Guests: true, Secret: []byte(secret), Keys: []byte(strings.TrimSpace(somePEM)), JWKS: "https://id.example/jwks",
			Issuer: "https://id.example", Audience: []string{"a", "b"}, Skew: time.Minute,
		},
	}, cfg)
}

func TestBadIdentitySettingsGetOneLineThatSaysWhatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"short guest key", []string{"--guest-key", "hush"}, "guest key has 4 bytes: it needs at least 32"},
		{"short secret", []string{"--jwt-secret", "hush"}, "JWT secret has 4 bytes: HS256 needs at least 32"},
		{"short admin token", []string{"--admin-token", "hush"}, "at least 16"},
		{"admin token that fits into no header", []string{"--admin-token", "hush hush hush hush"}, "visible ASCII"},
		{"no such secret", []string{"--jwt-secret-file", "/no/such"}, "no such file"},
		{"empty secret", []string{"--jwt-secret="}, "leave it out if it is not meant"},
		{"empty file", []string{"--jwt-secret-file", write(t, "\n")}, "a file that is not empty"},
		{"a folder", []string{"--jwt-keys", t.TempDir()}, "it must be a file"},
		{"no PEM", []string{"--jwt-keys", write(t, "x")}, "no key in the PEM"},
		{"no JWKS", []string{"--jwt-jwks", write(t, "x")}, "it is no JWK Set"},
		{"JWKS without a file", []string{"--jwt-jwks", "/no/such"}, "no such file"},
		{"JWKS by another scheme", []string{"--jwt-jwks", "ftp://id.example/jwks"}, "https://issuer.example.com"},
		{"skew", []string{"--jwt-skew", "1h"}, "up to 10m0s"},
		{"guests", []string{"--guests=some"}, "true or false"},
		{"issuer without keys", []string{"--jwt-issuer", "x"}, "configure a secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, err bytes.Buffer
			exit := run(program{args: c.args, getenv: env(nil), out: &out, err: &err}, []room.AnyKind{new(trial).kind()})
			require.Equal(t, 2, exit)
			require.Contains(t, err.String(), c.want)
			require.Equal(t, 1, strings.Count(err.String(), "\n"), err.String())
			require.NotContains(t, err.String(), "hush", "secrets are not repeated")
		})
	}
}

// Elsewhere than on a terminal, every line is JSON, this one too.
func TestAdminTokenIsPrintedOnceIfItWasMadeUp(t *testing.T) {
	cmd, next := launch(t)
	var tokens []string
	for line := ""; !strings.Contains(line, `"msg":"stopped"`); {
		line = next("")
		var entry struct{ Msg, Token string }
		require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
		if entry.Token != "" {
			require.Contains(t, entry.Msg, "TICKHALL_ADMIN_TOKEN")
			tokens = append(tokens, entry.Token)
		}
		if strings.Contains(line, "Tickhall is ready") {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	require.NoError(t, cmd.Wait())
	require.Len(t, tokens, 1)
	require.Regexp(t, `^[A-Z2-7]{26}$`, tokens[0])
}

func TestAdminTokenStandsInALineOfItsOwnOnATerminal(t *testing.T) {
	var out bytes.Buffer
	program{err: &out, terminal: true}.tellAdminToken("TOKEN")
	require.Equal(t, "tickhall: the admin token is TOKEN until the next start; TICKHALL_ADMIN_TOKEN sets another\n", out.String())
}

func TestAdminTokenThatWasGivenIsNotPrinted(t *testing.T) {
	t.Setenv("TICKHALL_ADMIN_TOKEN", "a-token-that-is-quite-random")
	cmd, next := launch(t)
	for line := next(""); !strings.Contains(line, `"msg":"stopped"`); line = next("") {
		require.NotContains(t, line, "admin token")
		require.NotContains(t, line, "a-token-that-is-quite-random")
		if strings.Contains(line, "Tickhall is ready") {
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	require.NoError(t, cmd.Wait())
}

func (f *fixture) admin(method, path, body string) (int, string) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://tickhall.test"+path, strings.NewReader(body))
	require.NoError(f.t, err)
	req.Header.Set("Authorization", "Bearer "+f.AdminToken())
	res, err := f.client.Do(req)
	require.NoError(f.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return res.StatusCode, string(b)
}

func TestAdminAPIIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}, AdminToken: "a-token-that-is-quite-random"})
		require.Equal(t, "a-token-that-is-quite-random", f.AdminToken())
		require.Equal(t, 401, f.status("/v1/admin/rooms"))
		closed := f.join()
		time.Sleep(time.Second)

		status, body := f.admin("GET", "/v1/admin/rooms", "")
		require.Equal(t, 200, status, body)
		id := f.Lobby().List()[0].ID
		require.Contains(t, body, `"id":"`+id+`"`)
		status, body = f.admin("POST", "/v1/admin/message", `{"name": "notice", "body": "hello", "to": {"room": "`+id+`"}}`)
		require.Equal(t, 200, status, body)
		require.JSONEq(t, `{"reached": 1}`, body)
		status, body = f.admin("POST", "/v1/admin/message", `{"name": "notice", "to": {"all": true}}`)
		require.Equal(t, 200, status, body)
		require.JSONEq(t, `{"reached": 1}`, body)
		status, body = f.admin("GET", "/v1/admin/players?user=u", "")
		require.Equal(t, 200, status, body)
		require.Contains(t, body, `"room":"`+id+`"`)
		status, body = f.admin("POST", "/v1/admin/rooms/"+id+"/lock", `{"locked": true}`)
		require.Equal(t, 200, status, body)
		require.True(t, f.Lobby().List()[0].Locked)
		status, body = f.admin("POST", "/v1/admin/rooms/"+id+"/close", `{"reason": "repairs"}`)
		require.Equal(t, 200, status, body)
		require.Equal(t, protocol.CodeRoomEnded, <-closed)
		f.stop()
		require.NoError(t, <-f.ended)
	})
}
