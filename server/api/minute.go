package api

import "time"

// Minute writes a moment for people, in UTC and rounded up to the minute, so that what lasts until then is over by then. The
// pages of package web know it in a sentence by its form, and show local time.
func Minute(t time.Time) string {
	return t.Add(time.Minute - 1).UTC().Truncate(time.Minute).Format("2006-01-02 15:04 MST")
}
