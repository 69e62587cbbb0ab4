package room_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
)

var update = flag.Bool("update", false, "write the golden vectors instead of checking them")

// inbound is what a server makes of a client's message.
type inbound struct {
	Note string `json:"note"`
	Hex  string `json:"hex"`
	// One of these: the input that the game gets, or the body; the reason of a close with code 4200; the message of an ERROR.
	Value any    `json:"value,omitempty"`
	Close string `json:"close,omitempty"`
	Error string `json:"error,omitempty"`
}

// push is an input of the golden vectors, and a message's body.
type push struct {
	DX    int8    `msgpack:"dx" json:"dx"`
	Count uint32  `msgpack:"count" json:"count"`
	Speed float32 `msgpack:"speed" json:"speed"`
	Fire  bool    `msgpack:"fire" json:"fire"`
	Text  string  `msgpack:"text" json:"text"`
	At    struct {
		X float64 `msgpack:"x" json:"x"`
		Y float64 `msgpack:"y" json:"y"`
	} `msgpack:"at" json:"at"`
	Path  []int16          `msgpack:"path" json:"path"`
	Votes map[string]uint8 `msgpack:"votes" json:"votes"`
}

type pushed struct{ got *push }

func (*pushed) Join(*room.Tick, *room.Player) error        { return nil }
func (*pushed) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g *pushed) Step(_ *room.Tick, inputs []room.Input[push]) {
	for _, in := range inputs {
		if !in.Held {
			g.got = &in.Value
		}
	}
}

// receive tells what a server makes of one WebSocket message of a player who has just joined, and acknowledged tick 1.
func receive(t *testing.T, note string, message []byte) inbound {
	g := &pushed{}
	m, err := room.NewManual(t.Context(), room.Kind[push]{Name: "golden", New: func(s *room.Setup) (room.Game[push], error) {
		room.Handle(s, "push", func(_ *room.Tick, _ *room.Player, v push) (bool, error) { g.got = &v; return true, nil })
		return g, nil
	}}, room.Config{ID: "x", Log: silent})
	require.NoError(t, err)
	c := new(client)
	s, err := m.Join(room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: c})
	require.NoError(t, err)
	_, err = c.read(-1)
	require.NoError(t, err)
	require.NoError(t, s.Receive(c, m.Now(), protocol.AppendAck(nil, 1)))
	in := inbound{Note: note, Hex: hex.EncodeToString(message)}
	err = s.Receive(c, m.Now().Add(time.Millisecond), message)
	var closed *protocol.CloseError
	if errors.As(err, &closed) {
		require.Equal(t, protocol.CodeProtocol, closed.Code)
		in.Close = closed.Reason
		return in
	}
	require.NoError(t, err)
	_, err = m.Tick()
	require.NoError(t, err)
	_, err = c.read(-1)
	require.NoError(t, err)
	if reply, ok := c.replies[7]; ok && g.got == nil {
		in.Error = reply
	} else if g.got != nil {
		in.Value = g.got
	}
	return in
}

func TestMessagesFromClientsAreTakenAndRefusedAsTheGoldenOnes(t *testing.T) {
	var list []inbound
	input := func(note string, v any) {
		b := protocol.InputHead{Seq: 1, View: protocol.Moment{Tick: 1}, Ack: 1}.Append(nil, 1)
		list = append(list, receive(t, "input: "+note, append(b, compact(t, v)...)))
	}
	message := func(note string, v any) {
		list = append(list, receive(t, "message: "+note, protocol.AppendMessage(nil, 7, "push", compact(t, v))))
	}
	raw := func(note string, b ...byte) { list = append(list, receive(t, note, b)) }
	for _, both := range []func(string, any){input, message} {
		both("an array of all fields", []any{-128, math.MaxUint32, 1.5, true, "é", []any{1, -0.5}, []any{1, -2}, any_{"Bob": 255}})
		both("a map of some", any_{"dx": 127, "at": any_{"y": 2}})
		both("an empty map", any_{})
		both("an empty array", []any{})
		both("nil", nil)
		both("nil for every field", []any{nil, nil, nil, nil, nil, nil, nil, nil})
		both("floats without a fraction for integers", any_{"dx": -3.0, "count": float32(7), "path": []any{1.0}})
		both("integers for floats", any_{"speed": 3, "at": any_{"x": -4}})
		both("a double for a float 32", any_{"speed": 0.1})
		both("1 for a bool", any_{"fire": 1})
		both("0.0 for a bool", any_{"fire": 0.0})
		both("an empty array for a map, an empty map for an array", any_{"votes": []any{}, "path": any_{}, "at": []any{}})
		both("an integer for a key", any_{"votes": map[int]int{-5: 1}})

		both("too few fields", []any{1, 2})
		both("too many fields", []any{1, 2, 3, true, "", nil, nil, nil, nil})
		both("an unknown field", any_{"dz": 1})
		both("a field that is there twice", msgpack.RawMessage("\x82\xa2dx\x01\xa2dx\x01"))
		both("an integer as a field's name", map[int]int{0: 1})
		both("above the range", any_{"dx": 128})
		both("below the range", any_{"count": -1})
		both("above 32 bits", any_{"count": 1 << 32})
		both("a float above the range", any_{"dx": 300.0})
		both("a fraction for an integer", any_{"dx": 1.5})
		both("NaN", any_{"speed": math.NaN()})
		both("an infinity, nested", any_{"at": any_{"x": math.Inf(1)}})
		both("too large for a float 32", any_{"speed": 1e39})
		both("2 for a bool", any_{"fire": 2})
		both("a bool for an integer", any_{"dx": true})
		both("a str for a number", any_{"dx": "1"})
		both("a bin for a string", any_{"text": []byte("a")})
		both("invalid UTF-8", any_{"text": "\xff\xfe"})
		both("out of range, in an array", any_{"path": []any{1, 1 << 15}})
		both("out of range, in a map", any_{"votes": any_{"Bob": 256}})
		both("a bool as a key", any_{"votes": map[bool]int{true: 1}})
		both("a key of 54 bits", any_{"votes": map[int64]int{1 << 53: 1}})
		both("a key that is there twice", msgpack.RawMessage("\x81\xa5votes\x82\xa1a\x01\xa1a\x01"))
		both("a str", "hello")
		both("an extension", msgpack.RawMessage("\xd4\x01\x00"))
		both("16 levels in the body", msgpack.RawMessage(strings.Repeat("\x91", wire.MaxInboundDepth)+"\xc0"))
	}
	message("15 levels in the body", msgpack.RawMessage(strings.Repeat("\x91", wire.MaxInboundDepth-1)+"\xc0"))
	list = append(list, receive(t, "message: an unknown name", protocol.AppendMessage(nil, 7, "pull", []byte{0xc0})))
	list = append(list, receive(t, "message: a name of 65 bytes", protocol.AppendMessage(nil, 7, strings.Repeat("n", 65), []byte{0xc0})))
	raw("an unknown kind", 0x92, 99, 0)
	raw("a map", 0x81, 1, 1)
	raw("a str", 0xa1, 'x')
	raw("kind -1", 0x92, 0xff, 0)
	raw("ACK without a tick", 0x91, 3)
	raw("ACK of a tick that was never sent", protocol.AppendAck(nil, 2)...)
	raw("ACK of 2^32", 0x92, 3, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0)
	raw("ACK of a float", append([]byte{0x92, 3}, wire.AppendFloat(nil, 1)...)...)
	raw("TIME without a time", 0x91, 4)
	raw("TIME of a str", 0x92, 4, 0xa0)
	raw("LEAVE with an element", 0x92, 5, 0)
	raw("MESSAGE without a body", 0x93, 2, 7, 0xa4, 'p', 'u', 's', 'h')
	raw("MESSAGE that ends in its body", 0x94, 2, 7, 0xa4, 'p', 'u', 's', 'h', 0x81)
	raw("INPUT of number 0", 0x96, 1, 0, 1, 0, 1, 0x80)
	raw("INPUT of a number too far ahead", 0x96, 1, 0xcd, 4, 1, 1, 0, 1, 0x80)
	raw("INPUT of the highest number that is allowed, all before it skipped", 0x96, 1, 0xcd, 4, 0, 1, 0, 1, 0x81, 0xa2, 'd', 'x', 3)
	raw("INPUT of two numbers, of which the last is too far ahead", 0x97, 1, 0xcd, 4, 0, 1, 0, 1, 0x80, 0x80)
	raw("INPUT with a view of the future", 0x96, 1, 1, 0xce, 0xff, 0xff, 0xff, 0xff, 0xcc, 0xff, 1, 0x81, 0xa2, 'd', 'x', 4)
	raw("INPUT with a view of nothing", 0x96, 1, 1, 0, 0, 1, 0x81, 0xa2, 'd', 'x', 5)
	raw("an acknowledgement of the past, and an INPUT", 0x92, 3, 0, 0x92, 3, 1, 0x96, 1, 1, 1, 0, 1, 0x81, 0xa2, 'd', 'x', 6)
	raw("INPUT before anything was acknowledged", 0x96, 1, 1, 1, 0, 0, 0x80)
	raw("INPUT with a fraction of 256", 0x96, 1, 1, 1, 0xcd, 1, 0, 1, 0x80)
	raw("INPUT without an input", 0x95, 1, 1, 1, 0, 1)
	raw("bytes behind a message", 0x92, 3, 1, 0xc0)
	for _, in := range list {
		if in.Error == "" && in.Value == nil {
			require.NotEmpty(t, in.Close, in.Note)
		}
	}

	spec, err := room.SpecOf(room.Kind[push]{Name: "golden", New: func(*room.Setup) (room.Game[push], error) { return nil, nil }})
	require.NoError(t, err)
	inputs := [][2]string{}
	for _, f := range spec.Inputs {
		inputs = append(inputs, [2]string{f.Name, f.Type})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(struct {
		Inputs   [][2]string `json:"inputs"`
		Messages []inbound   `json:"messages"`
	}{inputs, list}))
	path := filepath.Join("..", "protocol", "testdata", "inbound.json")
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the wire has changed: if that is meant, run the test with -update")
}

// compact encodes v, integers as briefly as they can be, maps' keys in order.
func compact(t *testing.T, v any) []byte {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	e.SetSortMapKeys(true)
	require.NoError(t, e.Encode(v))
	return b.Bytes()
}
