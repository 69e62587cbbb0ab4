package lobby

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestFullIsWhatAQuickMatchWouldFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := run(t, Config{Kinds: []room.AnyKind{new(trial).kind("duel", 2), new(trial).kind("hall", 9)}, MaxRooms: 2, MaxPlayers: 5})
		full := func() [2]bool { return [2]bool{l.Full("duel"), l.Full("hall")} }
		quick := func(kind string) *Seat { return sit(t)(l.Quick(kind, QuickOptions{})) }
		require.False(t, l.Full("chess"), "no such kind: its page says that")
		require.Equal(t, [2]bool{false, false}, full())
		first := quick("duel")
		require.Equal(t, [2]bool{false, false}, full(), "there may be another room")
		quick("hall")
		require.Equal(t, [2]bool{false, false}, full(), "both have seats")
		quick("duel")
		require.Equal(t, [2]bool{true, false}, full())
		_, err := l.Quick("duel", QuickOptions{})
		require.ErrorIs(t, err, ErrFull)
		first.Release()
		require.Equal(t, [2]bool{false, false}, full())
		quick("duel")
		quick("hall")
		quick("hall")
		require.Equal(t, [2]bool{true, true}, full(), "all players that the server takes are there")
	})
}
