package host_test

import (
	"fmt"
	"time"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/host"
)

type stroll struct{}

func (stroll) Join(*room.Tick, *room.Player) error        { return nil }
func (stroll) Leave(*room.Tick, *room.Player, room.Cause) {}
func (stroll) Step(*room.Tick, []room.Input[struct{}])    {}

var strolling = room.Kind[struct{}]{Name: "stroll", New: func(*room.Setup) (room.Game[struct{}], error) { return stroll{}, nil }}

// What the admin API does is a call away for the program that runs the Host: messages to anyone, kick and ban.
func ExampleHost_Registry() {
	h, err := host.New(host.Config{Kinds: []room.AnyKind{strolling}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// h.Run(ctx) runs meanwhile, in another goroutine.

	notice, err := player.NewEvent("notice", "back in a minute") // encoded once, for however many
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("all:", h.Registry().Broadcast(notice))
	fmt.Println("one:", h.Registry().Send("guest-1", notice))
	if r := h.Lobby().Find("k7m2x9qwpa"); r != nil {
		r.Announce(notice)
	}

	h.Registry().Ban("guest-1", time.Now().Add(10*time.Minute), "cheating")
	fmt.Println("rooms left:", h.Registry().Kick("guest-1", "cheating"))
	// Output:
	// all: 0
	// one: 0
	// rooms left: 0
}
