package room_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
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

func TestAConnectionLostBeforeTheWelcomeLeavesNoGhost(t *testing.T) {
	for name, again := range map[string]func(r *live, c *client) (*player.Session, error){
		"with the same ticket": func(r *live, c *client) (*player.Session, error) {
			require.NoError(r.t, r.CheckToken("ticket 1"))
			return r.Resume(r.t.Context(), room.Resume{Token: "ticket 1", Key: true, Conn: c})
		},
		"with another": func(r *live, c *client) (*player.Session, error) {
			require.True(r.t, r.Haunted("Ada"))
			return r.Join(r.t.Context(), room.Join{Who: room.Identity{User: "Ada", Name: "Ada"}, Conn: c, Place: "ticket 2", Released: func() { r.free.Add(10) }})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				joined := 0
				k := rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
					joined++
					t.Send("word", "hello", p)
					return nil
				}})
				k.MaxPlayers = 1
				r := start(t, k)
				c := new(client)
				s, err := r.Join(t.Context(), room.Join{Who: room.Identity{User: "Ada", Name: "Ada"}, Conn: c, Place: "ticket 1", Released: func() { r.free.Add(1) }})
				require.NoError(t, err)
				c.drop()
				r.Lost(s, c)
				time.Sleep(time.Second)
				synctest.Wait()
				require.False(t, r.Haunted("Bob"))

				c = new(client)
				s2, err := again(r, c)
				require.NoError(t, err)
				require.Same(t, s, s2)
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				require.NoError(t, c.readAndAck(s))
				require.EqualValues(t, 1, c.welcome.Player)
				require.False(t, c.welcome.Resumed, "to the client it is the first time")
				require.Equal(t, []string{"word hello"}, c.events)
				require.Equal(t, 1, c.keys)
				require.Equal(t, 1, joined)
				require.Equal(t, 1, r.Info().Players)
				require.Equal(t, 1, r.users.Len())
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				require.ErrorIs(t, r.CheckToken("ticket 1"), room.ErrToken, "what was acknowledged is resumed by its token")
				require.ErrorIs(t, r.CheckToken("ticket 2"), room.ErrToken)
				require.False(t, r.Haunted("Ada"))
				require.NoError(t, r.CheckToken(c.welcome.Token))
				require.NoError(t, r.stop())
				if name == "with another" {
					require.EqualValues(t, 11, r.free.Load(), "both places were given back, each once")
				} else {
					require.EqualValues(t, 1, r.free.Load())
				}
			})
		})
	}
}

func TestWhoKnowsOfTheSeatLeavesNoGhost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, rigKind(&rig{}))
		c, s := r.join("Ada")
		require.NoError(t, s.Receive(c, time.Now(), protocol.AppendAck(nil, c.replica.Tick())))
		r.Lost(s, c)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.False(t, r.Haunted("Ada"))
		c2, _ := r.join("Ada")
		require.EqualValues(t, 2, c2.welcome.Player, "a user may have several seats")
		require.NoError(t, r.CheckToken(c.welcome.Token))

		// One that was never acknowledged ends with its grace, as any other.
		c3, s3 := r.join("Bob")
		r.Lost(s3, c3)
		time.Sleep(room.DefaultGrace + time.Second)
		synctest.Wait()
		require.False(t, r.Haunted("Bob"))
		require.NoError(t, r.stop())
	})
}

// A server that stood still finds attempts to connect that the client has given up, in any order.
func TestAnAttemptThatWasGivenUpReplacesNoLaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		c, s := r.join("Ada")
		r.Lost(s, c)
		time.Sleep(time.Second)
		synctest.Wait()
		token := c.welcome.Token
		take := func(attempt uint64) (*client, error) {
			c := new(client)
			_, err := r.Resume(t.Context(), room.Resume{Token: token, Key: true, Attempt: attempt, Conn: c})
			synctest.Wait()
			return c, err
		}
		second, err := take(200)
		require.NoError(t, err)
		_, err = take(100)
		require.ErrorIs(t, err, room.ErrStale)
		_, err = take(200)
		require.ErrorIs(t, err, room.ErrStale)
		require.Nil(t, second.closeError(), "the client's connection stands")
		third, err := take(300)
		require.NoError(t, err)
		require.Equal(t, protocol.CodeReplaced, second.closeError().Code)
		_, err = take(0)
		require.NoError(t, err, "a client that tells no number")
		require.Equal(t, protocol.CodeReplaced, third.closeError().Code)
		require.NoError(t, r.stop())
	})
}

func TestATicketsAttemptThatWasGivenUpReplacesNoLaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Kind)
		later := new(client)
		who := room.Identity{User: "user-Ada", Name: "Ada"}
		_, err := r.Join(t.Context(), room.Join{Who: who, Conn: later, Place: "seat", Attempt: 200})
		require.NoError(t, err)
		_, err = r.Resume(t.Context(), room.Resume{Token: "seat", Key: true, Attempt: 100, Conn: new(client)})
		require.ErrorIs(t, err, room.ErrStale)
		synctest.Wait()
		require.Nil(t, later.closeError())
		_, err = r.Resume(t.Context(), room.Resume{Token: "seat", Key: true, Attempt: 300, Conn: new(client)})
		require.NoError(t, err, "its WELCOME may be lost")
		require.NoError(t, r.stop())
	})
}

// What a client has acknowledged is not told again, though the room has not ticked since and the client says that it holds
// nothing.
func TestWhatWasAcknowledgedJustBeforeTheLossIsNotToldAgain(t *testing.T) {
	m, err := room.NewManual(t.Context(), rigKind(&rig{join: func(t *room.Tick, p *room.Player) error {
		t.Send("hi", 1, p)
		return nil
	}}), room.Config{ID: "r1", Log: silent})
	require.NoError(t, err)
	c, s := joinManual(t, m, "Ada")
	_, err = c.read(-1)
	require.NoError(t, err)
	require.Len(t, c.events, 1)
	send(t, s, c, protocol.AppendAck(nil, c.replica.Tick()))
	again := new(client)
	_, err = m.Resume(room.Resume{Token: c.welcome.Token, Key: true, Conn: again})
	require.NoError(t, err)
	_, err = again.read(-1)
	require.NoError(t, err)
	require.Equal(t, 1, again.keys)
	require.Empty(t, again.events)
}
