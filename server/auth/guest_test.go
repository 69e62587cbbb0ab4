package auth

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

func arrive(t testing.TB, i *Identifier, proof string) Person {
	who, err := i.Identify(t.Context(), http.Header{}, &protocol.MatchRequest{Guest: proof, Name: " Ada "})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(who.User, guestPrefix))
	require.Equal(t, "Ada", who.Name)
	require.Nil(t, who.Claims)
	return who
}

func TestGuestIsKnownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := bytes.Repeat([]byte{1}, MinKey)
		i := newTestIdentifier(t, Config{GuestKey: key})
		first := arrive(t, i, "")
		time.Sleep(GuestLife - time.Second)
		again := arrive(t, i, first.Guest)
		require.Equal(t, first.User, again.User)
		require.NotEqual(t, first.Guest, again.Guest, "it is good for longer")
		time.Sleep(GuestLife - time.Second)
		later := arrive(t, newTestIdentifier(t, Config{GuestKey: key}), again.Guest)
		require.Equal(t, first.User, later.User, "also after a restart")
		time.Sleep(GuestLife)
		require.NotEqual(t, first.User, arrive(t, i, later.Guest).User, "but not for ever")
	})
}

func TestGuestWithAForgedProofIsANewGuest(t *testing.T) {
	i := newTestIdentifier(t, Config{})
	known := arrive(t, i, "")
	raw, err := sealEncoding.DecodeString(known.Guest)
	require.NoError(t, err)
	for name, proof := range map[string]string{
		"the id itself":   known.User,
		"another key":     arrive(t, newTestIdentifier(t, Config{}), "").Guest,
		"cut":             known.Guest[1:],
		"longer":          known.Guest + "AAAA",
		"no base64":       "!" + known.Guest[1:],
		"bad UTF-8":       "\xff" + known.Guest[1:],
		"another version": sealEncoding.EncodeToString(append([]byte{2}, raw[1:]...)),
	} {
		t.Run(name, func(t *testing.T) { require.NotEqual(t, known.User, arrive(t, i, proof).User) })
	}
	for bit := range len(raw) * 8 {
		b := bytes.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		_, ok := i.guests.open(time.Now(), sealEncoding.EncodeToString(b))
		require.False(t, ok)
	}
}

func TestGuestsAreRefusedWhereTokensAreChecked(t *testing.T) {
	closed := newTestIdentifier(t, Config{Secret: testSecret})
	_, err := closed.Identify(t.Context(), http.Header{}, &protocol.MatchRequest{})
	requireRefused(t, err, protocol.ErrUnauthorized, "Authorization: Bearer TOKEN")

	open := newTestIdentifier(t, Config{Secret: testSecret, Guests: true})
	guest := arrive(t, open, "")
	who, err := open.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + sign(t, algHS256, "", testSecret, soon(nil))}},
		&protocol.MatchRequest{Guest: guest.Guest})
	require.NoError(t, err)
	require.Equal(t, "ada", who.User, "a token counts before a guest's proof")
	require.Empty(t, who.Guest)
}

func TestAuthorizationOfAnotherSchemeIsNoneOfOurBusiness(t *testing.T) {
	i := newTestIdentifier(t, Config{})
	_, err := i.Identify(t.Context(), http.Header{"Authorization": {"Basic eDp5"}}, &protocol.MatchRequest{})
	require.NoError(t, err)
	_, err = i.Identify(t.Context(), http.Header{"Authorization": {"Bearer x", "Bearer y"}}, &protocol.MatchRequest{})
	requireRefused(t, err, protocol.ErrUnauthorized, "two tokens")
}

func TestGuestWithABadNameIsToldWhatToChange(t *testing.T) {
	_, err := newTestIdentifier(t, Config{}).Identify(t.Context(), http.Header{}, &protocol.MatchRequest{Name: strings.Repeat("x", 33)})
	requireRefused(t, err, protocol.ErrBadRequest, "shorten it to 32")
}

func TestProofIsNoTicketThoughTheKeyIsTheSame(t *testing.T) {
	key := bytes.Repeat([]byte{1}, MinKey)
	text := newSeal(key, guestContext).text([]byte("ada"))
	_, ok := newSeal(key, guestContext).open(text)
	require.True(t, ok)
	_, ok = newSeal(key, "").open(text)
	require.False(t, ok)
}

// FuzzGuest: no proof makes Identify panic, and only what it gave is believed.
func FuzzGuest(f *testing.F) {
	i := newTestIdentifier(f, Config{})
	known := arrive(f, i, "")
	f.Add(known.Guest)
	f.Add(known.User)
	f.Add("")
	f.Fuzz(func(t *testing.T, proof string) {
		require.Equal(t, proof == known.Guest, arrive(t, i, proof).User == known.User)
	})
}
