package whiteboard

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// board is a whiteboard under test, with a view of its inside.
type board struct {
	*roomtest.Room
	game *Board
}

func newBoard(t *testing.T) *board {
	b := &board{}
	kind := Kind
	kind.New = func(s *room.Setup) (room.Game[Nothing], error) {
		g, err := New(s)
		b.game = g.(*Board)
		return g, err
	}
	b.Room = roomtest.New(t, kind)
	return b
}

// decode reads what appendPoint wrote.
func decode(s string) []int {
	var flat []int
	var at [2]int
	for i := 0; i < len(s); {
		v, shift := 0, 0
		for {
			c := int(s[i]) - 63
			v |= (c & 31) << shift
			shift, i = shift+5, i+1
			if c < 32 {
				break
			}
		}
		axis := len(flat) % 2
		at[axis] += v>>1 ^ -(v & 1)
		flat = append(flat, at[axis])
	}
	return flat
}

// seen is a stroke as a player has it.
type seen struct {
	Stroke
	points []int
}

// sees are the strokes that p has, lowest first.
func sees(t *testing.T, p *roomtest.Player) []seen {
	t.Helper()
	var all []seen
	pieces := roomtest.Table[Chunk](p, "chunk")
	total := 0
	for id, s := range roomtest.Table[Stroke](p, "stroke").All() {
		v := seen{Stroke: s}
		var chunks []Chunk
		for _, c := range pieces.All() {
			if state.ID(c.Stroke) == id {
				chunks = append(chunks, c)
			}
		}
		slices.SortFunc(chunks, func(a, b Chunk) int { return cmp.Compare(a.Seq, b.Seq) })
		for i, c := range chunks {
			require.EqualValues(t, i, c.Seq)
			require.LessOrEqual(t, len(c.Points), chunkBytes)
			v.points = append(v.points, decode(c.Points)...)
		}
		total += len(chunks)
		all = append(all, v)
	}
	require.Equal(t, total, pieces.Len(), "no chunk without its stroke")
	slices.SortFunc(all, func(a, b seen) int { return cmp.Compare(a.Order, b.Order) })
	return all
}

// widths tell strokes apart.
func widths(t *testing.T, p *roomtest.Player) []int {
	all := make([]int, 0)
	for _, s := range sees(t, p) {
		all = append(all, int(s.Width))
	}
	return all
}

func artist(p *roomtest.Player, name string) Artist {
	for _, a := range roomtest.Table[Artist](p, "artist").All() {
		if a.Name == name {
			return a
		}
	}
	return Artist{}
}

// draw draws a whole stroke of that width.
func draw(t *testing.T, p *roomtest.Player, width int) {
	t.Helper()
	require.NoError(t, p.Call("begin", Begin{Colour: 1, Width: width, Points: []int{10, 10, 20, 20}}, nil))
	require.NoError(t, p.Call("end", nil, nil))
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *room.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

func TestAStrokeAppearsWhileItIsDrawn(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	var begun Begun
	require.NoError(t, ada.Call("begin", Begin{Colour: 3, Width: 12, Points: []int{100, 200}}, &begun))
	want := seen{Stroke{Order: 1, Artist: "Ada", Colour: 3, Width: 12}, []int{100, 200}}
	require.Equal(t, []seen{want}, sees(t, bob))
	require.NotZero(t, begun.Stroke)
	for _, more := range [][]int{{105, 195}, {0, 0, Width, Height, 0, Height}, {2000, 1250}} {
		require.NoError(t, ada.Call("ink", Ink{more}, nil))
		want.points = append(want.points, more...)
		require.Equal(t, []seen{want}, sees(t, bob))
	}
	a := artist(bob, "Ada")
	require.True(t, a.Here, "the cursor is where the ink is")
	require.Equal(t, [2]int32{2000, 1250}, [2]int32{a.X, a.Y})
	require.NoError(t, ada.Call("end", nil, nil))
	want.Done = true
	require.Equal(t, []seen{want}, sees(t, bob))
	require.Equal(t, "no_stroke", code(t, ada.Call("ink", Ink{[]int{1, 1}}, nil)))
	require.NoError(t, ada.Call("end", nil, nil), "ending twice does no harm")
}

func TestWhoComesLateHasTheWholeBoard(t *testing.T) {
	b := newBoard(t)
	ada := b.Join("Ada")
	var long []int
	require.NoError(t, ada.Call("begin", Begin{Colour: 1, Width: 5, Points: []int{7, 9}}, nil))
	long = append(long, 7, 9)
	for i := range 40 {
		var more []int
		for j := range 30 {
			more = append(more, (i*977+j*j*13)%(Width+1), (i*j*31+7*j)%(Height+1))
		}
		require.NoError(t, ada.Call("ink", Ink{more}, nil))
		long = append(long, more...)
	}
	draw(t, ada, 9)
	bob := b.Join("Bob")
	got := sees(t, bob)
	require.Len(t, got, 2)
	require.Equal(t, long, got[0].points)
	require.Equal(t, got, sees(t, ada))
	bytes := 0
	for _, c := range roomtest.Table[Chunk](bob, "chunk").All() {
		bytes += len(c.Points)
	}
	require.Equal(t, bytes, b.game.drawing.all.bytes)
}

func TestUndoTakesBackOnesOwn(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	require.False(t, artist(ada, "Ada").Undo)
	draw(t, ada, 1)
	draw(t, bob, 2)
	draw(t, ada, 3)
	require.True(t, artist(ada, "Ada").Undo)
	require.False(t, artist(ada, "Ada").Redo)
	require.NoError(t, ada.Call("undo", nil, nil))
	require.Equal(t, []int{1, 2}, widths(t, bob))
	require.NoError(t, ada.Call("undo", nil, nil))
	require.Equal(t, []int{2}, widths(t, bob))
	require.Equal(t, "nothing", code(t, ada.Call("undo", nil, nil)))
	require.False(t, artist(ada, "Ada").Undo)
	require.True(t, artist(ada, "Ada").Redo)

	require.NoError(t, ada.Call("redo", nil, nil))
	require.Equal(t, []int{1, 2}, widths(t, bob), "in its old place, below Bob's")
	require.Equal(t, []int{10, 10, 20, 20}, sees(t, bob)[0].points)
	require.NoError(t, ada.Call("redo", nil, nil))
	require.Equal(t, []int{1, 2, 3}, widths(t, bob))
	require.Equal(t, "nothing", code(t, ada.Call("redo", nil, nil)))

	require.NoError(t, ada.Call("undo", nil, nil))
	draw(t, ada, 4)
	require.Equal(t, "nothing", code(t, ada.Call("redo", nil, nil)), "the drawing went another way")
	require.Equal(t, []int{1, 2, 4}, widths(t, b.Join("Eve")))
}

func TestUndoEndsTheOpenStroke(t *testing.T) {
	b := newBoard(t)
	ada, other := b.Join("Ada"), b.Join("Ada") // two pages of one user
	require.NoError(t, ada.Call("begin", Begin{Colour: 1, Width: 1, Points: []int{1, 1}}, nil))
	require.NoError(t, other.Call("undo", nil, nil))
	require.Equal(t, "no_stroke", code(t, ada.Call("ink", Ink{[]int{1, 1}}, nil)))
	require.NoError(t, ada.Call("end", nil, nil))
	require.Empty(t, sees(t, ada))
	require.NoError(t, other.Call("redo", nil, nil))
	require.True(t, sees(t, ada)[0].Done)
}

func TestStrokesOutliveTheirArtist(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	require.NoError(t, ada.Call("begin", Begin{Colour: 1, Width: 7, Points: []int{1, 1}}, nil))
	ada.Lose()
	b.Tick(1)
	require.True(t, sees(t, bob)[0].Done)
	require.False(t, artist(bob, "Ada").Here)
	ada.Resume()
	draw(t, ada, 8)
	require.NoError(t, ada.Call("begin", Begin{Colour: 1, Width: 9, Points: []int{1, 1}}, nil))
	ada.Leave()
	require.Equal(t, []int{7, 8, 9}, widths(t, bob))
	require.True(t, sees(t, bob)[2].Done)
	again := b.Join("Ada")
	require.True(t, artist(again, "Ada").Undo, "the same user")
	require.NoError(t, again.Call("undo", nil, nil))
	require.Equal(t, []int{7, 8}, widths(t, bob))
}

func TestClear(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	draw(t, ada, 1)
	draw(t, ada, 2)
	require.NoError(t, ada.Call("undo", nil, nil))
	require.NoError(t, ada.Call("begin", Begin{Colour: 1, Width: 3, Points: []int{1, 1}}, nil))
	require.NoError(t, bob.Call("clear", nil, nil))
	require.Empty(t, sees(t, ada))
	require.Equal(t, []Cleared{{"Bob"}}, roomtest.Events[Cleared](ada, "cleared"))
	require.Zero(t, b.game.drawing.all)
	require.Empty(t, b.game.drawing.users)
	a := artist(ada, "Ada")
	require.False(t, a.Undo || a.Redo)
	require.Equal(t, "no_stroke", code(t, ada.Call("ink", Ink{[]int{1, 1}}, nil)))
	draw(t, ada, 4)
	require.Equal(t, []int{4}, widths(t, bob))
}

func TestCursors(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	require.False(t, artist(bob, "Ada").Here)
	require.NotEqual(t, artist(bob, "Ada").Colour, artist(bob, "Bob").Colour)
	require.NoError(t, ada.Call("cursor", Cursor{X: Width, Y: 5}, nil))
	a := artist(bob, "Ada")
	require.True(t, a.Here)
	require.Equal(t, [2]int32{Width, 5}, [2]int32{a.X, a.Y})
	require.NoError(t, ada.Call("cursor", Cursor{Gone: true}, nil))
	require.False(t, artist(bob, "Ada").Here)
	ada.Leave()
	require.Equal(t, 1, roomtest.Table[Artist](bob, "artist").Len())
}

func TestBadMessagesAreRefused(t *testing.T) {
	ok := []int{1, 1}
	for _, c := range []struct {
		name, message, code string
		body                any
	}{
		{"a colour below", "begin", "bad_stroke", Begin{-1, 5, ok}},
		{"a colour beyond", "begin", "bad_stroke", Begin{colours, 5, ok}},
		{"a colour that would wrap", "begin", "bad_stroke", Begin{256, 5, ok}},
		{"no width", "begin", "bad_stroke", Begin{1, 0, ok}},
		{"a width beyond", "begin", "bad_stroke", Begin{1, maxWidth + 1, ok}},
		{"a stroke without points", "begin", "bad_points", Begin{1, 5, nil}},
		{"half a point", "ink", "bad_points", Ink{[]int{1, 1, 1}}},
		{"no points", "ink", "bad_points", Ink{}},
		{"too many points", "ink", "bad_points", Ink{make([]int, 2*maxPoints+2)}},
		{"a point to the left", "ink", "bad_points", Ink{[]int{1, 1, -1, 1}}},
		{"a point below", "ink", "bad_points", Ink{[]int{1, Height + 1}}},
		{"a point far away", "ink", "bad_points", Ink{[]int{1 << 40, 1}}},
		{"points that are text", "ink", "bad_request", map[string]string{"points": "1,1"}},
		{"points that are fractions", "ink", "bad_request", map[string][]string{"points": {"a", "b"}}},
		{"a cursor off the board", "cursor", "bad_points", Cursor{X: Width + 1}},
		{"a cursor that is none", "cursor", "bad_request", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(t)
			ada, bob := b.Join("Ada"), b.Join("Bob")
			require.NoError(t, ada.Call("begin", Begin{1, 5, ok}, nil))
			require.Equal(t, c.code, code(t, ada.Call(c.message, c.body, nil)))
			got := sees(t, bob)
			require.Len(t, got, 1)
			require.Equal(t, ok, got[0].points)
			require.NoError(t, ada.Call("ink", Ink{ok}, nil), "the open stroke goes on")
		})
	}
}

// fill draws strokes of that many points for a user, at once, up to that many bytes of the user's.
func (b *board) fill(t *testing.T, user string, points, bytes int) {
	t.Helper()
	var far []point
	for i := range points {
		far = append(far, point{i % 2 * Width, i % 2 * Height})
	}
	d := &b.game.drawing
	for d.users[user].bytes+(points+1)*pointBytes < bytes {
		require.NoError(t, d.fit(user, 1, 0))
		require.NoError(t, d.extend(d.begin(user, Stroke{Width: 1, Done: true}), far))
	}
}

func TestAFullBoardSaysSo(t *testing.T) {
	far := make([]int, 0, 2*maxPoints)
	for i := range maxPoints {
		far = append(far, i%2*Width, i%2*Height)
	}
	t.Run("of points", func(t *testing.T) {
		b := newBoard(t)
		ada, bob := b.Join("Ada"), b.Join("Bob")
		b.fill(t, "user-Bob", 2000, shareBytes)
		b.fill(t, "user-Ada", 2000, shareBytes-2000*pointBytes)
		require.NoError(t, ada.Call("begin", Begin{1, 5, far}, nil))
		var err error
		for n := 0; err == nil; n++ {
			require.Less(t, n, maxBytes)
			err = ada.Call("ink", Ink{far}, nil)
		}
		require.Equal(t, "full", code(t, err))
		require.ErrorContains(t, err, "half of the board is yours")
		require.LessOrEqual(t, b.game.drawing.users["user-Ada"].bytes, shareBytes)
		require.Equal(t, "no_stroke", code(t, ada.Call("ink", Ink{far}, nil)), "the stroke has ended")
		strokes := len(b.game.drawing.list)
		require.Equal(t, "full", code(t, ada.Call("begin", Begin{1, 5, far}, nil)))
		require.Len(t, b.game.drawing.list, strokes, "nothing is left of what was refused")
		eve := b.Join("Eve")
		for err = nil; err == nil; {
			err = eve.Call("begin", Begin{1, 5, far}, nil)
		}
		require.ErrorContains(t, err, "clear it, or undo something")
		require.LessOrEqual(t, b.game.drawing.all.bytes, maxBytes)
		chunks := 0
		for _, s := range b.game.drawing.list {
			chunks += len(s.chunks)
		}
		zoe := b.Join("Zoe")
		b.Settle()
		require.Equal(t, chunks, roomtest.Table[Chunk](zoe, "chunk").Len(), "a full board can be joined")

		require.NoError(t, bob.Call("undo", nil, nil))
		require.True(t, artist(bob, "Bob").Redo)
		require.NoError(t, eve.Call("begin", Begin{1, 5, far}, nil), "what was undone yields to what is drawn")
		require.False(t, artist(bob, "Bob").Redo)
		require.Equal(t, "nothing", code(t, bob.Call("redo", nil, nil)))
	})
	t.Run("of strokes", func(t *testing.T) {
		b := newBoard(t)
		ada := b.Join("Ada")
		for i := range maxStrokes {
			user := []string{"user-Ada", "user-Bob"}[i%2]
			require.NoError(t, b.game.drawing.fit(user, 1, 0))
			s := b.game.drawing.begin(user, Stroke{Width: 1, Done: true})
			require.NoError(t, b.game.drawing.extend(s, []point{{1, 1}}))
		}
		require.Equal(t, "full", code(t, ada.Call("begin", Begin{1, 5, []int{1, 1}}, nil)))
		eve := b.Join("Eve")
		require.Equal(t, "full", code(t, eve.Call("begin", Begin{1, 5, []int{1, 1}}, nil)))
		require.NoError(t, ada.Call("undo", nil, nil))
		require.NoError(t, eve.Call("begin", Begin{1, 5, []int{1, 1}}, nil))
		zoe := b.Join("Zoe")
		b.Settle()
		require.Equal(t, maxStrokes, roomtest.Table[Stroke](zoe, "stroke").Len(), "a full board can be joined")
	})
}

func TestUndoneStrokesCount(t *testing.T) {
	b := newBoard(t)
	ada := b.Join("Ada")
	b.fill(t, "user-Ada", 2000, shareBytes)
	full := b.game.drawing.users["user-Ada"]
	require.NoError(t, ada.Call("undo", nil, nil))
	require.NoError(t, ada.Call("undo", nil, nil))
	undone := b.game.drawing.users["user-Ada"]
	require.Equal(t, full.bytes, undone.bytes)
	require.Equal(t, full.strokes, undone.strokes)
	require.Equal(t, full.shown-2, undone.shown)
	ada.Leave()
	left := b.game.drawing.users["user-Ada"]
	require.Equal(t, full.strokes-2, left.strokes, "nobody can draw them again")
	require.Less(t, left.bytes, full.bytes)
	require.Empty(t, b.game.drawing.undone)
}

func TestRedoIsBounded(t *testing.T) {
	b := newBoard(t)
	ada := b.Join("Ada")
	for i := range maxRedo + 1 {
		s := b.game.drawing.begin("user-Ada", Stroke{Width: uint8(1 + i), Done: true})
		require.NoError(t, b.game.drawing.extend(s, []point{{1, 1}}))
	}
	for range maxRedo + 1 {
		require.NoError(t, ada.Call("undo", nil, nil))
	}
	require.Equal(t, usage{strokes: maxRedo, bytes: b.game.drawing.all.bytes}, b.game.drawing.all)
	for range maxRedo {
		require.NoError(t, ada.Call("redo", nil, nil))
	}
	require.Equal(t, "nothing", code(t, ada.Call("redo", nil, nil)))
	require.NotContains(t, widths(t, ada), maxRedo+1, "the one undone first was forgotten")
}

func TestClearingIsLimitedPerRoom(t *testing.T) {
	b := newBoard(t)
	ada, bob := b.Join("Ada"), b.Join("Bob")
	require.Equal(t, "nothing", code(t, ada.Call("clear", nil, nil)), "an empty board")
	for i := range clearsAtOnce {
		draw(t, bob, 1)
		require.NoError(t, []*roomtest.Player{ada, bob}[i%2].Call("clear", nil, nil))
	}
	draw(t, bob, 2)
	for _, p := range []*roomtest.Player{ada, bob, b.Join("Ada")} {
		require.Equal(t, "slow_down", code(t, p.Call("clear", nil, nil)))
	}
	require.Equal(t, []int{2}, widths(t, bob))
	require.Len(t, roomtest.Events[Cleared](bob, "cleared"), clearsAtOnce)
	b.Tick(int(perClear.Seconds()) * Kind.TickRate)
	require.NoError(t, ada.Call("clear", nil, nil))
}

func TestWhoAcknowledgesNothingKeepsTheSeatWhileSomebodyClearsInALoop(t *testing.T) {
	b := newBoard(t)
	ada, victim := b.Join("Ada"), b.Join("Bob")
	victim.Stall()
	cleared := 0
	for range 30 * Kind.TickRate / 3 { // 30 s; a client that acknowledges nothing for 45 s is ended for that
		draw(t, ada, 1)
		switch err := ada.Call("clear", nil, nil); {
		case err == nil:
			cleared++
		default:
			require.Equal(t, "slow_down", code(t, err))
		}
	}
	require.Greater(t, cleared, clearsAtOnce)
	require.Nil(t, victim.Bye())
	require.Equal(t, 2, b.Info().Players)
	victim.Lose()
	victim.Resume()
	b.Tick(5)
	require.Nil(t, victim.Bye())
	require.Equal(t, widths(t, ada), widths(t, victim))
	require.Len(t, roomtest.Events[Cleared](victim, "cleared"), cleared, "each of them came, once")
}

func TestPointsAreEncodedAsPolylines(t *testing.T) {
	// From the example in Google's description of the format, whose latitudes come first.
	var b []byte
	var before point
	for _, p := range []point{{3850000, -12020000}, {4070000, -12095000}, {4325200, -12645300}} {
		b = appendPoint(b, p, before)
		before = p
	}
	require.Equal(t, "_p~iF~ps|U_ulLnnqC_mqNvxq`@", string(b))

	for _, p := range []point{{Width, Height}, {0, 0}, {0, Height}} {
		for _, from := range []point{{}, {Width, 0}, {Width, Height}} {
			one := appendPoint(nil, p, from)
			require.LessOrEqual(t, len(one), pointBytes)
			require.Empty(t, strings.Trim(string(one), "?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"), "printable")
		}
	}
}
