package lobby

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestInterfaceNeedsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, hang := 0, make(chan struct{})
		game := &trial{new: func() error { made++; return nil }}
		picky := &trial{new: func() error { return errors.New("no map was named") }}
		stuck := &trial{new: func() error { <-hang; return nil }}
		l, stop := run(t, Config{Kinds: []room.AnyKind{game.kind("duel", 2), picky.kind("picky", 2), stuck.kind("stuck", 2)}})
		first := l.Interface("duel")
		require.NotNil(t, first)
		require.Same(t, first, l.Interface("duel"))
		require.Equal(t, 1, made, "once is enough")
		require.Empty(t, l.List())
		require.Nil(t, l.Interface("chess"))

		require.Nil(t, l.Interface("picky"))
		require.Nil(t, l.Interface("picky"))
		require.EqualValues(t, 1, l.cfg.Stats.Broken.Load(), "not asked again at once")
		for range 7 { // as a page does that shows the kinds
			time.Sleep(describeEvery / 6)
			require.Nil(t, l.Interface("picky"))
		}
		require.EqualValues(t, 2, l.cfg.Stats.Broken.Load(), "but in time, however often somebody asks")

		began := time.Now()
		require.Nil(t, l.Interface("stuck"))
		require.LessOrEqual(t, time.Since(began), describeFor, "a game that hangs holds nobody up")
		close(hang)
		synctest.Wait()
		require.NotNil(t, l.Interface("stuck"), "it came after all")
		stop()
	})
}
