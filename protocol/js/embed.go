// Package js embeds the browser client, one ES module, so that a server can hand it to its pages. The
// module's own README tells how to use it. The package has no other code and starts no goroutine.
package js

import _ "embed"

//go:embed tickhall.js
var source []byte

// Source returns the text of tickhall.js, UTF-8, to be served as text/javascript. Callers don't change it.
func Source() []byte { return source }
