package chat

import (
	"unicode/utf8"

	"github.com/tickhall/tickhall/protocol/state"
)

const (
	recentLines = 100  // in the table: everybody has them
	allLines    = 1000 // kept, to be asked for
	pageLines   = 25   // lines of one page
	pageBytes   = 16 << 10
)

// Line is one of the last lines. Its id is used again one day; its number never.
type Line struct {
	Number uint32 `sync:"number"` // from 1
	User   string `sync:"user"`
	Name   string `sync:"name"` // as it was then
	Text   string `sync:"text"`
	Rest   string `sync:"rest"` // what of a long text does not fit a field
	At     uint32 `sync:"at"`   // seconds of the game's time
}

// Entry is a line as a page of the history has it.
type Entry struct {
	Number uint32 `msgpack:"number"`
	User   string `msgpack:"user"`
	Name   string `msgpack:"name"`
	Text   string `msgpack:"text"`
	At     uint32 `msgpack:"at"`
}

// history is what was said: all of it up to a bound, the last lines in a table too.
type history struct {
	recent *state.Table[Line]
	ids    []state.ID // of recent, oldest first
	all    []Entry    // oldest first, numbers without a gap
	number uint32     // of the newest
}

// add adds a line and returns its number.
func (h *history) add(e Entry) uint32 {
	if len(h.ids) == recentLines {
		h.recent.Remove(h.ids[0])
		h.ids = h.ids[:copy(h.ids, h.ids[1:])]
	}
	if len(h.all) == allLines {
		h.all = h.all[:copy(h.all, h.all[1:])]
	}
	h.number++
	e.Number = h.number
	h.all = append(h.all, e)
	id, l := h.recent.Add(0)
	*l = Line{Number: e.Number, User: e.User, Name: e.Name, At: e.At}
	l.Text, l.Rest = split(e.Text, state.MaxString)
	h.ids = append(h.ids, id)
	return e.Number
}

// before returns the page of lines that ends before a number, and whether there are older ones. A page is
// bounded in bytes too: the answers that wait for a player have a limit.
func (h *history) before(number uint32) (page []Entry, more bool) {
	end := 0
	if len(h.all) > 0 && number > h.all[0].Number {
		end = int(min(number-h.all[0].Number, uint32(len(h.all))))
	}
	start, bytes := end, 0
	for start > 0 && end-start < pageLines && bytes < pageBytes {
		start--
		bytes += len(h.all[start].Text)
	}
	return h.all[start:end], start > 0
}

// split cuts s at a rune into a head of at most n bytes and the rest.
func split(s string, n int) (head, rest string) {
	if len(s) <= n {
		return s, ""
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], s[n:]
}
