package palette

import (
	"hash/fnv"
	"image"
	"math"
)

// Least is the contrast ratio that the specification asks for.
const Least = 4.5

// Palette is the colors of a picture. Every field is set, and the ratios that the
// specification asks for hold:
//
//	BackgroundDark  with white and with OnDark
//	BackgroundLight with black and with OnLight
//	OnDark          with black
//	OnLight         with white
type Palette struct {
	BackgroundDark, BackgroundLight RGB
	Primary, Accent                 RGB
	OnDark, OnLight                 RGB
}

var black, white = RGB{}, RGB{255, 255, 255}

// Of returns the palette of a picture. Every pixel is counted, so a large picture should
// be made small first. An empty picture is black.
func Of(m image.Image) Palette {
	b := m.Bounds()
	pixels := make([]lab, 0, b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := m.At(x, y).RGBA() // on black, as it is shown
			pixels = append(pixels, toLab(RGB{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}))
		}
	}
	if len(pixels) == 0 {
		pixels = []lab{{}}
	}
	found := split(pixels)
	primary := dominant(found)
	return build(primary, second(found, primary))
}

// Seeded returns a palette for something without a picture: quiet colors whose hue comes
// from the text, so that a title always has the same.
func Seeded(text string) Palette {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	angle := float64(h.Sum64()>>11) / (1 << 53) * 2 * math.Pi
	primary := lab{0.55, 0.09 * math.Cos(angle), 0.09 * math.Sin(angle)}
	return build(primary, turned(primary))
}

// dominant is the color that fills most of a picture. Color counts a little more than
// grey: a red title on a white cover is what people remember.
func dominant(found []cluster) lab {
	best, score := found[0].lab, -1.0
	for _, c := range found {
		if s := c.share * (0.5 + min(c.chroma()/0.1, 1)); s > score {
			best, score = c.lab, s
		}
	}
	return best
}

// second is the color that stands out most beside the first; without any, the
// complementary one.
func second(found []cluster, first lab) lab {
	const near, least = 0.1, 0.01
	best, score := lab{}, 0.0
	for _, c := range found {
		d := c.distance(first)
		if d < near || c.share < least {
			continue
		}
		if s := d * math.Sqrt(c.share) * (0.3 + min(c.chroma()/0.1, 1)); s > score {
			best, score = c.lab, s
		}
	}
	if score == 0 {
		return turned(first)
	}
	return best
}

// turned is the complementary color, of a middle lightness; of a grey, a lighter or
// darker one.
func turned(c lab) lab {
	l := c.L + 0.3
	if c.L > 0.5 {
		l = c.L - 0.3
	}
	return lab{l, -c.a, -c.b}
}

// build makes the colors for backgrounds and text. Each begins where it looks good and
// moves towards black or white until its ratios hold, which they do there at the latest.
func build(primary, accent lab) Palette {
	p := Palette{Primary: fromLab(primary), Accent: fromLab(accent)}
	p.BackgroundDark = darker(muted(primary, 0.28, 0.08), white)
	p.OnDark = lighter(muted(accent, 0.88, 0.09), p.BackgroundDark, black)
	p.BackgroundLight = lighter(muted(primary, 0.92, 0.05), black)
	p.OnLight = darker(muted(accent, 0.38, 0.11), p.BackgroundLight, white)
	return p
}

// muted keeps the hue at a lightness, with at most this chroma.
func muted(c lab, l, chroma float64) lab {
	f := 1.0
	if have := c.chroma(); have > chroma {
		f = chroma / have
	}
	return lab{l, c.a * f, c.b * f}
}

// step of lightness while a color moves.
const step = 0.01

func darker(c lab, against ...RGB) RGB {
	for ; c.L > 0; c.L -= step {
		if rgb := fromLab(c); stands(rgb, against) {
			return rgb
		}
	}
	return black
}

func lighter(c lab, against ...RGB) RGB {
	for ; c.L < 1; c.L += step {
		if rgb := fromLab(c); stands(rgb, against) {
			return rgb
		}
	}
	return white
}

func stands(c RGB, against []RGB) bool {
	for _, o := range against {
		if Contrast(c, o) < Least {
			return false
		}
	}
	return true
}
