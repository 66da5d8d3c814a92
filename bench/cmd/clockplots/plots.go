package main

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tutti-audio/tutti/sendspin/clock/clocksim"
)

// A page's width, and the height of one plot.
const (
	width  = 18 * vg.Centimeter
	height = 7 * vg.Centimeter
)

var (
	blue   = color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}
	pale   = color.RGBA{R: 0xc9, G: 0xdd, B: 0xf2, A: 0xff}
	red    = color.RGBA{R: 0xb2, G: 0x22, B: 0x22, A: 0xff}
	shades = []color.Color{blue, color.RGBA{R: 0x2e, G: 0x8b, B: 0x57, A: 0xff}, color.RGBA{R: 0xd9, G: 0x7a, B: 0x00, A: 0xff}, red}
)

// overTime writes one plot for each network: the error over all hours, one seed.
func overTime(dir string, all []series) error {
	for _, s := range all {
		p := newPlot(fmt.Sprintf("%s: error of the estimate, seed 1", s.Name), "hours", "µs")
		low, high := envelope(s.results[1].Points, s.SettledS)
		band, err := plotter.NewPolygon(append(high, reversed(low)...))
		if err != nil {
			return err
		}
		band.Color, band.LineStyle.Width = blue, 0
		p.Add(band, bound(s.BoundUS, clocksim.Hours), bound(-s.BoundUS, clocksim.Hours))
		p.Y.Min, p.Y.Max = -1.2*s.BoundUS, 1.2*s.BoundUS
		p.X.Min, p.X.Max = 0, clocksim.Hours+0.15 // room for the last label
		if err := save(p, dir, "clock-"+strings.ToLower(strings.ReplaceAll(s.Name, " ", "-"))); err != nil {
			return err
		}
	}
	return nil
}

// envelope is the least and the largest error of every minute from seconds on.
func envelope(points []clocksim.Point, from float64) (low, high plotter.XYs) {
	for minute := range slices.Chunk(points, 60) {
		x := minute[0].AtS / 3600
		if minute[0].AtS < from {
			continue
		}
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, p := range minute {
			lo, hi = min(lo, p.ErrUS), max(hi, p.ErrUS)
		}
		low, high = append(low, plotter.XY{X: x, Y: lo}), append(high, plotter.XY{X: x, Y: hi})
	}
	return low, high
}

func reversed(v plotter.XYs) plotter.XYs {
	v = slices.Clone(v)
	slices.Reverse(v)
	return v
}

// bound is a dashed line at y.
func bound(y, until float64) plot.Plotter {
	l, _ := plotter.NewLine(plotter.XYs{{X: 0, Y: y}, {X: until, Y: y}}) // two finite points
	l.Color, l.Dashes = red, []vg.Length{vg.Points(4), vg.Points(3)}
	return l
}

// convergence shows the first quarter of an hour: the absolute error that seven of eight
// seeds are within, every five seconds.
func convergence(dir string, all []series) error {
	const step, until = 5, 900
	p := newPlot("The first quarter of an hour: error that 7 of 8 seeds are within", "minutes", "µs")
	logarithmic(&p.Y, 1, 20_000)
	for i, s := range all {
		var line plotter.XYs
		for at := step; at <= until; at += step {
			errs := make([]float64, 0, len(s.results))
			for _, r := range s.results {
				errs = append(errs, worst(r.Points[at-step:at]))
			}
			slices.Sort(errs)
			line = append(line, plotter.XY{X: float64(at) / 60, Y: max(1, errs[len(errs)-2])})
		}
		if err := add(p, line, s.Name, shades[i]); err != nil {
			return err
		}
	}
	p.X.Max = until/60 + 0.4
	p.Add(bound(500, until/60))
	p.Legend.Top = true
	return save(p, dir, "clock-convergence")
}

func worst(points []clocksim.Point) (us float64) {
	for _, p := range points {
		us = max(us, math.Abs(p.ErrUS))
	}
	return us
}

// distribution shows for how much of the time the error is larger than what: all seeds.
func distribution(dir string, all []series) error {
	p := newPlot("Share of the time with a larger error, all seeds", "µs", "share")
	logarithmic(&p.Y, 1e-4, 1)
	logarithmic(&p.X, 1, 1150)
	for i, s := range all {
		line, err := exceeded(s)
		if err != nil {
			return err
		}
		if err := add(p, line, s.Name, shades[i]); err != nil {
			return err
		}
	}
	one, _ := plotter.NewLine(plotter.XYs{{X: 1, Y: 0.01}, {X: 1000, Y: 0.01}}) // two finite points
	one.Color, one.Dashes = red, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(one)
	p.Legend.Left = true
	return save(p, dir, "clock-distribution")
}

func exceeded(s series) (plotter.XYs, error) {
	var errs []float64
	for _, r := range s.results {
		for _, p := range r.Points {
			if p.AtS >= s.SettledS {
				errs = append(errs, math.Abs(p.ErrUS))
			}
		}
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("%s: no points", s.Name)
	}
	slices.Sort(errs)
	var line plotter.XYs
	for x := 1.0; x <= 1000; x *= 1.05 {
		n, _ := slices.BinarySearch(errs, x)
		if share := 1 - float64(n)/float64(len(errs)); share >= 1e-4 {
			line = append(line, plotter.XY{X: x, Y: share})
		}
	}
	return line, nil
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Add(&plotter.Grid{Vertical: draw.LineStyle{Color: pale, Width: vg.Points(0.5)}, Horizontal: draw.LineStyle{Color: pale, Width: vg.Points(0.5)}})
	return p
}

func logarithmic(a *plot.Axis, from, to float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	a.Min, a.Max = from, to
}

func add(p *plot.Plot, line plotter.XYs, name string, c color.Color) error {
	l, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.2)
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

func save(p *plot.Plot, dir, name string) error {
	return p.Save(width, height, filepath.Join(dir, name+".svg"))
}
