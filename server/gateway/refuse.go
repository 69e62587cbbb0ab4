package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/server/api"
	"github.com/tickhall/tickhall/server/auth"
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
	{protocol.ErrUnauthorized, http.StatusUnauthorized},
	{protocol.ErrOrigin, http.StatusForbidden},
	{protocol.ErrHost, http.StatusMisdirectedRequest},
	{protocol.ErrBanned, http.StatusForbidden},
	{protocol.ErrPassword, http.StatusForbidden},
	{protocol.ErrTokenUnknown, http.StatusNotFound},
	{protocol.ErrRoomUnknown, http.StatusNotFound},
	{protocol.ErrQueueUnknown, http.StatusNotFound},
	{protocol.ErrNotFound, http.StatusNotFound},
	{protocol.ErrMethod, http.StatusMethodNotAllowed},
	{protocol.ErrRoomFull, http.StatusConflict},
	{protocol.ErrRoomLocked, http.StatusConflict},
	{protocol.ErrQueueReplaced, http.StatusGone},
	{protocol.ErrTicketExpired, http.StatusGone},
	{protocol.ErrTicketUsed, http.StatusGone},
	{protocol.ErrUpgrade, http.StatusUpgradeRequired},
	{protocol.ErrRateLimited, http.StatusTooManyRequests},
	{protocol.ErrTooMany, http.StatusTooManyRequests},
	{protocol.ErrFilterUnmet, http.StatusBadRequest},
	{protocol.ErrUnavailable, http.StatusServiceUnavailable},
	{protocol.ErrServerFull, http.StatusServiceUnavailable},
	{protocol.ErrShuttingDown, http.StatusServiceUnavailable},
	{auth.ErrUnavailable, http.StatusServiceUnavailable},
	{protocol.ErrInternal, http.StatusInternalServerError},
	{refusedByGame, http.StatusBadRequest},
}

// refusedByGame is how refusals with a game's own code are counted.
const refusedByGame = "game"

// retryAfter is what a client that found no place is told to wait.
const retryAfter = 5 * time.Second

// refusal is an HTTPError that may ask to wait.
type refusal struct {
	protocol.HTTPError
	status int           // 0: the one that goes with the code
	wait   time.Duration // Retry-After; 0: none
}

func refusef(code, format string, args ...any) *refusal {
	return &refusal{HTTPError: protocol.HTTPError{Code: code, Message: fmt.Sprintf(format, args...)}}
}

func (r *refusal) after(wait time.Duration) *refusal {
	r.wait = wait
	return r
}

// refuseBy makes an error that is an HTTPError a refusal.
func refuseBy(err error) *refusal {
	var he *protocol.HTTPError
	if !errors.As(err, &he) {
		return refusef(protocol.ErrInternal, "%v", err)
	}
	e := &refusal{HTTPError: *he}
	var unavailable *auth.UnavailableError
	if errors.As(err, &unavailable) {
		e.wait = unavailable.Wait
	}
	return e
}

// with gives a code of the game's own its status.
func (r *refusal) with(status int) *refusal {
	r.status = status
	return r
}

// refuse answers a request with e, and counts it.
func (g *Gateway) refuse(w http.ResponseWriter, e *refusal) {
	status, code := e.status, e.Code
	i := indexOf(code)
	if i < 0 && status != 0 {
		i = indexOf(refusedByGame)
	}
	if i < 0 {
		i = indexOf(protocol.ErrInternal)
	}
	g.stats.refused[i].Add(1)
	if status == 0 {
		status = refusals[i].status
	}
	api.Refuse(w, status, &e.HTTPError, e.wait)
}

// indexOf is where a code is in refusals, or -1.
func indexOf(code string) int {
	for i := range refusals {
		if refusals[i].code == code {
			return i
		}
	}
	return -1
}
