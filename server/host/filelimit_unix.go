//go:build unix

package host

import "syscall"

// fileLimit is how many descriptors the process may have, 0 for any number. Go raises the soft limit as far as it may be
// raised when a program starts.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur) // it is signed on some systems
}
