package logs_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/server/logs"
)

func TestOnlyATerminalIsOne(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	require.False(t, logs.IsTerminal(w))
	for _, name := range []string{os.DevNull, filepath.Join(t.TempDir(), "log")} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		require.False(t, logs.IsTerminal(f), name)
		require.NoError(t, f.Close())
		require.False(t, logs.IsTerminal(f), "it is closed")
	}
	if runtime.GOOS != "linux" {
		return
	}
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals to be had: ", err)
	}
	defer f.Close()
	require.True(t, logs.IsTerminal(f))
}
