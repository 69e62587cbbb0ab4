// Package devices is a small telemetry and command room: devices report, an operator sees who is there, sends one of them a
// command and gets its answer or its time-out.
//
// What is true now is in tables: who is online, the last report, how the last commands stand. What happens once is an event:
// a command to its device, an answer to its operator; events reach who is away for a moment as soon as it is back.
// Whether a device is there the server knows by its heartbeat, from which Away, Back and Leave follow:
// a device that has nothing to report need not say so.
//
// The package imports what any author would. All of it runs on the room's goroutine.
package devices

import (
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Kind is the room of one fleet. It ticks when something arrives or a time-out is due.
var Kind = room.Kind[Nothing]{
	Name:       "devices",
	Title:      "Devices",
	About:      "A fleet at a glance: telemetry as it comes, commands, their answers and their time-outs.",
	TickRate:   tickRate,
	OnDemand:   true,
	MaxPlayers: 256,
	EmptyFor:   10 * time.Minute,
	New:        New,
}

const (
	tickRate   = 20  // at most
	maxDevices = 512 // known, offline ones included
	keptLog    = 50  // commands in the log; those that wait are kept beyond it
)

// Nothing is the room's input: everything is a message.
type Nothing struct{}

// State is whether a device is there.
type State uint8

// The states of a device.
const (
	Offline State = iota
	Online
	Away // the heartbeat has stopped: it may come back within the grace period
)

// Device is what operators see of a device; it sees itself too. It stays when its connection goes.
type Device struct {
	Temperature float32 `sync:"temperature,step=1/10"` // of a degree Celsius
	Battery     float32 `sync:"battery,step=1/2"`      // percent
	Signal      float32 `sync:"signal,step=1"`         // dBm
	Light       bool    `sync:"light"`
	State       State   `sync:"state"`
	Seen        uint32  `sync:"seen"`    // seconds of the game's time: the last report, or when the heartbeat stopped
	Reports     uint32  `sync:"reports"` // taken
	Device      string  `sync:"device"`  // its id
	Model       string  `sync:"model"`

	player uint32 // its seat, 0 if it has none
	user   string // who registered it last
	left   float64
	filled time.Duration // when left was right
}

// seat is what a player has registered as.
type seat struct {
	operator bool
	device   state.ID // 0: none
}

// Fleet is the game of one room.
type Fleet struct {
	devices  *state.Table[Device]
	commands *state.Table[Command]
	seats    map[uint32]*seat    // by player number; only looked up in, never walked
	ids      map[string]state.ID // of devices, by their own id; likewise
	last     uint32              // number of the newest command

	ordered            room.Event[Order]
	answered, timedOut room.Event[Outcome]
}

// New makes the game of one room.
func New(s *room.Setup) (room.Game[Nothing], error) {
	f := &Fleet{
		devices:  room.Table[Device](s, "device"),
		commands: room.Table[Command](s, "command"),
		seats:    map[uint32]*seat{},
		ids:      map[string]state.ID{},

		ordered:  room.NewEvent[Order](s, "command"),
		answered: room.NewEvent[Outcome](s, "answer"),
		timedOut: room.NewEvent[Outcome](s, "timeout"),
	}
	room.Handle(s, "register", f.register)
	room.Handle(s, "operate", f.operate)
	room.Handle(s, "report", f.report)
	room.Handle(s, "command", f.command)
	room.Handle(s, "answer", f.answer)
	return f, nil
}

// Join gives a seat. What the player is, it says by "register" or "operate".
func (f *Fleet) Join(_ *room.Tick, p *room.Player) error {
	f.seats[p.Number()] = &seat{}
	return nil
}

// Leave shows the player's device as offline. Its commands run into their time-outs: it may register anew before.
func (f *Fleet) Leave(t *room.Tick, p *room.Player, _ room.Cause) {
	if d := f.deviceOf(p); d != nil {
		if d.State == Online {
			d.Seen = seconds(t)
		}
		d.State, d.player = Offline, 0
	}
	delete(f.seats, p.Number())
}

// Away shows that the device's heartbeat has stopped.
func (f *Fleet) Away(t *room.Tick, p *room.Player) {
	if d := f.deviceOf(p); d != nil {
		d.State, d.Seen = Away, seconds(t)
	}
}

// Back shows that it is there again.
func (f *Fleet) Back(t *room.Tick, p *room.Player) {
	if d := f.deviceOf(p); d != nil {
		d.State, d.Seen = Online, seconds(t)
	}
}

// Step has nothing to do: a fleet moves by messages and time-outs alone.
func (f *Fleet) Step(*room.Tick, []room.Input[Nothing]) {}

// Sees shows operators all, and a device itself: what others report is none of its business.
func (f *Fleet) Sees(p *room.Player, table int, id state.ID) bool {
	s := f.seats[p.Number()]
	return s != nil && (s.operator || table == f.devices.Index() && s.device == id)
}

// deviceOf returns the device that p is, nil if it is none, or another seat has become it.
func (f *Fleet) deviceOf(p *room.Player) *Device {
	s := f.seats[p.Number()]
	if s == nil {
		return nil
	}
	d := f.devices.Get(s.device)
	if d == nil || d.player != p.Number() {
		return nil
	}
	return d
}

func seconds(t *room.Tick) uint32 { return uint32(t.Time() / time.Second) }

var (
	_ room.Game[Nothing] = (*Fleet)(nil)
	_ room.Rejoiner      = (*Fleet)(nil)
	_ room.Seer          = (*Fleet)(nil)
)
