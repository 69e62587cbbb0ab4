// Package chat is a channel to talk in: who is here, who is typing, the last lines for who comes late,
// and direct messages to a user. A page holds a seat in as many channels at once as it shows.
//
// The last lines are a table, not events: one truth for who was here, who comes late and who was away
// for a moment, and a reader on a poor line gets what it missed in one piece. Older lines are asked for.
//
// The package imports what any author would. All of it runs on the room's goroutine.
package chat

import (
	"regexp"
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Kind is the chat. Nothing happens in a channel unless somebody does something, so that it ticks on
// demand: a thousand silent channels cost nothing, and a line waits for 1/20 s at the most.
var Kind = room.Kind[Nothing]{
	Name:       "chat",
	Title:      "Chat",
	About:      "Channels to talk in, with history, who is typing, and direct messages.",
	TickRate:   20,
	OnDemand:   true,
	MaxPlayers: 200,
	EmptyFor:   10 * time.Minute, // of history for who comes back
	New:        New,
}

// Nothing is a chat's input: all that members do, they do by messages.
type Nothing struct{}

// Options are what the one who opens a channel may ask for.
type Options struct {
	Topic string `json:"topic"` // its name: 1 to 32 of a-z, 0-9 and -; "general" by default
}

// Listing is what the lobby shows of a channel, so that a quick match with the filter {"topic": "help"} finds it.
type Listing struct {
	Topic string `json:"topic"`
}

// Member is a seat in the channel: a user may have several.
type Member struct {
	User   string `sync:"user"`
	Name   string `sync:"name"`
	Typing bool   `sync:"typing"`
	Away   bool   `sync:"away"` // the connection is lost

	until  time.Duration // when Typing is over, in the game's time
	timing bool          // a timer will look at until
	budget *budget       // of all seats of the user
}

// budget limits what one user writes and is written. It outlives the user's seats until it is full
// again, so that leaving and coming back buys nothing.
type budget struct {
	writes   room.Bucket // lines and letters of the user
	received room.Bucket // letters to the user
}

// Channel is the game of one room.
type Channel struct {
	topic   string
	members *state.Table[Member]
	seats   map[uint32]state.ID // of members, by player number; only looked up in, never walked
	budgets map[string]*budget  // by user
	history history
	letter  room.Event[Letter]
}

var validTopic = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// New makes the channel that its Options name.
func New(s *room.Setup) (room.Game[Nothing], error) {
	o := Options{Topic: "general"}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if !validTopic.MatchString(o.Topic) {
		return nil, room.Errorf("bad_options", "a topic is 1 to 32 of a-z, 0-9 and -, not %.40q", o.Topic)
	}
	s.SetListing(Listing(o))
	c := &Channel{
		topic:   o.Topic,
		members: room.Table[Member](s, "member"),
		seats:   map[uint32]state.ID{},
		budgets: map[string]*budget{},
		letter:  room.NewEvent[Letter](s, "dm"),
		history: history{recent: room.Table[Line](s, "line")},
	}
	room.Handle(s, "say", c.say)
	room.Handle(s, "typing", c.typing)
	room.Handle(s, "dm", c.direct)
	room.Handle(s, "history", c.older)
	return c, nil
}

// Join lists the player as a member.
func (c *Channel) Join(t *room.Tick, p *room.Player) error {
	id, m := c.members.Add(p.Number())
	*m = Member{User: p.User(), Name: p.Name(), budget: c.budgetOf(t, p.User())}
	c.seats[p.Number()] = id
	return nil
}

// Leave takes the member out. What it said stays.
func (c *Channel) Leave(_ *room.Tick, p *room.Player, _ room.Cause) {
	c.members.Remove(c.seats[p.Number()])
	delete(c.seats, p.Number())
}

// Away shows that the member can't read at present.
func (c *Channel) Away(_ *room.Tick, p *room.Player) {
	m := c.member(p)
	m.Away, m.Typing = true, false
}

// Back shows that the member reads again.
func (c *Channel) Back(_ *room.Tick, p *room.Player) { c.member(p).Away = false }

// Step has nothing to do: a channel moves by messages and timers alone.
func (c *Channel) Step(*room.Tick, []room.Input[Nothing]) {}

// budgetOf is the user's budget. Those of users who left are forgotten once they are full.
func (c *Channel) budgetOf(t *room.Tick, user string) *budget {
	for other, b := range c.budgets { // the order does not matter: each is judged alone
		if b.writes.Until <= t.Time() && b.received.Until <= t.Time() && c.find(other) == nil {
			delete(c.budgets, other)
		}
	}
	b := c.budgets[user]
	if b == nil {
		b = new(budget)
		c.budgets[user] = b
	}
	return b
}

func (c *Channel) member(p *room.Player) *Member { return c.members.Get(c.seats[p.Number()]) }

// Say is the body of the message "say".
type Say struct {
	Text string `msgpack:"text"` // 1 to 500 characters without control characters, after trimming
}

// Said is its reply.
type Said struct {
	Number uint32 `msgpack:"number"` // of the line
}

func (c *Channel) say(t *room.Tick, p *room.Player, v Say) (Said, error) {
	m := c.member(p)
	text, err := clean(v.Text)
	if err == nil {
		err = spend(t, &m.budget.writes)
	}
	if err != nil {
		return Said{}, err
	}
	m.Typing = false
	return Said{c.history.add(Entry{User: m.User, Name: m.Name, Text: text, At: uint32(t.Time() / time.Second)})}, nil
}

// typingFor is how long a member counts as typing without saying so again.
const typingFor = 4 * time.Second

// typing is the message with which a page says that its user is typing, every few seconds, or no longer.
func (c *Channel) typing(t *room.Tick, p *room.Player, on bool) (struct{}, error) {
	m := c.member(p)
	m.Typing, m.until = on, t.Time()+typingFor
	if on && !m.timing {
		m.timing = true
		c.watchTyping(t, p, typingFor)
	}
	return struct{}{}, nil
}

// watchTyping ends p's typing when its time is over. One timer per member, however often the page repeats itself.
func (c *Channel) watchTyping(t *room.Tick, p *room.Player, in time.Duration) {
	t.After(in, func(t *room.Tick) {
		m := c.member(p)
		switch {
		case m == nil: // has left
		case m.Typing && t.Time() < m.until:
			c.watchTyping(t, p, m.until-t.Time())
		default:
			m.Typing, m.timing = false, false
		}
	})
}

// Direct is the body of the message "dm".
type Direct struct {
	To   string `msgpack:"to"` // user id of a member
	Text string `msgpack:"text"`
}

// Letter is the body of the event "dm", sent to every seat that the two users have in this channel. A
// user with several pages here gets one on each; the ID tells that they are the same.
type Letter struct {
	ID   uint64 `msgpack:"id"`
	From string `msgpack:"from"` // user id
	Name string `msgpack:"name"`
	To   string `msgpack:"to"`
	Whom string `msgpack:"whom"` // name of To
	Text string `msgpack:"text"`
}

// Sent is the reply to "dm".
type Sent struct {
	ID uint64 `msgpack:"id"` // of the Letter
}

// direct sends a direct message to somebody who is in this channel: else anybody could write to any id.
func (c *Channel) direct(t *room.Tick, p *room.Player, v Direct) (Sent, error) {
	text, err := clean(v.Text)
	if err != nil {
		return Sent{}, err
	}
	from, to := c.member(p), c.find(v.To)
	switch {
	case to == nil:
		return Sent{}, room.Errorf("unknown_user", "nobody of that id is in this channel")
	case to.User == from.User:
		return Sent{}, room.Errorf("yourself", "that is you")
	}
	if err := spend(t, &from.budget.writes); err != nil {
		return Sent{}, err
	}
	if !to.budget.received.Take(t, lettersAtOnce, perLetter) {
		return Sent{}, room.Errorf("busy", "too many people write to %s: try again in a moment", to.Name)
	}
	// 53 bits, which JavaScript's numbers hold.
	l := Letter{ID: t.Rand().Uint64() >> 11, From: from.User, Name: from.Name, To: to.User, Whom: to.Name, Text: text}
	for _, q := range t.Players() {
		if u := q.User(); u == to.User || u == from.User {
			c.letter.Send(t, l, q)
		}
	}
	return Sent{l.ID}, nil
}

// find returns a member of that user, nil if there is none.
func (c *Channel) find(user string) *Member {
	for _, m := range c.members.All() {
		if m.User == user {
			return m
		}
	}
	return nil
}

// History is the body of the message "history".
type History struct {
	Before uint32 `msgpack:"before"` // number of the oldest line that the asker has
}

// Page is its reply.
type Page struct {
	Lines []Entry `msgpack:"lines"` // oldest first
	More  bool    `msgpack:"more"`  // there are older ones
}

func (c *Channel) older(_ *room.Tick, _ *room.Player, v History) (Page, error) {
	lines, more := c.history.before(v.Before)
	return Page{lines, more}, nil
}

var (
	_ room.Game[Nothing] = (*Channel)(nil)
	_ room.Rejoiner      = (*Channel)(nil)
)
