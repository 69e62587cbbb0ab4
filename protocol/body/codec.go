// Package body is what a message holds: one msgpack value, of a type that an author defines.
//
// A Codec is compiled from a Go type by reflection, once, when a handler or a kind of room is registered. It decodes
// what clients send, of which nothing is believed, and refuses a value that does not fit by the name of the field. Encode
// encodes what a game sends by vmihailenco/msgpack, and refuses what no client could read. The package starts no
// goroutine.
package body

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/tickhall/tickhall/protocol"
)

// MaxSize is how many bytes of memory a value of a type may take that clients send, without what it points to. Each
// input and message takes that much, however short it is.
const MaxSize = 64 << 10

// maxPointers is how many pointers may stand one behind the other.
const maxPointers = 4

// Codec decodes values of one Go type. It keeps no state: many goroutines may use it at once.
//
// Names of fields, "-", inline, noinline and alias are read from `msgpack` tags as vmihailenco/msgpack reads them. What
// fits which type is told in the protocol's README, under "Bodies".
type Codec struct {
	typ  reflect.Type
	root *node
}

// op is what a node decodes to.
type op uint8

const (
	opBool op = iota
	opInt
	opUint
	opFloat
	opString
	opBytes     // a slice of bytes
	opByteArray // an array of bytes
	opSlice
	opArray
	opMap
	opStruct
	opPointer
)

// node decodes values of one type.
type node struct {
	op     op
	typ    reflect.Type
	name   string // as in WELCOME
	size   uintptr
	least  int64  // of an integer
	most   uint64 // likewise
	key    *node  // of a map
	elem   *node  // of slices, arrays, maps and pointers
	fields []field
	byName map[string]int // position in fields, aliases included
}

// field is a field of a struct, or of one that it embeds.
type field struct {
	name   string
	offset uintptr
	node   *node
}

// New compiles the codec of t. The error names the field whose type can't be decoded safely.
func New(t reflect.Type) (*Codec, error) {
	if t.Size() > MaxSize {
		return nil, fmt.Errorf("%v takes %d bytes of memory, at most %d: use slices", t, t.Size(), MaxSize)
	}
	c := compiler{nodes: map[reflect.Type]*node{}}
	root, err := c.compile(t)
	if err != nil {
		return nil, err
	}
	return &Codec{t, root}, nil
}

// Fields are a struct's fields, in the order of the wire; nil for any other type.
func (c *Codec) Fields() []protocol.Field {
	var list []protocol.Field
	for _, f := range c.root.fields {
		list = append(list, protocol.Field{Name: f.name, Type: f.node.name})
	}
	return list
}

// String is the type's name, as WELCOME has the types of an input's fields.
func (c *Codec) String() string { return c.root.name }

type compiler struct {
	nodes map[reflect.Type]*node
	path  []string // of the field being compiled
}

// refuse says why the field being compiled has no codec.
func (c *compiler) refuse(format string, args ...any) error {
	at := ""
	if len(c.path) > 0 {
		at = fmt.Sprintf("field %q: ", strings.TrimPrefix(strings.Join(c.path, ""), "."))
	}
	return fmt.Errorf(at+format, args...)
}

// within compiles t as a part of the type being compiled.
func (c *compiler) within(step string, t reflect.Type) (*node, error) {
	c.path = append(c.path, step)
	n, err := c.compile(t)
	c.path = c.path[:len(c.path)-1]
	return n, err
}

// decoders are methods by which a type decodes itself. Not one is called: what it believes is not known, and a panic in it
// would end a room.
var decoders = []string{"DecodeMsgpack", "UnmarshalMsgpack", "UnmarshalBinary", "UnmarshalText"}

func (c *compiler) compile(t reflect.Type) (*node, error) {
	if n := c.nodes[t]; n != nil {
		return n, nil
	}
	for _, name := range decoders {
		if _, ok := reflect.PointerTo(t).MethodByName(name); ok {
			return nil, c.refuse("%v decodes itself, by %s, which is not done to what a client sends: use plain fields, such as a number of seconds for a time", t, name)
		}
	}
	n := &node{typ: t, size: t.Size()}
	c.nodes[t] = n
	n.name = t.Name() // for types that hold themselves
	var err error
	switch kind := t.Kind(); kind {
	case reflect.Bool:
		n.op, n.name = opBool, "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits()
		n.op, n.name = opInt, "int"+strconv.Itoa(bits)
		n.least, n.most = math.MinInt64>>(64-bits), math.MaxInt64>>(64-bits)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits := t.Bits()
		n.op, n.name = opUint, "uint"+strconv.Itoa(bits)
		n.most = math.MaxUint64 >> (64 - bits)
	case reflect.Float32, reflect.Float64:
		n.op, n.name = opFloat, "float"+strconv.Itoa(t.Bits())
	case reflect.String:
		n.op, n.name = opString, "string"
	case reflect.Slice:
		if n.elem, err = c.within("[]", t.Elem()); err != nil {
			return nil, err
		}
		n.op, n.name = opSlice, "[]"+n.elem.name
		if n.elem.isByte() {
			n.op, n.name = opBytes, "bytes"
		}
	case reflect.Array:
		if n.elem, err = c.within("[]", t.Elem()); err != nil {
			return nil, err
		}
		n.op, n.name = opArray, "["+strconv.Itoa(t.Len())+"]"+n.elem.name
		if n.elem.isByte() {
			n.op = opByteArray
		}
	case reflect.Map:
		err = c.mapOf(n, t)
	case reflect.Pointer:
		err = c.pointer(n, t)
	case reflect.Struct:
		err = c.structOf(n, t)
	default:
		return nil, c.refuse("%v is a type that a client can't send: use numbers, bools, strings, slices, maps and structs of them", t)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (n *node) isByte() bool { return n.op == opUint && n.size == 1 }

func (c *compiler) mapOf(n *node, t reflect.Type) (err error) {
	switch k := t.Key().Kind(); {
	case k == reflect.String, k >= reflect.Int && k <= reflect.Uint64:
	default:
		return c.refuse("%v has keys that are neither strings nor integers", t)
	}
	if n.key, err = c.within("{}", t.Key()); err != nil {
		return err
	}
	if n.elem, err = c.within("{}", t.Elem()); err != nil {
		return err
	}
	n.op, n.name = opMap, "map["+n.key.name+"]"+n.elem.name
	return nil
}

func (c *compiler) pointer(n *node, t reflect.Type) (err error) {
	to := t
	for i := 0; to.Kind() == reflect.Pointer; i++ {
		if i == maxPointers {
			return c.refuse("%v has more than %d pointers in a row", t, maxPointers)
		}
		to = to.Elem()
	}
	if to.Size() > MaxSize {
		return c.refuse("%v takes %d bytes of memory, at most %d: use slices", to, to.Size(), MaxSize)
	}
	if n.elem, err = c.within("", t.Elem()); err != nil {
		return err
	}
	n.op, n.name = opPointer, n.elem.name
	return nil
}

func (c *compiler) structOf(n *node, t reflect.Type) error {
	n.op, n.byName = opStruct, map[string]int{}
	if err := c.fieldsOf(n, t, 0); err != nil {
		return err
	}
	parts := make([]string, len(n.fields))
	for i, f := range n.fields {
		parts[i] = f.name + ":" + f.node.name
	}
	n.name = "{" + strings.Join(parts, ",") + "}"
	return nil
}

// fieldsOf adds the fields of t, which lies at offset in n's struct.
func (c *compiler) fieldsOf(n *node, t reflect.Type, offset uintptr) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := readTag(f.Tag.Get("msgpack"))
		if tag.name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous {
			embedded, err := c.embed(n, f, tag, offset)
			if err != nil {
				return err
			}
			if embedded {
				continue
			}
		}
		name := tag.name
		if name == "" {
			name = f.Name
		}
		if tag.intern {
			return c.refuse("field %q: its tag says intern, which no other client understands", name)
		}
		elem, err := c.within("."+name, f.Type)
		if err != nil {
			return err
		}
		for _, name := range append(tag.aliases, name) {
			if _, taken := n.byName[name]; taken {
				return c.refuse("%v has two fields called %q", n.typ, name)
			}
			n.byName[name] = len(n.fields)
		}
		n.fields = append(n.fields, field{name, offset + f.Offset, elem})
	}
	return nil
}

// embed adds the fields of an embedded struct as if they were n's own. It reports false if f is a field by its own name.
func (c *compiler) embed(n *node, f reflect.StructField, tag tag, offset uintptr) (bool, error) {
	switch {
	case f.Type.Kind() == reflect.Struct && !tag.noinline:
		// Compiled by itself first, for what it may be that decodes itself.
		c.path = append(c.path, "."+f.Name)
		defer func() { c.path = c.path[:len(c.path)-1] }()
		if _, err := c.compile(f.Type); err != nil {
			return false, err
		}
		c.path[len(c.path)-1] = ""
		return true, c.fieldsOf(n, f.Type, offset+f.Offset)
	case f.Type.Kind() == reflect.Pointer:
		return false, c.refuse("%v embeds a pointer, %v: embed the struct, or name the field", n.typ, f.Type)
	case !f.IsExported():
		return false, c.refuse("%v embeds %v, which nobody else can set: name the field", n.typ, f.Type)
	}
	return false, nil
}

// tag is what a `msgpack` tag says that concerns decoding.
type tag struct {
	name             string
	noinline, intern bool
	aliases          []string
}

func readTag(s string) (t tag) {
	name, options, _ := strings.Cut(s, ",")
	t.name = name
	for option := range strings.SplitSeq(options, ",") {
		switch alias, ok := strings.CutPrefix(option, "alias:"); {
		case ok:
			t.aliases = append(t.aliases, strings.Trim(alias, "'"))
		case option == "noinline":
			t.noinline = true
		case option == "intern":
			t.intern = true
		}
	}
	return t
}

// NameOf is the name of any type, as Codec.String has it. What has no codec, such as an interface, is "any".
func NameOf(t reflect.Type) string {
	c, err := New(t)
	if err != nil {
		return "any"
	}
	return c.String()
}
