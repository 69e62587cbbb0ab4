package room_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

// Score is what the duel shows of how it stands with its match.
type Score struct {
	Matched int `sync:"matched"`
	Coming  int `sync:"coming"`
	Here    int `sync:"here"`
	Left    int `sync:"left"`
	Absent  int `sync:"absent"`
	Told    int `sync:"told"`
}

// duel shows its match. It is told of absentees, and asks for others itself if it is proud.
type duel struct {
	score   *state.Table[Score]
	matched int
	absent  []string
	proud   bool
}

func duelKind(proud bool) room.Kind[struct{}] {
	return room.Kind[struct{}]{Name: "duel", Queue: &room.QueueRules{}, EmptyFor: room.None, New: func(s *room.Setup) (room.Game[struct{}], error) {
		g := &duel{score: room.Table[Score](s, "score"), proud: proud}
		if m := s.Match(); m != nil {
			g.matched = len(m.In(room.Coming))
		}
		g.score.Add(0)
		return g, nil
	}}
}

func (g *duel) Join(t *room.Tick, p *room.Player) error {
	if p.Name() == "unwanted" {
		return room.Errorf("no", "not you")
	}
	return nil
}
func (g *duel) Leave(t *room.Tick, p *room.Player, _ room.Cause) {
	if g.proud && t.Match() != nil {
		t.Backfill(append(t.Wanted(), p.Team())...)
	}
}
func (g *duel) Absent(t *room.Tick, m room.Member) { g.absent = append(g.absent, m.User) }
func (g *duel) Step(t *room.Tick, _ []room.Input[struct{}]) {
	m := t.Match()
	for _, row := range g.score.All() {
		*row = Score{
			Matched: g.matched, Coming: len(m.In(room.Coming)), Here: len(m.In(room.Here)), Left: len(m.In(room.Left)),
			Absent: len(m.In(room.Absent)), Told: len(g.absent),
		}
	}
}

type duelSave struct {
	Matched int
	Absent  []string
}

func (g *duel) Save(*room.Tick) any { return duelSave{g.matched, g.absent} }
func (g *duel) Restore(_ *room.Tick, decode func(any) error) error {
	var s duelSave
	err := decode(&s)
	if g.matched != s.Matched { // what New was told again
		return room.Errorf("match", "matched %d, not %d", g.matched, s.Matched)
	}
	g.absent = s.Absent
	return err
}

func ofMatch(names ...string) room.Config {
	m := new(room.Match)
	for i, name := range names {
		m.Members = append(m.Members, room.Member{User: "user-" + name, Team: i%2 + 1})
	}
	return room.Config{ID: "test", Seed: 1, Match: m}
}

func inTeam(name string, team int) room.Identity {
	return room.Identity{User: "user-" + name, Name: name, Team: team}
}

func TestGameKnowsWhoOfTheMatchIsMissing(t *testing.T) {
	r := roomtest.NewSeeded(t, duelKind(false), ofMatch("ada", "bob", "eve", "dan"))
	ada := r.JoinAs(inTeam("ada", 1))
	r.Shadow()
	score := func() (s Score) {
		r.Tick(1)
		for _, row := range roomtest.Table[Score](ada, "score").All() {
			s = row
		}
		return s
	}
	require.Equal(t, Score{Matched: 4, Coming: 3, Here: 1}, score())
	bob := r.JoinAs(inTeam("bob", 2))
	bob.Leave()
	require.Equal(t, Score{Matched: 4, Coming: 2, Here: 1, Left: 1}, score())
	r.Absent("bob") // the seat of one who came is free
	require.Equal(t, Score{Matched: 4, Coming: 2, Here: 1, Left: 1}, score())
	require.Empty(t, r.Info().Wanted)
	r.Absent("eve")
	r.Absent("eve")
	require.Equal(t, Score{Matched: 4, Coming: 1, Here: 1, Left: 1, Absent: 1, Told: 1}, score())
	require.Equal(t, []int{1}, r.Info().Wanted, "the room asks for another by itself")

	r.Restart() // who was on the way has lost the place
	require.NoError(t, ada.TryResume())
	require.Equal(t, Score{Matched: 4, Here: 1, Left: 1, Absent: 2, Told: 2}, score())
	require.Equal(t, []int{1, 2}, r.Info().Wanted)
	r.Shadow()
	r.Expected("new", 1)
	require.Equal(t, []int{2}, r.Info().Wanted)
	require.EqualValues(t, 1, r.Info().Expected)
	r.JoinAs(inTeam("new", 1))
	require.Equal(t, Score{Matched: 4, Here: 2, Left: 1, Absent: 2, Told: 2}, score())
	r.Expected("unwanted", 2)
	_, err := r.TryJoinAs(inTeam("unwanted", 2))
	require.Error(t, err)
	require.Equal(t, 1, score().Coming, "a refusal is not the member's coming")
	r.Absent("unwanted")
	require.Equal(t, []int{2}, r.Info().Wanted)
}

func TestGameAsksForPlayersItself(t *testing.T) {
	r := roomtest.NewSeeded(t, duelKind(true), ofMatch("ada", "bob"))
	r.JoinAs(inTeam("ada", 1))
	bob := r.JoinAs(inTeam("bob", 2))
	bob.Leave()
	require.Equal(t, []int{2}, r.Info().Wanted)
	r.Expected("eve", 2)
	require.Empty(t, r.Info().Wanted)
	r.Absent("eve")
	require.Empty(t, r.Info().Wanted, "it has asked before, so it asks itself")
}

func TestRoomThatItsGameLocksAsksForNobodyByItself(t *testing.T) {
	kind := room.Kind[struct{}]{Name: "strict", New: func(s *room.Setup) (room.Game[struct{}], error) { return locks{new(rig)}, nil }}
	r := roomtest.NewSeeded(t, kind, ofMatch("ada", "bob"))
	r.JoinAs(inTeam("ada", 1))
	r.Absent("bob")
	require.Empty(t, r.Info().Wanted)
}

type locks struct{ *rig }

func (locks) Step(t *room.Tick, _ []room.Input[struct{}]) { t.Lock(true) }

func TestRoomMadeOtherwiseHasNoMatch(t *testing.T) {
	r := roomtest.New(t, duelKind(true))
	ada := r.JoinAs(inTeam("ada", 0))
	r.Absent("ada")
	r.Expected("bob", 1)
	ada.Leave()
	require.Empty(t, r.Info().Wanted)
}

func TestPlaybackOfAMatch(t *testing.T) {
	tape := new(frames)
	cfg := ofMatch("ada", "bob", "eve")
	cfg.Recorder = tape
	r := roomtest.NewSeeded(t, duelKind(false), cfg)
	r.JoinAs(inTeam("ada", 1))
	r.Absent("bob")
	r.Expected("dan", 2)
	r.Tick(1)
	p, err := room.PlaybackOf(duelKind(false), cfg)
	require.NoError(t, err)
	for i, f := range tape.frames {
		require.NoError(t, p.Step(f))
		require.Equal(t, tape.sums[i], p.Checksum())
	}
	other, err := room.NewPlayback(duelKind(false), 1, nil)
	require.NoError(t, err)
	for _, f := range tape.frames {
		require.NoError(t, other.Step(f))
	}
	require.NotEqual(t, p.Checksum(), other.Checksum(), "the match belongs to what a room is a function of")
}

// frames keeps what is recorded.
type frames struct {
	frames [][]byte
	sums   []uint32
}

func (f *frames) Record(_ uint32, frame []byte, world func() uint32, _ error) {
	f.frames = append(f.frames, append([]byte(nil), frame...))
	f.sums = append(f.sums, world())
}
