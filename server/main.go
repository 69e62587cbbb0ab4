// Command server is Tickhall with its own games. An author's server is a copy of this file with other
// kinds of room.
package main

import (
	"github.com/tickhall/tickhall/server/games/arena"
	"github.com/tickhall/tickhall/server/games/chat"
	"github.com/tickhall/tickhall/server/games/devices"
	"github.com/tickhall/tickhall/server/games/feed"
	"github.com/tickhall/tickhall/server/games/whiteboard"
	"github.com/tickhall/tickhall/server/host"
)

func main() { host.Main(arena.Kind, chat.Kind, whiteboard.Kind, feed.Kind, devices.Kind) }
