package devices

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

const (
	timeout    = 5 * time.Second // for an answer
	maxWaiting = 8               // commands that one device may have to answer
)

// Status is how a command stands.
type Status uint8

// The statuses of a command.
const (
	Waiting Status = iota // for its device's answer
	Done
	Failed   // the device says so
	TimedOut // there was no answer in time
)

// Command is a row of the log, which operators see.
type Command struct {
	Status   Status `sync:"status"`
	Took     uint16 `sync:"took"` // milliseconds until the answer, to the tick
	Number   uint32 `sync:"number"`
	At       uint32 `sync:"at"` // seconds of the game's time
	Device   string `sync:"device"`
	Name     string `sync:"name"`
	Args     string `sync:"args"`
	Result   string `sync:"result"`
	Operator string `sync:"operator"` // name

	sent  time.Duration
	until uint32 // tick
	by    uint32 // player
}

var (
	validName     = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	errNoOperator = room.Errorf("no_operator", `only an operator may do that: send "operate" first`)
)

// Ask is the body of "command": what an operator wants of a device.
type Ask struct {
	Device string `msgpack:"device"`
	Name   string `msgpack:"name"` // 1 to 32 of a-z, 0-9 and -
	Args   string `msgpack:"args"` // at most 200 characters, of which the device makes what it likes
}

// Asked is its reply, which comes at once. The outcome is an Outcome, later.
type Asked struct {
	ID uint32 `msgpack:"id"`
}

// Order is the body of the event "command", which a device gets. An event reaches a device however long it was away;
// so a device must not carry out an order after the tick Until: its operator has been told that it timed out.
type Order struct {
	ID    uint32 `msgpack:"id"`
	Name  string `msgpack:"name"`
	Args  string `msgpack:"args"`
	Until uint32 `msgpack:"until"` // tick
}

// Outcome is the body of the events "answer" and "timeout", of which the operator who asked gets one for each command.
type Outcome struct {
	ID     uint32 `msgpack:"id"`
	Device string `msgpack:"device"`
	OK     bool   `msgpack:"ok"`
	Result string `msgpack:"result"`
}

func (f *Fleet) command(t *room.Tick, p *room.Player, v Ask) (Asked, error) {
	if !f.seats[p.Number()].operator {
		return Asked{}, errNoOperator
	}
	if !validName.MatchString(v.Name) {
		return Asked{}, room.Errorf("bad_command", "a command's name is 1 to 32 of a-z, 0-9 and -, not %.80q", v.Name)
	}
	args, ok := clean(v.Args, 200)
	if !ok {
		return Asked{}, room.Errorf("bad_command", "args are at most 200 characters, none of them control characters")
	}
	d := f.devices.Get(f.ids[v.Device])
	switch {
	case d == nil:
		return Asked{}, room.Errorf("unknown_device", "no device %.80q has registered here", v.Device)
	case d.State == Offline:
		return Asked{}, room.Errorf("offline", "%s is offline", v.Device)
	case len(f.waiting(d)) >= maxWaiting:
		return Asked{}, room.Errorf("busy", "%s has %d commands to answer: wait for one of them", v.Device, maxWaiting)
	}
	f.forget()
	f.last++
	row, c := f.commands.Add(0)
	*c = Command{
		Number: f.last, At: seconds(t), Device: d.Device, Name: v.Name, Args: args, Operator: p.Name(), sent: t.Time(),
		until: t.Number() + uint32(timeout/time.Second)*tickRate, by: p.Number(),
	}
	t.After(timeout, func(t *room.Tick) { f.expire(t, row) })
	if to := t.Player(d.player); to != nil {
		f.ordered.Send(t, c.order(), to)
	}
	return Asked{c.Number}, nil
}

func (c *Command) order() Order { return Order{c.Number, c.Name, c.Args, c.until} }

// resend gives what waits for a device to its new seat: the old one took its events with it.
func (f *Fleet) resend(t *room.Tick, p *room.Player, d *Device) {
	for _, c := range f.waiting(d) {
		f.ordered.Send(t, c.order(), p)
	}
}

// waiting returns the commands that a device has to answer, oldest first.
func (f *Fleet) waiting(d *Device) (all []*Command) {
	for _, c := range f.commands.All() {
		if c.Device == d.Device && c.Status == Waiting {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *Command) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// forget takes the oldest command that is over out of a full log.
func (f *Fleet) forget() {
	if f.commands.Len() < keptLog {
		return
	}
	oldest := state.ID(0)
	for id, c := range f.commands.All() {
		if c.Status != Waiting && (oldest == 0 || c.Number < f.commands.Get(oldest).Number) {
			oldest = id
		}
	}
	f.commands.Remove(oldest)
}

// expire is called when a command's time is over. Its row stands: one that waits is never forgotten.
func (f *Fleet) expire(t *room.Tick, row state.ID) {
	c := f.commands.Get(row)
	if c == nil || c.Status != Waiting || t.Number() < c.until {
		return // answered; the row may be another command's by now
	}
	f.conclude(t, c, TimedOut, "")
}

// conclude ends a command and tells who asked.
func (f *Fleet) conclude(t *room.Tick, c *Command, status Status, result string) {
	c.Status, c.Result, c.Took = status, result, uint16((t.Time()-c.sent)/time.Millisecond)
	event := f.answered
	if status == TimedOut {
		event = f.timedOut
	}
	if p := t.Player(c.by); p != nil {
		event.Send(t, Outcome{c.Number, c.Device, status == Done, result}, p)
	}
}

// Answer is the body of "answer", by which a device answers an Order.
type Answer struct {
	ID     uint32 `msgpack:"id"`
	OK     bool   `msgpack:"ok"`
	Result string `msgpack:"result"` // at most 200 characters
}

func (f *Fleet) answer(t *room.Tick, p *room.Player, v Answer) (struct{}, error) {
	d := f.deviceOf(p)
	if d == nil {
		return struct{}{}, errNoDevice
	}
	result, ok := clean(v.Result, 200)
	if !ok {
		return struct{}{}, room.Errorf("bad_answer", "a result is at most 200 characters, none of them control characters")
	}
	if v.ID == 0 || v.ID > f.last {
		return struct{}{}, room.Errorf("unknown_command", "there was no command %d", v.ID)
	}
	c := f.find(v.ID)
	switch {
	case c == nil:
		return struct{}{}, room.Errorf("late", "command %d is over and forgotten", v.ID)
	case c.Device != d.Device:
		return struct{}{}, room.Errorf("not_yours", "command %d went to another device", v.ID)
	case c.Status == TimedOut:
		return struct{}{}, room.Errorf("late", "command %d timed out %v ago: its operator has been told so", v.ID, t.Time()-c.sent-timeout)
	case c.Status != Waiting:
		return struct{}{}, room.Errorf("answered", "command %d has been answered", v.ID)
	}
	status := Done
	if !v.OK {
		status = Failed
	}
	f.conclude(t, c, status, result)
	return struct{}{}, nil
}

// find returns the command of that number, nil if the log does not have it.
func (f *Fleet) find(number uint32) *Command {
	for _, c := range f.commands.All() {
		if c.Number == number {
			return c
		}
	}
	return nil
}
