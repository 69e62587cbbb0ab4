package room

import (
	"encoding/json"
	"errors"
	"fmt"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
	"github.com/tickhall/tickhall/protocol/wire"
)

// MaxListing is the longest listing data, in bytes of JSON.
const MaxListing = 4096

// savedDepth is how many levels of arrays and maps a value may have that stays in the room: a timer's argument, what a game
// saves.
const savedDepth = 100

var errTooLarge = errors.New("too large")

// encodeBody encodes a body that is sent to clients, who can read it.
func encodeBody(v any) ([]byte, error) {
	b, err := body.Encode(v, wire.MaxOutboundDepth-1)
	if err == nil && len(b) > protocol.MaxBody {
		return nil, fmt.Errorf("%w: %T takes %d bytes, at most %d", errTooLarge, v, len(b), protocol.MaxBody)
	}
	return b, err
}

// encodeListing encodes what the lobby shows about a room.
func encodeListing(data any) (json.RawMessage, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	// What encodes itself may hold anything; only strings can be invalid in JSON that was checked.
	if b = wire.CleanBytes(b); len(b) > MaxListing {
		return nil, fmt.Errorf("%w: %d bytes of JSON, at most %d", errTooLarge, len(b), MaxListing)
	}
	return b, nil
}

// decode decodes what a player sent into the variable at v, which is of the codec's type and zero.
func (c *core) decode(codec *body.Codec, b []byte, v unsafe.Pointer) error {
	c.reader.Reset(b)
	c.decoder.Reset(&c.reader, wire.MaxInboundDepth-1)
	if err := codec.Decode(&c.decoder, v); err != nil {
		return err
	}
	return c.reader.Finish()
}

// drop accounts for a value that can't be sent.
func (c *core) drop(what string, err error) {
	if c.dropped != nil {
		c.dropped(what, err)
	}
}

// saveValue encodes a value that stays in the room.
func saveValue(v any) ([]byte, error) {
	b, err := msgpack.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := checkSaved(b); err != nil {
		return nil, fmt.Errorf("%T can't be kept: use numbers, strings, slices, maps and structs of them, not a time.Time: %w", v, err)
	}
	return b, nil
}

func checkSaved(b []byte) error {
	r := wire.NewReader(b)
	r.Unchecked(savedDepth)
	return r.Finish()
}

// restoreValue decodes what saveValue encoded, or says why it is no such thing: it may come from anywhere.
func restoreValue(b []byte, v any) error {
	if err := checkSaved(b); err != nil {
		return err
	}
	return msgpack.Unmarshal(b, v)
}
