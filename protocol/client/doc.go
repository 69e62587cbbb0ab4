// Package client is the Go client of Tickhall: it matches or queues, connects, resumes by itself, keeps a copy of
// the room's world, sends inputs and typed messages, and follows the room's clock. protocol/README.md
// specifies what it speaks. What to show, and what to predict, is left to its user.
//
// # Goroutines
//
// The package starts none that lives. [Room.Run] blocks, and its goroutine does everything: it dials,
// reads, applies snapshots, acknowledges them, waits between attempts and makes every callback. A
// program with 2,000 clients has 2,000 goroutines, no timer but the ones of their sockets, and no
// allocation per snapshot but gws's two: 16 B for each message read, 24 B for each written.
// (The handshake of gws has a goroutine of its own, which ends before the handshake does, and a
// cancelled context closes the socket from another.) [Inputs.Stream] also blocks in its caller's
// goroutine.
//
// # Reading the world
//
// The world belongs to one goroutine at a time: to Run's while it takes a message and makes its
// callbacks, and to any other inside [Room.Do]. Tables are read in a callback or in Do, nowhere else.
// All other methods may be called from any goroutine, callbacks included; but a callback must not
// wait for what only Run's goroutine can bring, so it makes no [Call] and no Do.
//
// Tables, events and inputs are registered between New and Run.
package client
