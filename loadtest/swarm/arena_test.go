package swarm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func newTestBot() *arenaBot {
	return &arenaBot{player: &Player{Rand: rand.New(rand.NewPCG(1, 2))}, strafe: 1}
}

func TestWallsHideWhatIsBehindThem(t *testing.T) {
	b := newTestBot()
	b.ground = []arenaWall{{X: 100, Y: -50, W: 20, H: 100}}
	at := func(x, y float32) arenaShip { return arenaShip{X: x, Y: y} }
	require.False(t, b.sees(at(0, 0), at(200, 0)))
	require.False(t, b.sees(at(200, 10), at(0, 0)))
	require.True(t, b.sees(at(0, 0), at(90, 0)), "before the wall")
	require.True(t, b.sees(at(0, 0), at(200, 200)), "past the wall")
	require.True(t, b.sees(at(0, 60), at(200, 60)), "beside it")
	require.False(t, b.sees(at(110, -100), at(110, 100)), "along it")
}

func TestBotAimsAheadOfItsFoe(t *testing.T) {
	b := newTestBot()
	b.fight(arenaShip{}, foe{arenaShip{X: 450}, 450})
	require.EqualValues(t, 0, b.move.Aim)
	require.True(t, b.move.Fire)
	require.Greater(t, b.move.DX, int8(50), "it is too far away: closer")
	b.fight(arenaShip{}, foe{arenaShip{X: 450, VY: 900}, 450})
	require.EqualValues(t, 32, b.move.Aim, "an eighth of a turn: there it will be")
	b.fight(arenaShip{}, foe{arenaShip{X: -100}, 100})
	require.EqualValues(t, 128, b.move.Aim)
	require.Greater(t, b.move.DX, int8(50), "it is too close: away")
}

func TestStuckBotTurns(t *testing.T) {
	b := newTestBot()
	b.roam(arenaShip{X: 10})
	before := b.move
	require.NotZero(t, math.Hypot(float64(before.DX), float64(before.DY)))
	b.roam(arenaShip{X: 10})
	require.NotEqual(t, [2]int8{before.DX, before.DY}, [2]int8{b.move.DX, b.move.DY})
	require.False(t, b.move.Fire)
}

func TestAimsAreFresh(t *testing.T) {
	b := newTestBot()
	require.EqualValues(t, 7, b.fresh(7))
	b.heard[0], b.heard[1] = 255, 1
	require.EqualValues(t, 2, b.fresh(0), "0, 1 and 255 were sent lately")
	for i := range b.heard {
		b.heard[i] = uint8(i)
	}
	require.EqualValues(t, 15, b.fresh(15), "there is none: as it is")
}

func TestTurnsAreAsTheArenaHasThem(t *testing.T) {
	for i := range 256 {
		require.EqualValues(t, i, turnOf(float64(float32(i)*math.Pi/128)))
	}
	require.EqualValues(t, 192, turnOf(-math.Pi/2))
}
