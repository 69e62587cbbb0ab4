package client

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

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
		f.room.OnEvent("boom", func(body []byte) { event = append(event, body...) })
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
