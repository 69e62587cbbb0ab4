package protocol

import (
	"fmt"

	"github.com/tickhall/tickhall/protocol/wire"
)

// bodyOut is how many levels a body may have within a server's message.
const bodyOut = wire.MaxOutboundDepth - 1

// Welcome is the first message on every connection: who the client is, and how the room's world is
// laid out.
type Welcome struct {
	Room      string
	Kind      string
	Player    uint32 // number of the seat in the room, from 1
	User      string
	Token     string  // resumes this seat
	Rate      uint32  // ticks per second
	OnDemand  bool    // ticks only when something has arrived
	Tick      uint32  // the room's newest tick
	LastInput uint32  // sequence number of the newest input consumed, 0 for none
	Schema    []byte  // msgpack, as state.Schema writes it
	Inputs    []Field // of an input, in the order of the wire
	Resumed   bool    // the seat was kept: what the client knows still holds
	Grace     uint32  // seconds for which the seat of a lost connection is kept, 0 for a spectator's
}

// Field is a field of an input or of a body: its name on the wire and its type, such as "int8", "[]float32" or
// "map[string]{x:float32,y:float32}".
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Append appends w as a WELCOME.
func (w *Welcome) Append(b []byte) []byte {
	b = wire.AppendArray(b, 15)
	b = wire.AppendUint(b, uint64(KindWelcome))
	b = wire.AppendUint(b, Version)
	b = wire.AppendString(b, w.Room)
	b = wire.AppendString(b, w.Kind)
	b = wire.AppendUint(b, uint64(w.Player))
	b = wire.AppendString(b, w.User)
	b = wire.AppendString(b, w.Token)
	b = wire.AppendUint(b, uint64(w.Rate))
	b = wire.AppendBool(b, w.OnDemand)
	b = wire.AppendUint(b, uint64(w.Tick))
	b = wire.AppendUint(b, uint64(w.LastInput))
	b = append(b, w.Schema...)
	b = wire.AppendArray(b, len(w.Inputs))
	for _, f := range w.Inputs {
		b = wire.AppendArray(b, 2)
		b = wire.AppendString(b, f.Name)
		b = wire.AppendString(b, f.Type)
	}
	b = wire.AppendBool(b, w.Resumed)
	return wire.AppendUint(b, uint64(w.Grace))
}

// Read reads what follows the kind of a WELCOME of n elements. It fails with a CloseError of
// CodeProtocol if the version is not ours.
func (w *Welcome) Read(r *wire.Reader, n int) error {
	if n < 2 {
		return Malformed(KindWelcome, wire.ErrLength)
	}
	if v := r.Uint32(); r.Err() == nil && v != Version {
		return Closef(CodeProtocol, "the server speaks protocol version %d, this client version %d: update the client", v, Version)
	}
	if err := want(KindWelcome, n, 15); err != nil {
		return err
	}
	w.Room, w.Kind = string(r.String()), string(r.String())
	w.Player = r.Uint32()
	w.User, w.Token = string(r.String()), string(r.String())
	w.Rate, w.OnDemand = r.Uint32(), r.Bool()
	w.Tick, w.LastInput = r.Uint32(), r.Uint32()
	w.Schema = append([]byte(nil), r.Body(bodyOut)...)
	w.Inputs = nil
	for range r.Array() {
		if n := r.Array(); r.Err() == nil && n != 2 {
			r.Fail(wire.ErrLength)
		}
		w.Inputs = append(w.Inputs, Field{Name: string(r.String()), Type: string(r.String())})
	}
	w.Resumed, w.Grace = r.Bool(), r.Uint32()
	if r.Err() == nil && (w.Rate == 0 || w.Rate > 1000) {
		r.Fail(wire.ErrRange)
	}
	return Malformed(KindWelcome, r.Err())
}

// Moment is a point in a room's time: a tick and a fraction of the next, in 1/256.
type Moment struct {
	Tick     uint32
	Fraction uint8
}

// InputHead is what stands before the inputs in an INPUT.
type InputHead struct {
	Seq  uint32 // sequence number of the first input, from 1; each that follows is one more
	View Moment // what the player was looking at: the moment that the client interpolated to
	Ack  uint32 // the snapshot last applied, 0 for none
}

// Append appends an INPUT of n inputs but for the inputs themselves, which the caller appends.
func (h InputHead) Append(b []byte, n int) []byte {
	b = wire.AppendArray(b, 5+n)
	b = wire.AppendUint(b, uint64(KindInput))
	b = wire.AppendUint(b, uint64(h.Seq))
	b = wire.AppendUint(b, uint64(h.View.Tick))
	b = wire.AppendUint(b, uint64(h.View.Fraction))
	return wire.AppendUint(b, uint64(h.Ack))
}

// Read reads what follows the kind of an INPUT of n elements, up to the inputs, and returns how many
// of these follow: 1 to MaxInputs.
func (h *InputHead) Read(r *wire.Reader, n int) (inputs int, err error) {
	if n < 6 || n > 5+MaxInputs {
		return 0, Malformed(KindInput, fmt.Errorf("%d inputs, not 1 to %d", n-5, MaxInputs))
	}
	h.Seq = r.Uint32()
	h.View.Tick = r.Uint32()
	h.View.Fraction = readFraction(r)
	h.Ack = r.Uint32()
	if h.Seq == 0 {
		r.Fail(wire.ErrRange)
	}
	return n - 5, Malformed(KindInput, r.Err())
}

// AppendMessage appends a MESSAGE. body is one msgpack value. A request of 0 wants no reply.
func AppendMessage(b []byte, request uint32, name string, body []byte) []byte {
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, uint64(KindMessage))
	b = wire.AppendUint(b, uint64(request))
	b = wire.AppendString(b, name)
	return append(b, body...)
}

// ReadMessage reads what follows the kind of a MESSAGE of n elements. name and body alias the input. Text and maps' keys
// in body have not been looked at: that is left to who decodes it, so that a fault in them is answered, not the end of the
// connection.
func ReadMessage(r *wire.Reader, n int) (request uint32, name, body []byte, err error) {
	if err = want(KindMessage, n, 4); err != nil {
		return
	}
	request, name, body = r.Uint32(), r.String(), r.Unchecked(wire.MaxInboundDepth-1)
	if len(name) > MaxName {
		r.Fail(fmt.Errorf("the name takes %d bytes, at most %d", len(name), MaxName))
	}
	return request, name, body, Malformed(KindMessage, r.Err())
}

// AppendAck appends an ACK of the snapshot of tick.
func AppendAck(b []byte, tick uint32) []byte {
	b = append(b, 0x92, byte(KindAck))
	return wire.AppendUint(b, uint64(tick))
}

// ReadAck reads what follows the kind of an ACK of n elements.
func ReadAck(r *wire.Reader, n int) (tick uint32, err error) {
	if err = want(KindAck, n, 2); err != nil {
		return
	}
	tick = r.Uint32()
	return tick, Malformed(KindAck, r.Err())
}

// AppendTime appends a TIME: a client asks for the room's clock. clientTime is the client's own, in
// any unit; it comes back as it is.
func AppendTime(b []byte, clientTime float64) []byte {
	b = append(b, 0x92, byte(KindTime))
	return wire.AppendFloat(b, clientTime)
}

// ReadTime reads what follows the kind of a TIME of n elements.
func ReadTime(r *wire.Reader, n int) (clientTime float64, err error) {
	if err = want(KindTime, n, 2); err != nil {
		return
	}
	clientTime = r.Float()
	return clientTime, Malformed(KindTime, r.Err())
}

// AppendLeave appends a LEAVE.
func AppendLeave(b []byte) []byte { return append(b, 0x91, byte(KindLeave)) }

// AppendClock appends the answer to a TIME: the room's time when it arrived.
func AppendClock(b []byte, clientTime float64, now Moment) []byte {
	b = append(b, 0x94, byte(KindClock))
	b = wire.AppendFloat(b, clientTime)
	b = wire.AppendUint(b, uint64(now.Tick))
	return wire.AppendUint(b, uint64(now.Fraction))
}

// ReadClock reads what follows the kind of a CLOCK of n elements.
func ReadClock(r *wire.Reader, n int) (clientTime float64, now Moment, err error) {
	if err = want(KindClock, n, 4); err != nil {
		return
	}
	clientTime = r.Float()
	now.Tick, now.Fraction = r.Uint32(), readFraction(r)
	return clientTime, now, Malformed(KindClock, r.Err())
}

// AppendEvent appends an EVENT. body is one msgpack value.
func AppendEvent(b []byte, tick uint32, name string, body []byte) []byte {
	b = append(b, 0x94, byte(KindEvent))
	b = wire.AppendUint(b, uint64(tick))
	b = wire.AppendString(b, name)
	return append(b, body...)
}

// ReadEvent reads what follows the kind of an EVENT of n elements. name and body alias the input.
func ReadEvent(r *wire.Reader, n int) (tick uint32, name, body []byte, err error) {
	if err = want(KindEvent, n, 4); err != nil {
		return
	}
	tick, name, body = r.Uint32(), r.String(), r.Body(bodyOut)
	return tick, name, body, Malformed(KindEvent, r.Err())
}

// AppendReply appends a REPLY to a request. body is one msgpack value.
func AppendReply(b []byte, tick, request uint32, body []byte) []byte {
	b = append(b, 0x94, byte(KindReply))
	b = wire.AppendUint(b, uint64(tick))
	b = wire.AppendUint(b, uint64(request))
	return append(b, body...)
}

// ReadReply reads what follows the kind of a REPLY of n elements. body aliases the input.
func ReadReply(r *wire.Reader, n int) (tick, request uint32, body []byte, err error) {
	if err = want(KindReply, n, 4); err != nil {
		return
	}
	tick, request, body = r.Uint32(), r.Uint32(), r.Body(bodyOut)
	return tick, request, body, Malformed(KindReply, r.Err())
}

// AppendError appends an ERROR: the answer to a request that failed, or, for request 0, a notice. code is cut to MaxName
// bytes, message to MaxText.
func AppendError(b []byte, tick, request uint32, code, message string) []byte {
	b = append(b, 0x95, byte(KindError))
	b = wire.AppendUint(b, uint64(tick))
	b = wire.AppendUint(b, uint64(request))
	b = wire.AppendString(b, wire.Cut(code, MaxName))
	return wire.AppendString(b, wire.Cut(message, MaxText))
}

// ReadError reads what follows the kind of an ERROR of n elements.
func ReadError(r *wire.Reader, n int) (tick, request uint32, code, message string, err error) {
	if err = want(KindError, n, 5); err != nil {
		return
	}
	tick, request = r.Uint32(), r.Uint32()
	code, message = string(r.String()), string(r.String())
	return tick, request, code, message, Malformed(KindError, r.Err())
}

// AppendHash appends a HASH: the checksum of what the client should hold at tick.
func AppendHash(b []byte, tick, checksum uint32) []byte {
	b = append(b, 0x93, byte(KindHash))
	b = wire.AppendUint(b, uint64(tick))
	return wire.AppendUint(b, uint64(checksum))
}

// ReadHash reads what follows the kind of a HASH of n elements.
func ReadHash(r *wire.Reader, n int) (tick, checksum uint32, err error) {
	if err = want(KindHash, n, 3); err != nil {
		return
	}
	tick, checksum = r.Uint32(), r.Uint32()
	return tick, checksum, Malformed(KindHash, r.Err())
}

// AppendBye appends a BYE. reason is cut to MaxText bytes; result is one msgpack value, or nothing.
func AppendBye(b []byte, code Code, reason string, result []byte) []byte {
	b = append(b, 0x95, byte(KindBye))
	b = wire.AppendUint(b, uint64(code))
	b = wire.AppendString(b, wire.Cut(reason, MaxText))
	b = wire.AppendString(b, string(code.Advice()))
	if len(result) == 0 {
		return wire.AppendNil(b)
	}
	return append(b, result...)
}

// ReadBye reads what follows the kind of a BYE of n elements. result aliases the input.
func ReadBye(r *wire.Reader, n int) (code Code, reason string, advice Advice, result []byte, err error) {
	if err = want(KindBye, n, 5); err != nil {
		return
	}
	c := r.Uint32()
	if c > 4999 {
		r.Fail(wire.ErrRange)
	}
	code, reason, advice, result = Code(c), string(r.String()), Advice(r.String()), r.Body(bodyOut)
	return code, reason, advice, result, Malformed(KindBye, r.Err())
}

// AppendDropped appends a DROPPED: count reliable events are lost that stood at this place.
func AppendDropped(b []byte, tick, count uint32) []byte {
	b = append(b, 0x93, byte(KindDropped))
	b = wire.AppendUint(b, uint64(tick))
	return wire.AppendUint(b, uint64(count))
}

// ReadDropped reads what follows the kind of a DROPPED of n elements. count is at least 1.
func ReadDropped(r *wire.Reader, n int) (tick, count uint32, err error) {
	if err = want(KindDropped, n, 3); err != nil {
		return
	}
	tick, count = r.Uint32(), r.Uint32()
	if r.Err() == nil && count == 0 {
		r.Fail(wire.ErrRange)
	}
	return tick, count, Malformed(KindDropped, r.Err())
}

// Malformed wraps what a Reader found wrong in a message as a CloseError; it returns nil for nil.
func Malformed(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return Closef(CodeProtocol, "malformed message of kind %d: %v", k, err)
}

func want(k Kind, n, elements int) error {
	if n != elements {
		return Closef(CodeProtocol, "malformed message of kind %d: %d elements, not %d", k, n, elements)
	}
	return nil
}

func readFraction(r *wire.Reader) uint8 {
	f := r.Uint32()
	if f >= FractionsPerTick {
		r.Fail(wire.ErrRange)
	}
	return uint8(f)
}
