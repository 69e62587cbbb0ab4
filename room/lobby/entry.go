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

	"github.com/tickhall/tickhall/player/quota"
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
	asked    string    // the same, and the options, as one key; "" without a filter
	maker    quota.Holder
	match    bool   // the room was made for one
	settle   func() // tells Lobby.ended, once

	places   map[*Seat]struct{} // held and taken
	expected uint32             // members of the match who were added, which the game may not know yet
	alone    time.Time          // since when the match asks in vain, and one player at the most is there; zero: it does not
	others   int                // places of those who come from elsewhere than the maker
	seats    int                // held and taken
	watching int                // places of spectators, held and taken
	listed   bool
	locked   bool // by the lobby; the game may have locked the room besides
	barred   bool // by Lock: a match takes nobody from the queue either
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

// over reports whether a room has ended, though its slow work may go on, and spectators may see it.
func over(r *room.Room) bool {
	if r.Ended() != 0 {
		return true
	}
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

func (e *entry) full() bool { return e.seats >= e.kind.spec.MaxPlayers }

// haunted reports whether the room has a seat of that user which its client does not know of: see room.Haunted.
func (e *entry) haunted(by quota.Holder) bool { return e.room.Haunted(by.User) }

func (e *entry) isLocked() bool { return e.locked || e.room.Info().Locked }

// public reports whether the room is on the list for everybody.
func (e *entry) public() bool { return !e.private && e.kind.spec.Name != ListingName }

// fits reports whether the room's listing data is as f asks. Until its first listing, a room fits the filter that it was
// made for.
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
	asked    string
	quick    bool // the room may be one of those that are kept for quick matches
	maker    quota.Holder
	match    []Member  // whom a match is made of, who have seats whatever they have besides; nil: the maker has one
	until    time.Time // when the caller no longer waits for its turn
}

// members are those for whom seats are held.
func (c *recipe) members() []Member {
	if c.match != nil {
		return c.match
	}
	return []Member{{By: c.maker}}
}

// roster is the match as the game knows it.
func (c *recipe) roster() *room.Match {
	if c.match == nil {
		return nil
	}
	roster := new(room.Match)
	for _, m := range c.match {
		roster.Members = append(roster.Members, room.Member{User: m.By.User, Team: m.Team})
	}
	return roster
}

// open makes a room of kind k, holds seats in it and starts it.
func (l *Lobby) open(k *kind, c recipe) ([]*Seat, error) {
	id, err := l.reserve(k, &c)
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	crand.Read(seed[:])
	r, err := l.make(k, c.until, room.Config{
		ID: id, Seed: binary.LittleEndian.Uint64(seed[:]), Options: c.options, Limits: l.cfg.Limits,
		Registry: l.cfg.Registry, Courier: l.courier, LastWords: &l.words, WorkGrace: l.cfg.Grace * 9 / 10, // Run waits no longer
		Match: c.roster(),
		Stats: l.cfg.RoomStats, PlayerStats: l.cfg.PlayerStats, Log: l.cfg.Log,
	})
	if err == nil {
		err = l.contradicts(k, c.wanted, r.Info().Data)
	}

	var e *entry
	defer func() { // without the lock, for a log may take its time
		if e != nil {
			l.cfg.Log.Info("room opened", "room", id, "kind", k.spec.Name, "private", c.private)
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.making--
	l.players -= len(c.members()) // they were reserved
	if err == nil && l.draining {
		err = ErrDraining
	}
	if err != nil {
		l.returnLocked(&c)
		return nil, err
	}
	e = &entry{
		room: r, kind: k, opened: time.Now(), private: c.private, password: c.password, wanted: c.wanted, asked: c.asked, maker: c.maker,
		match: c.match != nil, locked: c.match != nil, settle: sync.OnceFunc(l.ended.Done), listed: true, places: map[*Seat]struct{}{},
	}
	l.rooms[id], l.running[e] = e, struct{}{}
	k.rooms = append(k.rooms, e)
	if k.iface == nil {
		k.iface = r.Interface()
	}
	l.cfg.Stats.Opened.Add(1)
	l.cfg.RoomStats.Kind(k.spec.Name).Opened.Add(1)
	var seats []*Seat
	for _, m := range c.members() {
		s := l.holdLocked(e, e.opened, false, m.By)
		s.member = e.match
		seats = append(seats, s)
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

// reserve reserves a place for a room with its seats, for the server and for those who are to have them, and chooses its id.
func (l *Lobby) reserve(k *kind, c *recipe) (id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.cfg.MaxRooms
	if !c.quick {
		most -= l.cfg.QuickRooms
	}
	seats := len(c.members())
	switch {
	case l.draining:
		return "", ErrDraining
	case time.Now().Before(k.hungUntil):
		return "", hangs(k)
	case l.strained, len(l.rooms)+l.making >= most:
		return "", ErrFull
	case l.players+seats > l.cfg.MaxPlayers:
		return "", ErrFull
	}
	if c.match == nil {
		if err := l.placesOf.Take(c.maker); err != nil {
			return "", err
		}
	}
	if err := l.roomsOf.Take(c.maker); err != nil {
		l.placesOf.Give(c.maker)
		return "", err
	}
	for _, m := range c.match {
		l.placesOf.Add(m.By)
	}
	for id = newRoomID(); l.rooms[id] != nil; {
		id = newRoomID()
	}
	l.making++
	l.players += seats
	return id, nil
}

// returnLocked gives back what reserve counted for the makers of a room that was not made.
func (l *Lobby) returnLocked(c *recipe) {
	l.roomsOf.Give(c.maker)
	for _, m := range c.members() {
		l.placesOf.Give(m.By)
	}
}

// make calls a game's New. That of a kind may hang, and nothing can end it: then it is left to itself, and for a while no
// other room of that kind is made, so that those who ask for one hear at once that there is none.
func (l *Lobby) make(k *kind, until time.Time, cfg room.Config) (*room.Room, error) {
	patience := time.NewTimer(time.Until(until))
	defer patience.Stop()
	select {
	case k.news <- struct{}{}:
	case <-patience.C:
		return nil, hangs(k)
	}
	type outcome struct {
		room *room.Room
		err  error
	}
	made := make(chan outcome, 1)
	go func() { // ends when New returns
		defer func() { <-k.news }()
		r, err := room.New(k.AnyKind, cfg)
		made <- outcome{r, err}
	}()
	looks := time.NewTicker(watchEvery) // they are counted, as inspect does
	defer looks.Stop()
	for n := 0; ; {
		select {
		case o := <-made:
			var refused *room.Error
			switch {
			case errors.As(o.err, &refused): // what was asked for, not the game, is at fault
				return nil, refused
			case o.err != nil:
				l.cfg.Stats.Broken.Add(1)
				l.cfg.RoomStats.Kind(k.spec.Name).Broken.Add(1)
				return nil, fmt.Errorf("making a room: %w", o.err)
			}
			return o.room, nil
		case <-looks.C:
			if n++; n == int(slowAfter/watchEvery) {
				l.cfg.Stats.Slow.Add(1)
				l.cfg.RoomStats.Kind(k.spec.Name).Slow.Add(1)
				l.cfg.Log.Warn("a game is slow: its New has not returned", "kind", k.spec.Name, "for", slowAfter)
			}
			if n < int(stuckAfter/watchEvery) {
				continue
			}
			l.mu.Lock()
			k.hungUntil = time.Now().Add(stuckAfter)
			l.mu.Unlock()
			l.cfg.Stats.Hung.Add(1)
			l.cfg.Log.Error("a room could not be made: the game's New does not return; it is left to itself, and no other room of the kind is made for a while",
				"kind", k.spec.Name, "for", stuckAfter, "pause", stuckAfter)
			return nil, hangs(k)
		}
	}
}

func hangs(k *kind) error { return fmt.Errorf("%w: kind %s", ErrHangs, k.spec.Name) }

// contradicts says that a new room's listing data is not as the quick match asked for which it was made. Nobody may come
// into it then: the next who asks for the same would not find it either, and so each would have a room alone.
func (l *Lobby) contradicts(k *kind, f Filter, data json.RawMessage) error {
	if len(f) == 0 || len(data) == 0 {
		return nil
	}
	property, lists, ok := f.mismatch(propertiesOf(data))
	if ok {
		return nil
	}
	l.mu.Lock()
	told := k.ignores
	k.ignores = true
	l.mu.Unlock()
	l.cfg.Stats.Unmet.Add(1)
	if !told {
		l.cfg.Log.Error("a new room is not as the filter of its quick match asks: let the game's New read the options, and list what it makes of them; this is told once",
			"kind", k.spec.Name, "property", property, "asked", f[property], "listed", lists)
	}
	return room.Errorf(protocol.ErrFilterUnmet, "no open room of kind %q fits the filter, nor would a new one: property %.64q is to be %v, but %s; ask for another, or say in the options what the room should be",
		k.spec.Name, property, f[property], lists)
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
		l.cfg.RoomStats.Kind(e.kind.spec.Name).Ended.Add(1)
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
	if e.others == 0 {
		l.roomsOf.Give(e.maker)
	}
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
