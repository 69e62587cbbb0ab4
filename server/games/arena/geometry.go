package arena

import "math"

// vec is a point, a way or a velocity, in units or units per second; x to the right, y down.
//
// The explicit conversions of products below are not idle: they forbid the compiler to fuse a
// multiplication with an addition, which it does on some processors and not on others. So a room
// comes out the same on all of them.
type vec struct{ x, y float32 }

func (v vec) plus(w vec) vec          { return vec{v.x + w.x, v.y + w.y} }
func (v vec) minus(w vec) vec         { return vec{v.x - w.x, v.y - w.y} }
func (v vec) times(k float32) vec     { return vec{float32(v.x * k), float32(v.y * k)} }
func (v vec) dot(w vec) float32       { return float32(v.x*w.x) + float32(v.y*w.y) }
func (v vec) length() float32         { return sqrt(v.dot(v)) }
func (v vec) distance(w vec) float32  { return v.minus(w).length() }
func (v vec) left() vec               { return vec{v.y, -v.x} }
func (v vec) round(step float32) vec  { return vec{roundTo(v.x, step), roundTo(v.y, step)} }
func sqrt(x float32) float32          { return float32(math.Sqrt(float64(x))) }
func roundTo(x, step float32) float32 { return float32(float32(math.Round(float64(x/step))) * step) }

// limit shortens v to length most if it is longer.
func (v vec) limit(most float32) vec {
	if n := v.length(); n > most {
		return v.times(most / n)
	}
	return v
}

// clamp brings each part of v to within most of 0.
func (v vec) clamp(most float32) vec {
	return vec{min(max(v.x, -most), most), min(max(v.y, -most), most)}
}

// turn is a direction in 1/256 of a full turn, clockwise on the screen, 0 to the right. It wraps.
type turn = uint8

// directions are the unit vectors of all turns. They are rounded so that the last bit of a sine, in
// which processors differ, does not matter.
var directions = func() (d [256]vec) {
	for i := range d {
		sin, cos := math.Sincos(float64(i) * math.Pi / 128)
		d[i] = vec{float32(math.Round(cos*65536) / 65536), float32(math.Round(sin*65536) / 65536)}
	}
	return d
}()

// heading returns the turn nearest to v's direction.
func heading(v vec) turn {
	return turn(int(math.Round(math.Atan2(float64(v.y), float64(v.x)) * 128 / math.Pi)))
}

// sweep returns when a point that moves from `from` by move first touches the disc around centre, as a
// fraction of move; 0 if it starts inside. What is swept can't jump over anything, however fast.
func sweep(from, move, centre vec, radius float32) (at float32, hit bool) {
	m := from.minus(centre)
	c := m.dot(m) - float32(radius*radius)
	if c <= 0 {
		return 0, true
	}
	a, b := move.dot(move), m.dot(move)
	if b >= 0 { // moves away
		return 0, false
	}
	d := float32(b*b) - float32(a*c)
	if d < 0 { // passes by
		return 0, false
	}
	at = (-b - sqrt(d)) / a
	return at, at <= 1
}

// radians is a turn as state wants it.
func radians(t turn) float32 { return float32(t) * (math.Pi / 128) }
