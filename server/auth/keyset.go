package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	refreshEvery = 15 * time.Minute // when all is well
	refreshLeast = 30 * time.Second // between two refreshes that unknown keys ask for
	retryFirst   = time.Second      // after a failure; doubled each time
	retryMost    = time.Minute
	refreshWait  = 5 * time.Second // how long somebody waits for a refresh
	retrySoon    = 5 * time.Second // how long somebody should wait after one that failed
	fetchTimeout = 10 * time.Second
	maxSetBytes  = 256 << 10 // of a JWK Set
	maxRedirects = 5
)

// keySet is the keys of a JWK Set that lies elsewhere. Whatever happens there, the keys that were read
// last stay in use.
type keySet struct {
	where  string
	file   bool
	client *http.Client
	log    *slog.Logger
	want   chan struct{} // capacity 1: somebody waits for a refresh

	mu      sync.Mutex
	keys    []key
	running bool
	began   time.Time     // of the newest attempt
	flying  bool          // it has not ended
	next    chan struct{} // closed when the next attempt has ended
	err     error         // of the last attempt

	// Run's goroutine owns the rest.
	told string // the last failure that was logged
}

// newKeySet returns a keySet without keys, or with those of a file.
func newKeySet(cfg Config) (*keySet, error) {
	s := &keySet{
		where: cfg.JWKS, file: !isAddress(cfg.JWKS), client: cfg.Client, log: cfg.Log,
		want: make(chan struct{}, 1), next: make(chan struct{}), err: errors.New("it was not asked yet"),
	}
	if s.client == nil {
		// Once in a while: there is no use in keeping a connection.
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true
		s.client = &http.Client{Transport: transport}
	}
	if s.client.CheckRedirect == nil {
		client := *s.client
		client.CheckRedirect = checkRedirect
		s.client = &client
	}
	if s.file {
		keys, _, err := s.fetch(context.Background())
		if err != nil {
			return nil, fmt.Errorf("auth: the JWKS %s: %w", s.where, err)
		}
		s.keys, s.err = keys, nil
	}
	return s, nil
}

func isAddress(where string) bool { return strings.Contains(where, "://") }

// checkJWKS says what is wrong with where a JWKS is said to be.
func checkJWKS(where string) error {
	if !isAddress(where) {
		return nil
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("auth: the JWKS address %q must be like https://issuer.example.com/.well-known/jwks.json, or a file", where)
	}
	return nil
}

// checkRedirect follows few redirects, and none from https to where somebody on the way can put in keys.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return fmt.Errorf("there are more than %d redirects", maxRedirects)
	case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("it redirects to %s, which is not encrypted", req.URL.Redacted())
	}
	return nil
}

// run fetches the set at once and then again and again, until ctx ends.
func (s *keySet) run(ctx context.Context) {
	if strings.HasPrefix(s.where, "http:") {
		s.log.Warn("keys that tokens are checked with come over plain HTTP: whoever is on the way can put in others; use https", "jwks", s.where)
	}
	s.setRunning(true)
	defer s.setRunning(false)
	retry := retryFirst
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.want:
		}
		if s.refresh(ctx) {
			retry = retryFirst
			timer.Reset(refreshEvery)
			continue
		}
		timer.Reset(retry)
		retry = min(2*retry, retryMost)
	}
}

// setRunning also wakes those who wait, at the end.
func (s *keySet) setRunning(running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = running
	if !running {
		s.endLocked()
	}
}

func (s *keySet) endLocked() {
	close(s.next)
	s.next, s.flying = make(chan struct{}), false
}

// refresh fetches the set once and reports whether that went well.
func (s *keySet) refresh(ctx context.Context) bool {
	s.mu.Lock()
	s.began, s.flying = time.Now(), true
	select {
	case <-s.want: // this is it
	default:
	}
	s.mu.Unlock()
	keys, skipped, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	switch {
	case err == nil:
		if len(s.keys) == 0 || s.told != "" {
			s.log.Info("keys that tokens are checked with were read", "jwks", s.where, "keys", len(keys), "skipped", skipped)
		}
		s.keys, s.told = keys, ""
	case ctx.Err() == nil && s.told != err.Error(): // the same again is no news
		s.told = err.Error()
		consequence := "players with a token are let in by the keys read before"
		if len(s.keys) == 0 {
			consequence = "players with a token are refused until that works"
		}
		s.log.Error("the JWKS could not be read: "+consequence, "jwks", s.where, "error", err)
	}
	s.endLocked()
	return err == nil
}

func (s *keySet) fetch(ctx context.Context) (keys []key, skipped []string, err error) {
	var text []byte
	if s.file {
		text, err = readFile(s.where)
	} else {
		text, err = s.get(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	return parseSet(text, s.file)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}

func (s *keySet) get(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", res.Status)
	}
	return readBounded(res.Body)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSetBytes+1))
	if err == nil && len(text) > maxSetBytes {
		err = fmt.Errorf("it is larger than %d bytes", maxSetBytes)
	}
	return text, err
}

// current returns the keys.
func (s *keySet) current() []key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// renew waits for a refresh. 0: the keys are now as new as can be. Else they may be newer after that time: the last
// refresh was a moment ago, and tokens with made-up key ids must not make this server a burden on the issuer's; or
// it failed, or has not ended.
func (s *keySet) renew(ctx context.Context) (wait time.Duration) {
	ended, wait := s.ask()
	if ended == nil {
		return wait
	}
	asked := time.Now()
	timer := time.NewTimer(refreshWait)
	defer timer.Stop()
	select {
	case <-ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.err != nil:
		case s.began.Before(asked): // by somebody else: the key may have come since
			return max(refreshLeast-time.Since(s.began), time.Second)
		default:
			return 0
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return retrySoon
}

// ask asks for a refresh, unless one is under way. The channel is closed when it has ended; nil: there will be none, or
// if wait is above 0, none before that.
func (s *keySet) ask() (ended <-chan struct{}, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := refreshLeast - time.Since(s.began)
	switch {
	case !s.running && s.err != nil:
		return nil, retrySoon
	case !s.running:
		return nil, 0
	case s.flying:
	case s.err != nil && pause > 0: // run tries again by itself
		return nil, retrySoon
	case pause > 0:
		return nil, pause
	default:
		select {
		case s.want <- struct{}{}:
		default:
		}
	}
	return s.next, 0
}
