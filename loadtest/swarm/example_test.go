package swarm_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/tickhall/tickhall/loadtest/swarm"
	"github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/host"
)

// Turn is the input of a game of one's own, and Dial what its players see.
type Turn struct{ To uint8 }

type Dial struct {
	Shows uint8 `sync:"shows"`
}

// dials is the game: each player has a dial that shows what its player sent last.
type dials struct {
	table *state.Table[Dial]
	of    map[uint32]state.ID
}

func (g *dials) Join(_ *room.Tick, p *room.Player) error {
	g.of[p.Number()], _ = g.table.Add(p.Number())
	return nil
}

func (g *dials) Leave(_ *room.Tick, p *room.Player, _ room.Cause) { g.table.Remove(g.of[p.Number()]) }

func (g *dials) Step(_ *room.Tick, inputs []room.Input[Turn]) {
	for _, in := range inputs {
		if !in.Held {
			g.table.Get(g.of[in.Player.Number()]).Shows = in.Value.To
		}
	}
}

var kind = room.Kind[Turn]{Name: "dials", TickRate: 20, MaxPlayers: 10, New: func(s *room.Setup) (room.Game[Turn], error) {
	return &dials{table: room.Table[Dial](s, "dial"), of: map[uint32]state.ID{}}, nil
}}

// turner is the bot: it turns its dial by one for each input. What a dial shows is the effect.
type turner struct {
	player *swarm.Player
	turns  *client.Inputs[Turn]
	dials  *client.Table[Dial]
	to     uint8
}

func newTurner(p *swarm.Player) swarm.Bot {
	return &turner{player: p, turns: client.NewInputs[Turn](p.Room), dials: client.Bind[Dial](p.Room, "dial")}
}

func (b *turner) Act() error {
	if _, waiting := b.player.Marked(); waiting {
		return b.turns.Send(Turn{b.to}) // until the effect of the last turn has been seen
	}
	b.to++
	var mine state.ID
	b.player.Room.Do(func() {
		for id := range b.dials.All() {
			if b.dials.Mine(id) {
				mine = id
			}
		}
	})
	err := b.turns.Send(Turn{b.to})
	if err == nil {
		b.player.Mark(mine, uint64(b.to))
	}
	return err
}

func (b *turner) Look(id state.ID) (uint64, bool) {
	d, ok := b.dials.Get(id)
	return uint64(d.Shows), ok
}

// Load-test a game of one's own, as in a Go test: serve it in this process, and let bots of one's own play it.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server, err := host.New(host.Config{
		Kinds: []room.AnyKind{kind}, Listener: listener, Log: slog.New(slog.DiscardHandler), Ready: func(string) {},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Run(ctx) })
	defer serving.Wait()
	defer cancel()

	gates, err := swarm.ParseGates("staleness.p50<=500ms", "effect.other.count>=1", "hash.mismatch==0", "errors==0")
	if err != nil {
		panic(err)
	}
	report, err := swarm.Run(ctx, swarm.Scenario{
		URL: "http://" + listener.Addr().String(), Kind: "dials", Bot: newTurner,
		Rooms: 2, Players: 3, InputRate: 10, Duration: time.Second, Gates: gates,
	})
	if err != nil {
		panic(err)
	}
	for _, g := range report.Gates {
		fmt.Println(g.Gate, g.OK)
	}
	// Output:
	// staleness.p50<=500ms true
	// effect.other.count>=1 true
	// hash.mismatch==0 true
	// errors==0 true
}
