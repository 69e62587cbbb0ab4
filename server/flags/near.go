package flags

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// reword is what the flag package says of args, in our words: a flag that there is not, or one without its value.
func (s *Set) reword(err error, args []string) error {
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		if a == "--" || !strings.HasPrefix(a, "-") || !strings.HasSuffix(err.Error(), " -"+name) {
			continue
		}
		var names []string
		for _, f := range s.Flags {
			if f.Name == name {
				return fmt.Errorf("--%s needs a value, such as --%s %s: see --help", name, name, f.Value)
			}
			names = append(names, f.Name)
		}
		return fmt.Errorf("there is no flag --%s: %s", name, suggest("--", name, names))
	}
	return fmt.Errorf("%w: see --help", err)
}

// linked matches the names of variables that Kubernetes and Docker set for a service: TICKHALL_PORT_8080_TCP_ADDR is
// none of ours where a service is called tickhall.
var linked = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// Unknown reports the variables of environ, each "NAME=value" as os.Environ has them, that begin with Prefix and are no
// flag's, with the nearest one that is. others are prefixes of those that belong to another command.
func (s *Set) Unknown(environ []string, others ...string) error {
	var known []string
	for _, f := range s.Flags {
		known = append(known, f.Variable)
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case !strings.HasPrefix(name, s.Prefix), slices.Contains(known, name):
		case slices.ContainsFunc(others, func(prefix string) bool { return strings.HasPrefix(v, prefix) }):
		case linked.MatchString(name), strings.HasPrefix(value, "tcp://"), strings.HasPrefix(value, "udp://"):
		default:
			return fmt.Errorf("there is no setting %s: %s", name, suggest("", name, known))
		}
	}
	return nil
}

// suggest asks whether the nearest of names was meant, if one is near; else --help has them all.
func suggest(before, name string, names []string) string {
	nearest, least := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := distance(name, n); d < least {
			nearest, least = n, d
		}
	}
	if nearest == "" {
		return "see --help"
	}
	return fmt.Sprintf("did you mean %s%s?", before, nearest)
}

// distance is how many letters have to be put in, left out, replaced or swapped with the next to make b of a (optimal
// string alignment, after Damerau, "A technique for computer detection and correction of spelling errors", 1964).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
