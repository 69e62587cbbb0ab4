package lobby

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Run watches the rooms, and tells who watches them, until ctx is done. Then no further ones are made, those that there are end,
// their players told that the server is stopping, and Run returns when all have ended.
//
// It does not wait for a room whose game does not return from a call, since Go cannot end a goroutine from
// outside. After 10 s of the process's running in one call, or after Grace when the lobby ends, such a room is given up: taken off
// the lists, its seats freed, reported to OnStuck and left to itself. Should the call return after
// all, the room ends.
//
// Run is called once. Its error is always nil.
func (l *Lobby) Run(ctx context.Context) error {
	defer close(l.over)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			l.watch(time.Now())
			l.tell()
		case <-l.kick:
			l.tell()
		case <-l.checks:
		}
	}
	l.Drain()
	l.cancel()
	ended := make(chan struct{})
	go func() { // ends before Run does: at the latest after Grace
		l.ended.Wait()
		close(ended)
	}()
	look := min(watchEvery, l.cfg.Grace)
	ticker.Reset(look)
	// By looks, not by a timer: see inspect.
	for left := (l.cfg.Grace + look - 1) / look; ; {
		select {
		case <-ended:
			return nil
		case <-ticker.C:
			l.watch(time.Now())
			if left--; left > 0 {
				continue
			}
			l.mu.Lock()
			rest := slices.Collect(maps.Keys(l.running))
			l.mu.Unlock()
			l.giveUp(rest, "it did not end in time")
			left = 1 // again, though nothing should be left
		case <-l.checks:
		}
	}
}

// Check goes through what every match goes through, and has Run's goroutine answer, unless Run has returned. The error is
// ctx's. It waits for ever where the lobby's lock hangs, for a health check to notice.
func (l *Lobby) Check(ctx context.Context) error {
	l.Find("") // takes the lock
	select {
	case l.checks <- struct{}{}:
		return nil
	case <-l.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch does what is due at now.
func (l *Lobby) watch(now time.Time) {
	l.relieve()
	l.giveUp(l.inspect(now), "its game does not return from a call")
}

// inspect lets held seats expire, takes rooms that have ended off the lists, and returns those that hang. How long a call
// takes is counted in looks at it, not by the clock: when the whole process was stopped, or its machine slept, no game
// could have returned meanwhile.
func (l *Lobby) inspect(now time.Time) (stuck []*entry) {
	var slow, opened []*entry
	defer func() { // without the lock, for a log may take its time
		for _, e := range slow {
			l.cfg.Log.Warn("a game is slow: a call into it has not returned", "room", e.room.ID(), "kind", e.kind.spec.Name, "for", slowAfter)
		}
		for _, e := range opened {
			l.cfg.Log.Info("a match is open to everybody: one player is left, and nobody was found in the queue", "room", e.room.ID(), "kind", e.kind.spec.Name)
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked(now)
	for e := range l.running {
		switch looks := e.look(); {
		case over(e.room): // though its slow work may go on
			l.removeLocked(e)
		case looks > int(stuckAfter/watchEvery):
			stuck = append(stuck, e)
		case looks == int(slowAfter/watchEvery)+1:
			l.cfg.Stats.Slow.Add(1)
			l.cfg.RoomStats.Kind(e.kind.spec.Name).Slow.Add(1)
			slow = append(slow, e)
		}
		if l.openLocked(e, now) {
			opened = append(opened, e)
		}
	}
	return stuck
}

// giveUp lets go of rooms whose goroutines can't be waited for.
func (l *Lobby) giveUp(rooms []*entry, why string) {
	for _, e := range rooms {
		if !l.letGo(e) {
			continue // it has ended meanwhile
		}
		l.cfg.Stats.Stuck.Add(1)
		l.cfg.RoomStats.Kind(e.kind.spec.Name).Stuck.Add(1)
		l.cfg.Log.Error("room given up: "+why, "room", e.room.ID(), "kind", e.kind.spec.Name,
			"players", e.room.Info().Players, "after", time.Since(e.opened).Round(time.Millisecond))
		e.room.Abandon()
		if l.cfg.OnStuck != nil {
			l.cfg.OnStuck(e.room)
		}
		e.settle()
	}
}

func (l *Lobby) letGo(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.running[e]; !ok {
		return false
	}
	delete(l.running, e)
	l.removeLocked(e)
	e.stuck = true
	l.players -= e.seats + e.watching // nobody knows when the room will release them
	for s := range e.places {
		l.discountLocked(s)
	}
	return true
}
