package devices

import (
	"time"

	"github.com/tickhall/tickhall/room"
)

const (
	reportRate = 5  // reports per second that a device may send for long
	burst      = 10 // and at once
)

// Report is the body of "report": what the device measures.
type Report struct {
	Temperature float64 `msgpack:"temperature"` // -100 to 200 degrees Celsius
	Battery     float64 `msgpack:"battery"`     // 0 to 100 percent
	Signal      float64 `msgpack:"signal"`      // -150 to 0 dBm
	Light       bool    `msgpack:"light"`
}

func (v Report) check() error {
	for _, f := range []struct {
		name               string
		value, least, most float64
	}{
		{"temperature", v.Temperature, -100, 200},
		{"battery", v.Battery, 0, 100},
		{"signal", v.Signal, -150, 0},
	} {
		if !(f.value >= f.least && f.value <= f.most) { // NaN is in no range
			return room.Errorf("bad_report", "%s is %v to %v, not %v", f.name, f.least, f.most, f.value)
		}
	}
	return nil
}

var (
	errNoDevice = room.Errorf("no_device", `only a device may do that: send "register" first`)
	errOften    = room.Errorf("too_often", "a device reports at most %d times a second", reportRate)
)

// report puts what a device measures into its row. However often it does, operators get one snapshot per tick.
func (f *Fleet) report(t *room.Tick, p *room.Player, v Report) (struct{}, error) {
	d := f.deviceOf(p)
	if d == nil {
		return struct{}{}, errNoDevice
	}
	if err := v.check(); err != nil {
		return struct{}{}, err
	}
	if !d.spend(t.Time()) {
		return struct{}{}, errOften
	}
	d.Temperature, d.Battery, d.Signal, d.Light = float32(v.Temperature), float32(v.Battery), float32(v.Signal), v.Light
	d.Seen = seconds(t)
	d.Reports++
	return struct{}{}, nil
}

// spend takes one from a bucket of burst reports that fills at reportRate.
func (d *Device) spend(now time.Duration) bool {
	d.left = min(d.left+(now-d.filled).Seconds()*reportRate, burst)
	d.filled = now
	if d.left < 1 {
		return false
	}
	d.left--
	return true
}
