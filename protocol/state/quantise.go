package state

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// column holds one field of every entity of a snapshot, in ascending order of id: in narrow if 32 bits
// hold every value that the Go type can have, so that the ring takes half the memory; else in wide; a
// string's in text. Snapshots share a column that did not change between them.
type column struct {
	narrow []int32
	wide   []int64
	text   []string
	ids    []ID // of the last column of a table, which holds them
	users  int  // how many snapshots hold it
}

// equal reports whether both hold the same values. They are of one field.
func (c *column) equal(o *column) bool {
	return slices.Equal(c.narrow, o.narrow) && slices.Equal(c.wide, o.wide) && slices.Equal(c.text, o.text)
}

// columns are the spare columns of one field.
type columns struct {
	spare []*column
	least int // fewest spare ones since trim
}

// take returns a column for a new snapshot.
func (s *columns) take() *column {
	n := len(s.spare) - 1
	s.least = min(s.least, max(n, 0))
	if n < 0 {
		return new(column)
	}
	c := s.spare[n]
	s.spare[n], s.spare = nil, s.spare[:n]
	return c
}

// put takes back a column that a snapshot no longer holds.
func (s *columns) put(c *column) {
	if c.users--; c.users <= 0 {
		clear(c.text) // else it would keep strings alive
		c.users = 0
		s.spare = append(s.spare, c)
	}
}

// trim frees the columns that were spare throughout.
func (s *columns) trim() {
	n := len(s.spare) - s.least
	clear(s.spare[n:])
	s.spare = s.spare[:n]
	s.least = n
}

func isWide(k reflect.Kind) bool {
	switch k {
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// number is the value at rank i of a column that is not text.
func (c *column) number(i int) int64 {
	if c.wide != nil {
		return c.wide[i]
	}
	return int64(c.narrow[i])
}

// quantise reads m from each row's struct.
func (c *column) quantise(m *member, rows []unsafe.Pointer) {
	switch n := len(rows); {
	case m.Type == String:
		return // see texts
	case isWide(m.kind):
		c.wide = sized(c.wide, n)
	default:
		c.narrow = sized(c.narrow, n)
	}
	switch m.kind {
	case reflect.Bool:
		readNarrow[uint8](c.narrow, rows, m.offset)
	case reflect.Int8:
		readNarrow[int8](c.narrow, rows, m.offset)
	case reflect.Int16:
		readNarrow[int16](c.narrow, rows, m.offset)
	case reflect.Int32:
		readNarrow[int32](c.narrow, rows, m.offset)
	case reflect.Uint8:
		readNarrow[uint8](c.narrow, rows, m.offset)
	case reflect.Uint16:
		readNarrow[uint16](c.narrow, rows, m.offset)
	case reflect.Int:
		readSigned[int](c.wide, rows, m.offset)
	case reflect.Int64:
		readSigned[int64](c.wide, rows, m.offset)
	case reflect.Uint:
		readUnsigned[uint](c.wide, rows, m.offset)
	case reflect.Uint32:
		readUnsigned[uint32](c.wide, rows, m.offset)
	case reflect.Uint64:
		readUnsigned[uint64](c.wide, rows, m.offset)
	case reflect.Float32:
		readFloats[float32](c.narrow, rows, m)
	case reflect.Float64:
		readFloats[float64](c.narrow, rows, m)
	}
}

func readNarrow[N int8 | int16 | int32 | uint8 | uint16](dst []int32, rows []unsafe.Pointer, offset uintptr) {
	for i, p := range rows {
		dst[i] = int32(*(*N)(unsafe.Add(p, offset)))
	}
}

func readSigned[N int | int64](dst []int64, rows []unsafe.Pointer, offset uintptr) {
	for i, p := range rows {
		dst[i] = min(max(int64(*(*N)(unsafe.Add(p, offset))), -MaxInt), MaxInt)
	}
}

func readUnsigned[N uint | uint32 | uint64](dst []int64, rows []unsafe.Pointer, offset uintptr) {
	for i, p := range rows {
		dst[i] = int64(min(uint64(*(*N)(unsafe.Add(p, offset))), MaxInt))
	}
}

func readFloats[N float32 | float64](dst []int32, rows []unsafe.Pointer, m *member) {
	if m.Type == Angle {
		scale, turn := float64(m.Den)/(2*math.Pi), int64(m.Den)
		for i, p := range rows {
			dst[i] = int32(quantiseAngle(float64(*(*N)(unsafe.Add(p, m.offset))), scale, turn))
		}
		return
	}
	scale := float64(m.Den) / float64(m.Num)
	for i, p := range rows {
		dst[i] = int32(quantiseFloat(float64(*(*N)(unsafe.Add(p, m.offset))), scale))
	}
}

// quantiseFloat rounds x*scale to the nearest integer, halves up. The conversion keeps a compiler from
// fusing the product with the sum, which would round differently on some architectures.
func quantiseFloat(x, scale float64) int64 {
	y := float64(x*scale) + 0.5
	if y > -MaxFloat && y < MaxFloat {
		return int64(math.Floor(y))
	}
	switch {
	case y >= MaxFloat:
		return MaxFloat
	case y <= -MaxFloat:
		return -MaxFloat
	}
	return 0 // NaN
}

// quantiseAngle rounds an angle to one of turn units, halves up.
func quantiseAngle(x, scale float64, turn int64) int64 {
	y := float64(x * scale)
	if !(y > -MaxInt && y < MaxInt) {
		y = math.Mod(y, float64(turn))
		if y != y { // NaN, and what is left of infinity
			return 0
		}
	}
	q := int64(math.Floor(y + 0.5))
	if q < 0 || q >= turn {
		if q %= turn; q < 0 {
			q += turn
		}
	}
	return q
}

// textCache keeps what was last read from a string field, and what of it is sent, by slot, so that
// only a string that changed is checked.
type textCache struct{ raw, clean []string }

func (c *textCache) quantise(col *column, m *member, rows []unsafe.Pointer, ids []ID, top int) {
	for len(c.raw) < top {
		c.raw, c.clean = append(c.raw, ""), append(c.clean, "")
	}
	col.text = sized(col.text, len(rows))
	for i, p := range rows {
		s, slot := *(*string)(unsafe.Add(p, m.offset)), ids[i]-1
		if s != c.raw[slot] {
			c.raw[slot], c.clean[slot] = s, cleanText(s)
		}
		col.text[i] = c.clean[slot]
	}
}

// cleanText makes s valid UTF-8 of at most MaxString bytes.
func cleanText(s string) string {
	if s = cut(s); utf8.ValidString(s) {
		return s
	}
	return cut(strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// cut cuts s at MaxString bytes, or up to three earlier if a rune stands across that place.
func cut(s string) string {
	if len(s) <= MaxString {
		return s
	}
	for n := MaxString; n > MaxString-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
	return s[:MaxString]
}

// sized returns s with length n. Its elements are not cleared.
func sized[E any](s []E, n int) []E {
	if n <= cap(s) {
		return s[:n]
	}
	return make([]E, n, n+n/4+4)
}
