package swarm

import "strings"

// The units of metrics.
const (
	unitMillis = "ms"
	unitBytes  = "B"
	unitCount  = ""
	unitRate   = "/s"
	unitShare  = "%"
	unitCores  = "cores"
	unitMicros = "us"
)

// Metric is something that a report tells and a gate can test.
type Metric struct {
	Name         string
	Unit         string // "ms", "us", "B", "%", "/s", "cores", or "" for a number
	Distribution bool   // NAME.p50, .p90, .p99, .p99.9, .max, .mean and .count are tested, not NAME
	About        string
}

// metrics are all of them, the distributions first and in their order.
var metrics = []Metric{
	staleness:     {"staleness", unitMillis, true, "age of the world that a player sees, weighted by time"},
	effectOwn:     {"effect.own", unitMillis, true, "from when an input was due until its player sees the effect"},
	effectOther:   {"effect.other", unitMillis, true, "likewise, until another player in the room sees it"},
	gap:           {"gap", unitMillis, true, "between two snapshots of a player"},
	join:          {"join", unitMillis, true, "from when a join was due until the first snapshot, the match included"},
	resume:        {"resume", unitMillis, true, "from the loss of a connection until the first snapshot of the next"},
	rtt:           {"rtt", unitMillis, true, "round trip of a message to the server and back"},
	snapshotBytes: {"snapshot.bytes", unitBytes, true, "of the message of one snapshot that is no keyframe"},
	keyframeBytes: {"keyframe.bytes", unitBytes, true, "of a message with a keyframe"},
	slowStaleness: {"slow.staleness", unitMillis, true, "staleness of slow readers, who count in no other time"},
	lateness:      {"generator.lateness", unitMillis, true, "how late the load generator did what was due: it spoils the others"},

	{"players", unitCount, false, "players in a room at the end"},
	{"players.missing", unitCount, false, "players wanted who were not in a room at the end"},
	{"spectators", unitCount, false, "spectators in a room at the end"},
	{"rooms", unitCount, false, "rooms that the players were in"},
	{"snapshots", unitRate, false, "snapshots received, by all players"},
	{"snapshots.late", unitShare, false, "of these, more than one tick old when they came"},
	{"ticks.skipped", unitCount, false, "ticks without a snapshot, covered by the next one"},
	{"keyframes", unitCount, false, "snapshots of the whole world"},
	{"inputs", unitRate, false, "inputs sent, by all players"},
	{"inputs.dropped", unitCount, false, "inputs given up by clients, or not sent since the generator was too late"},
	{"effect.lost", unitCount, false, "inputs whose effect nobody saw within 2 s; their effect counts as that late"},
	{"bytes.payload", unitBytes, false, "received per player or spectator and second, in WebSocket messages"},
	{"bytes.websocket", unitBytes, false, "likewise, with frame headers and handshakes"},
	{"bytes.wire", unitBytes, false, "likewise, with TCP and IP headers, estimated at 52 bytes per 1448; acknowledgements left out"},
	{"bytes.sent", unitBytes, false, "sent per player and second, with frame headers"},
	{"hash.mismatch", unitCount, false, "checksums that differed: a bug in server or client"},
	{"corrections", unitCount, false, "clocks found wrong by more than 250 ms"},
	{"errors", unitCount, false, "connections lost, refusals, closings that were not meant"},
	{"reconnects", unitCount, false, "connections after the first of a seat"},
	{"generator.cpu", unitCores, false, "that the load generator used"},
	{"server.cpu", unitCores, false, "that the server used"},
	{"server.cpu_per_snapshot", unitMicros, false, "server CPU per snapshot received"},
	{"server.memory", unitBytes, false, "resident memory of the server at the end"},
}

// Metrics lists what a report tells and gates test.
func Metrics() []Metric { return append([]Metric(nil), metrics...) }

// statistics are those of a distribution.
var statistics = []string{"p50", "p90", "p99", "p99.9", "max", "mean", "count"}

// find returns the metric that a gate's name means, and which of its statistics.
func find(name string) (m *Metric, statistic string) {
	for i := range metrics {
		m := &metrics[i]
		if !m.Distribution && m.Name == name {
			return m, ""
		}
		for _, s := range statistics {
			if m.Distribution && name == m.Name+"."+s {
				return m, s
			}
		}
	}
	return nil, ""
}

func names() string {
	var list []string
	for _, m := range metrics {
		name := m.Name
		if m.Distribution {
			name += ".p99"
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}
