package body

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Append appends the value of the codec's type at v, for a Decoder that was Reset to what is its own. Equal values
// become equal bytes, in which structs are arrays, and strings that are no UTF-8 are bin.
func (c *Codec) Append(b []byte, v unsafe.Pointer) []byte { return c.root.append(b, v) }

func (n *node) append(b []byte, p unsafe.Pointer) []byte {
	switch n.op {
	case opBool:
		return wire.AppendBool(b, *(*bool)(p))
	case opInt:
		return wire.AppendInt(b, reflect.NewAt(n.typ, p).Elem().Int())
	case opUint:
		return wire.AppendUint(b, reflect.NewAt(n.typ, p).Elem().Uint())
	case opFloat:
		if n.size == 4 {
			return wire.AppendFloat(b, float64(*(*float32)(p)))
		}
		return wire.AppendFloat(b, *(*float64)(p))
	case opString:
		return appendText(b, *(*string)(p))
	case opBytes:
		if v := *(*[]byte)(p); v != nil {
			return wire.AppendBytes(b, v)
		}
	case opByteArray:
		return wire.AppendBytes(b, unsafe.Slice((*byte)(p), n.typ.Len()))
	case opSlice:
		if v := reflect.NewAt(n.typ, p).Elem(); !v.IsNil() {
			return n.appendElements(b, v.UnsafePointer(), v.Len())
		}
	case opArray:
		return n.appendElements(b, p, n.typ.Len())
	case opMap:
		if v := reflect.NewAt(n.typ, p).Elem(); !v.IsNil() {
			return n.appendMap(b, v)
		}
	case opPointer:
		if to := *(*unsafe.Pointer)(p); to != nil {
			return n.elem.append(b, to)
		}
	case opStruct:
		b = wire.AppendArray(b, len(n.fields))
		for i := range n.fields {
			f := &n.fields[i]
			b = f.node.append(b, unsafe.Add(p, f.offset))
		}
		return b
	}
	return wire.AppendNil(b)
}

func appendText(b []byte, s string) []byte {
	if utf8.ValidString(s) {
		return wire.AppendString(b, s)
	}
	return wire.AppendBytes(b, []byte(s))
}

func (n *node) appendElements(b []byte, p unsafe.Pointer, count int) []byte {
	b = wire.AppendArray(b, count)
	for i := range count {
		b = n.elem.append(b, unsafe.Add(p, uintptr(i)*n.elem.size))
	}
	return b
}

// appendMap appends the entries in the order of their bytes.
func (n *node) appendMap(b []byte, m reflect.Value) []byte {
	b = appendMapHeader(b, m.Len())
	key, value := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	var entries [][]byte
	for each := m.MapRange(); each.Next(); {
		key.Elem().Set(each.Key())
		value.Elem().Set(each.Value())
		entry := n.key.append(nil, key.UnsafePointer())
		entries = append(entries, n.elem.append(entry, value.UnsafePointer()))
	}
	slices.SortFunc(entries, bytes.Compare)
	for _, entry := range entries {
		b = append(b, entry...)
	}
	return b
}

func appendMapHeader(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x80|byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xde, byte(n>>8), byte(n))
	}
	return append(b, 0xdf, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
