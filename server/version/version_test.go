package version

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABuildSaysWhatItIs(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "24adcb2f0c11aaaaaaaa"}, {Key: "vcs.modified", Value: "true"}}
	for _, c := range []struct {
		name     string
		build    debug.BuildInfo
		revision string
		want     string
	}{
		{"checkout", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: module, Version: "(devel)"}, Settings: vcs}, "",
			"tickhall (devel)-24adcb2f0c11+dirty, go1.26"},
		{"stamped", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: module, Version: "v0.0.0-20261128-24adcb2f0c11+dirty"}, Settings: vcs}, "",
			"tickhall v0.0.0-20261128-24adcb2f0c11+dirty, go1.26"},
		{"release", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: module, Version: "v1.2.3"}}, "", "tickhall v1.2.3, go1.26"},
		{"image", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: module}}, "abc", "tickhall (devel)-abc, go1.26"},
		{"author's", debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: "example.com/game", Version: "v0.1.0"},
			Deps: []*debug.Module{{Path: "example.com/else", Version: "v9.0.0"}, {Path: module, Version: "v1.2.3"}}, Settings: vcs}, "",
			"example.com/game v0.1.0, with tickhall v1.2.3, go1.26"},
		{"unknown", debug.BuildInfo{GoVersion: "go1.26"}, "", "tickhall (devel), go1.26"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, of(&c.build, c.revision).String()) })
	}
	require.NotEmpty(t, Read().Go)
}
