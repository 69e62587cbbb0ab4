package room

import (
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// Bounds of LastWords. What is older, or more, is forgotten, the oldest first.
const (
	lastWordsFor   = time.Hour
	maxLastWords   = 20_000   // tokens
	maxResultBytes = 16 << 20 // of all results, one that several players share counted for each
)

// Words is how a seat ended: what its player is told.
type Words struct {
	Code   protocol.Code
	Reason string
	Result []byte // one msgpack value, nil for none
}

// outlive reports whether a player who was away, or whose line broke at the same moment, has to be told. Who left knows;
// a seat that was lost has nothing to say.
func (w *Words) outlive() bool {
	return w.Code != protocol.CodeNormal && (w.Code != protocol.CodeGone || w.Reason != "")
}

// LastWords keeps, for an hour, how seats ended, for players who come back with their resume token when the seat, or the
// whole room, is gone. It outlives the rooms, and is shared by all of a server. The zero value is ready; methods may be
// called from any goroutine.
type LastWords struct {
	mu    sync.Mutex
	said  map[string]Words
	queue []lastWord // oldest first
	bytes int
}

type lastWord struct {
	token  string
	size   int
	expiry time.Time
}

// Find returns how the seat of a resume token ended, if that is known.
func (l *LastWords) Find(now time.Time, token string) (Words, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(now)
	w, ok := l.said[token]
	return w, ok
}

func (l *LastWords) keep(now time.Time, tokens []string, w Words) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil {
		l.said = map[string]Words{}
	}
	for _, token := range tokens {
		l.said[token] = w
		l.bytes += len(w.Result)
		l.queue = append(l.queue, lastWord{token, len(w.Result), now.Add(lastWordsFor)})
	}
	l.forgetLocked(now)
}

func (l *LastWords) forgetLocked(now time.Time) {
	n := 0
	for ; n < len(l.queue); n++ {
		if old := &l.queue[n]; now.Before(old.expiry) && len(l.said) <= maxLastWords && l.bytes <= maxResultBytes {
			break
		}
		delete(l.said, l.queue[n].token)
		l.bytes -= l.queue[n].size
	}
	clear(l.queue[:n])
	l.queue = l.queue[n:]
}
