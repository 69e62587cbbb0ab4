package state

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// mover is a player of the reference trace.
type mover struct {
	X       float64 `sync:"x,step=1/8,rate=vx"`
	Y       float64 `sync:"y,step=1/8,rate=vy"`
	Heading float64 `sync:"a,turn=256"`
	HP      uint8   `sync:"hp"`
	Score   uint16  `sync:"score"`
	VX      float64 `sync:"vx,step=1/2"`
	VY      float64 `sync:"vy,step=1/2"`

	moves              bool
	until, turn, speed float64
}

// trace is the reference trace, reference/trace.js, at 20 Hz with 70 % moving: the same numbers to the
// last bit, for which sine and cosine are those that JavaScript engines use.
type trace struct {
	seed    uint32
	t       float64
	players []mover
}

const traceTurn = 6.2831853

func (tr *trace) random() float64 {
	tr.seed += 0x6d2b79f5
	s := tr.seed
	t := (s ^ s>>15) * (1 | s)
	t = (t + (t^t>>7)*(61|t)) ^ t
	return float64(t^t>>14) / 4294967296
}

func newTrace(n int) *trace {
	tr := &trace{seed: 7}
	for range n {
		var p mover
		p.Heading = tr.random() * traceTurn
		p.X, p.Y, p.HP = tr.random()*2000, tr.random()*2000, 100
		p.Score = uint16(tr.random() * 300)
		p.moves = tr.random() < 0.7
		p.until = tr.random() * 3
		p.speed = 150 + float64(70*tr.random())
		tr.players = append(tr.players, p)
	}
	return tr
}

func (tr *trace) step() {
	const dt, settle = 0.05, 0.4647385714810097
	tr.t += dt
	for i := range tr.players {
		p := &tr.players[i]
		if tr.t > p.until {
			p.moves = tr.random() < 0.7
			p.until = tr.t + 0.5 + float64(2.5*tr.random())
			p.turn = 0
			if tr.random() >= 0.5 {
				p.turn = (tr.random() - 0.5) * 4
			}
			if p.moves {
				p.speed = 150 + float64(70*tr.random())
			}
		}
		if p.moves {
			p.Heading += float64(p.turn * dt)
			sin, cos := sincos(p.Heading)
			p.VX += float64((float64(cos*p.speed) - p.VX) * settle)
			p.VY += float64((float64(sin*p.speed) - p.VY) * settle)
		} else {
			p.VX -= float64(p.VX * settle)
			p.VY -= float64(p.VY * settle)
			if math.Hypot(p.VX, p.VY) < 1 {
				p.VX, p.VY = 0, 0
			}
			if tr.random() < 1.5*dt {
				p.Heading += tr.random() - 0.5
			}
		}
		p.X += float64(p.VX * dt)
		p.Y += float64(p.VY * dt)
		if p.X < 0 || p.X > 2000 || p.Y < 0 || p.Y > 2000 {
			p.X, p.Y = min(2000, max(0, p.X)), min(2000, max(0, p.Y))
			p.Heading += math.Pi * (0.7 + float64(0.6*tr.random()))
		}
		p.Heading = math.Mod(math.Mod(p.Heading, traceTurn)+traceTurn, traceTurn)
		if tr.random() < 0.4*dt {
			p.HP -= min(p.HP, uint8(math.Ceil(tr.random()*20)))
		}
		if p.HP == 0 {
			p.HP = 100
			p.X, p.Y = tr.random()*2000, tr.random()*2000
			p.VX, p.VY = 0, 0
		}
		if tr.random() < 0.1*dt {
			p.Score += 10
		}
	}
}

// sincos is that of fdlibm, for |x| below 2^20 (Sun Microsystems, http://www.netlib.org/fdlibm).
func sincos(x float64) (sin, cos float64) {
	const (
		invPio2 = 6.36619772367581382433e-01
		pio2a   = 1.57079632673412561417e+00
		pio2at  = 6.07710050650619224932e-11
		pio2b   = 6.07710050630396597660e-11
		pio2bt  = 2.02226624879595063154e-21
	)
	y, tail, n := x, 0.0, 0
	if math.Abs(x) > 0.785398163397448279 {
		f := math.Floor(math.Abs(x)*invPio2 + 0.5)
		n = int(f)
		r, w := math.Abs(x)-float64(f*pio2a), float64(f*pio2at)
		y = r - w
		if math.Ilogb(x)-math.Ilogb(y) > 16 {
			t := r
			w = float64(f * pio2b)
			r = t - w
			w = float64(f*pio2bt) - ((t - r) - w)
			y = r - w
		}
		tail = (r - y) - w
		if x < 0 {
			y, tail, n = -y, -tail, -n
		}
	}
	s, c := kernelSin(y, tail), kernelCos(y, tail)
	switch n & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}

func horner(z float64, list ...float64) float64 {
	r := 0.0
	for _, c := range list {
		r = c + float64(z*r)
	}
	return r
}

func kernelSin(x, y float64) float64 {
	z := x * x
	v := z * x
	r := horner(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
		-1.98412698298579493134e-04, 8.33333333332248946124e-03)
	if y == 0 {
		return x + float64(v*(-1.66666666666666324348e-01+float64(z*r)))
	}
	return x - ((float64(z*(float64(0.5*y)-float64(v*r))) - y) - float64(v*-1.66666666666666324348e-01))
}

func kernelCos(x, y float64) float64 {
	z := x * x
	r := z * horner(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
		2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02)
	a := math.Abs(x)
	if a < 0.3 {
		return 1 - (float64(0.5*z) - (float64(z*r) - float64(x*y)))
	}
	q := 0.28125
	if a <= 0.78125 {
		q = math.Float64frombits((math.Float64bits(a)>>32 - 0x00200000) << 32)
	}
	return (1 - q) - ((float64(0.5*z) - q) - (float64(z*r) - float64(x*y)))
}

func TestTraceIsThatOfTheReference(t *testing.T) {
	want := map[int]map[int][]float64{ // by step and player, as printed by node
		0: {42: {325.4373260861499, 1477.4734144510535, 4.895851703926577, 100, 51, 17.9427696284899, -96.7008817161986}},
		37: {
			0:  {431.9468728700917, 1929.06140015566, 5.355154565693543, 100, 209, 104.74091778225579, -118.30041787033397},
			99: {271.3521416299045, 290.7534660771489, 5.055471347734026, 81, 167, 0, 0},
		},
		1199: {
			0:  {411.1198145115938, 612.8304390523465, 3.5570654018633237, 61, 239, -161.50519470506586, -81.51379502291583},
			57: {1502.955051625949, 615.8778852352814, 1.2949022743534853, 32, 249, 57.44743325249219, 202.9126640837404},
			99: {1704.354885709871, 476.06007091068443, 3.7780291721475114, 49, 187, -113.49172418033633, -106.07633387077951},
		},
	}
	tr := newTrace(100)
	for k := range 1200 {
		tr.step()
		for i, v := range want[k] {
			p := &tr.players[i]
			require.Equal(t, v, []float64{p.X, p.Y, p.Heading, float64(p.HP), float64(p.Score), p.VX, p.VY}, "step %d, player %d", k, i)
		}
	}
}
