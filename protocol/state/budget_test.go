package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/wire"
)

// arena is a world that plays the reference trace: each player owns one mover.
type arena struct {
	*World
	trace *trace
	rows  []*mover
	tick  uint32
}

func newArena(n int) *arena {
	a := &arena{World: NewWorld(20), trace: newTrace(n)}
	table := NewTable[mover](a.World, "player")
	for i := range n {
		_, row := table.Add(uint32(i + 1))
		a.rows = append(a.rows, row)
	}
	return a
}

func (a *arena) step() {
	a.trace.step()
	for i, row := range a.rows {
		*row = a.trace.players[i]
	}
	a.tick++
	a.Snapshot(a.tick)
}

func TestSnapshotsOfTheReferenceTraceKeepTheirBudget(t *testing.T) {
	a := newArena(100)
	v := a.NewView(1, nil)
	r, err := NewReplica(a.Schema(), 20)
	require.NoError(t, err)
	var key, deltas, own, n int
	for range 1200 {
		a.step()
		b, isKey := v.Next()
		whole := v.AppendOwn(append([]byte(nil), b...), a.tick, 1)
		if isKey {
			key = len(b)
		} else {
			deltas += len(b)
			own += len(whole) - len(b)
			n++
		}
		require.NoError(t, apply(r, whole))
		require.Equal(t, v.Checksum(), r.Checksum())
	}
	t.Logf("KEY %d bytes; DELTA %.1f bytes on average, %.1f with OWN", key, float64(deltas)/float64(n), float64(deltas+own)/float64(n))
	require.LessOrEqual(t, key, 1700)
	require.LessOrEqual(t, deltas, 360*n)
}

// scripted plays a part of the trace again and again, so that a benchmark does not measure the trace.
type scripted struct {
	*arena
	frames [][]mover
	next   int
}

func newScripted(n int) *scripted {
	s := &scripted{arena: newArena(n)}
	for range 200 {
		s.trace.step()
		s.frames = append(s.frames, append([]mover(nil), s.trace.players...))
	}
	return s
}

func (s *scripted) write() {
	for i, row := range s.rows {
		*row = s.frames[s.next%len(s.frames)][i]
	}
	s.next++
	s.tick++
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	s := newScripted(100)
	creatures := NewTable[creature](s.World, "creature")
	r, err := NewReplica(s.Schema(), 20)
	require.NoError(t, err)
	r.Observe(func(Change) {})
	all, some, lagging := s.NewView(1, nil), s.NewView(2, func(_ int, id ID) bool { return (uint32(id)+s.tick/4)%3 != 0 }), s.NewView(3, nil)
	var message, other []byte
	rd := wire.NewReader(nil)
	var live []ID
	tick := func() {
		s.write()
		id, row := creatures.Add(s.tick % 5)
		row.X, row.Name, row.Ammo = float32(s.tick), "a name", int16(s.tick)
		if live = append(live, id); len(live) > 20 {
			creatures.Remove(live[0])
			live = append(live[:0], live[1:]...)
		}
		s.Snapshot(s.tick)
		b, _ := all.Next()
		message = all.AppendOwn(append(message[:0], b...), s.tick, 0)
		b, _ = some.Next()
		other = some.AppendOwn(append(other[:0], b...), s.tick, 0)
		if s.tick%5 == 0 {
			lagging.Next()
		}
		if s.tick%20 == 0 {
			all.Checksum()
			some.Checksum()
			s.Checksum()
		}
		for rd.Reset(message); rd.Rest() > 0 && err == nil; {
			n := rd.Array()
			switch rd.Int() {
			case kindKey:
				err = r.Key(rd, n)
			case kindDelta:
				err = r.Delta(rd, n)
			case kindOwn:
				_, _, err = r.Own(rd, n)
			}
		}
		r.Checksum()
	}
	for range 400 {
		tick()
	}
	require.NoError(t, err)
	// A name that enters is one string on the client.
	require.LessOrEqual(t, testing.AllocsPerRun(400, tick), 1.0)
	require.NoError(t, err)
	require.Equal(t, all.Checksum(), r.Checksum())
}

func BenchmarkSnapshot(b *testing.B) {
	s := newScripted(100)
	b.ReportAllocs()
	for b.Loop() {
		s.write()
		s.Snapshot(s.tick)
	}
}

// newChanging plays frames in which x, y, heading, vx and vy of every player leave the prediction.
func newChanging() *scripted {
	s := newScripted(100)
	s.frames = s.frames[:11]
	for j, frame := range s.frames {
		for i := range frame {
			k, row := float64((j*7+i*3)%11), &frame[i]
			row.X, row.Y, row.VX, row.VY = 1000+k*3, 800-k*2, k*4, -k*2
			row.Heading = k / 4
		}
	}
	return s
}

// BenchmarkEncodeOf100Changed is Next on a fresh cache: compare with the baseline and encode; all of the 100
// entities have records. The snapshots are quantised outside the clock.
func BenchmarkEncodeOf100Changed(b *testing.B) {
	s := newChanging()
	v := s.NewView(1, nil)
	for range 3 {
		s.write()
		s.Snapshot(s.tick)
		v.Next()
	}
	base := s.newest().tick
	s.write()
	s.Snapshot(s.tick)
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		s.used = 0
		v.base = base
		m, _ := v.Next()
		bytes = len(m)
	}
	b.ReportMetric(float64(bytes), "bytes")
	records := 0
	for _, m := range s.deltas[0].tables[0].masks {
		if m != 0 {
			records++
		}
	}
	if records != 100 {
		b.Fatalf("%d records", records)
	}
}

func BenchmarkQuantiseAndEncodeOf100Changed(b *testing.B) {
	s := newChanging()
	v := s.NewView(1, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.write()
		s.Snapshot(s.tick)
		v.Next()
	}
}

// BenchmarkTickOfTrace is all that a tick of the reference trace costs for 100 views: Snapshot, Next and
// AppendOwn.
func BenchmarkTickOfTrace(b *testing.B) {
	s := newScripted(100)
	var views []*View
	for i := range 100 {
		views = append(views, s.NewView(uint32(i+1), nil))
	}
	var own []byte
	b.ReportAllocs()
	for b.Loop() {
		s.write()
		s.Snapshot(s.tick)
		for _, v := range views {
			v.Next()
			own = v.AppendOwn(own[:0], s.tick, 0)
		}
	}
}

func BenchmarkFilteredNext(b *testing.B) {
	s := newScripted(100)
	v := s.NewView(1, func(_ int, id ID) bool { return id%3 == 0 })
	for range 2 {
		s.write()
		s.Snapshot(s.tick)
		v.Next()
	}
	base := s.newest().tick
	s.write()
	s.Snapshot(s.tick)
	b.ReportAllocs()
	for b.Loop() {
		v.base = base
		v.Next()
	}
}

func BenchmarkChecksum(b *testing.B) {
	s := newScripted(100)
	v := s.NewView(1, nil)
	s.write()
	s.Snapshot(s.tick)
	v.Next()
	b.ReportAllocs()
	for b.Loop() {
		s.tables[0].hashed = false
		v.Checksum()
	}
}

func BenchmarkReplicaDelta(b *testing.B) {
	s := newScripted(100)
	v := s.NewView(1, nil)
	r, _ := NewReplica(s.Schema(), 20)
	var messages [][]byte
	for range 201 {
		s.write()
		s.Snapshot(s.tick)
		m, _ := v.Next()
		messages = append(messages, append([]byte(nil), m...))
	}
	rd := wire.NewReader(nil)
	at := 0
	b.ReportAllocs()
	for b.Loop() {
		rd.Reset(messages[at])
		n := rd.Array()
		var err error
		if rd.Int() == kindKey {
			err = r.Key(rd, n)
		} else {
			err = r.Delta(rd, n)
		}
		if err != nil {
			b.Fatal(err)
		}
		at = (at + 1) % len(messages)
	}
}
