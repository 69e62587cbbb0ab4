package lobby

import "time"

// Full reports whether a quick match of a kind, by somebody who asks for nothing more, finds no seat at present. A page
// can say so before anybody asks; what it says may be old by then.
func (l *Lobby) Full(name string) bool {
	k := l.kinds[name]
	if k == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(time.Now())
	if l.players >= l.cfg.MaxPlayers {
		return true
	}
	if len(l.rooms)+l.making < l.cfg.MaxRooms {
		return false
	}
	for _, e := range k.rooms {
		if !e.full() && !e.isLocked() && e.open(nil) {
			return false
		}
	}
	return true
}
