package client

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

// octets stand in hexadecimal in the golden vectors.
type octets []byte

func (b *octets) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}

// golden reads a file of protocol/testdata.
func golden(t *testing.T, name string, to any) {
	b, err := os.ReadFile("../testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, to))
}

// session is session.json.
type session struct {
	Rate   uint32
	Schema octets
	Steps  []struct {
		Note                string
		Messages            []octets
		Ack, Tick, Checksum uint32
	}
}

// welcomed returns a feed that has been greeted with the session's schema.
func (s *session) welcomed(t *testing.T) *feed {
	f := &feed{room: New(Config{URL: "http://fake", Kind: "golden"}), socket: &sink{}}
	w := protocol.Welcome{Room: "room", Kind: "golden", Player: 1, User: "user", Token: "token", Rate: s.Rate, Schema: s.Schema}
	require.NoError(t, f.receive(w.Append(nil), 1))
	return f
}

func TestGoldenSession(t *testing.T) {
	var s session
	golden(t, "session.json", &s)
	f := s.welcomed(t)
	for _, step := range s.Steps {
		var message []byte
		for _, m := range step.Messages {
			message = append(message, m...)
		}
		require.NoError(t, f.receive(message, 1), step.Note)
		require.Equal(t, step.Tick, f.room.replica.Tick(), step.Note)
		require.Equal(t, step.Ack, f.room.tick, step.Note)
		require.Equal(t, step.Ack, f.room.out.ack, step.Note)
		require.Equal(t, step.Checksum, f.room.replica.Checksum(), step.Note)
	}
	require.NotZero(t, f.room.Stats().Snapshots)
}

func TestGoldenMalformedMessagesLeadToAResume(t *testing.T) {
	var s session
	golden(t, "session.json", &s)
	var list []struct {
		Hex    octets
		Reason string
	}
	golden(t, "malformed.json", &list)
	for _, bad := range list {
		f := s.welcomed(t)
		for _, m := range s.Steps[0].Messages {
			require.NoError(t, f.receive(m, 1))
		}
		tick := f.room.tick
		err := f.receive(bad.Hex, 2)
		var fault *protocol.CloseError
		require.ErrorAs(t, err, &fault, bad.Reason)
		require.Equal(t, protocol.AdviceResume, f.room.verdict(err).advice, bad.Reason)
		require.True(t, f.room.needKey, bad.Reason)
		require.Equal(t, tick, f.room.out.ack, "%s: nothing may be acknowledged", bad.Reason)
	}
}

func TestGoldenMessagesArrive(t *testing.T) {
	var s session
	golden(t, "session.json", &s)
	var vectors struct {
		ToClient []struct {
			Kind   string
			Fields struct {
				Name, Code    any
				Body, Result  octets
				Reason        string
				Message, Room string
				Request       uint32
				Advice        protocol.Advice
			}
			Hex octets
		}
	}
	golden(t, "messages.json", &vectors)
	for _, v := range vectors.ToClient {
		if v.Kind == "WELCOME" {
			f := &feed{room: New(Config{URL: "http://fake", Kind: "golden"}), socket: &sink{}}
			require.NoError(t, f.receive(v.Hex, 1))
			require.Equal(t, v.Fields.Room, f.room.Welcome().Room)
			continue
		}
		f := s.welcomed(t)
		var event []byte
		var reported error
		f.room.cfg.OnError = func(err error) { reported = err }
		if name, ok := v.Fields.Name.(string); ok {
			f.room.OnEvent(name, func(body []byte) { event = append(event, body...) })
		}
		c := &call{answer: make(chan answer, 1)}
		require.NoError(t, f.room.out.call(v.Fields.Request, c, []byte{0x90}, 1))
		require.NoError(t, f.receive(s.Steps[0].Messages[0], 1))
		err := f.receive(v.Hex, 2)
		switch v.Kind {
		case "EVENT":
			require.Equal(t, []byte(v.Fields.Body), event)
		case "REPLY":
			require.Equal(t, answer{body: v.Fields.Body}, <-c.answer)
		case "ERROR":
			if v.Fields.Request != 0 {
				reported = (<-c.answer).err
			}
			require.Equal(t, &Error{Code: v.Fields.Code.(string), Message: v.Fields.Message}, reported)
		case "HASH":
			require.ErrorContains(t, err, "HASH of tick 20", "that snapshot is not held")
			continue
		case "BYE":
			var b *bye
			require.ErrorAs(t, err, &b)
			require.Equal(t, v.Fields.Code, float64(b.code))
			require.Equal(t, []any{v.Fields.Reason, v.Fields.Advice}, []any{b.reason, b.advice})
			if string(v.Fields.Result) != "\xc0" {
				require.Equal(t, []byte(v.Fields.Result), b.result)
			}
			continue
		}
		require.NoError(t, err, v.Kind)
	}
}

func TestGoldenTranscript(t *testing.T) {
	var connections []struct {
		Tick      uint32
		Resume    string
		LastInput uint32
		Messages  []struct {
			Note string
			Hex  octets
			Lost bool
			Told []struct {
				Event, Reason string
				Reply         uint32
				Dropped       uint32
				Bye           protocol.Code
				Body, Result  octets
			}
			Ack, Tick, Checksum uint32
			IDs                 []uint32
		}
	}
	golden(t, "transcript.json", &connections)
	r := New(Config{URL: "http://fake", Kind: "arena"})
	base, err := url.Parse("ws://fake/v1/connect")
	require.NoError(t, err)
	r.base = base
	type told struct {
		what string
		body string
	}
	var have []told
	for _, name := range []string{"hello", "boom", "again", "early", "between"} {
		r.OnEvent(name, func(body []byte) { have = append(have, told{name, string(body)}) })
	}
	r.cfg.OnDropped = func(count uint32) { have = append(have, told{what: fmt.Sprint("dropped ", count)}) }
	c := &call{answer: make(chan answer, 1)}
	for i, conn := range connections {
		f := &feed{room: r, socket: &sink{}}
		require.Equal(t, conn.Resume, r.token)
		if conn.Resume != "" {
			require.Equal(t, fmt.Sprint("tick=", conn.Tick), r.resumeURL().RawQuery)
		}
		for j, m := range conn.Messages {
			if m.Lost {
				continue
			}
			have = have[:0]
			err := f.receive(m.Hex, time.Duration(100*i+j)*time.Millisecond)
			if i == 0 && j == 0 {
				require.NoError(t, r.out.call(1, c, []byte{0x90}, 1))
			}
			want := make([]told, 0)
			for _, w := range m.Told {
				switch {
				case w.Event != "":
					want = append(want, told{w.Event, string(w.Body)})
				case w.Dropped > 0:
					want = append(want, told{what: fmt.Sprint("dropped ", w.Dropped)})
				case w.Reply > 0:
					require.Equal(t, answer{body: w.Body}, <-c.answer)
				case w.Bye > 0:
					var b *bye
					require.ErrorAs(t, err, &b)
					require.Equal(t, &bye{code: w.Bye, reason: w.Reason, advice: protocol.AdviceStop, result: w.Result}, b)
					err = nil
				}
			}
			require.NoError(t, err, m.Note)
			require.Equal(t, want, append(make([]told, 0), have...), m.Note)
			require.Equal(t, m.Ack, r.out.ack, m.Note)
			require.Equal(t, []uint32{m.Tick, m.Checksum}, []uint32{r.replica.Tick(), r.replica.Checksum()}, m.Note)
			ids := make([]uint32, 0)
			for id := range r.replica.IDs(0) {
				ids = append(ids, uint32(id))
			}
			require.Equal(t, m.IDs, ids, m.Note)
		}
		require.Equal(t, conn.LastInput, r.Welcome().LastInput)
		r.out.close()
	}
}
