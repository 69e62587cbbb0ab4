//go:build unix

package host

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patient is for servers that may be hanging.
var patient = http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// fetch asks for a path, and returns the status and the body.
func fetch(t *testing.T, url, body string) (int, string) {
	t.Helper()
	var res *http.Response
	var err error
	if body == "" {
		res, err = patient.Get(url)
	} else {
		res, err = patient.Post(url, "application/json", strings.NewReader(body))
	}
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

// clog fills the pipe behind w, which a program writes its log to, until not a byte more fits in.
func clog(t *testing.T, w *os.File) {
	fd := int(w.Fd())
	require.NoError(t, syscall.SetNonblock(fd, true))
	block := []byte(strings.Repeat(".", 4096))
	for len(block) > 0 {
		switch _, err := syscall.Write(fd, block); {
		case errors.Is(err, syscall.EAGAIN):
			block = block[:len(block)/2]
		default:
			require.NoError(t, err)
		}
	}
	require.NoError(t, syscall.SetNonblock(fd, false))
}

// launchPiped runs Main with its log in a pipe, whose ends are r and w, and returns where it serves.
func launchPiped(t *testing.T, flags ...string) (cmd *exec.Cmd, r, w *os.File, url string) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() }) // the test may have done so
	cmd = command(append([]string{"--listen", "127.0.0.1:0"}, flags...)...)
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, if the test went well
	text, buf := "", make([]byte, 4096)
	for url == "" {
		n, err := r.Read(buf)
		require.NoError(t, err)
		text += string(buf[:n])
		if m := regexp.MustCompile(`ready: (http://[0-9.:]+)`).FindStringSubmatch(text); m != nil {
			url = m[1]
		}
	}
	return cmd, r, w, url
}

// serves tells that every part of the server goes on, and makes it log: each room that is made is a line.
func serves(t *testing.T, url string) {
	t.Helper()
	for range 3 {
		status, body := fetch(t, url+"/v1/match", `{"kind": "trial", "mode": "create"}`)
		require.Equal(t, http.StatusOK, status, body)
	}
	for _, path := range []string{"/v1/rooms", "/metrics", "/healthz", "/readyz"} {
		status, body := fetch(t, url+path, "")
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
	}
}

func TestNothingWaitsForWhatReadsTheLog(t *testing.T) {
	t.Parallel()
	cmd, r, w, url := launchPiped(t)
	clog(t, w)
	serves(t, url)
	require.NoError(t, r.Close()) // nobody reads any more: what is written fails
	serves(t, url)
	require.Eventually(t, func() bool {
		_, body := fetch(t, url+"/metrics", "")
		m := regexp.MustCompile(`(?m)^tickhall_log_lines_dropped_total (\d+)$`).FindStringSubmatch(body)
		require.NotNil(t, m)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		return n >= 6
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "it stops in good order")
}

func TestAFullLogDoesNotKeepAProgramFromStopping(t *testing.T) {
	cmd, _, w, url := launchPiped(t)
	clog(t, w)
	serves(t, url)
	began := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.Less(t, time.Since(began), DefaultGrace)
}

func TestAHangUpDrainsAndDoesNotKill(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("this process was started such that hang-ups are ignored, as nohup does, and its children inherit that")
	}
	cmd, next := launch(t)
	next("Tickhall is ready")
	for range 3 { // a shell and the kernel may both send one
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	}
	next(`"msg":"stopping"`)
	next(`"msg":"stopped"`)
	require.NoError(t, cmd.Wait())
}

func TestAHangUpThatIsIgnoredStaysSo(t *testing.T) {
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("there is no nohup")
	}
	cmd := command("--listen", "127.0.0.1:0")
	cmd.Path, cmd.Args = nohup, append([]string{"nohup"}, cmd.Args...)
	next := follow(t, cmd)
	next("Tickhall is ready")
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	next(`"msg":"stopped"`)
	require.NoError(t, cmd.Wait())
}

// awaitStopped waits until a signal to stop has reached all threads of a process, where the system tells so.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	stat := fmt.Sprintf("/proc/%d/stat", pid)
	if _, err := os.Stat(stat); err != nil {
		return
	}
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(stat)
		require.NoError(t, err)
		_, after, ok := strings.Cut(string(b), ") ")
		return ok && strings.HasPrefix(after, "T")
	}, 10*time.Second, time.Millisecond)
}

func TestAPauseOfTheProcessEndsNoRoom(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	cmd, next := launch(t)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(next("Tickhall is ready"))
	defer enterHanging(t, url).Close()
	next("a game is slow") // counted in looks of the watchdog: it is 8 s of running until the room is given up
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	awaitStopped(t, cmd.Process.Pid)
	time.AfterFunc(12*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGCONT) })
	_, body := fetch(t, url+"/metrics", "") // answered when the process goes on
	require.Contains(t, body, `tickhall_rooms_ended_total{cause="stuck",kind="trial"} 0`)
	status, body := fetch(t, url+"/healthz", "")
	require.Equal(t, http.StatusOK, status, body)
	_, body = fetch(t, url+"/metrics", "")
	require.Contains(t, body, `tickhall_rooms_ended_total{cause="stuck",kind="trial"} 0`)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}

// openFiles is the limit of open files that the program is to give itself, if set.
const openFiles = "HOST_TEST_OPEN_FILES"

func init() { atStart = limitFiles }

// limitFiles does what openFiles says; at SIGUSR1 it then opens all the files that it may.
func limitFiles() {
	n, err := strconv.ParseUint(os.Getenv(openFiles), 10, 32)
	if err != nil {
		return
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		panic(err)
	}
	l.Cur = n
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		panic(err)
	}
	hoard := make(chan os.Signal, 1)
	signal.Notify(hoard, syscall.SIGUSR1)
	go func() {
		<-hoard
		var err error
		for err == nil {
			_, err = syscall.Open(os.DevNull, syscall.O_RDONLY, 0) // never closed
		}
		slog.Info("hoarded: " + err.Error())
	}()
}

// launchLimited runs Main with a limit of open files.
func launchLimited(t *testing.T, limit string) (cmd *exec.Cmd, url string, next func(string) string) {
	cmd, next = launch(t, openFiles+"="+limit)
	return cmd, regexp.MustCompile(`http://[0-9.:]+`).FindString(next("Tickhall is ready")), next
}

func TestAServerWithoutSocketsStillAnswersAndRefuses(t *testing.T) {
	const limit = 120 // of which 60 are kept back
	cmd, url, _ := launchLimited(t, strconv.Itoa(limit))
	var crowd []net.Conn
	for range limit {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		crowd = append(crowd, c)
		if len(crowd) <= limit/2 { // up to the cap: an idle connection is kept for longer than one that has said nothing
			_, err = io.WriteString(c, "GET /v1/kinds HTTP/1.1\r\nHost: tickhall.test\r\n\r\n")
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		if len(crowd) == 70 { // above the cap, and spare sockets are left
			for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
				status, body := fetch(t, url+path, "")
				require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
			}
			status, body := fetch(t, url+"/v1/match", `{"kind": "trial"}`)
			require.Equal(t, http.StatusServiceUnavailable, status, body)
			require.Contains(t, body, "server_full")
		}
	}
	for _, c := range crowd {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		status, _ := fetch(t, url+"/v1/match", `{"kind": "trial"}`)
		return status == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "when they have gone it plays on")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestAServerWithoutDescriptorsStillAnswersAndRefuses(t *testing.T) {
	cmd, url, next := launchLimited(t, "200")
	require.NoError(t, cmd.Process.Signal(syscall.SIGUSR1))
	next("hoarded: too many open files")
	for range 2 * reserveSize { // more often than there are descriptors held
		status, body := fetch(t, url+"/healthz", "")
		require.Equal(t, http.StatusOK, status, body)
		status, body = fetch(t, url+"/v1/match", `{"kind": "trial"}`)
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.Contains(t, body, "server_full")
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestTheCapOfSocketsLeavesSomeDescriptors(t *testing.T) {
	for _, c := range []struct {
		most  int
		limit uint64
		want  int64
	}{
		{0, 0, math.MaxInt64}, {0, math.MaxUint64, math.MaxInt64}, {50, 0, 50}, {0, 1024, 896}, {5000, 1024, 896}, {100, 1024, 100}, {0, 64, 32}, {0, 1, 1},
	} {
		require.Equal(t, c.want, socketCap(c.most, c.limit), "%+v", c)
	}
}
