package room

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
)

// roomy is as much room as a message has.
const roomy = protocol.MaxOutbound

// event is an EVENT of tick 1 with that name and size bytes of body.
func event(name string, size int) []byte {
	return protocol.AppendEvent(nil, 1, name, wire.AppendBytes(nil, make([]byte, size)))
}

// told is what a client learns from messages of a backlog: names of events, "reply", and how many were dropped.
func told(t *testing.T, b []byte) string {
	var list []string
	for r := wire.NewReader(b); r.Rest() > 0; {
		n := r.Array()
		switch kind := protocol.Kind(r.Uint32()); kind {
		case protocol.KindEvent:
			_, name, _, err := protocol.ReadEvent(r, n)
			require.NoError(t, err)
			list = append(list, string(name))
		case protocol.KindDropped:
			_, count, err := protocol.ReadDropped(r, n)
			require.NoError(t, err)
			list = append(list, strings.Repeat("-", int(count)))
		case protocol.KindReply:
			_, _, _, err := protocol.ReadReply(r, n)
			require.NoError(t, err)
			list = append(list, "reply")
		default:
			t.Fatalf("kind %d", kind)
		}
	}
	return strings.Join(list, " ")
}

func TestBacklogSendsEachOnceAndAgainAfterAResume(t *testing.T) {
	var b backlog
	b.add(event("one", 1), "")
	b.add(event("two", 1), "")
	require.Equal(t, "one two", told(t, b.appendUnsent(nil, 5, roomy)))
	require.Empty(t, b.appendUnsent(nil, 6, roomy), "nothing is sent twice on one connection")
	b.add(event("three", 1), "")
	require.Equal(t, "three", told(t, b.appendUnsent(nil, 7, roomy)))

	b.rewind(5) // the client processed tick 5, the message of tick 7 was lost
	require.Equal(t, "three", told(t, b.appendUnsent(nil, 9, roomy)))
	b.ack(9)
	require.Empty(t, b.items)
	require.Empty(t, b.bytes)
}

func TestAMessageThatDidNotLeaveIsTakenBackAlone(t *testing.T) {
	var b backlog
	b.add(event("one", 1), "")
	require.Equal(t, "one", told(t, b.appendUnsent(nil, 5, roomy)))
	b.add(event("two", 1), "")
	require.Equal(t, "two", told(t, b.appendUnsent(nil, 6, roomy)))
	b.unsend(6)
	b.add(event("three", 1), "")
	require.Equal(t, "two three", told(t, b.appendUnsent(nil, 7, roomy)), "the client has one, acknowledged or not")
}

func TestWhatDoesNotFitIntoAMessageGoesWithTheNext(t *testing.T) {
	var b backlog
	for _, name := range []string{"a", "b", "c"} {
		b.add(event(name, 300), "")
	}
	require.Equal(t, "a", told(t, b.appendUnsent(nil, 5, 600)))
	require.Empty(t, b.appendUnsent(nil, 6, 200))
	require.Equal(t, "b c", told(t, b.appendUnsent(nil, 7, 700)))
	b.ack(5)
	b.rewind(0)
	require.Equal(t, "b c", told(t, b.appendUnsent(nil, 8, 700)))
}

func TestTheOldestOfTheGamesEventsMakeWay(t *testing.T) {
	b := backlog{limit: 64 << 10}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		require.True(t, b.add(event(name, 10<<10), ""))
	}
	b.add(protocol.AppendReply(nil, 1, 1, []byte{0xc0}), "")
	require.Equal(t, "a b", told(t, b.appendUnsent(nil, 5, 25<<10)))
	b.add(event("g", 10<<10), "")
	require.EqualValues(t, 3, b.dropped)
	first := told(t, b.appendUnsent(nil, 6, roomy))
	require.Equal(t, "- d e f reply g", first, "c was lost; a and b were sent")

	b.rewind(0) // the message of tick 5 was lost
	require.Equal(t, "-- - d e f reply g", told(t, b.appendUnsent(nil, 7, roomy)))
	b.rewind(0)
	for _, name := range []string{"h", "i", "j", "k"} {
		b.add(event(name, 10<<10), "")
	}
	all := told(t, b.appendUnsent(nil, 8, roomy))
	require.Regexp(t, `^-{6,} (f )?reply g h i j k$`, all, "neighbours are told as one; answers stay")
	require.LessOrEqual(t, b.ownBytes, b.limit)
}

func TestASendersEventsAreBoundedAndCostNobodyElse(t *testing.T) {
	b := backlog{limit: 64 << 10}
	for range 3 {
		require.True(t, b.add(event("eve", 2<<10), "eve"))
	}
	require.False(t, b.add(event("eve", 2<<10), "eve"), "an eighth of the backlog is hers")
	require.False(t, b.add(event("eve", 2<<10), "eve"))
	require.True(t, b.add(event("bob", 2<<10), "bob"))
	require.True(t, b.add(event("big", 20<<10), "cy"), "one fits, whatever its size")
	require.True(t, b.add(event("game", 60<<10), ""), "the game's own are counted apart")
	require.False(t, b.add(event("eve", 2<<10), "eve"))
	require.Equal(t, "eve eve eve -- bob big", told(t, b.appendUnsent(nil, 5, 40<<10)))
	require.Equal(t, "game -", told(t, b.appendUnsent(nil, 6, roomy)))
	b.ack(5)
	require.True(t, b.add(event("eve", 2<<10), "eve"), "what has arrived counts no more")
	for i := range 100 {
		b.add(event("many", 2<<10), string(rune('A'+i)))
	}
	require.LessOrEqual(t, b.otherBytes, b.limit)
}

func TestAnswersAreNeverDropped(t *testing.T) {
	b := backlog{limit: 64 << 10}
	for i := range maxReplies {
		require.False(t, b.busy(), i)
		b.add(protocol.AppendReply(nil, 1, uint32(i), []byte{0xc0}), "")
	}
	require.True(t, b.busy(), "no more requests are taken")
	for range 100 {
		b.add(event("x", 8<<10), "")
	}
	require.Equal(t, maxReplies, strings.Count(told(t, b.bytes), "reply"))
	b.appendUnsent(nil, 5, roomy)
	b.ack(5)
	require.False(t, b.busy())
	b.add(protocol.AppendReply(nil, 1, 1, wire.AppendBytes(nil, make([]byte, maxReplyBytes))), "")
	require.True(t, b.busy(), "in bytes, too")
}

// TestABacklogLosesNothingSilently checks by chance that each event is told once, in order, or counted as dropped.
func TestABacklogLosesNothingSilently(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		b := backlog{limit: 64 << 10}
		tick, acked, next := uint32(0), uint32(0), 0
		seen, held := 0, 0 // of the numbers 0, 1, 2...: what the client knows of, and what it had when it last acknowledged
		type sent struct {
			tick  uint32
			after int
		}
		var under []sent
		for range 2000 {
			switch r.IntN(10) {
			case 0, 1, 2, 3, 4:
				b.add(event("x", r.IntN(3000)), []string{"", "", "eve", "bob"}[r.IntN(4)])
				next++
			case 5, 6, 7:
				tick++
				m := b.appendUnsent(nil, tick, 1000+r.IntN(20_000))
				for rd := wire.NewReader(m); rd.Rest() > 0; {
					n := rd.Array()
					if protocol.Kind(rd.Uint32()) == protocol.KindDropped {
						_, count, err := protocol.ReadDropped(rd, n)
						require.NoError(t, err)
						seen += int(count)
						continue
					}
					_, _, _, err := protocol.ReadEvent(rd, n)
					require.NoError(t, err)
					seen++
				}
				under = append(under, sent{tick, seen})
			case 8:
				if len(under) > 0 {
					k := r.IntN(len(under))
					acked, held = under[k].tick, under[k].after
					under = under[k+1:]
					b.ack(acked)
				}
			case 9:
				if r.IntN(10) == 0 {
					b.rewind(acked)
					seen, under = held, nil
				}
			}
			require.LessOrEqual(t, b.ownBytes, b.limit)
			require.LessOrEqual(t, b.otherBytes, b.limit)
		}
		b.rewind(acked)
		seen = held
		for rd := wire.NewReader(b.bytes); rd.Rest() > 0; {
			n := rd.Array()
			if protocol.Kind(rd.Uint32()) == protocol.KindDropped {
				_, count, _ := protocol.ReadDropped(rd, n)
				seen += int(count)
				continue
			}
			_, _, _, err := protocol.ReadEvent(rd, n)
			require.NoError(t, err)
			seen++
		}
		require.Equal(t, next, seen, "seed %d", seed)
		b.appendUnsent(nil, tick+1, 1<<30)
		b.ack(tick + 1)
		require.Equal(t, backlog{limit: b.limit, dropped: b.dropped, bytes: b.bytes, items: b.items, senders: b.senders}, b, "nothing is counted that is not there")
		require.Empty(t, b.senders)
	}
}
