package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tickhall/tickhall/protocol"
)

const maxList = 4 << 20 // bytes of a RoomList

// RoomsQuery says which of the listed rooms to ask for. The zero value asks for all, from the first.
type RoomsQuery struct {
	Kind   string            // rooms of this kind
	Filter map[string]string // rooms whose listing data has these properties; a key has no colon
	Limit  int               // rooms at most in one answer; the server's own limit by default
	After  string            // RoomList.Next of the answer before
}

// Rooms asks the server of cfg for the rooms that are listed, a page at a time. Of cfg it uses URL, Dial,
// TLS and Token. A refusal is an error that wraps a *protocol.HTTPError.
func Rooms(ctx context.Context, cfg Config, q RoomsQuery) (*protocol.RoomList, error) {
	if err := cfg.validateURL(); err != nil {
		return nil, err
	}
	cfg.fill()
	query := url.Values{}
	if q.Kind != "" {
		query.Set("kind", q.Kind)
	}
	if q.Limit != 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.After != "" {
		query.Set("after", q.After)
	}
	for _, k := range slices.Sorted(maps.Keys(q.Filter)) {
		if strings.Contains(k, ":") {
			return nil, errors.New("client: a key of RoomsQuery.Filter has no colon: " + strconv.Quote(k))
		}
		query.Add("prop", k+":"+q.Filter[k])
	}
	list := new(protocol.RoomList)
	_, err := cfg.exchange(ctx, new(counters), &exchange{
		method: http.MethodGet, path: "/v1/rooms", query: query, patience: handshakeTimeout, limit: maxList, answer: list,
	})
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	return list, nil
}
