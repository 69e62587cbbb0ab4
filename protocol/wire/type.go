package wire

// Type is what kind of value a msgpack value is.
type Type uint8

// The types. TypeInt and TypeFloat are of any width.
const (
	TypeNone Type = iota // nothing is left, or a fault was found
	TypeNil
	TypeBool
	TypeInt
	TypeFloat
	TypeString
	TypeBytes
	TypeArray
	TypeMap
	TypeExtension // or the code that msgpack does not use
)

// String is the type's name in the msgpack format, with its article.
func (t Type) String() string {
	return [...]string{"nothing", "nil", "a bool", "an integer", "a float", "a str", "a bin", "an array", "a map", "an extension"}[t]
}

// types are the types of values by their first byte.
var types = func() (list [256]Type) {
	for c := range list {
		switch {
		case c < 0x80, c >= 0xe0, c >= 0xcc && c <= 0xd3:
			list[c] = TypeInt
		case c <= 0x8f, c == 0xde, c == 0xdf:
			list[c] = TypeMap
		case c <= 0x9f, c == 0xdc, c == 0xdd:
			list[c] = TypeArray
		case c <= 0xbf, c >= 0xd9 && c <= 0xdb:
			list[c] = TypeString
		case c == 0xc0:
			list[c] = TypeNil
		case c == 0xc2, c == 0xc3:
			list[c] = TypeBool
		case c >= 0xc4 && c <= 0xc6:
			list[c] = TypeBytes
		case c == 0xca, c == 0xcb:
			list[c] = TypeFloat
		default:
			list[c] = TypeExtension
		}
	}
	return list
}()

// Peek is the type of the next value, which it does not read.
func (r *Reader) Peek() Type {
	if r.err != nil || r.i >= len(r.b) {
		return TypeNone
	}
	return types[r.b[r.i]]
}
