//go:build unix && !solaris && !illumos && !aix

package logs

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether f is a terminal, which a person reads. /dev/null and other devices are none.
func IsTerminal(f *os.File) bool {
	is := false
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	err = c.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), getTermios)
		is = err == nil
	})
	return err == nil && is
}
