package gateway

// frames follows the headers of the WebSocket frames in what a client sends (RFC 6455, 5.2), before gws sees them. The zero
// value stands before the first frame.
type frames struct {
	head [10]byte // of the header that is coming, but for the mask's key
	have int      // bytes of it
	left uint64   // bytes of the frame to come, the key included
}

// scan takes what has been read. extra is how many frames began in it that are no messages of one frame: control frames, empty ones,
// fragments. It reports false for a length with its top bit set, which is no length; gws 1.8.9 panics on it.
func (f *frames) scan(b []byte) (extra int, ok bool) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(b)))
			b, f.left = b[n:], f.left-n
			continue
		}
		f.head[f.have] = b[0]
		b, f.have = b[1:], f.have+1
		if f.have < 2 {
			continue
		}
		size, code := 2, f.head[1]&127
		switch code {
		case 126:
			size = 4
		case 127:
			size = 10
		}
		if f.have < size {
			continue
		}
		length := uint64(code)
		if size > 2 {
			length = 0
			for _, c := range f.head[2:size] {
				length = length<<8 | uint64(c)
			}
		}
		if length>>63 != 0 {
			return extra, false
		}
		if op := f.head[0] & 15; f.head[0]&0x80 == 0 || op == 0 || op >= 8 || length == 0 {
			extra++
		}
		f.have, f.left = 0, length
		if f.head[1]&0x80 != 0 {
			f.left += 4
		}
	}
	return extra, true
}
