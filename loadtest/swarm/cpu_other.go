//go:build !unix

package swarm

import "time"

// ownCPU is the processor time that this process has used, 0 if that is not known.
func ownCPU() time.Duration { return 0 }
