package arena

// pathfinder finds ways along walls. It searches breadth first over the level's tiles from the goal
// outwards, and keeps its scratch space, so that a search allocates nothing.
type pathfinder struct {
	level *level
	next  []int32 // by tile: the tile after it on the way to the goal
	seen  []int32 // by tile: the search that met it last
	queue []int32
	turn  int32 // the search being made
}

func newPathfinder(l *level) pathfinder {
	n := l.cols * l.rows
	return pathfinder{level: l, next: make([]int32, n), seen: make([]int32, n), queue: make([]int32, 0, n)}
}

// neighbours in the order of preference: straight before slanted.
var neighbours = [...]struct{ col, row int }{{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 1}, {-1, 1}, {-1, -1}, {1, -1}}

// search fills next for all tiles from which the way to the goal is at most that from `from`. It
// reports whether there is a way.
func (f *pathfinder) search(from, to vec) bool {
	l := f.level
	fromCol, fromRow := tileOf(from)
	toCol, toRow := tileOf(to)
	if l.solidAt(fromCol, fromRow) || l.solidAt(toCol, toRow) {
		return false
	}
	start, end := int32(fromRow*l.cols+fromCol), int32(toRow*l.cols+toCol)
	f.turn++
	f.seen[end], f.next[end] = f.turn, end
	f.queue = append(f.queue[:0], end)
	for i := 0; i < len(f.queue); i++ {
		at := f.queue[i]
		if at == start {
			return true
		}
		col, row := int(at)%l.cols, int(at)/l.cols
		for _, n := range neighbours {
			c, r := col+n.col, row+n.row
			if l.solidAt(c, r) || l.solidAt(c, row) || l.solidAt(col, r) { // no short cut over a corner
				continue
			}
			if t := int32(r*l.cols + c); f.seen[t] != f.turn {
				f.seen[t], f.next[t] = f.turn, at
				f.queue = append(f.queue, t)
			}
		}
	}
	return false
}

// lookAhead is how many tiles of a path are tried for a short cut.
const lookAhead = 14

// waypoint returns where to steer from `from` so as to reach to: the last point of the path that a ship can
// reach in a straight line.
func (f *pathfinder) waypoint(from, to vec) (at vec, ok bool) {
	if f.level.clear(from, to) {
		return to, true
	}
	if !f.search(from, to) {
		return vec{}, false
	}
	col, row := tileOf(from)
	t := int32(row*f.level.cols + col)
	best := centre(col, row)
	for range lookAhead {
		t = f.next[t]
		p := centre(int(t)%f.level.cols, int(t)/f.level.cols)
		if !f.level.clear(from, p) {
			break
		}
		best = p
	}
	return best, true
}
