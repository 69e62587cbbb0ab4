package swarm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// mostRecorded is how many messages a Recording keeps: ten minutes at 30 Hz.
const mostRecorded = 18_000

// Recording is what a server sent to one player with each snapshot, message by message, to be sent
// again by a server that does nothing else.
type Recording struct {
	Rate     int      `json:"rate"` // messages per second
	Room     string   `json:"room"`
	First    []byte   `json:"first"` // WELCOME, a keyframe and what came with it
	Again    []byte   `json:"again"` // the same without the WELCOME
	Messages [][]byte `json:"messages"`
}

// add keeps a message that has a snapshot. A WELCOME begins the recording anew.
func (r *Recording) add(message []byte) {
	if kindOf(message) == protocol.KindWelcome {
		var rd wire.Reader
		rd.Reset(message)
		n := rd.Array()
		rd.Uint32()
		var w protocol.Welcome
		if w.Read(&rd, n) != nil || w.Resumed {
			return
		}
		*r = Recording{Rate: int(w.Rate), Room: w.Room, First: append([]byte(nil), message...)}
		r.Again = r.First[len(message)-rd.Rest():]
		return
	}
	if len(r.First) > 0 && len(r.Messages) < mostRecorded {
		r.Messages = append(r.Messages, append([]byte(nil), message...))
	}
}

// Write writes the recording as LoadRecording reads it. It fails if there is nothing in it.
func (r *Recording) Write(to io.Writer) error {
	if err := r.check(); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(r)
}

// LoadRecording reads a file that Write wrote.
func LoadRecording(path string) (*Recording, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Recording)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s is no recording: %w", path, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *Recording) check() error {
	if r == nil || r.Rate < 1 || len(r.First) == 0 || len(r.Again) == 0 || len(r.Messages) == 0 {
		return fmt.Errorf("the recording has no snapshots: record for longer")
	}
	return nil
}
