package room_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestOptionsThatDoNotFitAreToldInPlainWords(t *testing.T) {
	asked := rigKind(new(rig))
	asked.New = func(s *room.Setup) (room.Game[struct{}], error) {
		var o struct {
			Map   string  `json:"map"`
			Size  uint8   `json:"size"`
			Fast  bool    `json:"fast"`
			Walls []int   `json:"walls"`
			Speed float64 `json:"speed"`
		}
		return new(rig), s.Options(&o)
	}
	for options, want := range map[string]string{
		`{"map": 5}`:       `option "map": a number does not fit: want a string`,
		`{"size": 300}`:    `option "size": a number does not fit: want a whole number within uint8`,
		`{"fast": "yes"}`:  `option "fast": a string does not fit: want true or false`,
		`{"walls": {}}`:    `option "walls": an object does not fit: want an array`,
		`{"walls": ["x"]}`: `option "walls": a string does not fit: want a whole number within int`,
		`{"speed": true}`:  `option "speed": a bool does not fit: want a number`,
		`{"mop": 1}`:       `there is no option "mop"`,
		`[]`:               `the options are to be an object, not an array`,
	} {
		_, err := room.New(asked, room.Config{ID: "r1", Options: json.RawMessage(options)})
		var e *room.Error
		require.ErrorAs(t, err, &e, options)
		require.Equal(t, "bad_options", e.Code)
		require.Equal(t, want, e.Message, options)
	}
}

func TestAGameThatLooksAtNoOptionsTakesNone(t *testing.T) {
	deaf := rigKind(new(rig))
	for _, options := range []string{"", "null", "{}"} {
		_, err := room.New(deaf, room.Config{ID: "r1", Options: json.RawMessage(options)})
		require.NoError(t, err)
	}
	_, err := room.New(deaf, room.Config{ID: "r1", Options: json.RawMessage(`{"map": "ice"}`)})
	var e *room.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "bad_options", e.Code)
	require.Contains(t, e.Message, "take no options")
}
