package chat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

func channel(t *testing.T, options string) *roomtest.Room {
	cfg := room.Config{ID: "test", Seed: 1}
	if options != "" {
		cfg.Options = []byte(options)
	}
	return roomtest.NewSeeded(t, Kind, cfg)
}

// opened is a channel with a view of its inside.
func opened(t *testing.T) (r *roomtest.Room, game *Channel) {
	kind := Kind
	kind.New = func(s *room.Setup) (room.Game[Nothing], error) {
		g, err := New(s)
		game = g.(*Channel)
		return g, err
	}
	r = roomtest.New(t, kind)
	return r, game
}

// lines are the texts that p has, in the order of their numbers.
func lines(p *roomtest.Player) []string {
	all := make([]string, 0)
	copy := roomtest.Table[Line](p, "line")
	for n := uint32(1); len(all) < copy.Len(); n++ {
		for _, l := range copy.All() {
			if l.Number == n {
				all = append(all, l.Name+": "+l.Text+l.Rest)
			}
		}
	}
	return all
}

// member is how p sees the member of that name.
func member(p *roomtest.Player, name string) (found Member, there bool) {
	for _, m := range roomtest.Table[Member](p, "member").All() {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *room.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

func TestEverybodyReadsWhatIsSaid(t *testing.T) {
	r := channel(t, "")
	ada, bob := r.Join("Ada"), r.Join("Bob")
	var said Said
	require.NoError(t, ada.Call("say", Say{"  hello 👋  "}, &said))
	require.EqualValues(t, 1, said.Number)
	require.NoError(t, bob.Call("say", Say{"hi"}, nil))
	for _, p := range []*roomtest.Player{ada, bob, r.Join("Eve")} {
		require.Equal(t, []string{"Ada: hello 👋", "Bob: hi"}, lines(p), "who comes late too")
	}
}

func TestSayRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text, code string
	}{
		{"nothing", "", "empty"},
		{"spaces", " \u00a0\u2003 ", "empty"},
		{"what can't be seen", "\u200b\u200d", "empty"},
		{"a control character", "a\x07b", "bad_text"},
		{"a line break", "a\nb", "bad_text"},
		{"one character too many", strings.Repeat("é", 501), "too_long"},
		{"the most is taken", strings.Repeat("👍", 500), ""},
		{"markup is text", `<img src=x onerror="alert(1)">`, ""},
		{"a joined emoji is taken", "👩‍🚀", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := channel(t, "")
			ada, bob := r.Join("Ada"), r.Join("Bob")
			require.Equal(t, c.code, code(t, ada.Call("say", Say{c.text}, nil)))
			require.Equal(t, c.code, code(t, ada.Call("dm", Direct{"user-Bob", c.text}, nil)))
			if c.code == "" {
				require.Equal(t, []string{"Ada: " + c.text}, lines(bob))
			} else {
				require.Empty(t, lines(bob))
			}
		})
	}
}

func TestBytesInPlaceOfTextAreRefused(t *testing.T) {
	r := channel(t, "")
	ada := r.Join("Ada")
	for _, text := range []any{[]byte("\xff\xfe"), []byte("a"), "\xff\xfe"} {
		require.Equal(t, "bad_request", code(t, ada.Call("say", map[string]any{"text": text}, nil)))
		require.Equal(t, "bad_request", code(t, ada.Call("dm", map[string]any{"to": "user-Ada", "text": text}, nil)))
		require.Equal(t, "bad_request", code(t, ada.Call("dm", map[string]any{"to": text, "text": "a"}, nil)))
	}
	require.Empty(t, lines(ada))
}

func TestMessagesOfAWrongShapeAreRefused(t *testing.T) {
	r := channel(t, "")
	ada := r.Join("Ada")
	for _, c := range []struct {
		name string
		body any
	}{
		{"say", "just text"}, {"say", map[string]int{"text": 5}}, {"typing", "yes"},
		{"dm", []int{1}}, {"history", "all"}, {"history", map[string]string{"before": "x"}},
	} {
		require.Equal(t, "bad_request", code(t, ada.Call(c.name, c.body, nil)), "%s %v", c.name, c.body)
	}
	require.Equal(t, "unknown_message", code(t, ada.Call("shout", nil, nil)))
}

func TestWhoWritesTooFastWaits(t *testing.T) {
	r := channel(t, "")
	ada, bob := r.Join("Ada"), r.Join("Bob")
	for range burst {
		require.NoError(t, ada.Call("say", Say{"spam"}, nil))
	}
	err := ada.Call("say", Say{"spam"}, nil)
	require.Equal(t, "slow_down", code(t, err))
	require.ErrorContains(t, err, "wait 1 s")
	require.Equal(t, "slow_down", code(t, ada.Call("dm", Direct{"user-Bob", "spam"}, nil)), "letters count too")
	require.NoError(t, bob.Call("say", Say{"others may"}, nil))
	second := r.Join("Ada")
	require.Equal(t, "slow_down", code(t, second.Call("say", Say{"spam"}, nil)), "a second seat does not help")
	second.Leave()
	r.Tick(Kind.TickRate)
	require.NoError(t, ada.Call("say", Say{"later"}, nil))
	require.Equal(t, "slow_down", code(t, ada.Call("say", Say{"spam"}, nil)))
	r.Tick(burst * Kind.TickRate)
	for range burst {
		require.NoError(t, ada.Call("say", Say{"rested"}, nil))
	}
}

func TestTypingEndsByItself(t *testing.T) {
	r := channel(t, "")
	ada, bob := r.Join("Ada"), r.Join("Bob")
	typing := func() bool { m, _ := member(bob, "Ada"); return m.Typing }
	seconds := Kind.TickRate
	require.NoError(t, ada.Call("typing", true, nil))
	require.True(t, typing())
	r.Tick(3 * seconds)
	require.NoError(t, ada.Call("typing", true, nil))
	r.Tick(3 * seconds)
	require.True(t, typing(), "said again in time")
	r.Tick(seconds + 1)
	require.False(t, typing())

	require.NoError(t, ada.Call("typing", true, nil))
	require.NoError(t, ada.Call("say", Say{"done"}, nil))
	require.False(t, typing(), "a line ends it")
	require.NoError(t, ada.Call("typing", true, nil))
	require.NoError(t, ada.Call("typing", false, nil))
	require.False(t, typing(), "the page ends it")
	require.NoError(t, ada.Call("typing", true, nil))
	ada.Leave()
	r.Tick(5 * seconds) // the timer finds nobody
}

func TestMembersComeAndGo(t *testing.T) {
	r := channel(t, "")
	ada, bob := r.Join("Ada"), r.Join("Bob")
	m, there := member(ada, "Bob")
	require.True(t, there)
	require.Equal(t, "user-Bob", m.User)
	bob.Lose()
	r.Tick(1)
	m, _ = member(ada, "Bob")
	require.True(t, m.Away)
	require.NoError(t, ada.Call("say", Say{"while you were away"}, nil))
	bob.Resume()
	m, _ = member(ada, "Bob")
	require.False(t, m.Away)
	require.Equal(t, []string{"Ada: while you were away"}, lines(bob))
	bob.Leave()
	_, there = member(ada, "Bob")
	require.False(t, there)
}

func TestDirectMessagesReachBothUsersInThisChannelAlone(t *testing.T) {
	r := channel(t, "")
	ada, bob, eve, second := r.Join("Ada"), r.Join("Bob"), r.Join("Eve"), r.Join("Bob")
	var sent Sent
	require.NoError(t, ada.Call("dm", Direct{"user-Bob", " psst "}, &sent))
	want := []Letter{{ID: sent.ID, From: "user-Ada", Name: "Ada", To: "user-Bob", Whom: "Bob", Text: "psst"}}
	for _, p := range []*roomtest.Player{ada, bob, second} {
		require.Equal(t, want, roomtest.Events[Letter](p, "dm"), "every seat of the two")
	}
	require.Empty(t, roomtest.Events[Letter](eve, "dm"))
	require.Empty(t, roomtest.Letters[Letter](r, "user-Bob", "dm"), "no other room hears of it")
	require.Less(t, sent.ID, uint64(1)<<53)
	require.Equal(t, "unknown_user", code(t, ada.Call("dm", Direct{"user-Zoe", "psst"}, nil)))
	require.Equal(t, "unknown_user", code(t, ada.Call("dm", Direct{"", "psst"}, nil)))
	require.Equal(t, "yourself", code(t, ada.Call("dm", Direct{"user-Ada", "psst"}, nil)))
	require.Empty(t, roomtest.Events[Letter](bob, "dm"))
	require.Empty(t, lines(ada))
}

func TestManyCanNotFloodOneWithDirectMessages(t *testing.T) {
	r := channel(t, "")
	victim := r.Join("Victim")
	received, refused := 0, 0
	for i := range 7 {
		p := r.Join(fmt.Sprint("Eve", i))
		for range burst {
			switch err := p.Call("dm", Direct{"user-Victim", "spam"}, nil); code(t, err) {
			case "":
				received++
			case "busy":
				refused++
				require.ErrorContains(t, err, "Victim")
			}
		}
	}
	require.Positive(t, refused)
	require.Less(t, received, lettersAtOnce+7*burst/2, "so many in so few ticks")
	require.Len(t, roomtest.Events[Letter](victim, "dm"), received)
	ada, bob := r.Join("Ada"), r.Join("Bob")
	require.NoError(t, ada.Call("dm", Direct{"user-Bob", "psst"}, nil), "others are not concerned")
	require.Len(t, roomtest.Events[Letter](bob, "dm"), 1)
	r.Tick(Kind.TickRate)
	require.NoError(t, ada.Call("dm", Direct{"user-Victim", "psst"}, nil), "later")
}

func TestLeavingBuysNoNewLines(t *testing.T) {
	r, game := opened(t)
	bob, ada := r.Join("Bob"), r.Join("Ada")
	for range burst {
		require.NoError(t, ada.Call("say", Say{"spam"}, nil))
	}
	ada.Leave()
	again := r.Join("Ada")
	require.Equal(t, "slow_down", code(t, again.Call("say", Say{"spam"}, nil)))
	again.Leave()
	r.Tick((burst + 1) * Kind.TickRate)
	require.NoError(t, bob.Call("say", Say{"hi"}, nil))
	r.Join("Eve")
	require.Len(t, game.budgets, 2, "that of who left is forgotten when it is full")
}

func TestHistoryIsBoundedAndPaged(t *testing.T) {
	r, game := opened(t)
	ada := r.Join("Ada")
	const total = allLines + 40
	for i := range total - 1 {
		game.history.add(Entry{Text: fmt.Sprint(i + 1)}) // at once, for the test would take long
	}
	require.NoError(t, ada.Call("say", Say{fmt.Sprint(total)}, nil))
	late := r.Join("Bob")
	recent := roomtest.Table[Line](late, "line")
	require.Equal(t, recentLines, recent.Len())
	oldest := uint32(total)
	for _, l := range recent.All() {
		oldest = min(oldest, l.Number)
	}
	require.EqualValues(t, total-recentLines+1, oldest)
	for more := true; more; {
		var page Page
		require.NoError(t, late.Call("history", History{oldest}, &page))
		require.NotEmpty(t, page.Lines)
		require.LessOrEqual(t, len(page.Lines), pageLines)
		for i := len(page.Lines) - 1; i >= 0; i-- {
			oldest--
			require.Equal(t, oldest, page.Lines[i].Number)
			require.Equal(t, fmt.Sprint(oldest), page.Lines[i].Text)
		}
		more = page.More
	}
	require.EqualValues(t, total-allLines+1, oldest)
	for _, before := range []uint32{0, 1, 41, oldest} {
		var page Page
		require.NoError(t, late.Call("history", History{before}, &page))
		require.Empty(t, page.Lines, before)
		require.False(t, page.More)
	}
	var page Page
	require.NoError(t, late.Call("history", History{1 << 31}, &page))
	require.EqualValues(t, total, page.Lines[len(page.Lines)-1].Number)
}

func TestAPageOfLongLinesIsBoundedInBytes(t *testing.T) {
	h := history{}
	for i := range uint32(40) {
		h.all = append(h.all, Entry{Number: i + 1, Text: strings.Repeat("👍", 500)})
	}
	page, more := h.before(41)
	require.Len(t, page, 9)
	require.True(t, more)
}

func TestOptionsNameTheChannel(t *testing.T) {
	for _, c := range []struct{ options, listing, code string }{
		{"", `{"topic":"general"}`, ""},
		{`{}`, `{"topic":"general"}`, ""},
		{`{"topic": "help"}`, `{"topic":"help"}`, ""},
		{`{"topic": ""}`, "", "bad_options"},
		{`{"topic": "Help!"}`, "", "bad_options"},
		{`{"topic": "` + strings.Repeat("a", 33) + `"}`, "", "bad_options"},
		{`{"topic": 5}`, "", "bad_options"},
		{`{"colour": "red"}`, "", "bad_options"},
	} {
		t.Run(c.options, func(t *testing.T) {
			if c.code != "" {
				_, err := room.NewManual(t.Context(), Kind, room.Config{ID: "test", Options: []byte(c.options)})
				require.Equal(t, c.code, code(t, err))
				return
			}
			r := channel(t, c.options)
			r.Join("Ada")
			require.JSONEq(t, c.listing, string(r.Info().Data))
		})
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ s, head, rest string }{
		{"abc", "abc", ""}, {"abcd", "abcd", ""}, {"abcde", "abcd", "e"}, {"abcé", "abc", "é"}, {"👍👍", "👍", "👍"}, {"a👍👍", "a", "👍👍"},
	} {
		head, rest := split(c.s, 4)
		require.Equal(t, c.head, head)
		require.Equal(t, c.rest, rest)
	}
}
