package swarm

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/client"
)

// seat is a place in the swarm, taken by one player after the other.
type seat struct {
	swarm     *swarm
	number    int
	group     *group
	leader    bool // makes the group's room
	spectator bool
	slow      bool
	record    bool
	shard     *shard
	joinAt    time.Duration
	phase     time.Duration // of its inputs, within a period
	rand      *rand.Rand    // of its own goroutine

	player atomic.Pointer[Player]
	quick  atomic.Bool // its room could not be joined: any will do
	gone   atomic.Bool // nobody takes it any more
}

// group is those who are to be in one room.
type group struct {
	once  sync.Once
	ready chan struct{} // closed when room is known, or known not to be
	room  string        // "" for any
}

func (g *group) open(room string) {
	g.once.Do(func() {
		g.room = room
		close(g.ready)
	})
}

// run takes the seat again and again until ctx ends or the server does not want that.
func (s *seat) run(ctx context.Context) {
	defer s.gone.Store(true)
	defer s.group.openIf(s.leader)
	if !s.swarm.wait(ctx, s.joinAt) {
		return
	}
	if !s.leader {
		select {
		case <-ctx.Done():
			return
		case <-s.group.ready:
		}
	}
	for ctx.Err() == nil && !s.swarm.closing.Load() {
		p := s.newPlayer()
		s.player.Store(p)
		var stay *time.Timer
		if mean := s.swarm.cfg.Stay; mean > 0 && !s.spectator && !s.record {
			stay = time.AfterFunc(time.Duration(s.rand.ExpFloat64()*float64(mean)), func() {
				p.leaving.Store(true)
				p.Room.Leave()
			})
		}
		err := p.Room.Run(ctx)
		if stay != nil {
			stay.Stop()
		}
		s.swarm.part(p)
		if ctx.Err() != nil || s.swarm.closing.Load() || !s.again(ctx, p, err) {
			return
		}
	}
}

// openIf lets the group go on without a room if its leader could not make one.
func (g *group) openIf(leader bool) {
	if leader {
		g.open("")
	}
}

// again decides whether another player takes the seat after one whose Run returned err.
func (s *seat) again(ctx context.Context, p *Player, err error) bool {
	var refused *protocol.HTTPError
	var stop *client.StopError
	switch {
	case err == nil:
		return p.leaving.Load() // the room was left
	case errors.As(err, &stop) && stop.Code == protocol.CodeRoomEnded:
		p.shard.mu.Lock()
		p.shard.now.ended++
		p.shard.mu.Unlock()
		s.quick.Store(true)
		return s.swarm.wait(ctx, s.swarm.since()+100*time.Millisecond)
	case errors.As(err, &refused) && !s.quick.Load() && !s.swarm.cfg.Quick && !s.spectator:
		switch refused.Code {
		case protocol.ErrUnknownMode, protocol.ErrBadRequest: // the server does not make rooms
			s.swarm.noteOnce("the server does not make rooms on demand: players were put where it had seats")
		case protocol.ErrRoomUnknown, protocol.ErrRoomFull, protocol.ErrRoomLocked:
			s.swarm.noteOnce("some rooms could not take all players meant for them (" + refused.Code + "): the rest were put elsewhere")
		default:
			s.swarm.fail(err)
			return false
		}
		s.quick.Store(true)
		s.group.openIf(s.leader)
		return true
	case s.spectator && errors.As(err, &refused):
		s.swarm.noteOnce("spectators were left out, the server refuses them: " + refused.Error())
		return false
	}
	s.swarm.fail(err)
	return false
}

// newPlayer is the next to take the seat.
func (s *seat) newPlayer() *Player {
	w := s.swarm
	p := &Player{
		Number: s.number, Spectator: s.spectator, swarm: w, shard: s.shard, seat: s, slow: s.slow,
		Rand: rand.New(rand.NewPCG(w.cfg.Seed, s.rand.Uint64())), joinDue: max(w.since(), s.joinAt),
	}
	if s.record {
		p.recording = w.recording
	}
	cfg := w.cfg.Client
	cfg.URL, cfg.Kind = w.cfg.URL, w.cfg.Kind
	cfg.Name = "bot"
	cfg.Dial = p.dial
	cfg.OnJoin, cfg.OnSnapshot, cfg.OnError = p.join, p.snapshot, p.fault
	cfg.Mode, cfg.Private, cfg.Room, cfg.Spectate = protocol.ModeQuick, false, "", s.spectator
	switch {
	case w.cfg.Quick || s.quick.Load():
	case s.leader && s.group.unknown():
		cfg.Mode, cfg.Private = protocol.ModeCreate, true
	case s.group.room != "":
		cfg.Mode, cfg.Room = protocol.ModeJoin, s.group.room
	}
	if cfg.Mode == protocol.ModeJoin {
		cfg.Options = nil // of the game that is made
	}
	p.born = w.since()
	p.Room = client.New(cfg)
	if !s.spectator {
		p.bot = w.cfg.Bot(p)
		p.sighted, _ = p.bot.(Sighted)
	}
	return p
}

func (g *group) unknown() bool {
	select {
	case <-g.ready:
		return false
	default:
		return true
	}
}

// joined is told of each join: it opens the room to the group, and makes the player a neighbour of the
// one who came before.
func (s *seat) joined(p *Player) {
	room := p.Room.Welcome().Room
	if s.leader {
		s.group.open(room)
	}
	s.swarm.meet(p, room)
}
