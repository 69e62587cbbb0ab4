// Package logs keeps the log from holding up whoever writes it: a Writer takes lines at once and hands them on from a
// goroutine of its own. What reads the log may be slow, stand still or be gone; the lines that can't leave are dropped and
// counted, and the log says how many as soon as it flows again. IsTerminal tells whether a person reads it.
//
// Goroutines: Run's caller's, which Close waits for, up to a deadline.
package logs

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what waits to be written.
const (
	MaxLines = 8192
	MaxBytes = 1 << 20
)

// ErrUnwritten is Close's: lines were still waiting when its time was over.
var ErrUnwritten = errors.New("lines of the log could not be written in time")

// Writer is an io.Writer that never waits. Each Write is one line, or several that stay together. Its methods may be
// called from any goroutine.
type Writer struct {
	to     io.Writer
	report func(to io.Writer, dropped int64)

	wake    chan struct{} // capacity 1: something waits
	done    chan struct{} // closed when Run has returned
	closing chan struct{}
	close   func() // closes closing, once

	dropped atomic.Int64

	mu      sync.Mutex
	waiting batch

	// Run's goroutine owns the rest.
	untold int64 // of dropped, what the log has not said yet
}

// batch is lines one after the other.
type batch struct {
	bytes   []byte
	ends    []int
	dropped int64 // lines that would have come after these
}

// NewWriter returns a Writer to to. report, if not nil, writes the line that says how many lines were dropped since the
// last such line; it is called on Run's goroutine. NewWriter starts nothing: Run does the writing.
func NewWriter(to io.Writer, report func(to io.Writer, dropped int64)) *Writer {
	w := &Writer{to: to, report: report, wake: make(chan struct{}, 1), done: make(chan struct{}), closing: make(chan struct{})}
	w.close = sync.OnceFunc(func() { close(w.closing) })
	return w
}

// Dropped is how many lines were dropped so far: too many waited, or they could not be written.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Write implements io.Writer. It copies line, and drops it if too much waits. The error is always nil, since nobody can do
// anything about it.
func (w *Writer) Write(line []byte) (int, error) {
	if !w.add(line) {
		w.dropped.Add(1)
		return len(line), nil
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (w *Writer) add(line []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting.ends) >= MaxLines || len(w.waiting.bytes)+len(line) > MaxBytes {
		w.waiting.dropped++
		return false
	}
	w.waiting.bytes = append(w.waiting.bytes, line...)
	w.waiting.ends = append(w.waiting.ends, len(w.waiting.bytes))
	return true
}

// Run writes what waits until Close is called and nothing waits any more. Run is called once.
func (w *Writer) Run() {
	defer close(w.done)
	var b batch
	for closing := false; ; {
		select {
		case <-w.wake:
		case <-w.closing:
			closing = true
		}
		for b = w.swap(b); len(b.ends) > 0; b = w.swap(b) {
			w.write(b)
		}
		if closing {
			return
		}
	}
}

// swap takes what waits, and leaves empty's memory for what comes.
func (w *Writer) swap(empty batch) batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := w.waiting
	w.waiting = batch{bytes: empty.bytes[:0], ends: empty.ends[:0]}
	return full
}

// write writes line by line, so that another program's lines in the same pipe get between these and not into them.
func (w *Writer) write(b batch) {
	start := 0
	for _, end := range b.ends {
		if _, err := w.to.Write(b.bytes[start:end]); err != nil {
			w.dropped.Add(1)
			w.untold++
		}
		start = end
	}
	w.untold += b.dropped
	w.tell()
}

// tell has the log say how many lines are missing here.
func (w *Writer) tell() {
	if w.untold == 0 || w.report == nil {
		return
	}
	var line bytes.Buffer
	w.report(&line, w.untold)
	if _, err := w.to.Write(line.Bytes()); err == nil {
		w.untold = 0
	}
}

// Close has Run write what waits and return, and waits for that for some time at the most. What is written later may be
// lost. The error is ErrUnwritten: the reader of the log stands still, and Run can't be waited for.
func (w *Writer) Close(within time.Duration) error {
	w.close()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		return ErrUnwritten
	}
}
