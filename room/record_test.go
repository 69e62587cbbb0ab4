package room_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// tape is a Recorder that keeps everything.
type tape struct {
	frames [][]byte
	sums   []uint32
	failed error
}

func (t *tape) Record(tick uint32, frame []byte, world func() uint32, failed error) {
	t.frames = append(t.frames, bytes.Clone(frame))
	t.sums = append(t.sums, world())
	t.failed = failed
}

type Dust struct {
	X     float64 `sync:"x,step=1/16,rate=vx"`
	VX    float64 `sync:"vx,step=1/4"`
	Angle float64 `sync:"a,turn=256"`
	Label string  `sync:"label"`
	Mine  int64   `sync:"mine,owner"`
}

// storm uses everything that could make two runs differ: chance, timers, slow work, messages, away
// players, kicks, refusals, entities that come and go.
type storm struct {
	dust *state.Table[Dust]
	ids  map[uint32]state.ID
	fade *room.Timer[state.ID]
}

func (g *storm) Save(*room.Tick) any { return g.ids }

func (g *storm) Restore(t *room.Tick, decode func(v any) error) error { return decode(&g.ids) }

func stormKind(rate int) room.Kind[Shot] {
	return room.Kind[Shot]{Name: "storm", TickRate: rate, MaxPlayers: 64, Grace: 2 * time.Second,
		New: func(s *room.Setup) (room.Game[Shot], error) {
			g := &storm{dust: room.Table[Dust](s, "dust"), ids: map[uint32]state.ID{}}
			g.fade = room.OnTimer(s, "fade", func(t *room.Tick, id state.ID) { g.dust.Remove(id) })
			room.Handle(s, "label", func(t *room.Tick, p *room.Player, m Say) (int, error) {
				if m.Text == "" {
					return 0, room.Errorf("empty", "no label")
				}
				g.dust.Get(g.ids[p.Number()]).Label = m.Text
				t.Broadcast("labelled", m.Text)
				room.Go(t, func(context.Context) (int, error) { return len(m.Text), nil }, func(t *room.Tick, n int, err error) {
					if d := g.dust.Get(g.ids[p.Number()]); d != nil {
						d.Mine += int64(n)
					}
				})
				return len(t.Players()), nil
			})
			return g, nil
		}}
}

func (g *storm) Join(t *room.Tick, p *room.Player) error {
	if t.Rand().IntN(10) == 0 {
		return room.Errorf("unlucky", "try again")
	}
	id, d := g.dust.Add(p.Number())
	g.ids[p.Number()] = id
	d.X, d.Label = t.Rand().Float64()*1000, p.Name()
	return nil
}

func (g *storm) Leave(t *room.Tick, p *room.Player, why room.Cause) {
	g.dust.Remove(g.ids[p.Number()])
	delete(g.ids, p.Number())
}

func (g *storm) Away(t *room.Tick, p *room.Player) { g.dust.Get(g.ids[p.Number()]).Label = "away" }
func (g *storm) Back(t *room.Tick, p *room.Player) { g.dust.Get(g.ids[p.Number()]).Label = p.Name() }

func (g *storm) Step(t *room.Tick, inputs []room.Input[Shot]) {
	for _, in := range inputs {
		d := g.dust.Get(g.ids[in.Player.Number()])
		d.VX += float64(in.Value.Aim) + t.Rand().Float64() - 0.5
		d.X += d.VX * t.Delta()
		d.Angle += 0.1
		if in.Value.Fire && t.Rand().IntN(3) == 0 {
			d.Mine++
			id, spark := g.dust.Add(0)
			spark.X = d.X
			g.fade.After(t, time.Duration(t.Rand().IntN(1000))*time.Millisecond, id)
		}
	}
	if t.Rand().IntN(100) == 0 && len(t.Players()) > 0 {
		t.Kick(t.Players()[t.Rand().IntN(len(t.Players()))], "storm")
	}
}

// weather lets random players do random things in a storm; each is called before a tick.
func weather(r *roomtest.Room, ticks int, each func(i int)) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var players []*roomtest.Player
	gone := map[*roomtest.Player]bool{}
	for i := range ticks {
		each(i)
		players = slices.DeleteFunc(players, func(p *roomtest.Player) bool { return p.Bye() != nil || gone[p] })
		for _, p := range players {
			if !p.Ready() {
				if p.Bye() == nil && rnd.IntN(25) == 0 && p.TryResume() != nil { // kicked, or the grace period is over
					gone[p] = true
				}
				continue
			}
			switch n := rnd.IntN(100); {
			case n < 60:
				p.Input(Shot{Aim: int16(rnd.IntN(21) - 10), Fire: n < 20})
			case n < 62:
				_ = p.Call("label", Say{[]string{"", "a", "bcd"}[rnd.IntN(3)]}, nil)
			case n == 62:
				p.Leave()
			case n == 63:
				p.Lose()
			}
		}
		if len(players) < 20 && rnd.IntN(5) == 0 {
			if p, err := r.TryJoin(string(rune('a' + rnd.IntN(26)))); err == nil {
				players = append(players, p)
			}
		}
		r.Tick(1)
	}
}

func TestAPlaybackMakesTheSameWorld(t *testing.T) {
	var rec tape
	r := roomtest.NewSeeded(t, stormKind(20), room.Config{ID: "storm", Seed: 99, Recorder: &rec, Log: silent})
	weather(r, 1500, func(int) {})
	require.NoError(t, rec.failed)
	require.Greater(t, len(rec.frames), 1500)

	p, err := room.NewPlayback(stormKind(20), 99, nil)
	require.NoError(t, err)
	for i, frame := range rec.frames {
		require.NoError(t, p.Step(frame))
		require.Equal(t, rec.sums[i], p.Checksum(), "tick %d", p.Tick())
	}

	other, err := room.NewPlayback(stormKind(20), 100, nil)
	require.NoError(t, err)
	for _, frame := range rec.frames {
		if err := other.Step(frame); err != nil {
			return // a world of another seed may not even have the players
		}
	}
	require.NotEqual(t, p.Checksum(), other.Checksum(), "the seed matters")
}

func TestARecordingKeepsTheTickThatPanicked(t *testing.T) {
	g := func() room.AnyKind {
		return rigKind(&rig{step: func(t *room.Tick, _ []room.Input[struct{}]) {
			if t.Number() == 3 {
				panic("oops")
			}
		}})
	}
	var rec tape
	m, err := room.NewManual(t.Context(), g(), room.Config{ID: "x", Recorder: &rec, Log: silent})
	require.NoError(t, err)
	for err == nil {
		_, err = m.Tick()
		if err == nil && m.Room().Info().Players == 0 {
			_, err = m.Join(room.Join{Who: room.Identity{Name: "Ada"}, Conn: new(client)})
		}
	}
	require.ErrorAs(t, rec.failed, new(*room.PanicError))
	p, err := room.NewPlayback(g(), 0, nil)
	require.NoError(t, err)
	for _, frame := range rec.frames {
		err = p.Step(frame)
	}
	require.ErrorAs(t, err, new(*room.PanicError), "the playback fails in the same tick")
	require.EqualValues(t, 3, p.Tick())
}

func FuzzPlayback(f *testing.F) {
	var rec tape
	m, err := room.NewManual(f.Context(), stormKind(20), room.Config{ID: "x", Recorder: &rec, Log: silent})
	require.NoError(f, err)
	_, _ = m.Join(room.Join{Who: room.Identity{Name: "Ada"}, Conn: new(client)})
	f.Add(rec.frames[0])
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := room.NewPlayback(stormKind(20), 0, nil)
		require.NoError(t, err)
		_ = p.Step(frame)
	})
}
