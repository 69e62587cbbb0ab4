package player

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Registry knows every session of a server by the user it belongs to: a user may be in several rooms, one
// session in each seat. Sessions stay in it while they are away. It also knows who is banned. The zero value is
// ready; methods may be called from any goroutine, and none waits for a room.
type Registry struct {
	mu    sync.RWMutex
	users map[string][]*Session
	count int
	bans  map[string]Ban
}

// Ban keeps a user out for a time.
type Ban struct {
	User   string    `json:"user"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"` // the user is shown it
}

// Add puts s in. The room calls it when it has seated the player.
func (r *Registry) Add(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == nil {
		r.users = map[string][]*Session{}
	}
	r.users[s.User] = append(r.users[s.User], s)
	r.count++
}

// Remove takes s out. The room calls it when the seat is free again.
func (r *Registry) Remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.users[s.User]
	i := slices.Index(list, s)
	if i < 0 {
		return
	}
	r.count--
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(r.users, s.User)
		return
	}
	r.users[s.User] = list
}

// Len is how many sessions there are.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.count
}

// User returns the sessions of a user, in the order of joining.
func (r *Registry) User(user string) []*Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.users[user])
}

// All returns every session, in no order.
func (r *Registry) All() []*Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*Session, 0, r.count)
	for _, list := range r.users {
		all = append(all, list...)
	}
	return all
}

// Send sends e to every session of a user, and returns to how many.
func (r *Registry) Send(user string, e *Event) int { return announce(r.User(user), e) }

// Broadcast sends e to every session, and returns to how many.
func (r *Registry) Broadcast(e *Event) int { return announce(r.All(), e) }

func announce(sessions []*Session, e *Event) (reached int) {
	for _, s := range sessions {
		if s.Announce(e) {
			reached++
		}
	}
	return reached
}

// Kick removes a user from every room, and returns from how many. The user is shown the reason.
func (r *Registry) Kick(user, reason string) int {
	sessions := r.User(user)
	for _, s := range sessions {
		s.Kick(reason)
	}
	return len(sessions)
}

// Ban keeps a user out until the time given; a past one lifts the ban. It does not kick. A time that was made of time.Now
// by Add holds for that long, even if the wall clock is set meanwhile; another one, by the wall clock.
func (r *Registry) Ban(user string, until time.Time, reason string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bans == nil {
		r.bans = map[string]Ban{}
	}
	for u, b := range r.bans { // bans are few; those that are over go when another is made
		if !now.Before(b.Until) {
			delete(r.bans, u)
		}
	}
	delete(r.bans, user)
	if now.Before(until) {
		r.bans[user] = Ban{user, until, reason}
	}
}

// Banned tells whether a user is banned at now, until when and why.
func (r *Registry) Banned(now time.Time, user string) (until time.Time, reason string, banned bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, ok := r.bans[user]
	if !ok || !now.Before(b.Until) {
		return time.Time{}, "", false
	}
	return b.at(now).Until, b.Reason, true
}

// at is the ban as now's wall clock has it. A ban lasts as long as it was meant to, whatever that clock was set to since:
// only what is left of it says when it ends.
func (b Ban) at(now time.Time) Ban {
	b.Until = now.Add(b.Until.Sub(now))
	return b
}

// Bans lists those that hold at now, by user.
func (r *Registry) Bans(now time.Time) []Ban {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := []Ban{}
	for _, b := range r.bans {
		if now.Before(b.Until) {
			list = append(list, b.at(now))
		}
	}
	slices.SortFunc(list, func(x, y Ban) int { return strings.Compare(x.User, y.User) })
	return list
}
