package player_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol/wire"
)

// reached counts what a session's room is told.
type reached struct {
	ledger
	mu     sync.Mutex
	events [][]byte
	kicks  []string
	deaf   bool
}

func (r *reached) Announce(e *player.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e.Append(nil, 9))
	return !r.deaf
}

func (r *reached) Kick(reason string) { r.kicks = append(r.kicks, reason) }

func member(r *player.Registry, user string, deaf bool) (*player.Session, *reached) {
	to := &reached{deaf: deaf}
	s := player.NewSession(user, user, to, player.Limits{}, new(player.Stats))
	r.Add(s)
	return s, to
}

func TestRegistryReachesAllSessionsOfAUser(t *testing.T) {
	var r player.Registry
	s1, ada1 := member(&r, "ada", false)
	_, ada2 := member(&r, "ada", false)
	_, bob := member(&r, "bob", true)
	e, err := player.NewEvent("hello", map[string]int{"n": 1})
	require.NoError(t, err)

	require.Equal(t, 2, r.Send("ada", e))
	require.Equal(t, 0, r.Send("nobody", e))
	require.Equal(t, 2, r.Broadcast(e), "one can't be reached")
	require.Len(t, ada1.events, 2)
	require.Len(t, bob.events, 1)
	require.Equal(t, []byte{0x94, 5, 9, 0xa5, 'h', 'e', 'l', 'l', 'o', 0x81, 0xa1, 'n', 1}, ada1.events[0])

	require.Equal(t, 2, r.Kick("ada", "enough"))
	require.Equal(t, []string{"enough"}, ada2.kicks)

	r.Remove(s1)
	r.Remove(s1)
	require.Equal(t, 2, r.Len())
	require.Len(t, r.User("ada"), 1)
	require.Len(t, r.All(), 2)
}

func TestBansEnd(t *testing.T) {
	var r player.Registry
	now := time.Now()
	r.Ban("eve", now.Add(time.Hour), "cheating")
	r.Ban("dan", now.Add(2*time.Hour), "spam")
	require.Equal(t, []player.Ban{{User: "dan", Until: now.Add(2 * time.Hour), Reason: "spam"}, {User: "eve", Until: now.Add(time.Hour), Reason: "cheating"}}, r.Bans(now))
	until, reason, banned := r.Banned(now, "eve")
	require.True(t, banned)
	require.Equal(t, "cheating", reason)
	_, _, banned = r.Banned(until, "eve")
	require.False(t, banned)
	require.Len(t, r.Bans(until), 1)
	r.Ban("eve", time.Time{}, "")
	_, _, banned = r.Banned(now, "eve")
	require.False(t, banned)
}

func TestEventsThatCannotTravelAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		name string
		body any
		says string
	}{
		"no name":   {"", 1, "1 to 64 bytes"},
		"long name": {fmt.Sprintf("%65d", 1), 1, "1 to 64 bytes"},
		"a channel": {"x", make(chan int), "x"},
		"a time":    {"x", time.Now(), wire.ErrType.Error()},
		"too large": {"x", make([]byte, 5000), "at most 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := player.NewEvent(c.name, c.body)
			require.ErrorContains(t, err, c.says)
		})
	}
}
