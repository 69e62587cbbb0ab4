// Package state turns Go structs into snapshots of a world, and snapshots back into a copy of it.
//
// On the server a World holds tables of entities (Table); an author reads and writes plain structs.
// World.Snapshot quantises them, compares them with older snapshots and encodes each changed entity
// once; a View is what one client holds, and appends the KEY, DELTA and OWN messages that bring it up
// to date. On a client a Replica applies these messages. protocol/README.md specifies the wire.
//
// The package is pure: it starts no goroutine, reads no clock and knows no transport. A World and its
// Views belong to one goroutine, as does a Replica.
package state
