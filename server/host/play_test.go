package host

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	goclient "github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

type steer struct {
	DX, DY int8
}

type boat struct {
	X      float64 `sync:"x,step=1/8,rate=vx"`
	Y      float64 `sync:"y,step=1/8,rate=vy"`
	VX     float64 `sync:"vx,step=1/2"`
	VY     float64 `sync:"vy,step=1/2"`
	Inputs uint32  `sync:"inputs"`
	Player uint32  `sync:"player"`
	Secret uint32  `sync:"secret,owner"`
}

// regatta moves boats on a grid of the wire's own steps, so that what clients hold can be compared to
// the letter, and writes down the world of every tick.
type regatta struct {
	boats *state.Table[boat]
	ids   map[uint32]state.ID

	mu      sync.Mutex
	history map[uint32]map[state.ID]boat
}

func (g *regatta) kind() room.Kind[steer] {
	return room.Kind[steer]{Name: "regatta", TickRate: 20, MaxPlayers: 50, New: func(s *room.Setup) (room.Game[steer], error) {
		g.boats, g.ids, g.history = room.Table[boat](s, "boat"), map[uint32]state.ID{}, map[uint32]map[state.ID]boat{}
		return g, nil
	}}
}

func (g *regatta) Join(t *room.Tick, p *room.Player) error {
	id, b := g.boats.Add(p.Number())
	b.Player, g.ids[p.Number()] = p.Number(), id
	return nil
}

func (g *regatta) Leave(t *room.Tick, p *room.Player, why room.Cause) {
	g.boats.Remove(g.ids[p.Number()])
	delete(g.ids, p.Number())
}

func (g *regatta) Step(t *room.Tick, inputs []room.Input[steer]) {
	for _, in := range inputs {
		b := g.boats.Get(g.ids[in.Player.Number()])
		b.VX, b.VY = float64(in.Value.DX)*5, float64(in.Value.DY)*5
		b.X += b.VX / 20
		b.Y += b.VY / 20
		if !in.Held {
			b.Inputs, b.Secret = in.Seq, in.Seq*7
		}
	}
	if t.Number()%20 == 0 {
		t.Broadcast("second", t.Number()/20)
	}
	world := map[state.ID]boat{}
	for id, b := range g.boats.All() {
		world[id] = *b
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.history[t.Number()] = world
}

func (g *regatta) at(tick uint32) map[state.ID]boat {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.history[tick])
}

// line is a connection that can be stalled and cut.
type line struct {
	net.Conn
	mu      sync.Mutex
	stalled chan struct{} // closed when the stall ends
}

func (l *line) Read(b []byte) (int, error) {
	l.mu.Lock()
	stalled := l.stalled
	l.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	return l.Conn.Read(b)
}

func (l *line) stall(d time.Duration) {
	c := make(chan struct{})
	l.mu.Lock()
	l.stalled = c
	l.mu.Unlock()
	time.Sleep(d)
	close(c)
	l.mu.Lock()
	l.stalled = nil
	l.mu.Unlock()
}

// sailor is a Go client whose line fails now and then.
type sailor struct {
	room    *goclient.Room
	boats   *goclient.Table[boat]
	mu      sync.Mutex
	line    *line
	seconds []uint32
	joins   int
}

func (s *sailor) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Close()
}

func (s *sailor) current() *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line
}

// TestFiftyClientsHoldTheServersWorld lets 50 Go clients play in one room over the whole path: matching,
// the HTTP server, gws, the room. Their lines stall and break at random; whenever all have caught up each one's
// copy of the world equals the server's of the same tick, every input counted once, and every event came once.
func TestFiftyClientsHoldTheServersWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sailors, seconds = 50, 20
		game := new(regatta)
		f := start(t, Config{Kinds: []room.AnyKind{game.kind()}})
		pipes := f.cfg.Listener.(*pipes)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		fleet := make([]*sailor, sailors)
		for i := range fleet {
			s := new(sailor)
			fleet[i] = s
			s.room = goclient.New(goclient.Config{
				URL: "http://tickhall.test", Kind: "regatta",
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := pipes.dial(ctx, network, address)
					if err != nil {
						return nil, err
					}
					s.mu.Lock()
					defer s.mu.Unlock()
					s.line = &line{Conn: c}
					return s.line, nil
				},
				OnJoin: func(bool) {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.joins++
				},
			})
			s.boats = goclient.Bind[boat](s.room, "boat")
			goclient.On(s.room, "second", func(n uint32) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.seconds = append(s.seconds, n)
			})
			inputs := goclient.NewInputs[steer](s.room)
			wg.Go(func() {
				if err := s.room.Run(ctx); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
			rnd := rand.New(rand.NewPCG(5, uint64(i)))
			wg.Go(func() {
				_ = inputs.Stream(ctx, func(uint32) (steer, bool) {
					return steer{int8(rnd.IntN(3) - 1), int8(rnd.IntN(3) - 1)}, true
				})
			})
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(6, uint64(i)))
				for ctx.Err() == nil && time.Since(bubbleStart) < seconds*time.Second {
					time.Sleep(time.Duration(500+rnd.IntN(4000)) * time.Millisecond)
					switch l := s.current(); {
					case l == nil || i == 0: // one sees everything
					case rnd.IntN(2) == 0:
						s.cut()
					default:
						l.stall(time.Duration(rnd.IntN(1500)) * time.Millisecond)
					}
				}
			})
		}
		time.Sleep((seconds + 8) * time.Second)
		synctest.Wait()

		reconnects, skipped, spans := 0, uint64(0), 0
		for i, s := range fleet {
			require.True(t, s.room.Joined(), "client %d", i)
			s.room.Do(func() {
				want, got := game.at(s.room.Tick()), map[state.ID]boat{}
				for id, b := range s.boats.All() {
					got[id] = b
				}
				for id, b := range want { // owner fields are the owner's alone
					if b.Player != s.room.Welcome().Player {
						b.Secret = 0
						want[id] = b
					}
				}
				require.Len(t, got, sailors)
				require.Equal(t, want, got, "client %d at tick %d", i, s.room.Tick())
			})
			stats := s.room.Stats()
			require.Zero(t, stats.Mismatches, "client %d", i)
			require.Zero(t, stats.Faults, "client %d", i)
			reconnects += int(stats.Reconnects)
			skipped += stats.SkippedTicks
			s.mu.Lock()
			for j, n := range s.seconds {
				require.Equal(t, s.seconds[0]+uint32(j), n, "client %d got each event once and in order", i)
			}
			spans += len(s.seconds)
			s.mu.Unlock()
		}
		require.Greater(t, reconnects, sailors, "lines did break")
		require.Greater(t, skipped, uint64(sailors), "and stall")
		require.Greater(t, spans, sailors*(seconds-5))
		require.EqualValues(t, sailors, f.roomStats.Joins.Load(), "all who lost their line resumed")

		cancel()
		wg.Wait()
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

// bubbleStart is the time at which every synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
