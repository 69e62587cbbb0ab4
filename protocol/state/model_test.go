package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

type creature struct {
	X        float32 `sync:"x,step=1/8,rate=vx"`
	skipped  int
	y        float64 `sync:"y,step=0.1,rate=vy"`
	VX       float32 `sync:"vx,step=1/2"`
	vy       float64 `sync:"vy,step=3/7"`
	Heading  float32 `sync:"heading,turn=256"`
	Odd      float64 `sync:"odd,turn=7"`
	HP       uint8   `sync:"hp"`
	Alive    bool    `sync:"alive"`
	Big      int64   `sync:"big"`
	Huge     uint64  `sync:"huge"`
	Name     string  `sync:"name"`
	Ammo     int16   `sync:"ammo,owner"`
	Secret   string  `sync:"secret,owner"`
	Charge   float32 `sync:"charge,step=1/4,owner"`
	Untagged string
}

type wall struct {
	Kind int8   `sync:"kind"`
	Tall uint32 `sync:"tall"`
}

type marker struct{ private int }

func someFloat(r *rand.Rand) float64 {
	switch r.IntN(12) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1 - 2*r.IntN(2))
	case 2:
		return r.NormFloat64() * 1e12
	case 3:
		return 0
	case 4:
		return r.NormFloat64() * 1e8
	}
	return r.NormFloat64() * 300
}

func someInt(r *rand.Rand) int64 {
	return int64(r.Uint64()) >> r.IntN(64)
}

func someText(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return strings.Repeat("ünïcode", r.IntN(300))
	case 1:
		return "\xff broken \xc3"
	}
	return strings.Repeat("x", r.IntN(40))
}

func (c *creature) change(r *rand.Rand) {
	switch r.IntN(14) {
	case 0:
		c.X = float32(someFloat(r))
	case 1:
		c.y = someFloat(r)
	case 2, 3:
		c.VX = float32(someFloat(r))
	case 4:
		c.vy = someFloat(r)
	case 5:
		c.Heading = float32(someFloat(r))
	case 6:
		c.Odd = someFloat(r)
	case 7:
		c.HP = uint8(r.Uint32())
	case 8:
		c.Alive = !c.Alive
	case 9:
		c.Big, c.Huge = someInt(r), uint64(someInt(r))
	case 10:
		c.Name = someText(r)
	case 11:
		c.Ammo = int16(someInt(r))
	case 12:
		c.Secret = someText(r)
	case 13:
		c.Charge = float32(someFloat(r))
	}
}

// client is a view with the replica that it feeds, over a line that loses messages.
type client struct {
	view    *View
	replica *Replica
	owner   uint32
	shown   map[Change]bool // for filtered views, by table and id
	held    map[Change]string
	births  map[Change]int // which entity of that id is held
	born    func(table int, id ID) int
	behind  bool // the last message was lost
}

func newClient(t *testing.T, w *World, owner uint32, filtered bool) *client {
	r, err := NewReplica(w.Schema(), w.Rate())
	require.NoError(t, err)
	c := &client{replica: r, owner: owner, held: map[Change]string{}, births: map[Change]int{}, born: func(int, ID) int { return 0 }}
	var sees func(int, ID) bool
	if filtered {
		c.shown = map[Change]bool{}
		sees = func(table int, id ID) bool { return c.shown[Change{Table: table, ID: id}] }
	}
	c.view = w.NewView(owner, sees)
	r.Observe(func(ch Change) {
		at := Change{Table: ch.Table, ID: ch.ID}
		_, held := c.held[at]
		switch ch.What {
		case Left:
			require.True(t, held, "%v left", at)
			delete(c.held, at)
		case Entered:
			require.False(t, held, "%v entered", at)
			c.held[at] = c.values(at)
			c.births[at] = c.born(ch.Table, ch.ID)
		case Changed:
			require.True(t, held, "%v changed", at)
			c.held[at] = c.values(at)
		}
	})
	return c
}

// values is all that the replica tells about an entity.
func (c *client) values(at Change) string {
	var b strings.Builder
	for f := range c.replica.Schema().Tables[at.Table].Fields {
		n, s, ok := c.replica.Value(at.Table, at.ID, f)
		fmt.Fprint(&b, n, " ", s, " ", ok, ",")
	}
	fmt.Fprint(&b, c.replica.Mine(at.Table, at.ID))
	return b.String()
}

// apply reads messages as they stand on the wire.
func apply(r *Replica, message []byte) error {
	rd := wire.NewReader(message)
	for rd.Rest() > 0 {
		n := rd.Array()
		var err error
		switch rd.Uint32() {
		case kindKey:
			err = r.Key(rd, n)
		case kindDelta:
			err = r.Delta(rd, n)
		case kindOwn:
			_, _, err = r.Own(rd, n)
		}
		if err != nil {
			return err
		}
	}
	return rd.Finish()
}

// expected is what a client should hold of an entity, from the newest snapshot.
func (c *client) expected(w *World, table, rank int) string {
	var b strings.Builder
	t, s := w.tables[table], &w.newest().tables[table]
	mine := c.owner != 0 && t.owners[s.ids[rank]-1] == c.owner
	for f := range t.members {
		m, col := t.members[f], s.columns[f]
		var n int64
		var text string
		switch {
		case m.Owner && !mine:
		case m.Type == String:
			text = col.text[rank]
		default:
			n = col.number(rank)
		}
		fmt.Fprint(&b, n, " ", text, " ", true, ",")
	}
	fmt.Fprint(&b, mine)
	return b.String()
}

func (c *client) update(t *testing.T, r *rand.Rand, w *World) {
	if c.behind || r.IntN(10) == 0 {
		ok := c.view.Rewind(c.replica.Tick())
		inRing := w.at(c.replica.Tick()) != nil
		if c.shown == nil {
			require.Equal(t, inRing, ok)
		} else {
			require.Equal(t, inRing && !c.behind, ok)
		}
		c.behind = false
		c.view.Hold(c.replica.Tick(), true)
	}
	base := c.view.Base()
	message, key := c.view.Next()
	if message == nil {
		require.Equal(t, w.Tick(), base)
		return
	}
	require.Equal(t, w.at(base) == nil, key)
	whole := c.view.AppendOwn(append([]byte(nil), message...), 7, -3)
	if r.IntN(6) == 0 {
		c.behind = true
		return
	}
	require.NoError(t, apply(c.replica, whole))
	require.Equal(t, w.Tick(), c.replica.Tick())
	require.Equal(t, c.view.Checksum(), c.replica.Checksum())
	for table := range w.tables {
		n, last := 0, ID(0)
		s := &w.newest().tables[table]
		for rank, id := range s.ids {
			at := Change{Table: table, ID: id}
			mine := c.owner != 0 && w.tables[table].owners[id-1] == c.owner
			if c.shown != nil && !c.shown[at] && !mine {
				require.False(t, c.replica.Has(table, id))
				continue
			}
			n++
			require.Equal(t, c.expected(w, table, rank), c.values(at), "table %d, id %d", table, id)
			require.Equal(t, c.values(at), c.held[at])
			require.Equal(t, c.born(table, id), c.births[at], "table %d, id %d is another entity: a leave and an enter", table, id)
		}
		require.Equal(t, n, c.replica.Len(table))
		for id := range c.replica.IDs(table) {
			require.Greater(t, id, last)
			last = id
		}
	}
}

// drive runs random operations against a world with clients of every sort, and checks each of them
// after every message.
func drive(t *testing.T, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 1))
	w := NewWorld(1 + r.IntN(60))
	creatures, walls, markers := NewTable[creature](w, "creature"), NewTable[wall](w, "wall"), NewTable[marker](w, "marker")
	clients := []*client{
		newClient(t, w, 0, false), newClient(t, w, 1, false), newClient(t, w, 2, false),
		newClient(t, w, 1, true), newClient(t, w, 3, true), newClient(t, w, 0, true),
	}
	births := map[Change]int{} // how many entities have had an id
	bear := func(table int, id ID) { births[Change{Table: table, ID: id}]++ }
	for _, c := range clients {
		c.born = func(table int, id ID) int { return births[Change{Table: table, ID: id}] }
	}
	live := map[ID]*creature{}
	gone := map[ID]uint64{}
	tick := uint32(r.IntN(5))
	churn := 1 + r.IntN(4)
	for range steps {
		for range r.IntN(churn) {
			id, row := creatures.Add(uint32(r.IntN(5)))
			require.Equal(t, creature{}, *row)
			if at, used := gone[id]; used {
				require.GreaterOrEqual(t, w.count, at+Ring+1)
			}
			row.change(r)
			live[id] = row
			bear(0, id)
			w, _ := walls.Add(uint32(r.IntN(2)))
			bear(1, w)
			if r.IntN(4) == 0 {
				id, m := markers.Add(uint32(r.IntN(3)))
				m.private++
				bear(2, id)
			}
		}
		for id, row := range creatures.All() {
			require.Same(t, live[id], row)
			for range r.IntN(3) {
				row.change(r)
			}
			row.skipped++
			if r.IntN(12*len(live)) < churn*len(live)/2 && r.IntN(2) == 0 {
				require.True(t, creatures.Remove(id))
				delete(live, id)
				gone[id] = w.count
			}
		}
		require.Len(t, live, creatures.Len())
		for id, row := range walls.All() {
			if r.IntN(30) == 0 {
				row.Kind, row.Tall = int8(r.Uint32()), r.Uint32()
			}
			if r.IntN(20) == 0 {
				walls.Remove(id)
			}
		}
		for id := range markers.All() {
			if r.IntN(20) == 0 {
				markers.Remove(id)
			}
		}
		tick++
		if r.IntN(5) == 0 {
			tick += uint32(r.IntN(100))
		}
		w.Snapshot(tick)
		for _, c := range clients {
			if c.shown != nil {
				for range r.IntN(8) {
					at := Change{Table: r.IntN(3), ID: ID(1 + r.IntN(60))}
					c.shown[at] = !c.shown[at]
				}
			}
			if r.IntN(4) != 0 && (r.IntN(50) != 0 || steps < 40) {
				c.update(t, r, w)
			}
		}
		if r.IntN(25) == 0 {
			for range 30 + r.IntN(10) { // some bases leave the ring, or nearly
				tick++
				w.Snapshot(tick)
			}
		}
	}
}

func TestReplicaEqualsTheWorldAfterRandomChanges(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { drive(t, seed, 120) })
	}
}

func FuzzReplicaEqualsTheWorld(f *testing.F) {
	f.Add(uint64(99), uint8(50))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) { drive(t, seed, int(steps)) })
}

func TestPartsOfAKeyMakeTheWorldWithTheLast(t *testing.T) {
	schema := &Schema{Tables: []TableSchema{{Name: "a", Fields: []Field{{Name: "v", Num: 1, Den: 1, Rate: -1}}}}}
	r, err := NewReplica(schema, 20)
	require.NoError(t, err)
	var seen []Change
	r.Observe(func(c Change) { seen = append(seen, c) })
	none := []any{}
	part := func(tick uint32, of, part, parts int, records ...any) []byte {
		return encode(2, tick, of, part, parts, none, append([]any{}, records...))
	}
	require.NoError(t, apply(r, part(5, 5, 1, 1, 1, 10)))
	seen = nil

	require.NoError(t, apply(r, part(6, 6, 1, 3, 9, 90)))
	require.NoError(t, apply(r, part(8, 6, 2, 3, 2, 20)))
	require.True(t, r.Partial())
	require.Equal(t, []uint32{5, 8}, []uint32{r.Tick(), r.Taken()})
	require.True(t, r.Has(0, 1), "the world that is held stands")
	require.Empty(t, seen)
	require.NoError(t, apply(r, part(9, 6, 3, 3, 3, 30)))
	require.Equal(t, []uint32{6, 9}, []uint32{r.Tick(), r.Taken()})
	require.Equal(t, []Change{{0, 1, Left}, {0, 2, Entered}, {0, 3, Entered}, {0, 9, Entered}}, seen)
	require.NoError(t, apply(r, encode(3, 10, 4, 0, []any{9}, none, none)))
	require.Equal(t, 2, r.Len(0))

	for name, message := range map[string][]byte{
		"DELTA":             encode(3, 12, 2),
		"OWN":               encode(4, 0, 0),
		"part left out":     part(12, 11, 3, 3),
		"part 4 of 3":       part(12, 11, 4, 3),
		"other number":      part(12, 11, 2, 4),
		"other world":       part(12, 10, 2, 3),
		"tick not above":    part(11, 11, 2, 3),
		"entity twice":      part(12, 11, 2, 3, 1, 1),
		"entity twice last": part(12, 11, 2, 2, 1, 1),
	} {
		require.NoError(t, apply(r, part(11, 11, 1, 3, 1, 10)))
		require.Error(t, apply(r, message), name)
		require.Zero(t, r.Tick(), name)
		require.Zero(t, r.Taken(), name)
		require.NoError(t, apply(r, part(10, 10, 1, 1, 2, 20)), "part 1 starts over")
	}
}
