package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
)

// Defaults of a Kind.
const (
	DefaultTickRate   = 20
	DefaultMaxPlayers = 16
	DefaultEmptyFor   = 30 * time.Second
	DefaultGrace      = 20 * time.Second
	DefaultMaxMemory  = 256 << 20

	MaxTickRate       = 128
	MaxMaxPlayers     = 10_000
	MaxSpectatorDelay = 10_000 // ticks
)

// None stands for a duration, or a number of QueueRules, of 0, since 0 itself stands for the default.
const None = -1

// Kind is a kind of room: a name, a pace and the constructor of its game. The zero value of each
// field but Name and New is its default.
type Kind[In any] struct {
	Name  string // in URLs and on the wire: a-z, 0-9 and -, at most 32 characters
	Title string // for people; Name by default
	About string // one sentence for the start page

	TickRate   int           // ticks per second, 1 to 128; 20 by default
	OnDemand   bool          // tick only when something has arrived, at most TickRate times a second
	MaxPlayers int           // seats, 1 to 10,000; 16 by default
	EmptyFor   time.Duration // how long a room stays in which nobody is, nor has a place held; 30 s by default, None to end it at once
	Grace      time.Duration // how long the seat of a lost player is kept; 20 s by default, None to give it up at once

	// IdleFor is after how long a player is removed who sends no message, and no input that differs from
	// the one before; never by default. Leave gets CauseIdle.
	IdleFor time.Duration

	// MaxMemory is how many bytes the room's tables may take on the server, their newest snapshots
	// included; 256 MiB by default. A room that takes more is ended, so that it can't take the others'
	// memory: what players may add to the world is for the game to bound, by a share for each of them.
	MaxMemory int

	// Backlog is how many bytes of events may wait for a player who is away or has a slow line, 64 KiB to 16 MiB;
	// 256 KiB by default. When the game sends more, the oldest of its own events are dropped, and the client is told
	// how many (Config.OnDropped in Go, "dropped" in JavaScript): what must not be lost belongs into the world. What
	// a player's messages make the game send to another is bounded apart: by an eighth of it for each such player,
	// who hears "busy", and all of it for all of them. Neither costs the recipient the seat. Answers are never dropped.
	Backlog int

	// Spectators is how many may watch a room without a seat; none by default. They see the room as it
	// was SpectatorDelay ticks ago, so that nobody is told by a friend who watches; 0 by default. A delay costs
	// the game's Step a second time.
	Spectators     int
	SpectatorDelay int

	// Queue has players matched by skill, who ask for it; nil if this kind has no such queue.
	Queue *QueueRules

	// New makes the game of one room: it registers tables and handlers with the Setup. A panic in it
	// is an error like one returned.
	New func(s *Setup) (Game[In], error)
}

// QueueRules say which players are matched by skill. The zero value of each field is its default; None stands for 0 in
// Window, Widen and LateAfter.
//
// A player who has waited w seconds accepts others whose skill differs by at most
// min(Window + Widen*w, Widest); two are matched if both accept. A member who does not come is replaced, see
// Tick.Backfill, by one who fits in the same way, w being for the room how long it has asked. Teams*TeamSize players make a match; when one
// has waited for LateAfter, MinPlayers do.
type QueueRules struct {
	Teams      int           // 2 by default
	TeamSize   int           // 1 by default
	MinPlayers int           // fewest players of a match; Teams*TeamSize by default
	Window     float64       // 100 by default
	Widen      float64       // per second; 20 by default
	Widest     float64       // 1000 by default
	LateAfter  time.Duration // 30 s by default

	// Skill tells how good a player is, from -1e9 to 1e9, whenever one enters the queue: from the claims of the user's token
	// (see SkillClaim) or from elsewhere, such as a database. It may be called from several goroutines at once and may
	// wait, until ctx ends after 5 s. An *Error refuses the player, who is shown it; any other is logged, and the player
	// asked to try again. nil: all are equally good, unless ClientSkill is set.
	Skill func(ctx context.Context, who Identity) (float64, error)
	// ClientSkill believes the number that a client sends, for games in which nobody gains by a wrong one. Without it
	// who sends one is refused. It goes without Skill.
	ClientSkill bool
}

// SkillClaim is a QueueRules.Skill that reads a number from the claims of the user's token: def for those who have
// none, such as guests.
func SkillClaim(name string, def float64) func(context.Context, Identity) (float64, error) {
	return func(_ context.Context, who Identity) (float64, error) {
		var claims map[string]json.RawMessage
		if len(who.Claims) > 0 {
			if err := json.Unmarshal(who.Claims, &claims); err != nil {
				return 0, err
			}
		}
		skill := def
		if raw, ok := claims[name]; ok {
			if err := json.Unmarshal(raw, &skill); err != nil {
				return 0, fmt.Errorf("claim %q of user %q must be a number", name, who.User)
			}
		}
		return skill, nil
	}
}

func (q QueueRules) withDefaults() QueueRules {
	orDefault(&q.Teams, 2)
	orDefault(&q.TeamSize, 1)
	orDefault(&q.MinPlayers, q.Teams*q.TeamSize)
	orNone(&q.Window, 100)
	orNone(&q.Widen, 20)
	orDefault(&q.Widest, 1000)
	orNone(&q.LateAfter, 30*time.Second)
	return q
}

func (q *QueueRules) valid() bool {
	return q.Teams > 0 && q.TeamSize > 0 && q.MinPlayers > 0 && q.MinPlayers <= q.Teams*q.TeamSize &&
		q.Window >= 0 && q.Widen >= 0 && q.Widest >= q.Window && q.LateAfter >= 0
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
	EmptyFor, Grace    time.Duration // 0: none
	IdleFor            time.Duration // 0: for ever
	MaxMemory          int
	Backlog            int
	Spectators         int
	SpectatorDelay     int
	Queue              *QueueRules
	Inputs             []protocol.Field // of an input, in the order of the wire

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
		IdleFor: k.IdleFor, MaxMemory: k.MaxMemory, Backlog: k.Backlog, Spectators: k.Spectators, SpectatorDelay: k.SpectatorDelay,
	}
	if k.Queue != nil {
		rules := k.Queue.withDefaults()
		s.Queue = &rules
	}
	orDefault(&s.Title, k.Name)
	orDefault(&s.TickRate, DefaultTickRate)
	orDefault(&s.MaxPlayers, DefaultMaxPlayers)
	orNone(&s.EmptyFor, DefaultEmptyFor)
	orNone(&s.Grace, DefaultGrace)
	orDefault(&s.Backlog, DefaultBacklog)
	orDefault(&s.MaxMemory, DefaultMaxMemory)

	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("room kind %q: "+format, append([]any{k.Name}, args...)...))
		}
	}
	fault(!kindName.MatchString(k.Name), "Name must be 1 to 32 characters of a-z, 0-9 and -")
	fault(s.TickRate < 1 || s.TickRate > MaxTickRate, "TickRate %d is not within 1 to %d", s.TickRate, MaxTickRate)
	fault(s.MaxPlayers < 1 || s.MaxPlayers > MaxMaxPlayers, "MaxPlayers %d is not within 1 to %d", s.MaxPlayers, MaxMaxPlayers)
	fault(s.EmptyFor < 0, "EmptyFor is negative: use room.None to end a room as soon as it is empty")
	fault(s.Grace < 0, "Grace is negative: use room.None to give a lost player's seat up at once")
	fault(s.IdleFor < 0, "IdleFor is negative")
	fault(s.MaxMemory < 0, "MaxMemory is negative")
	fault(s.Backlog < minBacklog || s.Backlog > maxBacklog, "Backlog %d is not within %d to %d bytes", s.Backlog, minBacklog, maxBacklog)
	fault(s.Spectators < 0 || s.Spectators > MaxMaxPlayers, "Spectators %d is not within 0 to %d", s.Spectators, MaxMaxPlayers)
	fault(s.SpectatorDelay < 0 || s.SpectatorDelay > MaxSpectatorDelay, "SpectatorDelay %d is not within 0 to %d ticks", s.SpectatorDelay, MaxSpectatorDelay)
	fault(s.SpectatorDelay > 0 && s.OnDemand, "SpectatorDelay needs a room that does not tick OnDemand")
	fault(s.Queue != nil && s.Queue.Teams*s.Queue.TeamSize > s.MaxPlayers, "Queue makes matches larger than MaxPlayers %d", s.MaxPlayers)
	fault(s.Queue != nil && !s.Queue.valid(), "Queue has a negative or contradicting rule")
	fault(s.Queue != nil && s.Queue.Skill != nil && s.Queue.ClientSkill, "Queue has both Skill and ClientSkill: choose who says how good a player is")
	fault(k.New == nil, "New is missing")
	codec, err := inputCodec(reflect.TypeFor[In]())
	if fault(err != nil, "%v", err); err == nil {
		s.Inputs = codec.Fields()
	}
	s.fault = errors.Join(faults...)
	s.build = func(setup *Setup) (stepper, error) {
		game, err := k.New(setup)
		if err != nil {
			return nil, err
		}
		return newRunner(game, codec), nil
	}
	return s
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// orNone is orDefault for what may be None.
func orNone[T ~int64 | ~float64](v *T, def T) {
	orDefault(v, def)
	if *v == None {
		*v = 0
	}
}

// inputCodec is the codec of an input type.
func inputCodec(t reflect.Type) (*body.Codec, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the input type %v must be a struct", t)
	}
	c, err := body.New(t)
	if err != nil {
		return nil, fmt.Errorf("the input type %v: %w", t, err)
	}
	return c, nil
}
