package host

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// off stands in place of an address for what is not served.
const off = "off"

// checkAside says what is wrong with the address of what may have one of its own.
func checkAside(s string) error {
	if s == "" || s == off {
		return nil
	}
	return checkAddress(s)
}

// serveAside serves handler at an address of its own, which flag sets, to whoever reaches it; what and path are for the
// log. Without an address, or where it is off, it does nothing. stop ends that and waits for it.
func (h *Host) serveAside(address, flag, what, path string, handler http.Handler) (stop func(), err error) {
	if address == "" || address == off {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with --%s", err, flag)
	}
	server := &http.Server{
		Handler: handler, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(h.cfg.Log.Handler(), slog.LevelWarn),
	}
	h.cfg.Log.Info(what, "url", "http://"+reachable(listener.Addr())+path)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) }) // until stop
	return func() {
		_ = server.Close() // a request that is left gets cut
		wg.Wait()
	}, nil
}
