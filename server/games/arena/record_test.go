package arena

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// tape is a room.Recorder that keeps everything.
type tape struct {
	frames [][]byte
	sums   []uint32
}

func (t *tape) Record(_ uint32, frame []byte, world func() uint32, _ error) {
	t.frames = append(t.frames, bytes.Clone(frame))
	t.sums = append(t.sums, world())
}

func TestARecordedMatchPlaysAgainToTheSameWorld(t *testing.T) {
	var rec tape
	r := roomtest.NewSeeded(t, Kind, room.Config{ID: "match", Seed: 42, Recorder: &rec})
	rnd := rand.New(rand.NewPCG(8, 9))
	ada := r.Join("Ada")
	var bob *roomtest.Player
	for tick := range 45 * tickRate {
		switch tick {
		case 5 * tickRate:
			bob = r.Join("Bob")
		case 20 * tickRate:
			bob.Lose()
		case 25 * tickRate:
			bob.Resume()
		case 40 * tickRate:
			bob.Leave()
			bob = nil
		}
		for _, p := range []*roomtest.Player{ada, bob} {
			if p != nil && p.Ready() && rnd.IntN(4) > 0 {
				p.Input(Move{DX: int8(rnd.IntN(3)-1) * 127, DY: int8(rnd.IntN(3)-1) * 127, Aim: uint8(rnd.IntN(256)), Fire: rnd.IntN(3) == 0})
			}
		}
		r.Tick(1)
	}
	deaths := 0
	for _, ship := range roomtest.Table[Ship](ada, "ship").All() {
		deaths += int(ship.Deaths)
	}
	require.Positive(t, deaths, "the bots fought")

	p, err := room.NewPlayback(Kind, 42, nil)
	require.NoError(t, err)
	for i, frame := range rec.frames {
		require.NoError(t, p.Step(frame))
		require.Equal(t, rec.sums[i], p.Checksum(), "tick %d", p.Tick())
	}
}
