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
	"time"

	"github.com/lxzan/gws"

	"github.com/tickhall/tickhall/protocol"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second // longer than writeTimeout, so that gws's writer ends before it
	maxRetryAfter    = time.Minute
)

// ending is how an attempt to hold a seat ended, and what to do next. AdviceResume means to go on with
// what there is, a token or a ticket.
type ending struct {
	err    error
	advice protocol.Advice
	wait   time.Duration // before the next attempt, besides the backoff: those who are told the same don't come back at once
	back   bool          // the server is back, and has only the seat not: waits, long by now, have done their work
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
	l, err := r.cfg.dial(ctx, &r.counters, u)
	if err != nil {
		return refusal("connect", err)
	}
	stop := closeOn(ctx, l.Conn)
	defer stop()
	defer l.Conn.Close()
	f := &feed{room: r, link: l}
	if err := f.handshake(u, protocols); err != nil {
		return refusal("connect", err)
	}
	began := time.Now()
	err = f.run()
	if f.welcomed && time.Since(began) >= healthyAfter {
		r.backoff.reset()
	}
	return r.verdict(err)
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
	status int
	wait   time.Duration
}

func (e *refused) Error() string { return fmt.Sprintf("status %d, %v", e.status, &e.HTTPError) }
func (e *refused) Unwrap() error { return &e.HTTPError }

// readRefusal reads what stands in a reply other than the expected.
func readRefusal(resp *http.Response) error {
	e := &refused{status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if json.Unmarshal(body, &e.HTTPError) != nil || e.Code == "" {
		e.HTTPError = protocol.HTTPError{Code: "http_" + strconv.Itoa(resp.StatusCode), Message: http.StatusText(resp.StatusCode)}
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.wait = min(time.Duration(min(s, 3600))*time.Second, maxRetryAfter)
	}
	return e
}

// refusal tells what to do after a match or a handshake that failed with err, as the table of
// refusals in the specification has it.
func refusal(what string, err error) ending {
	end := ending{err: fmt.Errorf("%s: %w", what, err), advice: protocol.AdviceResume}
	var e *refused
	if !errors.As(err, &e) {
		var f *fatal
		if errors.Is(err, gws.ErrSubprotocolNegotiation) || errors.As(err, &f) {
			end.advice = protocol.AdviceStop
		}
		return end
	}
	end.wait = e.wait
	switch e.Code {
	case protocol.ErrTokenUnknown, protocol.ErrTicketExpired, protocol.ErrTicketUsed, protocol.ErrQueueUnknown,
		protocol.ErrServerFull, protocol.ErrShuttingDown:
		end.advice, end.back = protocol.AdviceMatch, e.Code == protocol.ErrTokenUnknown
		return end
	}
	switch { // another 503 is a proxy's, or passes: what is held need not be lost
	case e.Code == protocol.ErrQueueReplaced: // another of this player's waits, and would be replaced in turn
		end.advice = protocol.AdviceStop
	case e.status == http.StatusGone:
		end.advice = protocol.AdviceMatch
	case e.status >= 400 && e.status < 500 && e.status != http.StatusTooManyRequests && e.status != http.StatusRequestTimeout:
		end.advice = protocol.AdviceStop
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
