package main

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/tutti-audio/tutti/bench/proc"
	"github.com/tutti-audio/tutti/bench/shards"
)

// slope is how much more a session may cost among the most sessions than among a tenth
// of them, for the growth to count as linear: the spread of a measurement on a machine
// that is shared.
const slope = 1.5

// sessions measures 100 to most sessions spread over several gateways, draws the plots,
// and fails when something grows faster than the sessions.
func sessions(ctx context.Context, o options) error {
	fmt.Printf("\n## Sessions spread over %d gateways\n\nLoad average at the start: %s.\n\n", shards.Gateways, proc.Load())
	fmt.Println("| sessions | gateways, KiB a session | bus, KiB a session | all connected after | all back after a power cut (devices) | half-open at most | all back after kill -9 (devices) | gateways' cores, idle |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- |")
	var all []shards.Result
	for _, n := range steps(o.sessions) {
		r, err := shards.Measure(ctx, n, o.duration)
		if err != nil {
			return err
		}
		all = append(all, r)
		fmt.Printf("| %d | %.1f | %.1f | %.2f s | %.2f s (%d) | %d | %.2f s (%d) | %.2f |\n", n, r.KiB, r.BusKiB, r.Opening.Seconds(),
			r.Storm.Seconds(), r.Cut, r.HalfOpen, r.Kill.Seconds(), r.Orphans, r.IdleCores)
	}
	fmt.Print("\n| sessions | idle, messages a second and session | bytes | a playing group adds, messages a second | KB | for each of its players, messages | KB | chunks beside the power cut, late of them | least lead |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range all {
		fmt.Printf("| %d | %.3f | %.0f | %.1f | %.1f | %.2f | %.2f | %d, %d | %d ms |\n", r.Sessions, r.IdleMessages, r.IdleBytes,
			r.GroupMessages, r.GroupBytes/1000, r.PlayerMessages, r.PlayerBytes/1000, r.Chunks, r.Late, r.MinLead.Milliseconds())
	}
	if err := drawSessions(o.images, all); err != nil {
		return err
	}
	return growth(all)
}

// steps are the numbers of sessions up to most.
func steps(most int) []int {
	var out []int
	for _, n := range []int{100, 500, 1000, 2000, 3500, 5000} {
		if n < most {
			out = append(out, n)
		}
	}
	return append(out, most)
}

// quantities are what must not grow faster than the sessions: totals.
func quantities() []quantity {
	return []quantity{
		{"memory", "memory of the gateways above empty ones", "MiB", func(r shards.Result) float64 { return r.KiB * float64(r.Sessions) / 1024 }},
		{"opening", "all connected after all were seen at once", "s", func(r shards.Result) float64 { return r.Opening.Seconds() }},
		{"storm", "all back after a power cut", "s", func(r shards.Result) float64 { return r.Storm.Seconds() }},
		{"kill", "all back after the kill -9 of one gateway", "s", func(r shards.Result) float64 { return r.Kill.Seconds() }},
		{"bus-idle", "bus traffic, nothing plays", "messages/s", func(r shards.Result) float64 { return r.IdleMessages * float64(r.Sessions) }},
		{"bus-playing", "bus traffic that one group in ten adds by playing", "messages/s", func(r shards.Result) float64 {
			return r.PlayerMessages * float64(r.Sessions) / 10
		}},
	}
}

type quantity struct {
	file, title, unit string
	of                func(shards.Result) float64
}

// growth fails when a quantity grew faster than the sessions did, from a tenth of the
// most to the most. (With fewer, what does not depend on them would hide it.)
func growth(all []shards.Result) error {
	last := all[len(all)-1]
	first := all[0]
	for _, r := range all {
		if r.Sessions*10 <= last.Sessions {
			first = r
		}
	}
	if first.Sessions == last.Sessions {
		return nil
	}
	var faults []error
	fmt.Printf("\n| from %d to %d sessions | grew times | linear is |\n| --- | --- | --- |\n", first.Sessions, last.Sessions)
	linear := float64(last.Sessions) / float64(first.Sessions)
	for _, q := range quantities() {
		grew := q.of(last) / q.of(first)
		fmt.Printf("| %s | %.1f | %.0f |\n", q.title, grew, linear)
		if !(grew <= slope*linear) {
			faults = append(faults, fmt.Errorf("%s grew %.1f times from %d to %d sessions: faster than linear", q.title, grew, first.Sessions, last.Sessions))
		}
	}
	for _, r := range all {
		if r.Late > 0 {
			faults = append(faults, fmt.Errorf("%d of %d chunks were late beside a power cut among %d sessions", r.Late, r.Chunks, r.Sessions))
		}
	}
	return errors.Join(faults...)
}

// drawSessions writes one plot for each quantity, with the straight line through the
// origin and the last point.
func drawSessions(dir string, all []shards.Result) error {
	if dir == "" {
		return nil
	}
	for _, q := range quantities() {
		p := plot.New()
		p.Title.Text, p.X.Label.Text, p.Y.Label.Text = q.title, "sessions", q.unit
		p.BackgroundColor = color.White
		var points plotter.XYs
		for _, r := range all {
			points = append(points, plotter.XY{X: float64(r.Sessions), Y: q.of(r)})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color = color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}, color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}
		end := points[len(points)-1]
		linear, err := plotter.NewLine(plotter.XYs{{}, end})
		if err != nil {
			return err
		}
		linear.Color, linear.Dashes = color.RGBA{R: 0xb2, G: 0x22, B: 0x22, A: 0xff}, []vg.Length{vg.Points(4), vg.Points(3)}
		p.Add(plotter.NewGrid(), linear, line, dots)
		p.Legend.Add("measured", line, dots)
		p.Legend.Add("linear", linear)
		p.Legend.Top, p.Legend.Left = true, true
		p.X.Min, p.Y.Min = 0, 0
		if err := p.Save(14*vg.Centimeter, 7*vg.Centimeter, filepath.Join(dir, "sessions-"+q.file+".svg")); err != nil {
			return fmt.Errorf("draw %s: %w", q.file, err)
		}
	}
	return nil
}
