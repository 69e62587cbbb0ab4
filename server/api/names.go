package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// maxDepth is how deep objects and arrays may be nested in a body.
const maxDepth = 64

// checkNames refuses what encoding/json lets pass, in a body that it has decoded to a value of type t: fields that are
// unknown, or spelt another way, and fields that are there twice, of which the last would count. A reader between
// sender and server may have looked at another one.
func checkNames(body string, t reflect.Type) error {
	n := names{json.NewDecoder(strings.NewReader(body))}
	n.UseNumber() // so that none is too large here
	return n.value(t, "", 0)
}

type names struct{ *json.Decoder }

// value reads one value, which goes to a t; nil: no names are known in it. path is where it is.
func (n *names) value(t reflect.Type, path string, depth int) error {
	token, err := n.Token()
	if err != nil {
		return bad("the body is not JSON: %v", err)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return bad("objects and arrays are nested more than %d deep", maxDepth)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	seen := map[string]bool{}
	for n.More() {
		inner, at := elementOf(t), path
		if open == '{' {
			token, err := n.Token()
			if err != nil {
				return bad("the body is not JSON: %v", err)
			}
			name := token.(string) // the decoder saw to it
			if at += name; seen[name] {
				return bad("field %.100q is there twice: give it once", at)
			}
			seen[name] = true
			if t != nil && t.Kind() == reflect.Struct {
				if inner, ok = fieldOf(t, name); !ok {
					return bad("unknown field %.100q: there are %s", at, fieldsOf(t))
				}
			}
			at += "."
		}
		if err := n.value(inner, at, depth+1); err != nil {
			return err
		}
	}
	_, err = n.Token() // the closing one
	if err != nil {
		return bad("the body is not JSON: %v", err)
	}
	return nil
}

var rawMessage = reflect.TypeFor[json.RawMessage]()

// elementOf is what a map, slice or array holds, nil if t is nothing of the kind or takes any JSON.
func elementOf(t reflect.Type) reflect.Type {
	if t == nil || t == rawMessage {
		return nil
	}
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Array:
		return t.Elem()
	}
	return nil
}

// fieldOf finds the field of a struct that JSON calls name.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if name != "" && jsonName(f) == name {
			return f.Type, true
		}
	}
	return nil, false
}

// fieldsOf names the JSON fields of a struct.
func fieldsOf(t reflect.Type) string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" {
			names = append(names, strconv.Quote(name))
		}
	}
	return strings.Join(names, ", ")
}

// jsonName is what JSON calls a field, "" for none: each field of a body has a tag.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
