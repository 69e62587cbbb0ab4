package roomtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

type Door struct {
	Open bool     `sync:"open"`
	Key  state.ID `sync:"key"`
}

// house has doors that a signal opens, and tells others of who comes in.
type house struct {
	doors  *state.Table[Door]
	forget bool // the last thing that was saved
	count  int
}

func kind(forget bool) room.Kind[struct{}] {
	return room.Kind[struct{}]{Name: "house", TickRate: 10, Spectators: 1, New: func(s *room.Setup) (room.Game[struct{}], error) {
		h := &house{doors: room.Table[Door](s, "door"), forget: forget}
		room.OnSignal(s, "open", func(t *room.Tick, open bool) {
			for _, d := range h.doors.All() {
				d.Open = open
			}
		})
		return h, nil
	}}
}

func (h *house) Join(t *room.Tick, p *room.Player) error {
	var claims struct{ Guest bool }
	if err := p.Claims(&claims); err != nil || claims.Guest {
		return errors.New("no guests")
	}
	_, d := h.doors.Add(p.Number())
	d.Key = state.ID(p.Team())
	t.SendUser("landlord", "came", p.Name())
	t.SendRoom("next-door", "came", p.Team())
	return nil
}

func (h *house) Leave(*room.Tick, *room.Player, room.Cause) {}

func (h *house) Step(t *room.Tick, _ []room.Input[struct{}]) {
	h.count++
	for _, d := range h.doors.All() {
		d.Key = state.ID(h.count)
	}
}

func (h *house) Save(*room.Tick) any { return h.count }

func (h *house) Restore(_ *room.Tick, decode func(any) error) error {
	if h.forget {
		return nil
	}
	return decode(&h.count)
}

func TestPlayersHaveClaimsAndTeamsAndLettersArriveOnce(t *testing.T) {
	r := roomtest.New(t, kind(false))
	_, err := r.TryJoinAs(room.Identity{User: "eve", Name: "Eve", Claims: json.RawMessage(`{"guest": true}`)})
	require.ErrorContains(t, err, "no guests")
	r.JoinAs(room.Identity{User: "ada-1", Name: "Ada", Team: 2})
	require.Equal(t, []string{"Ada"}, roomtest.Letters[string](r, "landlord", "came"))
	require.Equal(t, []int{2}, roomtest.Letters[int](r, "next-door", "came"))
	require.Empty(t, roomtest.Letters[string](r, "landlord", "came"))
}

func TestASpectatorSeesTheSignal(t *testing.T) {
	r := roomtest.New(t, kind(false))
	r.Join("Ada")
	w := r.Watch()
	require.Zero(t, w.Number())
	r.Signal("open", true)
	door, ok := roomtest.Table[Door](w, "door").Get(1)
	require.True(t, ok)
	require.Equal(t, Door{Open: true, Key: 3}, door)
	require.Equal(t, 1, r.Info().Spectators)
	w.Leave()
	require.Zero(t, r.Info().Spectators)
}

// record is a T that keeps how the test failed.
type record struct {
	*testing.T
	fault string
}

func (r *record) Fatalf(format string, args ...any) {
	r.fault = fmt.Sprintf(format, args...)
	panic(r)
}

func TestAShadowTellsWhatWasForgotten(t *testing.T) {
	for _, forget := range []bool{false, true} {
		rec := &record{T: t}
		func() {
			defer func() {
				if v := recover(); v != nil {
					require.Same(t, rec, v)
				}
			}()
			r := roomtest.New(rec, kind(forget))
			r.Join("Ada")
			r.Tick(3)
			r.Shadow()
			r.Tick(1)
		}()
		if !forget {
			require.Empty(t, rec.fault)
			continue
		}
		require.Equal(t, "a room made from a checkpoint goes astray after tick 4: their worlds differ", rec.fault)
	}
}

// A test of a game: who is in it, what they send, what each of them sees, tick by tick.
func Example() {
	r := roomtest.New(roomtest.Panics{}, kind(false)) // in a test, give it t
	ada := r.Join("Ada")
	r.Tick(2)
	r.Signal("open", true)
	for id, door := range roomtest.Table[Door](ada, "door").All() {
		fmt.Println(id, door.Open)
	}
	fmt.Println(roomtest.Letters[string](r, "landlord", "came"))
	ada.Lose()
	ada.Resume()
	ada.Leave()
	fmt.Println(r.Info().Players, ada.Bye().Code)
	// Output:
	// 1 true
	// [Ada]
	// 0 normal
}
