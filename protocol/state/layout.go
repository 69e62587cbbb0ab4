package state

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
)

// member is a field of an author's struct that stands in the schema.
type member struct {
	Field
	offset uintptr
	kind   reflect.Kind
	rate   string // name in rate=
	step   bool   // step= or turn= was given
}

// members reads the sync tags of struct t, embedded structs included. A tag is a name and options:
//
//	sync:"x,step=1/8,rate=vx"  float of which a step is 1/8 unit, predicted from vx, in units per second
//	sync:"heading,turn=256"    float in radians, 256 units per turn
//	sync:"ammo,owner"          only the entity's owner receives it
//
// With strict unset, as for a client's struct, a float may do without step and turn.
func members(t reflect.Type, strict bool) ([]member, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct: a table holds structs whose fields have sync tags", t)
	}
	list, err := appendMembers(nil, t, 0, strict)
	if err != nil {
		return nil, err
	}
	for i := range list {
		m := &list[i]
		if m.rate == "" {
			continue
		}
		for j := range list {
			if list[j].Name == m.rate {
				m.Rate = j
			}
		}
		if m.Rate < 0 && strict {
			return nil, fmt.Errorf("field %q of %s: rate=%s names no field with that sync name: tag one", m.Name, t, m.rate)
		}
	}
	return list, nil
}

func appendMembers(list []member, t reflect.Type, at uintptr, strict bool) ([]member, error) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("sync")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				var err error
				if list, err = appendMembers(list, f.Type, at+f.Offset, strict); err != nil {
					return nil, err
				}
			}
			continue
		}
		m, err := parseTag(f.Type, tag, strict)
		if err != nil {
			return nil, fmt.Errorf("field %s of %s, tag sync:%q: %w", f.Name, t, tag, err)
		}
		m.offset = at + f.Offset
		list = append(list, m)
	}
	return list, nil
}

func parseTag(t reflect.Type, tag string, strict bool) (member, error) {
	name, rest, more := strings.Cut(tag, ",")
	m := member{Field: Field{Name: name, Num: 1, Den: 1, Rate: -1}, kind: t.Kind()}
	switch m.kind {
	case reflect.Bool:
		m.Type = Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		m.Type = Int
	case reflect.Float32, reflect.Float64:
		m.Type = Float
	case reflect.String:
		m.Type = String
	default:
		return m, fmt.Errorf("a %s cannot be synchronised: use bool, int, uint, float or string kinds, or leave the tag out", t)
	}
	for more {
		var option string
		option, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "owner":
			if option != "owner" {
				return m, errors.New("owner takes no value")
			}
			m.Owner = true
		case "rate":
			if value == "" {
				return m, errors.New("rate= needs the sync name of another field")
			}
			m.rate = value
		case "step", "turn":
			if t.Kind() != reflect.Float32 && t.Kind() != reflect.Float64 {
				return m, fmt.Errorf("%s= is for floats: leave it out", key)
			}
			if m.step {
				return m, errors.New("give step= or turn= once, and not both")
			}
			m.step = true
			if key == "turn" {
				n, err := strconv.ParseUint(value, 10, 32)
				if err != nil || n < 2 || n > MaxTurn {
					return m, fmt.Errorf("turn= needs a whole number from 2 to %d", MaxTurn)
				}
				m.Type, m.Den = Angle, uint32(n)
				break
			}
			var err error
			if m.Num, m.Den, err = parseStep(value); err != nil {
				return m, err
			}
		default:
			return m, fmt.Errorf("option %q is unknown: step=, rate=, turn= and owner are known", option)
		}
	}
	if m.Type == Float && !m.step && strict {
		return m, errors.New("a float needs a step, such as step=1/8, or turn=256 if it is an angle in radians")
	}
	return m, nil
}

func parseStep(s string) (num, den uint32, err error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || len(s) > 32 || strings.Trim(s, "0123456789./") != "" || r.Sign() <= 0 ||
		r.Num().BitLen() > 32 || r.Denom().BitLen() > 32 {
		return 0, 0, errors.New("step= needs a positive number such as 1/8, 0.125 or 2, whose parts are below 2^32")
	}
	return uint32(r.Num().Uint64()), uint32(r.Denom().Uint64()), nil
}

func schemaOf(list []member) []Field {
	fields := make([]Field, len(list))
	for i := range list {
		fields[i] = list[i].Field
	}
	return fields
}
