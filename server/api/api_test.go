package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

type request struct {
	Name  string         `json:"name"`
	Size  int            `json:"size,omitempty"`
	Count uint8          `json:"count"`
	Ratio float64        `json:"ratio"`
	On    bool           `json:"on"`
	List  []string       `json:"list"`
	To    map[string]any `json:"to"`
	none  string

	Raw   json.RawMessage `json:"raw"`
	Inner *inner          `json:"inner"`
	Many  []inner         `json:"many"`
}

type inner struct {
	X int `json:"x"`
}

func TestReadNamesTheFieldAtFault(t *testing.T) {
	for _, c := range []struct{ name, body, says string }{
		{"empty", " \n", `the body is empty: send JSON such as {"name": "x"}`},
		{"too large", strings.Repeat(" ", 201), "larger than 200 bytes"},
		{"no UTF-8", "{\"name\": \"\xff\"}", "UTF-8"},
		{"cut", `{"name": "x`, "ends too early"},
		{"no JSON", `name=x`, "not JSON"},
		{"two", `{} {}`, "one object alone"},
		{"null", `null`, "not null"},
		{"an array", `[1]`, "must be a JSON object, not an array"},
		{"a string", `"x"`, "must be a JSON object, not a string"},
		{"string", `{"name": {}}`, `"name" must be a string, not an object`},
		{"whole number", `{"size": 1.5}`, `"size" must be a whole number, not 1.5`},
		{"number above 0", `{"count": -1}`, `"count" must be a whole number, not below 0`},
		{"number", `{"ratio": "1"}`, `"ratio" must be a number, not a string`},
		{"switch", `{"on": 1}`, `"on" must be true or false, not a number`},
		{"array", `{"list": true}`, `"list" must be an array, not true or false`},
		{"object", `{"to": []}`, `"to" must be an object, not an array`},
		{"unknown", `{"none": 1}`, `unknown field "none": there are "name", "size", "count", "ratio", "on", "list", "to", "raw", "inner", "many"`},
		{"unknown within", `{"inner": {"y": 1}}`, `unknown field "inner.y": there are "x"`},
		{"unknown in a list", `{"many": [{"x": 1}, {"y": 1}]}`, `unknown field "many.y": there are "x"`},
		{"spelt another way", `{"Name": "x"}`, `unknown field "Name"`},
		{"an empty name", `{"": "x"}`, `unknown field ""`},
		{"twice", `{"name": "x", "name": "y"}`, `field "name" is there twice`},
		{"twice within", `{"inner": {"x": 1, "x": 1}}`, `field "inner.x" is there twice`},
		{"twice in what is free", `{"to": {"a": [{"b": 1, "b": 2}]}}`, `field "to.a.b" is there twice`},
		{"twice in what is raw", `{"raw": {"a": 1, "a": 2}}`, `field "raw.a" is there twice`},
		{"twice, once by an escape", `{"name": "x", "n\u0061me": "y"}`, `field "name" is there twice`},
		{"too deep", `{"raw": ` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "more than 64 deep"},
		{"too large a number", `{"ratio": 1e400}`, `"ratio" must be a number, not 1e400`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := request{none: "is not JSON's"}
			err := Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(c.body)), 200, `{"name": "x"}`, &v)
			var e *protocol.HTTPError
			require.ErrorAs(t, err, &e)
			require.Equal(t, protocol.ErrBadRequest, e.Code)
			require.Contains(t, e.Message, c.says)
			require.NotContains(t, e.Message, "json:")
		})
	}
	var v request
	require.NoError(t, Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(` {"name": "x", "size": 2} `)), 100, "", &v))
	require.Equal(t, request{Name: "x", Size: 2}, v)
	for _, body := range []string{
		"\ufeff{\"name\": \"x\"}", `{"to": {"a": 1, "b": {"a": 1}}, "many": [{"x": 1}, {"x": 1}], "raw": [{"A": 1, "a": 1}], "inner": null}`,
		`{"raw": ` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
	} {
		require.NoError(t, Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)), 200, "", new(request)))
	}
	require.ErrorContains(t, Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("cut"))), 100, "", &v), "cut")
	require.ErrorContains(t, Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", iotest.ErrReader(os.ErrDeadlineExceeded)), 100, "", &v), "in time")
	packed := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	packed.Header.Set("Content-Encoding", "gzip")
	require.ErrorContains(t, Read(httptest.NewRecorder(), packed, 100, "", &v), `"gzip"`)
	packed.Header.Set("Content-Encoding", "identity")
	require.NoError(t, Read(httptest.NewRecorder(), packed, 100, "", &v))
}

func TestRefuseTellsHowLongToWait(t *testing.T) {
	w := httptest.NewRecorder()
	Refuse(w, http.StatusTooManyRequests, &protocol.HTTPError{Code: "x", Message: "y"}, 1500*time.Millisecond)
	require.Equal(t, 429, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.JSONEq(t, `{"code": "x", "message": "y"}`, w.Body.String())

	w = httptest.NewRecorder()
	Refuse(w, http.StatusUnauthorized, &protocol.HTTPError{}, 0)
	require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
	require.Empty(t, w.Header().Get("Retry-After"))
}

// FuzzRead: no body makes Read panic, and what is at fault is told as a bad request.
func FuzzRead(f *testing.F) {
	f.Add(`{"name": "x", "to": {"a": [1]}}`)
	f.Add("null")
	f.Add("\xff")
	f.Add(`{"raw": {"a": 1, "a": 2}, "many": [{"y": 1}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var v request
		if err := Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)), 1000, "", &v); err != nil {
			var e *protocol.HTTPError
			require.ErrorAs(t, err, &e)
			require.Equal(t, protocol.ErrBadRequest, e.Code)
		}
	})
}
