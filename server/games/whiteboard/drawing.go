package whiteboard

import (
	"slices"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

const (
	maxStrokes = 4000
	maxBytes   = 512 << 10 // of points: an hour of busy drawing, and well below what a keyframe may take
	chunkBytes = 128
)

var errFull = room.Errorf("full", "the board is full: clear it, or undo something")

// drawing is all strokes on the board.
type drawing struct {
	strokes *state.Table[Stroke]
	chunks  *state.Table[Chunk]

	list  []*stroke      // on the board, in the order in which they were begun
	owned map[string]int // how many of them each user has; only looked up in, never walked
	bytes int            // of their points
	order uint32         // of the newest
}

// stroke is one of them, or one that was taken back.
type stroke struct {
	user   string
	value  Stroke
	chunks []chunk
	last   point

	id state.ID // while it is on the board
}

type chunk struct {
	points []byte

	id  state.ID
	row *Chunk
}

func (s *stroke) bytes() int {
	n := 0
	for _, c := range s.chunks {
		n += len(c.points)
	}
	return n
}

// begin adds a stroke without points.
func (d *drawing) begin(user string, v Stroke) *stroke {
	d.order++
	v.Order = d.order
	s := &stroke{user: user, value: v}
	d.put(s)
	return s
}

// extend adds points to a stroke that is on the board.
func (d *drawing) extend(s *stroke, points []point) error {
	if d.bytes+len(points)*pointBytes > maxBytes {
		return errFull
	}
	grown := max(len(s.chunks)-1, 0) // from here on
	for _, p := range points {
		if n := len(s.chunks); n == 0 || len(s.chunks[n-1].points) > chunkBytes-pointBytes {
			s.chunks, s.last = append(s.chunks, chunk{}), point{} // each chunk can be read without the others
			d.putChunk(s, n)
		}
		c := &s.chunks[len(s.chunks)-1]
		before := len(c.points)
		c.points = appendPoint(c.points, p, s.last)
		s.last = p
		d.bytes += len(c.points) - before
	}
	for _, c := range s.chunks[grown:] {
		c.row.Points = string(c.points)
	}
	return nil
}

// roomFor returns errFull if s does not fit the board.
func (d *drawing) roomFor(s *stroke) error {
	if len(d.list) >= maxStrokes || d.bytes+s.bytes() > maxBytes {
		return errFull
	}
	return nil
}

// put shows a stroke, in its place among the others.
func (d *drawing) put(s *stroke) {
	var row *Stroke
	s.id, row = d.strokes.Add(0)
	*row = s.value
	for i := range s.chunks {
		d.putChunk(s, i)
	}
	at, _ := slices.BinarySearchFunc(d.list, s, func(a, b *stroke) int { return int(int64(a.value.Order) - int64(b.value.Order)) })
	d.list = slices.Insert(d.list, at, s)
	d.owned[s.user]++
	d.bytes += s.bytes()
}

func (d *drawing) putChunk(s *stroke, i int) {
	c := &s.chunks[i]
	c.id, c.row = d.chunks.Add(0)
	*c.row = Chunk{Stroke: uint32(s.id), Seq: uint16(i), Points: string(c.points)}
}

// take takes the newest stroke of a user off the board, nil if there is none.
func (d *drawing) take(user string) *stroke {
	if d.owned[user] == 0 {
		return nil
	}
	i := len(d.list) - 1
	for d.list[i].user != user {
		i--
	}
	s := d.list[i]
	s.value.Done = true
	d.list = slices.Delete(d.list, i, i+1)
	d.remove(s)
	return s
}

// clear empties the board.
func (d *drawing) clear() {
	for _, s := range d.list {
		s.value.Done = true
		d.remove(s)
	}
	clear(d.list)
	d.list = d.list[:0]
}

func (d *drawing) remove(s *stroke) {
	d.strokes.Remove(s.id)
	for _, c := range s.chunks {
		d.chunks.Remove(c.id)
	}
	d.bytes -= s.bytes()
	if d.owned[s.user]--; d.owned[s.user] == 0 {
		delete(d.owned, s.user)
	}
}

// finish marks a stroke that is on the board as done.
func (d *drawing) finish(s *stroke) {
	s.value.Done = true
	d.strokes.Get(s.id).Done = true
}
