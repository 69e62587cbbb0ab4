package chat

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tickhall/tickhall/room"
)

// maxText is the longest line, in characters.
const maxText = 500

// clean returns text without the spaces around it, or what is wrong with it.
func clean(text string) (string, error) {
	text = strings.TrimSpace(text)
	visible := func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	switch {
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", room.Errorf("bad_text", "the text has a control character: send a line without breaks and tabs")
	case !strings.ContainsFunc(text, visible):
		return "", room.Errorf("empty", "there is nothing to read in it: write something")
	case utf8.RuneCountInString(text) > maxText:
		return "", room.Errorf("too_long", "the text has %d characters: at most %d", utf8.RuneCountInString(text), maxText)
	}
	return text, nil
}

const (
	burst   = 6 // lines at once
	perLine = time.Second

	// What one user is sent by all others together: more than two of them can write.
	lettersAtOnce = 20
	perLetter     = time.Second / 2
)

// spend takes one line from what a user may write now, or returns the error to answer with.
func spend(t *room.Tick, b *room.Bucket) error {
	if b.Take(t, burst, perLine) {
		return nil
	}
	wait := b.Until - (burst-1)*perLine - t.Time()
	return room.Errorf("slow_down", "you write faster than anybody reads: wait %.0f s", math.Ceil(wait.Seconds()))
}
