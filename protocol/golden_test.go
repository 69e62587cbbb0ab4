package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

var update = flag.Bool("update", false, "write the golden vectors instead of checking them")

// message is a golden vector: a message, and its fields by name.
type message struct {
	Kind   string         `json:"kind"`
	Fields map[string]any `json:"fields"`
	Hex    string         `json:"hex"`
}

type fields = map[string]any

func appendString(s string) []byte { return wire.AppendString(nil, s) }

var someInput = []byte{0x93, 0x01, 0xff, 0xc3} // [1, -1, true]

var someWelcome = protocol.Welcome{
	Room: "r1", Kind: "arena", Player: 3, User: "u-7", Token: "secret", Rate: 30, OnDemand: true, Tick: 1 << 31, LastInput: 77,
	Schema: (&state.Schema{Tables: []state.TableSchema{{Name: "ship", Fields: []state.Field{{Name: "x", Type: state.Float, Num: 1, Den: 8, Rate: -1}}}}}).Append(nil),
	Inputs: []protocol.Field{{Name: "dx", Type: "int8"}, {Name: "at", Type: "{x:float32,y:float32}"}, {Name: "fire", Type: "bool"}}, Resumed: true, Grace: 20,
}

func toServer() (list []message) {
	add := func(kind string, f fields, b []byte) { list = append(list, message{kind, f, hex.EncodeToString(b)}) }
	for _, n := range []int{1, 2, 11, 32} {
		h := protocol.InputHead{Seq: 4294967000, View: protocol.Moment{Tick: 300, Fraction: 255}, Ack: 299}
		f := fields{"seq": h.Seq, "viewTick": h.View.Tick, "viewFraction": h.View.Fraction, "ack": h.Ack}
		b, inputs := h.Append(nil, n), []string{}
		for range n {
			b = append(b, someInput...)
			inputs = append(inputs, hex.EncodeToString(someInput))
		}
		f["inputs"] = inputs
		add("INPUT", f, b)
	}
	h := protocol.InputHead{Seq: 1, View: protocol.Moment{Tick: 1<<32 - 1}, Ack: 1}
	for _, input := range [][]byte{{0x81, 0xa2, 'd', 'x', 0x7f}, {0x80}, {0x90}} { // a map of some fields, and of none
		f := fields{"seq": h.Seq, "viewTick": h.View.Tick, "viewFraction": h.View.Fraction, "ack": h.Ack, "inputs": []string{hex.EncodeToString(input)}}
		add("INPUT", f, append(h.Append(nil, 1), input...))
	}
	body := []byte{0x81, 0xa4, 't', 'e', 'x', 't', 0xa2, 'h', 'i'}
	add("MESSAGE", fields{"request": 9, "name": "say", "body": hex.EncodeToString(body)}, protocol.AppendMessage(nil, 9, "say", body))
	add("MESSAGE", fields{"request": 0, "name": "ünï", "body": "c0"}, protocol.AppendMessage(nil, 0, "ünï", []byte{0xc0}))
	add("ACK", fields{"ack": 5}, protocol.AppendAck(nil, 5))
	add("ACK", fields{"ack": uint32(1<<32 - 1)}, protocol.AppendAck(nil, 1<<32-1))
	add("TIME", fields{"clientTime": 1234.5}, protocol.AppendTime(nil, 1234.5))
	add("LEAVE", fields{}, protocol.AppendLeave(nil))
	return list
}

func toClient() (list []message) {
	add := func(kind string, f fields, b []byte) { list = append(list, message{kind, f, hex.EncodeToString(b)}) }
	for _, w := range []protocol.Welcome{someWelcome, {Room: "r", Kind: "chat", Player: 1, Rate: 1, Tick: 0, Schema: []byte{0x90}}} {
		inputs := [][2]string{}
		for _, f := range w.Inputs {
			inputs = append(inputs, [2]string{f.Name, f.Type})
		}
		add("WELCOME", fields{
			"version": protocol.Version, "room": w.Room, "kind": w.Kind, "player": w.Player, "user": w.User, "token": w.Token, "rate": w.Rate,
			"onDemand": w.OnDemand, "tick": w.Tick, "lastInput": w.LastInput, "schema": hex.EncodeToString(w.Schema), "inputs": inputs, "resumed": w.Resumed, "grace": w.Grace,
		}, w.Append(nil))
	}
	add("EVENT", fields{"tick": 70000, "name": "boom", "body": "9301ff02"}, protocol.AppendEvent(nil, 70000, "boom", []byte{0x93, 1, 0xff, 2}))
	add("EVENT", fields{"tick": uint32(1<<32 - 65537), "name": "ünï", "body": "c0"}, protocol.AppendEvent(nil, 1<<32-65537, "ünï", []byte{0xc0}))
	add("EVENT", fields{"tick": 5, "name": "scores", "body": "83a3416461cf0020000000000001ff9103000b"},
		protocol.AppendEvent(nil, 5, "scores", []byte("\x83\xa3Ada\xcf\x00\x20\x00\x00\x00\x00\x00\x01\xff\x91\x03\x00\x0b"))) // {"Ada": 2^53+1, -1: [3], 0: 11}
	add("REPLY", fields{"tick": 5, "request": 9, "body": "a26f6b"}, protocol.AppendReply(nil, 5, 9, appendString("ok")))
	add("ERROR", fields{"tick": 5, "request": 9, "code": "not_yours", "message": "it is not your turn"}, protocol.AppendError(nil, 5, 9, "not_yours", "it is not your turn"))
	add("ERROR", fields{"tick": 0, "request": 0, "code": "rate_limited", "message": "slow down"}, protocol.AppendError(nil, 0, 0, "rate_limited", "slow down"))
	add("CLOCK", fields{"clientTime": 0.1, "tick": 256, "fraction": 128}, protocol.AppendClock(nil, 0.1, protocol.Moment{Tick: 256, Fraction: 128}))
	add("CLOCK", fields{"clientTime": -1e300, "tick": 0, "fraction": 0}, protocol.AppendClock(nil, -1e300, protocol.Moment{}))
	add("CLOCK", fields{"clientTime": 0, "tick": uint32(1<<32 - 1), "fraction": 255}, protocol.AppendClock(nil, 0, protocol.Moment{Tick: 1<<32 - 1, Fraction: 255}))
	add("HASH", fields{"tick": 20, "checksum": uint32(1<<32 - 1)}, protocol.AppendHash(nil, 20, 1<<32-1))
	add("DROPPED", fields{"tick": 70000, "count": 3}, protocol.AppendDropped(nil, 70000, 3))
	add("BYE", fields{"code": 4205, "reason": "the match is over", "advice": "stop", "result": "81a377696e01"},
		protocol.AppendBye(nil, protocol.CodeRoomEnded, "the match is over", []byte{0x81, 0xa3, 'w', 'i', 'n', 1}))
	add("DROPPED", fields{"tick": 1, "count": uint32(1<<32 - 1)}, protocol.AppendDropped(nil, 1, 1<<32-1))
	add("BYE", fields{"code": 4105, "reason": "später", "advice": "match", "result": "c0"}, protocol.AppendBye(nil, protocol.CodeRefusedNow, "später", nil))
	add("BYE", fields{"code": 1000, "reason": "you left", "advice": "stop", "result": "c0"}, protocol.AppendBye(nil, protocol.CodeNormal, "you left", nil))
	add("BYE", fields{"code": 4000, "reason": "", "advice": "resume", "result": "c0"}, protocol.AppendBye(nil, protocol.CodeSlowReader, "", nil))
	return list
}

func TestMessagesAreTheGoldenOnes(t *testing.T) {
	v := struct {
		ToServer []message `json:"toServer"`
		ToClient []message `json:"toClient"`
	}{toServer(), toClient()}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(v))
	path := filepath.Join("testdata", "messages.json")
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the wire has changed: if that is meant, run the test with -update")
}

// rewriteToServer reads one message of a client and writes it again.
func rewriteToServer(b []byte) ([]byte, error) {
	r := wire.NewReader(b)
	n := r.Array()
	switch kind := protocol.Kind(r.Uint32()); kind {
	case protocol.KindInput:
		var h protocol.InputHead
		inputs, err := h.Read(r, n)
		if err != nil {
			return nil, err
		}
		out := h.Append(nil, inputs)
		for range inputs {
			out = append(out, r.Raw()...)
		}
		return out, r.Finish()
	case protocol.KindMessage:
		request, name, body, err := protocol.ReadMessage(r, n)
		if err != nil {
			return nil, err
		}
		return protocol.AppendMessage(nil, request, string(name), body), r.Finish()
	case protocol.KindAck:
		ack, err := protocol.ReadAck(r, n)
		if err != nil {
			return nil, err
		}
		return protocol.AppendAck(nil, ack), r.Finish()
	case protocol.KindTime:
		clientTime, err := protocol.ReadTime(r, n)
		if err != nil {
			return nil, err
		}
		return protocol.AppendTime(nil, clientTime), r.Finish()
	case protocol.KindLeave:
		return protocol.AppendLeave(nil), r.Finish()
	}
	return nil, wire.ErrType
}

// rewriteToClient reads one message of a server, other than a snapshot, and writes it again.
func rewriteToClient(b []byte) (out []byte, err error) {
	r := wire.NewReader(b)
	n := r.Array()
	switch kind := protocol.Kind(r.Uint32()); kind {
	case protocol.KindWelcome:
		var w protocol.Welcome
		if err = w.Read(r, n); err == nil {
			out = w.Append(nil)
		}
	case protocol.KindEvent:
		tick, name, body, e := protocol.ReadEvent(r, n)
		if err = e; err == nil {
			out = protocol.AppendEvent(nil, tick, string(name), body)
		}
	case protocol.KindReply:
		tick, request, body, e := protocol.ReadReply(r, n)
		if err = e; err == nil {
			out = protocol.AppendReply(nil, tick, request, body)
		}
	case protocol.KindError:
		tick, request, code, text, e := protocol.ReadError(r, n)
		if err = e; err == nil {
			out = protocol.AppendError(nil, tick, request, code, text)
		}
	case protocol.KindClock:
		clientTime, now, e := protocol.ReadClock(r, n)
		if err = e; err == nil {
			out = protocol.AppendClock(nil, clientTime, now)
		}
	case protocol.KindHash:
		tick, checksum, e := protocol.ReadHash(r, n)
		if err = e; err == nil {
			out = protocol.AppendHash(nil, tick, checksum)
		}
	case protocol.KindDropped:
		tick, count, e := protocol.ReadDropped(r, n)
		if err = e; err == nil {
			out = protocol.AppendDropped(nil, tick, count)
		}
	case protocol.KindBye:
		code, reason, _, result, e := protocol.ReadBye(r, n)
		if err = e; err == nil {
			out = protocol.AppendBye(nil, code, reason, result)
		}
	default:
		return nil, wire.ErrType
	}
	if err == nil {
		err = r.Finish()
	}
	return out, err
}

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	check := func(list []message, rewrite func([]byte) ([]byte, error)) {
		for _, m := range list {
			b, err := hex.DecodeString(m.Hex)
			require.NoError(t, err)
			again, err := rewrite(b)
			require.NoError(t, err, m.Kind)
			require.Equal(t, b, again, m.Kind)
			for n := range b {
				_, err := rewrite(b[:n])
				require.Error(t, err, "%s, %d bytes of it", m.Kind, n)
			}
			longer := bytes.Clone(b)
			if longer[0]&0xf0 == 0x90 && longer[0] != 0x9f {
				longer[0]++
				if m.Kind == "INPUT" {
					continue
				}
				_, err = rewrite(append(longer, 0))
				if m.Kind != "LEAVE" {
					require.Error(t, err, "%s with an element too many", m.Kind)
				}
			}
		}
	}
	check(toServer(), rewriteToServer)
	check(toClient(), rewriteToClient)
}

func TestWelcomeOfAnotherVersionIsRefused(t *testing.T) {
	b := someWelcome.Append(nil)
	b[2] = protocol.Version + 1
	_, err := rewriteToClient(b)
	var closed *protocol.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, protocol.CodeProtocol, closed.Code)
	require.Contains(t, closed.Reason, "update the client")
}

func TestRingIsThatOfState(t *testing.T) {
	require.Equal(t, protocol.Ring, state.Ring)
}

// fuzzMessages checks that what is read at all is written so that it is read the same again.
func fuzzMessages(f *testing.F, list []message, rewrite func([]byte) ([]byte, error)) {
	for _, m := range list {
		b, err := hex.DecodeString(m.Hex)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := rewrite(b)
		if err != nil {
			return
		}
		twice, err := rewrite(once)
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}

func FuzzMessagesToServer(f *testing.F) { fuzzMessages(f, toServer(), rewriteToServer) }

func FuzzMessagesToClient(f *testing.F) { fuzzMessages(f, toClient(), rewriteToClient) }
