package swarm

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// distribution names what is measured as a distribution of values.
type distribution int

const (
	staleness distribution = iota
	effectOwn
	effectOther
	gap
	join
	resume
	rtt
	snapshotBytes
	keyframeBytes
	slowStaleness
	lateness
	distributions
)

// histograms has one for each distribution: durations in microseconds, sizes in bytes, to three digits.
type histograms [distributions]*hdrhistogram.Histogram

const (
	mostMicros = int64(time.Minute / time.Microsecond)
	mostBytes  = 4 << 20
	digits     = 3
)

// record counts v n times. What is beyond a bound counts as the bound.
func (h *histograms) record(d distribution, v, n int64) {
	most := mostMicros
	if metrics[d].Unit == unitBytes {
		most = mostBytes
	}
	if h[d] == nil {
		h[d] = hdrhistogram.New(1, most, digits)
	}
	_ = h[d].RecordValues(min(max(v, 1), most), n) // can't fail within the bounds
}

func (h *histograms) merge(from *histograms) {
	for d, g := range from {
		if g == nil || g.TotalCount() == 0 {
			continue
		}
		if h[d] == nil {
			h[d] = hdrhistogram.New(1, g.HighestTrackableValue(), digits)
		}
		h[d].Merge(g)
	}
}

func (h *histograms) reset() {
	for _, g := range h {
		if g != nil && g.TotalCount() > 0 {
			g.Reset()
		}
	}
}

// quantile is of a distribution, as its unit has it; 0 when there is nothing.
func (h *histograms) quantile(d distribution, percentile float64) float64 {
	if h[d] == nil || h[d].TotalCount() == 0 {
		return 0
	}
	return shown(d, float64(h[d].ValueAtPercentile(percentile)))
}

// shown turns a recorded value into the distribution's unit.
func shown(d distribution, v float64) float64 {
	if metrics[d].Unit == unitMillis {
		return v / 1000
	}
	return v
}

// counts are added up over all players.
type counts struct {
	snapshots, late              int64
	inputs, inputsSkipped        int64
	payload, websocket, segments int64 // from the server: bytes in WebSocket messages, bytes read, estimated TCP segments
	sent, sentSegments           int64 // to the server: bytes written, writes
	joins, resumes, rematches    int64
	cuts, ended                  int64 // connections that the swarm cut; rooms that ended as they should
	effectLost                   int64
}

func (c *counts) add(o *counts) {
	c.snapshots += o.snapshots
	c.late += o.late
	c.inputs += o.inputs
	c.inputsSkipped += o.inputsSkipped
	c.payload += o.payload
	c.websocket += o.websocket
	c.segments += o.segments
	c.sent += o.sent
	c.sentSegments += o.sentSegments
	c.joins += o.joins
	c.resumes += o.resumes
	c.rematches += o.rematches
	c.cuts += o.cuts
	c.ended += o.ended
	c.effectLost += o.effectLost
}

// tally is what is measured by the players of one shard since it was last taken.
type tally struct {
	histograms
	counts
}

// shard keeps the lock of one part of the players apart from the others'.
type shard struct {
	mu    sync.Mutex
	now   *tally // guarded by mu
	spare *tally // the collector's
}

func newShard() *shard { return &shard{now: new(tally), spare: new(tally)} }

// take adds what was measured since the last time to what.
func (s *shard) take(to *tally) {
	s.mu.Lock()
	s.now, s.spare = s.spare, s.now
	s.mu.Unlock()
	to.merge(&s.spare.histograms)
	to.counts.add(&s.spare.counts)
	s.spare.reset()
	s.spare.counts = counts{}
}
