package whiteboard

import (
	"time"

	"github.com/tickhall/tickhall/room"
)

const (
	colours  = 9   // with the paper
	maxWidth = 160 // units
	maxRedo  = 100 // strokes, of one seat

	// How often the board of a room may be cleared, by whomever.
	clearsAtOnce = 3
	perClear     = 10 * time.Second
)

// Cursor is the body of the message "cursor". A page sends it several times a second; of those that fall
// into one tick the others see the last.
type Cursor struct {
	X    int  `msgpack:"x"`
	Y    int  `msgpack:"y"`
	Gone bool `msgpack:"gone"` // it has left the board
}

func (b *Board) cursor(_ *room.Tick, p *room.Player, v Cursor) (struct{}, error) {
	if at := (point{v.X, v.Y}); !at.onBoard() {
		return struct{}{}, room.Errorf("bad_points", "point %d, %d is not within 0 to %d and 0 to %d", v.X, v.Y, Width, Height)
	}
	a := b.seats[p.Number()].artist
	if a.Here = !v.Gone; a.Here {
		a.X, a.Y = int32(v.X), int32(v.Y)
	}
	return struct{}{}, nil
}

// Begin is the body of the message "begin": a stroke, with its first points. One that the player still has
// open ends.
type Begin struct {
	Colour int   `msgpack:"colour"`
	Width  int   `msgpack:"width"`
	Points []int `msgpack:"points"` // x0, y0, x1, y1, and so on
}

// Begun is its reply.
type Begun struct {
	Stroke uint32 `msgpack:"stroke"` // id
}

func (b *Board) begin(t *room.Tick, p *room.Player, v Begin) (Begun, error) {
	s := b.seats[p.Number()]
	points, err := parse(v.Points)
	switch {
	case err != nil:
		return Begun{}, err
	case v.Colour < 0 || v.Colour >= colours:
		return Begun{}, room.Errorf("bad_stroke", "colour %d is not within 0 to %d", v.Colour, colours-1)
	case v.Width < 1 || v.Width > maxWidth:
		return Begun{}, room.Errorf("bad_stroke", "width %d is not within 1 to %d", v.Width, maxWidth)
	}
	b.finish(s)
	if err := b.drawing.fit(s.user, 1, len(points)*pointBytes); err != nil {
		return Begun{}, err
	}
	b.drawing.forgetUndone(s) // the drawing goes another way
	s.open = b.drawing.begin(s.user, Stroke{Artist: p.Name(), Colour: uint8(v.Colour), Width: uint8(v.Width)})
	b.count(t)
	return Begun{uint32(s.open.id)}, b.extend(t, s, points)
}

// Ink is the body of the message "ink": more points of the open stroke.
type Ink struct {
	Points []int `msgpack:"points"`
}

func (b *Board) ink(t *room.Tick, p *room.Player, v Ink) (struct{}, error) {
	s := b.seats[p.Number()]
	points, err := parse(v.Points)
	if err != nil {
		return struct{}{}, err
	}
	if s.drawing() == nil {
		return struct{}{}, room.Errorf("no_stroke", "there is no open stroke: begin one")
	}
	return struct{}{}, b.extend(t, s, points)
}

// extend draws on, and moves the cursor along. A stroke for which there is no room any more ends.
func (b *Board) extend(t *room.Tick, s *seat, points []point) error {
	undone := len(b.drawing.undone)
	err := b.drawing.extend(s.open, points)
	if len(b.drawing.undone) != undone { // some had to yield
		b.count(t)
	}
	if err != nil {
		b.finish(s)
		return err
	}
	s.artist.X, s.artist.Y, s.artist.Here = int32(s.open.last.x), int32(s.open.last.y), true
	return nil
}

// end is the message that ends the open stroke, if there is one.
func (b *Board) end(_ *room.Tick, p *room.Player, _ struct{}) (struct{}, error) {
	b.finish(b.seats[p.Number()])
	return struct{}{}, nil
}

// undo is the message that takes back the user's newest stroke.
func (b *Board) undo(t *room.Tick, p *room.Player, _ struct{}) (struct{}, error) {
	s := b.seats[p.Number()]
	b.finish(s)
	if !b.drawing.undo(s) {
		return struct{}{}, room.Errorf("nothing", "there is nothing of yours to undo")
	}
	b.count(t)
	return struct{}{}, nil
}

// redo is the message that draws again what the player has undone last.
func (b *Board) redo(t *room.Tick, p *room.Player, _ struct{}) (struct{}, error) {
	if !b.drawing.redo(b.seats[p.Number()]) {
		return struct{}{}, room.Errorf("nothing", "there is nothing of yours to redo")
	}
	b.count(t)
	return struct{}{}, nil
}

// Cleared is the body of the event "cleared", sent to all.
type Cleared struct {
	By string `msgpack:"by"` // name
}

// clear is the message that empties the board. Anybody may, but not often, since it takes away what
// others drew: a page asks first, and all are told who it was.
func (b *Board) clear(t *room.Tick, p *room.Player, _ struct{}) (struct{}, error) {
	if len(b.drawing.list) == 0 {
		return struct{}{}, room.Errorf("nothing", "the board is empty already")
	}
	if !b.clears.Take(t, clearsAtOnce, perClear) {
		return struct{}{}, room.Errorf("slow_down", "the board was cleared several times just now: wait %.0f s", perClear.Seconds())
	}
	b.drawing.clear()
	for _, q := range t.Players() {
		b.seats[q.Number()].open = nil
	}
	b.count(t)
	b.cleared.Broadcast(t, Cleared{p.Name()})
	return struct{}{}, nil
}

// drawing is the open stroke, nil if there is none. Another seat of the same user may have undone it.
func (s *seat) drawing() *stroke {
	if s.open != nil && s.open.value.Done {
		s.open = nil
	}
	return s.open
}

// finish ends the open stroke, if there is one.
func (b *Board) finish(s *seat) {
	if open := s.drawing(); open != nil {
		b.drawing.finish(open)
	}
	s.open = nil
}
