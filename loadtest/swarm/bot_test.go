package swarm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol/state"
)

// mirror is a bot that sees what it is told.
type mirror uint64

func (mirror) Act() error                     { return nil }
func (m mirror) Look(state.ID) (uint64, bool) { return uint64(m), true }

func TestNoEffectIsWaitedForBeyondPatience(t *testing.T) {
	for _, leaving := range []bool{false, true} {
		gone, seer := &Player{shard: newShard()}, &Player{shard: newShard(), sighted: mirror(7)}
		gone.watched.Store(true)
		seer.neighbour.Store(gone)
		due := time.Second
		wait := func() {
			gone.due = due
			require.True(t, gone.Mark(1, 7))
		}
		wait()
		seer.seek(gone, due+patience-time.Millisecond, effectOther)
		require.EqualValues(t, 1, seer.shard.now.histograms[effectOther].TotalCount(), "it was seen in time")

		gone.probe = nil
		gone.leaving.Store(leaving)
		wait() // from now on nobody collects its figures: it has left the swarm
		seer.seek(gone, due+37*time.Second, effectOther)
		require.EqualValues(t, 1, seer.shard.now.histograms[effectOther].TotalCount())
		require.Nil(t, gone.probe)
		require.Equal(t, !leaving, gone.shard.now.effectLost == 1, "what nobody waits for is not lost")
	}
}
