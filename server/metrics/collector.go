package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickhall/tickhall/room"
)

// collector reads all counters when it is scraped. It keeps nothing itself.
type collector struct {
	cfg     Config
	gateway map[string]described // by gateway.Stats's name
}

var _ prometheus.Collector = (*collector)(nil)

func newCollector(cfg Config) *collector {
	if cfg.Room != nil { // so that no series begins with its first event, which a rate does not see
		for _, k := range cfg.Rooms.Kinds() {
			cfg.Room.Kind(k.Name)
		}
	}
	c := &collector{cfg: cfg, gateway: map[string]described{}}
	if cfg.Gateway != nil {
		cfg.Gateway.Each(func(name, label, _ string, _ int64) {
			if _, ok := c.gateway[name]; !ok {
				c.gateway[name] = describeGateway(name, label)
			}
		})
	}
	return c
}

// described is a metric of one value, or of one for each value of its labels.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) described {
	return described{prometheus.NewDesc("tickhall_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) described {
	return described{prometheus.NewDesc("tickhall_"+name, help, labels, nil), prometheus.GaugeValue}
}

func histogram(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tickhall_"+name, help, labels, nil)
}

var (
	rooms      = gauge("rooms", "Open rooms.", "kind")
	players    = gauge("players", "Players who have a seat, those whose connection is lost for the moment included.", "kind")
	spectators = gauge("spectators", "Spectators.", "kind")

	roomsOpened  = counter("rooms_opened_total", "Rooms opened.", "kind")
	roomsEnded   = counter("rooms_ended_total", "Rooms that have ended, by how: normal, panic of the game, or stuck in a call that did not return.", "kind", "cause")
	roomsBroken  = counter("rooms_broken_total", "Rooms that could not be made.", "kind")
	slowCalls    = counter("slow_calls_total", "Calls into a game that took more than 2 seconds.", "kind")
	roomsHung    = counter("rooms_hung_total", "Rooms that could not be made, their game's New not having returned in time.")
	roomsUnmet   = counter("quick_unmet_total", "Quick matches refused since neither an open room nor a new one is as their filter asks.")
	seatsExpired = counter("seats_expired_total", "Held seats that nobody took in time.")

	ticks         = counter("ticks_total", "Ticks made.")
	tickDuration  = histogram("tick_duration_seconds", "Work of one waking of a room: its tick, sending included, and those made up for.", "kind")
	phaseDuration = histogram("tick_phase_duration_seconds", "Of this, each phase: mailbox, step, record, snapshot, send.", "kind", "phase")
	tickLateness  = histogram("tick_lateness_seconds", "How late a tick began.", "kind")
	tickOverruns  = counter("tick_overruns_total", "Ticks that took longer than the time from one to the next, and rooms' wakings later than they can make up for.", "kind")
	tickSkipped   = counter("tick_skipped_seconds_total", "Game time skipped, a room being later than it can make up for.", "kind")

	joins        = counter("joins_total", "Players who joined a room.", "kind")
	joinsRefused = counter("joins_refused_total", "Joins refused by a game or a full room.", "kind")
	resumes      = counter("resumes_total", "Seats resumed by a new connection.", "kind")
	leaves       = counter("leaves_total", "Seats given up, for whatever cause.", "kind")
	idleRemoved  = counter("players_idle_total", "Seats given up since their player did nothing for longer than the kind allows.", "kind")
	graceExpired = counter("grace_expired_total", "Seats given up since their player did not come back in time.", "kind")

	snapshots        = counter("snapshots_total", "Snapshots sent, one per player and tick.", "kind")
	keyframes        = counter("keyframes_total", "Of these, the whole world instead of what changed.", "kind")
	snapshotsSkipped = counter("snapshots_skipped_total", "Snapshots not sent: congested, an earlier message not having left yet; unacknowledged, too many being on their way; failed, the connection ending. The next one covers them.", "kind", "reason")
	snapshotSize     = histogram("snapshot_size_bytes", "A snapshot's message, events included.", "kind")
	staleness        = histogram("staleness_seconds", "How old the world is that a connected player is known to have: the age of the newest snapshot that was acknowledged, about once a second. None of rooms that tick on demand.", "kind")
	rtt              = histogram("rtt_seconds", "From a snapshot's sending to its acknowledgement: each player's shortest of the last 5 to 10 seconds, about once a second.", "kind")

	eventsDropped  = counter("events_dropped_total", "Events not kept for a player for whom too many waited; the client is told that they are missing.", "kind")
	unacknowledged = counter("connections_unacknowledged_total", "Connections closed since their client acknowledged no snapshot for 45 seconds.", "kind")
	worldsTooLarge = counter("connections_world_too_large_total", "Connections closed since the world of their room is too large to be sent.", "kind")

	unsendable = counter("unsendable_values_total", "Values that games meant to send or to list and that can't be: dropped, and logged once for each event and reason.", "kind")

	messagesDropped   = counter("messages_dropped_total", "Messages from players that were dropped: over the rate limit, or too many typed messages waiting.", "reason")
	flooded           = counter("connections_flooded_total", "Connections closed for staying over the rate limit.")
	inputsEarly       = counter("inputs_early_total", "Inputs that ended their connection, having come before its client had joined.")
	messagesMalformed = counter("messages_malformed_total", "Messages that ended their connection, being what the protocol does not allow.")
	inputsStale       = counter("inputs_stale_total", "Inputs dropped, their number having been received before.")
	inputsMerged      = counter("inputs_merged_total", "Inputs merged into others, too many waiting.")

	queuePlayers = gauge("queue_players", "Players who wait in a queue.")
	queueEntered = counter("queue_entered_total", "Players who entered a queue.")
	queueLeft    = counter("queue_left_total", "Players who left a queue, by how: matched, cancelled, or vanished, nobody asking for them any more.", "cause")
	queueMatches = counter("queue_matches_total", "Matches made of players in a queue.")
	queueFilled  = counter("queue_backfilled_total", "Players matched into a running match that asked for them.")
	queueFailed  = counter("queue_failures_total", "Matches whose players wait on: full, there being no place on the server, or broken, the game not having been made.", "reason")
	matchWait    = histogram("match_wait_seconds", "From entering a queue to the match.")

	roomsDropped  = counter("rooms_dropped_total", "Empty rooms ended since memory was short.")
	roomsOutgrown = counter("rooms_outgrown_total", "Rooms ended since their world took more memory than their kind may.", "kind")

	adminServed    = counter("admin_requests_total", "Requests of operators that were carried out.")
	adminRefused   = counter("admin_requests_refused_total", "Requests of operators that were at fault.")
	adminDenied    = counter("admin_requests_denied_total", "Requests without the operator's token.")
	adminThrottled = counter("admin_requests_throttled_total", "Of these, those told to wait, too many having come from the address.")

	build          = gauge("build_info", "1, labelled with the build of this program.", "version", "revision", "goversion")
	socketsRefused = counter("sockets_refused_total", "Sockets above the cap: they were refused, but for health checks.")
	logDropped     = counter("log_lines_dropped_total", "Lines of the log that could not be written: what reads it was gone, or slower than they came.")

	panics = counter("panics_total", "Panics that were recovered: game ended its room, connection ended itself alone.", "where")
)

// gatewayMetrics are gateway.Stats's counters under their names here. What it counts besides is served as
// tickhall_gateway_NAME_total.
var gatewayMetrics = map[string]struct{ name, help string }{
	"open":         {"connections", "Open connections, those that are closing included."},
	"accepted":     {"connections_accepted_total", "Connections upgraded to WebSocket."},
	"matches":      {"matches_total", "Tickets issued to players."},
	"messages_in":  {"messages_received_total", "WebSocket messages received."},
	"messages_out": {"messages_sent_total", "WebSocket messages sent."},
	"bytes_in":     {"received_bytes_total", "Bytes received over WebSocket, frame headers included."},
	"bytes_out":    {"sent_bytes_total", "Bytes sent over WebSocket, frame headers included."},
	"congested":    {"sends_congested_total", "Messages not sent, an earlier one not having left yet."},
	"silent":       {"connections_silent_total", "Connections that ended without a byte of a request."},
	"too_many":     {"shares_refused_total", "Requests refused since a user or an address had as many as one may, by what of: connections, seats, rooms, places in queues, sockets that are no WebSocket."},
	"refused":      {"refusals_total", "Requests refused before an upgrade, by the code of the answer."},
	"closed":       {"connections_closed_total", "Connections closed, by the code of the farewell."},
}

func describeGateway(name, label string) described {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	switch m, ok := gatewayMetrics[name]; {
	case !ok:
		return counter("gateway_"+name+"_total", "What the gateway counts as "+name+".", labels...)
	case name == "open":
		return gauge(m.name, m.help, labels...)
	default:
		return counter(m.name, m.help, labels...)
	}
}

// Describe implements prometheus.Collector. That it tells nothing leaves the registry to check each scrape.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := sink{to}
	c.rooms(s)
	if c.cfg.Lobby != nil {
		c.lobby(s)
	}
	if c.cfg.Room != nil {
		c.ticks(s)
		c.faults(s)
	}
	if p := c.cfg.Player; p != nil {
		s.put(messagesDropped, p.Limited.Load(), "rate_limited")
		s.put(messagesDropped, p.Busy.Load(), "busy")
		s.put(flooded, p.Flooded.Load())
		s.put(messagesMalformed, p.Malformed.Load())
		s.put(inputsEarly, p.Early.Load())
		s.put(inputsStale, p.Stale.Load())
		s.put(inputsMerged, p.Merged.Load())
	}
	if c.cfg.Gateway != nil {
		c.edge(s)
	}
	if c.cfg.Queue != nil {
		c.queue(s)
	}
	if c.cfg.Admin != nil {
		a := c.cfg.Admin()
		s.put(adminServed, a.Served)
		s.put(adminRefused, a.Refused)
		s.put(adminDenied, a.Denied)
		s.put(adminThrottled, a.Throttle)
	}
	if v := c.cfg.Version; v.Version != "" {
		s.put(build, 1, v.Version, v.Revision, v.Go)
	}
	if c.cfg.SocketsRefused != nil {
		s.put(socketsRefused, c.cfg.SocketsRefused())
	}
	if c.cfg.LogDropped != nil {
		s.put(logDropped, c.cfg.LogDropped())
	}
	if c.cfg.Waited != nil {
		s.seconds(matchWait, c.cfg.Waited)
	}
}

func (c *collector) rooms(s sink) {
	type sum struct{ rooms, players, spectators int64 }
	sums := map[string]*sum{}
	for _, k := range c.cfg.Rooms.Kinds() {
		sums[k.Name] = new(sum)
	}
	for _, i := range c.cfg.Rooms.List() {
		if n := sums[i.Kind]; n != nil {
			n.rooms++
			n.players += int64(i.Players)
			n.spectators += int64(i.Spectators)
		}
	}
	for kind, n := range sums {
		s.put(rooms, n.rooms, kind)
		s.put(players, n.players, kind)
		s.put(spectators, n.spectators, kind)
	}
}

func (c *collector) lobby(s sink) {
	l := c.cfg.Lobby
	s.put(roomsDropped, l.Dropped.Load())
	s.put(roomsHung, l.Hung.Load())
	s.put(roomsUnmet, l.Unmet.Load())
	s.put(seatsExpired, l.Expired.Load())
}

func (c *collector) ticks(s sink) {
	s.put(ticks, c.cfg.Room.Ticks.Load())
	for kind, k := range c.cfg.Room.Kinds() {
		s.seconds(tickDuration, k.Tick, kind)
		for i, h := range k.Phases {
			s.seconds(phaseDuration, h, kind, room.Phase(i).String())
		}
		s.seconds(tickLateness, k.Lateness, kind)
		s.put(tickOverruns, k.Overruns.Load(), kind)
		s.put(unsendable, k.Unsendable.Load(), kind)
		s.value(tickSkipped, time.Duration(k.SkippedNanos.Load()).Seconds(), kind)
		s.histogram(snapshotSize, k.Size, 1, kind)
		s.seconds(rtt, k.RTT, kind)
		s.seconds(staleness, k.Staleness, kind)
		s.put(roomsOpened, k.Opened.Load(), kind)
		s.put(roomsEnded, k.Ended.Load(), kind, "normal")
		s.put(roomsEnded, k.Panics.Load(), kind, "panic")
		s.put(roomsEnded, k.Stuck.Load(), kind, "stuck")
		s.put(roomsBroken, k.Broken.Load(), kind)
		s.put(slowCalls, k.Slow.Load(), kind)
		s.put(joins, k.Joins.Load(), kind)
		s.put(joinsRefused, k.Refused.Load(), kind)
		s.put(resumes, k.Resumes.Load(), kind)
		s.put(leaves, k.Leaves.Load(), kind)
		s.put(graceExpired, k.Expired.Load(), kind)
		s.put(idleRemoved, k.Idle.Load(), kind)
		s.put(snapshots, k.Snapshots.Load(), kind)
		s.put(keyframes, k.Keyframes.Load(), kind)
		s.put(snapshotsSkipped, k.SkippedCongested.Load(), kind, "congested")
		s.put(snapshotsSkipped, k.SkippedUnacknowledged.Load(), kind, "unacknowledged")
		s.put(snapshotsSkipped, k.SendFailed.Load(), kind, "failed")
		s.put(eventsDropped, k.EventsDropped.Load(), kind)
		s.put(unacknowledged, k.Unacknowledged.Load(), kind)
		s.put(worldsTooLarge, k.TooLarge.Load(), kind)
		s.put(roomsOutgrown, k.Outgrown.Load(), kind)
	}
}

func (c *collector) faults(s sink) {
	s.put(panics, c.cfg.Room.Panics.Load(), "game")
}

func (c *collector) queue(s sink) {
	q := c.cfg.Queue()
	s.put(queuePlayers, q.Waiting)
	s.put(queueEntered, q.Entered)
	s.put(queueLeft, q.Matched, "matched")
	s.put(queueLeft, q.Cancelled, "cancelled")
	s.put(queueLeft, q.Vanished, "vanished")
	s.put(queueMatches, q.Matches)
	s.put(queueFilled, q.Backfilled)
	s.put(queueFailed, q.Starved, "full")
	s.put(queueFailed, q.Failed, "broken")
}

func (c *collector) edge(s sink) {
	c.cfg.Gateway.Each(func(name, label, value string, n int64) {
		switch {
		case name == "panics":
			s.put(panics, n, "connection")
		case label == "":
			s.put(c.gateway[name], n)
		default:
			s.put(c.gateway[name], n, value)
		}
	})
}

// sink takes what is read in a scrape.
type sink struct{ to chan<- prometheus.Metric }

func (s sink) put(d described, n int64, labels ...string) { s.value(d, float64(n), labels...) }

func (s sink) value(d described, v float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(d.desc, d.kind, v, labels...)
}

// seconds sends a histogram of nanoseconds.
func (s sink) seconds(d *prometheus.Desc, h *room.Histogram, labels ...string) {
	s.histogram(d, h, float64(time.Second), labels...)
}

func (s sink) histogram(d *prometheus.Desc, h *room.Histogram, unit float64, labels ...string) {
	bounds, counts, count, sum := h.Read()
	buckets := make(map[float64]uint64, len(bounds))
	for i, b := range bounds {
		buckets[float64(b)/unit] = counts[i]
	}
	s.to <- prometheus.MustNewConstHistogram(d, count, float64(sum)/unit, buckets, labels...)
}
