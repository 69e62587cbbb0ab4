package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tickhall/tickhall/player"
	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/server/api"
)

const (
	maxUser = 255                       // bytes of a user id, as in a ticket
	maxBan  = 10 * 365 * 24 * time.Hour // which is for ever
)

// Message is the body of POST /v1/admin/message.
type Message struct {
	Name string          `json:"name"` // of the event
	Body json.RawMessage `json:"body"` // any JSON; null if left out
	To   Audience        `json:"to"`
}

// Audience is who gets a message: exactly one of the fields is set.
type Audience struct {
	All  bool   `json:"all,omitempty"`
	Room string `json:"room,omitempty"`
	User string `json:"user,omitempty"` // wherever the user is
}

// Reached is the answer to a message: how many sessions get it with their next snapshot, those that are away and
// come back in time included.
type Reached struct {
	Reached int `json:"reached"`
}

// Kick is the body of POST /v1/admin/kick.
type Kick struct {
	User   string `json:"user"`
	Reason string `json:"reason"`         // the user is shown it
	Room   string `json:"room,omitempty"` // from this room alone
}

// Kicked is the answer to a Kick: from how many rooms.
type Kicked struct {
	Kicked int `json:"kicked"`
}

// Ban is the body of POST /v1/admin/ban.
type Ban struct {
	User   string `json:"user"`
	For    string `json:"for"`    // such as "10m" or "48h"; another ban replaces it
	Reason string `json:"reason"` // the user is shown it
}

// Banned is the answer to a Ban.
type Banned struct {
	Until  time.Time `json:"until"`
	Kicked int       `json:"kicked"`
}

// Lifted is the answer to DELETE /v1/admin/ban/{user}.
type Lifted struct {
	User string `json:"user"`
}

// BanList is the answer to GET /v1/admin/bans, by user.
type BanList struct {
	Bans []player.Ban `json:"bans"`
}

func (a *API) message(w http.ResponseWriter, r *http.Request) (any, error) {
	var req Message
	if err := api.Read(w, r, maxBody, `{"name": "notice", "body": "back in a minute", "to": {"all": true}}`, &req); err != nil {
		return nil, err
	}
	to, n := req.To, 0
	for _, given := range []bool{to.All, to.Room != "", to.User != ""} {
		if given {
			n++
		}
	}
	if n != 1 {
		return nil, bad(`field "to" must be one of {"all": true}, {"room": ID} and {"user": ID}`)
	}
	body, err := plain(req.Body)
	if err != nil {
		return nil, err
	}
	e, err := player.NewEvent(req.Name, body)
	if err != nil {
		return nil, bad("%v", err)
	}
	var target []any
	switch {
	case to.All:
		n, target = a.cfg.Registry.Broadcast(e), []any{"to", "all"}
	case to.User != "":
		n, target = a.cfg.Registry.Send(to.User, e), []any{"user", to.User}
	default:
		in, err := a.find(to.Room)
		if err != nil {
			return nil, err
		}
		in.Announce(e)
		info := in.Info()
		n, target = info.Players+info.Spectators, []any{"room", in.ID()}
	}
	return done{Reached{n}, "message", append(target, "name", req.Name, "reached", n)}, nil
}

// plain decodes JSON to what msgpack encodes most briefly: whole numbers are integers, not floats.
func plain(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, bad(`field "body": %v`, err)
	}
	return whole(v)
}

func whole(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n), nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, bad(`field "body": the number %.40s is too large`, v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = whole(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = whole(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func (a *API) kick(w http.ResponseWriter, r *http.Request) (any, error) {
	var req Kick
	if err := api.Read(w, r, maxBody, `{"user": "guest-1", "reason": "cheating"}`, &req); err != nil {
		return nil, err
	}
	if err := checkPerson(req.User, &req.Reason, "an operator removed you"); err != nil {
		return nil, err
	}
	if req.Room == "" {
		n := a.cfg.Registry.Kick(req.User, req.Reason)
		return done{Kicked{n}, "kick", []any{"user", req.User, "reason", req.Reason, "kicked", n}}, nil
	}
	in, err := a.find(req.Room)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, s := range a.cfg.Registry.User(req.User) {
		if s.Room == in.ID() {
			s.Kick(req.Reason)
			n++
		}
	}
	return done{Kicked{n}, "kick", []any{"user", req.User, "room", in.ID(), "reason", req.Reason, "kicked", n}}, nil
}

func (a *API) ban(w http.ResponseWriter, r *http.Request) (any, error) {
	var req Ban
	if err := api.Read(w, r, maxBody, `{"user": "guest-1", "for": "10m", "reason": "cheating"}`, &req); err != nil {
		return nil, err
	}
	if err := checkPerson(req.User, &req.Reason, "an operator banned you"); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(req.For)
	if err != nil || d <= 0 || d > maxBan {
		return nil, bad(`field "for" must be a duration above 0 and of ten years at the most, such as "10m" or "48h"`)
	}
	until := time.Now().Add(d)
	// First, so that who is kicked does not come back at once.
	a.cfg.Registry.Ban(req.User, until, req.Reason)
	b := Banned{until.UTC().Round(time.Second), a.cfg.Registry.Kick(req.User, "banned until "+api.Minute(until)+": "+req.Reason)}
	return done{b, "ban", []any{"user", req.User, "for", req.For, "until", b.Until, "reason", req.Reason, "kicked", b.Kicked}}, nil
}

func (a *API) unban(_ http.ResponseWriter, r *http.Request) (any, error) {
	user, now := r.PathValue("user"), time.Now()
	if _, _, banned := a.cfg.Registry.Banned(now, user); !banned {
		return nil, refuse(http.StatusNotFound, protocol.ErrNotFound, "the user %.255q is not banned: user ids are told apart to the letter", user)
	}
	a.cfg.Registry.Ban(user, now, "")
	return done{Lifted{user}, "unban", []any{"user", user}}, nil
}

func (a *API) bans(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	list := a.cfg.Registry.Bans(time.Now())
	for i := range list {
		list[i].Until = list[i].Until.UTC().Round(time.Second)
	}
	return BanList{list}, nil
}

func checkPerson(user string, reason *string, otherwise string) error {
	switch {
	case user == "":
		return bad(`field "user" is missing: name the user's id, as GET %splayers lists it`, Prefix)
	case len(user) > maxUser:
		return bad(`field "user" has %d bytes: no user id has more than %d`, len(user), maxUser)
	}
	return checkReason(reason, otherwise)
}

// maxReason is the longest reason, in characters. One longer than protocol.MaxReason is cut in the close
// frame, but not in the BYE before it.
const maxReason = 200

// checkReason checks a reason that people are shown; if there is none it is otherwise.
func checkReason(reason *string, otherwise string) error {
	*reason = strings.TrimSpace(*reason)
	switch {
	case *reason == "":
		*reason = otherwise
	case utf8.RuneCountInString(*reason) > maxReason:
		return bad(`field "reason" has %d characters: shorten it to %d`, utf8.RuneCountInString(*reason), maxReason)
	case strings.ContainsFunc(*reason, unicode.IsControl):
		return bad(`field "reason" contains a control character, such as a line break: remove it`)
	}
	return nil
}

func bad(format string, args ...any) error {
	return &protocol.HTTPError{Code: protocol.ErrBadRequest, Message: fmt.Sprintf(format, args...)}
}
