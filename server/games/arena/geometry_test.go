package arena

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadingIsTheInverseOfDirections(t *testing.T) {
	for i, d := range directions {
		require.Equal(t, turn(i), heading(d.times(300)), "turn %d", i)
		require.InDelta(t, 1, d.length(), 1e-4)
	}
}

func TestSweep(t *testing.T) {
	for _, c := range []struct {
		name               string
		from, move, centre vec
		at                 float32
		hit                bool
	}{
		{"straight on", vec{0, 0}, vec{100, 0}, vec{60, 0}, 0.5, true},
		{"ends short of it", vec{0, 0}, vec{49, 0}, vec{60, 0}, 0, false},
		{"leaps far over it", vec{0, 0}, vec{5000, 0}, vec{60, 0}, 0.01, true},
		{"passes by", vec{0, 0}, vec{100, 0}, vec{50, 10.5}, 0, false},
		{"grazes", vec{0, 0}, vec{100, 0}, vec{50, 10}, 0.5, true},
		{"moves away", vec{0, 0}, vec{-100, 0}, vec{60, 0}, 0, false},
		{"starts inside", vec{55, 0}, vec{100, 0}, vec{60, 0}, 0, true},
		{"does not move", vec{0, 0}, vec{0, 0}, vec{60, 0}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, hit := sweep(c.from, c.move, c.centre, 10)
			require.Equal(t, c.hit, hit)
			if hit {
				require.InDelta(t, c.at, at, 1e-4)
			}
		})
	}
}

func TestParseLevelRefusesAFaultyPlan(t *testing.T) {
	for name, plan := range map[string]string{
		"empty": "", "ragged": "###\n##", "unknown tile": "#x#",
	} {
		_, err := parseLevel(plan)
		require.Error(t, err, name)
	}
}

// room of 6 x 3 tiles with a wall in the third column of the middle row, and its twin.
const smallPlan = "###\n#s#\n###"

func TestParseLevelTurnsTheLeftHalfByHalfATurn(t *testing.T) {
	l, err := parseLevel(smallPlan)
	require.NoError(t, err)
	require.Equal(t, 6, l.cols)
	require.Equal(t, []vec{{60, 60}, {180, 60}}, l.spawns)
	require.False(t, l.solidAt(4, 1))
	require.True(t, l.solidAt(2, 1))
	require.True(t, l.solidAt(-1, 1), "outside")
}

func TestWallsAreTheSolidTilesEachOnce(t *testing.T) {
	seen := map[[2]int]int{}
	for _, w := range ground.walls {
		for y := w.Y; y < w.Y+w.H; y += tile {
			for x := w.X; x < w.X+w.W; x += tile {
				seen[[2]int{int(x / tile), int(y / tile)}]++
			}
		}
	}
	for row := range ground.rows {
		for col := range ground.cols {
			want := 0
			if ground.solidAt(col, row) {
				want = 1
			}
			require.Equal(t, want, seen[[2]int{col, row}], "column %d, row %d", col, row)
		}
	}
}

func TestTheLevelIsClosedAndInOnePiece(t *testing.T) {
	for col := range ground.cols {
		require.True(t, ground.solidAt(col, 0) && ground.solidAt(col, ground.rows-1))
	}
	for row := range ground.rows {
		require.True(t, ground.solidAt(0, row) && ground.solidAt(ground.cols-1, row))
	}
	f := newPathfinder(ground)
	for row := range ground.rows {
		for col := range ground.cols {
			if !ground.solidAt(col, row) {
				require.True(t, f.search(ground.spawns[0], centre(col, row)), "column %d, row %d is cut off", col, row)
			}
		}
	}
	require.GreaterOrEqual(t, len(ground.spawns), 16)
}

func TestRay(t *testing.T) {
	l, err := parseLevel("####\n#...\n#...\n####")
	require.NoError(t, err) // 8 x 4 tiles, open from x 40 to 280 and from y 40 to 120
	for _, c := range []struct {
		name       string
		from, move vec
		at         float32
		hit        bool
	}{
		{"right, into the wall", vec{60, 60}, vec{440, 0}, 0.5, true},
		{"left, into the wall", vec{60, 60}, vec{-40, 0}, 0.5, true},
		{"down", vec{60, 60}, vec{0, 120}, 0.5, true},
		{"up, far beyond", vec{60, 60}, vec{0, -20000}, 0.001, true},
		{"slanted, past a corner of tiles", vec{60, 60}, vec{120, 120}, 0.5, true},
		{"short of the wall", vec{60, 60}, vec{100, 0}, 0, false},
		{"nowhere", vec{60, 60}, vec{0, 0}, 0, false},
		{"out of a wall", vec{20, 20}, vec{100, 100}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, hit := l.ray(c.from, c.move)
			require.Equal(t, c.hit, hit)
			if hit {
				require.InDelta(t, c.at, at, 1e-4)
			}
		})
	}
}

func TestPush(t *testing.T) {
	l, err := parseLevel("####\n#...\n#...\n####")
	require.NoError(t, err)
	for _, c := range []struct {
		name      string
		from, out vec
	}{
		{"free", vec{100, 80}, vec{100, 80}},
		{"against one wall, over a seam", vec{80, 50}, vec{80, 54}},
		{"into a corner", vec{45, 45}, vec{54, 54}},
	} {
		out, _ := l.push(c.from, shipRadius)
		require.InDelta(t, c.out.x, out.x, 1e-3, c.name)
		require.InDelta(t, c.out.y, out.y, 1e-3, c.name)
	}
}
