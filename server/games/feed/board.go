package feed

import (
	"cmp"
	"math"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Quote is what everybody sees of a symbol. What a page can reckon is not sent: the change is Last-Open.
type Quote struct {
	Last   float64 `sync:"last,step=1/100"`
	Volume uint32  `sync:"volume"` // shares since the opening
	High   float64 `sync:"high,step=1/100"`
	Low    float64 `sync:"low,step=1/100"`
	Trend  int8    `sync:"trend"` // where it went since the last sample: -1, 0 or 1
	Halted bool    `sync:"halted"`
	Open   float64 `sync:"open,step=1/100"`
	Symbol string  `sync:"symbol"`
	Name   string  `sync:"name"`

	points [samples]*Point // its history, a ring
}

// Point is a former price. Quotes share a clock: the points of one Number are of one moment.
type Point struct {
	Number uint32  `sync:"number"` // of the sample, from 1; 0: none yet
	Price  float64 `sync:"price,step=1/100"`
	Quote  uint32  `sync:"quote"` // id
}

const (
	maxSymbols  = 100
	maxSymbol   = 12           // bytes
	maxPrice    = 10e6         // what the step of 1/100 can carry
	samples     = 40           // of each symbol: a little over a minute
	sampleEvery = 2 * tickRate // ticks
)

// board is the quotes and their history.
type board struct {
	quotes *state.Table[Quote]
	points *state.Table[Point]
	ids    map[string]state.ID // by symbol; only looked up in, never walked
	number uint32              // of the newest sample
}

func newBoard(s *room.Setup) board {
	return board{quotes: room.Table[Quote](s, "quote"), points: room.Table[Point](s, "point"), ids: map[string]state.ID{}}
}

// trade brings a quote up to date and reports whether the trade made sense. The source is not ours: what it
// says is checked.
func (b *board) trade(v Trade) bool {
	if !(v.Price > 0 && v.Price < maxPrice) || v.Symbol == "" || len(v.Symbol) > maxSymbol {
		return false
	}
	price := math.Round(v.Price*100) / 100
	q := b.quotes.Get(b.ids[v.Symbol])
	if q == nil {
		if q = b.add(v); q == nil {
			return false
		}
		q.Open, q.High, q.Low = price, price, price
	}
	q.Last, q.High, q.Low = price, max(q.High, price), min(q.Low, price)
	q.Volume += v.Shares
	return true
}

// add lists a new symbol; nil if there are too many.
func (b *board) add(v Trade) *Quote {
	if b.quotes.Len() == maxSymbols {
		return nil
	}
	id, q := b.quotes.Add(0)
	b.ids[v.Symbol] = id
	q.Symbol, q.Name = v.Symbol, v.Name
	// The whole ring at once: later samples change rows in place, which costs a few bytes each, where a row that
	// comes and one that goes would cost several times as many.
	for i := range q.points {
		_, q.points[i] = b.points.Add(0)
		q.points[i].Quote = uint32(id)
	}
	return q
}

func (b *board) halt(symbol string, halted bool) {
	if q := b.quotes.Get(b.ids[symbol]); q != nil {
		q.Halted = halted
	}
}

// sample adds a point to the history of every quote.
func (b *board) sample() {
	b.number++
	for _, q := range b.quotes.All() {
		before := q.points[(b.number-1)%samples]
		p := q.points[b.number%samples]
		q.Trend = 0
		if before.Number > 0 {
			q.Trend = int8(cmp.Compare(q.Last, before.Price))
		}
		p.Number, p.Price = b.number, q.Last
	}
}
