package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second // longer than writeTimeout, so that gws's writer ends before it
	joinTimeout      = 10 * time.Second // from there to the first snapshot
	maxRetryAfter    = time.Minute
	maxForeign       = 60 // answers since the last join that are not Tickhall's, before giving up: see ending
	maxFaults        = 5  // unreadable messages, each soon after joining, before giving up
)

// ending is how an attempt to hold a seat ended, and what to do next. AdviceResume means to go on with
// what there is, a token or a ticket.
type ending struct {
	err    error
	advice protocol.Advice
	wait   time.Duration // before the next attempt, besides the backoff: those who are told the same don't come back at once
	back   bool          // the server is back, and has only the seat not: waits, long by now, have done their work

	// foreign tells that it may well be the doing of something between us and the server, such as a proxy or a hotel's
	// network: it passes, or it never does.
	foreign bool
}

// attempt takes a seat, if there is none, however long a queue takes; connects, and reads until the
// connection ends.
func (r *Room) attempt(ctx context.Context) ending {
	if r.token == "" && r.ticket == nil {
		if err := r.match(ctx); err != nil {
			return refusal("match", err)
		}
	}
	u, protocols := r.ticket, protocol.Subprotocol
	if r.token != "" {
		u = r.resumeURL()
		protocols += ", " + protocol.ResumePrefix + r.token
	}
	u = r.numbered(u)
	l, err := r.cfg.dial(ctx, &r.counters, u)
	if err != nil {
		return refusal("connect", err)
	}
	stop := closeOn(ctx, l.Conn)
	defer stop()
	defer l.Conn.Close()
	f := &feed{room: r, link: l}
	if err := f.handshake(u, protocols); err != nil {
		var e *refused
		if errors.As(err, &e) {
			if to := secured(u, e.to); to != nil {
				r.moved(to)
				return ending{err: fmt.Errorf("connect: %w", err), advice: protocol.AdviceResume}
			}
		}
		return refusal("connect", err)
	}
	err = f.run()
	if f.whole && r.since()-f.joinedAt >= healthyAfter {
		r.backoff.reset()
		r.faults = 0
	}
	return r.verdict(err)
}

// moved has WebSockets opened at the host of to from now on, and by TLS.
func (r *Room) moved(to *url.URL) {
	r.base.Scheme, r.base.Host = "wss", to.Host
	if r.ticket != nil {
		r.ticket.Scheme, r.ticket.Host = "wss", to.Host
	}
}

// verdict tells what to do after a connection that ended with err.
func (r *Room) verdict(err error) ending {
	var (
		b     *bye
		f     *fatal
		fault *protocol.CloseError
		frame *gws.CloseError
	)
	switch {
	case errors.As(err, &b):
		end := ending{err: err, advice: b.advice}
		if b.advice == protocol.AdviceStop {
			end.err = &StopError{Code: b.code, Reason: b.reason, Result: b.result}
		}
		return end
	case errors.As(err, &f):
		return ending{err: f.err, advice: protocol.AdviceStop}
	case errors.As(err, &fault):
		r.needKey = true
		if fault.Code == protocol.CodeProtocol {
			// Reliable events come again after a resume: what can't be read today can't be read tomorrow.
			if r.faults++; r.faults >= maxFaults {
				return ending{err: fmt.Errorf("gave up after %d messages that can't be read: %w", r.faults, err), advice: protocol.AdviceStop}
			}
		}
		return ending{err: err, advice: protocol.AdviceResume}
	case errors.As(err, &frame):
		code := protocol.Code(frame.Code)
		if code.Advice() == protocol.AdviceStop {
			err = &StopError{Code: code, Reason: string(frame.Reason)}
		}
		return ending{err: err, advice: code.Advice()}
	}
	return ending{err: fmt.Errorf("connection lost: %w", err), advice: protocol.AdviceResume}
}

// refused is an HTTP reply that is not what was asked for.
type refused struct {
	protocol.HTTPError
	status  int
	wait    time.Duration
	to      string // where it redirects to
	foreign bool   // it is no refusal of Tickhall
}

func (e *refused) Error() string { return fmt.Sprintf("status %d, %v", e.status, &e.HTTPError) }
func (e *refused) Unwrap() error { return &e.HTTPError }

// readRefusal reads what stands in a reply other than the expected.
func readRefusal(resp *http.Response) error {
	e := &refused{status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	to, err := resp.Location()
	switch {
	case json.Unmarshal(body, &e.HTTPError) == nil && e.Code != "":
	case err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.to, e.foreign = to.String(), true
		e.HTTPError = protocol.HTTPError{Code: "redirected", Message: "the server redirects to " + e.to + ": give its address as URL"}
	default:
		e = noServer(resp)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.wait = min(time.Duration(min(s, 3600))*time.Second, maxRetryAfter)
	}
	return e
}

// secured is where to ask instead, if to is the same place as from, but by TLS; else nil.
func secured(from *url.URL, to string) *url.URL {
	u, err := url.Parse(to)
	plain := from.Scheme == "http" || from.Scheme == "ws"
	path := "/" + strings.TrimPrefix(from.EscapedPath(), "/") // JoinPath leaves it out, where the server has no path
	if err != nil || !plain || u.Scheme != "https" && u.Scheme != "wss" || u.Hostname() != from.Hostname() || u.EscapedPath() != path {
		return nil
	}
	return u
}

// odd is an answer that no server of ours gives.
func odd(status int, format string, args ...any) error {
	return &refused{HTTPError: protocol.HTTPError{Code: "protocol", Message: fmt.Sprintf(format, args...)}, status: status, foreign: true}
}

// noServer is an answer that is none of Tickhall's.
func noServer(resp *http.Response) *refused {
	return &refused{
		HTTPError: protocol.HTTPError{
			Code: "http_" + strconv.Itoa(resp.StatusCode), Message: "what answered is no Tickhall server: " + http.StatusText(resp.StatusCode),
		},
		status: resp.StatusCode, foreign: true,
	}
}

// refusal tells what to do after a match or a handshake that failed with err, as the table of
// refusals in the specification has it.
func refusal(what string, err error) ending {
	end := ending{err: fmt.Errorf("%s: %w", what, err), advice: protocol.AdviceResume}
	var e *refused
	if !errors.As(err, &e) {
		var f *fatal
		if errors.As(err, &f) {
			end.advice = protocol.AdviceStop
		}
		end.foreign = errors.Is(err, gws.ErrSubprotocolNegotiation)
		return end
	}
	end.wait = e.wait
	passes := e.status >= 500 || e.status == http.StatusRequestTimeout || e.status == http.StatusTooEarly || e.status == http.StatusTooManyRequests
	switch {
	case e.foreign:
		end.foreign = !passes
	case e.Code == protocol.ErrUpgrade: // the server heard of no upgrade
		end.foreign = true
	case e.Code == protocol.ErrTokenUnknown, e.Code == protocol.ErrTicketInvalid, e.Code == protocol.ErrTicketExpired,
		e.Code == protocol.ErrTicketUsed, e.Code == protocol.ErrQueueUnknown, e.Code == protocol.ErrServerFull, e.Code == protocol.ErrShuttingDown:
		end.advice, end.back = protocol.AdviceMatch, e.Code == protocol.ErrTokenUnknown
	case !passes:
		end.advice = protocol.AdviceStop
	}
	return end
}

// judge counts what is not Tickhall's doing. It no longer believes that it passes when there has been too much, or when no
// server of ours was ever seen.
func (r *Room) judge(end ending) ending {
	if end.foreign {
		if r.foreign++; r.foreign > maxForeign || r.counters.joins.Load() == 0 {
			end.advice = protocol.AdviceStop
		}
	}
	return end
}

// resumeURL is the address where the seat is taken back. The token itself goes into a header, which no proxy logs.
func (r *Room) resumeURL() *url.URL {
	q := url.Values{"tick": {strconv.FormatUint(uint64(r.tick), 10)}}
	if r.needKey {
		q.Set("key", "1")
	}
	u := *r.base
	u.RawQuery = q.Encode()
	return &u
}

// numbered adds the number of the attempt: one that was given up may reach a server that stood still after the next one.
func (r *Room) numbered(u *url.URL) *url.URL {
	r.attempts = max(r.attempts+1, time.Now().UnixMilli())
	v := *u
	if v.RawQuery != "" {
		v.RawQuery += "&"
	}
	v.RawQuery += "attempt=" + strconv.FormatInt(r.attempts, 10)
	return &v
}

// dial connects to the host of u. The link is in its handshake.
func (c *Config) dial(ctx context.Context, n *counters, u *url.URL) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secure := u.Scheme == "https" || u.Scheme == "wss"
	port := "80"
	if secure {
		port = "443"
	}
	conn, err := c.Dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	if err != nil {
		return nil, err
	}
	if secure {
		config := &tls.Config{}
		if c.TLS != nil {
			config = c.TLS.Clone()
		}
		config.ServerName = cmp.Or(config.ServerName, u.Hostname())
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = t
	}
	return &link{Conn: conn, counters: n, shaking: true, budget: maxHandshake}, nil
}
