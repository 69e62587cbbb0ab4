package host

import (
	"context"
	"net/http"
	"time"

	"github.com/tickhall/tickhall/server/api"
)

// healthTimeout is how long what health checks vouch for has to answer.
const healthTimeout = 2 * time.Second

// pulse answers health checks by going through what a match goes through: a lock that nobody gives back, or a goroutine
// that hangs, holds up the pulse and not those who ask.
type pulse struct {
	asked chan chan<- string // each, of capacity 1, is told which part does not answer, "" for none
	parts []part
	at    chan string // capacity 1: the part that the pulse waits for
}

// part is something that a server can't do without. touch returns when it has answered, or ctx has ended.
type part struct {
	name  string
	touch func(ctx context.Context) error
}

func (h *Host) newPulse() *pulse {
	return &pulse{asked: make(chan chan<- string), at: make(chan string, 1), parts: []part{
		{"lobby", h.lobby.Check},
		{"queue", func(context.Context) error { h.queue.Check(); return nil }},
		{"sessions", func(context.Context) error { h.registry.Len(); return nil }},
		{"gateway", func(context.Context) error { h.gateway.Check(); return nil }},
	}}
}

// run answers until ctx ends.
func (p *pulse) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-p.asked:
			answer <- p.beat(ctx)
		}
	}
}

// beat goes through the parts, and returns the name of the first that fails.
func (p *pulse) beat(ctx context.Context) (failed string) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	for _, part := range p.parts {
		p.at <- part.name
		err := part.touch(ctx)
		<-p.at
		if err != nil {
			return part.name
		}
	}
	return ""
}

// check asks for a beat, for a bounded time. hangs is what does not answer, "" for nothing.
func (p *pulse) check(ctx context.Context) (hangs string) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout+healthTimeout/4)
	defer cancel()
	answer := make(chan string, 1)
	select {
	case p.asked <- answer:
		select {
		case hangs = <-answer:
			return hangs
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	select { // without taking it for good
	case hangs = <-p.at:
		p.at <- hangs
		return hangs
	default:
		return "server"
	}
}

// status is the answer to a health check.
type status struct {
	Status  string `json:"status"` // "ok", "ready", "stopping", or "hanging"
	Part    string `json:"part,omitempty"`
	Version string `json:"version,omitempty"`
}

// health tells a supervisor that the process serves: rooms, queues and connections can be reached. It answers 503 if one
// of these hangs, which a restart alone mends.
func (h *Host) health(w http.ResponseWriter, r *http.Request) {
	if part := h.pulse.check(r.Context()); part != "" {
		api.Write(w, http.StatusServiceUnavailable, status{Status: "hanging", Part: part})
		return
	}
	api.Write(w, http.StatusOK, status{Status: "ok", Version: h.version.Short()})
}

// readiness tells a balancer whether to send players.
func (h *Host) readiness(w http.ResponseWriter, r *http.Request) {
	if !h.ready.Load() {
		api.Write(w, http.StatusServiceUnavailable, status{Status: "stopping"})
		return
	}
	if part := h.pulse.check(r.Context()); part != "" {
		api.Write(w, http.StatusServiceUnavailable, status{Status: "hanging", Part: part})
		return
	}
	api.Write(w, http.StatusOK, status{Status: "ready"})
}
