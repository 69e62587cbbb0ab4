package swarm

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Gate is a condition that a report must meet, such as "staleness.p99<=200ms".
type Gate struct {
	Name string  // of a metric, with the statistic of a distribution
	Op   string  // "<=", ">=", "<", ">", "==" or "!="
	Want float64 // in the metric's unit

	text string
}

// operators: those of two characters come first, so that they are found first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// ParseGate reads NAME OPERATOR VALUE. The value has the unit that the metric needs: 200ms or 1.5s for a time,
// 1300 or 1.3kB for bytes, 5% for a share, else none. The error says what is allowed.
func ParseGate(text string) (Gate, error) {
	at, op := -1, ""
	for _, o := range operators {
		if i := strings.Index(text, o); i >= 0 && (at < 0 || i < at) {
			at, op = i, o
		}
	}
	if at < 0 {
		return Gate{}, fmt.Errorf("gate %q: it must be a name, one of %s, and a value, such as staleness.p99<=200ms", text, strings.Join(operators, " "))
	}
	name, value := strings.TrimSpace(text[:at]), strings.TrimSpace(text[at+len(op):])
	m, _ := find(name)
	if m == nil {
		for _, other := range metrics {
			if other.Distribution && (other.Name == name || strings.HasPrefix(name, other.Name+".")) {
				return Gate{}, fmt.Errorf("gate %q: %s is a distribution: test %s.%s", text, other.Name, other.Name, strings.Join(statistics, ", ."))
			}
		}
		return Gate{}, fmt.Errorf("gate %q: there is no %q: there are %s", text, name, names())
	}
	want, err := parseValue(value, gateUnit(name))
	if err != nil {
		return Gate{}, fmt.Errorf("gate %q: %w", text, err)
	}
	return Gate{Name: name, Op: op, Want: want, text: name + op + value}, nil
}

// ParseGates reads several.
func ParseGates(texts ...string) ([]Gate, error) {
	var gates []Gate
	for _, t := range texts {
		g, err := ParseGate(t)
		if err != nil {
			return nil, err
		}
		gates = append(gates, g)
	}
	return gates, nil
}

// gateUnit is the unit of what name, which is known, stands for.
func gateUnit(name string) string {
	m, statistic := find(name)
	if statistic == "count" {
		return unitCount
	}
	return m.Unit
}

func parseValue(s, unit string) (float64, error) {
	fault := func(what string) error { return fmt.Errorf("the value %q must be %s", s, what) }
	number := func(s string) (float64, bool) {
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	switch unit {
	case unitMillis, unitMicros:
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fault("a time with its unit, such as 200ms")
		}
		if unit == unitMicros {
			return float64(d) / float64(time.Microsecond), nil
		}
		return float64(d) / float64(time.Millisecond), nil
	case unitShare:
		if v, ok := number(strings.TrimSuffix(s, "%")); ok && strings.HasSuffix(s, "%") {
			return v, nil
		}
		return 0, fault("a percentage, such as 5%")
	case unitBytes:
		for _, u := range []struct {
			name   string
			factor float64
		}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"kB", 1e3}, {"MB", 1e6}, {"B", 1}, {"", 1}} {
			if digits, found := strings.CutSuffix(s, u.name); found {
				if v, ok := number(digits); ok {
					return v * u.factor, nil
				}
				break
			}
		}
		return 0, fault("a number of bytes, such as 1300, 1.3kB or 2MiB")
	}
	if v, ok := number(s); ok {
		return v, nil
	}
	return 0, fault("a number")
}

// String is the gate as it was written, without spaces.
func (g Gate) String() string { return g.text }

// GateResult is what became of a Gate.
type GateResult struct {
	Gate  string  `json:"gate"`
	Value float64 `json:"value"`
	OK    bool    `json:"ok"`
	Text  string  `json:"text"` // for a person
}

// Check tests r. What was not measured meets no gate.
func (g Gate) Check(r *Report) GateResult {
	v, ok := r.Value(g.Name)
	if !ok {
		return GateResult{Gate: g.text, Text: fmt.Sprintf("%s: %s was not measured", g.text, g.Name)}
	}
	result := GateResult{Gate: g.text, Value: v}
	switch g.Op {
	case "<=":
		result.OK = v <= g.Want
	case ">=":
		result.OK = v >= g.Want
	case "<":
		result.OK = v < g.Want
	case ">":
		result.OK = v > g.Want
	case "==":
		result.OK = v == g.Want
	case "!=":
		result.OK = v != g.Want
	}
	result.Text = fmt.Sprintf("%s: it was %s", g.text, format(v, gateUnit(g.Name)))
	return result
}

// format writes a value with three or so digits and its unit.
func format(v float64, unit string) string {
	digits := func(v float64) string {
		switch a := math.Abs(v); {
		case a == math.Trunc(a) && a < 1e6, a >= 1000:
			return strconv.FormatFloat(v, 'f', 0, 64)
		case a >= 100:
			return strconv.FormatFloat(v, 'f', 0, 64)
		case a >= 10:
			return strconv.FormatFloat(v, 'f', 1, 64)
		case a >= 0.095:
			return strconv.FormatFloat(v, 'f', 2, 64)
		default:
			return strconv.FormatFloat(v, 'g', 2, 64)
		}
	}
	switch {
	case unit == unitMillis && v >= 10_000:
		return digits(v/1000) + " s"
	case unit == unitBytes && v >= 10e6:
		return digits(v/1e6) + " MB"
	case unit == unitBytes && v >= 10e3:
		return digits(v/1e3) + " kB"
	case unit == unitShare, unit == unitRate:
		return digits(v) + unit
	case unit == unitCount:
		return digits(v)
	}
	return digits(v) + " " + unit
}
