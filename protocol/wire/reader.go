package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// How many levels of arrays and maps a message may have. The message's own array is the first.
const (
	MaxInboundDepth  = 16 // of what a client sends
	MaxOutboundDepth = 32 // of what a server sends: a game may wrap what it was sent
)

// MaxKey is how far an integer that is a map's key may be from 0: a JavaScript number holds it exactly.
const MaxKey = 1<<53 - 1

// The faults a Reader finds. Each is wrapped with the offset at which it was found.
var (
	ErrTruncated = errors.New("message ends in the middle of a value")
	ErrLength    = errors.New("length is larger than the rest of the message")
	ErrType      = errors.New("value has another type than the message calls for")
	ErrRange     = errors.New("number is out of range")
	ErrDepth     = errors.New("arrays and maps are nested too deeply")
	ErrUTF8      = errors.New("string is not valid UTF-8")
	ErrKey       = errors.New("a map's key is neither a str nor an integer of at most 53 bits")
	ErrTrailing  = errors.New("bytes are left after the last value")
)

// Reader walks msgpack values. The zero value reads nothing; Reset gives it bytes.
//
// After the first fault every method returns a zero value and Err tells the fault, so that a message
// is read field by field and checked once. What it returns as bytes aliases the input.
type Reader struct {
	b   []byte
	i   int
	err error
}

// NewReader returns a Reader of b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Reset makes the Reader start over with b.
func (r *Reader) Reset(b []byte) { *r = Reader{b: b} }

// Err is the first fault, nil while there was none.
func (r *Reader) Err() error { return r.err }

// Rest is how many bytes have not been read. It is 0 after a fault.
func (r *Reader) Rest() int {
	if r.err != nil {
		return 0
	}
	return len(r.b) - r.i
}

// Last is the last n bytes that were read. They alias the input.
func (r *Reader) Last(n int) []byte { return r.b[r.i-n : r.i] }

// Fail records err as the Reader's fault, unless it has one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%w (at byte %d)", err, r.i)
	}
}

// Finish fails with ErrTrailing if bytes are left, and returns Err.
func (r *Reader) Finish() error {
	if r.err == nil && r.i < len(r.b) {
		r.Fail(ErrTrailing)
	}
	return r.err
}

// take returns the next n bytes, or nil and a fault.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b)-r.i {
		r.Fail(ErrTruncated)
		return nil
	}
	b := r.b[r.i : r.i+n]
	r.i += n
	return b
}

// length reads a big-endian length of n bytes and checks that so many bytes can still follow.
func (r *Reader) length(n int) int {
	var v uint64
	for _, c := range r.take(n) {
		v = v<<8 | uint64(c)
	}
	if r.err == nil && v > uint64(len(r.b)-r.i) {
		r.Fail(ErrLength)
	}
	if r.err != nil {
		return 0
	}
	return int(v)
}

// code reads the byte that says what the next value is.
func (r *Reader) code() byte {
	b := r.take(1)
	if b == nil {
		return 0xc1 // never used by msgpack
	}
	return b[0]
}

// wrong reports that the value just begun has the wrong type.
func (r *Reader) wrong() {
	if r.err == nil {
		r.i--
		r.Fail(ErrType)
	}
}

// Int reads an integer of any width. An unsigned one above 2^63-1 is ErrRange.
func (r *Reader) Int() int64 {
	if r.err == nil && r.i < len(r.b) { // the common case, inlined: one byte
		if c := r.b[r.i]; c < 0x80 || c >= 0xe0 {
			r.i++
			return int64(int8(c))
		}
	}
	switch c := r.code(); c {
	case 0xcc, 0xcd, 0xce, 0xcf:
		v := r.bigEndian(1 << (c - 0xcc))
		if v > math.MaxInt64 {
			r.Fail(ErrRange)
			return 0
		}
		return int64(v)
	case 0xd0:
		return int64(int8(r.bigEndian(1)))
	case 0xd1:
		return int64(int16(r.bigEndian(2)))
	case 0xd2:
		return int64(int32(r.bigEndian(4)))
	case 0xd3:
		return int64(r.bigEndian(8))
	}
	r.wrong()
	return 0
}

// Integer reads an integer of any width. A negative one is v as an int64.
func (r *Reader) Integer() (v uint64, negative bool) {
	if r.err == nil && r.i < len(r.b) && r.b[r.i] == 0xcf {
		r.i++
		return r.bigEndian(8), false
	}
	i := r.Int()
	return uint64(i), i < 0
}

func (r *Reader) bigEndian(n int) uint64 {
	b := r.take(n)
	if b == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

// Uint32 reads an integer from 0 to 2^32-1; any other is ErrRange.
func (r *Reader) Uint32() uint32 {
	v := r.Int()
	if v < 0 || v > math.MaxUint32 {
		r.Fail(ErrRange)
		return 0
	}
	return uint32(v)
}

// Float reads a float 32, a float 64 or an integer.
func (r *Reader) Float() float64 {
	if r.err == nil && r.i < len(r.b) {
		switch r.b[r.i] {
		case 0xca:
			r.i++
			return float64(math.Float32frombits(uint32(r.bigEndian(4))))
		case 0xcb:
			r.i++
			return math.Float64frombits(r.bigEndian(8))
		}
	}
	return float64(r.Int())
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	switch r.code() {
	case 0xc2:
		return false
	case 0xc3:
		return true
	}
	r.wrong()
	return false
}

// Nil reports whether the next value is nil, and if so reads it.
func (r *Reader) Nil() bool {
	if r.err == nil && r.i < len(r.b) && r.b[r.i] == 0xc0 {
		r.i++
		return true
	}
	return false
}

// String reads a str, which must be valid UTF-8. The bytes alias the input.
func (r *Reader) String() []byte {
	b := r.text()
	if !utf8.Valid(b) {
		r.Fail(ErrUTF8)
		return nil
	}
	return b
}

// text reads a str.
func (r *Reader) text() []byte {
	var n int
	switch c := r.code(); {
	case c >= 0xa0 && c <= 0xbf:
		n = int(c & 0x1f)
	case c >= 0xd9 && c <= 0xdb:
		n = r.length(1 << (c - 0xd9))
	default:
		r.wrong()
		return nil
	}
	return r.take(n)
}

// Bytes reads a bin. The bytes alias the input.
func (r *Reader) Bytes() []byte {
	c := r.code()
	if c < 0xc4 || c > 0xc6 {
		r.wrong()
		return nil
	}
	return r.take(r.length(1 << (c - 0xc4)))
}

// Array reads an array's header and returns its number of elements, which is never larger than the
// number of bytes left: an element takes one byte at the least.
func (r *Reader) Array() int {
	switch c := r.code(); {
	case c >= 0x90 && c <= 0x9f:
		n := int(c & 0x0f)
		if n > len(r.b)-r.i {
			r.Fail(ErrLength)
			return 0
		}
		return n
	case c == 0xdc:
		return r.length(2)
	case c == 0xdd:
		return r.length(4)
	}
	r.wrong()
	return 0
}

// Map reads a map's header, if the next value is a map, and returns its number of pairs; each takes two
// bytes at the least, and that many are left.
func (r *Reader) Map() (pairs int, ok bool) {
	if r.err != nil || r.i >= len(r.b) {
		return 0, false
	}
	switch c := r.b[r.i]; {
	case c >= 0x80 && c <= 0x8f:
		r.i++
		pairs = int(c & 0x0f)
	case c == 0xde, c == 0xdf:
		r.i++
		pairs = r.length(2 << (c - 0xde))
	default:
		return 0, false
	}
	if r.err == nil && 2*pairs > len(r.b)-r.i {
		r.Fail(ErrLength)
		return 0, true
	}
	return pairs, true
}

// Raw reads one whole value of any type but extensions, checks it in depth, and returns its bytes,
// which alias the input. What it returns can be given to a decoder that trusts lengths.
func (r *Reader) Raw() []byte { return r.whole(MaxOutboundDepth, checkText) }

// Skip reads one whole value of any type but extensions and drops it.
func (r *Reader) Skip() { r.skip(MaxOutboundDepth, checkText) }

// Body reads a message's body, of at most so many levels of arrays and maps. It is Raw, but for maps' keys:
// others than strings and integers of at most 53 bits are ErrKey.
func (r *Reader) Body(levels int) []byte { return r.whole(levels, checkText|checkKeys) }

// Unchecked is Body for who looks at text and keys later: it only checks that lengths, types and levels
// make one whole value.
func (r *Reader) Unchecked(levels int) []byte { return r.whole(levels, 0) }

// checks are what skip looks at beside lengths, types and levels.
type checks uint8

const (
	checkText checks = 1 << iota
	checkKeys
)

func (r *Reader) whole(levels int, c checks) []byte {
	from := r.i
	r.skip(levels, c)
	if r.err != nil {
		return nil
	}
	return r.b[from:r.i]
}

// skip reads one value, which may have so many levels.
func (r *Reader) skip(levels int, check checks) {
	c := r.code()
	switch {
	case r.err != nil, c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
	case c <= 0x8f:
		r.skipItems(2*int(c&0x0f), true, levels, check)
	case c <= 0x9f:
		r.skipItems(int(c&0x0f), false, levels, check)
	case c <= 0xbf, c >= 0xd9 && c <= 0xdb:
		r.i--
		if b := r.text(); check&checkText != 0 && !utf8.Valid(b) {
			r.Fail(ErrUTF8)
		}
	case c >= 0xc4 && c <= 0xc6:
		r.i--
		r.Bytes()
	case c == 0xca:
		r.take(4)
	case c == 0xcb:
		r.take(8)
	case c >= 0xcc && c <= 0xcf:
		r.take(1 << (c - 0xcc))
	case c >= 0xd0 && c <= 0xd3:
		r.take(1 << (c - 0xd0))
	case c == 0xdc, c == 0xdd:
		r.skipItems(r.length(2<<(c-0xdc)), false, levels, check)
	case c == 0xde, c == 0xdf:
		r.skipItems(2*r.length(2<<(c-0xde)), true, levels, check)
	default: // extensions, too: the protocol has none
		r.wrong()
	}
}

// skipItems reads the n values of an array, or keys and values of a map.
func (r *Reader) skipItems(n int, pairs bool, levels int, check checks) {
	switch {
	case r.err != nil:
	case levels == 0:
		r.Fail(ErrDepth)
	case n > len(r.b)-r.i:
		r.Fail(ErrLength)
	}
	for i := 0; i < n && r.err == nil; i++ {
		if pairs && i%2 == 0 && check&checkKeys != 0 {
			r.checkKey()
		}
		r.skip(levels-1, check)
	}
}

// checkKey fails with ErrKey if what comes next can't be a map's key. It reads nothing.
func (r *Reader) checkKey() {
	switch r.Peek() {
	case TypeNone, TypeString:
	case TypeInt:
		key := *r // the key itself is read by who calls
		if v, negative := key.Integer(); key.err == nil && !IsKey(v, negative) {
			r.Fail(ErrKey)
		}
	default:
		r.Fail(ErrKey)
	}
}

// IsKey reports whether an integer, as Integer returns it, may be a map's key.
func IsKey(v uint64, negative bool) bool {
	if negative {
		v = -v
	}
	return v <= MaxKey
}
