package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "a-token-that-is-quite-random"

type nothing struct{}

type quiet struct{}

func (quiet) Join(*room.Tick, *room.Player) error        { return nil }
func (quiet) Leave(*room.Tick, *room.Player, room.Cause) {}
func (quiet) Step(*room.Tick, []room.Input[nothing])     {}

var kind = room.Kind[nothing]{Name: "quiet", TickRate: 10, MaxPlayers: 2000, Spectators: 10, New: func(*room.Setup) (room.Game[nothing], error) {
	return quiet{}, nil
}}

// hall is rooms that are driven by hand, and their API.
type hall struct {
	*API
	t        testing.TB
	registry player.Registry
	rooms    []*room.Manual
	seated   []*far
	locked   map[string]bool
}

func newHall(t testing.TB, rooms int) *hall {
	h := &hall{t: t, locked: map[string]bool{}}
	var err error
	h.API, err = New(Config{Token: testToken, Registry: &h.registry, Rooms: h, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for i := range rooms {
		m, err := room.NewManual(t.Context(), kind, room.Config{ID: fmt.Sprintf("room%d", i), Registry: &h.registry})
		require.NoError(t, err)
		h.rooms = append(h.rooms, m)
	}
	return h
}

var _ Rooms = (*hall)(nil)

func (h *hall) List() (list []room.Info) {
	for _, m := range h.rooms {
		list = append(list, *m.Room().Info())
	}
	return list
}

func (h *hall) Find(id string) *room.Room {
	for _, m := range h.rooms {
		if m.Room().ID() == strings.ToLower(id) {
			return m.Room()
		}
	}
	return nil
}

func (h *hall) Close(id, reason string) bool {
	h.Find(id).Stop(protocol.CodeRoomEnded, reason)
	return true
}

func (h *hall) Lock(id string, locked bool) bool {
	h.locked[id] = locked
	return true
}

// tick lets every room make a tick; then those who got it say so.
func (h *hall) tick() {
	for _, m := range h.rooms {
		_, err := m.Tick()
		require.NoError(h.t, err)
	}
	for _, c := range h.seated {
		c.acknowledge()
	}
}

// fill seats n users in room i, all at once. It needs a bubble.
func (h *hall) fill(i, n int) []*far {
	var wg sync.WaitGroup
	all := make([]*far, n)
	for j := range all {
		c := new(far)
		all[j] = c
		wg.Go(func() {
			s, err := h.rooms[i].Room().Join(h.t.Context(), room.Join{Who: room.Identity{User: fmt.Sprintf("user%d.%d", i, j), Name: "Ada"}, Conn: c})
			if err != nil {
				h.t.Error(err)
			}
			c.session = s
		})
	}
	for h.rooms[i].Room().Info().Players < n {
		synctest.Wait()
		_, err := h.rooms[i].Tick()
		require.NoError(h.t, err)
	}
	wg.Wait()
	h.seated = append(h.seated, all...)
	return all
}

// seat lets a user join a room.
func (h *hall) seat(i int, user string) *far {
	c := new(far)
	var err error
	c.session, err = h.rooms[i].Join(room.Join{Who: room.Identity{User: user, Name: "Ada"}, Conn: c})
	require.NoError(h.t, err)
	h.seated = append(h.seated, c)
	return c
}

// ask makes a request with the token, and checks what holds for all answers.
func (h *hall) ask(method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	return h.serve(r)
}

func (h *hall) serve(r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(h.t, "application/json", w.Header().Get("Content-Type"))
	if w.Code != http.StatusOK {
		var e protocol.HTTPError
		require.NoError(h.t, json.Unmarshal(w.Body.Bytes(), &e))
		require.NotEmpty(h.t, e.Code)
		require.NotEmpty(h.t, e.Message)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

// far is the far end of a connection without a network. It reads what it gets at once.
type far struct {
	mu      sync.Mutex
	session *player.Session
	events  []string
	token   string
	tick    uint32 // of the last snapshot
	acked   uint32
	full    bool
	closed  *protocol.CloseError
}

var _ player.Conn = (*far)(nil)

func (c *far) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return player.ErrCongested
	}
	if c.closed != nil {
		return io.ErrClosedPipe
	}
	r := wire.NewReader(bytes.Join(parts, nil))
	for r.Rest() > 0 {
		n := r.Array()
		switch protocol.Kind(r.Uint32()) {
		case protocol.KindEvent:
		case protocol.KindWelcome:
			var w protocol.Welcome
			if err := w.Read(r, n); err != nil {
				return err
			}
			c.token = w.Token
			continue
		case protocol.KindKey, protocol.KindDelta:
			c.tick = r.Uint32()
			n--
			fallthrough
		default:
			for range n - 1 {
				r.Skip()
			}
			continue
		}
		_, name, body, err := protocol.ReadEvent(r, n)
		if err != nil {
			return err
		}
		c.events = append(c.events, fmt.Sprintf("%s %x", name, body))
	}
	return r.Err()
}

func (c *far) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.full && c.closed == nil
}

func (c *far) RemoteAddr() string { return "192.0.2.1" }

func (c *far) Close(code protocol.Code, reason string, _ []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = protocol.Closef(code, "%s", reason)
	}
}

// acknowledge tells the room what has come.
func (c *far) acknowledge() {
	c.mu.Lock()
	tick, news := c.tick, c.tick != c.acked && c.closed == nil
	c.acked = tick
	c.mu.Unlock()
	if news {
		_ = c.session.Receive(c, time.Now(), protocol.AppendAck(nil, tick))
	}
}

func (c *far) got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events
}

func (c *far) why() *protocol.CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
