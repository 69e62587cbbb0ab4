package arena

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// killed is how many shots end a ship.
const killed = (fullHP + boltDamage - 1) / boltDamage

func TestWhoReturnsToTheGroundIsSafeAsLongAsTheyDoNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		move Move
		safe int // ticks after it
	}{
		{"nothing", Move{}, 60 * second},
		{"looks around", Move{Aim: 90}, 60 * second},
		{"moves", Move{DX: 127}, safeTicks},
		{"fires", Move{Aim: 64, Fire: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, ada, bob, _, b := duel(t)
			b.safe, b.resting = safeTicks, true
			for range 20 * second {
				bob.Input(Move{})
				m.Tick(1)
			}
			require.True(t, b.ship.Safe)
			m.shoot(ada, 0, 2)
			require.EqualValues(t, fullHP, b.ship.HP)
			bob.Input(c.move)
			m.Tick(1)
			for range min(max(c.safe-2, 0), 2*second) {
				require.True(t, b.ship.Safe)
				bob.Input(Move{Aim: c.move.Aim})
				m.Tick(1)
			}
			bob.Input(Move{Aim: c.move.Aim})
			m.Tick(2)
			require.Equal(t, c.safe > safeTicks, b.ship.Safe)
			theirs := roomtest.Table[Ship](ada, "ship")
			seen, _ := theirs.Get(b.id)
			require.Equal(t, b.ship.Safe, seen.Safe)
			require.False(t, seen.Rest, "only its owner need know what ends it")
			mine, _ := roomtest.Table[Ship](bob, "ship").Get(b.id)
			require.Equal(t, c.safe > safeTicks, mine.Rest)
		})
	}
}

// away is a way to be absent from Bob's ship.
type away struct {
	name string
	do   func(bob *roomtest.Player)
	back func(bob *roomtest.Player)
}

var ways = []away{
	{"the line is lost", (*roomtest.Player).Lose, (*roomtest.Player).Resume},
	{"the page is hidden",
		func(bob *roomtest.Player) { bob.Input(Move{Away: true}) },
		func(bob *roomtest.Player) { bob.Input(Move{}) }},
	{"nothing is done for long", func(*roomtest.Player) {}, func(*roomtest.Player) {}},
}

// idle lets time pass without anything from Bob.
func (m *match) idle(way string, ticks int) {
	if way == "nothing is done for long" {
		ticks += idleTicks
	}
	m.Tick(ticks)
}

func TestLosingTheLineInAFightIsADeathLikeAnyOther(t *testing.T) {
	for _, way := range ways[:2] {
		t.Run(way.name, func(t *testing.T) {
			m, ada, bob, a, b := duel(t)
			m.shoot(ada, 0, killed-1)
			hp := b.ship.HP
			way.do(bob)
			m.Tick(1)
			require.Equal(t, hp, b.ship.HP, "it stays")
			require.False(t, b.ship.Safe)
			require.True(t, b.ship.Away)
			m.shoot(ada, 0, 1)
			require.Zero(t, b.ship.HP)
			require.EqualValues(t, 1, b.ship.Deaths)
			require.EqualValues(t, 1, a.ship.Kills)
			way.back(bob)
			m.Tick(1)
			require.Zero(t, b.ship.HP, "with its wait")
			m.Tick(respawnTicks)
			require.EqualValues(t, fullHP, b.ship.HP)
		})
	}
}

func TestAnAbsentShipRestsAndIsNotHealed(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			m, ada, bob, a, b := duel(t)
			m.shoot(ada, 0, 2)
			hp, at := b.ship.HP, b.ship.at()
			way.do(bob)
			m.idle(way.name, quietTicks+1)
			require.True(t, b.ship.Safe)
			require.True(t, b.ship.Away)
			require.Equal(t, hp, b.ship.HP)
			require.Equal(t, at, b.ship.at())

			m.shoot(ada, 0, 1)
			require.Equal(t, hp, b.ship.HP)
			m.put(a, at)
			m.Tick(1)
			require.Equal(t, at, a.ship.at(), "it is in nobody's way")
			m.put(a, vec{200, corridor})
			it := m.arena.items[0]
			it.Kind, it.X, it.Y = Health, int32(at.x), int32(at.y)
			m.Tick(2)
			require.True(t, it.Ready, "it takes nothing")

			way.back(bob)
			m.Tick(second)
			require.True(t, b.ship.Safe, "until it moves")
			require.Equal(t, hp, b.ship.HP)
			it.Ready = false
			bob.Input(Move{DX: 127})
			m.Tick(1)
			require.False(t, b.ship.Away)
			for range wakeTicks + 1 {
				bob.Input(Move{DX: -127})
				m.Tick(1)
			}
			require.False(t, b.ship.Safe)
			require.Equal(t, hp, b.ship.HP)
		})
	}
}

func TestNobodyRestsInAFight(t *testing.T) {
	m, ada, bob, _, b := duel(t)
	bob.Input(Move{Away: true})
	for range 3 * quietTicks / (second + boltTicks) {
		b.ship.HP = fullHP
		m.shoot(ada, 0, 1) // a hit a second
		m.Tick(second)
		require.False(t, b.ship.Safe, "who is hit does not come to rest")
	}
	m.put(b, vec{600, 900})
	for range 2 * quietTicks {
		bob.Input(Move{Fire: true, Away: true})
		m.Tick(1)
		require.False(t, b.ship.Safe, "nor who fires, whatever their page says")
	}
	m.Tick(quietTicks + second/4 + 1)
	require.True(t, b.ship.Safe)
	bob.Input(Move{Fire: true, Away: true})
	m.Tick(1)
	require.False(t, b.ship.Safe, "and firing ends it")
}

func TestWhoFliesOnIsNotIdle(t *testing.T) {
	m, _, bob, _, b := duel(t)
	for range 2 * idleTicks {
		bob.Input(Move{DX: -127})
		m.Tick(1)
	}
	require.False(t, b.ship.Away)
	require.False(t, b.ship.Safe)
}

func TestWhoLeavesInAFightLeavesTheirShipThere(t *testing.T) {
	m, ada, bob, a, b := duel(t)
	m.shoot(ada, 0, killed-1)
	bob.Leave()
	m.Tick(1)
	require.NotNil(t, m.arena.ships.Get(b.id))
	m.shoot(ada, 0, 1)
	require.EqualValues(t, 1, a.ship.Kills)
	require.Zero(t, b.ship.HP)

	again := m.JoinAs(room.Identity{User: "user-Bob", Name: "Bob"})
	m.withoutBots()
	seen, ok := own(again)
	require.True(t, ok)
	require.Zero(t, seen.HP, "the death stands, and its wait")
	require.EqualValues(t, 1, seen.Deaths)
	require.NotZero(t, seen.Wait)
	require.Nil(t, m.arena.ships.Get(b.id), "there is no double")
	m.Tick(respawnTicks)
	seen, _ = own(again)
	require.EqualValues(t, fullHP, seen.HP)
}

func TestWhoLeavesAndComesAgainHasTheSameWounds(t *testing.T) {
	m, ada, bob, _, b := duel(t)
	m.shoot(ada, 0, 2)
	b.ship.Kills = 3
	hp, at := b.ship.HP, b.ship.at()
	bob.Leave()
	m.Tick(second)
	again := m.JoinAs(room.Identity{User: "user-Bob", Name: "Bobby"})
	seen, ok := own(again)
	require.True(t, ok)
	require.Equal(t, hp, seen.HP)
	require.Equal(t, at, seen.at())
	require.EqualValues(t, 3, seen.Kills)
	require.Equal(t, "Bobby", seen.Name)
	require.False(t, seen.Safe)

	again.Leave()
	m.Tick(quietTicks + 1)
	m.withoutBots()
	require.Len(t, m.arena.pilots, 1, "it goes when nobody fights it any more")
	require.Equal(t, 1, m.arena.ships.Len())
}

// own is the ship that a player has, as its client sees it.
func own(p *roomtest.Player) (Ship, bool) {
	for id, s := range roomtest.Table[Ship](p, "ship").All() {
		if p.World().Mine(0, id) {
			return s, true
		}
	}
	return Ship{}, false
}
