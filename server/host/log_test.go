package host

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStackIsLegibleOnATerminal(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, true, slog.LevelInfo).With("room", "r1")
	log.Error("a game panicked", "kind", "arena", stackKey, "goroutine 7 [running]:\nmain.f()\n\t/src/main.go:3\n", "after", 90*time.Second)
	require.Regexp(t, `^time=\S+ level=ERROR msg="a game panicked" room=r1 kind=arena after=1m30s
    goroutine 7 \[running\]:
    main.f\(\)
    	/src/main.go:3
$`, out.String())

	out.Reset()
	newLog(&out, false, slog.LevelInfo).Error("x", stackKey, "a\nb")
	require.Contains(t, out.String(), `"stack":"a\nb"`, "elsewhere it is one line of JSON")
}
