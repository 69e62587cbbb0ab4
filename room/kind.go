package room

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// Defaults of a Kind.
const (
	DefaultTickRate   = 20
	DefaultMaxPlayers = 16
	DefaultEmptyFor   = 30 * time.Second
	DefaultGrace      = 20 * time.Second

	MaxTickRate   = 128
	MaxMaxPlayers = 10_000
)

// Kind is a kind of room: a name, a pace and the constructor of its game. The zero value of each
// field but Name and New is its default.
type Kind[In any] struct {
	Name  string // in URLs and on the wire: a-z, 0-9 and -, at most 32 characters
	Title string // for people; Name by default
	About string // one sentence for the start page

	TickRate   int           // ticks per second, 1 to 128; 20 by default
	OnDemand   bool          // tick only when something has arrived, at most TickRate times a second
	MaxPlayers int           // seats, 1 to 10,000; 16 by default
	EmptyFor   time.Duration // how long an empty room stays; 30 s by default
	Grace      time.Duration // how long the seat of a lost player is kept; 20 s by default

	// New makes the game of one room: it registers tables and handlers with the Setup. A panic in it
	// is an error like one returned.
	New func(s *Setup) (Game[In], error)
}

// AnyKind is a Kind of any input type. Only Kind implements it.
type AnyKind interface {
	spec() *Spec
}

// Spec is what the server knows of a Kind, whatever its input type.
type Spec struct {
	Name, Title, About string
	TickRate           int
	OnDemand           bool
	MaxPlayers         int
	EmptyFor, Grace    time.Duration
	Inputs             []string // names of an input's fields, in the order of the wire

	fault error
	build func(s *Setup) (stepper, error)
}

// SpecOf returns k's Spec, defaults filled in, and every fault that it has.
func SpecOf(k AnyKind) (*Spec, error) {
	s := k.spec()
	return s, s.fault
}

var kindName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (k Kind[In]) spec() *Spec {
	s := &Spec{
		Name: k.Name, Title: k.Title, About: k.About, TickRate: k.TickRate, OnDemand: k.OnDemand,
		MaxPlayers: k.MaxPlayers, EmptyFor: k.EmptyFor, Grace: k.Grace,
	}
	orDefault(&s.Title, k.Name)
	orDefault(&s.TickRate, DefaultTickRate)
	orDefault(&s.MaxPlayers, DefaultMaxPlayers)
	orDefault(&s.EmptyFor, DefaultEmptyFor)
	orDefault(&s.Grace, DefaultGrace)

	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("room kind %q: "+format, append([]any{k.Name}, args...)...))
		}
	}
	fault(!kindName.MatchString(k.Name), "Name must be 1 to 32 characters of a-z, 0-9 and -")
	fault(s.TickRate < 1 || s.TickRate > MaxTickRate, "TickRate %d is not within 1 to %d", s.TickRate, MaxTickRate)
	fault(s.MaxPlayers < 1 || s.MaxPlayers > MaxMaxPlayers, "MaxPlayers %d is not within 1 to %d", s.MaxPlayers, MaxMaxPlayers)
	fault(s.EmptyFor < 0, "EmptyFor is negative")
	fault(s.Grace < 0, "Grace is negative")
	fault(k.New == nil, "New is missing")
	var err error
	s.Inputs, err = inputFields(reflect.TypeFor[In]())
	fault(err != nil, "%v", err)
	s.fault = errors.Join(faults...)
	s.build = func(setup *Setup) (stepper, error) {
		game, err := k.New(setup)
		if err != nil {
			return nil, err
		}
		return newRunner(game), nil
	}
	return s
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// inputFields names the fields of an input as msgpack does, in order.
func inputFields(t reflect.Type) ([]string, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the input type %v must be a struct", t)
	}
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if f.Anonymous || strings.Contains(options, "inline") {
			return nil, fmt.Errorf("the input type %v must not embed %v: list its fields", t, f.Type)
		}
		if name == "" {
			name = f.Name
		}
		names = append(names, name)
	}
	return names, nil
}
