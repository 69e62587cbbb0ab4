// Package feed is one source and thousands of readers: a market ticker.
//
// What a reader wants of a quote is its present value, and quotes are a table: however often the source speaks,
// a reader gets at most one snapshot per tick, and one whose line stalls gets what it missed merged into the next.
// What a reader must not miss are notices, and notices are events: each arrives exactly once, in order,
// after a stall and after a resume too.
//
// The source is slow work: it is asked on a goroutine of its own, one question at a time, so that a source that
// is slow, fails or hangs never holds up the room.
//
// The package imports what any author would. All of it runs on the room's goroutine, but for the Source.
package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tickhall/tickhall/room"
)

// Kind is the ticker of a simulated exchange.
var Kind = NewKind(func(seed uint64, o Options) Source {
	return NewExchange(seed, time.Duration(o.OutageEvery)*time.Second)
})

const (
	tickRate    = 5                // snapshots per second that a reader gets, whatever the source's rate
	patience    = 5 * time.Second  // for one answer of the source
	late        = 2 * time.Second  // without an answer: readers are told
	firstRetry  = time.Second      // after a failure; doubled for each in a row
	lastRetry   = 15 * time.Second // at most
	keptNotices = 30               // for who comes late
)

// Nothing is a reader's input: readers read.
type Nothing struct{}

// Options are what the one who opens a feed may ask for.
type Options struct {
	OutageEvery int `json:"outage_every"` // seconds between two outages of the simulated exchange, 5 to 3600; 180 by default
}

// NewKind returns the ticker of the source that open makes. open is called once per room, and for each playback
// of it: it must start nothing.
func NewKind(open func(seed uint64, o Options) Source) room.Kind[Nothing] {
	return room.Kind[Nothing]{
		Name:       "feed",
		Title:      "Market feed",
		About:      "A ticker for thousands of readers: always the newest prices, and not a notice lost.",
		TickRate:   tickRate,
		MaxPlayers: room.MaxMaxPlayers,
		EmptyFor:   5 * time.Minute, // of prices for who comes back
		New: func(s *room.Setup) (room.Game[Nothing], error) {
			o := Options{OutageEvery: 180}
			if err := s.Options(&o); err != nil {
				return nil, err
			}
			if o.OutageEvery < 5 || o.OutageEvery > 3600 {
				return nil, room.Errorf("bad_options", "outage_every is 5 to 3600 seconds, not %d", o.OutageEvery)
			}
			return newFeed(s, open(s.Seed(), o)), nil
		},
	}
}

// Feed is the game of one room.
type Feed struct {
	source Source // used by one piece of slow work at a time, and by nothing else
	board  board

	line    *Line
	running bool          // a question is out, or the next one has its time
	heard   time.Duration // of the source, in the game's time
	retry   time.Duration // when it is asked again, while it is down
	pause   time.Duration // before the retry after that

	notices []Notice // the last ones
	number  uint32   // of the newest

	past room.Event[[]Notice] // for who joins
	news room.Event[Notice]
}

func newFeed(s *room.Setup, source Source) *Feed {
	f := &Feed{
		source: source, pause: firstRetry, board: newBoard(s),
		past: room.NewEvent[[]Notice](s, "notices"), news: room.NewEvent[Notice](s, "notice"),
	}
	_, f.line = room.Table[Line](s, "line").Add(0)
	return f
}

// Join sends the reader the notices of before, and starts the source for the first one.
func (f *Feed) Join(t *room.Tick, p *room.Player) error {
	// An event, so that it stands before all notices to come: numbers without a gap.
	f.past.Send(t, f.notices, p)
	if !f.running {
		f.heard = t.Time()
		f.ask(t)
	}
	return nil
}

// Leave has nothing to do. When the last reader is gone, take asks no more.
func (f *Feed) Leave(*room.Tick, *room.Player, room.Cause) {}

// Step keeps the state of the line, and the history of the prices.
func (f *Feed) Step(t *room.Tick, _ []room.Input[Nothing]) {
	switch f.line.State {
	case Live:
		if t.Time()-f.heard > late {
			f.line.State = Late
		}
	case Down:
		f.line.Retry = uint8((max(f.retry-t.Time(), 0) + time.Second - 1) / time.Second)
	}
	if t.Number()%sampleEvery == 0 && f.line.State == Live {
		f.board.sample()
	}
}

// ask asks the source. The next question follows the answer, so that there is never more than one, and at
// most one per tick.
func (f *Feed) ask(t *room.Tick) {
	f.running = len(t.Players()) > 0
	if !f.running {
		return // nobody reads: the next one who joins begins again
	}
	source := f.source
	room.Go(t, func(ctx context.Context) (Batch, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		b, err := source.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", patience)
		}
		return b, err
	}, f.take)
}

// take takes the source's answer.
func (f *Feed) take(t *room.Tick, b Batch, err error) {
	if err != nil {
		f.line.State, f.line.Reason = Down, err.Error()
		f.line.Failures++
		f.retry = t.Time() + f.pause
		t.After(f.pause, f.ask)
		f.pause = min(2*f.pause, lastRetry)
		return
	}
	f.line.State, f.line.Reason, f.line.Retry, f.line.Failures = Live, "", 0, 0
	f.heard, f.pause = t.Time(), firstRetry
	for _, trade := range b.Trades {
		if f.board.trade(trade) {
			f.line.Trades++
		}
	}
	for _, n := range b.News {
		f.tell(t, n)
	}
	f.ask(t)
}

// tell sends a notice to all readers.
func (f *Feed) tell(t *room.Tick, n News) {
	if n.Kind == Halted || n.Kind == Resumed {
		f.board.halt(n.Symbol, n.Kind == Halted)
	}
	f.number++
	notice := Notice{f.number, uint32(t.Time() / time.Second), n}
	if len(f.notices) == keptNotices {
		f.notices = f.notices[:copy(f.notices, f.notices[1:])]
	}
	f.notices = append(f.notices, notice)
	f.news.Broadcast(t, notice)
}

// Notice is the body of the event "notice"; that of "notices", which a reader gets on joining, is a list of the last
// ones.
type Notice struct {
	Number uint32 `msgpack:"number"` // from 1, without a gap
	At     uint32 `msgpack:"at"`     // seconds of the game's time
	News   `msgpack:",inline"`
}

// LineState is how it stands with the source.
type LineState uint8

// The states of the line to the source.
const (
	Connecting LineState = iota // nothing has come yet
	Live
	Late // nothing has come for a while
	Down // the source has failed and is asked again in Retry seconds
)

// Line is the one row of its table: the line to the source.
type Line struct {
	State    LineState `sync:"state"`
	Trades   uint32    `sync:"trades"`   // taken from the source so far
	Failures uint16    `sync:"failures"` // in a row
	Retry    uint8     `sync:"retry"`    // seconds
	Reason   string    `sync:"reason"`   // why it is down
}

var _ room.Game[Nothing] = (*Feed)(nil)
