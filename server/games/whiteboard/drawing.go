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

	// What one user may hold of the board: the others always find room.
	shareStrokes = maxStrokes / 2
	shareBytes   = maxBytes / 2
)

var (
	errFull  = room.Errorf("full", "the board is full: clear it, or undo something")
	errShare = room.Errorf("full", "half of the board is yours: undo something, and leave the rest to others")
)

// drawing is all strokes of the board. A stroke that was undone takes memory too, and counts; but it
// yields, oldest first, to what is drawn anew.
type drawing struct {
	strokes *state.Table[Stroke]
	chunks  *state.Table[Chunk]

	list   []*stroke        // on the board, in the order in which they were begun
	undone []*stroke        // taken back, oldest first
	users  map[string]usage // what each user holds; only looked up in, never walked
	all    usage
	order  uint32 // of the newest
}

// usage is what strokes take.
type usage struct {
	shown   int // strokes on the board
	strokes int // those and the undone ones
	bytes   int // of the points of both
}

// stroke is one of them, or one that was taken back.
type stroke struct {
	user   string
	undoer *seat // that may draw it again, nil while it is on the board
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

// charge adds to what a user holds.
func (d *drawing) charge(user string, shown, strokes, bytes int) {
	u := d.users[user]
	for _, v := range [2]*usage{&u, &d.all} {
		v.shown += shown
		v.strokes += strokes
		v.bytes += bytes
	}
	if d.users[user] = u; u == (usage{}) {
		delete(d.users, user)
	}
}

// fit makes room for more strokes and bytes of a user, and reports why that can't be done.
func (d *drawing) fit(user string, strokes, bytes int) error {
	for {
		u := d.users[user]
		share := u.strokes+strokes > shareStrokes || u.bytes+bytes > shareBytes
		if !share && d.all.strokes+strokes <= maxStrokes && d.all.bytes+bytes <= maxBytes {
			return nil
		}
		i := slices.IndexFunc(d.undone, func(s *stroke) bool { return !share || s.user == user })
		switch {
		case i >= 0:
			d.forget(i)
		case share:
			return errShare
		default:
			return errFull
		}
	}
}

// forget drops the undone stroke i for good.
func (d *drawing) forget(i int) {
	s := d.undone[i]
	d.undone = slices.Delete(d.undone, i, i+1)
	s.undoer.undone--
	d.charge(s.user, 0, -1, -s.bytes())
}

// begin adds a stroke without points, for which fit has made room.
func (d *drawing) begin(user string, v Stroke) *stroke {
	d.order++
	v.Order = d.order
	s := &stroke{user: user, value: v}
	d.charge(user, 0, 1, 0)
	d.put(s)
	return s
}

// extend adds points to a stroke that is on the board.
func (d *drawing) extend(s *stroke, points []point) error {
	if err := d.fit(s.user, 0, len(points)*pointBytes); err != nil {
		return err
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
		d.charge(s.user, 0, 0, len(c.points)-before)
	}
	for _, c := range s.chunks[grown:] {
		c.row.Points = string(c.points)
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
	d.charge(s.user, 1, 0, 0)
}

func (d *drawing) putChunk(s *stroke, i int) {
	c := &s.chunks[i]
	c.id, c.row = d.chunks.Add(0)
	*c.row = Chunk{Stroke: uint32(s.id), Seq: uint16(i), Points: string(c.points)}
}

// undo takes the newest stroke of by's user off the board, for by to draw again. False: there is none.
func (d *drawing) undo(by *seat) bool {
	if d.users[by.user].shown == 0 {
		return false
	}
	i := len(d.list) - 1
	for d.list[i].user != by.user {
		i--
	}
	s := d.list[i]
	s.value.Done = true
	d.list = slices.Delete(d.list, i, i+1)
	d.remove(s)
	if by.undone == maxRedo {
		d.forget(slices.IndexFunc(d.undone, by.took))
	}
	s.undoer = by
	by.undone++
	d.undone = append(d.undone, s)
	return true
}

// redo draws again what by has undone last. False: there is nothing.
func (d *drawing) redo(by *seat) bool {
	i := len(d.undone) - 1
	for i >= 0 && d.undone[i].undoer != by {
		i--
	}
	if i < 0 {
		return false
	}
	s := d.undone[i]
	d.undone = slices.Delete(d.undone, i, i+1)
	s.undoer = nil
	by.undone--
	d.put(s)
	return true
}

// forgetUndone drops what by has undone.
func (d *drawing) forgetUndone(by *seat) {
	for by.undone > 0 {
		d.forget(slices.IndexFunc(d.undone, by.took))
	}
}

// clear empties the board, and forgets what was undone.
func (d *drawing) clear() {
	for len(d.undone) > 0 {
		d.forget(len(d.undone) - 1)
	}
	for _, s := range d.list {
		s.value.Done = true
		d.remove(s)
		d.charge(s.user, 0, -1, -s.bytes())
	}
	clear(d.list)
	d.list = d.list[:0]
}

// remove takes s off the board.
func (d *drawing) remove(s *stroke) {
	d.strokes.Remove(s.id)
	for _, c := range s.chunks {
		d.chunks.Remove(c.id)
	}
	d.charge(s.user, -1, 0, 0)
}

// finish marks a stroke that is on the board as done.
func (d *drawing) finish(s *stroke) {
	s.value.Done = true
	d.strokes.Get(s.id).Done = true
}
