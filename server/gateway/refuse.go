package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// refusals are the codes of an HTTPError and the status that each goes with.
var refusals = [...]struct {
	code   string
	status int
}{
	{protocol.ErrBadRequest, http.StatusBadRequest},
	{protocol.ErrUnknownKind, http.StatusBadRequest},
	{protocol.ErrUnknownMode, http.StatusBadRequest},
	{protocol.ErrTicketInvalid, http.StatusBadRequest},
	{protocol.ErrOrigin, http.StatusForbidden},
	{protocol.ErrTokenUnknown, http.StatusNotFound},
	{protocol.ErrNotFound, http.StatusNotFound},
	{protocol.ErrMethod, http.StatusMethodNotAllowed},
	{protocol.ErrTicketExpired, http.StatusGone},
	{protocol.ErrTicketUsed, http.StatusGone},
	{protocol.ErrUpgrade, http.StatusUpgradeRequired},
	{protocol.ErrRateLimited, http.StatusTooManyRequests},
	{protocol.ErrServerFull, http.StatusServiceUnavailable},
	{protocol.ErrShuttingDown, http.StatusServiceUnavailable},
	{protocol.ErrInternal, http.StatusInternalServerError},
}

// retryAfter is what a client that found no place is told to wait.
const retryAfter = 5 * time.Second

// refusal is an HTTPError that may ask to wait.
type refusal struct {
	protocol.HTTPError
	wait time.Duration // Retry-After; 0: none
}

func refusef(code, format string, args ...any) *refusal {
	return &refusal{HTTPError: protocol.HTTPError{Code: code, Message: fmt.Sprintf(format, args...)}}
}

func (r *refusal) after(wait time.Duration) *refusal {
	r.wait = wait
	return r
}

// refuse answers a request with e, and counts it.
func (g *Gateway) refuse(w http.ResponseWriter, e *refusal) {
	status := http.StatusInternalServerError
	for i := range refusals {
		if refusals[i].code == e.Code {
			g.stats.refused[i].Add(1)
			status = refusals[i].status
		}
	}
	if e.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.wait/time.Second)))
	}
	writeJSON(w, status, &e.HTTPError)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who is gone needs no answer
}
