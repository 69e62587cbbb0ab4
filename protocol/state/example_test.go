package state_test

import (
	"fmt"

	"github.com/tickhall/tickhall/protocol/state"
	"github.com/tickhall/tickhall/protocol/wire"
)

// Ship is what everybody sees of a player, and how much of it.
type Ship struct {
	X    float32 `sync:"x,step=1/8,rate=vx"`
	VX   float32 `sync:"vx,step=1/2"`
	Name string  `sync:"name"`
	Ammo uint8   `sync:"ammo,owner"`
}

// A server changes plain structs and takes snapshots; a client applies the messages of its view.
func Example() {
	world := state.NewWorld(20)
	ships := state.NewTable[Ship](world, "ship")
	const ada, bob = 1, 2
	_, ship := ships.Add(ada)
	*ship = Ship{X: 10, VX: 5, Name: "Ada", Ammo: 3}
	_, other := ships.Add(bob)
	*other = Ship{Name: "Bob", Ammo: 9}

	view := world.NewView(ada, nil)
	replica, err := state.NewReplica(world.Schema(), 20)
	if err != nil {
		panic(err)
	}
	copied, err := state.Bind[Ship](replica, "ship")
	if err != nil {
		panic(err)
	}
	for tick := range uint32(2) {
		world.Snapshot(tick + 1)
		message, key := view.Next()
		own := view.AppendOwn(nil, 0, 0)
		r := wire.NewReader(message)
		if n := r.Array(); r.Int() == 2 {
			err = replica.Key(r, n)
		} else {
			err = replica.Delta(r, n)
		}
		if err != nil {
			panic(err)
		}
		r.Reset(own)
		n := r.Array()
		r.Skip()
		if _, _, err := replica.Own(r, n); err != nil {
			panic(err)
		}
		fmt.Println("key:", key, "bytes:", len(message))
		for id, s := range copied.All() {
			fmt.Println(id, s, copied.Mine(id))
		}
		ship.X += ship.VX / 20
	}
	fmt.Println(view.Checksum() == replica.Checksum())
	// Output:
	// key: true bytes: 22
	// 1 {10 5 Ada 3} true
	// 2 {0 0 Bob 0} false
	// key: false bytes: 4
	// 1 {10.25 5 Ada 3} true
	// 2 {0 0 Bob 0} false
	// true
}
