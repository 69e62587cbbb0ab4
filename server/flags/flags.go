// Package flags reads the settings of a command, from flags and, for what these leave out, from environment variables,
// and writes the text of --help. It knows no setting itself, and starts no goroutine.
package flags

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Flag is one flag and its variable.
type Flag struct {
	Name     string             // --Name
	Value    string             // what --help calls its value; "" for a switch, whose value is true or false
	Variable string             // TICKHALL_MAX_ROOMS for --max-rooms
	Default  string             // as --help shows it; "" for none
	Usage    string             // what it is about; its lines stay apart in --help
	Set      func(string) error // takes a value; the error says what is allowed, see Allowed
}

// Set is the flags of one command.
type Set struct {
	Prefix string // of the variables, such as "TICKHALL_"
	Flags  []Flag // in the order in which --help shows them

	checks []func() error
}

// Add adds a flag. form is its name and what --help calls its value, such as "max-rooms N"; a name alone is a switch.
func (s *Set) Add(form, def, usage string, set func(string) error) {
	name, value, _ := strings.Cut(form, " ")
	variable := s.Prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	s.Flags = append(s.Flags, Flag{Name: name, Value: value, Variable: variable, Default: def, Usage: usage, Set: set})
}

// Check has Parse call check when all values are set: for what is allowed or not together with other flags.
func (s *Set) Check(check func() error) { s.checks = append(s.checks, check) }

// Parse sets what args give, and of the rest what getenv knows and is not empty. The error is one line that names the
// flag or the variable at fault, or flag.ErrHelp if help was asked for.
func (s *Set) Parse(args []string, getenv func(string) (string, bool)) error {
	given := map[string]bool{}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var fault error // as we word it
	for _, f := range s.Flags {
		take := func(v string) error {
			given[f.Name] = true
			err := f.Set(v)
			if err != nil && fault == nil {
				fault = fmt.Errorf("--%s %s: %w", f.Name, v, err)
			}
			return err
		}
		if f.Value == "" {
			set.BoolFunc(f.Name, "", take)
		} else {
			set.Func(f.Name, "", take)
		}
	}
	switch err := set.Parse(args); {
	case fault != nil:
		return fault
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w: see --help", err)
	case set.NArg() > 0:
		return fmt.Errorf("there are no arguments besides flags, but %q was given: see --help", set.Arg(0))
	}
	for _, f := range s.Flags {
		v, ok := getenv(f.Variable)
		if !ok || v == "" || given[f.Name] {
			continue
		}
		if err := f.Set(v); err != nil {
			return fmt.Errorf("%s=%s: %w", f.Variable, v, err)
		}
	}
	for _, check := range s.checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Help is the text of --help for the flags, in lines of at most 80 columns, unless a word is longer.
func (s *Set) Help() string {
	var b strings.Builder
	for _, f := range s.Flags {
		fmt.Fprintf(&b, "  --%s", f.Name)
		if f.Value != "" {
			b.WriteString(" " + f.Value)
		}
		fmt.Fprintf(&b, "  (%s, default %s)\n%s", f.Variable, cmp.Or(f.Default, "none"), Fold(f.Usage))
	}
	return b.String()
}

const (
	helpIndent = "      "
	helpWidth  = 80
)

// Fold breaks text between words into indented lines for --help. Lines that it has stay apart, and their spaces as they
// are if they fit.
func Fold(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		for len(helpIndent)+len(line) > helpWidth {
			at := strings.LastIndexByte(line[:helpWidth-len(helpIndent)+1], ' ')
			if at < 0 {
				if at = strings.IndexByte(line, ' '); at < 0 {
					break
				}
			}
			b.WriteString(helpIndent + line[:at] + "\n")
			line = strings.TrimLeft(line[at:], " ")
		}
		b.WriteString(helpIndent + line + "\n")
	}
	return b.String()
}

// Allowed is the error for a value that is not ok; what is allowed in its place.
func Allowed(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New("it must be " + what)
}
