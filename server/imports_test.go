package main

import (
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tickhall/tickhall/"

// mayImport says which folders' packages each folder's may import, tests left out. A folder stands for what
// is below it too, unless that has a line of its own; "x/..." is x and all below it. There are no cycles
// here, so there are none between the packages.
var mayImport = map[string][]string{
	"protocol/wire":   {},
	"protocol/state":  {"protocol/wire"},
	"protocol/js":     {},
	"protocol":        {"protocol/wire", "protocol/state"},
	"protocol/body":   {"protocol", "protocol/wire"},
	"protocol/client": {"protocol", "protocol/body", "protocol/wire", "protocol/state"},
	"player":          {"protocol", "protocol/body", "protocol/wire", "protocol/state"},
	"player/quota":    {},
	"room/interest":   {"protocol/state"},
	"room":            {"player", "protocol", "protocol/body", "protocol/wire", "protocol/state", "room/interest"},
	"room/roomtest":   {"room", "player", "protocol", "protocol/wire", "protocol/state"},
	"room/replay":     {"room", "protocol", "protocol/wire", "protocol/state"},
	"room/directory":  {"room", "player", "protocol"},
	"room/lobby":      {"room", "room/directory", "player", "player/quota", "protocol", "protocol/state"},
	"room/matchmaker": {"room", "room/directory", "room/lobby", "player", "player/quota", "protocol"},
	"server/auth":     {"protocol"},
	"server/flags":    {},
	"server/logs":     {},
	"server/version":  {},
	"server/api":      {"protocol"},
	"server/gateway":  {"server/auth", "server/api", "room", "room/directory", "room/lobby", "room/matchmaker", "player", "player/quota", "protocol", "protocol/wire"},
	"server/metrics":  {"server/gateway", "server/version", "room", "room/lobby", "player", "protocol"},
	"server/admin":    {"server/auth", "server/api", "room", "room/directory", "room/lobby", "player", "protocol"},
	"server/web":      {"server/api", "room"},
	"server/games":    {"room", "room/interest", "protocol/state"},
	"server/host":     {"server/auth", "server/flags", "server/api", "server/gateway", "server/metrics", "server/admin", "server/web", "server/logs", "server/version", "room/...", "player", "player/quota", "protocol", "protocol/js"},
	"server":          {"server/host", "server/games/..."},
	"loadtest/swarm":  {"protocol", "protocol/client", "protocol/wire", "protocol/state"},
	"loadtest":        {"loadtest/swarm", "server/flags", "server/logs", "server/version"},
}

// onlyIn says which folders alone import these packages.
var onlyIn = map[string][]string{
	"github.com/lxzan/gws": {"server/gateway", "protocol/client"},
	"net/http":             {"server", "protocol/client", "loadtest"},
	"net":                  {"server", "protocol/client", "loadtest"},
}

func TestImportsPointTheRightWay(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}} {{join .Imports " "}}{{end}}`, "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		from, ours := strings.CutPrefix(imports[0], module)
		if !ours {
			continue
		}
		folder := folderOf(from)
		if _, ok := mayImport[folder]; !ok {
			t.Errorf("%s is in no folder of the design: add it to mayImport, if it belongs there", from)
		}
		for _, to := range imports[1:] {
			if to, ours := strings.CutPrefix(to, module); ours {
				if !matches(mayImport[folder], to) {
					t.Errorf("%s must not import %s: it may import %v", from, to, mayImport[folder])
				}
				continue
			}
			for name, folders := range onlyIn {
				if (to == name || strings.Contains(name, ".") && strings.HasPrefix(to, name+"/")) && !under(folders, from) {
					t.Errorf("%s must not import %s: only %v may", from, to, folders)
				}
			}
		}
	}
}

// folderOf is the longest folder of mayImport that holds a package.
func folderOf(p string) string {
	for ; p != "."; p = path.Dir(p) {
		if _, ok := mayImport[p]; ok {
			return p
		}
	}
	return p
}

func matches(patterns []string, p string) bool {
	for _, pattern := range patterns {
		if base, ok := strings.CutSuffix(pattern, "/..."); p == pattern || ok && (p == base || strings.HasPrefix(p, base+"/")) {
			return true
		}
	}
	return false
}

func under(folders []string, p string) bool {
	for _, f := range folders {
		if p == f || strings.HasPrefix(p, f+"/") {
			return true
		}
	}
	return false
}
