//go:build ignore

// Command queries asks a Prometheus every query of a Grafana dashboard, as Grafana would, and fails if one errs or
// answers nothing.
//
//	go run .ci/queries.go DASHBOARD PROMETHEUS
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

type panel struct {
	Title   string
	Panels  []panel // of a row that is collapsed
	Targets []struct{ Expr string }
}

// variables are Grafana's, as they would be for the last minute.
var variables = strings.NewReplacer("$__rate_interval", "20s", "$__range", "1m", "$kind", ".*")

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "queries: give a dashboard's file and a Prometheus's address")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "queries:", err)
		os.Exit(1)
	}
}

func run(file, prometheus string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(b, &dashboard); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var faults []error
	asked := 0
	var walk func([]panel)
	walk = func(list []panel) {
		for _, p := range list {
			for _, t := range p.Targets {
				asked++
				expr := variables.Replace(t.Expr)
				if err := ask(prometheus, expr); err != nil {
					faults = append(faults, fmt.Errorf("panel %q: %s: %w", p.Title, expr, err))
				}
			}
			walk(p.Panels)
		}
	}
	walk(dashboard.Panels)
	if asked == 0 {
		faults = append(faults, errors.New(file+" has no query"))
	}
	fmt.Printf("%d queries asked, %d answered\n", asked, asked-len(faults))
	return errors.Join(faults...)
}

// ask wants at least one number.
func ask(prometheus, expr string) error {
	now := time.Now()
	res, err := http.Get(prometheus + "/api/v1/query_range?" + url.Values{
		"query": {expr}, "start": {strconv.FormatInt(now.Unix()-10, 10)}, "end": {strconv.FormatInt(now.Unix(), 10)}, "step": {"2"},
	}.Encode())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Values [][2]any }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("status %d: %w", res.StatusCode, err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	for _, series := range answer.Data.Result {
		for _, v := range series.Values {
			if v[1] != "NaN" {
				return nil
			}
		}
	}
	return fmt.Errorf("no data in %d series", len(answer.Data.Result))
}
