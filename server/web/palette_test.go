package web

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// colour is linear red, green and blue, from 0 to 1.
type colour [3]float64

func hexColour(t *testing.T, s string) (c colour) {
	t.Helper()
	require.Regexp(t, `^#[0-9a-f]{6}([0-9a-f]{2})?$`, s) // what is nearly opaque counts as opaque
	for i := range c {
		v, err := strconv.ParseUint(s[1+2*i:3+2*i], 16, 8)
		require.NoError(t, err)
		if c[i] = float64(v) / 255; c[i] <= 0.04045 {
			c[i] /= 12.92
		} else {
			c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
		}
	}
	return c
}

func (c colour) luminance() float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is that of WCAG 2: from 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

var (
	variable = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]+)`)
	hue      = regexp.MustCompile(`\.(hue-\d+) \{ color: (#[0-9a-f]+)`)
)

// schemes are the colours of a style sheet by name, dark and light.
func schemes(t *testing.T, file string, find *regexp.Regexp) (dark, light map[string]colour) {
	b, err := files.ReadFile("assets/" + file)
	require.NoError(t, err)
	dark, light = map[string]colour{}, map[string]colour{}
	first, second, ok := strings.Cut(string(b), "@media (prefers-color-scheme: light)")
	require.True(t, ok, "%s has no light scheme", file)
	for _, m := range find.FindAllStringSubmatch(first, -1) {
		dark[m[1]] = hexColour(t, m[2])
	}
	second, _, _ = strings.Cut(second, "\n}\n")
	for _, m := range find.FindAllStringSubmatch(second, -1) {
		light[m[1]] = hexColour(t, m[2])
	}
	return dark, light
}

func TestTextCanBeReadInBothSchemes(t *testing.T) {
	grounds := []string{"ground", "panel", "raised", "field", "chosen", "glass"}
	texts := map[string][]string{
		"text": append(grounds, "info-ground"), "mild": grounds, "soft": grounds[:5], "accent": {"ground", "panel"},
		"on-accent": {"accent"}, "on-danger": {"danger"}, "warn-text": {"warn-ground"}, "bad-text": {"bad-ground"}, "good-text": {"good-ground"},
		"warn": {"ground", "panel"},
	}
	dark, light := schemes(t, "site.css", variable)
	hues, lightHues := schemes(t, "chat/chat.css", hue)
	ways, lightWays := schemes(t, "feed/feed.css", variable)
	for scheme, s := range map[string]struct{ site, hues, ways map[string]colour }{"dark": {dark, hues, ways}, "light": {light, lightHues, lightWays}} {
		require.Len(t, s.hues, 12, scheme)
		require.Len(t, s.ways, 2, scheme)
		check := func(text string, c colour, ground string, least float64) {
			g, ok := s.site[ground]
			require.True(t, ok, "%s: --%s", scheme, ground)
			require.GreaterOrEqual(t, contrast(c, g), least, "%s: %s on %s", scheme, text, ground)
		}
		for text, grounds := range texts {
			c, ok := s.site[text]
			require.True(t, ok, "%s: --%s", scheme, text)
			for _, ground := range grounds {
				check(text, c, ground, 4.5)
			}
		}
		for name, c := range s.hues {
			check(name, c, "ground", 4.5)
			check(name, c, "raised", 4.5)
		}
		for name, c := range s.ways {
			check(name, c, "panel", 4.5)
		}
		for _, ground := range []string{"ground", "panel", "field"} {
			check("edge", s.site["edge"], ground, 3) // of what can be pressed or filled in
		}
	}
}

// TestWhiteWordsCanBeRead is about words on colours that are the same in both schemes.
func TestWhiteWordsCanBeRead(t *testing.T) {
	for file, find := range map[string]string{
		"arena/arena.css":       `(?m)^\.bar[^{]* i \{[^}]*background: (#[0-9a-f]{6})`,
		"whiteboard/drawing.js": `(?m)CURSORS = \[(.*)\]`,
	} {
		b, err := files.ReadFile("assets/" + file)
		require.NoError(t, err)
		n := 0
		for _, m := range regexp.MustCompile(find).FindAllSubmatch(b, -1) {
			for _, c := range regexp.MustCompile(`#[0-9a-f]{6}`).FindAllString(string(m[0]), -1) {
				n++
				require.GreaterOrEqual(t, contrast(hexColour(t, c), colour{1, 1, 1}), 4.5, "%s in %s", c, file)
			}
		}
		require.Greater(t, n, 4, file)
	}
}

// eyes are those that see two colours where others see three: the matrices are of Machado, Oliveira and Fernandes, "A
// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, for linear colours at full severity.
var eyes = map[string][3]colour{
	"protanope":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranope": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanope":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

func (c colour) seenBy(eye [3]colour) (seen colour) {
	for i, row := range eye {
		seen[i] = min(max(row[0]*c[0]+row[1]*c[1]+row[2]*c[2], 0), 1)
	}
	return seen
}

// lab is the colour in CIELAB, whose distances are about those that people see.
func (c colour) lab() (lab colour) {
	f := func(v float64) float64 {
		if v > 216./24389 {
			return math.Cbrt(v)
		}
		return (24389./27*v + 16) / 116
	}
	x := f((0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.9505)
	y := f(c.luminance())
	z := f((0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.089)
	return colour{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// TestShipsAreToldApart holds because to some eyes ships of different colours are of one colour.
func TestShipsAreToldApart(t *testing.T) {
	b, err := files.ReadFile("assets/arena/world.js")
	require.NoError(t, err)
	list := func(name, item string) []string {
		m := regexp.MustCompile(`(?s)export const ` + name + ` = \[(.*?)\];`).FindSubmatch(b)
		require.NotNil(t, m, name)
		return regexp.MustCompile(item).FindAllString(string(m[1]), -1)
	}
	colours, hulls := list("COLOURS", `#[0-9a-f]{6}`), list("HULLS", `\d+`)
	require.Len(t, colours, 12)
	require.Len(t, hulls, len(colours))
	confused := map[string]bool{}
	for eye, matrix := range eyes {
		for i := range colours {
			for j := range i {
				a, b := hexColour(t, colours[i]).seenBy(matrix).lab(), hexColour(t, colours[j]).seenBy(matrix).lab()
				if far := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2]); far < 20 {
					pair := fmt.Sprintf("%d and %d", j, i)
					confused[pair] = true
					require.NotEqual(t, hulls[i], hulls[j], "colours %s are one to a %s, and their ships have one shape", pair, eye)
				}
			}
		}
	}
	require.NotEmpty(t, confused, "else shapes would not be needed")
	for _, c := range colours {
		require.GreaterOrEqual(t, contrast(hexColour(t, c), hexColour(t, "#0f1730")), 4.5, "%s on the floor", c)
	}
}
