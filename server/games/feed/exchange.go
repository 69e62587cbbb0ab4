package feed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The simulated exchange.
const (
	pace       = 100 * time.Millisecond // between two batches
	tradesEach = 40                     // in a batch: about 200 a second at the pace of the room
	newsEvery  = 45                     // batches on average
	haltFor    = 60                     // batches
	outageFor  = 4                      // calls in a row that fail
)

var errOutage = errors.New("the exchange does not answer")

// company is a symbol of the simulated exchange.
type company struct {
	symbol, name string
	price        float64
	fair         float64 // what the price returns to
	swing        float64 // standard deviation of one trade, as a part of the price
	halted       int     // batches until trading goes on
}

// Exchange is a simulated exchange: prices on a random walk that is the same for the same seed, in time that
// passes by calls. Now and then it is out of reach.
type Exchange struct {
	rand      *rand.Rand
	companies []company
	every     int // calls between outages
	calls     int // since the last outage
	failing   int // calls that are still to fail
	news      int // batches until the next
	opened    bool
	pace      time.Duration
}

// NewExchange returns an exchange whose line breaks down every so often; 0: never.
func NewExchange(seed uint64, outageEvery time.Duration) *Exchange {
	x := &Exchange{rand: rand.New(rand.NewPCG(seed, 77)), every: int(outageEvery * tickRate / time.Second), pace: pace, news: newsEvery / 3}
	for _, c := range listed {
		price := math.Exp(2.5 + 3.2*x.rand.Float64()) // 12 to 300
		x.companies = append(x.companies, company{c[0], c[1], price, price, 0.0004 + 0.0012*x.rand.Float64(), 0})
	}
	return x
}

var _ Source = (*Exchange)(nil)

// Next implements Source.
func (x *Exchange) Next(ctx context.Context) (Batch, error) {
	wait := time.NewTimer(x.pace)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
	if x.calls++; x.every > 0 && x.calls >= x.every {
		x.calls, x.failing = 0, outageFor
	}
	if x.failing > 0 {
		x.failing--
		return Batch{}, errOutage
	}
	var b Batch
	if !x.opened {
		x.opened = true
		for i := range x.companies {
			c := &x.companies[i]
			b.Trades = append(b.Trades, Trade{Symbol: c.symbol, Name: c.name, Price: c.price})
		}
		b.News = append(b.News, News{Kind: Opened, Text: fmt.Sprintf("The market is open: %d symbols", len(x.companies))})
	}
	x.trade(&b)
	x.report(&b)
	return b, nil
}

// trade makes the deals of one batch.
func (x *Exchange) trade(b *Batch) {
	for range tradesEach {
		// The cube: some are traded far more than others, as it is.
		at := x.rand.Float64()
		c := &x.companies[int(at*at*at*float64(len(x.companies)))]
		if c.halted > 0 {
			continue
		}
		pull := 0.002 * math.Log(c.fair/c.price)
		c.price = max(c.price*math.Exp(pull+c.swing*x.rand.NormFloat64()), 0.01)
		b.Trades = append(b.Trades, Trade{Symbol: c.symbol, Price: c.price, Shares: uint32(1+x.rand.IntN(40)) * 10})
	}
}

// report makes the notices of one batch.
func (x *Exchange) report(b *Batch) {
	for i := range x.companies {
		c := &x.companies[i]
		if c.halted > 0 {
			if c.halted--; c.halted == 0 {
				b.News = append(b.News, News{Resumed, c.symbol, "Trading in " + c.name + " goes on"})
			}
		}
	}
	if x.news--; x.news > 0 {
		return
	}
	x.news = newsEvery/2 + x.rand.IntN(newsEvery)
	c := &x.companies[x.rand.IntN(len(x.companies))]
	if c.halted > 0 {
		return
	}
	if x.rand.IntN(3) == 0 {
		c.halted = haltFor
		b.News = append(b.News, News{Halted, c.symbol, "Trading in " + c.name + " is halted: news pending"})
		return
	}
	good := x.rand.IntN(2)
	c.fair *= [2]float64{0.96, 1.04}[good]
	words := headlines[good]
	b.News = append(b.News, News{Report, c.symbol, c.name + " " + words[x.rand.IntN(len(words))]})
}

var headlines = [2][]string{
	{"lowers its forecast for the year", "loses a supply contract", "delays its next plant", "is being looked into by the regulator"},
	{"raises its forecast for the year", "wins a ten-year contract", "buys back a part of its shares", "opens its second plant early"},
}

// listed are companies that do not exist, busiest first.
var listed = [...][2]string{
	{"ALDR", "Alder Foods"}, {"BRIX", "Brixham Motors"}, {"CRNE", "Crane & Daughter"}, {"DUNE", "Dune Solar"},
	{"EMBR", "Ember Ceramics"}, {"FJRD", "Fjord Lines"}, {"GLDE", "Glide Rail"}, {"HLCN", "Halcyon Labs"},
	{"INKW", "Inkwell Press"}, {"JUNI", "Juniper Bank"}, {"KITE", "Kite Aviation"}, {"LMPT", "Lamplight Grid"},
	{"MOSS", "Moss Carbon"}, {"NRTH", "Northgate Steel"}, {"OTTR", "Otter Networks"}, {"PLUM", "Plum Pharma"},
	{"QURY", "Quarry Stone"}, {"RVEN", "Raven Security"}, {"SLTW", "Saltwater Wind"}, {"TLLY", "Tally Payments"},
	{"UMBR", "Umber Paints"}, {"VELA", "Vela Space"}, {"WREN", "Wren Textiles"}, {"YARW", "Yarrow Health"},
}
