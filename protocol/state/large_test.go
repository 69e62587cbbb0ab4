package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

type page struct {
	Text  string `sync:"text"`
	N     int    `sync:"n"`
	Shown bool
	Own   string `sync:"own,owner"`
}

// big is a world of pages that take many messages, and its clients.
type library struct {
	*World
	pages *Table[page]
	tick  uint32
	t     *testing.T
}

func newBig(t *testing.T, entities int) *library {
	w := NewWorld(20)
	b := &library{World: w, pages: NewTable[page](w, "page"), t: t}
	for i := range entities {
		b.add(uint32(i%3), i)
	}
	b.snap()
	return b
}

func (b *library) add(owner uint32, i int) ID {
	id, row := b.pages.Add(owner)
	*row = page{Text: fmt.Sprintf("%0100d", i), N: i, Shown: i%2 == 0, Own: fmt.Sprint("own ", i)}
	return id
}

func (b *library) snap() {
	b.tick++
	b.Snapshot(b.tick)
}

// client takes what a view gives, message by message.
type bigClient struct {
	*library
	view    *View
	replica *Replica
	keys    int // parts included
	largest int
}

func (b *library) client(owner uint32, filtered bool) *bigClient {
	var sees func(int, ID) bool
	if filtered {
		sees = func(_ int, id ID) bool { return b.pages.Get(id) != nil && b.pages.Get(id).Shown }
	}
	r, err := NewReplica(b.Schema(), 20)
	require.NoError(b.t, err)
	return &bigClient{library: b, view: b.NewView(owner, sees), replica: r}
}

// message is the next one, as a room makes it.
func (c *bigClient) message() []byte {
	m, key := c.view.Next()
	if m == nil {
		return nil
	}
	m = bytes.Clone(m)
	if key {
		c.keys++
	}
	if !c.view.Partial() {
		m = c.view.AppendOwn(m, 0, 0)
	}
	c.largest = max(c.largest, len(m))
	return m
}

// take applies the next message. It reports whether the client holds a world then, and checks that it is right.
func (c *bigClient) take() bool {
	m := c.message()
	require.NoError(c.t, apply(c.replica, m))
	require.Equal(c.t, c.tick, c.replica.Taken())
	if c.view.Partial() {
		return false
	}
	require.Equal(c.t, c.view.Base(), c.replica.Tick())
	require.Equal(c.t, c.view.Checksum(), c.replica.Checksum())
	return true
}

func TestALargeWorldComesInPartsAndTheDeltaContinuesFromIt(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		b := newBig(t, 10_000)
		c := b.client(1, filtered)
		first := b.tick
		for !c.take() {
			require.Nil(t, c.message(), "each part has a tick of its own")
			for range 3 { // a slow line: the ring is over long before the last part
				b.pages.Get(ID(1+b.tick)).N++
				b.pages.Get(2).Own = fmt.Sprint("own at ", b.tick)
				b.snap()
			}
		}
		require.Greater(t, b.tick, first+2*Ring)
		require.Equal(t, first, c.replica.Tick())
		require.LessOrEqual(t, c.largest, 48<<10)
		parts := c.keys
		require.Greater(t, parts, 20)
		require.LessOrEqual(t, parts, MaxParts)
		for range 5 {
			b.pages.Get(7).N++
			b.snap()
			require.True(t, c.take())
			require.Equal(t, b.tick, c.replica.Tick())
		}
		require.Equal(t, parts, c.keys, "a DELTA, not another KEY")
	}
}

func TestAnIDUsedAgainSinceALongPartIsALeaveAndAnEnter(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		b := newBig(t, 3000)
		c := b.client(1, filtered)
		var again ID
		for round := 0; !c.take(); round++ {
			if round == 0 {
				b.pages.Remove(3)
			}
			for range 10 {
				b.snap()
			}
			if b.tick > 2*Ring && again == 0 {
				again = b.add(1, 4) // shown, and now the client's own
				require.EqualValues(t, 3, again)
			}
		}
		require.NotZero(t, again)
		require.False(t, c.replica.Mine(0, again))
		var seen []Change
		c.replica.Observe(func(ch Change) { seen = append(seen, ch) })
		b.snap()
		require.True(t, c.take())
		require.Contains(t, seen, Change{0, again, Left})
		require.Contains(t, seen, Change{0, again, Entered})
		require.True(t, c.replica.Mine(0, again))
	}
}

func TestWhatChangesTooMuchForADeltaIsAKeyInParts(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		b := newBig(t, 100)
		c := b.client(1, filtered)
		require.True(t, c.take())
		for i := range 2000 {
			b.add(0, 2*i)
		}
		b.snap()
		require.False(t, c.take())
		for b.snap(); !c.take(); b.snap() {
		}
		require.Greater(t, c.keys, 10)
		require.LessOrEqual(t, c.largest, 48<<10)
	}
}

func TestResumeInTheMiddleOfParts(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		b := newBig(t, 3000)
		c := b.client(1, filtered)
		for range 3 {
			require.False(t, c.take())
			b.snap()
		}
		c.message() // lost
		require.False(t, c.view.Rewind(c.replica.Taken()))
		b.snap()
		for !c.take() {
			b.snap()
		}
		// All parts are there; what comes after them is lost.
		last := c.replica.Taken()
		for range 2 * Ring {
			b.snap()
		}
		ok := c.view.Rewind(last)
		require.True(t, ok, "the world of the parts is kept until the client is beyond it")
		keys := c.keys
		require.True(t, c.take())
		require.Equal(t, keys, c.keys)
		for range 2 * Ring {
			b.snap()
		}
		if !filtered {
			require.True(t, c.view.Rewind(last))
		}
		c.view.Acked(b.tick)
		require.False(t, c.view.Rewind(last))
	}
}

// A client that was given parts, and not all of them, holds the world before them, however often its line is lost: what
// uses an id again since then is another entity to it.
func TestAnIDUsedAgainSinceTheWorldBeforePartsThatWereLost(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		for _, how := range []string{"once", "again after a KEY that was lost", "again after parts that were lost", "in another program"} {
			t.Run(fmt.Sprint(how, " ", filtered), func(t *testing.T) {
				b := newBig(t, 100)
				c := b.client(1, filtered)
				require.True(t, c.take())
				from := c.replica.Tick()
				b.pages.Remove(3)
				for range 2 * Ring {
					b.snap()
				}
				require.EqualValues(t, 3, b.add(1, 4))
				b.snap()
				c.view.Split()
				require.False(t, c.take())
				at := c.replica.Taken() // of the first part, which is later than the world
				require.Greater(t, at, from)
				resume := func() {
					if !c.view.Rewind(at) {
						c.view.Rewind(0)
					}
					c.view.Hold(at, true)
					b.snap()
				}
				switch how {
				case "again after a KEY that was lost":
					resume()
					require.NotNil(t, c.message())
				case "again after parts that were lost":
					for range 2 {
						resume()
						c.view.Split()
						require.NotNil(t, c.message())
						require.True(t, c.view.Partial())
					}
				case "in another program":
					unclear := c.view.Unclear()
					require.Equal(t, at, unclear)
					c = &bigClient{library: b, view: b.NewView(1, c.view.sees), replica: c.replica}
					c.view.SetUnclear(unclear)
				}
				resume()
				var seen []Change
				c.replica.Observe(func(ch Change) {
					if ch.What == Left || ch.What == Entered {
						seen = append(seen, ch)
					}
				})
				require.True(t, c.take())
				require.Contains(t, seen, Change{0, 3, Left})
				require.Contains(t, seen, Change{0, 3, Entered})
				if how != "in another program" {
					require.Len(t, seen, 2)
				}
				c.view.Acked(c.replica.Taken())
				require.Zero(t, c.view.Unclear())
			})
		}
	}
}

// What a client holds after the last part is the world of the parts, not one of the last part's tick.
func TestAnIDUsedAgainSinceTheWorldOfParts(t *testing.T) {
	for _, next := range []string{"KEY", "parts"} {
		b := newBig(t, 100)
		c := b.client(1, false)
		c.view.Split()
		require.False(t, c.take())
		b.pages.Remove(3)
		for range 2 * Ring {
			b.snap()
		}
		require.EqualValues(t, 3, b.add(1, 4))
		b.snap()
		require.True(t, c.take())
		last := c.replica.Taken()
		b.snap()
		if next == "parts" { // given out, and lost, before the last ones are acknowledged
			c.view.Split()
			require.NotNil(t, c.message())
			require.False(t, c.view.Rewind(last))
		} else {
			require.True(t, c.view.Rewind(last))
			c.view.Rewind(0) // the client asked for a KEY
			c.view.Hold(last, true)
			require.NotNil(t, c.message())
			require.False(t, c.view.Rewind(last), "no DELTA from the world of a tick that the client does not hold")
		}
		c.view.Hold(last, true)
		b.snap()
		var seen []Change
		c.replica.Observe(func(ch Change) {
			if ch.What == Left || ch.What == Entered {
				seen = append(seen, ch)
			}
		})
		require.True(t, c.take())
		require.Equal(t, []Change{{0, 3, Left}, {0, 3, Entered}}, seen)
	}
}

func TestAPartThatDidNotLeaveIsGivenAgain(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		b := newBig(t, 3000)
		c := b.client(1, filtered)
		r := rand.New(rand.NewPCG(1, 1))
		for worlds := 0; worlds < 3; {
			if r.IntN(2) == 0 {
				c.message()
				c.view.Unsent()
			} else if c.take() {
				worlds++
				c.view.Rewind(0)
			}
			b.snap()
		}
		require.True(t, c.view.Rewind(0) == false)
	}
}

func TestAStalledClientOfALargeWorldGetsADelta(t *testing.T) {
	b := newBig(t, 3000)
	c := b.client(1, false)
	for !c.take() {
		b.snap()
	}
	b.snap()
	require.True(t, c.take())
	c.view.Acked(b.tick)
	keys := c.keys
	for range 10 * Ring {
		b.pages.Get(9).N++
		b.snap()
		c.view.Keep()
	}
	require.True(t, c.take())
	require.Equal(t, keys, c.keys)
	small := newBig(t, 10)
	s := small.client(1, false)
	require.True(t, s.take())
	for range 2 * Ring {
		small.snap()
		s.view.Keep()
	}
	require.True(t, s.take())
	require.Equal(t, 2, s.keys, "a small world is not kept")
}

func TestSplitGivesAMessageWithRoomForMore(t *testing.T) {
	b := newBig(t, 10)
	c := b.client(1, false)
	require.True(t, c.take())
	b.snap()
	c.view.Split()
	m := c.message()
	require.Less(t, len(m), 30)
	require.True(t, c.view.Partial())
	require.NoError(t, apply(c.replica, m))
	b.snap()
	require.True(t, c.take())
}

func TestAWorldTooLargeForAnyClient(t *testing.T) {
	b := newBig(t, MaxKey/105+1000)
	c := b.client(1, false)
	m, _ := c.view.Next()
	require.Nil(t, m)
	require.Greater(t, c.view.TooLarge(), MaxKey)
	for id := range b.pages.All() {
		if id > 100 {
			b.pages.Remove(id)
		}
	}
	b.snap()
	require.True(t, c.take())
	require.Zero(t, c.view.TooLarge())
}

func TestAnOwnThatIsTooLongIsCut(t *testing.T) {
	w := NewWorld(20)
	type card struct {
		Text string `sync:"text,owner"`
	}
	cards := NewTable[card](w, "card")
	for range 100 {
		_, row := cards.Add(1)
		row.Text = string(bytes.Repeat([]byte{'x'}, 1000))
	}
	w.Snapshot(1)
	v := w.NewView(1, nil)
	v.Next()
	require.LessOrEqual(t, len(v.AppendOwn(nil, 0, 0)), 57<<10)
	require.True(t, v.OwnCut())
}
