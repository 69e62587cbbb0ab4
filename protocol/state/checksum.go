package state

import "math/bits"

// MurmurHash3_x86_32 with seed 0, one 32-bit word at a time: inputs are multiples of four bytes.
// Source: Austin Appleby, MurmurHash3.cpp, https://github.com/aappleby/smhasher (public domain).

func murmurWord(h, k uint32) uint32 {
	k *= 0xcc9e2d51
	k = bits.RotateLeft32(k, 15)
	k *= 0x1b873593
	h ^= k
	h = bits.RotateLeft32(h, 13)
	return h*5 + 0xe6546b64
}

func murmurEnd(h, length uint32) uint32 {
	h ^= length
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// hasher is the state of the hash of one entity, so that owner fields can follow the shared ones.
type hasher struct{ h, n uint32 }

func newHasher(table int, id ID) hasher {
	return hasher{murmurWord(murmurWord(0, uint32(table)), uint32(id)), 8}
}

func (s *hasher) number(v int64) {
	s.h = murmurWord(murmurWord(s.h, uint32(v)), uint32(uint64(v)>>32))
	s.n += 8
}

func (s *hasher) text(v string) {
	s.h = murmurWord(s.h, uint32(len(v)))
	s.n += 4
	for len(v) >= 4 {
		s.h = murmurWord(s.h, uint32(v[0])|uint32(v[1])<<8|uint32(v[2])<<16|uint32(v[3])<<24)
		s.n += 4
		v = v[4:]
	}
	if len(v) > 0 {
		var k uint32
		for i := range len(v) {
			k |= uint32(v[i]) << (8 * i)
		}
		s.h = murmurWord(s.h, k)
		s.n += 4
	}
}

func (s hasher) sum() uint32 { return murmurEnd(s.h, s.n) }
