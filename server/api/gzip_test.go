package api

import (
	"compress/gzip"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLongListsAreCompressedForWhoTakesThemSo(t *testing.T) {
	long := []string{strings.Repeat("room ", 1000)}
	for _, c := range []struct {
		v      any
		accept string
		packed bool
	}{
		{long, "gzip", true}, {long, "", false}, {long, "gzip;q=0", false}, {[]string{"room"}, "gzip", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		WritePublic(w, r, c.v)
		require.Equal(t, 200, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		require.Equal(t, c.packed, w.Header().Get("Content-Encoding") == "gzip")
		var got []string
		if c.packed {
			require.Less(t, w.Body.Len(), 200)
			z, err := gzip.NewReader(w.Body)
			require.NoError(t, err)
			require.NoError(t, json.NewDecoder(z).Decode(&got))
		} else {
			require.NoError(t, json.NewDecoder(w.Body).Decode(&got))
		}
		require.Equal(t, c.v, got)
	}
}
