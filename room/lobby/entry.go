package lobby

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// entry is one room. Lobby.mu guards what changes.
type entry struct {
	room     *room.Room
	kind     *kind
	opened   time.Time
	private  bool
	password *password // nil: none is needed
	wanted   Filter    // of the quick match that the room was made for
	settle   func()    // tells Lobby.ended, once

	seats    int // held and taken
	watching int // places of spectators, held and taken
	listed   bool
	locked   bool // by the lobby; the game may have locked the room besides
	visited  bool // somebody took a seat, if not for long
	closing  bool
	stuck    bool

	call  int64 // the call into the game that was seen last
	looks int   // how often

	properties map[string]any // of the listing data of described
	described  *room.Info
	shown      shown // what watchers were told
}

// look looks at what the room does, and returns how often in a row it was seen in the same call into its game, 0 for in
// none.
func (e *entry) look() int {
	call := e.room.Call()
	switch {
	case call == 0:
		e.looks = 0
	case call == e.call:
		e.looks++
	default:
		e.looks = 1
	}
	e.call = call
	return e.looks
}

// over reports whether nobody can come in any more.
func (e *entry) over() bool { return e.closing || over(e.room) }

// closeLocked asks the room to end, and lets nobody in meanwhile.
func (e *entry) closeLocked(code protocol.Code, reason string) {
	e.closing = true
	e.room.Stop(code, reason)
}

func over(r *room.Room) bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

func (e *entry) full() bool     { return e.seats >= e.kind.spec.MaxPlayers }
func (e *entry) isLocked() bool { return e.locked || e.room.Info().Locked }

// public reports whether the room is on the list for everybody.
func (e *entry) public() bool { return !e.private && e.kind.spec.Name != ListingName }

// fits reports whether the room's listing data is as f asks. A room that has not said anything yet, nobody
// having joined, is what it was made for.
func (e *entry) fits(f Filter) bool {
	info := e.room.Info()
	if len(info.Data) == 0 {
		return maps.Equal(e.wanted, f) || len(f) == 0
	}
	if len(f) == 0 {
		return true
	}
	if e.described != info {
		e.properties, e.described = propertiesOf(info.Data), info
	}
	return f.matches(e.properties)
}

func (e *entry) info() protocol.RoomInfo {
	info := e.room.Info()
	return protocol.RoomInfo{
		ID: info.ID, Kind: info.Kind, Players: e.seats, MaxPlayers: info.MaxPlayers, Spectators: e.watching,
		Locked: e.isLocked(), Password: e.password != nil, Data: info.Data,
	}
}

// recipe is what a room is made of.
type recipe struct {
	options  json.RawMessage
	private  bool
	password *password
	wanted   Filter
	locked   bool
	seats    int // to hold
}

// open makes a room of kind k, holds seats in it and starts it.
func (l *Lobby) open(k *kind, c recipe) ([]*Seat, error) {
	id, err := l.reserve(c.seats)
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	crand.Read(seed[:])
	r, err := room.New(k.AnyKind, room.Config{
		ID: id, Seed: binary.LittleEndian.Uint64(seed[:]), Options: c.options, Limits: l.cfg.Limits,
		Registry: l.cfg.Registry, Courier: l.courier,
		Stats: l.cfg.RoomStats, PlayerStats: l.cfg.PlayerStats, Log: l.cfg.Log,
	})

	var e *entry
	defer func() { // without the lock, for a log may take its time
		if e != nil {
			l.cfg.Log.Info("room opened", "room", id, "kind", k.spec.Name, "private", c.private)
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.making--
	l.players -= c.seats // they were reserved
	var refused *room.Error
	switch {
	case errors.As(err, &refused): // what was asked for, not the game, is at fault
		return nil, refused
	case err != nil:
		l.cfg.Stats.Broken.Add(1)
		return nil, fmt.Errorf("making a room: %w", err)
	case l.draining:
		return nil, ErrDraining
	}
	e = &entry{
		room: r, kind: k, opened: time.Now(), private: c.private, password: c.password, wanted: c.wanted, locked: c.locked,
		settle: sync.OnceFunc(l.ended.Done), listed: true,
	}
	l.rooms[id], l.running[e] = e, struct{}{}
	k.rooms = append(k.rooms, e)
	l.cfg.Stats.Opened.Add(1)
	seats := make([]*Seat, c.seats)
	for i := range seats {
		seats[i] = l.holdLocked(e, e.opened, false)
	}
	if k.spec.Name == ListingName {
		l.watchLocked(&watcher{listing: r})
	}
	// Not wg.Go: a room that hangs is given up, and then counts as ended.
	l.ended.Add(1)
	go func() {
		defer e.settle()
		l.close(e, r.Run(l.ctx))
	}()
	return seats, nil
}

// reserve reserves a place for a room with some seats held, and chooses its id.
func (l *Lobby) reserve(seats int) (id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.draining:
		return "", ErrDraining
	case l.strained, len(l.rooms)+l.making >= l.cfg.MaxRooms:
		return "", ErrFull
	case l.players+seats > l.cfg.MaxPlayers:
		return "", ErrFull
	}
	for id = newRoomID(); l.rooms[id] != nil; {
		id = newRoomID()
	}
	l.making++
	l.players += seats
	return id, nil
}

// close is called when a room's Run has returned.
func (l *Lobby) close(e *entry, err error) {
	stuck := l.forget(e)
	end := e.room.Final()
	log := l.cfg.Log.With("room", e.room.ID(), "kind", e.kind.spec.Name, "after", time.Since(e.opened).Round(time.Millisecond),
		"why", end.Reason, "code", end.Code.String(), "players", end.Players, "joined", end.Joined)
	switch {
	case stuck:
		log.Warn("a room that was given up has ended after all")
	case err != nil:
		l.cfg.Stats.Panicked.Add(1)
		log.Error("room ended by a fault of its game", "error", err)
	default:
		l.cfg.Stats.Ended.Add(1)
		log.Info("room ended")
	}
}

// forget takes a room that has ended off the lists. stuck: it was given up before.
func (l *Lobby) forget(e *entry) (stuck bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, e)
	l.removeLocked(e)
	return e.stuck
}

// removeLocked takes a room and the seats held in it off the lists.
func (l *Lobby) removeLocked(e *entry) {
	if !e.listed {
		return
	}
	e.listed = false
	delete(l.rooms, e.room.ID())
	e.kind.rooms = slices.DeleteFunc(e.kind.rooms, func(o *entry) bool { return o == e })
	for _, s := range l.held {
		if s.entry == e {
			l.releaseLocked(s)
		}
	}
	if e.public() && len(l.watchers) > 0 {
		l.gone = append(l.gone, e.room.ID())
	}
	l.watchers = slices.DeleteFunc(l.watchers, func(w *watcher) bool { return w.listing == e.room })
}
