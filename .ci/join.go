//go:build ignore

// Command join is a player for the scripts beside it: it joins the arena of a server that runs, plays, and stays
// until the server tells that it stops. Its exit status is 0 if all of this happened, in at most two minutes.
//
//	go run .ci/join.go URL
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/client"
)

// move is the arena's input, as far as it matters here.
type move struct {
	DX int8 `msgpack:"dx"`
}

const enough = 40 // snapshots

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "join: give the address of a server, such as http://localhost:8080")
		os.Exit(2)
	}
	if err := play(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "join:", err)
		os.Exit(1)
	}
}

func play(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	told := false
	var room *client.Room
	room = client.New(client.Config{
		URL: url, Kind: "arena", Name: "Ada",
		OnJoin: func(bool) { fmt.Println("joined", room.Welcome().Room) },
		OnSnapshot: func(uint32) {
			if room.Stats().Snapshots == enough {
				fmt.Println("playing")
			}
		},
		OnError: func(err error) {
			fmt.Println("told:", err)
			if strings.Contains(err.Error(), protocol.CodeShuttingDown.String()) {
				told = true
				cancel()
			}
		},
	})
	inputs := client.NewInputs[move](room)
	go func() { _ = inputs.Stream(ctx, func(uint32) (move, bool) { return move{DX: 1}, true }) }()
	if err := room.Run(ctx); err != nil {
		return err
	}
	switch s := room.Stats(); {
	case s.Snapshots < enough:
		return fmt.Errorf("only %d snapshots came", s.Snapshots)
	case s.Mismatches+s.Faults > 0:
		return fmt.Errorf("%d checksums differed, and the server broke the protocol %d times", s.Mismatches, s.Faults)
	case !told:
		return errors.New("the server did not tell that it stops")
	}
	return nil
}
