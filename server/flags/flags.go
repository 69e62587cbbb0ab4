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
	Value    string             // what --help calls its value; "" for a switch, whose value is true or false. No error repeats a SECRET
	Variable string             // TICKHALL_MAX_ROOMS for --max-rooms
	Default  string             // as --help shows it; "" for none
	Usage    string             // what it is about; its lines stay apart in --help
	Group    string             // under which --help shows it
	Set      func(string) error // takes a value; the error says what is allowed, see Allowed
}

// Set is the flags of one command.
type Set struct {
	Prefix string // of the variables, such as "TICKHALL_"
	Flags  []Flag // in the order in which --help shows them

	Given []Given // what the last Parse set

	group  string // of those that are added
	checks []func() error
}

// Given is a setting that was given.
type Given struct {
	Name   string // of its flag
	Source string // --max-rooms or TICKHALL_MAX_ROOMS
	Value  string
}

// Group begins a group of flags in --help, under a title.
func (s *Set) Group(title string) { s.group = title }

// Add adds a flag. form is its name and what --help calls its value, such as "max-rooms N"; a name alone is a switch.
func (s *Set) Add(form, def, usage string, set func(string) error) {
	name, value, _ := strings.Cut(form, " ")
	variable := s.Prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	s.Flags = append(s.Flags, Flag{Name: name, Value: value, Variable: variable, Default: def, Usage: usage, Group: s.group, Set: set})
}

// Check has Parse call check when all values are set: for what is allowed or not together with other flags.
func (s *Set) Check(check func() error) { s.checks = append(s.checks, check) }

// Parse sets what args give, and of the rest what getenv knows and is not empty. The error is one line that names the
// flag or the variable at fault, or flag.ErrHelp if help was asked for.
func (s *Set) Parse(args []string, getenv func(string) (string, bool)) error {
	given := map[string]bool{}
	s.Given = nil
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var fault error // as we word it
	for _, f := range s.Flags {
		take := func(v string) error {
			given[f.Name] = true
			s.Given = append(s.Given, Given{f.Name, "--" + f.Name, v})
			err := f.Set(v)
			if err != nil && fault == nil {
				fault = f.fault("--"+f.Name+" ", v, err)
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
		return s.reword(err, args)
	case set.NArg() > 0:
		return fmt.Errorf("there are no arguments besides flags, but %q was given: see --help", set.Arg(0))
	}
	for _, f := range s.Flags {
		v, ok := getenv(f.Variable)
		if !ok || v == "" || given[f.Name] {
			continue
		}
		s.Given = append(s.Given, Given{f.Name, f.Variable, v})
		if err := f.Set(v); err != nil {
			return f.fault(f.Variable+"=", v, err)
		}
	}
	for _, check := range s.checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// fault names what was given, but for a secret's value.
func (f *Flag) fault(source, value string, err error) error {
	if f.Value == secret {
		return fmt.Errorf("%s: %w", strings.TrimRight(source, " ="), err)
	}
	return fmt.Errorf("%s%s: %w", source, value, err)
}

// secret is what --help calls the value of a flag that nobody should read.
const secret = "SECRET"

// Help is the text of --help for the flags, group by group, in lines of at most 80 columns, unless a word is longer.
func (s *Set) Help() string {
	var b strings.Builder
	group := ""
	for _, f := range s.Flags {
		if f.Group != group {
			if group = f.Group; b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(group + ":\n")
		}
		head, about := "  --"+f.Name, fmt.Sprintf("(%s, default %s)", f.Variable, cmp.Or(f.Default, "none"))
		if f.Value != "" {
			head += " " + f.Value
		}
		b.WriteString(head)
		if len(head)+2+len(about) <= helpWidth {
			b.WriteString("  " + about + "\n")
		} else {
			b.WriteString("\n" + Fold(about))
		}
		b.WriteString(Fold(f.Usage))
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
