package lobby

import (
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

const (
	// describeFor is how long Interface waits for a game's New.
	describeFor = time.Second
	// describeEvery is how often Interface tries again with a game that can't be made without options.
	describeEvery = time.Minute
)

// Interface tells what clients of a kind of room can send and get, by the first room that was made. Before
// that it makes one that is dropped at once. It returns nil if there is no such kind, or no room of it can be made without
// options.
func (l *Lobby) Interface(name string) *protocol.Interface {
	k := l.kinds[name]
	if k == nil {
		return nil
	}
	now := time.Now()
	l.mu.Lock()
	known := k.iface
	skip := known != nil || now.Before(k.hungUntil) || now.Before(k.described.Add(describeEvery))
	if !skip {
		k.described = now
	}
	l.mu.Unlock()
	if skip {
		return known
	}
	made := make(chan *protocol.Interface, 1)
	go func() { // ends with make, which gives a New that hangs up in time
		r, err := l.make(k, now.Add(describeFor), room.Config{ID: "interface", Log: l.cfg.Log})
		if err != nil {
			l.cfg.Log.Warn("what clients can send to a kind of room is not known before its first room is made", "kind", name, "error", err)
			close(made)
			return
		}
		i := r.Interface()
		l.mu.Lock()
		k.iface = i
		l.mu.Unlock()
		made <- i
	}()
	select {
	case known = <-made:
	case <-time.After(describeFor):
	}
	return known
}
