package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tickhall/tickhall/loadtest/swarm"
)

const floorHelp = `Serves the same sockets as a server, reads the same inputs and writes the same
bytes per tick, with no room, no game and no library above net: one goroutine
per connection, one write per client and tick. What it costs is what no server
of this kind can do without. It plays a recording of what a server sent to one
player, made with loadtest --record FILE, to everybody who comes.`

// floor is a server that does nothing but read and write.
type floor struct {
	frames  [][]byte // WELCOME and keyframe; then one per tick; the last is followed by again
	again   []byte
	rate    int
	room    string
	players int // in each room

	rooms sync.WaitGroup
	conns sync.WaitGroup

	mu   sync.Mutex
	last *floorRoom // which takes who comes, until it is full
	open map[net.Conn]struct{}
}

// floorRoom is those who are written to at the same moment.
type floorRoom struct {
	mu    sync.Mutex
	seats []*floorSeat
}

type floorSeat struct {
	conn net.Conn
	next int // frame
}

func (p program) floor(ctx context.Context) (exit int, err error) {
	listen, path, players := ":8081", "", swarm.DefaultPlayers
	f := newSet()
	f.Add("listen ADDRESS", listen, "where to listen: HOST:PORT, or :PORT on every interface", func(s string) error {
		listen = s
		return checkAddress(s)
	})
	f.Add("recording FILE", "", "what is sent", text(&path))
	f.Add("players N", fmt.Sprint(players), "players in each room", wholeNumber(&players, swarm.MostPlayers))
	if err := p.parse(floorHelp, f); err != nil {
		return 0, err
	}
	if path == "" {
		return 0, fmt.Errorf("--recording is missing: make one with loadtest --record FILE against a server, then loadtest floor --recording FILE")
	}
	rec, err := swarm.LoadRecording(path)
	if err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return 0, fmt.Errorf("%w: choose another address with --listen", err)
	}
	fmt.Fprintf(p.out, "the floor is ready: http://%s, %d messages at %d Hz\n", l.Addr(), len(rec.Messages), rec.Rate)
	newFloor(rec, players).run(ctx, l)
	return exitOK, nil
}

func newFloor(rec *swarm.Recording, players int) *floor {
	f := &floor{rate: rec.Rate, room: rec.Room, players: players, again: frame(rec.Again), open: map[net.Conn]struct{}{}}
	f.frames = append(f.frames, frame(rec.First))
	for _, m := range rec.Messages {
		f.frames = append(f.frames, frame(m))
	}
	return f
}

// frame is a server's binary WebSocket message (RFC 6455, 5.2).
func frame(payload []byte) []byte {
	b := []byte{0x82}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 126, byte(n>>8), byte(n))
	default:
		b = append(b, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, payload...)
}

// run serves until ctx ends, and closes everything.
func (f *floor) run(ctx context.Context, l net.Listener) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		f.mu.Lock()
		f.open[conn] = struct{}{}
		f.mu.Unlock()
		f.conns.Go(func() {
			f.serve(ctx, conn)
			_ = conn.Close()
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.open, conn)
		})
	}
	f.mu.Lock()
	for conn := range f.open {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.conns.Wait()
	f.rooms.Wait()
}

// serve answers one request, and reads on if it was for a WebSocket.
func (f *floor) serve(ctx context.Context, conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	switch {
	case req.URL.Path == "/v1/match":
		_, _ = io.Copy(io.Discard, req.Body)
		body, err := json.Marshal(map[string]string{
			"room": f.room, "ticket": "floor", "url": "ws://" + req.Host + "/v1/connect?ticket=floor", "player": "floor",
		})
		if err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	case req.URL.Path == "/v1/connect" && req.Header.Get("Sec-Websocket-Key") != "":
		sum := sha1.Sum([]byte(req.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			req.Header.Get("Sec-Websocket-Protocol"), base64.StdEncoding.EncodeToString(sum[:]))
		f.seat(ctx, conn)
		read(conn)
	default:
		_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}
}

// read reads until the connection ends or its client leaves.
func read(conn net.Conn) {
	var b [4096]byte
	for {
		n, err := conn.Read(b[:])
		if err != nil || isLeave(b[:n]) {
			return
		}
	}
}

// isLeave recognises a LEAVE: nothing else that a client sends has two bytes, after six of a masked frame's header.
func isLeave(b []byte) bool { return len(b) == 8 && bytes.HasPrefix(b, []byte{0x82, 0x80 | 2}) }

// seat puts a connection into a room.
func (f *floor) seat(ctx context.Context, conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil {
		f.last.mu.Lock()
		full := len(f.last.seats) >= f.players
		f.last.mu.Unlock()
		if full {
			f.last = nil
		}
	}
	if f.last == nil {
		r := &floorRoom{}
		f.last = r
		f.rooms.Go(func() { f.tick(ctx, r) })
	}
	f.last.mu.Lock()
	defer f.last.mu.Unlock()
	f.last.seats = append(f.last.seats, &floorSeat{conn: conn})
}

// tick writes to everybody in a room, at its rate, until ctx ends.
func (f *floor) tick(ctx context.Context, r *floorRoom) {
	step := time.Second / time.Duration(f.rate)
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r.mu.Lock()
		left := r.seats[:0]
		for _, s := range r.seats {
			b := f.again
			if s.next < len(f.frames) {
				b = f.frames[s.next]
			} else {
				s.next = 0
			}
			s.next++
			if _, err := s.conn.Write(b); err == nil {
				left = append(left, s)
			}
		}
		clear(r.seats[len(left):])
		r.seats = left
		r.mu.Unlock()
		next = next.Add(step)
		timer.Reset(time.Until(next))
	}
}
