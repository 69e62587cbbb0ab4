package room_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

type place struct {
	X float32 `msgpack:"x"`
	Y float32 `msgpack:"y"`
}

type play struct {
	Card  uint8            `msgpack:"card"`
	Count int32            `msgpack:"count"`
	Speed float32          `msgpack:"speed"`
	Up    bool             `msgpack:"up"`
	Text  string           `msgpack:"text"`
	At    place            `msgpack:"at"`
	Items []place          `msgpack:"items"`
	Votes map[string]uint8 `msgpack:"votes"`
}

type any_ = map[string]any

// table is a kind of room that tells back what it was sent, and whose inputs have the same fields.
func table() room.Kind[play] {
	return room.Kind[play]{Name: "table", New: func(s *room.Setup) (room.Game[play], error) {
		g := &seatedAt{}
		room.Handle(s, "play", func(t *room.Tick, p *room.Player, m play) (play, error) { return m, nil })
		room.Handle(s, "last", func(t *room.Tick, p *room.Player, _ struct{}) (play, error) { return g.last, nil })
		return g, nil
	}}
}

type seatedAt struct{ last play }

func (*seatedAt) Join(*room.Tick, *room.Player) error        { return nil }
func (*seatedAt) Leave(*room.Tick, *room.Player, room.Cause) {}
func (g *seatedAt) Step(_ *room.Tick, inputs []room.Input[play]) {
	for _, in := range inputs {
		g.last = in.Value
	}
}

// Whatever fits a message fits an input, and the other way round.
func TestMessagesAndInputsObeyTheSameRules(t *testing.T) {
	r := roomtest.New(t, table())
	p := r.Join("Ada")
	for name, c := range map[string]struct {
		in   any
		want play
	}{
		"numbers of every kind": {any_{"card": 255.0, "count": -5, "speed": 3, "up": 1, "at": any_{"x": 1.5}}, play{Card: 255, Count: -5, Speed: 3, Up: true, At: place{X: 1.5}}},
		"nil":                   {any_{"card": nil, "text": nil, "at": nil, "items": nil}, play{}},
		"empty tables":          {any_{"at": []int{}, "votes": []int{}, "items": any_{}}, play{Items: []place{}, Votes: map[string]uint8{}}},
		"an array of all":       {[]any{1, 2, 3, true, "x", []any{4, 5}, []any{[]any{6, 7}}, any_{"Bob": 8}}, play{1, 2, 3, true, "x", place{4, 5}, []place{{6, 7}}, map[string]uint8{"Bob": 8}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got play
			require.NoError(t, p.Call("play", c.in, &got))
			require.Equal(t, c.want, got)
			p.Input(c.in)
			require.NoError(t, p.Call("last", nil, &got))
			r.Tick(1)
			require.NoError(t, p.Call("last", nil, &got))
			require.Equal(t, c.want, got)
		})
	}
	for name, c := range map[string]struct {
		in   any
		says string
	}{
		"too large":           {any_{"card": 300}, `field "card": 300 does not fit uint8: 0 to 255`},
		"beyond 32 bits":      {any_{"count": 1<<32 + 5}, `field "count": 4294967301 does not fit int32`},
		"not a number":        {any_{"speed": math.NaN()}, `field "speed": NaN does not fit float32: a finite number`},
		"nested":              {any_{"at": any_{"y": math.Inf(1)}}, `field "at.y": +Inf does not fit float32`},
		"in a list":           {any_{"items": []any{nil, any_{"x": "far"}}}, `field "items[1].x": a str does not fit float32`},
		"in a map":            {any_{"votes": any_{"Bob": -1}}, `field "votes[Bob]": -1 does not fit uint8`},
		"bytes for text":      {any_{"text": []byte{0xff, 0xfe}}, `field "text": a bin does not fit string`},
		"invalid text":        {any_{"text": "\xff\xfe"}, `field "text": a str that is not valid UTF-8 does not fit string`},
		"a bool as a key":     {any_{"votes": map[bool]int{true: 1}}, `field "votes[key]": a bool does not fit string`},
		"a key of 64 bits":    {any_{"votes": map[uint64]int{1 << 60: 1}}, `53 bits`},
		"an unknown field":    {any_{"cards": 1}, `there is no field "cards": want card, count`},
		"nothing of the kind": {"ace", `a str does not fit a map of card, count`},
	} {
		t.Run(name, func(t *testing.T) {
			err := p.Call("play", c.in, nil)
			var e *room.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "bad_request", e.Code)
			require.Contains(t, e.Message, `message "play": `)
			require.Contains(t, e.Message, c.says)

			m, err2 := room.NewManual(t.Context(), table(), room.Config{ID: "x", Log: silent})
			require.NoError(t, err2)
			conn := new(client)
			s, err2 := m.Join(room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: conn})
			require.NoError(t, err2)
			b := protocol.InputHead{Seq: 1, View: protocol.Moment{Tick: 1}, Ack: 1}.Append(nil, 1)
			err = s.Receive(conn, m.Now(), append(b, encode(t, c.in)...))
			var closed *protocol.CloseError
			require.ErrorAs(t, err, &closed)
			require.Equal(t, protocol.CodeProtocol, closed.Code)
			require.Contains(t, closed.Reason, c.says)
		})
	}
}

func TestTypesThatCannotBeDecodedAreRefusedAtRegistration(t *testing.T) {
	type dated struct {
		At time.Time `msgpack:"at"`
	}
	for says, register := range map[string]func(s *room.Setup){
		`message "m": field "at": time.Time decodes itself`: func(s *room.Setup) {
			room.Handle(s, "m", func(*room.Tick, *room.Player, dated) (int, error) { return 0, nil })
		},
		`message "m": map[interface {}]string has keys that are neither strings nor integers`: func(s *room.Setup) {
			room.Handle(s, "m", func(*room.Tick, *room.Player, map[any]string) (int, error) { return 0, nil })
		},
		`message "m": interface {} is a type that a client can't send`: func(s *room.Setup) {
			room.Handle(s, "m", func(*room.Tick, *room.Player, any) (int, error) { return 0, nil })
		},
	} {
		_, err := room.New(kind(func(s *room.Setup) room.Game[struct{}] { register(s); return base{} }), room.Config{ID: "x"})
		require.ErrorContains(t, err, says)
	}
	_, err := room.SpecOf(room.Kind[dated]{Name: "x", New: func(*room.Setup) (room.Game[dated], error) { return nil, nil }})
	require.ErrorContains(t, err, `field "at": time.Time decodes itself`)
	_, err = room.SpecOf(room.Kind[int]{Name: "x", New: func(*room.Setup) (room.Game[int], error) { return nil, nil }})
	require.ErrorContains(t, err, "must be a struct")
}

func TestARoomTellsItsMessagesAndInputs(t *testing.T) {
	r, err := room.New(table(), room.Config{ID: "x"})
	require.NoError(t, err)
	const typ = "{card:uint8,count:int32,speed:float32,up:bool,text:string,at:{x:float32,y:float32},items:[]{x:float32,y:float32},votes:map[string]uint8}"
	require.Equal(t, []protocol.MessageType{{Name: "last", Request: "{}", Reply: typ}, {Name: "play", Request: typ, Reply: typ}}, r.Interface().Messages)
	require.Equal(t, protocol.Field{Name: "card", Type: "uint8"}, r.Spec().Inputs[0])
	p := roomtest.New(t, table()).Join("Ada")
	require.Equal(t, r.Spec().Inputs, p.Welcome().Inputs)
}

// nest is a value of so many levels of arrays.
func nest(levels int) (v any) {
	v = 1
	for range levels {
		v = []any{v}
	}
	return v
}

type tree []tree

// What a client may send, a game may wrap and send on.
func TestTheDeepestMessageCanBeSentOn(t *testing.T) {
	k := kind(func(s *room.Setup) room.Game[struct{}] {
		room.Handle(s, "pass", func(t *room.Tick, p *room.Player, m tree) (any, error) {
			t.Broadcast("passed", any_{"from": any_{"who": p.Name()}, "what": m})
			return []any{[]any{m}}, nil
		})
		return base{}
	})
	p := roomtest.New(t, k).Join("Ada")
	deepest := append([]byte(strings.Repeat("\x91", wire.MaxInboundDepth-2)), 0x90)
	require.NoError(t, p.Call("pass", msgpack.RawMessage(deepest), nil))
	require.Len(t, roomtest.Events[any](p, "passed"), 1)

	b := protocol.AppendMessage(nil, 1, "pass", append([]byte{0x91}, deepest...))
	m, err := room.NewManual(t.Context(), k, room.Config{ID: "x", Log: silent})
	require.NoError(t, err)
	conn := new(client)
	s, err := m.Join(room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: conn})
	require.NoError(t, err)
	require.ErrorContains(t, s.Receive(conn, m.Now(), b), wire.ErrDepth.Error(), "a level more breaks the protocol")
}

// never can't be listed.
type never struct{}

func (never) MarshalJSON() ([]byte, error) { return nil, errors.New("not for you") }

// unsendables are what a game does with values that can't be sent, and what it is told of each.
func unsendables() map[string]func(t *room.Tick, p *room.Player) {
	return map[string]func(t *room.Tick, p *room.Player){
		"event deep":                       func(t *room.Tick, p *room.Player) { t.Broadcast("deep", nest(wire.MaxOutboundDepth)) },
		"event large":                      func(t *room.Tick, p *room.Player) { t.Send("large", make([]byte, 1<<20), p) },
		"event time":                       func(t *room.Tick, p *room.Player) { t.Send("time", time.Now(), p) },
		"event keys":                       func(t *room.Tick, p *room.Player) { t.Broadcast("keys", map[bool]int{true: 1}) },
		"event ids":                        func(t *room.Tick, p *room.Player) { t.Broadcast("ids", map[uint64]int{1 << 53: 1}) },
		"event chan":                       func(t *room.Tick, p *room.Player) { t.SendUser("Bob", "chan", make(chan int)) },
		"event far":                        func(t *room.Tick, p *room.Player) { t.SendRoom("r2", "far", map[float64]int{1: 1}) },
		"event ":                           func(t *room.Tick, p *room.Player) { t.Broadcast("", 1) },
		"listing":                          func(t *room.Tick, p *room.Player) { t.SetListing(any_{"skill": math.NaN()}) },
		"timer x":                          func(t *room.Tick, p *room.Player) { oneTimer.After(t, time.Second, Clumsy{}) },
		"event " + strings.Repeat("n", 64): func(t *room.Tick, p *room.Player) { t.Broadcast(strings.Repeat("n", 65), 1) },
	}
}

var oneTimer *room.Timer[Clumsy]

func unsendableKind(f func(t *room.Tick, p *room.Player)) room.Kind[struct{}] {
	return kind(func(s *room.Setup) room.Game[struct{}] {
		s.SetListing(any_{"map": "dust"})
		oneTimer = room.OnTimer(s, "x", func(*room.Tick, Clumsy) {})
		room.Handle(s, "reply", func(t *room.Tick, p *room.Player, _ struct{}) (map[bool]int, error) {
			return map[bool]int{true: 1}, nil
		})
		room.Handle(s, "do", func(t *room.Tick, p *room.Player, _ struct{}) (int, error) { f(t, p); return 1, nil })
		return base{}
	})
}

func TestWhatCannotBeSentIsDroppedAndTheRoomGoesOn(t *testing.T) {
	for what, f := range unsendables() {
		t.Run(what, func(t *testing.T) {
			var log bytes.Buffer
			var told []string
			stats := new(room.Stats)
			r := roomtest.NewSeeded(t, unsendableKind(f), room.Config{
				ID: "x", Stats: stats, Log: slog.New(slog.NewJSONHandler(&log, nil)),
				Unsendable: func(what string, err error) { require.Error(t, err); told = append(told, what) },
			})
			p := r.Join("Ada")
			for range 3 {
				require.NoError(t, p.Call("do", nil, nil))
			}
			require.Equal(t, []string{what, what, what}, told)
			require.EqualValues(t, 3, stats.Kind("example").Unsendable.Load())
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "a line once, not each time: %s", &log)
			var line struct{ Level, Kind, What, Error string }
			require.NoError(t, json.Unmarshal(log.Bytes(), &line))
			require.Equal(t, "WARN", line.Level)
			require.Equal(t, "example", line.Kind)
			require.Equal(t, what, line.What)
			require.NotEmpty(t, line.Error)
			require.JSONEq(t, `{"map": "dust"}`, string(r.Info().Data))
			require.False(t, r.Ended())
		})
	}
}

// sayings is a roomtest.T that notes what it is told instead of ending the test.
type sayings struct {
	*testing.T
	said []string
}

func (s *sayings) Fatalf(format string, args ...any) { s.said = append(s.said, format) }

func TestWhatCannotBeSentFailsATest(t *testing.T) {
	for what, f := range unsendables() {
		s := &sayings{T: t}
		r := roomtest.New(s, unsendableKind(f))
		p := r.Join("Ada")
		require.Empty(t, s.said)
		_ = p.Call("do", nil, nil)
		require.Contains(t, s.said, "the game sends what can't be sent: %v", what)
	}
}

func TestAReplyThatCannotBeSentIsAnErrorToTheCaller(t *testing.T) {
	told := 0
	r := roomtest.NewSeeded(t, unsendableKind(nil), room.Config{ID: "x", Log: silent, Unsendable: func(what string, err error) {
		require.Equal(t, "reply to reply", what)
		require.ErrorIs(t, err, wire.ErrKey)
		told++
	}})
	p := r.Join("Ada")
	var e *room.Error
	require.ErrorAs(t, p.Call("reply", nil, nil), &e)
	require.Equal(t, "failed", e.Code)
	require.Equal(t, 1, told)
}

func TestAResultThatCannotBeSentEndsTheRoomWithoutOne(t *testing.T) {
	told := 0
	r := roomtest.NewSeeded(t, unsendableKind(func(t *room.Tick, p *room.Player) {
		t.After(0, func(t *room.Tick) { t.End(map[bool]int{true: 1}) })
	}),
		room.Config{ID: "x", Log: silent, Unsendable: func(what string, err error) { require.Equal(t, "result", what); told++ }})
	p := r.Join("Ada")
	require.NoError(t, p.Call("do", nil, nil))
	r.Tick(1)
	require.Equal(t, 1, told)
	require.True(t, r.Ended())
	require.Equal(t, protocol.CodeRoomEnded, p.Bye().Code)
	require.Empty(t, p.Bye().Result)
}

func TestAListingFromTheStartThatCannotBeIsReported(t *testing.T) {
	told := 0
	k := kind(func(s *room.Setup) room.Game[struct{}] { s.SetListing(never{}); return base{} })
	r := roomtest.NewSeeded(t, k, room.Config{ID: "x", Log: silent, Unsendable: func(what string, err error) { require.Equal(t, "listing", what); told++ }})
	require.Equal(t, 1, told)
	require.Empty(t, r.Info().Data)
	r.Join("Ada")
}

func TestThoseWhoAreNotThereGetNothing(t *testing.T) {
	r := roomtest.New(t, unsendableKind(func(t *room.Tick, p *room.Player) {
		t.Send("hello", 1, t.Player(99), p)
		t.Kick(t.Player(99), "who?")
	}))
	p := r.Join("Ada")
	require.NoError(t, p.Call("do", nil, nil))
	require.Len(t, roomtest.Events[int](p, "hello"), 1)
}

// raw is JSON that nobody has cleaned.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestTextThatGoesOutIsValid(t *testing.T) {
	const bad, good = "a\xff\xfeb", "a\ufffdb"
	k := kind(func(s *room.Setup) room.Game[struct{}] {
		s.SetListing(any_{"title": bad})
		room.Handle(s, "say", func(t *room.Tick, p *room.Player, _ struct{}) (any_, error) {
			t.Broadcast(bad, any_{"text": bad, "list": []string{bad, "fine"}})
			t.SendUser("Bob", bad, bad)
			t.SetListing(raw(`{"title":"` + bad + `"}`))
			return any_{bad: bad}, nil
		})
		room.Handle(s, "fail", func(t *room.Tick, p *room.Player, _ struct{}) (int, error) { return 0, room.Errorf(bad, bad) })
		room.Handle(s, "kick", func(t *room.Tick, p *room.Player, _ struct{}) (int, error) {
			t.After(0, func(t *room.Tick) { t.Kick(p, bad) })
			return 1, nil
		})
		room.Handle(s, "end", func(t *room.Tick, p *room.Player, _ struct{}) (int, error) {
			t.After(0, func(t *room.Tick) { t.End(any_{"winner": bad}) })
			return 1, nil
		})
		return base{}
	})
	r := roomtest.New(t, k)
	require.JSONEq(t, `{"title":"a\ufffd\ufffdb"}`, string(r.Info().Data))
	p, q := r.Join("Ada"), r.Join("Eve")
	var reply any_
	require.NoError(t, p.Call("say", nil, &reply))
	require.Equal(t, any_{good: good}, reply)
	require.Equal(t, []any_{{"text": good, "list": []any{good, "fine"}}}, roomtest.Events[any_](p, good))
	require.Equal(t, []string{good}, roomtest.Letters[string](r, "Bob", good))
	require.JSONEq(t, `{"title":"`+good+`"}`, string(r.Info().Data))
	require.True(t, json.Valid(r.Info().Data))
	var e *room.Error
	require.ErrorAs(t, p.Call("fail", nil, nil), &e)
	require.Equal(t, room.Error{Code: good, Message: good}, *e)
	require.NoError(t, q.Call("kick", nil, nil))
	r.Tick(1)
	require.Equal(t, good, q.Bye().Reason)
	require.NoError(t, p.Call("end", nil, nil))
	r.Tick(1)
	require.Contains(t, string(p.Bye().Result), good)

	m, err := room.NewManual(t.Context(), k, room.Config{ID: "x", Log: silent})
	require.NoError(t, err)
	conn := new(client)
	_, err = m.Join(room.Join{Who: room.Identity{User: "u", Name: "Ada"}, Conn: conn})
	require.NoError(t, err)
	m.Room().Stop(protocol.CodeShuttingDown, bad)
	_, err = m.Tick()
	require.NoError(t, err)
	require.Equal(t, good, conn.closeError().Reason)
}
