package room

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol/wire"
)

// inputCodec decodes inputs into structs of one type. Fields that are numbers, booleans and strings
// are read directly: range checked and, but for strings, without allocating. Any other type goes through msgpack.
type inputCodec struct {
	fields []inputField
}

type inputField struct {
	name   string
	offset uintptr
	typ    reflect.Type
}

// newInputCodec returns the codec of t, which inputFields has accepted.
func newInputCodec(t reflect.Type) *inputCodec {
	names, err := inputFields(t)
	if err != nil {
		panic(err)
	}
	c := &inputCodec{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.IsExported() && f.Tag.Get("msgpack") != "-" {
			c.fields = append(c.fields, inputField{names[len(c.fields)], f.Offset, f.Type})
		}
	}
	return c
}

// decode reads one input, an array of all fields in order or a map of some by name, into the struct at
// v, which must be zero.
func (c *inputCodec) decode(r *wire.Reader, v unsafe.Pointer) {
	if n, ok := r.Map(); ok {
		for range n {
			key := r.String()
			f := c.field(key)
			if f == nil {
				if r.Err() == nil {
					r.Fail(fmt.Errorf("an input has no field %q", key))
				}
				return
			}
			f.decode(r, v)
		}
		return
	}
	if n := r.Array(); n != len(c.fields) {
		r.Fail(fmt.Errorf("an input has %d fields, not %d", len(c.fields), n))
	}
	for i := range c.fields {
		c.fields[i].decode(r, v)
	}
}

func (c *inputCodec) field(name []byte) *inputField {
	for i := range c.fields {
		if c.fields[i].name == string(name) {
			return &c.fields[i]
		}
	}
	return nil
}

func (f *inputField) decode(r *wire.Reader, v unsafe.Pointer) {
	p := unsafe.Add(v, f.offset)
	switch f.typ.Kind() {
	case reflect.Bool:
		*(*bool)(p) = r.Bool()
	case reflect.Int8:
		*(*int8)(p) = int8(f.integer(r, math.MinInt8, math.MaxInt8))
	case reflect.Int16:
		*(*int16)(p) = int16(f.integer(r, math.MinInt16, math.MaxInt16))
	case reflect.Int32:
		*(*int32)(p) = int32(f.integer(r, math.MinInt32, math.MaxInt32))
	case reflect.Int64:
		*(*int64)(p) = r.Int()
	case reflect.Int:
		*(*int)(p) = int(f.integer(r, math.MinInt, math.MaxInt))
	case reflect.Uint8:
		*(*uint8)(p) = uint8(f.integer(r, 0, math.MaxUint8))
	case reflect.Uint16:
		*(*uint16)(p) = uint16(f.integer(r, 0, math.MaxUint16))
	case reflect.Uint32:
		*(*uint32)(p) = uint32(f.integer(r, 0, math.MaxUint32))
	case reflect.Uint64:
		*(*uint64)(p) = uint64(f.integer(r, 0, math.MaxInt64))
	case reflect.Float32:
		*(*float32)(p) = float32(f.float(r))
	case reflect.Float64:
		*(*float64)(p) = f.float(r)
	case reflect.String:
		*(*string)(p) = string(r.String())
	default:
		raw := r.Raw()
		if r.Err() != nil {
			return
		}
		if err := msgpack.Unmarshal(raw, reflect.NewAt(f.typ, p).Interface()); err != nil {
			r.Fail(fmt.Errorf("input field %q: %w", f.name, err))
		}
	}
}

func (f *inputField) integer(r *wire.Reader, least, most int64) int64 {
	v := r.Int()
	if v < least || v > most {
		r.Fail(fmt.Errorf("input field %q: %w: %d is not within %d to %d", f.name, wire.ErrRange, v, least, most))
		return 0
	}
	return v
}

// float refuses what no game expects as an input.
func (f *inputField) float(r *wire.Reader) float64 {
	v := r.Float()
	if math.IsNaN(v) || math.IsInf(v, 0) || (f.typ.Kind() == reflect.Float32 && math.Abs(v) > math.MaxFloat32) {
		r.Fail(fmt.Errorf("input field %q: %w: %v is not a finite number", f.name, wire.ErrRange, v))
		return 0
	}
	return v
}

// append appends the struct at v as decode reads it.
func (c *inputCodec) append(b []byte, v unsafe.Pointer) []byte {
	b = wire.AppendArray(b, len(c.fields))
	for i := range c.fields {
		f := &c.fields[i]
		value := reflect.NewAt(f.typ, unsafe.Add(v, f.offset)).Elem()
		switch f.typ.Kind() {
		case reflect.Bool:
			b = wire.AppendBool(b, value.Bool())
		case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
			b = wire.AppendInt(b, value.Int())
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			b = wire.AppendUint(b, value.Uint())
		case reflect.Float32, reflect.Float64:
			b = wire.AppendFloat(b, value.Float())
		case reflect.String:
			b = wire.AppendString(b, value.String())
		default:
			b = append(b, mustMarshal("input field "+f.name, value.Interface())...)
		}
	}
	return b
}
