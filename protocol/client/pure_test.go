package client

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

func TestInterpolation(t *testing.T) {
	const turn = 2 * math.Pi
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"lerp, start", lerp(2, 6, 0), 2},
		{"lerp, quarter", lerp(2, 6, 0.25), 3},
		{"lerp, end", lerp(2, 6, 1), 6},
		{"hermite, start", hermite(1, 9, 5, -3, 0.1, 0), 1},
		{"hermite, end", hermite(1, 9, 5, -3, 0.1, 1), 5},
		{"hermite, even speed is a line", hermite(0, 10, 1, 10, 0.1, 0.3), 0.3},
		{"hermite, even braking", hermite(0, 2, 1, 0, 1, 0.5), 0.75},
		{"angle, plain", lerpAngle(1, 2, 0.5, turn), 1.5},
		{"angle, over zero", lerpAngle(turn-0.2, 0.2, 0.75, turn), 0.1},
		{"angle, back over zero", lerpAngle(0.2, turn-0.2, 0.75, turn), turn - 0.1},
		{"angle, a whole turn", lerpAngle(0, turn, 0.5, turn), 0},
		{"extrapolated, before", extrapolated(-1), 0},
		{"extrapolated, within", extrapolated(0.1), 0.1},
		{"extrapolated, beyond", extrapolated(9), maxExtrapolate},
	} {
		require.InDelta(t, c.want, c.got, 1e-9, c.what)
	}
}

func TestHistoryShowsMomentsBetweenSnapshots(t *testing.T) {
	type body struct {
		X    float32 `sync:"x"`
		V    float64 `sync:"v"`
		Head float32 `sync:"head"`
		Heat float64 `sync:"heat"`
		HP   uint8   `sync:"hp"`
	}
	h := newHistory[body]()
	h.reset([]state.Field{
		{Name: "hp", Type: state.Int, Rate: -1}, {Name: "v", Type: state.Float, Rate: -1}, {Name: "x", Type: state.Float, Rate: 1},
		{Name: "head", Type: state.Angle, Rate: -1}, {Name: "heat", Type: state.Float, Rate: -1},
	}, 10)
	_, ok := h.at(1, 5)
	require.False(t, ok)
	h.record(1, 10, body{X: 0, V: 10, Head: 6, Heat: 1, HP: 100})
	h.record(1, 12, body{X: 1, V: 0, Head: 0.2, Heat: 3, HP: 50})
	h.record(1, 12, body{X: 1, V: 0, Head: 0.2, Heat: 3, HP: 50})
	for _, c := range []struct {
		tick float64
		want body
	}{
		{9, body{0, 10, 6, 1, 100}},
		{10, body{0, 10, 6, 1, 100}},
		{11, body{0.75, 5, 6.2416, 2, 100}},
		{12, body{1, 0, 0.2, 3, 50}},
		{13, body{1, 0, 0.4416, 4, 50}},
		{14.5, body{1, 0, 0.8040, 5.5, 50}},
		{99, body{1, 0, 0.8040, 5.5, 50}},
		{math.NaN(), body{1, 0, 0.2, 3, 50}},
	} {
		got, ok := h.at(1, c.tick)
		require.True(t, ok)
		require.InDelta(t, c.want.X, got.X, 1e-3, c.tick)
		require.InDelta(t, c.want.V, got.V, 1e-3, c.tick)
		require.InDelta(t, c.want.Head, got.Head, 1e-3, c.tick)
		require.InDelta(t, c.want.Heat, got.Heat, 1e-3, c.tick)
		require.Equal(t, c.want.HP, got.HP, c.tick)
	}
	for tick := range uint32(20) { // more than are kept
		h.record(1, 13+tick, body{Heat: float64(tick)})
	}
	got, _ := h.at(1, 30.5)
	require.InDelta(t, 17.5, got.Heat, 1e-9)
	got, _ = h.at(1, 0)
	require.InDelta(t, 4, got.Heat, 1e-9, "the oldest kept")
	h.drop(1)
	_, ok = h.at(1, 30)
	require.False(t, ok)
}

// answer gives a clock the answer of a room of 20 ticks per second to a question asked at asked.
func (c *clock) answer(asked, now time.Duration, m protocol.Moment) {
	c.sample(milliseconds(asked), milliseconds(now), (float64(m.Tick)+float64(m.Fraction)/protocol.FractionsPerTick)*50)
}

// ticks is the room's tick.
func (c *clock) ticks(now time.Duration) float64 { return c.at(milliseconds(now)) / 50 }

func TestClockConvergesOnAJitteryLine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var c clock
	require.Zero(t, c.at(1000))
	truth := func(now time.Duration) float64 { return 5000 + now.Seconds()*20 }
	now := time.Second
	for range 60 {
		up := 20*time.Millisecond + time.Duration(random.ExpFloat64()*float64(5*time.Millisecond))
		down := 20*time.Millisecond + time.Duration(random.ExpFloat64()*float64(5*time.Millisecond))
		c.answer(now, now+up+down, moment(truth(now+up)))
		now += up + down + clockEvery
	}
	require.InDelta(t, truth(now), c.ticks(now), 0.06)
	require.Zero(t, c.corrections)

	before := c.ticks(now)
	c.answer(now-time.Second, now, moment(truth(now)-500))
	require.Equal(t, before, c.ticks(now), "a slow answer is not used")
	c.answer(now-time.Minute, now, moment(truth(now)))
	require.EqualValues(t, 1000, c.rtt, "one beyond all patience is not even counted")
	c.answer(now-40*time.Millisecond, now, moment(truth(now)+500))
	require.InDelta(t, truth(now)+500, c.ticks(now), 1, "a jump is followed at once")
	require.EqualValues(t, 1, c.corrections)

	now += time.Minute // the line has become slower for good
	for range 4 {
		now += clockEvery
		c.answer(now-200*time.Millisecond, now, moment(truth(now-100*time.Millisecond)))
	}
	require.InDelta(t, truth(now), c.ticks(now), 0.5)
}

func TestClockOfWhoJoinedOnABusyLineIsRightAfterOneQuickAnswer(t *testing.T) {
	var c clock
	truth := func(now time.Duration) float64 { return 5000 + now.Seconds()*20 }
	now := time.Second
	for range 10 { // there at once, back through a queue
		c.answer(now, now+400*time.Millisecond, moment(truth(now)))
		now += clockEvery
	}
	require.InDelta(t, truth(now)-0.2*20, c.ticks(now), 0.01, "half a round trip off")
	c.answer(now, now+20*time.Millisecond, moment(truth(now+10*time.Millisecond)))
	require.InDelta(t, truth(now), c.ticks(now), 0.01)
	require.Zero(t, c.corrections, "it was wrong by less than counts as one")
}

func TestMomentOfATick(t *testing.T) {
	for tick, want := range map[float64]protocol.Moment{
		-1: {}, 0: {}, 1.5: {Tick: 1, Fraction: 128}, 1.9999: {Tick: 1, Fraction: 255},
		math.Inf(1): {Tick: math.MaxUint32}, 1e300: {Tick: math.MaxUint32},
	} {
		require.Equal(t, want, moment(tick))
	}
	require.Equal(t, protocol.Moment{}, moment(math.NaN()))
}

// TestInputQueueAgainstAModel drives a queue through random losses and checks that the room, which
// takes each number once, gets every input in order that was not counted as dropped.
func TestInputQueueAgainstAModel(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var q inputQueue
		var received, consumed uint32
		var took []int64
		put := int64(0)
		deliver := func(lost bool) {
			for q.due() {
				r := wire.NewReader(q.append(nil, protocol.Moment{Tick: 1}, 1))
				n := r.Array()
				_ = r.Uint32()
				var h protocol.InputHead
				n, err := h.Read(r, n)
				require.NoError(t, err)
				require.LessOrEqual(t, h.Seq, received+protocol.MaxSeqJump)
				for i := range n {
					v := r.Int()
					if seq := h.Seq + uint32(i); !lost && seq > received {
						received = seq
						took = append(took, v)
					}
				}
				require.NoError(t, r.Finish())
			}
		}
		for range 1000 {
			switch k := random.IntN(20); {
			case k < 14:
				q.add(wire.AppendInt(nil, put))
				put++
			case k < 17:
				deliver(false)
			case k == 17: // written into a connection that is lost
				deliver(true)
				q.resume(consumed)
			default:
				consumed += uint32(random.IntN(int(received-consumed) + 1))
				q.consumed(consumed)
			}
		}
		q.resume(consumed)
		deliver(false)
		require.EqualValues(t, put, q.put)
		require.GreaterOrEqual(t, uint64(len(took))+q.dropped, q.put, "what was not taken was counted")
		for i := 1; i < len(took); i++ {
			require.Less(t, took[i-1], took[i], fmt.Sprintf("seed %d: in order, once", seed))
		}
		require.LessOrEqual(t, q.n, keptInputs)
	}
}

func TestInputQueueKeepsMessagesWithinTheLimit(t *testing.T) {
	var q inputQueue
	for range 20 {
		q.add(wire.AppendBytes(nil, make([]byte, 1000)))
	}
	for q.due() {
		require.LessOrEqual(t, len(q.append(nil, protocol.Moment{Tick: math.MaxUint32, Fraction: 255}, math.MaxUint32)), protocol.MaxInbound)
	}
	require.Equal(t, uint32(16), q.newest, "the oldest four went before they were sent")
	q.resume(5)
	require.Equal(t, uint32(6), q.first())
	q.newest += 5000 // as if that many had been given up unacknowledged
	q.resume(5)
	require.Equal(t, uint32(6), q.first())
	require.Zero(t, q.n)
	require.EqualValues(t, 15, q.dropped)
}

func TestAcknowledgements(t *testing.T) {
	const step = time.Second / rate
	fresh := func(onDemand bool) (*outbox, *sink) {
		o, s := &outbox{}, &sink{}
		o.open(s, &protocol.Welcome{Rate: rate, OnDemand: onDemand}, false)
		o.processed(1, true, 1, step)
		o.drained(step)
		o.burst = 0
		return o, s
	}
	wrote := func(s *sink, f func()) bool {
		before := s.written
		f()
		return s.written != before
	}
	snapshot := func(o *outbox, tick uint32, now time.Duration) {
		o.processed(tick, true, tick, now)
		o.drained(now)
	}
	input := func(o *outbox, now time.Duration) {
		o.addInput([]byte{0x90}, now)
		require.NoError(t, o.flushInputs(now))
	}

	o, s := fresh(false)
	require.True(t, wrote(s, func() { snapshot(o, 2, 2*step) }), "idle: at once")
	require.False(t, wrote(s, func() { o.drained(2 * step) }), "once")
	input(o, 3*step)
	input(o, 4*step)
	require.False(t, wrote(s, func() { snapshot(o, 3, 4*step+step/2) }), "with the input that is about to come")
	input(o, 5*step)
	require.Equal(t, uint32(3), o.acked)
	require.False(t, wrote(s, func() { snapshot(o, 4, 5*step) }))
	require.False(t, wrote(s, func() { snapshot(o, 5, 6*step) }), "the next one, a little before the input, waits with it")
	input(o, 6*step+step/8)
	require.Equal(t, uint32(5), o.acked)
	require.False(t, wrote(s, func() { snapshot(o, 6, 7*step) }), "inputs may come early and late")
	require.True(t, wrote(s, func() { snapshot(o, 7, 8*step) }), "the inputs have stopped")

	o, s = fresh(false)
	input(o, 2*step)
	input(o, 4*step)
	require.True(t, wrote(s, func() { snapshot(o, 2, 4*step+step/2) }), "the next input is more than a tick away")
	require.False(t, wrote(s, func() { snapshot(o, 3, 5*step+step/2) }))
	require.False(t, wrote(s, func() { snapshot(o, 4, 6*step) }))

	o, s = fresh(true)
	input(o, 3*step)
	input(o, 4*step)
	require.True(t, wrote(s, func() { snapshot(o, 3, 4*step+1) }), "on demand no input may follow")

	o, s = fresh(false)
	input(o, 3*step)
	input(o, 4*step)
	snapshot(o, 3, 4*step+1)
	require.True(t, wrote(s, func() { o.idle(9 * step) }), "a ping has what waited sent")
	require.False(t, wrote(s, func() { o.idle(9 * step) }))
}
