package room_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
)

func TestTimersOfAnyDurationWait(t *testing.T) {
	for _, after := range []uint32{0, 1 << 31, math.MaxUint32 - 1<<17} {
		synctest.Test(t, func(t *testing.T) {
			fired := make(chan string, 100)
			var named *room.Timer[string]
			k := kind(func(s *room.Setup) room.Game[struct{}] {
				named = room.OnTimer(s, "named", func(_ *room.Tick, arg string) { fired <- arg })
				return &rig{join: func(t *room.Tick, p *room.Player) error {
					for _, d := range []time.Duration{
						math.MinInt64, -time.Hour, 0, time.Nanosecond, time.Second, 1 << 32 * time.Second, 1 << 33 * time.Second, math.MaxInt64,
					} {
						t.After(d, func(*room.Tick) { fired <- fmt.Sprint(d) })
						named.After(t, d, "named "+fmt.Sprint(d))
					}
					return nil
				}}
			})
			k.TickRate = room.MaxTickRate
			r := start(t, k, func(cfg *room.Config) { cfg.After = after })
			r.join("Ada")
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.Len(t, fired, 8, "those that are over, in the next tick")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Len(t, fired, 10)
			for range 8 {
				<-fired
			}
			require.Equal(t, "1s", <-fired)
			require.Equal(t, "named 1s", <-fired)
			require.NoError(t, r.stop())
		})
	}
}

// A room whose tick numbers are used up ends, before they begin again.
func TestARoomEndsBeforeItsTicksBeginAgain(t *testing.T) {
	const last = math.MaxUint32 - 1<<16
	for _, onDemand := range []bool{false, true} {
		t.Run(fmt.Sprintf("on demand %v", onDemand), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var newest uint32
				left := 0
				k := rigKind(&rig{
					step:  func(t *room.Tick, _ []room.Input[struct{}]) { newest = t.Number() },
					leave: func(*room.Tick, *room.Player, room.Cause) { left++ },
				})
				k.OnDemand, k.Spectators = onDemand, 1
				if !onDemand {
					k.SpectatorDelay = 20
				}
				var rec tape
				r := start(t, k, func(cfg *room.Config) { cfg.After, cfg.Recorder = last-60, &rec })
				c, s := r.join("Ada")
				w, ws := r.watch("Sue")
				for c.closeError() == nil {
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
					require.NoError(t, c.readAndAck(s))
					require.NoError(t, w.readAndAck(ws))
					if onDemand && c.closeError() == nil {
						send(t, s, c, protocol.AppendMessage(nil, 0, "x", []byte{0xc0}))
					}
				}
				require.Equal(t, protocol.CodeGone, c.closeError().Code)
				require.Equal(t, protocol.AdviceMatch, c.closeError().Code.Advice())
				require.Contains(t, c.closeError().Reason, "for as long as a room can")
				require.NoError(t, <-r.ended)
				require.Equal(t, protocol.CodeGone, w.closeError().Code)
				require.EqualValues(t, last, newest)
				require.EqualValues(t, last, c.replica.Tick())
				require.Equal(t, 1, left)
				require.Greater(t, len(rec.frames), 50)
				r.cancel()
			})
		})
	}
}

func TestAnIdleRoomOfAgesEndsWhenItWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rigKind(&rig{})
		k.OnDemand, k.TickRate = true, 100
		r := start(t, k, func(cfg *room.Config) { cfg.After = math.MaxUint32 - 1<<17 })
		c, s := r.join("Ada")
		time.Sleep(365 * 24 * time.Hour) // 2^31 ticks and more
		synctest.Wait()
		require.NoError(t, s.Receive(c, time.Now(), protocol.AppendTime(nil, 1)))
		send(t, s, c, protocol.AppendMessage(nil, 0, "x", []byte{0xc0}))
		synctest.Wait()
		require.Equal(t, protocol.CodeGone, c.closeError().Code)
		require.NoError(t, <-r.ended)
		r.cancel()
	})
}
