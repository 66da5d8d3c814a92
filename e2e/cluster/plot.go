package cluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeReadings puts every reading of the clocks down as clock-readings.csv, for those who
// look for the cause of what the plot shows.
func writeReadings(dir string, all map[string][]Reading) error {
	b := []byte("host,kernel_us,offset_us,unsure_us\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, r := range all[name] {
			b = fmt.Appendf(b, "%s,%d,%.1f,%.1f\n", name, r.At, r.Off, r.Unsure)
		}
	}
	return os.WriteFile(filepath.Join(dir, "clock-readings.csv"), b, 0o644)
}

// plotClock draws how far each gateway's clock was from the mean of all, over time, as
// docs/img/clock-hosts.svg.
func plotClock(dir string, all map[string][]Reading, from, killed int64) error {
	const width, height, left, bottom = 860.0, 380.0, 60.0, 40.0
	names := slices.Sorted(maps.Keys(all))
	base := all[names[0]]
	until := base[len(base)-1].At
	type point struct{ t, us float64 }
	lines := map[string][]point{}
	most := 20.0
	for _, r := range base {
		var here []Reading
		for _, name := range names {
			if x, ok := at(all[name], r.At); ok {
				here = append(here, x)
			}
		}
		if len(here) != len(names) {
			continue
		}
		mean := 0.0
		for _, x := range here {
			mean += x.Off / float64(len(here))
		}
		for i, name := range names {
			us := here[i].Off - mean
			most = max(most, us, -us)
			lines[name] = append(lines[name], point{float64(r.At-from) / 1e6, us})
		}
	}
	seconds := float64(until-from) / 1e6
	x := func(t float64) float64 { return left + t/seconds*(width-left-20) }
	y := func(us float64) float64 { return 30 + (most-us)/(2*most)*(height-bottom-30) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%g" y="18" font-size="14">House clock at three gateways with kernels of their own: distance from their mean, µs</text>
`, width, height, left)
	for i := -2; i <= 2; i++ {
		us := most * float64(i) / 2
		fmt.Fprintf(&b, `<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%.0f</text>`+"\n",
			left, width-20, y(us), y(us), left-6, y(us)+4, us)
	}
	for t := 0.0; t <= seconds; t += 20 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%.0f s</text>`+"\n", x(t), height-bottom+20, t)
	}
	k := x(float64(killed-from) / 1e6)
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="30" y2="%g" stroke="#c00" stroke-dasharray="4 3"/><text x="%.1f" y="44" fill="#c00">kill -9 of the leader</text>`+"\n",
		k, k, height-bottom, k+5)
	for i, name := range names {
		color := []string{"#1f77b4", "#2ca02c", "#9467bd"}[i%3]
		var d strings.Builder
		for j, p := range lines[name] {
			fmt.Fprintf(&d, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[j == 0], x(p.t), y(p.us))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.2"/><text x="%g" y="%g" fill="%s">gateway on %s</text>`+"\n",
			d.String(), color, left+10+float64(i)*130, height-bottom-8, color, name)
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(filepath.Join(dir, "clock-hosts.svg"), []byte(b.String()), 0o644)
}
