package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/server/games/arena"
	"github.com/tickhall/tickhall/server/games/chat"
	"github.com/tickhall/tickhall/server/games/devices"
	"github.com/tickhall/tickhall/server/games/feed"
	"github.com/tickhall/tickhall/server/games/whiteboard"
)

// interfaceOf is what clients of a kind can send and get.
func interfaceOf[In any](t *testing.T, k room.Kind[In]) *protocol.Interface {
	r, err := room.New(k, room.Config{ID: "r1"})
	require.NoError(t, err)
	return r.Interface()
}

// rows returns the rows of a README's tables whose heads begin with the word given, one column empty.
func rows(readme, head string) []string {
	var list []string
	for _, part := range strings.Split(readme, "\n| "+head+" |")[1:] {
		for _, line := range strings.Split(part, "\n")[2:] { // below the head and the line of dashes
			if !strings.HasPrefix(line, "|") {
				break
			}
			list = append(list, line[:strings.LastIndex(line[:len(line)-1], "|")+1])
		}
	}
	slices.Sort(list)
	return list
}

func TestEachGamesReadmeTellsWhatClientsSendAndGet(t *testing.T) {
	for name, kind := range map[string]*protocol.Interface{
		"arena": interfaceOf(t, arena.Kind), "chat": interfaceOf(t, chat.Kind), "devices": interfaceOf(t, devices.Kind),
		"feed": interfaceOf(t, feed.Kind), "whiteboard": interfaceOf(t, whiteboard.Kind),
	} {
		b, err := os.ReadFile(filepath.Join("games", name, "README.md"))
		require.NoError(t, err)
		var inputs, messages, events, fields, codes, options []string
		for _, f := range kind.Inputs {
			inputs = append(inputs, fmt.Sprintf("| `%s` | `%s` |", f.Name, f.Type))
		}
		for _, m := range kind.Messages {
			messages = append(messages, fmt.Sprintf("| `%s` | `%s` | `%s` |", m.Name, m.Request, m.Reply))
		}
		for _, e := range kind.Events {
			events = append(events, fmt.Sprintf("| `%s` | `%s` |", e.Name, e.Body))
		}
		for _, table := range kind.Tables {
			for _, f := range table.Fields {
				typ := f.Type
				if f.Rate != "" {
					typ += ", rate `" + f.Rate + "`"
				}
				if f.Owner {
					typ += ", owner"
				}
				fields = append(fields, fmt.Sprintf("| `%s` | `%s` | %s |", table.Name, f.Name, typ))
			}
		}
		sources, err := filepath.Glob(filepath.Join("games", name, "*.go"))
		require.NoError(t, err)
		for _, source := range sources {
			if strings.HasSuffix(source, "_test.go") {
				continue
			}
			text, err := os.ReadFile(source)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`room\.Errorf\("(\w+)"`).FindAllSubmatch(text, -1) {
				codes = append(codes, fmt.Sprintf("| `%s` |", m[1]))
			}
			_, after, _ := strings.Cut(string(text), "\ntype Options struct {\n")
			after, _, _ = strings.Cut(after, "\n}")
			for _, m := range regexp.MustCompile("`json:\"(\\w+)\"`").FindAllStringSubmatch(after, -1) {
				options = append(options, fmt.Sprintf("| `%s` |", m[1]))
			}
		}
		for head, want := range map[string][]string{
			"input | type": inputs, "message | body | reply": messages, "event | body": events, "table | field | type": fields, "code": codes,
		} {
			slices.Sort(want)
			require.Equal(t, slices.Compact(want), rows(string(b), head), "%s: the table | %s |", name, head)
		}
		have := rows(string(b), "option | type")
		require.Len(t, have, len(options), name)
		for i, option := range options {
			require.True(t, strings.HasPrefix(have[i], option), "%s: %s", name, option)
		}
		spec, err := os.ReadFile("../protocol/README.md")
		require.NoError(t, err)
		require.Contains(t, string(spec), "(../server/games/"+name+"/README.md)")
	}
}
