package host

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

func TestHealthChecksNoticeWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Config{Kinds: []room.AnyKind{new(trial).kind()}})
		require.Equal(t, http.StatusOK, f.status("/healthz"))
		release := make(chan struct{}) // as a lock that nobody gives back
		var hangs atomic.Bool
		f.pulse.parts = append(f.pulse.parts, part{"vault", func(context.Context) error {
			if hangs.Load() {
				<-release
			}
			return nil
		}})
		require.Equal(t, http.StatusOK, f.status("/readyz"))
		hangs.Store(true)
		for range 2 { // the second finds the pulse held up already
			for _, path := range []string{"/healthz", "/readyz"} {
				began := time.Now()
				res, body := f.do(http.MethodGet, path, "")
				require.Equal(t, http.StatusServiceUnavailable, res.StatusCode, path)
				require.JSONEq(t, `{"status": "hanging", "part": "vault"}`, body)
				require.Less(t, time.Since(began), healthcheckTimeout)
			}
		}
		hangs.Store(false)
		close(release)
		require.Equal(t, http.StatusOK, f.status("/healthz"), "it answers again")
		f.stop()
		require.NoError(t, <-f.ended)
	})
}

func TestHealthChecksNoticeALobbyThatDoesNotLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{Kinds: []room.AnyKind{new(trial).kind()}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go h.pulse.run(ctx) // and not the lobby
		require.Equal(t, "lobby", h.pulse.check(ctx))
		cancel()
	})
}
