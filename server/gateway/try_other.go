//go:build !unix

package gateway

import "errors"

// canTry is false where the runtime's sockets can't be written to directly: everything goes through
// the flusher.
const canTry = false

func writeOnce(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
