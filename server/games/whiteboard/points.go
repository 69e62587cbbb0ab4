package whiteboard

import "github.com/tickhall/tickhall/room"

const (
	// maxPoints is the most points of one message.
	maxPoints = 128
	// pointBytes is the most that one point takes: twice 13 bits, 5 to the byte.
	pointBytes = 6
)

type point struct{ x, y int }

// parse reads points sent as x0, y0, x1, y1, and so on.
func parse(flat []int) ([]point, error) {
	if len(flat) == 0 || len(flat)%2 != 0 || len(flat) > 2*maxPoints {
		return nil, room.Errorf("bad_points", "points are 1 to %d pairs of x and y in one list", maxPoints)
	}
	points := make([]point, 0, len(flat)/2)
	for i := 0; i < len(flat); i += 2 {
		p := point{flat[i], flat[i+1]}
		if !p.onBoard() {
			return nil, room.Errorf("bad_points", "point %d, %d is not within 0 to %d and 0 to %d", p.x, p.y, Width, Height)
		}
		points = append(points, p)
	}
	return points, nil
}

func (p point) onBoard() bool { return p.x >= 0 && p.x <= Width && p.y >= 0 && p.y <= Height }

// appendPoint appends p, as seen from the point before it: each coordinate's difference, zigzag, in groups of
// five bits, lowest first, 32 added where more follow, and 63 to make it a printable character. This is Google's
// "Encoded Polyline Algorithm Format", in whole units.
func appendPoint(b []byte, p, before point) []byte {
	for _, d := range [2]int{p.x - before.x, p.y - before.y} {
		v := uint(d<<1) ^ uint(d>>63)
		for ; v >= 32; v >>= 5 {
			b = append(b, byte(v&31|32)+63)
		}
		b = append(b, byte(v)+63)
	}
	return b
}
