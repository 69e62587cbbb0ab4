package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublicURLIsAnAddressAndAPath(t *testing.T) {
	for s, want := range map[string]string{
		"https://play.example.com":       "https://play.example.com",
		"https://Play.Example.com/":      "https://play.example.com",
		"http://10.0.0.1:8080/games":     "http://10.0.0.1:8080/games",
		"https://example.com/a/Games/":   "https://example.com/a/Games",
		"https://[::1]:8443/games":       "https://[::1]:8443/games",
		"https://xn--strae-oqa.de/spiel": "https://xn--strae-oqa.de/spiel",
		"https://example.com/vote":       "https://example.com/vote",
	} {
		u, err := ParsePublicURL(s)
		require.NoError(t, err, s)
		require.Equal(t, want, u.String())
	}
	u, err := ParsePublicURL("")
	require.NoError(t, err)
	require.Nil(t, u)
	for s, says := range map[string]string{
		"play.example.com":              "must be like https://play.example.com",
		"wss://play.example.com":        "must be like",
		"https://":                      "must be like",
		"https://:8443":                 "must be like",
		"https://play.example.com:x":    "must be like",
		"https://ada:hush@play.test":    "must name no user",
		"https://play.test/?a=b":        "no query",
		"https://play.test/#a":          "fragment",
		"https://straße.de":             "Punycode",
		"https://play.test/a//b":        "must be plain",
		"https://play.test/a/../b":      "must be plain",
		"https://play.test/a%2Fb":       "must be plain",
		"https://play.test/v1":          "must not begin with /v1",
		"https://play.test/play/arcade": "must not begin with /play",
		"https://play.test/assets":      "must not begin with /assets",
	} {
		_, err := ParsePublicURL(s)
		require.ErrorContains(t, err, says, s)
		require.NotContains(t, err.Error(), "hush")
	}
}
