package state

import "unsafe"

// Memory estimates how many bytes the world takes: rows, strings, the snapshots of the ring, and spare
// buffers. What the author's rows point to is not in it, but for strings of fields that are sent. It takes time in
// proportion to the number of strings.
func (w *World) Memory() int {
	total := 0
	for i, t := range w.tables {
		total += cap(t.owners) * (int(t.typ.Size()) + int(2*unsafe.Sizeof(uint32(0))+unsafe.Sizeof(int32(0))))
		total += cap(t.enters) + cap(t.rows)*int(unsafe.Sizeof(uintptr(0))) + cap(t.hashes)*int(unsafe.Sizeof(hasher{}))
		total += cap(t.removed) * int(unsafe.Sizeof(removal{}))
		for f := range t.texts {
			c := &t.texts[f]
			total += (cap(c.raw) + cap(c.clean)) * int(unsafe.Sizeof(""))
			for slot, raw := range c.raw {
				total += len(raw)
				if clean := c.clean[slot]; unsafe.StringData(clean) != unsafe.StringData(raw) {
					total += len(clean)
				}
			}
		}
		for f := range t.spare {
			for _, c := range t.spare[f].spare {
				total += c.memory()
			}
			var last *column
			for back := uint64(1); back <= min(w.count, uint64(len(w.ring))); back++ { // snapshots that share a column are neighbours
				s := &w.ring[(w.count-back)%uint64(len(w.ring))]
				if i >= len(s.tables) || s.tables[i].columns[f] == nil {
					continue
				}
				if c := s.tables[i].columns[f]; c != last {
					total += c.memory()
					last = c
				}
			}
		}
	}
	return total + cap(w.key) + cap(w.stage)
}

func (c *column) memory() int {
	return int(unsafe.Sizeof(*c)) + cap(c.narrow)*4 + cap(c.wide)*8 + cap(c.text)*int(unsafe.Sizeof("")) + cap(c.ids)*4
}
