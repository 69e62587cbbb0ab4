package client

import (
	"math"
	"time"
)

const (
	deadAfter = 6 * time.Second // nothing for so long after a TIME,
	deadTimes = 3               // and after so many: the connection is dead

	slackWanted = 0.5 // inputs that wait at the room when it takes one: enough for some jitter, and little delay
	slackGain   = 0.1
	slackMost   = 8
	steerGain   = 0.02
	steerMost   = 0.1
	maxCatchUp  = 4 // inputs that one late timer makes up for

	paceMessages      = 60 // a second: what has waited for a connection, half of what a player may send
	paceMessagesBurst = 32
	paceBytes         = 16 << 10
	paceBytesBurst    = 8 << 10
)

// pulse tells whether a connection is dead: nothing has come for 6 s after a TIME, and three have
// gone unanswered. Both, because a machine that slept finds much time gone by and answers not yet
// read.
type pulse struct {
	since      time.Duration // when the first TIME was sent after which nothing has arrived
	unanswered int           // such TIMEs
}

// heard notes that something has arrived.
func (p *pulse) heard() { *p = pulse{} }

// asked notes that a TIME is sent.
func (p *pulse) asked(now time.Duration) {
	if p.unanswered == 0 {
		p.since = now
	}
	p.unanswered++
}

func (p *pulse) dead(now time.Duration) bool {
	return p.unanswered >= deadTimes && now-p.since >= deadAfter
}

// steering paces inputs so that about half a one waits at the room when it takes one. The zero
// value is ready.
type steering struct{ over float64 } // how many inputs waited, smoothed, less slackWanted

// told takes the slack that the room tells.
func (s *steering) told(slack int) {
	s.over += slackGain * (min(max(float64(slack), -slackMost), slackMost) - slackWanted - s.over)
}

// period is how many ticks lie between two inputs.
func (s *steering) period() float64 {
	return 1 + min(max(steerGain*s.over, -steerMost), steerMost)
}

// pacer spreads what has waited for a connection, so that the server's limits are kept: 60 messages
// and 16 KiB a second. The zero value is ready.
type pacer struct {
	messages, bytes float64 // sent, less what time has given back since
	at              time.Duration
}

// take returns how long a message of so many bytes, at most protocol.MaxInbound, has to wait. 0: it
// is sent now.
func (p *pacer) take(now time.Duration, bytes int) time.Duration {
	seconds := max(now-p.at, 0).Seconds()
	p.at = now
	p.messages = max(p.messages-seconds*paceMessages, 0)
	p.bytes = max(p.bytes-seconds*paceBytes, 0)
	wait := max((p.messages+1-paceMessagesBurst)/paceMessages, (p.bytes+float64(bytes)-paceBytesBurst)/paceBytes)
	if wait > 1e-6 {
		return time.Duration(math.Ceil(1000*wait)) * time.Millisecond
	}
	p.messages++
	p.bytes += float64(bytes)
	return 0
}
