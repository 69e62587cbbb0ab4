package swarm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

const (
	abusePause  = 200 * time.Millisecond
	abuseHold   = 20 * time.Second // how long the server may take to end what it should not put up with
	floodEvery  = 10 * time.Millisecond
	floodBatch  = 20 // messages: 2000 per second
	abuseWrites = time.Second
)

// AbuseResult is what became of one sort of abuse.
type AbuseResult struct {
	Tried   int `json:"tried"`
	Ended   int `json:"ended"`   // by the server
	Refused int `json:"refused"` // before there was a connection
	Open    int `json:"open"`    // still put up with when the abuser gave up, after 20 s
	Running int `json:"running"` // when the run ended, which ended them
}

type abuseCounts struct {
	mu     sync.Mutex
	byKind map[string]*AbuseResult
}

func (a *abuseCounts) count(kind string, f func(*AbuseResult)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKind == nil {
		a.byKind = map[string]*AbuseResult{}
	}
	if a.byKind[kind] == nil {
		a.byKind[kind] = new(AbuseResult)
	}
	f(a.byKind[kind])
}

func (a *abuseCounts) report() map[string]AbuseResult {
	a.mu.Lock()
	defer a.mu.Unlock()
	var m map[string]AbuseResult
	for k, v := range a.byKind {
		if m == nil {
			m = map[string]AbuseResult{}
		}
		m[k] = *v
	}
	return m
}

// outcome of one try.
type outcome int

const (
	wasEnded outcome = iota
	wasRefused
	stayedOpen
	wasRunning
)

// abuser is one connection after another that is no player's.
type abuser struct {
	w    *swarm
	rand *rand.Rand
	host string
}

// abuses are the sorts there are, dealt out in turn.
var abuses = []struct {
	kind string
	try  func(a *abuser, ctx context.Context, c net.Conn) outcome
}{
	{"half open", (*abuser).halfOpen},
	{"garbage", (*abuser).garbage},
	{"forged ticket", (*abuser).forgedTicket},
	{"bad message", (*abuser).badMessage},
	{"flood", (*abuser).flood},
	{"never reads", (*abuser).neverReads},
}

// startAbuse starts the scenario's abusers. They begin with the measurement.
func (w *swarm) startAbuse(ctx context.Context, wg *sync.WaitGroup) {
	u, err := url.Parse(w.cfg.URL)
	if err != nil {
		return // Validate has seen to it
	}
	if u.Scheme != "http" && w.cfg.Abusers > 0 {
		w.noteOnce("there was no abuse: it knows http:// addresses only")
		return
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(host, "80")
	}
	for i := range w.cfg.Abusers {
		a := &abuser{w: w, rand: rand.New(rand.NewPCG(w.cfg.Seed, 1<<41+uint64(i))), host: host}
		sort := abuses[i%len(abuses)]
		wg.Go(func() {
			for w.wait(ctx, w.since()+abusePause) {
				if w.opened.Load() == 0 {
					continue
				}
				result := a.once(ctx, sort.try)
				if result != wasRefused && ctx.Err() != nil {
					result = wasRunning
				}
				w.abuse.count(sort.kind, func(r *AbuseResult) {
					r.Tried++
					switch result {
					case wasEnded:
						r.Ended++
					case wasRefused:
						r.Refused++
					case stayedOpen:
						r.Open++
					case wasRunning:
						r.Running++
					}
				})
			}
		})
	}
}

func (a *abuser) once(ctx context.Context, try func(*abuser, context.Context, net.Conn) outcome) outcome {
	c, err := a.dial(ctx)
	if err != nil {
		return wasRefused
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(abuseHold))
	return try(a, ctx, c)
}

func (a *abuser) dial(ctx context.Context) (net.Conn, error) {
	dial := a.w.cfg.Client.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return dial(ctx, "tcp", a.host)
}

// untilEnded reads until the server ends the connection, or nobody wants to wait any longer.
func untilEnded(c net.Conn) outcome {
	_, err := io.Copy(io.Discard, c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return stayedOpen
	}
	return wasEnded
}

// halfOpen sends half a request.
func (a *abuser) halfOpen(_ context.Context, c net.Conn) outcome {
	_, _ = io.WriteString(c, "POST /v1/match HTTP/1.1\r\nHost: "+a.host+"\r\nContent-Le")
	return untilEnded(c)
}

func (a *abuser) garbage(_ context.Context, c net.Conn) outcome {
	_, _ = c.Write(a.noise(2048))
	return untilEnded(c)
}

func (a *abuser) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(a.rand.Uint32())
	}
	return b
}

func (a *abuser) forgedTicket(_ context.Context, c net.Conn) outcome {
	if a.upgrade(c, "/v1/connect?ticket="+base64.RawURLEncoding.EncodeToString(a.noise(60))) {
		return stayedOpen
	}
	return wasRefused
}

// badMessage joins and sends what the protocol does not allow.
func (a *abuser) badMessage(ctx context.Context, c net.Conn) outcome {
	if !a.join(ctx, c) {
		return wasRefused
	}
	_, _ = c.Write(masked(opBinary, a.noise(300)))
	return untilEnded(c)
}

// flood joins and sends far more than it may, each message a good one.
func (a *abuser) flood(ctx context.Context, c net.Conn) outcome {
	if !a.join(ctx, c) {
		return wasRefused
	}
	var batch []byte
	for range floodBatch {
		batch = append(batch, masked(opBinary, protocol.AppendTime(nil, 1))...)
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	ended := make(chan struct{})
	reading.Go(func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, c)
	})
	ticker := time.NewTicker(floodEvery)
	defer ticker.Stop()
	until := time.Now().Add(abuseHold)
	for time.Now().Before(until) {
		select {
		case <-ctx.Done():
			_ = c.Close()
			return stayedOpen
		case <-ended:
			return wasEnded
		case <-ticker.C:
		}
		_ = c.SetWriteDeadline(time.Now().Add(abuseWrites))
		if _, err := c.Write(batch); err != nil {
			_ = c.Close()
			if ctx.Err() != nil {
				return stayedOpen
			}
			return wasEnded
		}
	}
	_ = c.Close()
	return stayedOpen
}

// neverReads joins and lets everything lie. It looks whether the server has ended it by writing.
func (a *abuser) neverReads(ctx context.Context, c net.Conn) outcome {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(slowBuffer)
	}
	if !a.join(ctx, c) {
		return wasRefused
	}
	for until := time.Now().Add(abuseHold); time.Now().Before(until); {
		if !a.w.wait(ctx, a.w.since()+time.Second) {
			return stayedOpen
		}
		if _, err := c.Write(masked(opBinary, protocol.AppendTime(nil, 1))); err != nil {
			return wasEnded
		}
	}
	return stayedOpen
}

// join matches and upgrades c.
func (a *abuser) join(ctx context.Context, c net.Conn) bool {
	m, err := a.dial(ctx)
	if err != nil {
		return false
	}
	defer m.Close()
	_ = m.SetDeadline(time.Now().Add(reachIn))
	body, err := json.Marshal(protocol.MatchRequest{Kind: a.w.cfg.Kind, Mode: protocol.ModeQuick, Name: "abuser"})
	if err != nil {
		return false
	}
	fmt.Fprintf(m, "POST /v1/match HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", a.host, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(m), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	var reply protocol.MatchReply
	if json.NewDecoder(resp.Body).Decode(&reply) != nil {
		return false
	}
	u, err := url.Parse(reply.URL)
	return err == nil && a.upgrade(c, u.RequestURI())
}

// upgrade makes c a WebSocket. It reads no further than the end of the answer's header.
func (a *abuser) upgrade(c net.Conn, path string) bool {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", path, a.host, base64.StdEncoding.EncodeToString(a.noise(16)), protocol.Subprotocol)
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte(headerEnd)) && len(head) < 8<<10 {
		if _, err := io.ReadFull(c, one); err != nil {
			return false
		}
		head = append(head, one[0])
	}
	return bytes.HasPrefix(head, []byte(upgradedBy))
}

// masked is a client's frame of at most 65535 bytes. Its mask is all zeros, which is as good as another.
func masked(opcode byte, payload []byte) []byte {
	b := []byte{0x80 | opcode}
	if len(payload) < 126 {
		b = append(b, 0x80|byte(len(payload)))
	} else {
		b = append(b, 0x80|126, byte(len(payload)>>8), byte(len(payload)))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}
