//go:build unix

package gateway

import "syscall"

const canTry = true

// writeOnce writes what the socket takes without waiting. A full one takes nothing, without an error.
func writeOnce(fd uintptr, p []byte) (n int, err error) {
	for {
		n, err = syscall.Write(int(fd), p)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, nil
		}
		return 0, err
	}
}
