package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const maxReply = 8 << 10 // bytes of an HTTP reply's body, unless an exchange says otherwise

// exchange is one HTTP request and what to do with its answer.
type exchange struct {
	method, path string // path as it is escaped
	query        url.Values
	body         []byte // JSON, nil for none
	patience     time.Duration
	limit        int64 // bytes of the answer's body; 0: maxReply
	answer       any   // a pointer, for the JSON of an answer with status 2xx; nil takes none
}

// exchange makes a request. Where the server has moved to https, it is asked there from now on. An
// answer that is not what was asked for is a *refused.
func (c *Config) exchange(ctx context.Context, n *counters, x *exchange) (status int, err error) {
	status, err = c.ask(ctx, n, x)
	var e *refused
	if !errors.As(err, &e) || e.to == "" {
		return status, err
	}
	base, bad := url.Parse(c.URL)
	if bad != nil {
		return status, err
	}
	to := secured(base.JoinPath(x.path), e.to)
	if to == nil {
		return status, err
	}
	base.Scheme, base.Host = "https", to.Host
	c.URL = base.String()
	return c.ask(ctx, n, x)
}

// ask makes a request on a connection of its own: an http.Transport would start two goroutines for
// it.
func (c *Config) ask(ctx context.Context, n *counters, x *exchange) (status int, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return 0, err
	}
	u = u.JoinPath(x.path)
	u.RawQuery = x.query.Encode()
	var body io.Reader
	if x.body != nil {
		body = bytes.NewReader(x.body)
	}
	req, err := http.NewRequestWithContext(ctx, x.method, u.String(), body)
	if err != nil {
		return 0, err
	}
	if x.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != nil {
		token, err := c.Token(ctx)
		if err != nil {
			return 0, fmt.Errorf("token: %w", err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	req.Close = true
	l, err := c.dial(ctx, n, u)
	if err != nil {
		return 0, err
	}
	defer l.Conn.Close()
	stop := closeOn(ctx, l.Conn)
	defer stop()
	limit := max(x.limit, maxReply)
	l.budget = maxHandshake + int(limit)
	if err := l.Conn.SetDeadline(time.Now().Add(x.patience)); err != nil {
		return 0, err
	}
	if err := req.Write(l); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(l), req)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, readRefusal(resp)
	}
	if x.answer == nil {
		return resp.StatusCode, nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return resp.StatusCode, fmt.Errorf("reading the reply: %w", err)
	}
	if err := json.Unmarshal(b, x.answer); err != nil {
		return resp.StatusCode, noServer(resp)
	}
	return resp.StatusCode, nil
}
