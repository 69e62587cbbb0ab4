package lobby

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// inMatch is a lobby with the room of a match of ada and bob, of whom ada has come and bob cancelled.
func inMatch(t *testing.T, f func(l *Lobby, id string)) {
	synctest.Test(t, func(t *testing.T) {
		kind := new(trial).kind("duel", 2)
		kind.Queue = &room.QueueRules{}
		l, _ := run(t, Config{Kinds: []room.AnyKind{kind}})
		seats, err := l.Reserve("duel", []Member{{By: quota.Holder{User: "ada"}, Team: 1}, {By: quota.Holder{User: "bob"}, Team: 2}})
		require.NoError(t, err)
		s, ok := l.Take(seats[0].ID())
		require.True(t, ok)
		_, err = s.Room().Join(t.Context(), room.Join{Who: room.Identity{User: "ada", Name: "Ada", Team: 1}, Conn: new(conn), Released: s.Release})
		require.NoError(t, err)
		seats[1].Release()
		time.Sleep(time.Second)
		f(l, s.Room().ID())
	})
}

func asks(t *testing.T, l *Lobby) []int {
	t.Helper()
	list, err := l.Matches("duel")
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0].Teams
}

func TestMatchAsksForWhomItLacksAndIsGivenAsMany(t *testing.T) {
	inMatch(t, func(l *Lobby, id string) {
		require.Equal(t, []int{2}, asks(t, l))
		eve := Member{By: quota.Holder{User: "eve"}, Team: 2}
		_, err := l.Place(id, Member{By: eve.By, Team: 1})
		require.ErrorIs(t, err, ErrRoomLocked, "nobody is lacking there")
		s := sit(t)(l.Place(id, eve))
		require.Empty(t, asks(t, l), "at once, though the game learns of it in its next tick")
		time.Sleep(time.Second)
		require.Empty(t, asks(t, l))
		s.Release() // nor does eve come
		time.Sleep(time.Second)
		require.Equal(t, []int{2}, asks(t, l))
		time.Sleep(DefaultSeatFor)
		require.Equal(t, []int{2}, asks(t, l))
		l.Close(id, protocol.CodeRoomEnded, "enough")
		list, err := l.Matches("duel")
		require.NoError(t, err)
		require.Empty(t, list)
		_, err = l.Place(id, eve)
		require.ErrorIs(t, err, ErrRoomUnknown)
	})
}

func TestMatchThatAnOperatorLocksTakesNobody(t *testing.T) {
	inMatch(t, func(l *Lobby, id string) {
		l.Lock(id, true)
		require.Empty(t, asks(t, l))
		_, err := l.Place(id, Member{By: quota.Holder{User: "eve"}, Team: 2})
		require.ErrorIs(t, err, ErrRoomLocked)
		time.Sleep(2 * time.Minute)
		_, err = l.Join(JoinOptions{Room: id})
		require.ErrorIs(t, err, ErrRoomLocked, "nor does it open by itself")
		l.Lock(id, false)
		sit(t)(l.Join(JoinOptions{Room: id}))
	})
}
