package state

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

var update = flag.Bool("update", false, "write the golden vectors instead of checking them")

// golden checks that v is what testdata/name holds, or writes it there.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(v))
	path := filepath.Join("..", "testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the wire has changed: if that is meant, run the test with -update")
}

// Hex is bytes that stand in JSON as hexadecimal.
type Hex []byte

func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

type goldenEntity struct {
	Mine   bool  `json:"mine"`
	Values []any `json:"values"`
}

type goldenStep struct {
	Note     string                             `json:"note"`
	Messages []Hex                              `json:"messages"`
	Ack      uint32                             `json:"ack"`  // tick of the message: what the client acknowledges
	Tick     uint32                             `json:"tick"` // of the world
	Checksum uint32                             `json:"checksum"`
	World    map[string]map[string]goldenEntity `json:"world"`
}

type goldenSession struct {
	Rate   int          `json:"rate"`
	Schema Hex          `json:"schema"`
	Hash   string       `json:"hash"`
	Steps  []goldenStep `json:"steps"`
}

// contents is all that r holds, by table name and id.
func contents(r *Replica) map[string]map[string]goldenEntity {
	world := map[string]map[string]goldenEntity{}
	for i := range r.schema.Tables {
		t := &r.schema.Tables[i]
		world[t.Name] = map[string]goldenEntity{}
		for id := range r.IDs(i) {
			e := goldenEntity{Mine: r.Mine(i, id), Values: []any{}}
			for f := range t.Fields {
				n, s, _ := r.Value(i, id, f)
				if t.Fields[f].Type == String {
					e.Values = append(e.Values, s)
				} else {
					e.Values = append(e.Values, n)
				}
			}
			world[t.Name][strconv.FormatUint(uint64(id), 10)] = e
		}
	}
	return world
}

// recording is a session of player 1 as it is written down.
type recording struct {
	t         *testing.T
	world     *World
	creatures *Table[creature]
	walls     *Table[wall]
	markers   *Table[marker]
	view      *View
	replica   *Replica
	session   goldenSession
}

func newRecording(t *testing.T) *recording {
	g := &recording{t: t, world: NewWorld(20)}
	g.creatures = NewTable[creature](g.world, "creature")
	g.walls = NewTable[wall](g.world, "wall")
	g.markers = NewTable[marker](g.world, "marker")
	g.view = g.world.NewView(1, nil)
	var err error
	g.replica, err = NewReplica(g.world.Schema(), 20)
	require.NoError(t, err)
	g.session = goldenSession{Rate: 20, Schema: g.world.Schema().Append(nil), Hash: g.world.Schema().Hash()}
	return g
}

// snap takes a snapshot and writes down what the client receives.
func (g *recording) snap(tick uint32, note string) {
	g.world.Snapshot(tick)
	message, _ := g.view.Next()
	own := g.view.AppendOwn(nil, tick-1, int(tick%5)-2)
	g.record(note, message, own)
	require.Equal(g.t, g.view.Checksum(), g.replica.Checksum())
}

// record applies messages to the replica and writes down what it then holds.
func (g *recording) record(note string, messages ...[]byte) {
	step := goldenStep{Note: note}
	for _, m := range messages {
		require.NoError(g.t, apply(g.replica, m), note)
		step.Messages = append(step.Messages, bytes.Clone(m))
	}
	step.Ack, step.Tick, step.Checksum, step.World = g.replica.Taken(), g.replica.Tick(), g.replica.Checksum(), contents(g.replica)
	hash := wire.AppendUint(wire.AppendUint([]byte{0x93, 9}, uint64(step.Tick)), uint64(step.Checksum))
	step.Messages = append(step.Messages, hash)
	g.session.Steps = append(g.session.Steps, step)
}

func playSession(t *testing.T) *recording {
	g := newRecording(t)
	_, mine := g.creatures.Add(1)
	_, other := g.creatures.Add(2)
	_, still := g.creatures.Add(0)
	wallID, w := g.walls.Add(0)
	*mine = creature{X: 100.125, y: -3.3, VX: 10.5, vy: -7, Heading: 3, HP: 200, Alive: true, Big: 5, Name: "Ada", Ammo: 30, Secret: "key", Charge: 0.5}
	*other = creature{X: -8, y: 12, VX: -3.5, vy: 3, Odd: 6, HP: 1, Huge: 1 << 40, Name: "Bob", Ammo: 99, Secret: "hidden"}
	w.Kind, w.Tall = -4, 1<<32-1
	g.snap(10, "first KEY: three creatures, of which 1 is the player's own, and a wall")

	move := func(ticks int) {
		for _, c := range []*creature{mine, other, still} {
			c.X += c.VX * float32(ticks) / 20
			c.y += c.vy * float64(ticks) / 20
		}
	}
	move(1)
	g.snap(11, "positions move with their rates")
	g.snap(12, "positions stay although the rates are not 0: residuals against the prediction")
	mine.VX, mine.vy, other.VX, other.vy = -10.5, 0.5, 1, -0.5
	move(1)
	g.snap(13, "rates change sign; odd sums round half up")
	mine.VX, other.VX = -0.5, 0.5
	for tick := range uint32(6) {
		g.snap(14+tick, "slow rates, both signs, where rounding decides")
	}
	move(3)
	g.snap(22, "span 3")
	move(63)
	g.snap(85, "span 63")
	move(64)
	g.snap(149, "span 64: predicted over 63")
	move(500)
	other.VX = 7
	g.snap(649, "span 500, and a rate that changes")
	still.VX, still.vy = 2000, -2000
	g.snap(650, "large rates")
	still.X, still.y, still.VX, still.vy = 1e12, -1e12, 1e12, -1e12
	g.snap(651, "floats at their limits")
	g.snap(800, "floats at their limits over a long span")
	still.X, still.y, still.VX, still.vy = 0, 0, 0, 0
	g.snap(801, "and back to 0")
	for i, a := range []float32{3.1, 0.1, -0.1, 3.1415927, 6.2831, -3} {
		mine.Heading, other.Odd = a, float64(a)*2
		g.snap(802+uint32(i), "angles wrap the shorter way, in 256 and in 7 units")
	}
	for i, s := range []string{"", "ünï 漢字 🎮", strings.Repeat("a", 31), strings.Repeat("b", 32), strings.Repeat("c", 255), strings.Repeat("d", 256), strings.Repeat("é", 700), "\xffbad", "short"} {
		other.Name, mine.Secret = s, s
		g.snap(810+uint32(i), "strings")
	}
	for i, n := range []int64{127, 128, -32, -33, -129, 65535, 65536, -32769, 1 << 31, -1<<31 - 1, 1<<32 + 5, -1 << 33, 1 << 52, -1 << 52, 1<<63 - 1, -1 << 63, 0} {
		mine.Big, mine.Huge = n, uint64(n)
		g.snap(820+uint32(i), "integers of every width, saturated at 2^52")
	}
	other.HP, other.Alive = 255, true
	g.snap(840, "a small integer and a bool")
	mine.Ammo, mine.Charge = -300, -1000.25
	g.snap(841, "only owner fields change")
	other.Ammo, other.Secret = 5, "still hidden"
	g.snap(842, "only another's owner fields change: nothing is sent")
	g.markers.Add(0)
	ownMarker, _ := g.markers.Add(1)
	second, row := g.creatures.Add(1)
	row.Name, row.X, row.VX = "late", 5, 1
	g.snap(843, "entities enter, in a table without fields too; two are the player's own")
	w.Kind = 127
	other.HP = 9
	g.walls.Add(7)
	g.markers.Remove(ownMarker)
	g.snap(844, "leaves, changes and enters in several tables")
	g.creatures.Remove(second)
	g.creatures.Remove(2)
	g.walls.Remove(wallID)
	move(1)
	g.snap(845, "leaves, while others follow their predictions")
	for i := range 300 {
		_, row := g.walls.Add(0)
		row.Tall = uint32(i * i * i)
	}
	g.snap(846, "300 enter: longer array headers, ids of three bytes")
	for id, row := range g.walls.All() {
		row.Tall += uint32(id)
	}
	g.snap(847, "300 change")
	for id := range g.walls.All() {
		if id%3 != 0 || id > 12 {
			g.walls.Remove(id)
		}
	}
	g.snap(848, "most leave")
	g.view.Rewind(0)
	mine.X++
	g.snap(849, "KEY again, as after a resume without a tick")
	mine.Ammo++
	g.world.Snapshot(850)
	g.view.Next()
	require.True(g.t, g.view.Rewind(849))
	mine.X++
	g.snap(851, "the message before was lost: the client resumed from 849, owner fields included")
	g.byHand()
	return g
}

// byHand records what the protocol allows but this server does not send: ids and ticks as large as they
// can be, and records in no order.
func (g *recording) byHand() {
	creatureRecord := func(id uint32, x, y, vx, vy int64) []any {
		return []any{id, x, y, vx, vy, 255, 6, 1, 1, 1 << 52, -(1 << 52), "n"}
	}
	g.record("KEY with ids up to 2^32-1, in no order", encode(2, uint32(4294967000), uint32(4294967000), 1, 1, []any{},
		append(creatureRecord(4294967295, 8000, -50, -1001, 333), creatureRecord(65536, 2147483647, -2147483647, 0, 0)...),
		[]any{3000000000, -128, 7, 1, 0, 0}, []any{9, 4294967295, 8}))
	g.record("OWN of entities with large ids; slack 0", encode(4, 4294967295, 0, 0, uint32(4294967295), 7, -1, "s", 2147483647, 2, 8, 0))
	g.record("DELTA with leaves, changes and enters in no order; the largest tick", encode(3, uint32(4294967295), 295,
		0, []any{}, []any{uint32(4294967295), 1<<11 - 1 - 8, -7, 9, 400, 300, 3, -5, -1, -1 << 53, 1 << 53, "m", 65536, 1 << 2, 0},
		creatureRecord(70000, 1, 2, 3, 4),
		1, []any{uint32(3000000000)}, []any{}, []any{5, 5, 5, 2, 2, 2},
		2, []any{4294967295}, []any{9, 0}, []any{10, 4294967294}))
	g.record("KEY in three parts, of which the last makes the world: that of tick 500", encode(2, 501, 500, 1, 3, []any{},
		creatureRecord(9, 1, 2, 3, 4), []any{}, []any{}),
		encode(2, 502, 500, 2, 3, []any{}, creatureRecord(7, 5, 6, 7, 8), []any{3, 3, 3}, []any{}),
		encode(2, 600, 500, 3, 3, []any{}, []any{}, []any{2, 2, 2}, []any{1, 2}), encode(4, 1, 0, 2, 1, 0))
	g.record("DELTA from the world of a KEY in parts", encode(3, 601, 101, 1, []any{3}, []any{}, []any{}))
	g.record("part 1 starts over", encode(2, 602, 602, 1, 2, []any{}, creatureRecord(1, 1, 2, 3, 4), []any{}, []any{}),
		encode(2, 603, 603, 1, 2, []any{}, []any{}, []any{1, 1, 1}, []any{}), encode(2, 604, 603, 2, 2, []any{}, []any{}, []any{}, []any{}))
	g.record("KEY of nothing", encode(2, 1, 1, 1, 1, []any{}, []any{}, []any{}, []any{}))
}

// encode returns a message of values: integers, strings, nil, byte slices (as they are) and arrays.
func encode(values ...any) []byte { return appendValue(nil, values) }

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case []any:
		b = wire.AppendArray(b, len(v))
		for _, e := range v {
			b = appendValue(b, e)
		}
		return b
	case int:
		return wire.AppendInt(b, int64(v))
	case int64:
		return wire.AppendInt(b, v)
	case uint32:
		return wire.AppendUint(b, uint64(v))
	case string:
		return wire.AppendString(b, v)
	case float64:
		return wire.AppendFloat(b, v)
	case nil:
		return wire.AppendNil(b)
	case []byte:
		return append(b, v...)
	}
	panic("encode: unknown type")
}

func TestSessionIsTheGoldenOne(t *testing.T) {
	golden(t, "session.json", playSession(t).session)
}

func TestSchemasThatBreakTheRulesAreTheGoldenOnes(t *testing.T) {
	type entry struct {
		Hex    Hex    `json:"hex"`
		Rate   int    `json:"rate"`
		Reason string `json:"reason"`
	}
	var list []entry
	bad := func(reason string, rate int, tables ...any) {
		b := appendValue(nil, tables)
		schema, err := ReadSchema(wire.NewReader(b))
		if err == nil {
			_, err = NewReplica(schema, rate)
		}
		require.Error(t, err, reason)
		list = append(list, entry{b, rate, reason})
	}
	table := func(name string, fields ...any) []any { return []any{name, fields} }
	field := func(name string, typ, num, den, rate, flags int) []any {
		return []any{name, typ, num, den, rate, flags}
	}
	x := func(name string) []any { return field(name, 2, 1, 8, -1, 0) }
	many := func(n, flags int) (fields []any) {
		for i := range n {
			fields = append(fields, field("f"+strconv.Itoa(i), 0, 1, 1, -1, flags))
		}
		return fields
	}
	var tables []any
	for i := range MaxTables + 1 {
		tables = append(tables, table("t"+strconv.Itoa(i)))
	}
	bad("65 tables", 20, tables...)
	bad("a table is no array", 20, "a")
	bad("a table of three elements", 20, []any{"a", []any{}, 1})
	bad("a table without a name", 20, table(""))
	bad("a table's name of 65 bytes", 20, table(strings.Repeat("a", MaxName+1)))
	bad("a table's name twice", 20, table("a"), table("a"))
	bad("a field of five elements", 20, table("a", []any{"x", 0, 1, 1, -1}))
	bad("a field's name twice", 20, table("a", x("x"), x("x")))
	bad("a field called id", 20, table("a", x("id")))
	bad("a field called __proto__", 20, table("a", x("__proto__")))
	bad("a table called id", 20, table("id", x("x")))
	bad("a table called __proto__", 20, table("__proto__", x("x")))
	bad("a field without a name", 20, table("a", x("")))
	bad("a field's name of 65 bytes", 20, table("a", x(strings.Repeat("a", MaxName+1))))
	bad("flags of 2", 20, table("a", field("x", 2, 1, 8, -1, 2)))
	bad("a field of type 5", 20, table("a", field("x", 5, 1, 1, -1, 0)))
	bad("33 shared fields", 20, table("a", many(MaxShared+1, 0)...))
	bad("33 owner fields", 20, table("a", many(MaxOwner+1, 1)...))
	bad("a step of 0", 20, table("a", field("x", 2, 0, 1, -1, 0)))
	bad("a step of 1/0", 20, table("a", field("x", 2, 1, 0, -1, 0)))
	bad("an angle whose num is 2", 20, table("a", field("x", 3, 2, 256, -1, 0)))
	bad("a rate that is the field itself", 20, table("a", field("x", 2, 1, 8, 0, 0)))
	bad("a rate beyond the fields", 20, table("a", field("x", 2, 1, 8, 1, 0)))
	bad("a rate of -2", 20, table("a", field("x", 2, 1, 8, -2, 0)))
	bad("an int that has a rate", 20, table("a", field("x", 0, 1, 1, 1, 0), x("v")))
	bad("a rate that is an int", 20, table("a", field("x", 2, 1, 8, 1, 0), field("v", 0, 1, 1, -1, 0)))
	bad("a rate that has a rate", 20, table("a", field("x", 2, 1, 8, 1, 0), field("v", 2, 1, 8, 2, 0), x("w")))
	bad("a rate that is an owner field", 20, table("a", field("x", 2, 1, 8, 1, 0), field("v", 2, 1, 8, -1, 1)))
	bad("a fraction a/b with a above 2^14", 1, table("a", field("x", 2, 1, 1<<15, 1, 0), field("v", 2, 1, 1, -1, 0)))
	bad("a fraction a/b with b above 2^31", 1000, table("a", field("x", 2, 1, 1, 1, 0), field("v", 2, 1, 1<<30, -1, 0)))
	golden(t, "badschema.json", list)
}

func TestPredictionIsTheGoldenOne(t *testing.T) {
	type entry struct {
		Note      string `json:"note"`
		Rate      int    `json:"rate"`
		Schema    Hex    `json:"schema"` // of one table, whose fields are x and its rate v
		X         int64  `json:"x"`
		V0        int64  `json:"v0"`
		V1        int64  `json:"v1"`
		Span      uint32 `json:"span"`
		A         int64  `json:"a"`
		B         int64  `json:"b"`
		Predicted int64  `json:"predicted"`
		Truncated int64  `json:"truncated"` // the wrong value that a division gives which rounds to 0
		Key       Hex    `json:"key"`
		Delta     Hex    `json:"delta"`
	}
	var list []entry
	for _, c := range []struct {
		note               string
		rate, numV, denX   int64
		x, v0, v1          int64
		span               uint32
		predicted, rounded int64
	}{
		// One step of v is numV * denX / rate steps of x per tick.
		{"one third forwards", 3, 1, 1, 100, 1, 1, 1, 100, 100},
		{"one third backwards", 3, 1, 1, 100, -1, -1, 1, 100, 100},
		{"two thirds backwards: -4*1*1 + 3 = -1, over 6, is floored to -1", 3, 1, 1, 100, -2, -2, 1, 99, 100},
		{"one half forwards is rounded up", 2, 1, 1, 0, 1, 1, 1, 1, 1},
		{"one half backwards is rounded up too, to 0", 2, 1, 1, 0, -1, -1, 1, 0, 0},
		{"three halves backwards: -6*1*1 + 2 = -4, over 4, is -1", 2, 1, 1, 0, -3, -3, 1, -1, -1},
		{"three quarters backwards of a rate that changes", 4, 1, 1, 0, -1, -5, 1, -1, 0},
		{"from one side of 0 to the other, over three ticks", 20, 15, 8, -7, -9, 2, 3, -70, -69},
		{"over 64 ticks as over 63", 20, 1, 1, 5, -10, -11, 64, -28, -27},
		{"far below zero", 30, 1, 8, -2000000000, -1000001, -1000000, 63, -2016800008, -2016800007},
	} {
		s := &Schema{Tables: []TableSchema{{Name: "p", Fields: []Field{
			{Name: "x", Type: Float, Num: 1, Den: uint32(c.denX), Rate: 1}, {Name: "v", Type: Float, Num: uint32(c.numV), Den: 1, Rate: -1},
		}}}}
		p, err := newPredictor(&s.Tables[0].Fields[0], &s.Tables[0].Fields[1], 1, int(c.rate))
		require.NoError(t, err)
		key := encode(2, 10, 10, 1, 1, []any{}, []any{1, c.x, c.v0})
		delta := encode(3, 10+c.span, c.span, 0, []any{}, []any{1, 2, c.v1 - c.v0}, []any{})
		r, err := NewReplica(s, int(c.rate))
		require.NoError(t, err)
		require.NoError(t, apply(r, key))
		require.NoError(t, apply(r, delta))
		got, _, _ := r.Value(0, 1, 0)
		upper := (c.v0+c.v1)*int64(min(c.span, MaxSpan))*p.a + p.b
		e := entry{c.note, int(c.rate), s.Append(nil), c.x, c.v0, c.v1, c.span, p.a, p.b, got, c.x + upper/(2*p.b), key, delta}
		require.Equal(t, []int64{c.predicted, c.rounded}, []int64{e.Predicted, e.Truncated}, c.note)
		list = append(list, e)
	}
	golden(t, "prediction.json", list)
}

func TestSchemaIsTheGoldenOne(t *testing.T) {
	type entry struct {
		Tables []TableSchema `json:"tables"`
		Hex    Hex           `json:"hex"`
		Hash   string        `json:"hash"`
	}
	var list []entry
	for _, s := range []*Schema{{Tables: []TableSchema{}}, newArena(1).Schema(), newRecording(t).world.Schema()} {
		b := s.Append(nil)
		read, err := ReadSchema(wire.NewReader(b))
		require.NoError(t, err)
		require.Equal(t, b, read.Append(nil))
		list = append(list, entry{s.Tables, b, s.Hash()})
	}
	golden(t, "schema.json", list)
}

func TestMurmurIsTheGoldenOne(t *testing.T) {
	type entry struct {
		Hex  Hex    `json:"hex"`
		Hash uint32 `json:"hash"`
	}
	var list []entry
	// Published vectors with seed 0: https://en.wikipedia.org/wiki/MurmurHash#Algorithm and the test suites that cite it.
	for _, c := range []struct {
		in   string
		want uint32
	}{{"", 0}, {"test", 0xba6bd213}, {"\x00\x00\x00\x00", 0x2362f9de}, {"\xff\xff\xff\xff", 0x76293b50}, {"\x21\x43\x65\x87", 0xf55b516b}} {
		require.Equal(t, c.want, murmur(c.in), "%q", c.in)
		list = append(list, entry{Hex(c.in), c.want})
	}
	for _, in := range []string{"12345678", "the quick brown fox!", strings.Repeat("\xfe\x01", 50)} {
		list = append(list, entry{Hex(in), murmur(in)})
	}
	golden(t, "murmur.json", list)
}

func murmur(s string) uint32 {
	h := uint32(0)
	for i := 0; i < len(s); i += 4 {
		h = murmurWord(h, uint32(s[i])|uint32(s[i+1])<<8|uint32(s[i+2])<<16|uint32(s[i+3])<<24)
	}
	return murmurEnd(h, uint32(len(s)))
}

func TestMalformedMessagesAreRefused(t *testing.T) {
	type entry struct {
		Hex    Hex    `json:"hex"`
		Reason string `json:"reason"`
	}
	g := playSession(t)
	var list []entry
	bad := func(reason string, message []byte) {
		r, err := NewReplica(g.world.Schema(), g.session.Rate)
		require.NoError(t, err)
		for _, m := range g.session.Steps[0].Messages[:2] {
			require.NoError(t, apply(r, m))
		}
		require.Error(t, apply(r, message), reason)
		list = append(list, entry{message, reason})
	}
	none := []any{}
	creatures := func(changes, leaves, enters []any) []byte { return encode(3, 11, 1, 0, leaves, changes, enters) }
	record := func(id any, values ...any) []any {
		r := []any{id, 1, 2, 3, 4, 5, 6, 7, 1, 9, 10, "n"}
		for i := 0; i < len(values); i += 2 {
			r[values[i].(int)] = values[i+1]
		}
		return r
	}
	bad("delta: span does not lead back to the tick held", encode(3, 11, 2))
	bad("delta: of the tick held", encode(3, 10, 0))
	bad("delta: span above tick", encode(3, 11, 12))
	bad("delta: no span", encode(3, 11))
	bad("delta: tick above 2^32-1", encode(3, 1<<32, 1<<32-10))
	bad("delta: tick negative", encode(3, -1, 1))
	bad("delta: three elements of a table", encode(3, 11, 1, 0, none, none))
	bad("delta: table unknown", encode(3, 11, 1, 3, none, none, none))
	bad("delta: table negative", encode(3, 11, 1, -1, none, none, none))
	bad("delta: table twice", encode(3, 11, 1, 1, none, none, none, 1, none, none, none))
	bad("delta: tables in descending order", encode(3, 11, 1, 1, none, none, none, 0, none, none, none))
	bad("delta: changes is no array", encode(3, 11, 1, 0, none, 0, none))
	bad("delta: leaves is nil", encode(3, 11, 1, 0, nil, none, none))
	bad("change: entity unknown", creatures([]any{4, 0}, none, none))
	bad("change: id 0", creatures([]any{0, 0}, none, none))
	bad("change: id above 2^32-1", creatures([]any{1<<32 + 1, 0}, none, none))
	bad("change: of an entity that leaves", creatures([]any{1, 0}, []any{1}, none))
	bad("change: of an entity that enters", creatures([]any{4, 0}, none, record(4)))
	bad("change: entity twice", creatures([]any{1, 0, 1, 0}, none, none))
	bad("change: mask beyond the fields", creatures([]any{1, 1 << 11, 1}, none, none))
	bad("change: mask negative", creatures([]any{1, -1}, none, none))
	bad("change: mask missing", creatures([]any{1}, none, none))
	bad("change: residual missing", creatures([]any{1, 3, 1}, none, none))
	bad("change: residual too many", creatures([]any{1, 1, 1, 1}, none, none))
	bad("change: string for a number", creatures([]any{1, 1, "1"}, none, none))
	bad("change: nil for a number", creatures([]any{1, 1, nil}, none, none))
	bad("change: number for a string", creatures([]any{1, 1 << 10, 1}, none, none))
	bad("change: bool becomes 2", creatures([]any{1, 1 << 7, 1}, none, none))
	bad("change: float above 2^31-1", creatures([]any{1, 1 << 2, 1 << 31}, none, none))
	bad("change: predicted float below -(2^31-1)", creatures([]any{1, 1, -1 << 32}, none, none))
	bad("change: integer above 2^52", creatures([]any{1, 1 << 8, 1 << 52}, none, none))
	bad("change: residual above 2^53", creatures([]any{1, 1 << 4, 1<<62 + 1}, none, none))
	bad("change: string of 1025 bytes", creatures([]any{1, 1 << 10, strings.Repeat("x", 1025)}, none, none))
	unclean := creatures([]any{1, 1 << 10, "~"}, none, none)
	unclean[bytes.IndexByte(unclean, '~')] = 0xff
	bad("change: string that is not UTF-8", unclean)
	bad("leave: entity unknown", creatures(none, []any{4}, none))
	bad("leave: entity twice", creatures(none, []any{2, 2}, none))
	bad("leave: no id but a string", creatures(none, []any{"2"}, none))
	bad("enter: entity held", creatures(none, none, record(1)))
	bad("enter: entity twice", creatures(none, none, append(record(9), record(9)...)))
	bad("enter: id 0", creatures(none, none, record(0)))
	bad("enter: value missing", creatures(none, none, record(9)[:11]))
	bad("enter: bool is 2", creatures(none, none, record(9, 8, 2)))
	bad("enter: angle of a whole turn", creatures(none, none, record(9, 5, 256)))
	bad("enter: angle negative", creatures(none, none, record(9, 6, -1)))
	bad("enter: float 2^31", creatures(none, none, record(9, 1, 1<<31)))
	bad("enter: integer 2^52+1", creatures(none, none, record(9, 9, 1<<52+1)))
	bad("enter: integer -2^52-1", creatures(none, none, record(9, 9, -1<<52-1)))
	bad("enter: string of 1025 bytes", creatures(none, none, record(9, 11, strings.Repeat("x", 1025))))
	bad("key: table missing", encode(2, 11, 11, 1, 1, none, none, none))
	bad("key: table too many", encode(2, 11, 11, 1, 1, none, none, none, none, none))
	bad("key: of 0", encode(2, 11, 0, 1, 2, none, none, none, none))
	bad("key: of above tick", encode(2, 11, 12, 1, 2, none, none, none, none))
	bad("key: whole, of another tick", encode(2, 11, 10, 1, 1, none, none, none, none))
	bad("key: part 0", encode(2, 11, 11, 0, 1, none, none, none, none))
	bad("key: part 2 of 1", encode(2, 11, 11, 2, 1, none, none, none, none))
	bad("key: part 2 without part 1", encode(2, 11, 11, 2, 2, none, none, none, none))
	bad("key: 257 parts", encode(2, 11, 11, 1, 257, none, none, none, none))
	bad("key: renewed missing", encode(2, 11, 11, 1, 1, none, none, none))
	bad("key: renewed is no array", encode(2, 11, 11, 1, 1, 0, none, none, none))
	bad("key: half an entry in renewed", encode(2, 11, 11, 1, 1, []any{0}, none, none, none))
	bad("key: renewed of an unknown table", encode(2, 11, 11, 1, 1, []any{3, 1}, none, none, none))
	bad("key: renewed id 0", encode(2, 11, 11, 1, 1, []any{0, 0}, none, none, none))
	bad("key: tick 0", encode(2, 0, 0, 1, 1, none, none, none, none))
	bad("key: tick is a string", encode(2, "11", "11", 1, 1, none, none, none, none))
	bad("key: entity twice", encode(2, 11, 11, 1, 1, none, none, []any{1, 2, 3, 1, 2, 3}, none))
	bad("key: record incomplete", encode(2, 11, 11, 1, 1, none, none, []any{1, 2, 3, 2, 2}, none))
	bad("key: table is no array", encode(2, 11, 11, 1, 1, none, none, 0, none))
	bad("own: table unknown", encode(4, 1, 0, 3, 1, 0))
	bad("own: entity unknown", encode(4, 1, 0, 0, 4, 0))
	bad("own: entity twice", encode(4, 1, 0, 0, 1, 0, 0, 1, 0))
	bad("own: mask beyond the owner fields", encode(4, 1, 0, 0, 1, 8, 1))
	bad("own: value missing", encode(4, 1, 0, 0, 1, 1))
	bad("own: value too many", encode(4, 1, 0, 0, 1, 1, 1, 1))
	bad("own: float 2^31", encode(4, 1, 0, 0, 1, 4, 1<<31))
	bad("own: number for a string", encode(4, 1, 0, 0, 1, 2, 7))
	bad("own: slack missing", encode(4, 1))
	bad("own: slack is a string", encode(4, 1, "0"))
	bad("own: last input negative", encode(4, -1, 0))
	bad("array that announces more than follows", []byte{0xdd, 0xff, 0xff, 0xff, 0xff, 3, 11, 1})
	whole := g.session.Steps[1].Messages[0]
	for _, n := range []int{2, len(whole) / 2, len(whole) - 1} {
		bad("delta: cut short", bytes.Clone(whole[:n]))
	}
	golden(t, "malformed.json", list)
}
