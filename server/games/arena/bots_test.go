package arena

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

func TestBotsMakeRoomAndComeBack(t *testing.T) {
	m := newMatch(t)
	var people []*roomtest.Player
	for n := 1; n <= 8; n++ {
		people = append(people, m.Join(fmt.Sprintf("P%d", n)))
		require.Equal(t, max(crowd-n, 0), m.arena.bots(), "with %d people", n)
	}
	people[0].Leave()
	people[1].Leave()
	people[2].Leave()
	require.Zero(t, m.arena.bots(), "not at once")
	m.Tick(quietTicks + 1)
	require.Equal(t, 1, m.arena.bots())
	require.Len(t, m.arena.pilots, crowd)
	require.Equal(t, crowd, m.arena.ships.Len())
}

func TestBotsDifferInNameAndColour(t *testing.T) {
	m := newMatch(t)
	m.Join("Vega") // as a bot might be called
	names, colours := map[string]bool{}, map[uint8]bool{}
	for _, p := range m.arena.pilots {
		names[p.name], colours[p.ship.Colour] = true, true
	}
	require.Len(t, names, crowd)
	require.Len(t, colours, crowd)
}

func TestBotsPlay(t *testing.T) {
	for seed := range uint64(2) {
		r := roomtest.NewSeeded(t, Kind, room.Config{ID: "test", Seed: seed})
		ships := roomtest.Table[Ship](r.Join("Ada"), "ship")
		type trace struct {
			at    vec
			still int // ticks on the ground within a ship's length
			worst int
			where vec
		}
		traces := map[string]*trace{}
		for range 2 * 60 * tickRate {
			r.Tick(1)
			for _, s := range ships.All() {
				tr := traces[s.Name]
				if tr == nil {
					tr = &trace{}
					traces[s.Name] = tr
				}
				tr.still++
				if !s.alive() || tr.at.distance(s.at()) > 2*shipRadius {
					tr.at, tr.still = s.at(), 0
				}
				if tr.still > tr.worst {
					tr.worst, tr.where = tr.still, s.at()
				}
			}
		}
		kills, scorers := 0, 0
		for _, s := range ships.All() {
			if !s.Bot {
				continue
			}
			require.Less(t, traces[s.Name].worst, 4*second, "seed %d: %s got stuck, last at %v", seed, s.Name, traces[s.Name].where)
			kills += int(s.Kills)
			scorers += min(int(s.Kills), 1)
		}
		require.Greater(t, kills, 10, "seed %d", seed)
		require.GreaterOrEqual(t, scorers, 3, "seed %d", seed)
	}
}

func TestPathsLeadAroundWalls(t *testing.T) {
	f := newPathfinder(ground)
	for i, from := range ground.spawns {
		to := ground.spawns[(i+5)%len(ground.spawns)]
		at := from
		for range 60 {
			if at == to {
				break
			}
			next, ok := f.waypoint(at, to)
			require.True(t, ok)
			require.NotEqual(t, at, next, "no progress")
			require.True(t, ground.clear(at, next), "through a wall")
			at = next
		}
		require.Equal(t, to, at)
	}
	_, ok := f.waypoint(ground.spawns[0], vec{5, 5})
	require.False(t, ok, "into a wall")
}

// timed measures the arena's own part of a tick.
type timed struct {
	*Arena
	step func(t *room.Tick, inputs []room.Input[Move])
}

func (g *timed) Step(t *room.Tick, inputs []room.Input[Move]) { g.step(t, inputs) }

// crowded is a room of n people who fly about and fire.
func crowded(t roomtest.T, n int) (tick func(), game *timed) {
	game = &timed{}
	kind := Kind
	kind.New = func(s *room.Setup) (room.Game[Move], error) {
		g, err := New(s)
		game.Arena = g.(*Arena)
		game.step = game.Arena.Step
		return game, err
	}
	r := roomtest.New(t, kind)
	var people []*roomtest.Player
	for i := range n {
		people = append(people, r.Join(fmt.Sprintf("P%d", i)))
	}
	i := 0
	return func() {
		i++
		for j, p := range people {
			p.Input(Move{DX: int8(i/20*31 + j*57), DY: int8(i/33*77 + j*91), Aim: uint8(i + 40*j), Fire: i%64 < 30})
		}
		r.Tick(1)
	}, game
}

func TestStepDoesNotAllocate(t *testing.T) {
	tick, game := crowded(t, 16)
	for range 20 * second {
		tick()
	}
	health := func() (sum int) {
		for _, p := range game.pilots {
			sum += int(p.ship.HP) + int(p.ship.Shield)
		}
		return sum
	}
	var quiet int
	var allocs uint64
	game.step = func(t *room.Tick, inputs []room.Input[Move]) {
		for _, it := range game.items {
			it.Ready = false
		}
		hp := health()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		game.Arena.Step(t, inputs)
		runtime.ReadMemStats(&after)
		if health() != hp {
			return // somebody was told, and events do allocate
		}
		quiet++
		allocs += after.Mallocs - before.Mallocs
	}
	for range 10 * second {
		tick()
	}
	require.Greater(t, quiet, 100)
	require.Less(t, allocs, uint64(quiet/10), "in %d ticks; a few are the runtime's own", quiet)
}

func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1, 16, 24} {
		b.Run(fmt.Sprintf("%dplayers", n), func(b *testing.B) {
			tick, game := crowded(b, n)
			var spent time.Duration
			game.step = func(t *room.Tick, inputs []room.Input[Move]) {
				start := time.Now()
				game.Arena.Step(t, inputs)
				spent += time.Since(start)
			}
			for range 5 * second {
				tick()
			}
			spent = 0
			for b.Loop() {
				tick()
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/step")
		})
	}
}
