package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Limits of a world. ReadSchema and NewTable hold both sides to them.
const (
	// Ring is how many of the newest snapshots can be the baseline of a delta. protocol.Ring equals it.
	Ring = 32
	// MaxTables is how many tables a world has at the most.
	MaxTables = 64
	// MaxShared is how many shared fields, and MaxOwner how many owner fields, a table has at the most.
	MaxShared, MaxOwner = 32, 32
	// MaxName is the longest name of a table or field, in bytes.
	MaxName = 64
	// MaxString is the longest value of a string field, in bytes. Longer ones are cut at a rune.
	MaxString = 1024
	// MaxInt is how far from 0 an int field can be; MaxFloat the same for a float field, in steps.
	MaxInt, MaxFloat = 1 << 52, 1<<31 - 1
	// MaxSpan is the most ticks over which a field is predicted.
	MaxSpan = 63
	// MaxTurn is the most units into which an angle divides a turn.
	MaxTurn = 1 << 16
	// MaxRate is the highest number of ticks per second.
	MaxRate = 1000
	// MaxParts is how many parts a KEY has at the most.
	MaxParts = 256
)

const (
	kindKey   = 2
	kindDelta = 3
	kindOwn   = 4

	keyHead = 6 // elements of a KEY before its tables

	flagOwner = 1
)

// ID names an entity within its table, from 1. It is not used again before every snapshot that shows
// its former holder has left the ring.
type ID uint32

// Type is how a field's value is carried on the wire.
type Type uint8

// The types of a field.
const (
	Int    Type = iota // an integer at most MaxInt away from 0
	Bool               // 0 or 1
	Float              // an integer at most MaxFloat away from 0, times Num/Den units
	Angle              // 0 <= integer < Den, in 1/Den of a turn
	String             // valid UTF-8 of at most MaxString bytes
)

var typeNames = [...]string{"int", "bool", "float", "angle", "string"}

// String is the type's name, such as "angle".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Field describes one field of a table.
type Field struct {
	Name     string
	Type     Type
	Num, Den uint32 // a float's step is Num/Den, in lowest terms; an angle has 1/Den of a turn; else 1/1
	Rate     int    // index in Fields of this one's rate of change per second, -1 for none
	Owner    bool   // only the entity's owner receives it
}

// TableSchema describes one kind of entity.
type TableSchema struct {
	Name   string
	Fields []Field
}

// Schema describes a world: what both sides must know to exchange snapshots. It is not changed after
// it was made.
type Schema struct{ Tables []TableSchema }

// Faults of a schema, beside those of package wire. ReadSchema and NewReplica wrap them.
var (
	ErrSchema     = errors.New("schema breaks the rules of the protocol")
	ErrPrediction = errors.New("prediction of this field needs numbers that are too large: choose steps whose ratio is simpler")
)

// Append appends s as the schema element of a WELCOME.
func (s *Schema) Append(b []byte) []byte {
	b = wire.AppendArray(b, len(s.Tables))
	for i := range s.Tables {
		t := &s.Tables[i]
		b = append(b, 0x92)
		b = wire.AppendString(b, t.Name)
		b = wire.AppendArray(b, len(t.Fields))
		for _, f := range t.Fields {
			flags := uint64(0)
			if f.Owner {
				flags = flagOwner
			}
			b = append(b, 0x96)
			b = wire.AppendString(b, f.Name)
			b = wire.AppendUint(b, uint64(f.Type))
			b = wire.AppendUint(b, uint64(f.Num))
			b = wire.AppendUint(b, uint64(f.Den))
			b = wire.AppendInt(b, int64(f.Rate))
			b = wire.AppendUint(b, flags)
		}
	}
	return b
}

// Hash names the schema: the first 8 bytes of the SHA-256 of what Append appends, in hexadecimal.
func (s *Schema) Hash() string {
	sum := sha256.Sum256(s.Append(nil))
	return hex.EncodeToString(sum[:8])
}

// Table returns the number of the table called name, or -1.
func (s *Schema) Table(name string) int {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return i
		}
	}
	return -1
}

// ReadSchema reads what Append appends, from a server that nobody vouches for. Its errors wrap those
// of package wire, or ErrSchema; what it returns without one obeys every limit.
func ReadSchema(r *wire.Reader) (*Schema, error) {
	s := &Schema{}
	n := r.Array()
	if n > MaxTables {
		r.Fail(wire.ErrLength)
	}
	for range n {
		if wantArray(r, 2); r.Err() != nil {
			break
		}
		t := TableSchema{Name: readName(r)}
		m := r.Array()
		if m > MaxShared+MaxOwner {
			r.Fail(wire.ErrLength)
		}
		for range m {
			if r.Err() != nil {
				break
			}
			t.Fields = append(t.Fields, readField(r, m))
		}
		s.Tables = append(s.Tables, t)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func readField(r *wire.Reader, fields int) Field {
	wantArray(r, 6)
	f := Field{Name: readName(r)}
	kind := r.Uint32()
	f.Num, f.Den = r.Uint32(), r.Uint32()
	rate, flags := r.Int(), r.Uint32()
	if kind > uint32(String) || rate < -1 || rate >= int64(fields) || flags > flagOwner {
		r.Fail(wire.ErrRange)
	}
	f.Type, f.Rate, f.Owner = Type(kind), int(rate), flags == flagOwner
	return f
}

func readName(r *wire.Reader) string {
	b := r.String()
	if len(b) > MaxName {
		r.Fail(wire.ErrLength)
		return ""
	}
	return string(b)
}

func wantArray(r *wire.Reader, n int) {
	if r.Array() != n {
		r.Fail(wire.ErrLength)
	}
}

// check reports the first rule that s breaks.
func (s *Schema) check() error {
	if len(s.Tables) > MaxTables {
		return fmt.Errorf("%w: %d tables, at most %d", ErrSchema, len(s.Tables), MaxTables)
	}
	names := map[string]bool{}
	for i := range s.Tables {
		t := &s.Tables[i]
		if err := checkName(t.Name, names); err != nil {
			return fmt.Errorf("%w: table %q: %w", ErrSchema, t.Name, err)
		}
		if err := t.check(); err != nil {
			return fmt.Errorf("%w: table %q: %w", ErrSchema, t.Name, err)
		}
	}
	return nil
}

func (t *TableSchema) check() error {
	names := map[string]bool{}
	var shared, owner int
	for i := range t.Fields {
		f := &t.Fields[i]
		if err := checkName(f.Name, names); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
		if f.Owner {
			owner++
		} else {
			shared++
		}
		if err := t.checkField(f); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	if shared > MaxShared || owner > MaxOwner {
		return fmt.Errorf("%d shared and %d owner fields, at most %d of each: use another table for some", shared, owner, MaxShared)
	}
	return nil
}

func (t *TableSchema) checkField(f *Field) error {
	switch {
	case f.Type > String:
		return fmt.Errorf("%s is unknown", f.Type)
	case f.Num == 0 || f.Den == 0:
		return errors.New("step is zero")
	case f.Type == Angle && f.Num != 1:
		return errors.New("an angle is a number of 1/den of a turn: num must be 1")
	case f.Rate == -1:
		return nil
	case f.Rate < 0 || f.Rate >= len(t.Fields):
		return errors.New("rate names no field")
	case f.Owner:
		return errors.New("an owner field has no rate: leave rate out")
	case f.Type != Float:
		return errors.New("only a float has a rate: leave rate out, or use a float with step=")
	}
	switch v := &t.Fields[f.Rate]; {
	case v.Type != Float:
		return fmt.Errorf("its rate %q is no float with a step: give it step=", v.Name)
	case v.Rate != -1:
		return fmt.Errorf("its rate %q has a rate itself: leave that out", v.Name)
	case v.Owner:
		return fmt.Errorf("its rate %q is an owner field, which others do not receive: share it", v.Name)
	}
	return nil
}

func checkName(name string, seen map[string]bool) error {
	switch {
	case name == "":
		return errors.New("the name is missing")
	case name == "id":
		return errors.New("entities have an id without a field of their own: choose another name")
	case name == "__proto__":
		return errors.New("objects of JavaScript have no field of that name: choose another")
	case len(name) > MaxName:
		return fmt.Errorf("the name is longer than %d bytes", MaxName)
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	case seen[name]:
		return errors.New("the name stands twice")
	}
	seen[name] = true
	return nil
}

// indices lists the fields of t that are shared, and those that are the owner's, in order.
func (t *TableSchema) indices() (shared, owner []int) {
	for i := range t.Fields {
		if t.Fields[i].Owner {
			owner = append(owner, i)
		} else {
			shared = append(shared, i)
		}
	}
	return shared, owner
}
