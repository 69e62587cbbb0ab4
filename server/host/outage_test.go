package host

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	goclient "github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/room"
)

// diary is a game that counts what is said to it.
type diary struct {
	mu      sync.Mutex
	entries int
}

func (g *diary) Join(*room.Tick, *room.Player) error        { return nil }
func (g *diary) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g *diary) Step(*room.Tick, []room.Input[steer])       {}
func (g *diary) kind() room.Kind[steer] {
	return room.Kind[steer]{Name: "diary", TickRate: 60, MaxPlayers: 2, New: func(s *room.Setup) (room.Game[steer], error) {
		room.Handle(s, "note", func(*room.Tick, *room.Player, string) (bool, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.entries++
			return true, nil
		})
		return g, nil
	}}
}

// TestAfterAnOutageAnHonestClientIsNotTooFast has a client send all that it kept while its line was down: as many and as
// long messages as it keeps, and inputs at the fastest rate of a game besides. Nothing of it is over a limit.
func TestAfterAnOutageAnHonestClientIsNotTooFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		game := new(diary)
		f := start(t, Config{Kinds: []room.AnyKind{game.kind()}})
		pipes := f.cfg.Listener.(*pipes)
		var mu sync.Mutex
		var conn net.Conn
		var notices []error
		down := false
		r := goclient.New(goclient.Config{
			URL: "http://tickhall.test", Kind: "diary",
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				if down {
					return nil, errors.New("no network")
				}
				c, err := pipes.dial(ctx, network, address)
				conn = c
				return c, err
			},
			OnError: func(err error) {
				var notice *goclient.Error
				if errors.As(err, &notice) {
					mu.Lock()
					defer mu.Unlock()
					notices = append(notices, notice)
				}
			},
		})
		inputs := goclient.NewInputs[steer](r)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		wg.Go(func() {
			_ = inputs.Stream(ctx, func(uint32) (steer, bool) { return steer{1, 1}, true })
		})
		time.Sleep(3 * time.Second)
		require.True(t, r.Joined())
		for range 3 { // outages, one soon after the other
			mu.Lock()
			down = true
			conn.Close()
			mu.Unlock()
			synctest.Wait()
			for {
				if r.Send("note", strings.Repeat("x", 4000)) != nil {
					break
				}
			}
			time.Sleep(4 * time.Second)
			mu.Lock()
			down = false
			mu.Unlock()
			time.Sleep(2 * time.Second)
			require.True(t, r.Joined())
		}
		time.Sleep(30 * time.Second)
		game.mu.Lock()
		require.Greater(t, game.entries, 64)
		game.mu.Unlock()
		mu.Lock()
		require.Empty(t, notices)
		mu.Unlock()
		require.EqualValues(t, 1, r.Stats().Joins-r.Stats().Reconnects)
		cancel()
		wg.Wait()
	})
}
