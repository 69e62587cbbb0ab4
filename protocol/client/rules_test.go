package client

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/state"
)

var update = flag.Bool("update", false, "write the golden cases in protocol/testdata")

// rules is client.json: what both clients do, in numbers. Times are in milliseconds.
type rules struct {
	Constants map[string]float64 `json:"constants"`
	Backoff   []backoffCase      `json:"backoff"`
	Refusals  []refusalCase      `json:"refusals"`
	Clock     []clockCase        `json:"clock"`
	Playhead  []playheadStep     `json:"playhead"`
	Pulse     []pulseStep        `json:"pulse"`
	Steering  []steeringStep     `json:"steering"`
	Pacer     []pacerStep        `json:"pacer"`
	Motion    []motionCase       `json:"motion"`
}

type backoffCase struct {
	Attempt int     `json:"attempt"`
	Most    float64 `json:"most"`
}

type refusalCase struct {
	Status     int             `json:"status"`
	Body       string          `json:"body"`
	RetryAfter string          `json:"retryAfter,omitempty"`
	Code       string          `json:"code"`
	Advice     protocol.Advice `json:"advice"`
	Wait       float64         `json:"wait"`
}

type clockCase struct {
	Note  string      `json:"note"`
	Steps []clockStep `json:"steps"`
}

type clockStep struct {
	What     string  `json:"what"` // "snapshot", "answer", "reroute"
	Sent     float64 `json:"sent,omitempty"`
	Now      float64 `json:"now"`
	Room     float64 `json:"room,omitempty"`
	At       float64 `json:"at"` // the room's time at now, afterwards
	Arriving float64 `json:"arriving"`
}

type playheadStep struct {
	Now    float64 `json:"now"`
	Target float64 `json:"target"`
	At     float64 `json:"at"`
}

type pulseStep struct {
	What string  `json:"what"` // "heard", "asked"
	Now  float64 `json:"now"`
	Dead bool    `json:"dead"`
}

type steeringStep struct {
	Slack  int     `json:"slack"`
	Period float64 `json:"period"`
}

type pacerStep struct {
	Now   float64 `json:"now"`
	Bytes int     `json:"bytes"`
	Wait  float64 `json:"wait"`
}

type motionCase struct {
	Note      string  `json:"note"`
	Rate      int     `json:"rate"`
	Snapshots []mover `json:"snapshots"` // numbers of the wire
	Shown     []mover `json:"shown"`     // in the game's units
}

// mover is an entity that has a field with a rate, the rate, an angle, and a float without a rate.
type mover struct {
	Tick    float64 `json:"tick"`
	X       float64 `json:"x"`       // step 1/8, rate vx
	VX      float64 `json:"vx"`      // step 1/2
	Heading float64 `json:"heading"` // of 256
	Heat    float64 `json:"heat"`    // step 1/10
}

func TestGoldenRulesOfAClient(t *testing.T) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	r := rules{Constants: map[string]float64{
		"joinTimeout": ms(joinTimeout), "pollTimeout": ms(pollTimeout), "pollEvery": ms(pollEvery), "leaveTimeout": ms(leavePatience),
		"backoffFirst": ms(backoffFirst), "backoffGrowth": backoffGrow, "backoffSoon": ms(backoffSoon), "soonTries": soonTries,
		"backoffMost": ms(backoffMost), "stable": ms(healthyAfter), "maxRetryAfter": ms(maxRetryAfter), "maxForeign": maxForeign, "maxFaults": maxFaults,
		"timeEvery": ms(clockEvery), "timeBurst": clockBurst, "timeBurstEvery": ms(clockBurstEvery), "deadAfter": ms(deadAfter), "deadTimes": deadTimes,
		"rttWindow": clockWindow, "rttSamples": clockSamples, "rttSlack": clockSlack, "rttMost": clockMost, "clockGain": clockGain, "clockSnap": clockSnap,
		"delayTicks": showDelay, "extrapolate": 1000 * maxExtrapolate, "history": historyLength, "jumpFactor": jumpFactor, "jumpSteps": jumpSteps,
		"slack": slackWanted, "slackGain": slackGain, "slackMost": slackMost, "steerGain": steerGain, "steerMost": steerMost, "maxCatchUp": maxCatchUp,
		"keptInputs": keptInputs, "keptBytes": keptBytes, "maxWaiting": maxQueued,
		"paceMessages": paceMessages, "paceMessagesBurst": paceMessagesBurst, "paceBytes": paceBytes, "paceBytesBurst": paceBytesBurst,
	}}
	for _, n := range []int{1, 2, 3, 4, 5, 10, 60, 61, 200, 5000} {
		b := backoff{attempts: n}
		r.Backoff = append(r.Backoff, backoffCase{n, math.Round(ms(b.bound())*1000) / 1000})
	}
	for _, c := range []refusalCase{
		{Status: 400, Body: `{"code":"bad_request","message":"no"}`}, {Status: 400, Body: `{"code":"ticket_invalid","message":"no"}`},
		{Status: 400, Body: `{"code":"bad_options","message":"no"}`}, {Status: 401, Body: `{"code":"unauthorized","message":"no"}`},
		{Status: 401, Body: `log in first`}, {Status: 403, Body: `{"code":"banned","message":"no"}`}, {Status: 403, Body: `{"error":"forbidden"}`},
		{Status: 404, Body: `{"code":"token_unknown","message":"no"}`}, {Status: 404, Body: `{"code":"room_unknown","message":"no"}`},
		{Status: 404, Body: `{"code":"queue_unknown","message":"no"}`}, {Status: 404, Body: `<html>`}, {Status: 404, Body: ``}, {Status: 404, Body: `{"code":""}`},
		{Status: 409, Body: `{"code":"room_full","message":"no"}`}, {Status: 410, Body: `{"code":"ticket_used","message":"no"}`},
		{Status: 410, Body: `{"code":"queue_replaced","message":"no"}`}, {Status: 410, Body: `{"code":"too_late","message":"no"}`},
		{Status: 418, Body: `{"code":"toString","message":"no"}`}, {Status: 200, Body: `<html>`},
		{Status: 429, Body: `{"code":"rate_limited","message":"no"}`, RetryAfter: "7"}, {Status: 429, Body: `{"code":"new_limit","message":"no"}`, RetryAfter: "0"},
		{Status: 429, Body: `slow down`, RetryAfter: "1000000000"}, {Status: 408, Body: ``}, {Status: 425, Body: ``},
		{Status: 500, Body: `{"code":"internal","message":"no"}`}, {Status: 502, Body: `bad gateway`, RetryAfter: "-3"},
		{Status: 503, Body: `{"code":"server_full","message":"no"}`, RetryAfter: "5"}, {Status: 503, Body: `{"code":"shutting_down","message":"no"}`},
		{Status: 503, Body: `{"code":"identity_unavailable","message":"no"}`, RetryAfter: "soon"}, {Status: 503, Body: `upstream`},
	} {
		resp := &http.Response{StatusCode: c.Status, Header: http.Header{"Retry-After": {c.RetryAfter}}, Body: io.NopCloser(strings.NewReader(c.Body))}
		end := refusal("match", readRefusal(resp))
		var e *protocol.HTTPError
		require.ErrorAs(t, end.err, &e)
		c.Code, c.Advice, c.Wait = e.Code, end.advice, ms(end.wait)
		r.Refusals = append(r.Refusals, c)
	}
	answer := func(sent, now, room float64) clockStep {
		return clockStep{What: "answer", Sent: sent, Now: now, Room: room}
	}
	snapshot := func(now, room float64) clockStep { return clockStep{What: "snapshot", Now: now, Room: room} }
	for _, c := range []clockCase{
		{Note: "a snapshot is the first guess, and answers do better", Steps: []clockStep{
			snapshot(1000, 400), snapshot(1050, 440), snapshot(1100, 510), answer(1000, 1200, 620), snapshot(1210, 600), answer(1300, 1350, 845),
			answer(1400, 1500, 2000), answer(1500, 1558, 1059), answer(1600, 1640, 1140), answer(1700, 1742, 1239), answer(1800, 1844, 1350),
		}},
		{Note: "the least round trip is forgotten after ten seconds", Steps: []clockStep{
			answer(1000, 1020, 510), answer(3000, 3200, 2600), answer(11_030, 11_230, 10_700), answer(11_300, 11_490, 10_900), answer(40_000, 71_000, 50_000),
		}},
		{Note: "an error of a quarter of a second is corrected at once, a smaller one smoothly", Steps: []clockStep{
			answer(1000, 1040, 520), answer(1100, 1142, 621), answer(1200, 1243, 721), answer(1300, 1344, 822), answer(1400, 1445, 922), answer(1500, 1546, 1022),
			answer(1600, 1640, 1300), answer(1700, 1740, 1800), answer(1800, 1841, 900),
		}},
		{Note: "a machine that slept: a snapshot is ahead, and the round trips before don't count", Steps: []clockStep{
			answer(1000, 1040, 520), answer(1100, 1140, 620), answer(1200, 1240, 720), answer(1300, 1340, 820), answer(1400, 1440, 920),
			answer(1600, 1601, 1120), snapshot(1602, 61_130), answer(1700, 1740, 61_250), answer(1800, 1840, 61_360), snapshot(1850, 61_300),
		}},
		{Note: "another way to the server", Steps: []clockStep{
			answer(1000, 1010, 505), {What: "reroute", Now: 1020}, answer(1100, 1400, 760), answer(1500, 1780, 1150), answer(1800, 2100, 1460),
		}},
	} {
		var clock clock
		for i := range c.Steps {
			s := &c.Steps[i]
			switch s.What {
			case "snapshot":
				clock.snapshot(s.Now, s.Room)
			case "answer":
				clock.sample(s.Sent, s.Now, s.Room)
			case "reroute":
				clock.reroute()
			}
			s.At, s.Arriving = rounded(clock.at(s.Now)), rounded(clock.arriving(s.Now))
		}
		r.Clock = append(r.Clock, c)
	}
	var head playhead
	for i, target := range []float64{1000, 1016, 1032, 1140, 1156, 1172, 1100, 1116, 1132, 2000, 2016, 1500, 1516} {
		now := 16 * float64(i)
		r.Playhead = append(r.Playhead, playheadStep{now, target, rounded(head.advance(now, target))})
	}
	var pulse pulse
	for _, s := range []pulseStep{
		{What: "asked", Now: 0}, {What: "heard", Now: 10}, {What: "asked", Now: 2000}, {What: "asked", Now: 2100}, {What: "asked", Now: 2200}, {What: "asked", Now: 4200},
		{What: "heard", Now: 7999}, {What: "asked", Now: 8000}, {What: "asked", Now: 10_000}, {What: "asked", Now: 13_999}, {What: "asked", Now: 14_000},
		{What: "heard", Now: 14_001}, {What: "asked", Now: 20_000}, {What: "asked", Now: 90_000}, {What: "asked", Now: 90_001},
	} {
		now := time.Duration(s.Now) * time.Millisecond
		if s.What == "heard" {
			pulse.heard()
		} else {
			pulse.asked(now)
		}
		s.Dead = pulse.dead(now)
		r.Pulse = append(r.Pulse, s)
	}
	var steering steering
	for _, slack := range []int{0, 0, 1, 2, 8, 100, 8, 8, 8, 8, -1, -1, -60, -60, -60, -60, -60, -60, -60, -60, -60, -60, -60, 0} {
		steering.told(slack)
		r.Steering = append(r.Steering, steeringStep{slack, math.Round(1e6*steering.period()) / 1e6})
	}
	var pacer pacer
	for i, bytes := range []int{4096, 4096, 4096, 4096, 100, 10, 10} {
		now := 1000 + 100*float64(i)
		r.Pacer = append(r.Pacer, pacerStep{now, bytes, ms(pacer.take(time.Duration(now)*time.Millisecond, bytes))})
	}
	for i := range 40 {
		now := 60_000 + float64(i)
		r.Pacer = append(r.Pacer, pacerStep{now, 8, ms(pacer.take(time.Duration(now)*time.Millisecond, 8))})
	}
	for _, c := range []motionCase{
		{"straight, on the cubic, the shorter way", 20, []mover{{1, 0, 40, 250, 10}, {2, 4, 0, 6, 30}}, []mover{{Tick: 0.5}, {Tick: 1}, {Tick: 1.25}, {Tick: 1.5}, {Tick: 2}, {Tick: 3}, {Tick: 7}, {Tick: 8}, {Tick: 99}}},
		{"what stands still is shown still", 20, []mover{{1, 80, 40, 0, 0}, {2, 80, 40, 0, 0}, {3, 80, 40, 0, 0}}, []mover{{Tick: 1.5}, {Tick: 2.5}, {Tick: 3.5}}},
		{"a jump is no way to go", 20, []mover{{1, 80, 40, 0, 0}, {2, 88, 40, 0, 0}, {3, 896, 40, 64, 50}, {4, 904, 40, 64, 50}}, []mover{{Tick: 2.5}, {Tick: 2.99}, {Tick: 3}, {Tick: 3.5}}},
		{"after a jump nothing is taken from the way to it", 20, []mover{{1, 0, 0, 0, 0}, {2, 800, 0, 64, 100}}, []mover{{Tick: 1.5}, {Tick: 2}, {Tick: 3}}},
		{"64 steps are a push", 20, []mover{{1, 0, 0, 0, 0}, {2, 64, 0, 0, 0}}, []mover{{Tick: 1.5}}},
		{"65 are a jump", 20, []mover{{1, 0, 0, 0, 0}, {2, 65, 0, 0, 0}}, []mover{{Tick: 1.5}}},
		{"four times as far as the rates explain, and 64 steps", 20, []mover{{1, 0, 0, 0, 0}, {2, 96, 40, 0, 0}}, []mover{{Tick: 1.5}}},
		{"and one more", 20, []mover{{1, 0, 0, 0, 0}, {2, 97, 40, 0, 0}}, []mover{{Tick: 1.5}}},
		{"in 250 ms it is a jump", 20, []mover{{1, 0, 0, 0, 0}, {6, 800, 0, 0, 0}}, []mover{{Tick: 3}}},
		{"in more it is none", 20, []mover{{1, 0, 0, 0, 0}, {7, 800, 0, 0, 0}}, []mover{{Tick: 4}}},
		{"without a rate nothing jumps", 20, []mover{{1, 0, 0, 0, 0}, {2, 0, 0, 0, 9000}}, []mover{{Tick: 1.5}}},
	} {
		h := newHistory[seen]()
		h.reset(motionSchema, c.Rate)
		for _, s := range c.Snapshots {
			h.record(1, uint32(s.Tick), seen{float32(s.X / 8), float32(s.VX / 2), float32(s.Heading / 256 * 2 * math.Pi), float32(s.Heat / 10)})
		}
		for i := range c.Shown {
			s := &c.Shown[i]
			v, ok := h.at(1, s.Tick)
			require.True(t, ok)
			// No closer do they agree: one keeps floats of 32 bits.
			*s = mover{s.Tick, rounded(float64(v.X)), rounded(float64(v.VX)), rounded(float64(v.Heading)), rounded(float64(v.Heat))}
		}
		r.Motion = append(r.Motion, c)
	}

	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	require.NoError(t, encoder.Encode(r))
	if *update {
		require.NoError(t, os.WriteFile("../testdata/client.json", b.Bytes(), 0o644))
	}
	want, err := os.ReadFile("../testdata/client.json")
	require.NoError(t, err)
	require.JSONEq(t, string(want), b.String())
}

type seen struct {
	X       float32 `sync:"x,step=1/8,rate=vx"`
	VX      float32 `sync:"vx,step=1/2"`
	Heading float32 `sync:"heading"`
	Heat    float32 `sync:"heat,step=1/10"`
}

var motionSchema = []state.Field{
	{Name: "x", Type: state.Float, Num: 1, Den: 8, Rate: 1}, {Name: "vx", Type: state.Float, Num: 1, Den: 2, Rate: -1},
	{Name: "heading", Type: state.Angle, Num: 1, Den: 256, Rate: -1}, {Name: "heat", Type: state.Float, Num: 1, Den: 10, Rate: -1},
}

func rounded(x float64) float64 { return math.Round(1000*x) / 1000 }
