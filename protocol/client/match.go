package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

const (
	// pollTimeout lies between the 20 s in which the server answers and the 30 s after which it gives a
	// place in the queue away.
	pollTimeout = 25 * time.Second
	pollEvery   = 250 * time.Millisecond // a queue in which much happens is not asked more often
)

// matchRequest is what Config asks for.
func (c *Config) matchRequest() (protocol.MatchRequest, error) {
	req := protocol.MatchRequest{
		Kind: c.Kind, Mode: c.Mode, Name: c.Name,
		Room: c.Room, Password: c.Password, Private: c.Private, Spectate: c.Spectate,
		Skill: c.Skill, Properties: c.Properties, Party: c.Party, PartySize: c.PartySize,
	}
	var badOptions, badFilter error
	req.Options, badOptions = encodeObject("Options", c.Options)
	req.Filter, badFilter = encodeObject("Filter", c.Filter)
	return req, errors.Join(badOptions, badFilter)
}

// encodeObject is v as JSON, nil if there is none.
func encodeObject(what string, v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: %s: %w", what, err)
	case string(b) == "null":
		return nil, nil
	case b[0] != '{':
		return nil, fmt.Errorf("client: %s must be a struct or a map, not %s", what, b[:min(len(b), 32)])
	}
	return b, nil
}

// match asks for a seat, or for news of the place in the queue, until there is a ticket, which it
// keeps. After an error it goes on where it was, unless the place in the queue is forgotten.
func (r *Room) match(ctx context.Context) error {
	for ctx.Err() == nil {
		asked := time.Now()
		again := r.place != ""
		var answer json.RawMessage
		var status int
		var err error
		if again {
			status, err = r.cfg.exchange(ctx, &r.counters, &exchange{
				method: http.MethodGet, path: placePath(r.place), patience: pollTimeout, answer: &answer,
			})
		} else {
			status, err = r.ask(ctx, &answer)
		}
		if err != nil {
			return err
		}
		if status != http.StatusAccepted {
			var reply protocol.MatchReply
			if err := json.Unmarshal(answer, &reply); err != nil {
				return odd(status, "reading the reply: %v", err)
			}
			r.keepGuest(reply.Guest)
			return r.seated(&reply)
		}
		var reply protocol.QueueReply
		if err := json.Unmarshal(answer, &reply); err != nil || reply.Queue == "" {
			return odd(status, "the reply %.40q names no place in the queue", answer)
		}
		r.keepGuest(reply.Guest)
		if again { // a place that nobody knows when asked for it is none
			r.backoff.reset()
		}
		r.place = reply.Queue
		if r.cfg.OnQueue != nil {
			r.cfg.OnQueue(reply)
		}
		sleep(ctx, pollEvery-time.Since(asked))
	}
	return ctx.Err()
}

// ask posts a match request, as the guest of earlier ones if there is no token.
func (r *Room) ask(ctx context.Context, answer *json.RawMessage) (status int, err error) {
	req, err := r.cfg.matchRequest()
	if err != nil {
		return 0, &fatal{err}
	}
	if r.cfg.Token == nil {
		req.Guest = r.Guest()
	}
	body, err := json.Marshal(req)
	if err != nil {
		return 0, &fatal{err}
	}
	return r.cfg.exchange(ctx, &r.counters, &exchange{
		method: http.MethodPost, path: "/v1/match", body: body, patience: handshakeTimeout, answer: answer,
	})
}

func (r *Room) keepGuest(guest string) {
	if guest != "" {
		r.guest.Store(&guest)
	}
}

// seated keeps the ticket of a seat. Of a server that does not know its public address, the URL is a guess: a proxy may hide
// host, path and scheme from it, so what leads to the server leads to the seat.
func (r *Room) seated(reply *protocol.MatchReply) error {
	server, err := url.Parse(r.cfg.URL)
	if err != nil {
		return &fatal{err}
	}
	if reply.Ticket == "" || reply.URL == "" {
		return odd(http.StatusOK, "the reply has no url or no ticket")
	}
	ticket := server.JoinPath("/v1/connect")
	ticket.RawQuery = url.Values{"ticket": {reply.Ticket}}.Encode()
	if reply.Public {
		if ticket, err = url.Parse(reply.URL); err != nil || ticket.Host == "" {
			return odd(http.StatusOK, "the reply's url %q is no address", reply.URL)
		}
	}
	switch ticket.Scheme {
	case "http":
		ticket.Scheme = "ws"
	case "https":
		ticket.Scheme = "wss"
	case "ws", "wss":
	default:
		return odd(http.StatusOK, "the reply's url %q is not a WebSocket address", reply.URL)
	}
	if server.Scheme == "https" { // nothing plain goes to a server that is encrypted
		ticket.Scheme = "wss"
	}
	base := *ticket
	base.RawQuery = ""
	r.ticket, r.base, r.token, r.place = ticket, &base, "", ""
	r.nextTeam = reply.Team
	return nil
}

// leaveQueue gives up the place in the queue, if there is one. Unsaid, the server finds out after 30 s.
func (r *Room) leaveQueue(ctx context.Context) {
	if r.place == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatience)
	defer cancel()
	_, err := r.cfg.exchange(ctx, &r.counters, &exchange{method: http.MethodDelete, path: placePath(r.place), patience: leavePatience})
	var gone *refused
	if err != nil && !errors.As(err, &gone) {
		r.report(fmt.Errorf("leaving the queue: %w", err))
	}
	r.place = ""
}

func placePath(place string) string { return "/v1/match/" + url.PathEscape(place) }
