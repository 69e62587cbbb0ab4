package host

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// asProgram makes the test binary run Main, or if it is onTerminal, what Main runs on a terminal.
const (
	asProgram  = "HOST_TEST_AS_PROGRAM"
	onTerminal = "terminal"
)

// atStart is what the program does first.
var atStart = func() {}

func TestMain(m *testing.M) {
	if as := os.Getenv(asProgram); as != "" {
		atStart()
		game := &trial{release: make(chan struct{})}
		game.hangs.Store(true)
		if as == onTerminal {
			os.Exit(run(program{args: os.Args[1:], getenv: os.LookupEnv, out: os.Stderr, err: os.Stderr, terminal: true}, []room.AnyKind{game.kind()}))
		}
		Main(game.kind())
	}
	goleak.VerifyTestMain(m)
}

// launch runs Main in a process of its own. next returns the first line from now on of what it logs that
// holds text.
func launch(t *testing.T, env ...string) (cmd *exec.Cmd, next func(text string) string) {
	cmd = command("--listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, env...)
	return cmd, follow(t, cmd)
}

// command runs Main with these flags, and without a variable that is the tests' alone.
func command(flags ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], flags...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TICKHALL_REQUIRE_BROWSER=") })
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

// follow starts cmd. next is launch's.
func follow(t *testing.T, cmd *exec.Cmd) (next func(text string) string) {
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, if the test went well
	lines := bufio.NewScanner(out)
	return func(text string) string {
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return lines.Text()
			}
		}
		require.Fail(t, "the program ended without saying "+text)
		return ""
	}
}

func TestFirstSignalStopsInGoodOrder(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, next := launch(t)
			next("Tickhall is ready: http://127.0.0.1:")
			require.NoError(t, cmd.Process.Signal(signal))
			next(`"msg":"stopping"`)
			next(`"msg":"stopped"`)
			require.NoError(t, cmd.Wait())
		})
	}
}

// enterHanging connects a player to a new room of the program, which makes it tick: that hangs.
func enterHanging(t *testing.T, url string) net.Conn {
	t.Helper()
	res, err := http.Post(url+"/v1/match", "application/json", strings.NewReader(`{"kind": "trial"}`))
	require.NoError(t, err)
	var match protocol.MatchReply
	require.NoError(t, json.NewDecoder(res.Body).Decode(&match))
	require.NoError(t, res.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, strings.Replace(match.URL, "ws", "http", 1), nil)
	require.NoError(t, err)
	req.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {protocol.Subprotocol},
	}
	conn, err := net.Dial("tcp", req.URL.Host)
	require.NoError(t, err)
	require.NoError(t, req.Write(conn))
	return conn
}

func TestSecondSignalEndsTheProgramAtOnce(t *testing.T) {
	cmd, next := launch(t)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(next("Tickhall is ready"))
	defer enterHanging(t, url).Close() // a room for the stop to wait for
	next("a game is slow")

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	next(`"msg":"stopping"`)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, syscall.SIGTERM, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
}
