package client

import (
	"math"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// leastContrast is the WCAG contrast ratio that section server/state color object asks
// for.
const leastContrast = 4.5

// contrastRules checks every pair of colors that has to be legible.
func (r *referee) contrastRules(c *wire.Color) {
	black, white := &wire.RGB{}, &wire.RGB{255, 255, 255}
	for _, pair := range []struct {
		name, other string
		a, b        *wire.RGB
	}{
		{"background_dark", "white", c.BackgroundDark, white},
		{"background_dark", "on_dark", c.BackgroundDark, c.OnDark},
		{"background_light", "black", c.BackgroundLight, black},
		{"background_light", "on_light", c.BackgroundLight, c.OnLight},
		{"on_dark", "black", c.OnDark, black},
		{"on_light", "white", c.OnLight, white},
	} {
		if pair.a == nil || pair.b == nil {
			continue
		}
		ratio := contrast(*pair.a, *pair.b)
		r.check(ratio >= leastContrast, "server/state color object", "%s %v has a contrast of %.2f with %s %v, at least 4.5 is asked for",
			pair.name, *pair.a, ratio, pair.other, *pair.b)
	}
}

// contrast is the contrast ratio of WCAG 2, 1 to 21.
func contrast(a, b wire.RGB) float64 {
	x, y := luminance(a), luminance(b)
	if x < y {
		x, y = y, x
	}
	return (x + 0.05) / (y + 0.05)
}

// luminance is the relative luminance of WCAG 2.
func luminance(c wire.RGB) float64 {
	linear := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}
