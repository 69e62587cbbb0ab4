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
	case !utf8.ValidString(text):
		return "", room.Errorf("bad_text", "the text is not valid UTF-8")
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
	burst    = 6 // lines at once
	perLine  = time.Second
	maxDelay = burst * perLine
)

// budget is how many lines a user may write now: a token bucket in the game's time, so that a playback
// refuses what the room did.
type budget struct {
	left int
	from time.Duration // when left was counted
}

// spend takes one line from the budget at now, or returns the error to answer with.
func (b *budget) spend(now time.Duration) error {
	if b.left == burst || now-b.from >= maxDelay {
		b.left, b.from = burst, now
	}
	gained := int((now - b.from) / perLine)
	b.left, b.from = min(b.left+gained, burst), b.from+time.Duration(gained)*perLine
	if b.left == 0 {
		wait := math.Ceil((b.from + perLine - now).Seconds())
		return room.Errorf("slow_down", "you write faster than anybody reads: wait %.0f s", wait)
	}
	b.left--
	return nil
}
