package client

import "math"

// maxExtrapolate is how far beyond the newest snapshot an entity moves on, in seconds.
const maxExtrapolate = 0.25

// showDelay is how many ticks the shown moment lies behind what arrives.
const showDelay = 2

// lerp is the value at s, 0 to 1, between a and b.
func lerp(a, b, s float64) float64 { return a + (b-a)*s }

// hermite is the value at s, 0 to 1, of the cubic that leaves a with rate va and reaches b with rate
// vb, the rates being per second and the way taking dt seconds (Hermite interpolation; see Bartels,
// Beatty, Barsky: "An Introduction to Splines for Use in Computer Graphics", chapter 3).
func hermite(a, va, b, vb, dt, s float64) float64 {
	s2, s3 := s*s, s*s*s
	return (2*s3-3*s2+1)*a + (s3-2*s2+s)*dt*va + (3*s2-2*s3)*b + (s3-s2)*dt*vb
}

// lerpAngle is the angle at s, 0 to 1, on the shorter way from a to b, within [0, turn). turn is the
// length of a whole turn in the angles' unit.
func lerpAngle(a, b, s, turn float64) float64 {
	way := math.Remainder(b-a, turn)
	at := math.Mod(a+way*s, turn)
	if at < 0 {
		at += turn
	}
	if at >= turn { // a tiny negative number plus turn
		at = 0
	}
	return at
}

// extrapolated is how many seconds beyond the newest snapshot are shown when elapsed have passed.
func extrapolated(elapsed float64) float64 { return min(max(elapsed, 0), maxExtrapolate) }
