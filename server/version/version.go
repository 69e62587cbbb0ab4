// Package version tells which build of Tickhall a program is.
package version

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// module is Tickhall's own.
const module = "github.com/tickhall/tickhall"

// revision is set by a build without a checkout, such as an image's: -ldflags "-X .../server/version.revision=...".
var revision string

// Info is what is known of a build.
type Info struct {
	Version  string // of the module, such as "v1.2.3"; "(devel)" for a build of a checkout
	Revision string // of the program's checkout, 12 digits, with "+dirty" if it was changed; "" if it is not known
	Go       string // such as "go1.26"
	Program  string // the module of an author's own program, with its version; "" for Tickhall's
}

// Read returns the build of this program.
func Read() Info {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		b = new(debug.BuildInfo)
	}
	return of(b, revision)
}

// of is what b says; revision stands in where b has none.
func of(b *debug.BuildInfo, revision string) Info {
	i := Info{Version: "(devel)", Go: b.GoVersion}
	mine := &b.Main
	if b.Main.Path != module && b.Main.Path != "" {
		i.Program = b.Main.Path
		if b.Main.Version != "" {
			i.Program += " " + b.Main.Version
		}
		for _, d := range b.Deps {
			if d.Path == module {
				mine = d
			}
		}
	}
	if mine.Path == module && mine.Version != "" {
		i.Version = mine.Version
	}
	dirty := ""
	for _, s := range b.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if revision != "" {
		i.Revision = revision[:min(len(revision), 12)] + dirty
	}
	return i
}

// Short is Tickhall's version and revision, in one word: "v1.2.3" or "(devel)-24adcb2f0c11".
func (i Info) Short() string {
	digits, _, _ := strings.Cut(i.Revision, "+")
	if i.Revision == "" || i.Program != "" || strings.Contains(i.Version, digits) {
		return i.Version
	}
	return i.Version + "-" + i.Revision
}

// String is what --version prints of a program: one line.
func (i Info) String() string {
	s := fmt.Sprintf("tickhall %s, %s", i.Short(), i.Go)
	if i.Program != "" {
		s = i.Program + ", with " + s
	}
	return s
}
