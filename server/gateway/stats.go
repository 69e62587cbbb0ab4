package gateway

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tickhall/tickhall/player/quota"
	"github.com/tickhall/tickhall/protocol"
)

// Stats counts what happens at the edge. All methods may be called from any goroutine.
type Stats struct {
	Open        atomic.Int64 // connections open now, those that are closing included
	Accepted    atomic.Int64 // connections upgraded
	Matches     atomic.Int64 // tickets issued
	MessagesIn  atomic.Int64
	MessagesOut atomic.Int64
	BytesIn     atomic.Int64 // frame headers included
	BytesOut    atomic.Int64 // likewise
	Congested   atomic.Int64 // messages not sent, an earlier one not having left yet
	Panics      atomic.Int64 // connections closed since their reader panicked
	Silent      atomic.Int64 // connections that ended without a byte of a request: see CountSilent

	refused [len(refusals)]atomic.Int64
	shares  [len(shares)]atomic.Int64
	closed  [len(outcomes)]atomic.Int64
}

// Each calls f for every counter: name, the name and value of its label (both "" for none) and the
// value. Which label values there are is fixed. Only "open" may go down.
func (s *Stats) Each(f func(name, label, value string, n int64)) {
	f("open", "", "", s.Open.Load())
	f("accepted", "", "", s.Accepted.Load())
	f("matches", "", "", s.Matches.Load())
	f("messages_in", "", "", s.MessagesIn.Load())
	f("messages_out", "", "", s.MessagesOut.Load())
	f("bytes_in", "", "", s.BytesIn.Load())
	f("bytes_out", "", "", s.BytesOut.Load())
	f("congested", "", "", s.Congested.Load())
	f("panics", "", "", s.Panics.Load())
	f("silent", "", "", s.Silent.Load())
	for i := range refusals {
		f("refused", "code", refusals[i].code, s.refused[i].Load())
	}
	for i := range shares {
		f("too_many", "reason", shares[i], s.shares[i].Load())
	}
	for i := range s.closed {
		f("closed", "code", outcome(i).String(), s.closed[i].Load())
	}
}

// shares are what users and addresses may have only so many of.
var shares = [...]string{"connections", "seats", "rooms", "places in queues", "sockets"}

// CountShare counts one who was refused for having as much as one may.
func (s *Stats) CountShare(e *quota.Error) {
	for i := range shares {
		if shares[i] == e.What {
			s.shares[i].Add(1)
		}
	}
}

// CountSilent returns a http.Server's ConnState that counts who connects and says nothing.
func (s *Stats) CountSilent() func(net.Conn, http.ConnState) {
	var silent sync.Map // those who have said nothing yet
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			silent.Store(c, nil)
		case http.StateClosed:
			if _, ok := silent.LoadAndDelete(c); ok {
				s.Silent.Add(1)
			}
		default:
			silent.Delete(c)
		}
	}
}

// Closed is how many connections were closed with code.
func (s *Stats) Closed(code protocol.Code) int64 { return s.closed[outcomeOf(code)].Load() }

// Refused is how many requests were refused with an HTTPError of code, before an upgrade.
func (s *Stats) Refused(code string) int64 {
	if i := indexOf(code); i >= 0 {
		return s.refused[i].Load()
	}
	return 0
}

// outcome is how a connection ended: an index of outcomes, or one of those after them.
type outcome int

// outcomes are the codes that are counted on their own.
var outcomes = [...]protocol.Code{
	outcomeOther: 0, outcomeTooLarge: 0, outcomeBadFrame: 0,
	3: protocol.CodeNormal, protocol.CodeSlowReader, protocol.CodePongTimeout, protocol.CodeUnacknowledged, protocol.CodeLost,
	protocol.CodeRoomFailed, protocol.CodeRoomStuck, protocol.CodeShuttingDown, protocol.CodeGone, protocol.CodeRefusedNow,
	protocol.CodeProtocol, protocol.CodeFlood, protocol.CodeKicked, protocol.CodeReplaced, protocol.CodeRefused,
	protocol.CodeRoomEnded, protocol.CodeIdle,
}

const (
	outcomeOther    outcome = iota
	outcomeTooLarge         // gws: a message longer than protocol.MaxInbound
	outcomeBadFrame         // gws: what is no WebSocket frame, or not allowed there
)

func (o outcome) String() string {
	switch o {
	case outcomeOther:
		return "other"
	case outcomeTooLarge:
		return "too_large"
	case outcomeBadFrame:
		return "bad_frame"
	}
	return outcomes[o].String()
}

func outcomeOf(code protocol.Code) outcome {
	for i := int(outcomeBadFrame) + 1; i < len(outcomes); i++ {
		if outcomes[i] == code {
			return outcome(i)
		}
	}
	return outcomeOther
}
