package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	testNow    = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	testTicket = Ticket{Seat: "SEAT", Room: "k7m2x9qwp", User: "guest-1", Name: "Ada 🙂", Claims: json.RawMessage(`{"rank":7}`), Team: 2, Spectate: true}
)

func newTestTickets(t testing.TB) *Tickets {
	s, err := NewTickets(bytes.Repeat([]byte{7}, MinKey))
	require.NoError(t, err)
	return s
}

func TestTicketOpensUntilItExpires(t *testing.T) {
	s := newTestTickets(t)
	text := s.Issue(testNow, testTicket)
	for _, c := range []struct {
		name string
		age  time.Duration
		err  error
	}{
		{"at once", 0, nil},
		{"just before the end of its life", TicketLife - time.Millisecond, nil},
		{"at the end of its life", TicketLife, ErrTicketExpired},
		{"long after", time.Hour, ErrTicketExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.Open(testNow.Add(c.age), text)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, testTicket, got)
		})
	}
}

func TestForgedTicketIsInvalid(t *testing.T) {
	s := newTestTickets(t)
	text := s.Issue(testNow, testTicket)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)

	other, err := NewTickets(nil)
	require.NoError(t, err)
	cases := map[string]string{
		"empty":           "",
		"no base64":       "!" + text[1:],
		"padded":          text + "=",
		"cut short":       text[:len(text)-4],
		"longer":          text + "AAAA",
		"far too long":    strings.Repeat("A", 1<<20),
		"with a line end": text[:9] + "\n" + text[9:],
		"another's key":   other.Issue(testNow, testTicket),
		"another version": s.vault.text(append([]byte{1}, make([]byte, ticketMin)...)),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := s.Open(testNow, text)
			require.ErrorIs(t, err, ErrTicketInvalid)
		})
	}
	t.Run("any bit flipped", func(t *testing.T) {
		for i := range len(raw) * 8 {
			b := bytes.Clone(raw)
			b[i/8] ^= 1 << (i % 8)
			_, err := s.Open(testNow, base64.RawURLEncoding.EncodeToString(b))
			require.ErrorIs(t, err, ErrTicketInvalid)
		}
	})
}

func TestSignedNonsenseIsInvalid(t *testing.T) {
	s := newTestTickets(t)
	head := append([]byte{ticketVersion}, make([]byte, ticketHead-1)...)
	for name, fields := range map[string][]byte{
		"a field that claims more than there is": {0, 0, 0, 200},
		"a field too few":                        {3, 'a', 'b', 'c'},
		"bytes that remain":                      {0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := append(bytes.Clone(head), fields...)
			_, err := s.Open(testNow, s.vault.text(b))
			require.ErrorIs(t, err, ErrTicketInvalid)
		})
	}
}

func TestLongestTicketOpens(t *testing.T) {
	s := newTestTickets(t)
	long := strings.Repeat("x", MaxTicketField)
	want := Ticket{Seat: long, Room: long, User: long, Name: long, Claims: bytes.Repeat([]byte("7"), MaxTicketClaims), Team: MaxTeam}
	got, err := s.Open(testNow, s.Issue(testNow, want))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Panics(t, func() { s.Issue(testNow, Ticket{Name: long + "x"}) })
	require.Panics(t, func() { s.Issue(testNow, Ticket{Claims: append(want.Claims, '7')}) })
	require.Panics(t, func() { s.Issue(testNow, Ticket{Team: MaxTeam + 1}) })
}

func TestTicketShowsNothingOfWhatItHolds(t *testing.T) {
	s := newTestTickets(t)
	text := s.Issue(testNow, testTicket)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	for _, secret := range []string{testTicket.Room, testTicket.User, "Ada", "rank"} {
		require.NotContains(t, string(raw), secret)
		require.NotContains(t, text, secret)
	}
	require.NotEqual(t, text, s.Issue(testNow, testTicket), "two tickets for the same do not show that they are")
}

func TestTicketOfAnotherContextIsInvalid(t *testing.T) {
	key := bytes.Repeat([]byte{7}, MinKey)
	plain := make([]byte, ticketMin)
	plain[0] = ticketVersion
	_, err := newTestTickets(t).Open(testNow, newVault(key, ticketContext).text(plain))
	require.ErrorIs(t, err, ErrTicketExpired, "it is a ticket")
	_, err = newTestTickets(t).Open(testNow, newVault(key, "other").text(plain))
	require.ErrorIs(t, err, ErrTicketInvalid)
	_, err = newTestTickets(t).Open(testNow, newSeal(key, "").text(plain))
	require.ErrorIs(t, err, ErrTicketInvalid)
}

func TestShortKeyIsRefused(t *testing.T) {
	_, err := NewTickets([]byte("secret"))
	require.ErrorContains(t, err, "at least 32")
}

func TestRandomKeysDiffer(t *testing.T) {
	a, err := NewTickets(nil)
	require.NoError(t, err)
	b, err := NewTickets(nil)
	require.NoError(t, err)
	_, err = b.Open(testNow, a.Issue(testNow, testTicket))
	require.ErrorIs(t, err, ErrTicketInvalid)
}

// FuzzOpen: no text makes Open panic, and only what Issue wrote opens.
func FuzzOpen(f *testing.F) {
	s := newTestTickets(f)
	good := s.Issue(testNow, testTicket)
	f.Add(good)
	f.Add("")
	f.Add(good[:len(good)-1])
	f.Add(good[:9] + "\r\n" + good[9:])
	f.Add(strings.Repeat("A", s.vault.textLen(ticketMin)))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Open(testNow, text)
		if err != nil {
			require.ErrorIs(t, err, ErrTicketInvalid)
			require.Zero(t, got)
			return
		}
		require.Equal(t, testTicket, got) // another process's good, with another nonce, or the same
		raw, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Equal(t, text, base64.RawURLEncoding.EncodeToString(raw), "a ticket has one spelling")
	})
}
