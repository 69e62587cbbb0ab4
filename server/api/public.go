package api

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// ownPaths are what the server's own paths begin with, beside versions of the API. Where a proxy cuts the public path off,
// it could not be told apart from them.
var ownPaths = map[string]bool{"play": true, "assets": true, "js": true, "metrics": true, "healthz": true, "readyz": true}

// ParsePublicURL reads the address by which players reach a server: http or https, a host, and perhaps a path before
// all of the server's own, which has no "/" at its end here. "" is nil: it is not known.
func ParsePublicURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the public address %q must be like https://play.example.com or https://example.com/games", s)
	}
	at := strings.TrimSuffix(u.Path, "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	switch {
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("the public address %q must name no user, and have no query or fragment", u.Redacted())
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }):
		return nil, fmt.Errorf("the public address %q must have its host in Punycode, as xn--..., as browsers send it", s)
	case at != "" && (path.Clean(at) != at || u.RawPath != ""):
		return nil, errors.New("the path of the public address must be plain: without empty parts, dots and escapes")
	case ownPaths[first], len(first) > 1 && first[0] == 'v' && strings.Trim(first[1:], "0123456789") == "":
		return nil, fmt.Errorf("the path of the public address %q must not begin with /%s, as paths of the server's own do: choose another", s, first)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: at}, nil
}
