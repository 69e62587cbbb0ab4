// Package api is what the HTTP endpoints of a server share: JSON in, JSON out, and whom a request comes from. It
// starts no goroutine.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tickhall/tickhall/protocol"
)

// Write answers with v as JSON.
func Write(w http.ResponseWriter, status int, v any) {
	writeHeader(w, status)
	_ = json.NewEncoder(w).Encode(v) // who is gone needs no answer
}

func writeHeader(w http.ResponseWriter, status int) {
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

// Refuse answers with e. wait is for how long the client should wait before it asks again, 0 for no advice;
// it is told in whole seconds.
func Refuse(w http.ResponseWriter, status int, e *protocol.HTTPError, wait time.Duration) {
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110, 11.6.1
	}
	Write(w, status, e)
}

// Read reads the body of r into the struct that v points to: one JSON object of at most limit bytes in UTF-8,
// with no fields but the struct's, each at most once and spelt to the letter. The content type does not count. The error is
// always a *protocol.HTTPError with code bad_request, and names the field at fault. example is a body that would do, for who
// sends none.
func Read(w http.ResponseWriter, r *http.Request, limit int64, example string, v any) error {
	if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return bad("the body is sent with Content-Encoding %.40q: send it as it is", c)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	body := strings.TrimPrefix(string(raw), "\ufeff") // RFC 8259, 8.1: a parser may ignore it
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return bad("the body is larger than %d bytes", limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bad("the body did not come in time: send it at once")
	case err != nil:
		return bad("the body could not be read: %v", err)
	case !utf8.ValidString(body):
		return bad("the body is not valid UTF-8: send it as UTF-8 text")
	case strings.TrimSpace(body) == "":
		return bad("the body is empty: send JSON such as %s", example)
	}
	d := json.NewDecoder(strings.NewReader(body))
	if err := d.Decode(v); err != nil {
		return bad("%s", faultOf(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("something follows the JSON object: send one object alone")
	}
	if strings.TrimSpace(body) == "null" {
		return bad("the body must be a JSON object, not null: send JSON such as %s", example)
	}
	return checkNames(body, reflect.TypeOf(v))
}

func bad(format string, args ...any) error {
	return &protocol.HTTPError{Code: protocol.ErrBadRequest, Message: fmt.Sprintf(format, args...)}
}

// faultOf says what is wrong with a body in words that name its fields, not Go's types.
func faultOf(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends too early"
	case errors.As(err, &syntax):
		return "the body is not JSON: " + syntax.Error()
	case errors.As(err, &typ) && typ.Field == "":
		return "the body must be a JSON object, not " + article(typ.Value)
	case errors.As(err, &typ):
		return fmt.Sprintf("field %q must be %s, not %s", typ.Field, wanted(typ.Type), article(typ.Value))
	}
	return "the body could not be read: " + err.Error()
}

// wanted is what JSON calls a Go type.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not below 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "an object"
}

func article(value string) string {
	if n, ok := strings.CutPrefix(value, "number "); ok { // one that does not fit, such as "number 1.5"
		return n
	}
	switch value {
	case "array", "object":
		return "an " + value
	case "bool":
		return "true or false"
	}
	return "a " + value
}
