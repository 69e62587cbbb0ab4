package swarm

import (
	"bytes"

	"github.com/tickhall/tickhall/protocol"
)

// frames finds the WebSocket messages in what a server sends over one connection (RFC 6455, 5.2; servers
// don't mask). Until the upgrade, and on connections that are none, it finds nothing.
type frames struct {
	line     []byte // of the answer's first line, as much as it takes
	ends     int    // how many bytes of the header's end have been seen
	upgraded bool
	plain    bool // no upgrade: nothing to be found

	header  []byte // of the frame that is coming, as far as it is there
	payload int    // bytes of it to come
	opcode  byte
	size    int
	head    []byte // the first bytes of its payload
	keep    bool   // the whole payload, in head
}

const (
	opBinary   = 2
	headerEnd  = "\r\n\r\n"
	upgradedBy = "HTTP/1.1 101"
	headBytes  = 24 // enough for a CLOCK
)

// feed takes what has been read, and calls each for each message that is complete by now. head is valid
// during the call.
func (f *frames) feed(b []byte, each func(opcode byte, size int, head []byte)) {
	if f.plain {
		return
	}
	if !f.upgraded {
		if b = f.handshake(b); b == nil {
			return
		}
	}
	for len(b) > 0 || f.payload == 0 && f.whole() {
		if f.payload == 0 && !f.whole() {
			f.header, b = append(f.header, b[0]), b[1:]
			if !f.whole() {
				continue
			}
			f.begin()
		}
		n := min(f.payload, len(b))
		if room := headBytes - len(f.head); f.keep || room > 0 {
			k := n
			if !f.keep {
				k = min(n, room)
			}
			f.head = append(f.head, b[:k]...)
		}
		b, f.payload = b[n:], f.payload-n
		if f.payload > 0 {
			return
		}
		each(f.opcode, f.size, f.head)
		f.header, f.head = f.header[:0], f.head[:0]
	}
}

// handshake returns what follows the header of the answer, nil while that goes on.
func (f *frames) handshake(b []byte) []byte {
	for i, c := range b {
		if len(f.line) < len(upgradedBy) {
			f.line = append(f.line, c)
		}
		switch c {
		case headerEnd[f.ends]:
			f.ends++
		case '\r':
			f.ends = 1
		default:
			f.ends = 0
		}
		if f.ends < len(headerEnd) {
			continue
		}
		if !bytes.Equal(f.line, []byte(upgradedBy)) {
			f.plain = true
			return nil
		}
		f.upgraded = true
		return b[i+1:]
	}
	return nil
}

// whole reports whether the header is there.
func (f *frames) whole() bool {
	if len(f.header) < 2 {
		return false
	}
	switch f.header[1] & 127 {
	case 126:
		return len(f.header) == 4
	case 127:
		return len(f.header) == 10
	}
	return len(f.header) == 2
}

func (f *frames) begin() {
	f.opcode, f.size = f.header[0]&15, int(f.header[1]&127)
	if len(f.header) > 2 {
		f.size = 0
		for _, c := range f.header[2:] {
			f.size = f.size<<8 | int(c)
		}
		f.size = min(max(f.size, 0), 1<<30) // nonsense ends the connection elsewhere
	}
	f.payload = f.size
}

// kindOf is the kind of the first array in a message, 0 if there is none.
func kindOf(head []byte) protocol.Kind {
	switch {
	case len(head) >= 2 && head[0]&0xf0 == 0x90 && head[1] < 0x80:
		return protocol.Kind(head[1])
	case len(head) >= 4 && head[0] == 0xdc && head[3] < 0x80:
		return protocol.Kind(head[3])
	case len(head) >= 6 && head[0] == 0xdd && head[5] < 0x80:
		return protocol.Kind(head[5])
	}
	return 0
}
