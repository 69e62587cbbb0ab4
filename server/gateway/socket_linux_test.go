package gateway

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinuxKeepsTheKernelsQueueShort(t *testing.T) {
	raw, _ := pair(t)
	cfg := Config{}.withDefaults()
	newNetConn(raw, &cfg, cfg.Stats)
	rc, err := raw.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	var got int
	require.NoError(t, rc.Control(func(fd uintptr) {
		got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat)
	}))
	require.NoError(t, err)
	require.Equal(t, notSentLowat, got)
}
