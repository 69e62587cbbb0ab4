package devices

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/wire"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

const second = tickRate // ticks

func fleet(t *testing.T) (*roomtest.Room, *roomtest.Player) {
	r := roomtest.New(t, Kind)
	op := r.Join("Olga")
	require.NoError(t, op.Call("operate", Operate{}, nil))
	return r, op
}

func device(t *testing.T, r *roomtest.Room, id string) *roomtest.Player {
	t.Helper()
	p := r.Join(id)
	require.NoError(t, p.Call("register", Register{Device: id, Model: "Lamp"}, nil))
	return p
}

// sees is how p sees a device; the zero value if it does not.
func sees(p *roomtest.Player, id string) Device {
	for _, d := range roomtest.Table[Device](p, "device").All() {
		if d.Device == id {
			return d
		}
	}
	return Device{}
}

// entry is how p sees a command in the log.
func entry(p *roomtest.Player, number uint32) Command {
	for _, c := range roomtest.Table[Command](p, "command").All() {
		if c.Number == number {
			return c
		}
	}
	return Command{}
}

func ask(t *testing.T, op *roomtest.Player, device, name string) uint32 {
	t.Helper()
	var a Asked
	require.NoError(t, op.Call("command", Ask{device, name, "on"}, &a))
	return a.ID
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return err.(*room.Error).Code
}

func TestAReportShowsOnTheOperatorsPage(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	require.NoError(t, lamp.Call("report", Report{Temperature: 21.44, Battery: 80.2, Signal: -61.3, Light: true}, nil))
	d := sees(op, "lamp-1")
	require.Equal(t, "Lamp", d.Model)
	require.Equal(t, Online, d.State)
	require.InDelta(t, 21.4, d.Temperature, 1e-5)
	require.InDelta(t, 80, d.Battery, 1e-5)
	require.InDelta(t, -61, d.Signal, 1e-5)
	require.True(t, d.Light)
	require.EqualValues(t, 1, d.Reports)
}

func TestACommandIsAnswered(t *testing.T) {
	for _, c := range []struct {
		ok     bool
		status Status
	}{{true, Done}, {false, Failed}} {
		r, op := fleet(t)
		lamp := device(t, r, "lamp-1")
		id := ask(t, op, "lamp-1", "led")
		require.EqualValues(t, 1, id)
		orders := roomtest.Events[Order](lamp, "command")
		require.Len(t, orders, 1)
		require.Equal(t, "led on", orders[0].Name+" "+orders[0].Args)
		require.Equal(t, Waiting, entry(op, id).Status)
		r.Tick(9)
		require.NoError(t, lamp.Call("answer", Answer{id, c.ok, " light is on "}, nil))
		require.Equal(t, []Outcome{{id, "lamp-1", c.ok, "light is on"}}, roomtest.Events[Outcome](op, "answer"))
		got := entry(op, id)
		require.Equal(t, c.status, got.Status)
		require.Equal(t, "light is on", got.Result)
		require.Equal(t, "Olga", got.Operator)
		require.EqualValues(t, 500, got.Took)
		r.Tick(6 * second)
		require.Empty(t, roomtest.Events[Outcome](op, "timeout"), "one outcome each")
		require.Equal(t, "answered", code(lamp.Call("answer", Answer{id, true, ""}, nil)))
	}
}

func TestACommandWithoutAnAnswerTimesOut(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	id := ask(t, op, "lamp-1", "ping")
	until := roomtest.Events[Order](lamp, "command")[0].Until
	r.Tick(5*second - 1)
	require.Empty(t, roomtest.Events[Outcome](op, "timeout"))
	r.Tick(1)
	require.Equal(t, []Outcome{{ID: id, Device: "lamp-1"}}, roomtest.Events[Outcome](op, "timeout"))
	require.Equal(t, until, op.World().Tick(), "the device was told the same moment")
	require.Equal(t, TimedOut, entry(op, id).Status)
	r.Tick(second)
	err := lamp.Call("answer", Answer{id, true, "pong"}, nil)
	require.Equal(t, "late", code(err))
	require.ErrorContains(t, err, "timed out 1.05s ago")
	require.Equal(t, TimedOut, entry(op, id).Status)
	require.Empty(t, roomtest.Events[Outcome](op, "answer"))
}

func TestACommandReachesADeviceThatWasAway(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	lamp.Lose()
	require.Equal(t, Away, sees(op, "lamp-1").State)
	id := ask(t, op, "lamp-1", "ping")
	r.Tick(2 * second)
	require.Empty(t, roomtest.Events[Order](lamp, "command"))
	lamp.Resume()
	require.Equal(t, Online, sees(op, "lamp-1").State)
	require.Len(t, roomtest.Events[Order](lamp, "command"), 1)
	require.NoError(t, lamp.Call("answer", Answer{id, true, "pong"}, nil))
	require.Len(t, roomtest.Events[Outcome](op, "answer"), 1)
}

func TestADeviceThatStaysAwayTimesOutAndGoesOffline(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	r.Tick(3 * second)
	lamp.Lose()
	away := sees(op, "lamp-1")
	ask(t, op, "lamp-1", "ping")
	r.Tick(5 * second)
	require.Len(t, roomtest.Events[Outcome](op, "timeout"), 1)
	r.Tick(16 * second)
	gone := sees(op, "lamp-1")
	require.Equal(t, Offline, gone.State)
	require.Equal(t, away.Seen, gone.Seen, "last seen is when the heartbeat stopped")
	require.Equal(t, "offline", code(op.Call("command", Ask{"lamp-1", "ping", ""}, nil)))
	device(t, r, "lamp-1")
	require.Equal(t, Online, sees(op, "lamp-1").State)
	require.Equal(t, 1, roomtest.Table[Device](op, "device").Len(), "it is the same device")
}

func TestADeviceThatRestartsTakesItsAwaySeatOver(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	lamp.Lose()
	first, second := ask(t, op, "lamp-1", "led"), ask(t, op, "lamp-1", "ping")
	again := device(t, r, "lamp-1") // the same user, without its resume token
	orders := roomtest.Events[Order](again, "command")
	require.Len(t, orders, 2, "what waits is handed on")
	require.Equal(t, []uint32{first, second}, []uint32{orders[0].ID, orders[1].ID})
	require.NoError(t, again.Call("answer", Answer{first, true, ""}, nil))
	r.Tick(30 * tickRate)
	require.Equal(t, Online, sees(op, "lamp-1").State, "the old seat's end does not count")
}

func TestRegisterRefuses(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, c := range []struct {
		name string
		v    Register
		code string
	}{
		{"no id", Register{}, "bad_device"},
		{"capitals", Register{Device: "Lamp"}, "bad_device"},
		{"spaces", Register{Device: "lamp 1"}, "bad_device"},
		{"a line break after it", Register{Device: "lamp\n"}, "bad_device"},
		{"a long id", Register{Device: long}, "bad_device"},
		{"the longest id", Register{Device: long[:64]}, ""},
		{"a long model", Register{Device: "a", Model: long}, "bad_model"},
		{"control characters", Register{Device: "a", Model: "x\x00"}, "bad_model"},
		{"an id in use", Register{Device: "lamp-1"}, "taken"},
		{"an id of another user who is away", Register{Device: "lamp-2"}, "taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := fleet(t)
			device(t, r, "lamp-1")
			device(t, r, "lamp-2").Lose()
			require.Equal(t, c.code, code(r.Join("new").Call("register", c.v, nil)))
		})
	}
}

func TestASeatHasOneRole(t *testing.T) {
	r, op := fleet(t)
	lamp, nobody := device(t, r, "lamp-1"), r.Join("nobody")
	id := ask(t, op, "lamp-1", "ping")
	for _, c := range []struct {
		who   *roomtest.Player
		name  string
		body  any
		wants string
	}{
		{lamp, "register", Register{Device: "other"}, "role_taken"},
		{lamp, "operate", Operate{}, "role_taken"},
		{op, "register", Register{Device: "other"}, "role_taken"},
		{op, "operate", Operate{}, ""},
		{lamp, "command", Ask{"lamp-1", "ping", ""}, "no_operator"},
		{nobody, "command", Ask{"lamp-1", "ping", ""}, "no_operator"},
		{op, "report", Report{}, "no_device"},
		{nobody, "report", Report{}, "no_device"},
		{op, "answer", Answer{ID: id}, "no_device"},
		{device(t, r, "lamp-2"), "answer", Answer{ID: id}, "not_yours"},
		{lamp, "answer", Answer{ID: 0}, "unknown_command"},
		{lamp, "answer", Answer{ID: 99}, "unknown_command"},
		{lamp, "answer", Answer{ID: id, Result: strings.Repeat("x", 201)}, "bad_answer"},
		{op, "command", Ask{"nothing", "ping", ""}, "unknown_device"},
		{op, "command", Ask{"", "ping", ""}, "unknown_device"},
		{op, "command", Ask{"lamp-1", "", ""}, "bad_command"},
		{op, "command", Ask{"lamp-1", "rm -rf", ""}, "bad_command"},
		{op, "command", Ask{"lamp-1", "say", strings.Repeat("x", 201)}, "bad_command"},
		{op, "command", Ask{"lamp-1", "say", "\x1b[2J"}, "bad_command"},
	} {
		require.Equal(t, c.wants, code(c.who.Call(c.name, c.body, nil)), "%s %+v", c.name, c.body)
	}
}

func TestBadBodiesAreRefused(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	for _, c := range []struct {
		who  *roomtest.Player
		name string
		body any
		code string
	}{
		{lamp, "report", "hot", "bad_request"},
		{lamp, "report", map[string]any{"temperature": "hot"}, "bad_request"},
		{lamp, "report", map[string]any{"temperature": 21}, ""}, // a whole number is one too
		{lamp, "report", Report{Temperature: math.NaN()}, "bad_request"},
		{lamp, "report", Report{Temperature: math.Inf(1)}, "bad_request"},
		{lamp, "report", Report{Temperature: 201}, "bad_report"},
		{lamp, "report", Report{Battery: -1}, "bad_report"},
		{lamp, "report", Report{Battery: 101}, "bad_report"},
		{lamp, "report", Report{Signal: 1}, "bad_report"},
		{op, "command", []int{1}, "bad_request"},
		{op, "command", map[string]any{"device": 5}, "bad_request"},
		{lamp, "answer", map[string]any{"id": -1}, "bad_request"},
		{lamp, "answer", map[string]any{"id": "x"}, "bad_request"},
		{op, "command", map[string]any{"device": "lamp-1", "name": "say", "args": []byte{0xff, 0xfe}}, "bad_request"},
		{op, "command", map[string]any{"device": "lamp-1", "name": "say", "args": "\xff\xfe"}, "bad_request"},
		{op, "command", map[string]any{"device": []byte("lamp-1"), "name": "say"}, "bad_request"},
		{lamp, "answer", map[string]any{"id": 1, "ok": true, "result": []byte{0xff, 0xfe}}, "bad_request"},
		{lamp, "answer", map[string]any{"id": 1, "ok": true, "result": "\xff\xfe"}, "bad_request"},
		{op, "reboot", nil, "unknown_message"},
	} {
		require.Equal(t, c.code, code(c.who.Call(c.name, c.body, nil)), "%s %v", c.name, c.body)
	}
}

func TestADeviceReportsAtABoundedRate(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	taken := 0
	for range 10 * second { // one a tick, four times the rate
		if err := lamp.Call("report", Report{}, nil); err == nil {
			taken++
		} else {
			require.Equal(t, "too_often", code(err))
		}
	}
	require.InDelta(t, 10*reportRate+burst, taken, 1)
	require.EqualValues(t, taken, sees(op, "lamp-1").Reports)
}

func TestADeviceSeesItselfOnly(t *testing.T) {
	r, op := fleet(t)
	lamp, other, nobody := device(t, r, "lamp-1"), device(t, r, "lamp-2"), r.Join("nobody")
	ask(t, op, "lamp-1", "ping")
	require.Equal(t, "lamp-1", sees(lamp, "lamp-1").Device)
	require.Equal(t, 1, roomtest.Table[Device](lamp, "device").Len())
	require.Equal(t, 1, roomtest.Table[Device](other, "device").Len())
	require.Zero(t, roomtest.Table[Device](nobody, "device").Len())
	require.Zero(t, roomtest.Table[Command](lamp, "command").Len(), "the log is the operators'")
	require.Empty(t, roomtest.Events[Order](other, "command"))
	require.Equal(t, 2, roomtest.Table[Device](op, "device").Len())
}

func TestADeviceHasFewCommandsToAnswerAtATime(t *testing.T) {
	r, op := fleet(t)
	device(t, r, "lamp-1")
	for range maxWaiting {
		ask(t, op, "lamp-1", "ping")
	}
	require.Equal(t, "busy", code(op.Call("command", Ask{"lamp-1", "ping", ""}, nil)))
	r.Tick(6 * second)
	ask(t, op, "lamp-1", "ping")
}

func TestTheLogForgetsTheOldest(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	for range keptLog + 10 {
		id := ask(t, op, "lamp-1", "ping")
		require.NoError(t, lamp.Call("answer", Answer{id, true, "pong"}, nil))
	}
	require.Equal(t, keptLog, roomtest.Table[Command](op, "command").Len())
	require.Zero(t, entry(op, 10))
	require.EqualValues(t, 11, entry(op, 11).Number)
	err := lamp.Call("answer", Answer{3, true, ""}, nil)
	require.Equal(t, "late", code(err))
	r.Tick(6 * second)
	require.Empty(t, roomtest.Events[Outcome](op, "timeout"))
}

func TestTheLongestOfflineDeviceIsForgottenWhenThereAreTooMany(t *testing.T) {
	r := roomtest.New(t, Kind)
	for i := range maxDevices {
		device(t, r, fmt.Sprint("d", i)).Leave()
	}
	op := r.Join("Olga")
	require.NoError(t, op.Call("operate", Operate{}, nil))
	require.Equal(t, maxDevices, roomtest.Table[Device](op, "device").Len())
	device(t, r, "new")
	require.Equal(t, maxDevices, roomtest.Table[Device](op, "device").Len())
	require.Zero(t, sees(op, "d0"))
	require.Equal(t, Online, sees(op, "new").State)
}

func TestAnOperatorWhoHasLeftIsNotWaitedFor(t *testing.T) {
	r, op := fleet(t)
	lamp := device(t, r, "lamp-1")
	id := ask(t, op, "lamp-1", "ping")
	op.Leave()
	require.NoError(t, lamp.Call("answer", Answer{id, true, "pong"}, nil))
	r.Tick(6 * second)
	other := r.Join("Otto")
	require.NoError(t, other.Call("operate", Operate{}, nil))
	require.Equal(t, Done, entry(other, id).Status, "the log tells the next one")
}

// client is a connection that keeps the last answer; roomtest's players have no claims.
type client struct{ code string }

func (c *client) Ready() bool                         { return true }
func (c *client) RemoteAddr() string                  { return "192.0.2.1" }
func (c *client) Close(protocol.Code, string, []byte) {}
func (c *client) Send(parts ...[]byte) error {
	var message []byte
	for _, p := range parts {
		message = append(message, p...)
	}
	for r := wire.NewReader(message); r.Rest() > 0; {
		n := r.Array()
		kind := protocol.Kind(r.Uint32())
		if kind == protocol.KindError {
			_, _, code, _, err := protocol.ReadError(r, n)
			c.code = code
			return err
		}
		for range n - 1 {
			r.Skip()
		}
	}
	return nil
}

func TestClaimsAreBinding(t *testing.T) {
	register := Register{Device: "lamp-1"}
	for _, c := range []struct {
		claims, name string
		body         any
		code         string
	}{
		{``, "operate", Operate{}, ""},
		{`{}`, "operate", Operate{}, ""},
		{`{"role": "operator"}`, "operate", Operate{}, ""},
		{`{"role": "device"}`, "operate", Operate{}, "forbidden"},
		{`{"role": "admin"}`, "operate", Operate{}, "forbidden"},
		{`{"role": 7}`, "operate", Operate{}, "forbidden"},
		{``, "register", register, ""},
		{`{"role": "device"}`, "register", register, ""},
		{`{"role": "device", "device": "lamp-1"}`, "register", register, ""},
		{`{"role": "device", "device": "lamp-2"}`, "register", register, "forbidden"},
		{`{"role": "operator"}`, "register", register, "forbidden"},
	} {
		t.Run(c.name+" "+c.claims, func(t *testing.T) {
			m, err := room.NewManual(t.Context(), Kind, room.Config{ID: "test"})
			require.NoError(t, err)
			conn := &client{}
			s, err := m.Join(room.Join{Who: room.Identity{User: "u", Name: "U", Claims: []byte(c.claims)}, Conn: conn})
			require.NoError(t, err)
			body, err := msgpack.Marshal(c.body)
			require.NoError(t, err)
			require.NoError(t, s.Receive(conn, m.Now(), protocol.AppendMessage(nil, 1, c.name, body)))
			_, err = m.Tick()
			require.NoError(t, err)
			require.Equal(t, c.code, conn.code)
		})
	}
}
