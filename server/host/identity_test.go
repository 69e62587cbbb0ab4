package host

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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

func TestSecretsComeFromFilesToo(t *testing.T) {
	token, key := strings.Repeat("t", 16), strings.Repeat("k", 32)
	for _, end := range []string{"", "\n", "\r\n"} {
		cfg, _, err := parse([]string{"--admin-token-file", write(t, token+end)}, env(map[string]string{"TICKHALL_GUEST_KEY_FILE": write(t, key+end)}))
		require.NoError(t, err)
		require.Equal(t, Config{AdminToken: token, Auth: auth.Config{GuestKey: []byte(key)}}, cfg)
	}
	_, _, err := parse([]string{"--admin-token-file", write(t, token)}, env(map[string]string{"TICKHALL_ADMIN_TOKEN": token}))
	require.ErrorContains(t, err, "--admin-token and --admin-token-file, or their variables, are both given")
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
		{"no such guest key", []string{"--guest-key-file", "/no/such"}, "--guest-key-file /no/such: "},
		{"no such admin token", []string{"--admin-token-file", "/no/such"}, "no such file"},
		{"short admin token in a file", []string{"--admin-token-file", write(t, "hush\n")}, "at least 16"},
		{"a secret twice", []string{"--admin-token", "hush hush hush hush", "--admin-token-file", write(t, "hush hush hush hush")}, "are both given: leave one out"},
		{"admin address", []string{"--admin-listen", "9000"}, "must be HOST:PORT"},
		{"admin address without a token", []string{"--admin-listen", ":9000"}, "no token"},
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

// Elsewhere than on a terminal, every line is JSON, and a log is no place for a token.
func TestWithoutTerminalAndTokenThereIsNoAdminAPI(t *testing.T) {
	cmd, next := launch(t)
	var told bool
	for line := ""; !strings.Contains(line, `"msg":"stopped"`); {
		line = next("")
		require.True(t, json.Valid([]byte(line)), line)
		require.NotRegexp(t, `[A-Z2-7]{26}`, line)
		told = told || strings.Contains(line, "the admin API is off") && strings.Contains(line, "TICKHALL_ADMIN_TOKEN")
		if strings.Contains(line, "Tickhall is ready") {
			url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
			res, err := http.Get(url + "/v1/admin/rooms")
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusNotFound, res.StatusCode)
			http.DefaultClient.CloseIdleConnections()
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	require.NoError(t, cmd.Wait())
	require.True(t, told)
}

func TestTerminalIsShownTheAdminTokenThatWasMadeUp(t *testing.T) {
	cmd, next := launch(t, asProgram+"="+onTerminal)
	line := next("the admin token is ")
	require.Regexp(t, `^tickhall: the admin token is [A-Z2-7]{26} until the next start; TICKHALL_ADMIN_TOKEN sets another$`, line)
	token := regexp.MustCompile(`[A-Z2-7]{26}`).FindString(line)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(next("Tickhall is ready"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/admin/rooms", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	next("msg=stopped")
	require.NoError(t, cmd.Wait())
}

func TestAdminTokenThatWasGivenIsNotPrinted(t *testing.T) {
	for _, as := range []string{"1", onTerminal} {
		cmd, next := launch(t, asProgram+"="+as, "TICKHALL_ADMIN_TOKEN=a-token-that-is-quite-random")
		for line := next(""); !strings.Contains(line, "stopped"); line = next("") {
			require.NotContains(t, line, "admin token")
			require.NotContains(t, line, "a-token-that-is-quite-random")
			if strings.Contains(line, "Tickhall is ready") {
				require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			}
		}
		require.NoError(t, cmd.Wait())
	}
}

func TestAdminAPIIsServedWhereItIsAskedFor(t *testing.T) {
	const token = "a-token-that-is-quite-random"
	for _, c := range []struct {
		name, token, listen string
		want                int
	}{
		{"with all else", token, "", http.StatusUnauthorized},
		{"without a token", "", "", http.StatusNotFound},
		{"off", token, "off", http.StatusNotFound},
		{"elsewhere", token, "127.0.0.1:0", http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := New(Config{Kinds: []room.AnyKind{new(trial).kind()}, AdminToken: c.token, AdminListen: c.listen, Log: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			for _, path := range []string{"/v1/admin", "/v1/admin/rooms"} {
				w := h.get(path, "127.0.0.1:1")
				require.Equal(t, c.want, w.Code)
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				if c.want == http.StatusNotFound {
					require.Contains(t, w.Body.String(), "--admin-listen")
				}
			}
		})
	}
	_, err := New(Config{Kinds: []room.AnyKind{new(trial).kind()}, AdminListen: ":0"})
	require.ErrorContains(t, err, "no token: set TICKHALL_ADMIN_TOKEN")
	_, err = New(Config{Kinds: []room.AnyKind{new(trial).kind()}, AdminListen: "9000", AdminToken: token})
	require.ErrorContains(t, err, "AdminListen")
}

func TestAdminAPIHasAnAddressOfItsOwnIfAsked(t *testing.T) {
	urls := make(chan string, 1)
	log := logged(func(line string) {
		if u := regexp.MustCompile(`http://\S+/v1/admin/`).FindString(line); u != "" {
			urls <- u
		}
	})
	h, err := New(Config{
		Kinds: []room.AnyKind{new(trial).kind()}, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", AdminToken: "a-token-that-is-quite-random",
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	url := <-urls
	for path, want := range map[string]int{url + "rooms": 200, strings.TrimSuffix(url, "/v1/admin/") + "/v1/kinds": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer a-token-that-is-quite-random")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, path)
		require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	require.NoError(t, <-ended)
}

func (f *fixture) admin(method, path, body string) (int, string) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://tickhall.test"+path, strings.NewReader(body))
	require.NoError(f.t, err)
	req.Header.Set("Authorization", "Bearer "+f.cfg.AdminToken)
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
