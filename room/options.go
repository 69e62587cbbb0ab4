package room

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// hasMembers reports whether options ask for anything.
func hasMembers(options json.RawMessage) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(options, &members) == nil && len(members) > 0
}

// badOptions tells the player who asked for a room what is wrong with the options, in words that know nothing of Go.
func badOptions(err error) *Error {
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		is, _, _ := strings.Cut(e.Value, " ") // "number 300"
		if e.Field == "" {
			return Errorf("bad_options", "the options are to be an object, not %s", article(is))
		}
		return Errorf("bad_options", "option %q: %s does not fit: want %s", e.Field, article(is), jsonName(e.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Errorf("bad_options", "there is no option %s", name)
	}
	return Errorf("bad_options", "options: %v", err)
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// jsonName is what JSON calls values of a type.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number within " + t.Kind().String()
}
