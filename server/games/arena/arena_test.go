package arena

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// match is an arena under test, with a view of its inside.
type match struct {
	*roomtest.Room
	arena *Arena
}

func newMatch(t roomtest.T) *match {
	m := &match{}
	kind := Kind
	kind.New = func(s *room.Setup) (room.Game[Move], error) {
		g, err := New(s)
		m.arena = g.(*Arena)
		return g, err
	}
	m.Room = roomtest.New(t, kind)
	return m
}

// corridor is a long stretch of open ground: from x 40 to 1320 at this height.
const corridor = 140

// duel is a match of Ada and Bob without bots, in the corridor, 300 units apart and no longer protected.
func duel(t *testing.T) (m *match, ada, bob *roomtest.Player, a, b *pilot) {
	m = newMatch(t)
	ada, bob = m.Join("Ada"), m.Join("Bob")
	m.withoutBots()
	a, b = m.arena.pilots[0], m.arena.pilots[1]
	m.put(a, vec{200, corridor})
	m.put(b, vec{500, corridor})
	return m, ada, bob, a, b
}

func (m *match) withoutBots() {
	for i := len(m.arena.pilots) - 1; i >= 0; i-- {
		if p := m.arena.pilots[i]; p.brain != nil {
			m.arena.exit(p)
		}
	}
}

func (m *match) put(p *pilot, at vec) {
	p.ship.place(at)
	p.from, p.safe, p.resting = at, 0, false
}

// shoot makes p fire at an angle until n shots have left, and lets them fly.
func (m *match) shoot(p *roomtest.Player, aim turn, n int) {
	for range n {
		p.Input(Move{Aim: aim, Fire: true})
		m.Tick(1)
		for range fireTicks - 1 {
			p.Input(Move{Aim: aim})
			m.Tick(1)
		}
	}
	for range boltTicks {
		p.Input(Move{Aim: aim})
		m.Tick(1)
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ first, next, want Move }{
		{Move{DX: 1, Fire: true}, Move{DX: 2, Aim: 9}, Move{DX: 2, Aim: 9, Fire: true}},
		{Move{DX: 1}, Move{DY: 2, Fire: true}, Move{DY: 2, Fire: true}},
		{Move{DX: 1}, Move{}, Move{}},
	} {
		require.Equal(t, c.want, c.first.Merge(c.next))
	}
}

func TestMovement(t *testing.T) {
	for _, c := range []struct {
		name       string
		from       vec
		move       Move
		ticks      int
		at, speeds vec
	}{
		{"right, at top speed after a few ticks", vec{200, corridor}, Move{DX: 127}, 31, vec{452, corridor}, vec{262.5, 0}},
		{"half a lean, half the speed", vec{200, corridor}, Move{DX: 64}, 31, vec{334, corridor}, vec{135, 0}},
		{"slanted is no faster", vec{400, 80}, Move{DX: 127, DY: 127}, 10, vec{450, 130}, vec{187.5, 187.5}},
		{"the least int8 is no more than full", vec{600, corridor}, Move{DX: -128}, 31, vec{348, corridor}, vec{-262.5, 0}},
		{"stops at a wall", vec{1200, corridor}, Move{DX: 127}, 60, vec{1320 - shipRadius, corridor}, vec{0, 0}},
		{"slides along a wall", vec{200, 60}, Move{DX: 90, DY: -90}, 31, vec{384, 40 + shipRadius}, vec{187.5, 0}},
		{"stands", vec{200, corridor}, Move{}, 10, vec{200, corridor}, vec{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, ada, _, a, b := duel(t)
			m.put(a, c.from)
			m.put(b, vec{600, 900})
			for range c.ticks {
				ada.Input(c.move)
				m.Tick(1)
			}
			require.InDelta(t, c.at.x, a.ship.X, 6)
			require.InDelta(t, c.at.y, a.ship.Y, 6)
			require.Equal(t, c.speeds, a.ship.velocity())
		})
	}
}

func TestAFreeShipMovesAsItsClientsPredict(t *testing.T) {
	m, ada, _, a, _ := duel(t)
	m.put(a, vec{700, 240})
	for i := range 60 {
		before, at := a.ship.velocity(), a.ship.at()
		ada.Input(Move{DX: int8(i * 37), DY: int8(i * 91)})
		m.Tick(1)
		// protocol/README.md: x + (v0 + v1) / 2 per second, in eighths, without a rest.
		want := at.plus(before.plus(a.ship.velocity()).times(1. / (2 * tickRate)))
		require.Equal(t, want, a.ship.at(), "tick %d", i)
		require.Zero(t, math.Mod(float64(a.ship.X)*8, 1))
	}
}

func TestAStalledLineKeepsTheAim(t *testing.T) {
	m, ada, _, a, _ := duel(t)
	ada.Input(Move{DX: 127, Aim: 64})
	m.Tick(30)
	require.Zero(t, a.ship.VX, "the move is over after 250 ms")
	require.InDelta(t, math.Pi/2, a.ship.Aim, 1e-6)
}

func TestShipsDoNotOverlap(t *testing.T) {
	m, _, _, a, b := duel(t)
	m.put(b, a.ship.at())
	m.Tick(5)
	require.GreaterOrEqual(t, a.ship.at().distance(b.ship.at()), float32(2*shipRadius-0.5))
}

func TestShots(t *testing.T) {
	m, ada, bob, a, b := duel(t)
	m.shoot(ada, 0, 1)
	require.EqualValues(t, fullHP-boltDamage, b.ship.HP)
	for _, p := range []*roomtest.Player{ada, bob} {
		require.Equal(t, []Hit{{uint32(a.id), "Ada", uint32(b.id), boltDamage}}, roomtest.Events[Hit](p, "hit"))
	}
	m.shoot(ada, 128, 1)
	require.EqualValues(t, fullHP-boltDamage, b.ship.HP, "a shot the other way")
	require.Zero(t, m.arena.bolts.Len())
}

func TestNothingTunnels(t *testing.T) {
	for _, c := range []struct {
		name     string
		ada, bob vec
		hit      bool
	}{
		{"point-blank", vec{200, corridor}, vec{200 + 2*shipRadius, corridor}, true},
		{"between two steps of the bolt", vec{200, corridor}, vec{261, corridor}, true},
		{"grazing", vec{200, corridor}, vec{261, corridor - shipRadius - boltRadius + 0.5}, true},
		{"passing by", vec{200, corridor}, vec{261, corridor - shipRadius - boltRadius - 0.5}, false},
		{"through a wall of one tile", vec{1320 - shipRadius, corridor}, vec{1360 + shipRadius, corridor}, false},
		{"out of range", vec{100, corridor}, vec{960, corridor}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, ada, _, a, b := duel(t)
			m.put(a, c.ada)
			m.put(b, c.bob)
			m.shoot(ada, 0, 1)
			require.Equal(t, c.hit, b.ship.HP < fullHP)
		})
	}
}

func TestABoltStaysForATickWhereItHit(t *testing.T) {
	m, ada, _, a, _ := duel(t)
	m.put(a, vec{1250, corridor})
	bolts := roomtest.Table[Bolt](ada, "bolt")
	ada.Input(Move{Fire: true})
	m.Tick(1)
	var got []Bolt
	for range 4 {
		m.Tick(1)
		for _, b := range bolts.All() {
			got = append(got, b)
		}
	}
	require.Equal(t, HitNone, got[0].Hit)
	last := got[len(got)-1]
	require.Equal(t, Bolt{X: 1320, Y: corridor, By: uint32(a.id), Colour: a.ship.Colour, Hit: HitWall}, last)
	require.Zero(t, bolts.Len())
}

func TestAKill(t *testing.T) {
	m, ada, bob, a, b := duel(t)
	mine, theirs := roomtest.Table[Ship](bob, "ship"), roomtest.Table[Ship](ada, "ship")
	shots := (fullHP + boltDamage - 1) / boltDamage
	m.shoot(ada, 0, shots)
	require.Zero(t, b.ship.HP)
	require.EqualValues(t, 1, a.ship.Kills)
	require.EqualValues(t, 1, b.ship.Deaths)
	want := Kill{uint32(a.id), "Ada", uint32(b.id), "Bob", 1, a.ship.Colour, b.ship.Colour}
	require.Equal(t, []Kill{want}, roomtest.Events[Kill](bob, "kill"))
	seen, _ := mine.Get(b.id)
	require.NotZero(t, seen.Wait, "Bob sees his countdown")
	seen, _ = theirs.Get(b.id)
	require.Zero(t, seen.Wait, "Ada does not")
	require.Zero(t, seen.Ammo)

	m.Tick(respawnTicks)
	require.EqualValues(t, fullHP, b.ship.HP)
	require.Greater(t, b.ship.at().distance(a.ship.at()), float32(400), "far from the enemy")
}

func TestTheShieldIsTakenFirst(t *testing.T) {
	for _, c := range []struct{ shield, damage, hp, left uint8 }{
		{0, 15, 85, 0}, {50, 15, 100, 35}, {10, 15, 95, 0},
	} {
		p := &pilot{ship: &Ship{HP: fullHP, Shield: c.shield}}
		require.False(t, p.hurt(int(c.damage)))
		require.Equal(t, c.hp, p.ship.HP)
		require.Equal(t, c.left, p.ship.Shield)
	}
	p := &pilot{ship: &Ship{HP: 10, Shield: 2}}
	require.True(t, p.hurt(15))
	require.False(t, p.hurt(15), "nobody dies twice")
	require.EqualValues(t, 1, p.ship.Deaths)
}

func TestAmmunitionRunsOutAndComesBack(t *testing.T) {
	m, ada, _, a, b := duel(t)
	m.put(b, vec{600, 900})
	a.ship.Ammo = 2
	m.shoot(ada, 0, 3)
	require.Less(t, a.ship.Ammo, uint8(fullAmmo))
	a.ship.Ammo, a.refill = 0, refillTicks
	for range refillTicks - 1 {
		ada.Input(Move{Fire: true})
		m.Tick(1)
	}
	require.Zero(t, m.arena.bolts.Len(), "nothing to fire")
	m.Tick(refillTicks * (fullAmmo + 5))
	require.EqualValues(t, fullAmmo, a.ship.Ammo)
}

func TestPickups(t *testing.T) {
	hurt := Ship{HP: 30, Ammo: 5}
	for _, c := range []struct {
		name string
		ship Ship
		kind PickupKind
		took bool
		want Ship
	}{
		{"health", hurt, Health, true, Ship{HP: 80, Ammo: 5}},
		{"health, at most full", Ship{HP: 90}, Health, true, Ship{HP: 100}},
		{"no health for the sound", Ship{HP: 100}, Health, false, Ship{HP: 100}},
		{"ammunition", hurt, Ammo, true, Ship{HP: 30, Ammo: 35}},
		{"no more than can be carried", Ship{HP: 30, Ammo: 50}, Ammo, false, Ship{HP: 30, Ammo: 50}},
		{"rapid fire", hurt, Rapid, true, Ship{HP: 30, Ammo: 5, Rapid: true}},
		{"shield", hurt, Shield, true, Ship{HP: 30, Ammo: 5, Shield: 50}},
		{"no second shield", Ship{HP: 9, Shield: 50}, Shield, false, Ship{HP: 9, Shield: 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &pilot{ship: &c.ship}
			require.Equal(t, c.took, p.take(c.kind))
			require.Equal(t, c.want, c.ship)
		})
	}
}

func TestAPickupIsTakenOnceAndComesBack(t *testing.T) {
	m, ada, _, a, _ := duel(t)
	it := m.arena.items[0]
	it.Kind = Health
	a.ship.HP = 10
	m.put(a, vec{float32(it.X), float32(it.Y)})
	m.Tick(1)
	require.EqualValues(t, 60, a.ship.HP)
	require.False(t, it.Ready)
	require.Equal(t, []Took{{Health}}, roomtest.Events[Took](ada, "took"))
	m.put(a, vec{200, corridor})
	m.Tick(int(comeBack[Health].Seconds()*tickRate) + 1)
	require.True(t, it.Ready)
}

func TestARound(t *testing.T) {
	m, ada, _, a, b := duel(t)
	round := m.arena.round
	a.ship.Kills, b.ship.Kills = goal-1, 3
	m.shoot(ada, 0, (fullHP+boltDamage-1)/boltDamage)
	require.Equal(t, Podium, round.Phase)
	at := a.ship.at()
	for range second {
		ada.Input(Move{DX: 127, Fire: true})
		m.Tick(1)
	}
	require.Equal(t, at, a.ship.at(), "ships stand still")
	require.EqualValues(t, goal, a.ship.Kills, "the result stands")
	m.Tick(podiumTicks)
	require.Equal(t, Playing, round.Phase)
	require.EqualValues(t, 2, round.Number)
	require.Zero(t, a.ship.Kills+b.ship.Kills+b.ship.Deaths)
	require.EqualValues(t, fullHP, b.ship.HP)

	m.arena.left = 1
	m.Tick(1)
	require.Equal(t, Podium, round.Phase, "the time is up")
}

func TestDeterminism(t *testing.T) {
	run := func(seed uint64) (sums []uint32) {
		r := roomtest.NewSeeded(t, Kind, room.Config{ID: "test", Seed: seed})
		ada := r.Join("Ada")
		for i := range 60 * tickRate {
			if i == 10*tickRate {
				r.Join("Bob")
			}
			ada.Input(Move{DX: int8(i), DY: int8(i / 7), Aim: uint8(3 * i), Fire: i%3 == 0})
			r.Tick(1)
			if i%tickRate == 0 {
				sums = append(sums, ada.World().Checksum())
			}
		}
		return sums
	}
	first := run(1)
	require.Equal(t, first, run(1))
	require.NotEqual(t, first, run(2))
}
