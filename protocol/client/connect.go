package client

import (
	"bufio"
	"bytes"
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
	maxReply         = 8 << 10 // bytes of an HTTP reply's body
)

// ending is how an attempt to hold a seat ended, and what to do next. AdviceResume means to go on with
// what there is, a token or a ticket.
type ending struct {
	err    error
	advice protocol.Advice
	wait   time.Duration // at the least, before the next attempt
}

// attempt takes a seat, if there is none, connects, and reads until the connection ends.
func (r *Room) attempt(ctx context.Context) ending {
	if r.token == "" && r.ticket == nil {
		if err := r.match(ctx); err != nil {
			return refusal("match", err)
		}
	}
	u := r.ticket
	if r.token != "" {
		u = r.resumeURL()
	}
	l, err := r.dial(ctx, u)
	if err != nil {
		return refusal("connect", err)
	}
	stop := closeOn(ctx, l.Conn)
	defer stop()
	defer l.Conn.Close()
	f := &feed{room: r, link: l}
	if err := f.handshake(u); err != nil {
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
		if errors.Is(err, gws.ErrSubprotocolNegotiation) {
			end.advice = protocol.AdviceStop
		}
		return end
	}
	end.wait = e.wait
	switch {
	case e.Code == protocol.ErrTokenUnknown, e.status == http.StatusGone, e.status == http.StatusServiceUnavailable:
		end.advice = protocol.AdviceMatch
	case e.status >= 400 && e.status < 500 && e.status != http.StatusTooManyRequests && e.status != http.StatusRequestTimeout:
		end.advice = protocol.AdviceStop
	}
	return end
}

// match asks for a seat and keeps the ticket.
func (r *Room) match(ctx context.Context) error {
	body, err := json.Marshal(protocol.MatchRequest{Kind: r.cfg.Kind, Mode: r.cfg.Mode, Name: r.cfg.Name})
	if err != nil {
		return err
	}
	u, err := url.Parse(r.cfg.URL)
	if err != nil {
		return err
	}
	u = u.JoinPath("/v1/match")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // one request, by hand: an http.Transport would start two goroutines for it
	l, err := r.dial(ctx, u)
	if err != nil {
		return err
	}
	defer l.Conn.Close()
	stop := closeOn(ctx, l.Conn)
	defer stop()
	if err := l.Conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if err := req.Write(l); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(l), req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return readRefusal(resp)
	}
	var reply protocol.MatchReply
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&reply); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	ticket, err := url.Parse(reply.URL)
	if err != nil || ticket.Host == "" || ticket.Scheme != "ws" && ticket.Scheme != "wss" {
		return fmt.Errorf("the reply's url %q is not a WebSocket address", reply.URL)
	}
	base := *ticket
	base.RawQuery = ""
	r.ticket, r.base, r.token = ticket, &base, ""
	return nil
}

// resumeURL is the address that takes the seat back.
func (r *Room) resumeURL() *url.URL {
	q := url.Values{"resume": {r.token}}
	if r.tick != 0 {
		q.Set("tick", strconv.FormatUint(uint64(r.tick), 10))
	}
	if r.needKey {
		q.Set("key", "1")
	}
	u := *r.base
	u.RawQuery = q.Encode()
	return &u
}

// dial connects to the host of u. The link is in its handshake.
func (r *Room) dial(ctx context.Context, u *url.URL) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secure := u.Scheme == "https" || u.Scheme == "wss"
	port := "80"
	if secure {
		port = "443"
	}
	conn, err := r.cfg.Dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	if err != nil {
		return nil, err
	}
	if secure {
		config := &tls.Config{}
		if r.cfg.TLS != nil {
			config = r.cfg.TLS.Clone()
		}
		config.ServerName = cmp.Or(config.ServerName, u.Hostname())
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = t
	}
	return &link{Conn: conn, counters: &r.counters, shaking: true, budget: maxHandshake}, nil
}
