package arena

// Ship is a player or a bot, on the ground or waiting to return to it.
//
// Speeds are multiples of 7.5 units per second and change by trapezoids (see pilot.drive), so a ship
// moves by whole eighths of a unit and its clients predict the place exactly: on the wire, a ship that
// keeps its speed costs nothing.
type Ship struct {
	Name   string  `sync:"name"`
	Colour uint8   `sync:"colour"` // 0 to 11
	Bot    bool    `sync:"bot"`
	X      float32 `sync:"x,step=1/8,rate=vx"`
	Y      float32 `sync:"y,step=1/8,rate=vy"`
	VX     float32 `sync:"vx,step=15/2"`
	VY     float32 `sync:"vy,step=15/2"`
	Aim    float32 `sync:"aim,turn=256"`
	HP     uint8   `sync:"hp"`     // 0: off the ground
	Shield uint8   `sync:"shield"` // taken before HP is
	Safe   bool    `sync:"safe"`   // can't be hurt
	Away   bool    `sync:"away"`   // nobody steers it
	Rapid  bool    `sync:"rapid"`
	Kills  uint16  `sync:"kills"`
	Deaths uint16  `sync:"deaths"`
	Ammo   uint8   `sync:"ammo,owner"`
	Wait   uint8   `sync:"wait,owner"` // seconds until the return to the ground
	Rest   bool    `sync:"rest,owner"` // safe until it moves or fires
}

func (s *Ship) at() vec       { return vec{s.X, s.Y} }
func (s *Ship) velocity() vec { return vec{s.VX, s.VY} }
func (s *Ship) alive() bool   { return s.HP > 0 }

// Bolt is a shot in flight. In its last tick it stands where it hit.
type Bolt struct {
	X      float32 `sync:"x,step=1/8,rate=vx"`
	Y      float32 `sync:"y,step=1/8,rate=vy"`
	VX     float32 `sync:"vx,step=15/4"`
	VY     float32 `sync:"vy,step=15/4"`
	By     uint32  `sync:"by"` // ship
	Colour uint8   `sync:"colour"`
	Hit    HitKind `sync:"hit"`
}

// HitKind is what a bolt has hit.
type HitKind uint8

// What a bolt hits.
const (
	HitNone HitKind = iota
	HitWall
	HitShip
)

// Wall is a rectangle of the level: its upper left corner and its size. Walls never change.
type Wall struct {
	X int32 `sync:"x"`
	Y int32 `sync:"y"`
	W int32 `sync:"w"`
	H int32 `sync:"h"`
}

// Pickup is a place where something appears, and comes back a while after it was taken.
type Pickup struct {
	X     int32      `sync:"x"`
	Y     int32      `sync:"y"`
	Kind  PickupKind `sync:"kind"`
	Ready bool       `sync:"ready"`
}

// PickupKind is what a pick-up gives.
type PickupKind uint8

// The pick-ups.
const (
	Health PickupKind = iota
	Ammo
	Rapid
	Shield
)

// Round is the state of play, one row.
type Round struct {
	Number uint16 `sync:"number"`
	Phase  Phase  `sync:"phase"`
	Left   uint16 `sync:"left"` // seconds of this phase
	Goal   uint16 `sync:"goal"` // kills that end the round
}

// Phase is a part of a round.
type Phase uint8

// The phases of a round.
const (
	Playing Phase = iota
	Podium        // the result is shown, ships stand still
)

// Kill is the body of the event "kill", sent to all. Streak counts the killer's kills since it last died.
type Kill struct {
	Killer     uint32 `msgpack:"killer"` // ship
	By         string `msgpack:"by"`     // its name
	Victim     uint32 `msgpack:"victim"`
	Whom       string `msgpack:"whom"`
	Streak     int    `msgpack:"streak"`
	ByColour   uint8  `msgpack:"by_colour"`
	WhomColour uint8  `msgpack:"whom_colour"`
}

// Hit is the body of the event "hit", sent to the two whom it concerns.
type Hit struct {
	By     uint32 `msgpack:"by"` // ship
	Name   string `msgpack:"name"`
	Victim uint32 `msgpack:"victim"`
	Damage int    `msgpack:"damage"`
}

// Took is the body of the event "took", sent to who took a pick-up.
type Took struct {
	Kind PickupKind `msgpack:"kind"`
}
