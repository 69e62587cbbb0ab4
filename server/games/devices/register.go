package devices

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/room"
)

// Claims are those of a user's token that count here. Where the server asks for tokens, issue them with a role:
// a role that is there is binding. Guests have none and may be both, which is for trying it out.
type Claims struct {
	Role   string `json:"role"`   // "operator" or "device"
	Device string `json:"device"` // the only id that a device may register as
}

var (
	validID      = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	errTaken     = room.Errorf("taken", "a device of that id is connected: choose another id, or end the other one")
	errRole      = room.Errorf("role_taken", "this seat is registered already: join again for another role")
	errFull      = room.Errorf("full", "this room knows as many devices as it can, and all are connected")
	errForbidden = room.Errorf("forbidden", "your token's claims do not allow this role here")
)

// Register is the body of "register", by which a player becomes a device.
type Register struct {
	Device string `msgpack:"device"` // its id: 1 to 64 of a-z, 0-9 and -
	Model  string `msgpack:"model"`  // for people: at most 40 characters
}

// Registered is its reply.
type Registered struct {
	Entity uint32 `msgpack:"entity"` // id of the device's row
}

func (f *Fleet) register(t *room.Tick, p *room.Player, v Register) (Registered, error) {
	if !validID.MatchString(v.Device) {
		return Registered{}, room.Errorf("bad_device", "a device's id is 1 to 64 of a-z, 0-9 and -, not %.80q", v.Device)
	}
	model, ok := clean(v.Model, 40)
	if !ok {
		return Registered{}, room.Errorf("bad_model", "a model is at most 40 characters, none of them control characters")
	}
	var claims Claims
	if p.Claims(&claims) != nil || claims.Role != "" && claims.Role != "device" || claims.Device != "" && claims.Device != v.Device {
		return Registered{}, errForbidden
	}
	s := f.seats[p.Number()]
	if s.operator || s.device != 0 {
		return Registered{}, errRole
	}
	id := f.ids[v.Device]
	d := f.devices.Get(id)
	switch {
	case d == nil:
		if !f.makeRoom() {
			return Registered{}, errFull
		}
		id, d = f.devices.Add(0)
		f.ids[v.Device] = id
	case d.State == Online, d.State == Away && d.user != p.User():
		return Registered{}, errTaken
	case d.State == Away:
		// It has restarted without its resume token: no need to wait until the old seat's grace is over.
		if old := t.Player(d.player); old != nil {
			t.Kick(old, "the device has registered again")
		}
	}
	d.Device, d.Model, d.State, d.Seen = v.Device, model, Online, seconds(t)
	d.player, d.user, d.left, d.filled = p.Number(), p.User(), burst, t.Time()
	s.device = id
	f.resend(t, p, d)
	return Registered{uint32(id)}, nil
}

// makeRoom makes room for one more device, by forgetting the one that has been offline for longest.
func (f *Fleet) makeRoom() bool {
	if f.devices.Len() < maxDevices {
		return true
	}
	oldest := state.ID(0)
	for id, d := range f.devices.All() {
		if d.State == Offline && (oldest == 0 || d.Seen < f.devices.Get(oldest).Seen) {
			oldest = id
		}
	}
	if oldest == 0 {
		return false
	}
	delete(f.ids, f.devices.Get(oldest).Device)
	return f.devices.Remove(oldest)
}

// Operate is the body of "operate", by which a player becomes an operator.
type Operate struct{}

func (f *Fleet) operate(_ *room.Tick, p *room.Player, _ Operate) (struct{}, error) {
	var claims Claims
	if p.Claims(&claims) != nil || claims.Role != "" && claims.Role != "operator" {
		return struct{}{}, errForbidden
	}
	s := f.seats[p.Number()]
	if s.device != 0 {
		return struct{}{}, errRole
	}
	s.operator = true
	return struct{}{}, nil
}

// clean trims s and reports whether it is at most n characters of text.
func clean(s string, n int) (string, bool) {
	s = strings.TrimSpace(s)
	return s, utf8.RuneCountInString(s) <= n && strings.IndexFunc(s, unicode.IsControl) < 0
}
