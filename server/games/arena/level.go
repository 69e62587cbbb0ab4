package arena

import (
	"fmt"
	"math"
	"strings"
)

// tile is the side of one square of the level, in units.
const tile = 40

// plan is the left half of the level; the right half is the same turned by half a turn, so that no
// corner is better than another. # is a wall, s a place to spawn; pick-ups are h health, a ammunition,
// r rapid fire and d a shield.
const plan = `
##############################
#.............#...............
#..s..........#......s........
#.............................
#.....####....#....####....###
#.....#.......#.......#.......
#.....#....h..........#.......
#.....#..................##...
#............##..........##...
###..........##....a..........
#......#..............#.......
#......#....#.........#....s..
#..a...#....#.....#####.......
#......#....###...............
#...............s..........###
#####.......................#.
#.............##............#.
#......#......##....##......#.
#..r...#............##........
#......#....d.............h...
#......#............###.......
#.............#.......#....#..
#....##.......#.......#....#..
#....##....####............#..
#.........................##..
#..s..........................
#........##.......a...........
######...##...........##...s..
#.....................##......
#.......................###...
#...h.....#####....s..........
#.............#...............
#....##.......#...........#...
#....##...a.........#.....#...
#...................#.....#...
#..s......###.......#..r......
#.........#..........s........
##############################
`

// level is the ground on which all rooms play. It never changes.
type level struct {
	cols, rows int
	solid      []bool
	walls      []Wall // the solid tiles as few rectangles
	spawns     []vec
	items      []item
}

// item is a place where pick-ups of a kind appear.
type item struct {
	at   vec
	kind PickupKind
}

var ground = mustParse(plan)

func mustParse(plan string) *level {
	l, err := parseLevel(plan)
	if err != nil {
		panic(err)
	}
	return l
}

// parseLevel reads a plan: lines of the same length, the left half of the level.
func parseLevel(plan string) (*level, error) {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(plan)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("the level is empty")
	}
	half := len(lines[0])
	l := &level{cols: 2 * half, rows: len(lines)}
	l.solid = make([]bool, l.cols*l.rows)
	for row, line := range lines {
		if len(line) != half {
			return nil, fmt.Errorf("line %d of the level has %d tiles, not %d", row+1, len(line), half)
		}
		for col := range half {
			if err := l.put(col, row, line[col]); err != nil {
				return nil, err
			}
			if err := l.put(l.cols-1-col, l.rows-1-row, line[col]); err != nil {
				return nil, err
			}
		}
	}
	l.findWalls()
	return l, nil
}

func (l *level) put(col, row int, what byte) error {
	at := centre(col, row)
	switch what {
	case '.':
	case '#':
		l.solid[row*l.cols+col] = true
	case 's':
		l.spawns = append(l.spawns, at)
	case 'h':
		l.items = append(l.items, item{at, Health})
	case 'a':
		l.items = append(l.items, item{at, Ammo})
	case 'r':
		l.items = append(l.items, item{at, Rapid})
	case 'd':
		l.items = append(l.items, item{at, Shield})
	default:
		return fmt.Errorf("line %d of the level has an unknown tile %q", row+1, what)
	}
	return nil
}

// findWalls joins solid tiles: first to runs within a row, then equal runs below each other.
func (l *level) findWalls() {
	taken := make([]bool, len(l.solid))
	free := func(col, row int) bool { return l.solidAt(col, row) && l.inside(col, row) && !taken[row*l.cols+col] }
	for row := range l.rows {
		for col := range l.cols {
			if !free(col, row) {
				continue
			}
			w, h := 1, 1
			for free(col+w, row) {
				w++
			}
			fits := func(row int) bool {
				for i := range w {
					if !free(col+i, row) {
						return false
					}
				}
				return true
			}
			for fits(row + h) {
				h++
			}
			for i := range w * h {
				taken[(row+i/w)*l.cols+col+i%w] = true
			}
			l.walls = append(l.walls, Wall{int32(col * tile), int32(row * tile), int32(w * tile), int32(h * tile)})
		}
	}
}

func (l *level) inside(col, row int) bool {
	return col >= 0 && row >= 0 && col < l.cols && row < l.rows
}

// solidAt reports whether a tile is a wall. All is wall outside the level.
func (l *level) solidAt(col, row int) bool { return !l.inside(col, row) || l.solid[row*l.cols+col] }

func centre(col, row int) vec { return vec{float32(col*tile + tile/2), float32(row*tile + tile/2)} }

// tileOf returns the tile in which p is.
func tileOf(p vec) (col, row int) { return floorDiv(p.x), floorDiv(p.y) }

func floorDiv(x float32) int { return int(math.Floor(float64(x) / tile)) }

// ray returns where a point that moves from `from` by move first meets a wall, as a fraction of move. It visits the
// tiles along the way one by one ("A Fast Voxel Traversal Algorithm for Ray Tracing", Amanatides and Woo, 1987).
func (l *level) ray(from, move vec) (at float32, hit bool) {
	col, row := tileOf(from)
	if l.solidAt(col, row) {
		return 0, true
	}
	stepX, nextX, everyX := march(from.x, move.x, col)
	stepY, nextY, everyY := march(from.y, move.y, row)
	for {
		if nextX < nextY {
			at, col, nextX = nextX, col+stepX, nextX+everyX
		} else {
			at, row, nextY = nextY, row+stepY, nextY+everyY
		}
		if at > 1 {
			return 0, false
		}
		if l.solidAt(col, row) {
			return at, true
		}
	}
}

// march returns, along one axis: by how much the tile's number changes at each border, and at which
// fractions of move the first and the following borders are.
func march(from, move float32, at int) (step int, next, every float32) {
	switch {
	case move > 0:
		return 1, (float32((at+1)*tile) - from) / move, tile / move
	case move < 0:
		return -1, (float32(at*tile) - from) / move, tile / -move
	}
	return 0, math.MaxFloat32, 0
}

// sees reports whether no wall stands between two points.
func (l *level) sees(from, to vec) bool {
	_, hit := l.ray(from, to.minus(from))
	return !hit
}

// clear reports whether a ship can go straight between two points.
func (l *level) clear(from, to vec) bool {
	way := to.minus(from)
	n := way.length()
	if n == 0 {
		return true
	}
	side := way.left().times((shipRadius + 1) / n)
	for _, offset := range [...]vec{side, side.times(-1)} {
		if _, hit := l.ray(from.plus(offset), way); hit {
			return false
		}
	}
	return true
}

// push moves a disc out of the walls that it overlaps, the deepest first so that it slides past the
// seam between two tiles. normal is the sum of the ways in which it was pushed.
func (l *level) push(p vec, radius float32) (out, normal vec) {
	for range 3 {
		way, found := l.deepest(p, radius)
		if !found {
			break
		}
		p = p.plus(way)
		normal = normal.plus(way)
	}
	return p, normal
}

// deepest returns the shortest way out of the tile that a disc overlaps most.
func (l *level) deepest(p vec, radius float32) (way vec, found bool) {
	left, top := tileOf(p.minus(vec{radius, radius}))
	right, bottom := tileOf(p.plus(vec{radius, radius}))
	most := float32(0)
	for row := top; row <= bottom; row++ {
		for col := left; col <= right; col++ {
			if !l.solidAt(col, row) {
				continue
			}
			near := vec{
				min(max(p.x, float32(col*tile)), float32((col+1)*tile)),
				min(max(p.y, float32(row*tile)), float32((row+1)*tile)),
			}
			d := p.minus(near)
			n := d.length()
			if n == 0 || radius-n <= most { // a centre inside a wall can't be: ships are slower than their radius per tick
				continue
			}
			most, way, found = radius-n, d.times((radius-n)/n), true
		}
	}
	return way, found
}
