package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// transcriptMessage is one WebSocket message of the server, and what a client holds and has told its user behind it.
type transcriptMessage struct {
	Note string   `json:"note"`
	Hex  string   `json:"hex"`
	Lost bool     `json:"lost,omitempty"` // it never arrives: the rest does not count
	Told []fields `json:"told"`           // in order
	Ack  uint32   `json:"ack"`            // what the client acknowledges
	Tick uint32   `json:"tick"`           // of the world that it holds
	IDs  []uint32 `json:"ids"`            // of the ships that it holds
	Left []uint32 `json:"left"`           // ships, by this message; one that is renewed stands in both
	Came []uint32 `json:"came"`

	Checksum uint32 `json:"checksum"`
}

// transcriptConnection is one connection, and how the client opens it.
type transcriptConnection struct {
	Tick      uint32              `json:"tick"`      // of the query
	Resume    string              `json:"resume"`    // the token, "" for a ticket
	LastInput uint32              `json:"lastInput"` // that WELCOME tells
	Messages  []transcriptMessage `json:"messages"`
}

type transcribed struct {
	X    float32 `sync:"x,step=1/8,rate=vx"`
	VX   float32 `sync:"vx,step=1/2"`
	Name string  `sync:"name"`
	Ammo uint8   `sync:"ammo,owner"`
}

// transcript plays a server for one client.
type transcript struct {
	t       *testing.T
	world   *state.World
	ships   *state.Table[transcribed]
	view    *state.View
	replica *state.Replica
	changes []state.Change
	ack     uint32

	connections []transcriptConnection
}

func newTranscript(t *testing.T) *transcript {
	s := &transcript{t: t, world: state.NewWorld(20)}
	s.ships = state.NewTable[transcribed](s.world, "ship")
	s.view = s.world.NewView(1, nil)
	var err error
	s.replica, err = state.NewReplica(s.world.Schema(), 20)
	require.NoError(t, err)
	s.replica.Observe(func(c state.Change) { s.changes = append(s.changes, c) })
	return s
}

// welcome begins a connection that the client opens with what it has processed so far, and returns its WELCOME.
func (s *transcript) welcome(lastInput uint32, token string) []byte {
	c := transcriptConnection{LastInput: lastInput}
	if n := len(s.connections); n > 0 {
		c.Tick, c.Resume = s.ack, "token-"+string(rune('0'+n))
	}
	s.connections = append(s.connections, c)
	w := protocol.Welcome{
		Room: "r1", Kind: "arena", Player: 1, User: "u1", Token: token, Rate: 20, Tick: s.world.Tick(), LastInput: lastInput,
		Schema: s.world.Schema().Append(nil), Inputs: []protocol.Field{{Name: "dx", Type: "int8"}}, Resumed: len(s.connections) > 1, Grace: 20,
	}
	return w.Append(nil)
}

// snapshot makes a tick and returns what brings the client there, with its OWN and HASH if the world is whole then.
func (s *transcript) snapshot(tick, lastInput uint32) (snapshot, own []byte) {
	s.world.Snapshot(tick)
	snapshot, _ = s.view.Next()
	snapshot = bytes.Clone(snapshot)
	if s.view.Partial() {
		return snapshot, nil
	}
	return snapshot, protocol.AppendHash(s.view.AppendOwn(nil, lastInput, 1), s.view.Base(), s.view.Checksum())
}

// send writes a message down, of these arrays. told is what the client makes of those that are no snapshots.
func (s *transcript) send(note string, told []fields, arrays ...[]byte) {
	s.changes = s.changes[:0]
	m := transcriptMessage{Note: note, Hex: hex.EncodeToString(bytes.Join(arrays, nil)), Told: told, IDs: []uint32{}, Left: []uint32{}, Came: []uint32{}}
	if m.Told == nil {
		m.Told = []fields{}
	}
	for _, a := range arrays {
		r := wire.NewReader(a)
		for r.Rest() > 0 {
			n := r.Array()
			var err error
			switch protocol.Kind(r.Uint32()) {
			case protocol.KindKey:
				err = s.replica.Key(r, n)
			case protocol.KindDelta:
				err = s.replica.Delta(r, n)
			case protocol.KindOwn:
				_, _, err = s.replica.Own(r, n)
			case protocol.KindHash:
				var tick, sum uint32
				tick, sum, err = protocol.ReadHash(r, n)
				require.Equal(s.t, []uint32{s.replica.Tick(), s.replica.Checksum()}, []uint32{tick, sum}, note)
			default:
				for range n - 1 {
					r.Skip()
				}
			}
			require.NoError(s.t, err, note)
			require.NoError(s.t, r.Err(), note)
		}
	}
	for _, c := range s.changes {
		switch c.What {
		case state.Left:
			m.Left = append(m.Left, uint32(c.ID))
		case state.Entered:
			m.Came = append(m.Came, uint32(c.ID))
		}
	}
	s.ack = s.replica.Taken()
	m.Ack, m.Tick, m.Checksum = s.ack, s.replica.Tick(), s.replica.Checksum()
	for id := range s.replica.IDs(0) {
		m.IDs = append(m.IDs, uint32(id))
	}
	s.add(m)
}

// lose writes a message down that does not arrive.
func (s *transcript) lose(note string, arrays ...[]byte) {
	s.add(transcriptMessage{Note: note, Hex: hex.EncodeToString(bytes.Join(arrays, nil)), Lost: true, Told: []fields{}, IDs: []uint32{}, Left: []uint32{}, Came: []uint32{}})
}

func (s *transcript) add(m transcriptMessage) {
	c := &s.connections[len(s.connections)-1]
	c.Messages = append(c.Messages, m)
}

// resume has the view go back to what the client has, as a room does.
func (s *transcript) resume() (delta bool) {
	delta = s.view.Rewind(s.ack)
	if !delta {
		s.view.Rewind(0)
	}
	s.view.Hold(s.ack, true)
	return delta
}

func event(tick uint32, name string) (fields, []byte) {
	return fields{"event": name, "tick": tick, "body": "93010203"}, protocol.AppendEvent(nil, tick, name, []byte{0x93, 1, 2, 3})
}

func playTranscript(t *testing.T) []transcriptConnection {
	s := newTranscript(t)
	_, mine := s.ships.Add(1)
	*mine = transcribed{X: 10, VX: -2.5, Name: "Ada", Ammo: 30}
	gone, other := s.ships.Add(0)
	*other = transcribed{X: -5, VX: 1, Name: "Bob"}
	third, last := s.ships.Add(0)
	*last = transcribed{Name: "Cy"}
	s.world.Snapshot(9)

	hello, helloBytes := event(10, "hello")
	boom, boomBytes := event(12, "boom")
	reply, replyBytes := fields{"reply": 1, "tick": 11, "body": "a26f6b"}, protocol.AppendReply(nil, 11, 1, appendString("ok"))
	welcome := s.welcome(0, "token-1")
	key, own := s.snapshot(10, 0)
	s.send("WELCOME, the first KEY and OWN, and an event of that tick", []fields{hello}, welcome, key, own, helloBytes)
	mine.X, mine.Ammo = 9.875, 29
	delta, own := s.snapshot(11, 1)
	s.send("a DELTA, and the reply to request 1", []fields{reply}, delta, own, replyBytes)
	delta, own = s.snapshot(12, 2)
	s.lose("an event that is lost with the connection", delta, own, boomBytes)

	require.True(t, s.resume())
	welcome = s.welcome(3, "token-2")
	again, againBytes := event(13, "again")
	mine.X = 9.5
	delta, own = s.snapshot(13, 3)
	s.send("the resume: a DELTA over both ticks, and the lost event, which keeps its tick, before a newer one", []fields{boom, again}, welcome, delta, own, boomBytes, againBytes)
	delta, own = s.snapshot(14, 4)
	s.send("the next DELTA", nil, delta, own)

	// Away for so long that the way on from tick 14 is no longer known, and one ship's id is another's.
	s.ships.Remove(gone)
	for tick := range uint32(2 * state.Ring) {
		s.world.Snapshot(15 + tick)
	}
	renewed, row := s.ships.Add(0)
	require.Equal(t, gone, renewed)
	*row = transcribed{X: 3, Name: "Dee"}
	s.world.Snapshot(79)
	require.False(t, s.resume())
	s.view.Split()
	welcome = s.welcome(5, "token-3")
	early, earlyBytes := event(20, "early")
	key, _ = s.snapshot(80, 5)
	require.True(t, s.view.Partial())
	s.send("the resume after a long time: part 1 of a KEY, and an event; the world is still the old one", []fields{early}, welcome, key, earlyBytes)

	require.False(t, s.resume(), "some parts are no world")
	welcome = s.welcome(5, "token-4")
	s.view.Split()
	dropped := fields{"dropped": 3, "tick": 21}
	between, betweenBytes := event(81, "between")
	key, _ = s.snapshot(81, 5)
	s.send("lost in the middle: the KEY again from part 1, but not the event, which part 1 had acknowledged; others come between",
		[]fields{dropped, between}, welcome, key, protocol.AppendDropped(nil, 21, 3), betweenBytes)
	row.X = 4 // of a later tick than the KEY's
	key, own = s.snapshot(82, 6)
	require.False(t, s.view.Partial())
	s.send("the last part, with OWN and HASH: the world is that of the tick that all parts name, and one id is another ship's", nil, key, own)
	last.Name = "Cyd"
	s.ships.Remove(third)
	delta, own = s.snapshot(90, 7)
	s.send("a DELTA from the world of the KEY in parts", nil, delta, own)
	s.send("the end", []fields{{"bye": 4205, "reason": "the match is over", "result": "81a377696e01"}},
		protocol.AppendBye(nil, protocol.CodeRoomEnded, "the match is over", []byte{0x81, 0xa3, 'w', 'i', 'n', 1}))
	return s.connections
}

func TestTranscriptIsTheGoldenOne(t *testing.T) {
	connections := playTranscript(t)
	renewed := connections[3].Messages
	require.Equal(t, []uint32{2}, renewed[len(renewed)-3].Left)
	require.Equal(t, []uint32{2}, renewed[len(renewed)-3].Came)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(connections))
	path := filepath.Join("testdata", "transcript.json")
	if *update {
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the wire has changed: if that is meant, run the test with -update")
}
