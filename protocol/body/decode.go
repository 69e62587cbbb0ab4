package body

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tickhall/tickhall/protocol/wire"
)

// What decoding may allocate: so much for each byte of the message, and so much in any case. Values that are written
// out in full stay far below.
const (
	memoryPerByte = 64
	memoryAtLeast = 4 << 10
)

// A Fault is what is wrong with a body: a value that does not fit its field.
type Fault struct {
	Field string // such as "card", "pos.x" or "items[3]"; "" for the body as a whole
	Says  string // what came, and what the field wants
	Err   error  // the wire's, if the fault is not one of a type: wire.ErrDepth, wire.ErrUTF8 and so on
}

func (f *Fault) Error() string {
	if f.Field == "" {
		return f.Says
	}
	return fmt.Sprintf("field %q: %s", f.Field, f.Says)
}

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }

// Decoder is what decoding needs beside a Codec. Keep one for each goroutine, so that decoding numbers allocates nothing.
type Decoder struct {
	r      *wire.Reader
	memory int // bytes that may still be allocated
	levels int
	own    bool // what Codec.Append wrote: nothing of it is doubted but its form
	fault  *Fault
}

// Reset makes the Decoder read from r: what is left in it bounds how much memory is allocated. A body may have so many
// levels of arrays and maps.
func (d *Decoder) Reset(r *wire.Reader, levels int) {
	*d = Decoder{r: r, memory: memoryAtLeast + memoryPerByte*r.Rest(), levels: levels}
}

// ResetOwn makes the Decoder read from r what Codec.Append wrote, which may be what no client may send: a game's code
// has seen it meanwhile.
func (d *Decoder) ResetOwn(r *wire.Reader) {
	*d = Decoder{r: r, memory: math.MaxInt, levels: math.MaxInt, own: true}
}

// Decode reads one value from d's Reader into the variable at v, which is of the codec's type and zero. The error is a
// *Fault; v is then partly filled, and the Reader somewhere within the value.
func (c *Codec) Decode(d *Decoder, v unsafe.Pointer) error {
	if !c.root.decode(d, v, d.levels) {
		return d.fault
	}
	return nil
}

// fail notes a fault in the value just looked at. It returns false.
func (d *Decoder) fail(err error, format string, args ...any) bool {
	if d.fault == nil {
		d.fault = &Fault{Says: fmt.Sprintf(format, args...), Err: err}
	}
	return false
}

// broken notes the Reader's own fault.
func (d *Decoder) broken() bool { return d.fail(d.r.Err(), "%v", d.r.Err()) }

// in tells in which part of the value around it the fault is. It returns false.
func (d *Decoder) in(step string) bool {
	f := d.fault
	if f.Field != "" && f.Field[0] != '[' {
		step += "."
	}
	f.Field = step + f.Field
	return false
}

// allocate asks for n times size bytes.
func (d *Decoder) allocate(n int, size uintptr) bool {
	if size > 0 && n > d.memory/int(size) {
		return d.fail(wire.ErrLength, "%d elements of %d bytes take more memory than a message of this length may", n, size)
	}
	d.memory -= n * int(size)
	return true
}

// wants says what fits a type, for people.
func (n *node) wants() string {
	switch n.op {
	case opBool:
		return "bool: true, false, 0 or 1"
	case opInt, opUint:
		return fmt.Sprintf("%s: %d to %d", n.name, n.least, n.most)
	case opFloat:
		return n.name + ": a finite number"
	case opString:
		return "string: a str of valid UTF-8"
	case opBytes:
		return "bytes: a bin"
	case opByteArray:
		return fmt.Sprintf("%s: a bin of %d bytes", n.name, n.typ.Len())
	case opSlice:
		return n.name + ": an array"
	case opArray:
		return fmt.Sprintf("%s: an array of %d", n.name, n.typ.Len())
	case opPointer:
		return n.elem.wants()
	case opStruct:
		return fmt.Sprintf("a map of %s, or an array of all %d", n.names(), len(n.fields))
	}
	return n.name + ": a map"
}

// names are a struct's fields, for people.
func (n *node) names() string {
	if len(n.fields) == 0 {
		return "no fields"
	}
	names := make([]string, len(n.fields))
	for i := range n.fields {
		names[i] = n.fields[i].name
	}
	return shorten(strings.Join(names, ", "), 200)
}

func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return wire.Cut(s, n) + "..."
}

// misfit notes that the next value is of the wrong type.
func (n *node) misfit(d *Decoder) bool {
	if d.r.Err() != nil {
		return d.broken()
	}
	if d.r.Peek() == wire.TypeNone {
		return d.fail(wire.ErrTruncated, "%v", wire.ErrTruncated)
	}
	return d.fail(wire.ErrType, "%v does not fit %s", d.r.Peek(), n.wants())
}

// outside notes that a number does not fit.
func (n *node) outside(d *Decoder, v string) bool {
	return d.fail(wire.ErrRange, "%s does not fit %s", v, n.wants())
}

// decode reads one value into the zero value at p. Up to levels arrays and maps may stand in each other.
func (n *node) decode(d *Decoder, p unsafe.Pointer, levels int) bool {
	if d.r.Nil() {
		return true
	}
	switch n.op {
	case opBool:
		return n.boolean(d, (*bool)(p))
	case opInt, opUint:
		v, ok := n.integer(d)
		switch n.size {
		case 1:
			*(*uint8)(p) = uint8(v)
		case 2:
			*(*uint16)(p) = uint16(v)
		case 4:
			*(*uint32)(p) = uint32(v)
		default:
			*(*uint64)(p) = v
		}
		return ok
	case opFloat:
		v, ok := n.float(d)
		if n.size == 4 {
			*(*float32)(p) = float32(v)
		} else {
			*(*float64)(p) = v
		}
		return ok
	case opString:
		return n.text(d, (*string)(p))
	case opPointer:
		if !d.allocate(1, n.elem.size) {
			return false
		}
		v := reflect.New(n.elem.typ)
		reflect.NewAt(n.typ, p).Elem().Set(v.Convert(n.typ))
		return n.elem.decode(d, v.UnsafePointer(), levels)
	case opBytes, opByteArray:
		return n.bytes(d, p, levels)
	}
	if t := d.r.Peek(); (t == wire.TypeArray || t == wire.TypeMap) && levels == 0 {
		return d.fail(wire.ErrDepth, "%v", wire.ErrDepth)
	}
	switch n.op {
	case opSlice:
		return n.slice(d, p, levels-1)
	case opArray:
		return n.array(d, p, levels-1)
	case opMap:
		return n.mapping(d, p, levels-1)
	}
	return n.structure(d, p, levels-1)
}

func (n *node) boolean(d *Decoder, p *bool) bool {
	switch d.r.Peek() {
	case wire.TypeBool:
		*p = d.r.Bool()
		return true
	case wire.TypeInt:
		v, negative := d.r.Integer()
		if d.r.Err() != nil {
			return d.broken()
		}
		if v > 1 {
			return n.outside(d, formatInt(v, negative))
		}
		*p = v == 1
		return true
	case wire.TypeFloat:
		v := d.r.Float()
		if d.r.Err() != nil {
			return d.broken()
		}
		if v != 0 && v != 1 {
			return n.outside(d, formatFloat(v))
		}
		*p = v == 1
		return true
	}
	return n.misfit(d)
}

func formatInt(v uint64, negative bool) string {
	if negative {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatUint(v, 10)
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// maxExact is how far a float without a fraction may be from 0 to be read as an integer: beyond, it may have been another
// one.
const maxExact = 1 << 53

// integer reads an integer within n's range, or a float that is one. It returns the bits of n's type.
func (n *node) integer(d *Decoder) (uint64, bool) {
	switch d.r.Peek() {
	case wire.TypeInt:
		v, negative := d.r.Integer()
		if d.r.Err() != nil {
			return 0, d.broken()
		}
		if !n.holds(v, negative) {
			return 0, n.outside(d, formatInt(v, negative))
		}
		return v, true
	case wire.TypeFloat:
		v := d.r.Float()
		if d.r.Err() != nil {
			return 0, d.broken()
		}
		if v != math.Trunc(v) || math.Abs(v) > maxExact || !n.holds(uint64(int64(v)), v < 0) {
			return 0, n.outside(d, formatFloat(v))
		}
		return uint64(int64(v)), true
	}
	return 0, n.misfit(d)
}

func (n *node) holds(v uint64, negative bool) bool {
	if negative {
		return int64(v) >= n.least
	}
	return v <= n.most
}

func (n *node) float(d *Decoder) (v float64, ok bool) {
	switch d.r.Peek() {
	case wire.TypeInt:
		i, negative := d.r.Integer()
		if v = float64(i); negative {
			v = float64(int64(i))
		}
	case wire.TypeFloat:
		v = d.r.Float()
	default:
		return 0, n.misfit(d)
	}
	if d.r.Err() != nil {
		return 0, d.broken()
	}
	finite := !math.IsNaN(v) && !math.IsInf(v, 0) && (n.size == 8 || !math.IsInf(float64(float32(v)), 0))
	if !finite && !d.own {
		return 0, n.outside(d, formatFloat(v))
	}
	return v, true
}

func (n *node) text(d *Decoder, p *string) bool {
	t := d.r.Peek()
	if t == wire.TypeBytes && d.own {
		*p = string(d.r.Bytes())
		return d.r.Err() == nil || d.broken()
	}
	if t != wire.TypeString {
		return n.misfit(d)
	}
	s, ok := n.str(d)
	*p = string(s)
	return ok
}

// str reads a str.
func (n *node) str(d *Decoder) ([]byte, bool) {
	s := d.r.String()
	if err := d.r.Err(); errors.Is(err, wire.ErrUTF8) {
		return nil, d.fail(err, "a str that is not valid UTF-8 does not fit %s", n.wants())
	} else if err != nil {
		return nil, d.broken()
	}
	return s, d.allocate(1, uintptr(len(s)))
}

// bytes reads a bin, or an array of small integers, into a slice or an array of bytes.
func (n *node) bytes(d *Decoder, p unsafe.Pointer, levels int) bool {
	var from []byte
	count, listed := 0, false
	switch d.r.Peek() {
	case wire.TypeBytes:
		from = d.r.Bytes()
		count = len(from)
	case wire.TypeArray, wire.TypeMap:
		if levels == 0 {
			return d.fail(wire.ErrDepth, "%v", wire.ErrDepth)
		}
		var ok bool
		if count, ok = n.length(d); !ok {
			return false
		}
		listed = true
	default:
		return n.misfit(d)
	}
	if d.r.Err() != nil {
		return d.broken()
	}
	var to []byte
	if n.op == opByteArray {
		if count != n.typ.Len() {
			return d.fail(wire.ErrLength, "%d bytes do not fit %s", count, n.wants())
		}
		to = unsafe.Slice((*byte)(p), count)
	} else {
		if !d.allocate(count, 1) {
			return false
		}
		to = make([]byte, count)
		*(*[]byte)(p) = to
	}
	if !listed {
		copy(to, from)
		return true
	}
	for i := range to {
		if !n.elem.decode(d, unsafe.Pointer(&to[i]), 0) {
			return d.in("[" + strconv.Itoa(i) + "]")
		}
	}
	return true
}

// length reads the header of an array. An empty map is an empty array: some languages do not tell them apart.
func (n *node) length(d *Decoder) (int, bool) {
	return n.count(d, wire.TypeArray, wire.TypeMap)
}

// pairs reads the header of a map. An empty array is an empty map.
func (n *node) pairs(d *Decoder) (int, bool) {
	return n.count(d, wire.TypeMap, wire.TypeArray)
}

// count reads the header of an array or a map, whichever is called for. The other one must be empty.
func (n *node) count(d *Decoder, called, other wire.Type) (count int, ok bool) {
	t, before := d.r.Peek(), *d.r
	switch t {
	case wire.TypeArray:
		count = d.r.Array()
	case wire.TypeMap:
		count, _ = d.r.Map()
	}
	switch {
	case d.r.Err() != nil:
		return 0, d.broken()
	case t != called && (t != other || count > 0):
		*d.r = before
		return 0, n.misfit(d)
	}
	return count, true
}

func (n *node) slice(d *Decoder, p unsafe.Pointer, levels int) bool {
	count, ok := n.length(d)
	if !ok || !d.allocate(count, n.elem.size) {
		return false
	}
	list := reflect.MakeSlice(n.typ, count, count)
	reflect.NewAt(n.typ, p).Elem().Set(list)
	return n.elements(d, list.UnsafePointer(), count, levels)
}

func (n *node) array(d *Decoder, p unsafe.Pointer, levels int) bool {
	count, ok := n.length(d)
	if !ok {
		return false
	}
	if count != n.typ.Len() {
		return d.fail(wire.ErrLength, "an array of %d does not fit %s", count, n.wants())
	}
	return n.elements(d, p, count, levels)
}

func (n *node) elements(d *Decoder, p unsafe.Pointer, count, levels int) bool {
	for i := range count {
		if !n.elem.decode(d, unsafe.Add(p, uintptr(i)*n.elem.size), levels) {
			return d.in("[" + strconv.Itoa(i) + "]")
		}
	}
	return true
}

// entryOverhead is about what an entry of a Go map takes beside key and value.
const entryOverhead = 16

func (n *node) mapping(d *Decoder, p unsafe.Pointer, levels int) bool {
	count, ok := n.pairs(d)
	if !ok || !d.allocate(count, 2*(n.key.size+n.elem.size)+entryOverhead) {
		return false
	}
	m := reflect.MakeMapWithSize(n.typ, count)
	reflect.NewAt(n.typ, p).Elem().Set(m)
	key, value := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	for range count {
		key.Elem().SetZero()
		value.Elem().SetZero()
		if !n.key.keyed(d, key.UnsafePointer()) {
			return d.in("[key]")
		}
		if m.MapIndex(key.Elem()).IsValid() {
			return d.fail(wire.ErrKey, "the key %s is there twice", shorten(fmt.Sprint(key.Elem()), 32))
		}
		if !n.elem.decode(d, value.UnsafePointer(), levels) {
			return d.in("[" + shorten(fmt.Sprint(key.Elem()), 32) + "]")
		}
		m.SetMapIndex(key.Elem(), value.Elem())
	}
	return true
}

// keyed reads a map's key. Integers and their digits stand for each other: JavaScript's objects have strings only, and
// PHP makes "1" an integer.
func (n *node) keyed(d *Decoder, p unsafe.Pointer) bool {
	t := d.r.Peek()
	switch {
	case t == wire.TypeBytes && n.op == opString && d.own:
		return n.text(d, (*string)(p))
	case t == wire.TypeString && n.op == opString:
		return n.text(d, (*string)(p))
	case t == wire.TypeString:
		s, ok := n.str(d)
		if !ok {
			return false
		}
		v, ok := digits(s)
		if !ok {
			return d.fail(wire.ErrKey, "the key %q does not fit %s", shorten(string(s), 32), n.wants())
		}
		return n.setKey(d, p, v, s[0] == '-')
	case t != wire.TypeInt:
		return n.misfit(d)
	}
	v, negative := d.r.Integer()
	if d.r.Err() != nil {
		return d.broken()
	}
	if n.op == opString {
		if !d.own && !wire.IsKey(v, negative) {
			return d.fail(wire.ErrKey, "%v", wire.ErrKey)
		}
		*(*string)(p) = formatInt(v, negative)
		return true
	}
	return n.setKey(d, p, v, negative)
}

// digits reads an integer as formatInt writes it.
func digits(s []byte) (v uint64, ok bool) {
	text := string(s)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(i), strconv.FormatInt(i, 10) == text
	}
	v, err := strconv.ParseUint(text, 10, 64)
	return v, err == nil && strconv.FormatUint(v, 10) == text
}

func (n *node) setKey(d *Decoder, p unsafe.Pointer, v uint64, negative bool) bool {
	switch {
	case !d.own && !wire.IsKey(v, negative):
		return d.fail(wire.ErrKey, "%v", wire.ErrKey)
	case !n.holds(v, negative):
		return n.outside(d, formatInt(v, negative))
	}
	switch n.size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
	return true
}

// structure reads a map of some fields by name, or an array of all in order.
func (n *node) structure(d *Decoder, p unsafe.Pointer, levels int) bool {
	switch d.r.Peek() {
	case wire.TypeArray:
		count := d.r.Array()
		if d.r.Err() != nil {
			return d.broken()
		}
		if count == 0 {
			return true
		}
		if count != len(n.fields) {
			return d.fail(wire.ErrLength, "an array of %d does not fit %s", count, n.wants())
		}
		for i := range n.fields {
			if !n.fields[i].decode(d, p, levels) {
				return false
			}
		}
		return true
	case wire.TypeMap:
		return n.byNames(d, p, levels)
	}
	return n.misfit(d)
}

func (f *field) decode(d *Decoder, p unsafe.Pointer, levels int) bool {
	return f.node.decode(d, unsafe.Add(p, f.offset), levels) || d.in(f.name)
}

// manyFields is how many fields are kept account of without allocating.
const manyFields = 256

func (n *node) byNames(d *Decoder, p unsafe.Pointer, levels int) bool {
	count, _ := d.r.Map()
	if d.r.Err() != nil {
		return d.broken()
	}
	var few [manyFields / 64]uint64
	seen := few[:]
	if len(n.fields) > manyFields {
		seen = make([]uint64, (len(n.fields)+63)/64)
	}
	for range count {
		if t := d.r.Peek(); t != wire.TypeString && t != wire.TypeNone {
			return d.fail(wire.ErrKey, "%v is no field's name: want %s", t, n.names())
		}
		name := d.r.String()
		if d.r.Err() != nil {
			return d.broken()
		}
		i, ok := n.byName[string(name)]
		if !ok {
			return d.fail(wire.ErrKey, "there is no field %q: want %s", shorten(string(name), 64), n.names())
		}
		if seen[i/64]&(1<<(i%64)) != 0 {
			return d.fail(wire.ErrKey, "field %q is there twice", n.fields[i].name)
		}
		seen[i/64] |= 1 << (i % 64)
		if !n.fields[i].decode(d, p, levels) {
			return false
		}
	}
	return true
}
