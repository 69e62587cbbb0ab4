//go:build !unix

package host

// fileLimit is how many descriptors the process may have, 0 for any number.
func fileLimit() uint64 { return 0 }
