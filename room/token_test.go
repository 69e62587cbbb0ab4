package room_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

func TestEachConnectionGetsATokenOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		tokens := []string{c.welcome.Token}
		good := func(want ...bool) {
			t.Helper()
			for i, token := range tokens {
				if err := r.CheckToken(token); want[i] {
					require.NoError(t, err, "token %d", i)
				} else {
					require.ErrorIs(t, err, room.ErrToken, "token %d", i)
				}
			}
		}
		resume := func(token string) *client {
			t.Helper()
			c := new(client)
			_, err := r.Resume(t.Context(), room.Resume{Token: token, Key: true, Conn: c})
			require.NoError(t, err)
			synctest.Wait()
			return c
		}
		acknowledge := func(c *client) {
			t.Helper()
			send(t, s, c, protocol.AppendAck(nil, c.replica.Tick()))
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
		}

		c = resume(tokens[0])
		time.Sleep(time.Second) // the client has not answered: the WELCOME may be lost
		synctest.Wait()
		good(true)
		lost := c
		c = resume(tokens[0]) // it was
		_, err := lost.read(-1)
		require.NoError(t, err)
		_, err = c.read(-1)
		require.NoError(t, err)
		tokens = append(tokens, lost.welcome.Token, c.welcome.Token)
		require.NotEqual(t, tokens[0], tokens[1])
		require.NotEqual(t, tokens[1], tokens[2])
		good(true, false, true)
		acknowledge(c)
		good(false, false, true)

		c = resume(tokens[2]) // the WELCOME comes, but not its ACK
		_, err = c.read(-1)
		require.NoError(t, err)
		tokens = append(tokens, c.welcome.Token)
		good(false, false, true, true)
		c = resume(tokens[3])
		good(false, false, false, true)
		_, err = c.read(-1)
		require.NoError(t, err)
		acknowledge(c)
		tokens = append(tokens, c.welcome.Token)
		good(false, false, false, false, true)

		// An ACK of what the client held before says nothing of the new WELCOME.
		held := c.replica.Tick()
		c = resume(tokens[4])
		send(t, s, c, protocol.AppendAck(nil, held))
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		good(false, false, false, false, true)
		require.NoError(t, r.stop())
		require.ErrorIs(t, r.CheckToken(tokens[4]), room.ErrClosed)
	})
}

func TestTokenCheckWaitsForNoTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := start(t, rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			if t.Number() > 10 {
				<-hang
			}
		}}))
		c, _ := r.join("Ada")
		time.Sleep(time.Second)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.CheckToken(c.welcome.Token))
		require.ErrorIs(t, r.CheckToken(c.welcome.Token+"x"), room.ErrToken)
		require.Zero(t, time.Since(began))
		close(hang)
		require.NoError(t, r.stop())
	})
}
