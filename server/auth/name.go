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

// CleanName returns name as it may be shown to others: without spaces around it, valid UTF-8, 1 to
// MaxName characters, all of them printable, at least one of them visible. The error tells a person what to change.
func CleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", errors.New("the name is not valid UTF-8: send it as UTF-8 text")
	}
	name = strings.TrimSpace(name)
	n, seen := 0, false
	for _, r := range name {
		if !shows(r) {
			return "", fmt.Errorf("the name contains the character %U, which can't be shown: remove it", r)
		}
		seen = seen || r != ' ' && !unicode.IsMark(r)
		n++
	}
	switch {
	case !seen:
		return "", fmt.Errorf("the name is empty: choose one of 1 to %d characters", MaxName)
	case n > MaxName:
		return "", fmt.Errorf("the name has %d characters: shorten it to %d", n, MaxName)
	}
	return name, nil
}

// shows reports whether r may stand in a name. Of spaces IsPrint lets only the common one pass, of controls
// and formats (such as those that reverse the direction of text) none.
func shows(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// fitName makes a name that the person did not choose here, and so can't change, one that CleanName accepts:
// it leaves out what can't be shown and what is too long. False: nothing is left.
func fitName(name string) (string, bool) {
	runes := make([]rune, 0, MaxName)
	for _, r := range name {
		if unicode.IsSpace(r) {
			r = ' '
		}
		if shows(r) && r != utf8.RuneError && len(runes) < MaxName && (r != ' ' || len(runes) > 0) {
			runes = append(runes, r)
		}
	}
	clean, err := CleanName(string(runes))
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
