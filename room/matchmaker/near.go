package matchmaker

import "math"

// near finds, among units of one size in the order of skill, the next one that accepts a skill: to the right the
// first whose skill less its window is at most that skill, to the left the last whose skill plus its window is at least
// that. It is two segment trees over all places, in which places of other sizes and those removed accept nobody; a
// look-up takes O(log n).
type near struct {
	leaves int
	reach  []float64 // by node: the least skill less window below it
	cover  []float64 // by node: the greatest skill plus window
}

// newNear returns nil if no unit has that size.
func newNear(bySkill []*unit, size int) *near {
	n := &near{leaves: 1}
	for n.leaves < len(bySkill) {
		n.leaves *= 2
	}
	n.reach, n.cover = make([]float64, 2*n.leaves), make([]float64, 2*n.leaves)
	for i := range n.reach {
		n.reach[i], n.cover[i] = math.Inf(1), math.Inf(-1)
	}
	some := false
	for i, u := range bySkill {
		if u.size == size {
			some = true
			n.reach[n.leaves+i], n.cover[n.leaves+i] = u.skill-u.window, u.skill+u.window
		}
	}
	if !some {
		return nil
	}
	for i := n.leaves - 1; i > 0; i-- {
		n.sum(i)
	}
	return n
}

func (n *near) sum(i int) {
	n.reach[i], n.cover[i] = min(n.reach[2*i], n.reach[2*i+1]), max(n.cover[2*i], n.cover[2*i+1])
}

func (n *near) remove(place int) {
	i := n.leaves + place
	n.reach[i], n.cover[i] = math.Inf(1), math.Inf(-1)
	for i /= 2; i > 0; i /= 2 {
		n.sum(i)
	}
}

// right is the first place from `from` on whose unit accepts skill, or -1.
func (n *near) right(from int, skill float64) int {
	if from >= n.leaves {
		return -1
	}
	i := n.leaves + from
	for n.reach[i] > skill {
		for i&1 == 1 { // a right child: nothing below its parent is left
			i >>= 1
		}
		if i == 0 {
			return -1
		}
		i++
	}
	for i < n.leaves {
		if i *= 2; n.reach[i] > skill {
			i++
		}
	}
	return i - n.leaves
}

// left is the last place up to `from` whose unit accepts skill, or -1.
func (n *near) left(from int, skill float64) int {
	if from < 0 {
		return -1
	}
	i := n.leaves + from
	for n.cover[i] < skill {
		for i&1 == 0 { // a left child
			i >>= 1
		}
		if i == 1 {
			return -1
		}
		i--
	}
	for i < n.leaves {
		if i = 2*i + 1; n.cover[i] < skill {
			i--
		}
	}
	return i - n.leaves
}
