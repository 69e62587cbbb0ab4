// Package whiteboard is a board on which everybody draws at once: strokes appear while they are drawn,
// who comes late gets all of them, each user takes back its own, and everybody sees the others' cursors.
//
// The board is two tables, strokes and the chunks of points that they consist of. A stroke in the making is an
// entity that grows, so that there is no other way for who watches, who comes late and who was away.
//
// The package imports what any author would. All of it runs on the room's goroutine.
package whiteboard

import (
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Kind is the whiteboard. It ticks on demand, for a board at which nobody draws has nothing to tell; while
// somebody does, the rate gathers the points of 1/30 s into one snapshot, which an eye takes for at once.
var Kind = room.Kind[Nothing]{
	Name:       "whiteboard",
	Title:      "Whiteboard",
	About:      "Draw together: every stroke appears while it is drawn.",
	TickRate:   30,
	OnDemand:   true,
	MaxPlayers: 32,
	EmptyFor:   10 * time.Minute, // of a drawing for who comes back
	MaxMemory:  32 << 20,         // three times what a full board takes while somebody draws
	New:        New,
}

// Nothing is a whiteboard's input: strokes must not lose a point, so they come by messages.
type Nothing struct{}

// Board is the game of one room.
type Board struct {
	artists *state.Table[Artist]
	drawing drawing
	clears  room.Bucket
	cleared room.Event[Cleared]
	seats   map[uint32]*seat // by player number; only looked up in, never walked
}

// seat is what the board keeps of a player.
type seat struct {
	user   string
	artist *Artist
	id     state.ID
	open   *stroke // that is being drawn
	undone int     // strokes of drawing.undone that are this seat's to draw again
}

// took reports whether s is this seat's to draw again.
func (a *seat) took(s *stroke) bool { return s.undoer == a }

// New makes an empty board.
func New(s *room.Setup) (room.Game[Nothing], error) {
	b := &Board{
		artists: room.Table[Artist](s, "artist"),
		drawing: drawing{
			strokes: room.Table[Stroke](s, "stroke"), chunks: room.Table[Chunk](s, "chunk"), users: map[string]usage{},
		},
		seats:   map[uint32]*seat{},
		cleared: room.NewEvent[Cleared](s, "cleared"),
	}
	room.Handle(s, "cursor", b.cursor)
	room.Handle(s, "begin", b.begin)
	room.Handle(s, "ink", b.ink)
	room.Handle(s, "end", b.end)
	room.Handle(s, "undo", b.undo)
	room.Handle(s, "redo", b.redo)
	room.Handle(s, "clear", b.clear)
	return b, nil
}

// Join gives the player a cursor, in the colour that the fewest have.
func (b *Board) Join(t *room.Tick, p *room.Player) error {
	s := &seat{user: p.User()}
	colour := b.rarestColour()
	s.id, s.artist = b.artists.Add(p.Number())
	s.artist.Name, s.artist.Colour = p.Name(), colour
	b.seats[p.Number()] = s
	b.count(t)
	return nil
}

// Leave takes the cursor away. What the player drew stays, and is the user's to take back on return.
func (b *Board) Leave(_ *room.Tick, p *room.Player, _ room.Cause) {
	s := b.seats[p.Number()]
	b.finish(s)
	b.drawing.forgetUndone(s)
	b.artists.Remove(s.id)
	delete(b.seats, p.Number())
}

// Away ends the stroke and hides the cursor of who can't move either.
func (b *Board) Away(_ *room.Tick, p *room.Player) {
	s := b.seats[p.Number()]
	b.finish(s)
	s.artist.Here = false
}

// Back has nothing to do: the cursor comes back when it moves.
func (b *Board) Back(*room.Tick, *room.Player) {}

// Step has nothing to do: a board changes by messages alone.
func (b *Board) Step(*room.Tick, []room.Input[Nothing]) {}

// cursorColours is how many a page must tell apart.
const cursorColours = 8

func (b *Board) rarestColour() uint8 {
	var count [cursorColours]int
	for _, a := range b.artists.All() {
		count[a.Colour]++
	}
	best := 0
	for i, n := range count {
		if n < count[best] {
			best = i
		}
	}
	return uint8(best)
}

// count tells every user's pages what there is to undo and redo.
func (b *Board) count(t *room.Tick) {
	for _, p := range t.Players() {
		s := b.seats[p.Number()]
		s.artist.Undo, s.artist.Redo = b.drawing.users[s.user].shown > 0, s.undone > 0
	}
}

var (
	_ room.Game[Nothing] = (*Board)(nil)
	_ room.Rejoiner      = (*Board)(nil)
)
