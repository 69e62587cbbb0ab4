package body

import (
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Encode encodes v, by vmihailenco/msgpack, as a body of at most so many levels of arrays and maps: one that every client
// can read. Text in it is cleaned, as wire.Clean does. The error says what of v can't travel.
func Encode(v any, levels int) ([]byte, error) {
	b, err := msgpack.Marshal(v)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(b)
	r.Unchecked(levels)
	switch err := r.Finish(); {
	case errors.Is(err, wire.ErrDepth):
		return nil, fmt.Errorf("%T has more than %d levels of arrays and maps: %w", v, levels, err)
	case errors.Is(err, wire.ErrType):
		return nil, fmt.Errorf("%T does not travel: use numbers, strings, slices, maps and structs of them, not a time.Time: %w", v, err)
	case err != nil:
		return nil, fmt.Errorf("%T does not travel: %w", v, err)
	}
	r.Reset(b)
	r.Body(levels)
	if errors.Is(r.Err(), wire.ErrUTF8) {
		b = wire.AppendCleaned(make([]byte, 0, len(b)+len(b)/4), b)
		r.Reset(b)
		r.Body(levels)
	}
	if err := r.Finish(); err != nil {
		return nil, fmt.Errorf("%T does not travel: %w", v, err)
	}
	return b, nil
}
