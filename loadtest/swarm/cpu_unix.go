//go:build unix

package swarm

import (
	"syscall"
	"time"
)

// ownCPU is the processor time that this process has used, 0 if that is not known.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
