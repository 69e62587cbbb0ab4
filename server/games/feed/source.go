package feed

import "context"

// Source is where quotes and notices come from: an exchange, a bus, a poll of somebody's HTTP API.
type Source interface {
	// Next waits for what has happened since the last call and returns it; the first call returns every
	// symbol. It may take its time, fail, or hang until ctx ends: it is called on a goroutine of its own, never by two at once.
	// After an error it is called again, with a growing pause. A Batch travels by msgpack, into the room and
	// its recording.
	Next(ctx context.Context) (Batch, error)
}

// Batch is what a source says at a time.
type Batch struct {
	Trades []Trade // oldest first
	News   []News  // oldest first
}

// Trade is a deal that was made.
type Trade struct {
	Symbol string // 1 to 12 bytes
	Name   string // of the company; only the first of a symbol needs it
	Price  float64
	Shares uint32 // 0: it only tells the price
}

// News is what a notice says.
type News struct {
	Kind   NewsKind `msgpack:"kind"`
	Symbol string   `msgpack:"symbol"` // what it is about, "" for all
	Text   string   `msgpack:"text"`
}

// NewsKind is what a notice is about.
type NewsKind string

// The kinds of notices.
const (
	Opened  NewsKind = "open"   // the market opens
	Halted  NewsKind = "halt"   // trading in Symbol is halted
	Resumed NewsKind = "resume" // and goes on
	Report  NewsKind = "news"
)
