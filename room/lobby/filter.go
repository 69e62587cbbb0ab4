package lobby

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

// Filter is what the listing data of a room must say: each property is there, at the top of the object, and is
// equal. Values are strings, bools and float64s, as encoding/json decodes them, or Text.
type Filter map[string]any

// Text stands for any property that is written so: "3" for the number 3 or the string "3".
type Text string

const (
	maxProperties = 8
	maxProperty   = 64 // bytes of a property's name, and of a string that it must be
)

// Validate says what is wrong with a filter, in words for whoever sent it.
func (f Filter) Validate() error {
	if len(f) > maxProperties {
		return fmt.Errorf("there are %d properties: at most %d may be asked for", len(f), maxProperties)
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		long := len(name) > maxProperty
		switch v := f[name].(type) {
		case string:
			long = long || len(v) > maxProperty
		case Text:
			long = long || len(v) > maxProperty
		case bool, float64:
		default:
			return fmt.Errorf("property %.40q must be a string, a number, true or false", name)
		}
		if long {
			return fmt.Errorf("property %.40q is too long: names and strings have at most %d bytes", name, maxProperty)
		}
	}
	return nil
}

// check is Validate for those who pass the fault on.
func (f Filter) check() error {
	if err := f.Validate(); err != nil {
		return room.Errorf(protocol.ErrBadRequest, "the filter: %v", err)
	}
	return nil
}

func (f Filter) matches(props map[string]any) bool {
	for name, want := range f {
		if !meets(props, name, want) {
			return false
		}
	}
	return true
}

func meets(props map[string]any, name string, want any) bool {
	has, ok := props[name]
	if text, loose := want.(Text); ok && loose {
		return written(has) == string(text)
	}
	return ok && has == want
}

// mismatch is the first property that is not as f asks, and what there is in its place.
func (f Filter) mismatch(props map[string]any) (property, lists string, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if meets(props, name, f[name]) {
			continue
		}
		if has, ok := props[name]; ok {
			return name, fmt.Sprintf("the game lists %.64v", has), false
		}
		return name, "the game lists nothing of that name", false
	}
	return "", "", true
}

// key is the same for two quick matches that ask for the same.
func (f Filter) key(options json.RawMessage) string {
	if len(f) == 0 {
		return ""
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(&b, "%q %T %q ", name, f[name], fmt.Sprint(f[name]))
	}
	b.Write(options)
	return b.String()
}

// written is a property as JSON writes it, a string without its quotes.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return "\x00" // nothing that a filter may ask for
}

// propertiesOf are those properties of listing data that a filter may ask for.
func propertiesOf(data json.RawMessage) map[string]any {
	var all map[string]any
	if json.Unmarshal(data, &all) != nil {
		return nil // not an object
	}
	maps.DeleteFunc(all, func(_ string, v any) bool {
		switch v.(type) {
		case string, bool, float64:
			return false
		}
		return true // an array, say, which could not even be compared
	})
	return all
}
