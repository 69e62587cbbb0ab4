package client

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

func TestSeatIsTakenBackByALaterRoom(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		first := New(f.config())
		require.Empty(t, first.Seat())
		p := f.play(first)
		f.join()
		p.stop() // without a LEAVE
		cfg := f.config()
		cfg.Seat = first.Seat()
		require.Contains(t, cfg.Seat, "token")

		r := New(cfg)
		moves := NewInputs[move](r)
		p = f.play(r)
		c := f.accept()
		require.Equal(t, "key=1&tick=0", f.lastQuery())
		require.Equal(t, "token", f.lastToken())
		require.Equal(t, 1, f.matches)
		c.welcome(true, 7)
		c.snapshot(7)
		synctest.Wait()
		require.NoError(t, moves.Send(move{}))
		require.Len(t, f.attempts, 2)
		require.LessOrEqual(t, f.attempts[0], f.attempts[1], "a later attempt has a larger number, in a later Room too, but for one in the same millisecond")
		require.Equal(t, uint32(8), c.next(protocol.KindInput).head.Seq, "after the last one consumed")
		r.Leave()
		c.next(protocol.KindLeave)
		c.bye(protocol.CodeNormal, "", nil)
		require.NoError(t, p.wait())
		require.Empty(t, r.Seat())
	})
}

func TestSeatThatIsGoneIsMatchedAgainOrSaysHowItEnded(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake) {
		f.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if resumed(r) == "" {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"code":"token_unknown","message":"the seat is gone"}`))
			return true
		}
		cfg := f.config()
		cfg.Seat = "ws://fake/v1/connect old"
		p := f.play(New(cfg))
		f.join()
		require.Equal(t, "ticket=1", f.lastQuery())
		p.stop()

		f.set(func() { f.refuse = nil })
		r := New(cfg)
		p = f.play(r)
		f.accept().bye(protocol.CodeRoomEnded, "over", []byte{0x2a})
		var stop *StopError
		require.ErrorAs(t, p.wait(), &stop)
		require.Equal(t, []byte{0x2a}, stop.Result)
		require.Empty(t, r.Seat())
		require.Equal(t, 1, f.matches, "nobody is matched again after the end")
	})
}
