package swarm

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickhall/tickhall/protocol"
)

// segmentBytes is what one TCP segment carries on Ethernet, segmentHeader what IPv4 and TCP with
// timestamps put before it.
const (
	segmentBytes  = 1448
	segmentHeader = 52
)

func segments(n int) int64 { return int64((n + segmentBytes - 1) / segmentBytes) }

// pollEvery is how often the poller looks, where there is one: what arrives is seen so much later at most.
const pollEvery = time.Millisecond

// meter counts what a connection carries, reads slowly if it should, and can be cut.
type meter struct {
	net.Conn // changed by Read alone, and before anybody writes
	player   *Player
	frames   frames
	slow     int // bytes per second, 0: as they come

	mu     sync.Mutex // for Close beside the change of Conn
	closed chan struct{}
	once   atomic.Bool
}

// dial opens a connection for p.
func (p *Player) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := p.swarm.cfg.Client.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m := &meter{Conn: conn, player: p, closed: make(chan struct{})}
	m.frames.keep = p.recording != nil
	if p.slow {
		m.slow = p.swarm.cfg.SlowBytes
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(slowBuffer) // best effort: a larger buffer only hides what is slow
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = m
	return m, nil
}

const slowBuffer = 8 << 10

func (m *meter) Read(b []byte) (int, error) {
	if m.slow > 0 && m.frames.upgraded {
		b = b[:min(len(b), max(m.slow/10, 1))]
	}
	n, err := m.Conn.Read(b)
	if n > 0 {
		before := m.frames.upgraded
		m.count(b[:n])
		if m.frames.upgraded && !before && m.slow == 0 {
			m.mu.Lock()
			m.Conn = m.player.swarm.poller.adopt(m.Conn)
			m.mu.Unlock()
		}
	}
	if m.slow > 0 && m.frames.upgraded && n > 0 {
		t := time.NewTimer(time.Duration(n) * time.Second / time.Duration(m.slow))
		defer t.Stop()
		select {
		case <-t.C:
		case <-m.closed:
		}
	}
	return n, err
}

func (m *meter) count(b []byte) {
	p := m.player
	now := p.swarm.since()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending.websocket += int64(len(b))
	if !m.frames.upgraded {
		p.pending.segments += segments(len(b))
	}
	m.frames.feed(b, func(opcode byte, size int, head []byte) {
		p.pending.segments += segments(size + 2)
		if opcode != opBinary {
			return
		}
		p.pending.payload += int64(size)
		kind := kindOf(head)
		switch kind {
		case protocol.KindDelta:
			p.sizes = append(p.sizes, size)
		case protocol.KindWelcome:
			if !p.joined { // else it may have a DELTA
				p.sizes = append(p.sizes, -size)
			}
		case protocol.KindKey:
			p.sizes = append(p.sizes, -size)
		case protocol.KindClock:
			p.clocked(head, now)
			return
		default:
			return
		}
		if p.recording != nil {
			p.recording.add(head)
		}
	})
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	p := m.player
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending.sent += int64(n)
	p.pending.sentSegments += segments(n)
	return n, err
}

func (m *meter) Close() error {
	if !m.once.Swap(true) {
		close(m.closed)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Conn.Close()
}
