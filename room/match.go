package room

import (
	"slices"

	"github.com/tickhall/tickhall/protocol/wire"
)

// Match is whom a queue made a room for. Those who came later in somebody's place stand at the end.
type Match struct {
	Members []Member
}

// Member is one of a Match.
type Member struct {
	User  string
	Team  int // from 1
	State MemberState
}

// MemberState is whether a Member plays.
type MemberState uint8

// The states.
const (
	Coming MemberState = iota // on the way: for 15 s at the most
	Here                      // has joined; the connection may be lost
	Left                      // has joined, and given the seat up
	Absent                    // did not come in time, or gave up before: will not come
)

// In returns the members in a state, in their order: those who are missing are Coming.
func (m *Match) In(state MemberState) []Member {
	if m == nil {
		return nil
	}
	var list []Member
	for _, v := range m.Members {
		if v.State == state {
			list = append(list, v)
		}
	}
	return list
}

func (m *Match) clone() *Match {
	if m == nil {
		return nil
	}
	return &Match{slices.Clone(m.Members)}
}

// move finds the member that is a user's in one state, and moves it to another. nil: there is none.
func (m *Match) move(user string, from, to MemberState) *Member {
	if m == nil {
		return nil
	}
	for i := range m.Members {
		if v := &m.Members[i]; v.User == user && v.State == from {
			v.State = to
			return v
		}
	}
	return nil
}

// Absentee is an optional interface of a Game that is made for matches: Absent is called when it is known that a member of
// the match will not come. Until then Tick.Match has it among those who are Coming.
type Absentee interface {
	Absent(t *Tick, m Member)
}

// Match is whom the room was made for by a queue, all of them Coming; nil for a room that was made otherwise.
func (s *Setup) Match() *Match { return s.match.clone() }

// Match is how it stands with those whom the room was made for by a queue; nil in a room that was made otherwise. It is the
// room's own: do not change it, and do not keep it.
func (t *Tick) Match() *Match { return t.core.match }

// Backfill asks the queue for players who fit into the running match, one for each number of a team, and takes the place of
// what was asked for before; without a number, nobody. Who is found joins as a further member of Match. A room whose game
// has never called it, nor locked the room, asks by itself for somebody in the place of each member who is Absent. If nobody
// is found for the queue's LateAfter and one player alone is left, the room opens to quick matches. In a room
// that was made otherwise it does nothing.
func (t *Tick) Backfill(teams ...int) {
	c := t.core
	if c.match != nil {
		c.asked, c.wanted, c.listed = true, slices.Clone(teams), true
	}
}

// Wanted is what Backfill asks for, and has not found yet.
func (t *Tick) Wanted() []int { return t.core.wants() }

func (c *core) wants() []int {
	if !c.asked && c.locked {
		return nil
	}
	return c.wanted
}

// expect has one more member come, as far as the room has asked for one.
func (c *core) expect(m *command) {
	if c.match == nil {
		return
	}
	c.match.Members = append(c.match.Members, Member{User: m.who.User, Team: m.who.Team})
	if i := slices.Index(c.wanted, m.who.Team); i >= 0 {
		c.wanted = slices.Delete(slices.Clone(c.wanted), i, i+1)
	}
	c.expected++
	c.listed = true
}

// absent has a member not come, unless it came already.
func (c *core) absent(m *command) {
	v := c.match.move(m.who.User, Coming, Absent)
	if v == nil {
		return
	}
	if !c.asked {
		c.wanted = append(slices.Clone(c.wanted), v.Team)
	}
	c.listed = true
	if c.absentee != nil {
		c.absentee.Absent(&c.tick, *v)
	}
}

// Expected adds a member to the match, who is on the way: it was asked for by Tick.Backfill. Absent tells that a member will
// not come; of one who came it says nothing. The game learns it in the next tick. They do not wait.
func (r *Room) Expected(m Member) {
	r.tellGame(command{op: opExpect, who: Identity{User: m.User, Team: m.Team}})
}

// Absent: see Expected.
func (r *Room) Absent(user string) { r.tellGame(command{op: opAbsent, who: Identity{User: user}}) }

func (r *Room) tellGame(m command) {
	r.eventsMu.Lock()
	r.roster = append(r.roster, m)
	r.eventsMu.Unlock()
	r.nudge()
}

// deliverRoster tells the game of members of the match who come or don't.
func (r *Room) deliverRoster() error {
	r.eventsMu.Lock()
	list := r.roster
	r.roster = nil
	r.eventsMu.Unlock()
	for i := range list {
		if err := r.command(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// appendMatch appends an array of a match and of what is asked for:
//
//	whether there is one, members (user, team, state), teams wanted, whether the game asked, members expected later
func (c *core) appendMatch(b []byte) []byte {
	b = wire.AppendArray(b, 5)
	b = wire.AppendBool(b, c.match != nil)
	var members []Member
	if c.match != nil {
		members = c.match.Members
	}
	b = wire.AppendArray(b, len(members))
	for _, m := range members {
		b = wire.AppendArray(b, 3)
		b = wire.AppendString(b, m.User)
		b = wire.AppendInt(b, int64(m.Team))
		b = wire.AppendUint(b, uint64(m.State))
	}
	b = wire.AppendArray(b, len(c.wanted))
	for _, team := range c.wanted {
		b = wire.AppendInt(b, int64(team))
	}
	b = wire.AppendBool(b, c.asked)
	return wire.AppendUint(b, uint64(c.expected))
}

// readMatch reads what appendMatch appended.
func (c *core) readMatch(r *wire.Reader) {
	want(r, 5)
	c.match, c.wanted = nil, nil
	if r.Bool() {
		c.match = new(Match)
	}
	for range r.Array() {
		want(r, 3)
		m := Member{User: string(r.String()), Team: int(r.Int()), State: MemberState(min(r.Uint32(), 255))}
		if r.Err() != nil {
			return
		}
		if c.match == nil || m.State > Absent {
			r.Fail(wire.ErrRange)
			return
		}
		c.match.Members = append(c.match.Members, m)
	}
	for range r.Array() {
		team := int(r.Int())
		if r.Err() != nil {
			return
		}
		c.wanted = append(c.wanted, team)
	}
	c.asked, c.expected = r.Bool(), r.Uint32()
}

// origin is the match as it was when the room was made: what Setup.Match returned.
func (m *Match) appendOrigin(b []byte) []byte {
	if m == nil {
		return wire.AppendArray(b, 0)
	}
	b = wire.AppendArray(b, 2*len(m.Members))
	for _, v := range m.Members {
		b = wire.AppendString(b, v.User)
		b = wire.AppendInt(b, int64(v.Team))
	}
	return b
}

func readOrigin(r *wire.Reader) *Match {
	n := r.Array()
	if n == 0 || r.Err() != nil {
		return nil
	}
	m := new(Match)
	for range n / 2 {
		v := Member{User: string(r.String()), Team: int(r.Int())}
		if r.Err() != nil {
			return nil
		}
		m.Members = append(m.Members, v)
	}
	if n%2 != 0 {
		r.Fail(wire.ErrLength)
	}
	return m
}
