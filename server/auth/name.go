package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest display name, in characters (code points).
const MaxName = 32

// maxMarks is how many combining marks may stand on one letter. More than any language writes would cover the lines
// around the name.
const maxMarks = 5

// CleanName returns name as it may be shown to others: valid UTF-8, 1 to MaxName characters, all of them printable, at
// least one of them visible, without spaces around them. Control characters, formats such as those that reverse the direction
// of text, what is invisible, and marks without end are left out; a line break or a tab becomes a space. The error tells a
// person what to change.
func CleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", errors.New("the name is not valid UTF-8: send it as UTF-8 text")
	}
	name = strings.TrimSpace(strip(name))
	n := utf8.RuneCountInString(name)
	switch {
	case !strings.ContainsFunc(name, func(r rune) bool { return r != ' ' && !unicode.IsMark(r) }):
		return "", fmt.Errorf("the name is empty, or nothing of it can be shown: choose one of 1 to %d characters", MaxName)
	case n > MaxName:
		return "", fmt.Errorf("the name has %d characters: shorten it to %d", n, MaxName)
	}
	return name, nil
}

// strip leaves out what can't be shown.
func strip(name string) string {
	marks := 0
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			r = ' '
		}
		switch {
		case !shows(r): // what is left out parts no marks
			return -1
		case !unicode.In(r, unicode.Mn, unicode.Me):
			marks = 0
		case marks == maxMarks:
			return -1
		default:
			marks++
		}
		return r
	}, name)
}

// shows reports whether r may stand in a name. Of spaces IsPrint lets only the common one pass, of controls
// and formats none. The replacement character stands for what was no character.
func shows(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && r != utf8.RuneError
}

// fitName makes a name that the person did not choose here, and so can't change, one that CleanName accepts: it also
// leaves out what is too long. False: nothing is left.
func fitName(name string) (string, bool) {
	runes := []rune(strings.TrimSpace(strip(strings.ToValidUTF8(name, ""))))
	clean, err := CleanName(string(runes[:min(len(runes), MaxName)]))
	return clean, err == nil
}

var (
	guestMoods = [...]string{
		"Agile", "Amber", "Bold", "Brave", "Breezy", "Bright", "Brisk", "Calm", "Cheery", "Clever", "Cosy", "Daring",
		"Dapper", "Eager", "Fleet", "Gentle", "Golden", "Happy", "Jolly", "Keen", "Kind", "Lively", "Lucky", "Mellow",
		"Merry", "Mighty", "Nimble", "Plucky", "Proud", "Quick", "Quiet", "Rapid", "Sly", "Snowy", "Spry", "Steady",
		"Sunny", "Swift", "Tidy", "Wily", "Witty", "Zesty",
	}
	guestAnimals = [...]string{
		"Badger", "Bat", "Bear", "Beaver", "Bison", "Crane", "Deer", "Dolphin", "Eagle", "Falcon", "Finch", "Fox",
		"Gecko", "Hare", "Hawk", "Hedgehog", "Heron", "Ibex", "Jackdaw", "Kestrel", "Kite", "Koala", "Lark", "Lynx",
		"Magpie", "Marten", "Mole", "Moose", "Newt", "Orca", "Otter", "Owl", "Panda", "Puffin", "Raven", "Robin",
		"Seal", "Stoat", "Swan", "Tiger", "Vole", "Walrus", "Wolf", "Wren", "Yak", "Zebra",
	}
)

// GuestName makes up a friendly display name, such as "Brisk Otter". Two guests may get the same one.
func GuestName() string {
	return guestMoods[mathrand.IntN(len(guestMoods))] + " " + guestAnimals[mathrand.IntN(len(guestAnimals))]
}

// GuestID makes up the user id of a guest: "guest-" and 130 random bits.
func GuestID() string { return "guest-" + strings.ToLower(rand.Text()) }
