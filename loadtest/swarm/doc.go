// Package swarm plays many players against a server at once and measures what they experience: how old the
// world is that they look at, how long their inputs take to have an effect, what it costs in bytes. A Scenario
// says who plays how; Run plays it and returns a Report, which gates judge. An author runs a scenario from a Go
// test, with a Bot of the game's own.
//
// # Honest figures
//
// Inputs are due by a schedule that does not wait for the server, and what is measured from an input is
// measured from when it was due. Staleness is the age of what a player sees, weighted by time: between two
// snapshots it grows as the clock does, and is counted every 4 ms of that, computed from arrival times. So
// a server that pauses can't hide it (Tene, "How NOT to Measure Latency", 2015, calls that coordinated omission).
// The age of a snapshot is that of its tick, by the room's clock, as the quickest of all answers to its players' questions
// for the time has it. On Linux what has arrived is asked for every millisecond, for all players at once: so a time may
// be too long by that, and by what generator.lateness tells.
//
// # Goroutines
//
// For the length of Run: one per seat, in client.Room.Run; up to four pacers, which send the inputs of all;
// one each that collects, watches the generator's own lateness, scrapes the server and brings storms; one that wakes the
// seats for what has arrived, on Linux; one per abuser. All
// have ended when Run returns. Bots are called by pacers, and look at the world on their seat's goroutine.
package swarm
