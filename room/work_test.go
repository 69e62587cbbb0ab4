package room_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestSlowWorkThatIsDoneAtOnceIsToldInALaterTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, told uint32
		g := &rig{join: func(t *room.Tick, _ *room.Player) error {
			began = t.Number()
			room.Go(t, func(context.Context) (int, error) { return 1, nil }, func(t *room.Tick, _ int, _ error) { told = t.Number() })
			time.Sleep(time.Millisecond) // in the bubble: until the work is done
			return nil
		}}
		m, err := room.NewManual(t.Context(), rigKind(g), room.Config{ID: "x", Log: silent})
		require.NoError(t, err)
		_, err = m.Join(room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: new(client)})
		require.NoError(t, err)
		require.Zero(t, told)
		_, err = m.Tick()
		require.NoError(t, err)
		require.Equal(t, began+1, told)
	})
}
