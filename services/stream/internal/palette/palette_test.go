package palette

import (
	"image"
	"image/color"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// check holds a palette to the ratios of section server/state color object.
func check(t interface{ Errorf(string, ...any) }, what string, p Palette) {
	for _, pair := range []struct {
		name string
		a, b RGB
	}{
		{"background_dark on white", p.BackgroundDark, white},
		{"background_dark and on_dark", p.BackgroundDark, p.OnDark},
		{"background_light on black", p.BackgroundLight, black},
		{"background_light and on_light", p.BackgroundLight, p.OnLight},
		{"on_dark and black", p.OnDark, black},
		{"on_light and white", p.OnLight, white},
	} {
		if r := Contrast(pair.a, pair.b); r < 4.5 {
			t.Errorf("%s: %s: %v and %v have %.3f, want 4.5", what, pair.name, pair.a, pair.b, r)
		}
	}
}

func filled(c ...RGB) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, len(c)*4, 8))
	for y := range 8 {
		for x := range len(c) * 4 {
			v := c[x/4]
			m.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	return m
}

func TestContrastHoldsForSpecialPictures(t *testing.T) {
	pictures := map[string]image.Image{
		"empty": image.NewRGBA(image.Rectangle{}), "black": filled(black), "white": filled(white), "black and white": filled(black, white),
		"middle grey": filled(RGB{118, 118, 118}), "greys": filled(RGB{20, 20, 20}, RGB{90, 90, 90}, RGB{119, 119, 119}, RGB{200, 200, 200}),
		"transparent": image.NewNRGBA(image.Rect(0, 0, 5, 5)),
	}
	for i := range 12 {
		angle := float64(i) / 12 * 2 * math.Pi
		for _, l := range []float64{0.2, 0.5, 0.8} {
			c := fromLab(lab{l, 0.3 * math.Cos(angle), 0.3 * math.Sin(angle)})
			pictures["hue "+string(rune('A'+i))] = filled(c, c, c)
			check(t, "a single hue", Of(filled(c)))
		}
	}
	for name, m := range pictures {
		check(t, name, Of(m))
	}
}

// Every corner and edge of the cube of colors, as background and as text color.
func TestContrastHoldsOverTheCube(t *testing.T) {
	values := []uint8{0, 1, 51, 102, 117, 119, 153, 204, 254, 255}
	for _, r := range values {
		for _, g := range values {
			for _, b := range values {
				c := RGB{r, g, b}
				check(t, "cube", build(toLab(c), toLab(RGB{g, b, r})))
			}
		}
	}
}

func TestContrastHoldsForRandomPictures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 24).Draw(t, "w"), rapid.IntRange(1, 24).Draw(t, "h")
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		copy(m.Pix, rapid.SliceOfN(rapid.Byte(), len(m.Pix), len(m.Pix)).Draw(t, "pixels"))
		if rapid.Bool().Draw(t, "opaque") {
			for i := 3; i < len(m.Pix); i += 4 {
				m.Pix[i] = 255
			}
		}
		p := Of(m)
		check(t, "random", p)
		if again := Of(m); again != p {
			t.Fatalf("the same picture gives %v and %v", p, again)
		}
	})
}

func TestContrastHoldsForSeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "seed")
		check(t, s, Seeded(s))
	})
	if Seeded("one") == Seeded("two") {
		t.Error("two titles have the same colors")
	}
}

// The colors are those of the picture: known answers.
func TestColorsAreThoseOfThePicture(t *testing.T) {
	red, blue := RGB{200, 30, 30}, RGB{20, 40, 180}
	for name, c := range map[string]struct {
		m               image.Image
		primary, accent RGB
	}{
		"one color is its own":            {filled(red), red, fromLab(turned(toLab(red)))},
		"the larger one is primary":       {filled(red, red, red, blue), red, blue},
		"and the other way round":         {filled(blue, blue, blue, red), blue, red},
		"color beats white a little":      {filled(white, white, white, red, red), red, white},
		"but white that fills it stays":   {filled(white, white, white, white, white, white, white, red), white, red},
		"a speck is not a second color":   {speck(), blue, fromLab(turned(toLab(blue)))},
		"near shades are the same color ": {filled(RGB{200, 30, 30}, RGB{205, 32, 30}), fromLab(mean([]lab{toLab(red), toLab(RGB{205, 32, 30})})), RGB{}},
	} {
		p := Of(c.m)
		if !near(p.Primary, c.primary, 6) || c.accent != (RGB{}) && !near(p.Accent, c.accent, 6) {
			t.Errorf("%s: %v and %v, want %v and %v", name, p.Primary, p.Accent, c.primary, c.accent)
		}
	}
}

// speck is blue with one red pixel of 400.
func speck() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 20, 20))
	for i := range 400 {
		m.SetRGBA(i%20, i/20, color.RGBA{20, 40, 180, 255})
	}
	m.SetRGBA(7, 7, color.RGBA{200, 30, 30, 255})
	return m
}

func near(a, b RGB, by int) bool {
	for i := range a {
		if d := int(a[i]) - int(b[i]); d > by || d < -by {
			return false
		}
	}
	return true
}

func TestBackgroundsKeepTheHue(t *testing.T) {
	p := Of(filled(RGB{30, 60, 200}))
	for name, c := range map[string]RGB{"dark": p.BackgroundDark, "light": p.BackgroundLight} {
		if c[2] <= c[0] || c[2] <= c[1] {
			t.Errorf("background %s of a blue picture is %v", name, c)
		}
	}
}

// TestOKLab compares with the values that Ottosson's article gives.
func TestOKLab(t *testing.T) {
	for rgb, want := range map[RGB]lab{
		{255, 255, 255}: {1, 0, 0}, {0, 0, 0}: {0, 0, 0}, {255, 0, 0}: {0.62796, 0.22486, 0.12585},
		{0, 255, 0}: {0.86644, -0.23389, 0.17950}, {0, 0, 255}: {0.45201, -0.03246, -0.31153},
	} {
		if got := toLab(rgb); got.distance(want) > 1e-4 {
			t.Errorf("%v is %+v, want %+v", rgb, got, want)
		}
	}
	for i := range 1 << 12 {
		c := RGB{uint8(i << 4), uint8(i >> 2 & 0xF0), uint8(i>>8) << 4}
		if got := fromLab(toLab(c)); got != c {
			t.Errorf("%v became %v", c, got)
		}
	}
}

func TestContrastKnownAnswers(t *testing.T) {
	for rgb, want := range map[RGB]float64{{0, 0, 0}: 21, {255, 255, 255}: 1, {118, 118, 118}: 4.54, {119, 119, 119}: 4.48, {255, 0, 0}: 4.00} {
		if got := Contrast(rgb, white); math.Abs(got-want) > 0.005 {
			t.Errorf("%v on white: %.3f, want %.2f", rgb, got, want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	m := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3)
	}
	for b.Loop() {
		Of(m)
	}
}
