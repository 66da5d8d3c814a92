package soak

import (
	"fmt"
	"math"
	"slices"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// timelines compares what the players of each group were told to play at the same time,
// where nobody touched their timelines. compared counts the pairs.
func timelines(ref *reference, all []*device) (compared int, faults []string) {
	type mark struct {
		heard
		d *device
	}
	groups := map[string][]mark{}
	for _, d := range all {
		d.mu.Lock()
		for _, h := range d.ear.heard {
			if h.group != "" && d.ear.calm(h.at) {
				groups[h.group] = append(groups[h.group], mark{h, d})
			}
		}
		d.mu.Unlock()
	}
	for _, marks := range groups {
		slices.SortFunc(marks, func(a, b mark) int { return int(a.at - b.at) })
		var base *mark // the newest exact chunk
		for i := range marks {
			m := &marks[i]
			if base != nil && base.d != m.d && m.at-base.at < 200_000 && m.d.calmSince(base.at) && base.d.calmSince(m.at) {
				fault, ok := compare(ref, base.heard, m.heard)
				if fault != "" {
					faults = append(faults, fmt.Sprintf("%s and %s: %s", base.d.name, m.d.name, fault))
				}
				if ok {
					compared++
				}
			}
			if m.samples == nil {
				base = m
			}
		}
	}
	return compared, faults
}

func (d *device) calmSince(at int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ear.calm(at)
}

// compare checks that b is where a says that the music is. ok is false across a title's end.
func compare(ref *reference, a, b heard) (fault string, ok bool) {
	if b.samples != nil {
		return compareResampled(ref, a, b)
	}
	if a.in.file != b.in.file {
		return "", false
	}
	want := a.in.frame + int(math.Round(float64(b.at-a.at)*rate/1e6))
	if want >= ref.frames(a.in.file) { // the same title again
		return "", false
	}
	if b.in.frame != want {
		return fmt.Sprintf("at %d one plays frame %d, the other %d", b.at, want, b.in.frame), true
	}
	return "", true
}

// compareResampled measures the lag of a resampled or mixed chunk.
func compareResampled(ref *reference, a, b heard) (fault string, ok bool) {
	start := float64(a.in.frame)*1e6/rate + float64(b.at-a.at)
	file := ref.files[a.in.file]
	length := float64(len(b.samples)/b.format.Channels) * 1e6 / float64(b.format.SampleRate)
	const margin = 3_000 // µs, for the kernel and the search
	if start < margin || start+length+margin > float64(ref.frames(a.in.file))*1e6/rate {
		return "", false
	}
	side := 0
	if b.format.Channels == 1 {
		side = -1
	}
	// Only the part of the file around the chunk.
	from := int((start-margin)*rate/1e6) * channels
	until := min(len(file), int((start+length+margin)*rate/1e6)*channels)
	part := harness.Channel(file[from:until], channels, side)
	got := harness.Channel(b.samples, b.format.Channels, 0)
	if quiet(part) {
		return "", false
	}
	lag := harness.Lag(got, start-float64(from/channels)*1e6/rate, b.format.SampleRate, part, rate, 3)
	if math.Abs(lag) >= 1e6/float64(b.format.SampleRate) {
		return fmt.Sprintf("at %d the one in %s is %.2f µs late", b.at, b.format, lag), true
	}
	return "", true
}

// quiet reports whether there is too little to measure a lag by.
func quiet(v []float64) bool {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum/float64(len(v))) < 100
}
