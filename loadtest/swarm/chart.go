package swarm

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// chart is lines in a frame, drawn as SVG. The page's style sheet has the colours: classes s0 to s4.
type chart struct {
	series      []series
	unit        string
	percentiles bool // along the x axis, by percentileAxis; else seconds
	logarithmic bool // y axis
	limits      []threshold
}

// threshold is a value that a gate wants, drawn across the chart.
type threshold struct {
	text  string
	value float64
}

// mostHovered is of how many points of a series the values are shown when the pointer is over them.
const mostHovered = 120

type series struct {
	name   string
	points [][2]float64
}

// The size of a chart, and of the margins in it.
const (
	chartWidth, chartHeight = 640., 300.
	left, right             = 64., 14.
	top, bottom             = 12., 26.
)

// decades is how much of a logarithmic axis is shown: what is below the most by more lies on its bottom.
const decades = 1e4

// svg draws the chart; "" if there is nothing to draw.
func (c *chart) svg() template.HTML {
	most, least, end := 0., math.Inf(1), 0.
	for _, s := range c.series {
		for _, p := range s.points {
			most, end = max(most, p[1]), max(end, p[0])
			if p[1] > 0 {
				least = min(least, p[1])
			}
		}
	}
	if end == 0 || most == 0 {
		return ""
	}
	for _, l := range c.limits {
		most = max(most, l.value)
	}
	ticks := linearTicks(most)
	if c.logarithmic {
		ticks = logTicks(max(least, most/decades), most)
	}
	low, high := ticks[0], ticks[len(ticks)-1]
	x := func(v float64) float64 { return left + v/end*(chartWidth-left-right) }
	y := func(v float64) float64 {
		share := (v - low) / (high - low)
		if c.logarithmic {
			share = math.Log(max(v, low)/low) / math.Log(high/low)
		}
		return chartHeight - bottom - share*(chartHeight-top-bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img">`, chartWidth, chartHeight)
	for _, t := range ticks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			left, chartWidth-right, y(t), y(t), left-8, y(t)+4, template.HTMLEscapeString(format(t, c.unit)))
	}
	for _, t := range c.across(end) {
		label := secondsLabel(t)
		if c.percentiles {
			label = percentileLabel(t)
		}
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
			x(t), x(t), top, chartHeight-bottom, min(x(t), chartWidth-28), chartHeight-8, label)
	}
	for i, s := range c.series {
		if len(s.points) == 1 {
			fmt.Fprintf(&b, `<circle class="s%d" cx="%.1f" cy="%.1f" r="3"/>`, i%5, x(s.points[0][0]), y(s.points[0][1]))
			continue
		}
		fmt.Fprintf(&b, `<polyline class="s%d" points="`, i%5)
		for _, p := range s.points {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p[0]), y(p[1]))
		}
		b.WriteString(`"/>`)
	}
	for _, l := range c.limits {
		text := template.HTMLEscapeString(l.text)
		fmt.Fprintf(&b, `<line class="limit" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"><title>%s</title></line><text class="limit" x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			left, chartWidth-right, y(l.value), y(l.value), text, chartWidth-right, y(l.value)-4, text)
	}
	for i, s := range c.series {
		every := (len(s.points) + mostHovered - 1) / mostHovered
		for n := 0; n < len(s.points); n += every {
			p := s.points[n]
			fmt.Fprintf(&b, `<circle class="hover s%d" cx="%.1f" cy="%.1f" r="6"><title>%s: %s at %s</title></circle>`, i%5, x(p[0]), y(p[1]),
				template.HTMLEscapeString(s.name), template.HTMLEscapeString(format(p[1], c.unit)), c.where(p[0]))
		}
	}
	b.WriteString(`</svg><p class="legend">`)
	for i, s := range c.series {
		fmt.Fprintf(&b, `<span class="s%d">%s</span>`, i%5, template.HTMLEscapeString(s.name))
	}
	b.WriteString(`</p>`)
	return template.HTML(b.String())
}

// where says what a place on the x axis is.
func (c *chart) where(x float64) string {
	if c.percentiles {
		return strconv.FormatFloat(100*(1-math.Pow(10, -x)), 'g', 5, 64) + "%"
	}
	return secondsLabel(x)
}

// across are the marks of the x axis.
func (c *chart) across(end float64) []float64 {
	step := 1.
	if !c.percentiles {
		step = niceStep(end, 8)
	}
	var list []float64
	for t := 0.; t <= end+1e-9; t += step {
		list = append(list, t)
	}
	return list
}

func linearTicks(most float64) []float64 {
	step := niceStep(most, 5)
	var list []float64
	for i := range int(math.Ceil(most/step-1e-9)) + 1 {
		list = append(list, float64(i)*step)
	}
	return list
}

// niceStep is 1, 2 or 5 times a power of ten, so that there are at most n steps.
func niceStep(most float64, n int) float64 {
	step := math.Pow(10, math.Floor(math.Log10(most/float64(n))))
	for _, k := range []float64{1, 2, 5, 10} {
		if most/(k*step) <= float64(n) {
			return k * step
		}
	}
	return 10 * step
}

// logTicks are 1, 2 and 5 times powers of ten, from what is below least to what is above most; where that is many, the
// powers alone.
func logTicks(least, most float64) []float64 {
	powers := func(factors ...float64) []float64 {
		var list []float64
		for e := math.Floor(math.Log10(least)); ; e++ {
			for _, k := range factors {
				t := k * math.Pow(10, e)
				if t <= least*(1+1e-9) {
					list = list[:0]
				}
				list = append(list, t)
				if t >= most*(1-1e-9) && len(list) > 1 {
					return list
				}
			}
		}
	}
	if list := powers(1, 2, 5); len(list) <= 10 {
		return list
	}
	return powers(1)
}
