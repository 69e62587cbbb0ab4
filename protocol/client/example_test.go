package client_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/client"
	"github.com/tickhall/tickhall/protocol/state"
)

// Move is what a player sends, with the fields that the game's own input type has.
type Move struct {
	DX, DY int8
	Fire   bool
}

// Ship is what a player sees, with those fields of the game's entity that matter here.
type Ship struct {
	X  float32 `sync:"x"`
	Y  float32 `sync:"y"`
	HP uint8   `sync:"hp"`
}

// Kill is an event of the game.
type Kill struct{ Who, Whom uint32 }

// Play for a minute: register, run, read, send, leave.
func ExampleRoom_Run() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	room := client.New(client.Config{URL: "http://localhost:8080", Kind: "arena", Name: "Ada"})
	ships := client.Bind[Ship](room, "ship")
	ships.OnEnter(func(id state.ID, s Ship) { fmt.Println("ship", id, "at", s.X, s.Y) })
	client.On(room, "kill", func(k Kill) { fmt.Println(k.Who, "shot", k.Whom) })
	moves := client.NewInputs[Move](room)

	var running sync.WaitGroup
	running.Go(func() {
		if err := room.Run(ctx); err != nil {
			fmt.Println("it is over:", err)
		}
	})
	defer running.Wait()

	_ = moves.Stream(ctx, func(tick uint32) (Move, bool) {
		steer := Move{DX: 1}
		room.Do(func() {
			for id, s := range ships.All() {
				steer.Fire = steer.Fire || !ships.Mine(id) && s.HP < 10
			}
		})
		return steer, true
	})
	room.Leave()
}

// Wait in the queue with a friend, then play in the team that it gives.
func ExampleConfig_queue() {
	room := client.New(client.Config{
		URL: "http://localhost:8080", Kind: "arena", Mode: protocol.ModeQueue,
		Skill: 1500, Properties: map[string]string{"region": "eu"}, Party: "blue-otter", PartySize: 2,
		OnQueue: func(q protocol.QueueReply) {
			fmt.Printf("%d in the queue, %.0f s so far, %d friends to come\n", q.Waiting, q.Waited, q.Missing)
		},
	})
	// ... with room.Run going on elsewhere, whose context ends the waiting:
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if room.Ready(ctx) == nil {
		fmt.Println("team", room.Team())
	}
}

// List the open rooms of a map, a page at a time.
func ExampleRooms() {
	cfg := client.Config{URL: "http://localhost:8080"}
	query := client.RoomsQuery{Kind: "arena", Filter: map[string]string{"map": "ice"}}
	for {
		list, err := client.Rooms(context.Background(), cfg, query)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range list.Rooms {
			fmt.Printf("%s: %d of %d\n", r.ID, r.Players, r.MaxPlayers)
		}
		if query.After = list.Next; query.After == "" {
			return
		}
	}
}

// Ask the room for something and wait for its answer.
func ExampleCall() {
	room := client.New(client.Config{URL: "http://localhost:8080", Kind: "chat"})
	// ... with room.Run going on elsewhere:
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	said, err := client.Call[struct{ At uint32 }](ctx, room, "say", struct{ Text string }{"hello"})
	fmt.Println(said.At, err)
}
