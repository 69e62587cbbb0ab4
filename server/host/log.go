package host

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// flushFor is how long the end of the program waits for the log's last lines to leave.
const flushFor = time.Second

// newLog returns a log of lines for a person at a terminal, or of JSON for what collects them.
func newLog(to io.Writer, terminal bool, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if terminal {
		return slog.New(newLegible(to, options))
	}
	return slog.New(slog.NewJSONHandler(to, options))
}

// readable makes durations such as "1.5s", which JSON would show as nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// missing is the line that says how many lines of the log could not be written.
func missing(terminal bool) func(to io.Writer, dropped int64) {
	return func(to io.Writer, dropped int64) {
		newLog(to, terminal, slog.LevelInfo).Warn("lines of the log were dropped: what reads it was gone, or slower than they came", "lines", dropped)
	}
}

// stackKey is the attribute that holds the stack of a panic.
const stackKey = "stack"

// legible is slog's TextHandler, except that it shows the stack of a panic below the line, as Go does.
type legible struct {
	slog.Handler
	page *page
}

// page is what a legible and those made of it share.
type page struct {
	mu   sync.Mutex
	line bytes.Buffer
	to   io.Writer
}

func newLegible(to io.Writer, options *slog.HandlerOptions) *legible {
	p := &page{to: to}
	return &legible{slog.NewTextHandler(&p.line, options), p}
}

// Handle implements slog.Handler.
func (l *legible) Handle(ctx context.Context, r slog.Record) error {
	short, stack := slog.NewRecord(r.Time, r.Level, r.Message, r.PC), ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == stackKey && a.Value.Kind() == slog.KindString {
			stack = a.Value.String()
			return true
		}
		short.AddAttrs(a)
		return true
	})
	l.page.mu.Lock()
	defer l.page.mu.Unlock()
	l.page.line.Reset()
	if err := l.Handler.Handle(ctx, short); err != nil {
		return err
	}
	for line := range strings.Lines(stack) {
		l.page.line.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	_, err := l.page.to.Write(l.page.line.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (l *legible) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &legible{l.Handler.WithAttrs(attrs), l.page}
}

// WithGroup implements slog.Handler.
func (l *legible) WithGroup(name string) slog.Handler {
	return &legible{l.Handler.WithGroup(name), l.page}
}
