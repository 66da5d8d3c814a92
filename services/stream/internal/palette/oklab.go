package palette

import "math"

// RGB is a color in sRGB, red, green and blue, 0-255 each.
type RGB [3]uint8

// lab is a color in OKLab: L is 0 to 1, a and b are about -0.4 to 0.4.
type lab struct{ L, a, b float64 }

func (x lab) sub(y lab) lab           { return lab{x.L - y.L, x.a - y.a, x.b - y.b} }
func (x lab) plus(y lab) lab          { return lab{x.L + y.L, x.a + y.a, x.b + y.b} }
func (x lab) times(f float64) lab     { return lab{x.L * f, x.a * f, x.b * f} }
func (x lab) distance(y lab) float64  { d := x.sub(y); return math.Sqrt(d.L*d.L + d.a*d.a + d.b*d.b) }
func (x lab) chroma() float64         { return math.Hypot(x.a, x.b) }
func (x lab) component(i int) float64 { return [3]float64{x.L, x.a, x.b}[i] }

// linear undoes the transfer function of sRGB (IEC 61966-2-1).
func linear(v uint8) float64 {
	f := float64(v) / 255
	if f <= 0.04045 {
		return f / 12.92
	}
	return math.Pow((f+0.055)/1.055, 2.4)
}

func encoded(f float64) float64 {
	if f <= 0.0031308 {
		return 12.92 * f
	}
	return 1.055*math.Pow(f, 1/2.4) - 0.055
}

func toLab(c RGB) lab {
	r, g, b := linear(c[0]), linear(c[1]), linear(c[2])
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return lab{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

// fromLab returns the color, with as much of its chroma as sRGB can show.
func fromLab(x lab) RGB {
	for {
		if c, ok := exact(x); ok {
			return c
		}
		if x.chroma() < 0.002 {
			x.a, x.b, x.L = 0, 0, min(max(x.L, 0), 1)
			c, _ := exact(x)
			return c
		}
		x.a, x.b = x.a*0.95, x.b*0.95
	}
}

// exact converts to sRGB; ok is false for what sRGB cannot show.
func exact(x lab) (c RGB, ok bool) {
	l, m, s := x.L+0.3963377774*x.a+0.2158037573*x.b, x.L-0.1055613458*x.a-0.0638541728*x.b, x.L-0.0894841775*x.a-1.2914855480*x.b
	l, m, s = l*l*l, m*m*m, s*s*s
	ok = true
	for i, v := range [3]float64{
		4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
		-1.2684380046*l + 2.6097574011*m - 0.3413193965*s,
		-0.0041960863*l - 0.7034186147*m + 1.7076147010*s,
	} {
		v = encoded(v) * 255
		ok = ok && v > -0.5 && v < 255.5
		c[i] = uint8(min(max(math.Round(v), 0), 255))
	}
	return c, ok
}

// Contrast is the contrast ratio of WCAG 2, 1 to 21.
func Contrast(a, b RGB) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.
func luminance(c RGB) float64 {
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}
