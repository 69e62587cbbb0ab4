package logs

import (
	"os"
	"syscall"
)

// IsTerminal reports whether f is a console, which a person reads. NUL and other devices are none.
func IsTerminal(f *os.File) bool {
	var mode uint32
	return syscall.GetConsoleMode(syscall.Handle(f.Fd()), &mode) == nil
}
