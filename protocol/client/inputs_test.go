package client

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
)

func TestInputsAreSentAgainAfterAResumeAndTakenOnce(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		moves := NewInputs[move](r)
		p := f.play(r)
		c := f.join()
		for i := range 3 {
			require.NoError(t, moves.Send(move{DX: int8(i + 1), Fire: true}))
		}
		for i := range 3 {
			s := c.next(protocol.KindInput)
			require.Equal(t, protocol.InputHead{Seq: uint32(i + 1), View: protocol.Moment{Tick: 1}, Ack: 1}, s.head)
			require.Equal(t, [][]byte{{0x93, byte(i + 1), 0, 0xc3}}, s.inputs)
		}
		f.tick()
		c.snapshot(1) // the first has been consumed
		synctest.Wait()
		view := c.view
		c.cut()
		synctest.Wait()
		require.ErrorIs(t, moves.Send(move{DX: 4}), ErrAway)

		c = f.accept()
		require.Equal(t, "tick=2", f.lastQuery())
		require.Equal(t, "token", f.lastToken())
		c.welcome(true, 2) // and the second, too
		synctest.Wait()
		require.Empty(t, c.heard(), "nothing before the first snapshot")
		c.view = view // which continues from tick 2
		f.tick()
		c.snapshot(2)
		s := c.next(protocol.KindInput)
		require.Equal(t, uint32(3), s.head.Seq)
		require.Equal(t, uint32(3), s.head.Ack)
		require.Len(t, s.inputs, 2)
		require.Equal(t, byte(4), s.inputs[1][1])
		f.tick()
		c.snapshot(4)
		synctest.Wait()
		require.NoError(t, moves.Send(move{DX: 5}))
		require.Equal(t, uint32(5), c.next(protocol.KindInput).head.Seq)
		require.EqualValues(t, 1, r.Stats().Reconnects)
		require.EqualValues(t, 1, r.Stats().Keyframes)
		require.Zero(t, r.Stats().InputsDropped)
		p.stop()
		require.NoError(t, p.err)
	})
}

func TestStalledServerHoldsUpOneCallerForTheWriteDeadline(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		r := New(f.config())
		moves := NewInputs[move](r)
		p := f.play(r)
		c := f.join()
		c.stall <- struct{}{} // the server reads one more message, then nothing
		require.NoError(t, moves.Send(move{}))
		done := make(chan time.Duration, 3)
		for range 3 {
			p.wg.Go(func() {
				began := time.Now()
				_ = moves.Send(move{})
				done <- time.Since(began)
			})
		}
		held := []time.Duration{<-done, <-done, <-done}
		require.ElementsMatch(t, []time.Duration{0, 0, writeTimeout + writeSlack}, held)
		<-c.stall
		f.accept()
		p.stop()
	})
}

func TestStreamFollowsTheRoomsRate(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.clock = true
		r := New(f.config())
		moves := NewInputs[move](r)
		p := f.play(r)
		c := f.join()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		n := 0
		err := moves.Stream(ctx, func(uint32) (move, bool) { n++; return move{}, n%2 == 0 })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.InDelta(t, 10*rate, n, 2)
		require.InDelta(t, n/2+clockBurst+5, len(c.heard()), 8, "and some TIMEs")
		p.stop()
		require.ErrorIs(t, moves.Stream(t.Context(), nil), ErrLost)
	})
}

func TestStreamIsFasterWhenTheRoomWaitsAndSlowerWhenInputsDo(t *testing.T) {
	for slack, want := range map[int]int{-20: 111, 20: 91, 0: 101} {
		withFake(t, func(t *testing.T, f *fake) {
			f.clock = true
			r := New(f.config())
			moves := NewInputs[move](r)
			p := f.play(r)
			c := f.join()
			ctx, cancel := context.WithCancel(t.Context())
			p.wg.Go(func() { _ = moves.Stream(ctx, func(uint32) (move, bool) { return move{}, true }) })
			half := uint64(0)
			for i := range 200 {
				if i == 100 {
					half = r.Stats().Inputs
				}
				f.tick()
				b, _ := c.view.Next()
				c.send(c.view.AppendOwn(append([]byte(nil), b...), 0, slack))
				time.Sleep(time.Second / rate)
			}
			require.InDelta(t, want, r.Stats().Inputs-half, 2, slack)
			cancel()
			p.stop()
		})
	}
}

func TestWhatHasWaitedIsSentAtAPaceThatTheServerTakes(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.clock = true
		r := New(f.config())
		p := f.play(r)
		c := f.join()
		text := strings.Repeat("x", 1000)
		require.NoError(t, r.Send("say", text))
		c.next(protocol.KindMessage)
		f.set(func() { f.down = true })
		c.cut()
		synctest.Wait()
		for i := range maxQueued {
			require.NoError(t, r.Send("m"+strconv.Itoa(i), text), "it waits")
		}
		require.ErrorIs(t, r.Send("say", text), ErrBusy)
		_, err := Call[string](t.Context(), r, "say", text)
		require.ErrorIs(t, err, ErrBusy)
		time.Sleep(time.Second)
		f.set(func() { f.down = false })
		c = f.accept()
		c.welcome(true, 0)
		c.snapshot(0)
		began := time.Now()
		for i := range maxQueued {
			require.Equal(t, "m"+strconv.Itoa(i), c.next(protocol.KindMessage).name)
			require.LessOrEqual(t, float64(i*1000), paceBytesBurst+time.Since(began).Seconds()*paceBytes)
		}
		require.InDelta(t, (64.5-8)/16, time.Since(began).Seconds(), 0.3)
		require.NoError(t, r.Send("live", text))
		synctest.Wait()
		require.Equal(t, "live", c.next(protocol.KindMessage).name)
		require.InDelta(t, (64.5-8)/16, time.Since(began).Seconds(), 0.3, "at once again")
		p.stop()
		require.ErrorIs(t, r.Send("say", text), ErrAway)
	})
}

func TestInputsOfAnotherOrderAreMaps(t *testing.T) {
	r := New(Config{})
	in := NewInputs[move](r)
	require.NoError(t, in.fit([]protocol.Field{{Name: "Fire", Type: "bool"}, {Name: "DX", Type: "int8"}, {Name: "DY", Type: "int8"}}))
	in.value = move{DX: 3}
	require.NoError(t, in.encoder.Encode(&in.value))
	var m map[string]any
	require.NoError(t, msgpack.Unmarshal(in.buf.Bytes(), &m))
	require.EqualValues(t, 3, m["DX"])
}
