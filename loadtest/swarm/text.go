package swarm

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the summary for a person at a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	where := r.URL
	if r.ServerVersion != "" {
		where += " (" + r.ServerVersion + ")"
	}
	fmt.Fprintf(&b, "%s\n%s, %s\n\n", r.title(), where, r.Machine)
	if r.Broken != "" {
		fmt.Fprintf(&b, "BROKEN OFF: %s\n\n", r.Broken)
	}
	if len(r.Climb) > 0 {
		r.climbText(&b)
	}
	if len(r.Distributions) > 0 {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "\tp50\tp90\tp99\tp99.9\tmax\tcount\t\n")
		for _, d := range r.Distributions {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t\n", d.Name, format(d.P50, d.Unit), format(d.P90, d.Unit),
				format(d.P99, d.Unit), format(d.P999, d.Unit), format(d.Max, d.Unit), d.Count)
		}
		_ = t.Flush() // into a buffer
		b.WriteByte('\n')
	}
	for _, f := range r.facts() {
		fmt.Fprintf(&b, "%-22s %s\n", f[0], f[1])
	}
	if len(r.Notes) > 0 {
		fmt.Fprintf(&b, "\nnote: %s\n", strings.Join(r.Notes, "\nnote: "))
	}
	if len(r.Gates) > 0 {
		b.WriteByte('\n')
		for _, g := range r.Gates {
			verdict := "ok    "
			if !g.OK {
				verdict = "FAILED"
			}
			fmt.Fprintf(&b, "gate %s %s\n", verdict, g.Text)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) climbText(b *bytes.Buffer) {
	for _, s := range r.Climb {
		fmt.Fprintln(b, s)
	}
	if best := Best(r.Climb); best > 0 {
		fmt.Fprintf(b, "\nThe largest load that met the gates was %d players. The figures below are of that step.\n\n", best)
		return
	}
	b.WriteString("\nNo load met the gates. The figures below are of the smallest.\n\n")
}
