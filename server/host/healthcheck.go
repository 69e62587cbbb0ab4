package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthcheckTimeout is how long a server has to say that it is ready.
const healthcheckTimeout = 3 * time.Second

// What the program does in place of serving. With healthcheckFlag it asks a running server how it is: a container of this
// program alone has nothing else to ask with.
const (
	healthcheckFlag = "--healthcheck"
	versionFlag     = "--version"
)

// takeTask takes these flags out of args, and returns the last one.
func takeTask(args []string) (rest []string, task string) {
	for _, a := range args {
		switch {
		case a == healthcheckFlag, a == versionFlag:
			task = a
		case "-"+a == healthcheckFlag, "-"+a == versionFlag:
			task = "-" + a
		default:
			rest = append(rest, a)
		}
	}
	return rest, task
}

// healthcheck asks the server that listens at address, on this machine, whether it is ready.
func healthcheck(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return fmt.Errorf("%s needs the address that the server listens at: give the same --listen or TICKHALL_LISTEN, with its port", healthcheckFlag)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 200)) // for the message only
	if res.StatusCode != http.StatusOK {
		return errors.New("the server is not ready: " + string(body))
	}
	return nil
}
