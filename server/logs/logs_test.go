package logs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/server/logs"
)

// reader is what a log is written to. While gate is not nil, a Write waits for it.
type reader struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error
	gate chan struct{}
}

func (r *reader) Write(b []byte) (int, error) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	return r.text.Write(b)
}

func (r *reader) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSuffix(r.text.String(), "\n"), "\n")
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func missing(to io.Writer, n int64) { fmt.Fprintf(to, "%d lines are missing\n", n) }

func TestNothingWaitsForAReaderThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{gate: make(chan struct{})}
		w := logs.NewWriter(r, missing)
		go w.Run()
		write := func(from, to int) {
			for i := from; i < to; i++ {
				_, err := fmt.Fprintf(w, "line %d\n", i)
				require.NoError(t, err)
			}
			synctest.Wait()
		}
		write(0, 1) // it has left the queue, and waits for the reader
		write(1, logs.MaxLines+11)
		require.EqualValues(t, 10, w.Dropped())
		require.ErrorIs(t, w.Close(time.Second), logs.ErrUnwritten)

		close(r.gate) // it reads again
		synctest.Wait()
		lines := r.lines()
		require.Len(t, lines, logs.MaxLines+2)
		require.Equal(t, fmt.Sprintf("line %d", logs.MaxLines), lines[logs.MaxLines])
		require.Equal(t, "10 lines are missing", lines[logs.MaxLines+1])
		require.NoError(t, w.Close(time.Second))
	})
}

func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	w := logs.NewWriter(io.Discard, nil)
	line := bytes.Repeat([]byte{'x'}, logs.MaxBytes/4)
	for range 6 {
		_, _ = w.Write(line) // no error
	}
	require.EqualValues(t, 2, w.Dropped())
}

func TestAReaderThatIsGoneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{err: errors.New("broken pipe")}
		w := logs.NewWriter(r, missing)
		go w.Run()
		for range 3 {
			fmt.Fprintln(w, "nobody reads this")
		}
		synctest.Wait()
		require.EqualValues(t, 3, w.Dropped())
		r.fail(nil)
		fmt.Fprintln(w, "somebody is back")
		synctest.Wait()
		require.Equal(t, []string{"somebody is back", "3 lines are missing"}, r.lines())
		fmt.Fprintln(w, "the last")
		require.NoError(t, w.Close(time.Second), "Close writes what waits")
		require.Equal(t, "the last", r.lines()[2])
		require.Len(t, r.lines(), 3, "what is missing is told once")
	})
}
