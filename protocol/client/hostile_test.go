package client

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

// sink is a socket that takes everything.
type sink struct{ written, closed int }

func (s *sink) WriteMessage(_ gws.Opcode, b []byte) error { s.written += len(b); return nil }
func (s *sink) WriteClose(uint16, []byte) error           { s.closed++; return nil }

// newFeed returns a feed without a connection, and what a server would send: a WELCOME, a KEY and more.
func newFeed() (f *feed, welcome, key []byte, w *state.World, v *state.View) {
	r := New(Config{URL: "http://fake", Kind: "arena"})
	f = &feed{room: r, socket: &sink{}}
	w = state.NewWorld(rate)
	ships := state.NewTable[ship](w, "ship")
	for i := range 100 {
		_, s := ships.Add(uint32(i%2 + 1))
		*s = ship{X: float32(i), VX: float32(i % 5), HP: 100}
	}
	w.Snapshot(1)
	v = w.NewView(1, nil)
	hello := protocol.Welcome{
		Room: "room", Kind: "arena", Player: 1, User: "user", Token: "token", Rate: rate, Tick: 1,
		Schema: w.Schema().Append(nil), Inputs: []protocol.Field{{Name: "DX", Type: "int8"}, {Name: "DY", Type: "int8"}, {Name: "Fire", Type: "bool"}},
	}
	b, _ := v.Next()
	return f, hello.Append(nil), v.AppendOwn(append([]byte(nil), b...), 0, 0), w, v
}

func TestMessagesThatBreakTheProtocol(t *testing.T) {
	_, welcome, key, _, _ := newFeed()
	for name, c := range map[string]struct {
		before [][]byte
		bad    []byte
	}{
		"empty":                    {nil, nil},
		"not an array":             {nil, []byte{0x01}},
		"no kind":                  {nil, []byte{0x90}},
		"a KEY before the WELCOME": {nil, key},
		"a second WELCOME":         {[][]byte{welcome}, welcome},
		"unknown kind":             {[][]byte{welcome}, []byte{0x91, 99}},
		"kind is a string":         {[][]byte{welcome}, []byte{0x91, 0xa1, 'x'}},
		"truncated KEY":            {[][]byte{welcome}, key[:len(key)/2]},
		"length that lies":         {[][]byte{welcome}, []byte{0x93, 2, 1, 0xdd, 0xff, 0xff, 0xff, 0xff}},
		"DELTA before a KEY":       {[][]byte{welcome}, []byte{0x93, 3, 2, 1}},
		"DELTA from elsewhere":     {[][]byte{welcome, key}, []byte{0x93, 3, 9, 1}},
		"OWN before a KEY":         {[][]byte{welcome}, []byte{0x93, 4, 0, 0}},
		"HASH before a KEY":        {[][]byte{welcome}, protocol.AppendHash(nil, 1, 1)},
		"HASH of another tick":     {[][]byte{welcome, key}, protocol.AppendHash(nil, 2, 1)},
		"HASH that differs":        {[][]byte{welcome, key}, protocol.AppendHash(nil, 1, 1)},
		"EVENT with a long str":    {[][]byte{welcome, key}, []byte{0x94, 5, 1, 0xa1, 'x', 0xdb, 0x7f, 0xff, 0xff, 0xff}},
		"BYE with a code too high": {[][]byte{welcome}, []byte{0x95, 10, 0xcd, 0xff, 0xff, 0xa0, 0xa0, 0xc0}},
		"bytes that remain":        {[][]byte{welcome}, append(append([]byte(nil), key...), 0xc1)},
		"version 2":                {nil, []byte{0x92, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			f, _, _, _, _ := newFeed()
			for _, b := range c.before {
				require.NoError(t, f.receive(b, 1))
			}
			err := f.receive(c.bad, 2)
			var fault *protocol.CloseError
			require.ErrorAs(t, err, &fault)
			f.end(err)
			require.True(t, f.over)
			require.Equal(t, 1, f.socket.(*sink).closed)
			end := f.room.verdict(err)
			if name == "version 2" {
				require.Equal(t, protocol.AdviceStop, end.advice)
				return
			}
			require.Equal(t, protocol.AdviceResume, end.advice)
			require.True(t, f.room.needKey)
		})
	}
}

// TestFramesThatBreakWebSocket speaks to a client frame by frame. After each it must come back.
func TestFramesThatBreakWebSocket(t *testing.T) {
	for name, frame := range map[string][]byte{
		"text":                      {0x81, 1, 'x'},
		"length below zero":         {0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
		"length that wraps":         {0x82, 127, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
		"length beyond the limit":   {0x82, 127, 0, 0, 0, 0, 0xff, 0, 0, 0},
		"masked":                    {0x82, 0x81, 1, 2, 3, 4, 5},
		"reserved bit":              {0xf2, 1, 0},
		"unknown opcode":            {0x8b, 0},
		"continuation of nothing":   {0x80, 1, 0},
		"ping longer than 125":      {0x89, 126, 0, 200},
		"fragmented ping":           {0x09, 0},
		"close frame of one byte":   {0x88, 1, 0},
		"close frame of a bad code": {0x88, 2, 0, 1},
		"pong":                      {0x8a, 0, 0x82, 0},
	} {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake) {
				p := f.play(New(f.config()))
				c := f.join()
				c.heard()
				p.wg.Go(func() { _, _ = c.socket.NetConn().Write(frame) })
				f.accept()
				if name == "length below zero" {
					var why *gws.CloseError
					require.ErrorAs(t, <-c.closed, &why)
					require.EqualValues(t, 1002, why.Code)
				}
				p.stop()
			})
		})
	}
}

// TestHandshakesThatAreNone answers requests with nonsense.
func TestHandshakesThatAreNone(t *testing.T) {
	endless := make([]byte, 1<<20)
	for i := range endless {
		endless[i] = 'x'
	}
	for name, answer := range map[string]string{
		"nothing":                  "",
		"garbage":                  "hello\r\n\r\n",
		"endless header":           "HTTP/1.1 200 OK\r\nX: " + string(endless),
		"endless body":             "HTTP/1.1 400 Bad Request\r\nContent-Length: 9999999\r\n\r\n" + string(endless),
		"not JSON":                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"an address that is none":  "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"url\":\"http:/\"}",
		"switching where it can't": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts int
				cfg := Config{URL: "http://fake", Kind: "arena"}
				listener := newFake(t)
				defer listener.close()
				cfg.Dial = func(_ context.Context, _, _ string) (net.Conn, error) {
					attempts++
					near, far := net.Pipe()
					listener.serve.Go(func() {
						defer far.Close()
						if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
							_, _ = far.Write([]byte(answer))
						}
					})
					return near, nil
				}
				p := listener.play(New(cfg))
				time.Sleep(time.Minute)
				p.stop()
				// What is no server of ours is not asked again: somebody has mistyped an address.
				if code := map[string]string{
					"endless body": "http_400", "not JSON": "http_200", "an address that is none": "protocol", "switching where it can't": "http_101",
				}[name]; code != "" {
					require.ErrorContains(t, p.err, code)
					return
				}
				require.NoError(t, p.err)
				require.Greater(t, attempts, 1)
			})
		})
	}
}

func TestEventsThatDoNotFitAreReported(t *testing.T) {
	f, welcome, key, _, _ := newFeed()
	var reported []error
	f.room.cfg.OnError = func(err error) { reported = append(reported, err) }
	called := false
	On(f.room, "kill", func(struct{ Who uint32 }) { called = true })
	require.NoError(t, f.receive(welcome, 1))
	require.NoError(t, f.receive(key, 1))
	require.NoError(t, f.receive(protocol.AppendEvent(nil, 1, "kill", []byte{0xa1, 'x'}), 1))
	require.NoError(t, f.receive(protocol.AppendEvent(nil, 1, "unheard", []byte{0xa1, 'x'}), 1))
	require.NoError(t, f.receive(protocol.AppendError(nil, 1, 0, "rate_limited", "slow down"), 1))
	require.False(t, called)
	require.Len(t, reported, 2)
	require.EqualValues(t, 1, f.room.Stats().Undecoded)
	require.Equal(t, &Error{"rate_limited", "slow down"}, reported[1])
}

func TestDeltaAllocatesNothing(t *testing.T) {
	f, welcome, key, w, v := newFeed()
	ships := Bind[ship](f.room, "ship")
	var seen float32
	ships.OnChange(func(_ state.ID, s ship) { seen += s.X })
	ships.Interpolate()
	moves := NewInputs[move](f.room)
	require.NoError(t, f.receive(welcome, 1))
	require.NoError(t, f.receive(key, 1))
	var deltas [][]byte
	for tick := uint32(2); tick < 400; tick++ {
		w.Snapshot(tick)
		b, _ := v.Next()
		b = v.AppendOwn(append([]byte(nil), b...), tick-2, 0)
		deltas = append(deltas, protocol.AppendHash(b, tick, v.Checksum()))
	}
	now, i := time.Second, 0
	step := func() {
		now += time.Second / rate
		if err := f.receive(deltas[i], now); err != nil {
			t.Fatal(err)
		}
		if err := moves.Send(move{DX: 1}); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 200 { // until every input buffer has been used
		step()
	}
	require.Zero(t, testing.AllocsPerRun(150, step))
	require.NotZero(t, seen)
	require.EqualValues(t, 1+i, f.room.Stats().Snapshots)
}

func FuzzClientReceive(fz *testing.F) {
	_, welcome, key, w, v := newFeed()
	w.Snapshot(2)
	delta, _ := v.Next()
	more := v.AppendOwn(append([]byte(nil), delta...), 1, 0)
	more = protocol.AppendHash(more, 2, v.Checksum())
	more = protocol.AppendEvent(more, 2, "kill", []byte{0x81, 0xa3, 'W', 'h', 'o', 1})
	more = protocol.AppendReply(more, 2, 1, []byte{0xc0})
	more = protocol.AppendError(more, 2, 2, "no", "never")
	more = protocol.AppendClock(more, 1, protocol.Moment{Tick: 2})
	fz.Add(welcome, key, more)
	fz.Add(welcome, more, protocol.AppendBye(nil, protocol.CodeRoomEnded, "over", []byte{1}))
	fz.Add(key, welcome, []byte{0x91, 99})
	fz.Fuzz(func(t *testing.T, a, b, c []byte) {
		f, _, _, _, _ := newFeed()
		f.room.token = "token"
		ships := Bind[ship](f.room, "ship")
		ships.Interpolate()
		ships.OnEnter(func(state.ID, ship) {})
		On(f.room, "kill", func(struct{ Who uint32 }) {})
		f.room.OnEvent("any", func(body []byte) { _ = msgpack.Unmarshal(body, new(any)) })
		moves := NewInputs[move](f.room)
		for i, m := range [][]byte{a, b, c} {
			_ = moves.Send(move{})
			if err := f.receive(m, time.Duration(i+1)*time.Second); err != nil {
				_ = f.room.verdict(err)
				f.end(err)
				break
			}
			_ = f.room.Now()
			_, _ = ships.At(1, f.room.Shown())
		}
	})
}
