package metrics

import (
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/room"
)

// ofKinds are counters of all kinds together that are served by kind, under the KindStats field that is named.
var ofKinds = map[string]map[string]string{
	"room.Stats": {
		"WorkedNanos": "Tick", "LateNanos": "Lateness", "Skipped": "SkippedNanos", "Bytes": "Size",
		"Joins": "Joins", "Refused": "Refused", "Resumes": "Resumes", "Leaves": "Leaves", "Expired": "Expired", "Idle": "Idle",
		"Snapshots": "Snapshots", "Keyframes": "Keyframes", "SkippedCongested": "SkippedCongested",
		"SkippedUnacknowledged": "SkippedUnacknowledged", "SendFailed": "SendFailed", "Outgrown": "Outgrown",
		"TooLarge": "TooLarge", "Unacknowledged": "Unacknowledged", "EventsDropped": "EventsDropped",
	},
	"lobby.Stats": {"Opened": "Opened", "Ended": "Ended", "Panicked": "Panics", "Stuck": "Stuck", "Slow": "Slow", "Broken": "Broken"},
}

// What is counted is served: a counter that is added to one of these structs needs a metric.
func TestEveryCounterIsServed(t *testing.T) {
	cfg := full()
	kind := reflect.TypeFor[room.KindStats]()
	unique := int64(1000)
	expected := map[string]int64{} // by the counter's name: a value that nothing else has
	mark := func(name string, field any) bool {
		unique++
		switch f := field.(type) {
		case *atomic.Int64:
			f.Store(unique)
		case *int64:
			*f = unique
		case **room.Histogram:
			for range unique {
				(*f).Observe(1)
			}
		default:
			return false
		}
		expected[name] = unique
		return true
	}
	walk := func(stats any) {
		v := reflect.ValueOf(stats).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if by := ofKinds[v.Type().String()][f.Name]; by != "" {
				_, ok := kind.FieldByName(by)
				require.True(t, ok, by)
				continue
			}
			name := v.Type().String() + "." + f.Name
			if f.Type.Kind() == reflect.Array {
				for j := range f.Type.Len() {
					require.True(t, mark(name, v.Field(i).Index(j).Addr().Interface()), name)
				}
				continue
			}
			require.True(t, mark(name, v.Field(i).Addr().Interface()), "%s is of a type that this test does not know", name)
		}
	}
	var queue Queue
	var admin Admin
	cfg.Queue = func() Queue { return queue }
	cfg.Admin = func() Admin { return admin }
	for _, stats := range []any{cfg.Lobby, cfg.Room, cfg.Room.Kind("duel"), cfg.Player, cfg.Gateway, &queue, &admin} {
		walk(stats)
	}
	require.Greater(t, len(expected), 60)

	values := map[float64]bool{}
	families, err := NewRegistry(cfg).Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			values[m.GetCounter().GetValue()+m.GetGauge().GetValue()] = true
			values[float64(m.GetHistogram().GetSampleCount())] = true
		}
	}
	for name, v := range expected {
		require.True(t, values[float64(v)] || values[float64(v)/1e9], "%s is counted and not served", name)
	}
}
