package gateway

import (
	"strings"
	"sync"
	"time"
)

const (
	faultEvery = time.Minute // between two lines of the log about faults of a kind
	faultKinds = 64          // that are told apart
)

// faults decides which faults in what clients send are logged: of each kind the first, and then one a minute, so that
// nobody can fill the log. Its zero value is ready; its method may be called from any goroutine.
type faults struct {
	mu   sync.Mutex
	seen map[string]*seenFault
}

type seenFault struct {
	at   time.Time // when it was logged last
	more int       // since then
}

// note reports whether a fault with that reason is to be logged at now, and how many like it were not since the last one.
func (f *faults) note(now time.Time, reason string) (log bool, more int) {
	kind := kindOfFault(reason)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen[kind]
	if s == nil {
		if len(f.seen) >= faultKinds {
			f.forgetLocked(now)
		}
		if len(f.seen) >= faultKinds {
			return false, 0
		}
		if f.seen == nil {
			f.seen = map[string]*seenFault{}
		}
		s = new(seenFault)
		f.seen[kind] = s
	} else if now.Sub(s.at) < faultEvery {
		s.more++
		return false, 0
	}
	more, s.at, s.more = s.more, now, 0
	return true, more
}

// forgetLocked makes room for other kinds.
func (f *faults) forgetLocked(now time.Time) {
	for kind, s := range f.seen {
		if now.Sub(s.at) >= faultEvery {
			delete(f.seen, kind)
		}
	}
}

// kindOfFault is reason without what clients choose: numbers, and what stands in quotation marks.
func kindOfFault(reason string) string {
	var b strings.Builder
	quoted := false
	for _, r := range reason {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted, r >= '0' && r <= '9', r == '-':
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
