package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/lobby"
	"github.com/tickhall/tickhall/room/matchmaker"
	"github.com/tickhall/tickhall/server/api"
)

// enqueue gives a player a place in a queue.
func (g *Gateway) enqueue(ctx context.Context, now time.Time, req *protocol.MatchRequest, addr netip.Addr, a answer) (any, *refusal) {
	if g.cfg.Queue == nil {
		return nil, refusef(protocol.ErrBadRequest, "this server has no queues: use mode %q", protocol.ModeQuick)
	}
	reply, err := g.cfg.Queue.Enter(ctx, now, matchmaker.Request{
		Kind: req.Kind, Who: room.Identity{User: a.person.User, Name: a.person.Name, Claims: a.person.Claims}, Addr: addr, Skill: req.Skill, Properties: req.Properties, Party: req.Party, PartySize: req.PartySize,
		Reply: func(now time.Time, seat *lobby.Seat, team int) protocol.MatchReply {
			g.stats.Matches.Add(1)
			return a.reply(now, fromSeat{seat}, team)
		},
	})
	if err != nil {
		return nil, g.noPlace(req.Kind, err)
	}
	reply.Guest = a.person.Guest
	return &reply, nil
}

// queue serves GET and DELETE /v1/match/{queue}.
func (g *Gateway) queue(w http.ResponseWriter, r *http.Request) {
	if !g.Allows(w, r, http.MethodGet, http.MethodDelete) {
		return
	}
	id := r.PathValue("queue")
	if g.cfg.Queue == nil {
		g.refuse(w, g.noPlace("", matchmaker.ErrUnknown))
		return
	}
	if r.Method == http.MethodDelete {
		if err := g.cfg.Queue.Cancel(id); err != nil {
			g.refuse(w, g.noPlace("", err))
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	wait, e := waitOf(r)
	if e != nil {
		g.refuse(w, e)
		return
	}
	// The server's own time-outs are for requests that it answers at once; that for reading would end the context. A
	// ResponseWriter that can't do this has none.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(wait + g.cfg.WriteTimeout))
	progress, result, err := g.cfg.Queue.Poll(r.Context(), id, wait)
	switch {
	case err != nil:
		if r.Context().Err() == nil {
			g.refuse(w, g.noPlace("", err))
		}
	case result != nil:
		api.Write(w, http.StatusOK, result)
	default:
		api.Write(w, http.StatusAccepted, progress)
	}
}

// waitOf is for how long a poll waits: as its query says, else as long as it may.
func waitOf(r *http.Request) (time.Duration, *refusal) {
	q, e := parseQuery(r, []string{"wait"})
	if e != nil || !q.Has("wait") {
		return matchmaker.MaxWait, e
	}
	n, err := strconv.Atoi(q.Get("wait"))
	if most := int(matchmaker.MaxWait / time.Second); err != nil || n < 0 || n > most {
		return 0, refusef(protocol.ErrBadRequest, `parameter "wait" must be a whole number of seconds from 0 to %d`, most)
	}
	return time.Duration(n) * time.Second, nil
}

// noPlace says why the queue has no place.
func (g *Gateway) noPlace(kind string, err error) *refusal {
	switch {
	case errors.Is(err, matchmaker.ErrUnknown):
		return refusef(protocol.ErrQueueUnknown, "%v", err)
	case errors.Is(err, matchmaker.ErrReplaced):
		return refusef(protocol.ErrQueueReplaced, "%v", err)
	case errors.Is(err, matchmaker.ErrSkill):
		g.cfg.Log.Error("a player could not be queued", "kind", kind, "error", err)
		return refusef(protocol.ErrInternal, "%v", matchmaker.ErrSkill).after(retryAfter)
	case errors.Is(err, matchmaker.ErrFull):
		return refusef(protocol.ErrServerFull, "%v", err).after(retryAfter)
	case errors.Is(err, matchmaker.ErrStopped):
		return refusef(protocol.ErrShuttingDown, "%v", err).after(retryAfter)
	}
	return g.noSeat(kind, err)
}
