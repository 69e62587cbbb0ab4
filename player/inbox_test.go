package player_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player"
)

func sum(old, next int) int { return old + next }

func TestInboxGivesInputsInOrderAndOnce(t *testing.T) {
	var b player.Inbox[int]
	for _, p := range []struct {
		seq   uint32
		stale bool
	}{{1, false}, {2, false}, {2, true}, {1, true}, {5, false}, {4, true}, {6, false}} {
		stale, merged := b.Put(player.Entry[int]{Seq: p.seq, Value: int(p.seq)}, sum)
		require.Equal(t, p.stale, stale)
		require.False(t, merged)
	}
	require.Equal(t, uint32(6), b.Newest())
	require.Equal(t, 4, b.Len())
	var into [3]player.Entry[int]
	require.Equal(t, 3, b.Take(into[:]))
	require.Equal(t, []int{1, 2, 5}, []int{into[0].Value, into[1].Value, into[2].Value})
	require.Equal(t, 1, b.Take(into[:]))
	require.Equal(t, uint32(6), into[0].Seq)
	require.Zero(t, b.Take(into[:]))
	stale, _ := b.Put(player.Entry[int]{Seq: 6}, sum)
	require.True(t, stale, "also when nothing waits any more")
}

func TestFullInboxMergesAndLosesNothing(t *testing.T) {
	var b player.Inbox[int]
	const n = 3 * player.InboxSize
	for seq := uint32(1); seq <= n; seq++ {
		_, merged := b.Put(player.Entry[int]{Seq: seq, Value: 1}, sum)
		require.Equal(t, seq > player.InboxSize, merged)
	}
	var into [n]player.Entry[int]
	require.Equal(t, player.InboxSize, b.Take(into[:]))
	last := into[player.InboxSize-1]
	require.Equal(t, uint32(n), last.Seq)
	require.Equal(t, n-player.InboxSize+1, last.Value)
}

func TestInboxBetweenReaderAndRoom(t *testing.T) {
	var b player.Inbox[int]
	const n = 20_000
	var wg sync.WaitGroup
	wg.Go(func() {
		for seq := uint32(1); seq <= n; seq++ {
			b.Put(player.Entry[int]{Seq: seq, Value: 1}, sum)
		}
	})
	total, newest := 0, uint32(0)
	var into [8]player.Entry[int]
	for newest < n {
		for _, e := range into[:b.Take(into[:])] {
			require.Greater(t, e.Seq, newest)
			newest = e.Seq
			total += e.Value
		}
	}
	wg.Wait()
	require.Equal(t, n, total)
}

// FuzzInbox compares an Inbox with a plain slice.
func FuzzInbox(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0x83, 2})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var b player.Inbox[int]
		var model []player.Entry[int]
		var into [16]player.Entry[int]
		seq, newest := uint32(0), uint32(0)
		for i, op := range ops {
			if op >= 0x80 {
				n := b.Take(into[:op%16])
				require.Equal(t, min(int(op%16), len(model)), n)
				for j := range n {
					require.Equal(t, model[j], into[j])
				}
				model = model[n:]
				continue
			}
			seq += uint32(op) % 3
			e := player.Entry[int]{Seq: seq, Value: i}
			stale, merged := b.Put(e, sum)
			require.Equal(t, seq <= newest, stale)
			switch {
			case stale:
			case merged:
				require.Len(t, model, player.InboxSize)
				e.Value += model[len(model)-1].Value
				model[len(model)-1] = e
			default:
				model = append(model, e)
			}
			newest = max(newest, seq)
			require.Equal(t, len(model), b.Len())
			require.Equal(t, newest, b.Newest())
		}
	})
}
