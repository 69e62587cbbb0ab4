package player_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// ledger is a room that notes what reaches it.
type ledger struct {
	inputs   []uint32
	messages []string
	limited  int
	left     int
	fail     error
}

func (l *ledger) Inputs(h protocol.InputHead, n int, r *wire.Reader) error {
	for i := range n {
		l.inputs = append(l.inputs, h.Seq+uint32(i))
		r.Raw()
	}
	return protocol.Malformed(protocol.KindInput, r.Err())
}

func (l *ledger) Message(request uint32, name, body []byte) error {
	l.messages = append(l.messages, string(name))
	return l.fail
}

func (l *ledger) Limited()                         { l.limited++ }
func (l *ledger) Leave()                           { l.left++ }
func (l *ledger) Announce(*player.Event) bool      { return true }
func (l *ledger) Kick(string)                      {}
func (*ledger) Moment(_ time.Time) protocol.Moment { return protocol.Moment{Tick: 77, Fraction: 5} }

// line is a connection that keeps the last message sent.
type line struct {
	sent []byte
	err  error
}

func (l *line) Send(parts ...[]byte) error {
	l.sent = l.sent[:0]
	for _, p := range parts {
		l.sent = append(l.sent, p...)
	}
	return l.err
}
func (*line) Ready() bool                         { return true }
func (*line) Close(protocol.Code, string, []byte) {}
func (*line) RemoteAddr() string                  { return "192.0.2.1" }

type sessionTest struct {
	*player.Session
	room  ledger
	conn  line
	stats player.Stats
}

func newSession(limits player.Limits) *sessionTest {
	s := new(sessionTest)
	s.Session = player.NewSession("u1", "Ada", &s.room, limits, &s.stats)
	s.Attach(&s.conn, 0)
	return s
}

func input(seq, ack uint32, n int) []byte {
	b := protocol.InputHead{Seq: seq, Ack: ack}.Append(nil, n)
	for range n {
		b = append(b, 0x91, 1)
	}
	return b
}

func TestSessionHandsOnWhatArrives(t *testing.T) {
	s := newSession(player.Limits{})
	s.Flow.Sent(3, false, start)
	b := input(1, 3, 2)
	b = protocol.AppendMessage(b, 1, "say", []byte{0xc0})
	b = protocol.AppendAck(b, 3)
	b = protocol.AppendTime(b, 1.5)
	b = protocol.AppendLeave(b)
	require.NoError(t, s.Receive(&s.conn, start.Add(step), b))
	require.Equal(t, []uint32{1, 2}, s.room.inputs)
	require.Equal(t, []string{"say"}, s.room.messages)
	require.Equal(t, 1, s.room.left)
	require.Equal(t, uint32(3), s.Flow.Acked())
	require.Equal(t, step, s.Flow.MinRTT())
	require.Equal(t, protocol.AppendClock(nil, 1.5, protocol.Moment{Tick: 77, Fraction: 5}), s.conn.sent)
}

func TestSessionRefusesWhatIsNoProtocol(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		message     []byte
	}{
		{"nothing", "empty", nil},
		{"no array", "malformed", []byte{0x01}},
		{"an empty array", "malformed", []byte{0x90}},
		{"a kind that is no number", "malformed", []byte{0x91, 0xc0}},
		{"a negative kind", "malformed", []byte{0x91, 0xff}},
		{"an unknown kind", "unknown message kind 6", []byte{0x91, 6}},
		{"a kind that would be known modulo 256", "unknown message kind 255", []byte{0x91, 0xcd, 1, 5}},
		{"too long an array", "kind 5", []byte{0x92, 5, 0}},
		{"an array that claims 2^32-1 elements", "malformed", []byte{0xdd, 0xff, 0xff, 0xff, 0xff}},
		{"bytes that remain", "malformed", append(protocol.AppendAck(nil, 0), 0xc1)},
		{"half a message", "kind 4", protocol.AppendTime(nil, 1)[:5]},
		{"a name too long", "kind 2", protocol.AppendMessage(nil, 1, strings.Repeat("x", protocol.MaxName+1), []byte{0xc0})},
		{"nested too deep", "kind 2", protocol.AppendMessage(nil, 1, "x", []byte(strings.Repeat("\x91", 20)+"\xc0"))},
		{"an input before joining", "before joining", input(1, 0, 1)},
		{"input number 0", "kind 1", input(0, 1, 1)},
		{"no input in it", "kind 1", input(1, 1, 0)},
		{"33 inputs", "kind 1", input(1, 1, 33)},
		{"an acknowledgement of what was never sent", "newest sent", protocol.AppendAck(nil, 2)},
		{"the same in an input", "newest sent", input(1, 2, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(player.Limits{})
			s.Flow.Sent(1, false, start)
			err := s.Receive(&s.conn, start, c.message)
			var e *protocol.CloseError
			require.ErrorAs(t, err, &e)
			require.Equal(t, protocol.CodeProtocol, e.Code)
			require.Contains(t, e.Reason, c.fault)
			require.Equal(t, int64(1), s.stats.Malformed.Load())
			require.Equal(t, strings.Contains(c.fault, "joining"), s.stats.Early.Load() == 1)
			require.Empty(t, s.room.inputs)
		})
	}
}

func TestSessionHandsOnTheRoomsRefusal(t *testing.T) {
	s := newSession(player.Limits{})
	s.room.fail = errors.New("too many")
	require.ErrorIs(t, s.Receive(&s.conn, start, protocol.AppendMessage(nil, 1, "say", []byte{0xc0})), s.room.fail)
}

func TestSessionIgnoresAReplacedConnection(t *testing.T) {
	s := newSession(player.Limits{})
	var next line
	require.Equal(t, player.Conn(&s.conn), s.Attach(&next, 0))
	require.NoError(t, s.Receive(&s.conn, start, []byte("nonsense")))
	require.False(t, s.Detach(&s.conn), "the old one's end is not the new one's")
	require.NoError(t, s.Receive(&next, start, protocol.AppendLeave(nil)))
	require.Equal(t, 1, s.room.left)
	require.True(t, s.Detach(&next))
	require.NoError(t, s.Receive(&next, start, []byte("nonsense")))
}

func TestSessionHoldsPlayersToTheirLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  player.Limits
		message []byte
		passing int // of those sent at once
	}{
		{"messages", player.Limits{Messages: 10}, protocol.AppendMessage(nil, 0, "x", []byte{0xc0}), 80},
		{"bytes", player.Limits{Bytes: 2048}, protocol.AppendMessage(nil, 0, "x", append([]byte{0xc5, 3, 0xf0}, make([]byte, 1008)...)), 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(c.limits)
			for range c.passing {
				require.NoError(t, s.Receive(&s.conn, start, c.message))
			}
			require.Zero(t, s.stats.Limited.Load())
			for range 3 {
				require.NoError(t, s.Receive(&s.conn, start, c.message), "dropped, but forgiven")
			}
			require.Equal(t, int64(3), s.stats.Limited.Load())
			require.Equal(t, 1, s.room.limited, "told once")
			require.Equal(t, c.passing, len(s.room.messages))

			later := start.Add(time.Second)
			require.NoError(t, s.Receive(&s.conn, later, c.message), "patience is back with time")
			require.Equal(t, c.passing+1, len(s.room.messages))

			var err error
			n := 0
			for ; err == nil && n < 10_000; n++ {
				err = s.Receive(&s.conn, later, c.message)
			}
			var e *protocol.CloseError
			require.ErrorAs(t, err, &e)
			require.Equal(t, protocol.CodeFlood, e.Code)
			require.Equal(t, int64(1), s.stats.Flooded.Load())
			require.Equal(t, 2, s.room.limited, "the first of a new row")
		})
	}
}

func TestAcknowledgementsAndFarewellsCountAboveTheLimits(t *testing.T) {
	s := newSession(player.Limits{Messages: 10})
	for tick := range uint32(100) {
		s.Flow.Sent(tick+1, false, start)
	}
	for range 80 {
		require.NoError(t, s.Receive(&s.conn, start, protocol.AppendTime(nil, 1)))
	}
	require.NoError(t, s.Receive(&s.conn, start, protocol.AppendAck(nil, 5)))
	require.Equal(t, uint32(5), s.Flow.Acked())
	require.NoError(t, s.Receive(&s.conn, start, input(1, 7, 2)))
	require.Equal(t, uint32(7), s.Flow.Acked(), "that in an INPUT too")
	require.Empty(t, s.room.inputs, "its inputs are over the limit")
	require.Equal(t, 1, s.room.limited)
	require.NoError(t, s.Receive(&s.conn, start, protocol.AppendMessage(protocol.AppendLeave(nil), 1, "x", []byte{0xc0})))
	require.Equal(t, 1, s.room.left)
	require.Empty(t, s.room.messages)
	require.EqualValues(t, 4, s.stats.Limited.Load())

	over := newSession(player.Limits{Bytes: 100})
	over.Flow.Sent(1, false, start)
	over.Flow.Sent(2, false, start)
	big := protocol.AppendMessage(nil, 0, "x", wire.AppendBytes(nil, make([]byte, 4000)))
	require.NoError(t, over.Receive(&over.conn, start, big))
	require.NoError(t, over.Receive(&over.conn, start, protocol.AppendAck(big, 2)))
	require.Len(t, over.room.messages, 1)
	require.Equal(t, uint32(2), over.Flow.Acked(), "over the limit of bytes too")
}

func TestEachMessageCountsHoweverManyTravelTogether(t *testing.T) {
	s := newSession(player.Limits{Messages: 10})
	var many []byte
	for i := range 60 {
		many = protocol.AppendTime(many, float64(i))
	}
	s.conn.sent = nil
	require.NoError(t, s.Receive(&s.conn, start, many))
	require.Zero(t, s.stats.Limited.Load())
	require.Equal(t, protocol.AppendClock(nil, 59, protocol.Moment{Tick: 77, Fraction: 5}), s.conn.sent, "one CLOCK answers the newest")
	require.NoError(t, s.Receive(&s.conn, start, many))
	require.EqualValues(t, 40, s.stats.Limited.Load())
	require.Error(t, s.Receive(&s.conn, start, many))
}

func TestFramesThatAreNoMessagesCountToo(t *testing.T) {
	s := newSession(player.Limits{Messages: 10})
	require.NoError(t, s.Control(&s.conn, start, 80))
	require.Zero(t, s.room.limited)
	require.NoError(t, s.Control(&s.conn, start, 1))
	require.Equal(t, 1, s.room.limited)
	var e *protocol.CloseError
	require.ErrorAs(t, s.Control(&s.conn, start, 1000), &e)
	require.Equal(t, protocol.CodeFlood, e.Code)
	require.NoError(t, s.Control(new(line), start, 1000), "those of a connection that was replaced are its own")
}

func TestWhatAClientSendsAfterAnOutageIsWithinTheLimits(t *testing.T) {
	s := newSession(player.Limits{})
	s.Flow.Sent(1, false, start)
	for seq := range uint32(8 * 60) { // a line that stood still for 8 s, and what was written meanwhile comes at once
		require.NoError(t, s.Receive(&s.conn, start, input(seq+1, 1, 1)))
	}
	for range 64 { // the messages that a client keeps
		require.NoError(t, s.Receive(&s.conn, start, protocol.AppendMessage(nil, 1, "say", wire.AppendBytes(nil, make([]byte, 2000)))))
	}
	require.Zero(t, s.room.limited)
	require.Zero(t, s.stats.Limited.Load())
}

func TestSessionIsSafeBetweenConnections(t *testing.T) {
	s := newSession(player.Limits{Messages: math.MaxInt32, Bytes: math.MaxInt32})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var c line
			for range 200 {
				s.Attach(&c, 0)
				_ = s.Receive(&c, start, protocol.AppendLeave(nil))
				s.Detach(&c)
			}
		})
	}
	wg.Wait()
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	s := newSession(player.Limits{Messages: math.MaxInt32, Bytes: math.MaxInt32})
	s.Flow.Sent(1, false, start)
	for name, message := range map[string][]byte{
		"an acknowledgement": protocol.AppendAck(nil, 1),
		"a time":             protocol.AppendTime(nil, 123.5),
	} {
		t.Run(name, func(t *testing.T) {
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if s.Receive(&s.conn, start, message) != nil {
					panic("refused")
				}
			}))
		})
	}
}

// FuzzReceive: no message makes a session panic, and whatever it refuses it refuses with a code.
func FuzzReceive(f *testing.F) {
	f.Add(input(1, 1, 3))
	f.Add(protocol.AppendMessage(nil, 9, "say", []byte{0x81, 0xa1, 'a', 1}))
	f.Add(protocol.AppendTime(protocol.AppendAck(nil, 1), math.NaN()))
	f.Add(protocol.AppendLeave(nil))
	f.Add([]byte{0xdc, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, message []byte) {
		s := newSession(player.Limits{})
		s.Flow.Sent(1, false, start)
		if err := s.Receive(&s.conn, start, message); err != nil {
			var e *protocol.CloseError
			require.ErrorAs(t, err, &e)
		}
		require.LessOrEqual(t, len(s.room.messages)+len(s.room.inputs), max(1, len(message)))
	})
}
