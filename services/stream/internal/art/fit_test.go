package art

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/tutti-audio/tutti/platform/fault"
)

var update = flag.Bool("update", false, "write the golden images anew")

// quadrants is a picture whose corners are told apart: yellow, green, red, black (with a
// little blue that grows to the right).
func quadrants(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{A: 255, B: uint8(x * 20 * 12 / w)}
			if x < (w+1)/2 {
				c.R = 255
			}
			if y < (h+1)/2 {
				c.G = 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withOrientation puts an EXIF segment into a JPEG file.
func withOrientation(file []byte, order binary.ByteOrder, n int) []byte {
	tiff := []byte("II")
	if order == binary.ByteOrder(binary.BigEndian) {
		tiff = []byte("MM")
	}
	put16 := func(v int) { tiff = append(tiff, 0, 0); order.PutUint16(tiff[len(tiff)-2:], uint16(v)) }
	put32 := func(v int) { tiff = append(tiff, 0, 0, 0, 0); order.PutUint32(tiff[len(tiff)-4:], uint32(v)) }
	put16(42)
	put32(8)
	put16(2)      // entries
	put16(0x0100) // some other tag
	put16(3)
	put32(1)
	put16(5)
	put16(0) //nolint:gofmt // one entry a line
	put16(0x0112)
	put16(3)
	put32(1)
	put16(n)
	put16(0) //nolint:gofmt // the orientation
	put32(0) // no other directory
	body := append([]byte("Exif\x00\x00"), tiff...)
	segment := append([]byte{0xFF, 0xE1, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
	return append(append(append([]byte{}, file[:2]...), segment...), file[2:]...)
}

func decode(t testing.TB, data []byte) Picture {
	t.Helper()
	p, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGolden compares what is shown with pictures that a person has looked at.
func TestGolden(t *testing.T) {
	glass := image.NewNRGBA(image.Rect(0, 0, 16, 16)) // a half transparent circle on nothing
	for y := range 16 {
		for x := range 16 {
			if (x-8)*(x-8)+(y-8)*(y-8) < 49 {
				glass.SetNRGBA(x, y, color.NRGBA{255, 128, 0, 160})
			}
		}
	}
	webp, err := os.ReadFile("testdata/quadrants.webp")
	if err != nil {
		t.Fatal(err)
	}
	var animated bytes.Buffer
	if err := gif.Encode(&animated, quadrants(12, 8), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		w, h int
	}{
		"wide-in-square":    {pngOf(t, quadrants(60, 20)), 32, 32},
		"tall-in-square":    {pngOf(t, quadrants(20, 60)), 32, 32},
		"square-in-wide":    {pngOf(t, quadrants(30, 30)), 40, 16},
		"enlarged":          {pngOf(t, quadrants(4, 3)), 32, 32},
		"odd":               {pngOf(t, quadrants(37, 23)), 31, 29},
		"one-pixel":         {pngOf(t, quadrants(1, 1)), 9, 5},
		"to-one-pixel":      {pngOf(t, quadrants(30, 20)), 1, 1},
		"line":              {pngOf(t, quadrants(1000, 1)), 20, 20},
		"transparent":       {pngOf(t, glass), 24, 16},
		"webp":              {webp, 24, 24},
		"gif":               {animated.Bytes(), 24, 24},
		"exif-6-wide":       {withOrientation(jpegOf(t, quadrants(48, 24)), binary.BigEndian, 6), 24, 24},
		"exif-3-upsidedown": {withOrientation(jpegOf(t, quadrants(48, 24)), binary.LittleEndian, 3), 24, 24},
	} {
		t.Run(name, func(t *testing.T) {
			got := Fit(decode(t, c.data), c.w, c.h)
			file := filepath.Join("testdata", name+".png")
			if *update {
				if err := os.WriteFile(file, pngOf(t, got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := png.Decode(bytes.NewReader(golden))
			if err != nil {
				t.Fatal(err)
			}
			if want.Bounds() != got.Bounds() {
				t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
			}
			for y := range c.h {
				for x := range c.w {
					if d := apart(got.At(x, y), want.At(x, y)); d > 3 { // floating point differs between machines
						t.Fatalf("pixel %d, %d is %v, want %v", x, y, got.At(x, y), want.At(x, y))
					}
				}
			}
		})
	}
}

// apart is the largest difference of two colors, 0-255.
func apart(a, b color.Color) int {
	x, y := color.NRGBAModel.Convert(a).(color.NRGBA), color.NRGBAModel.Convert(b).(color.NRGBA)
	most := 0
	for _, d := range []int{int(x.R) - int(y.R), int(x.G) - int(y.G), int(x.B) - int(y.B), int(x.A) - int(y.A)} {
		most = max(most, d, -d)
	}
	return most
}

// TestOrientations: whatever way the camera was held, the picture stands as it was seen.
func TestOrientations(t *testing.T) {
	upright := quadrants(40, 20)
	// stored[n] is how a camera stores what is seen as upright.
	stored := map[int]func(x, y, w, h int) (int, int){
		1: func(x, y, _, _ int) (int, int) { return x, y },
		2: func(x, y, w, _ int) (int, int) { return w - 1 - x, y },
		3: func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y, _, h int) (int, int) { return x, h - 1 - y },
		5: func(x, y, _, _ int) (int, int) { return y, x },
		6: func(x, y, w, _ int) (int, int) { return w - 1 - y, x },
		7: func(x, y, w, h int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y, _, h int) (int, int) { return y, h - 1 - x },
	}
	for n, from := range stored {
		w, h := 40, 20
		if n >= 5 {
			w, h = h, w
		}
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				m.Set(x, y, upright.At(from(x, y, 40, 20)))
			}
		}
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			p := decode(t, withOrientation(jpegOf(t, m), order, n))
			if p.Turn != n || p.Size() != image.Pt(40, 20) {
				t.Fatalf("orientation %d: turn %d, size %v", n, p.Turn, p.Size())
			}
			got := Fit(p, 40, 20)
			for _, at := range []image.Point{{4, 3}, {35, 3}, {4, 16}, {35, 16}} {
				if d := apart(got.At(at.X, at.Y), upright.At(at.X, at.Y)); d > 40 { // JPEG
					t.Errorf("orientation %d: at %v %v, want %v", n, at, got.At(at.X, at.Y), upright.At(at.X, at.Y))
				}
			}
		}
	}
}

// TestFitKeepsTheWholePicture: exact size, black beside the picture, nothing cut off.
func TestFitKeepsTheWholePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sw, sh := rapid.IntRange(1, 80).Draw(t, "sw"), rapid.IntRange(1, 80).Draw(t, "sh")
		w, h := rapid.IntRange(1, 60).Draw(t, "w"), rapid.IntRange(1, 60).Draw(t, "h")
		m := image.NewNRGBA(image.Rect(0, 0, sw, sh))
		for i := range m.Pix {
			m.Pix[i] = 255
		}
		got := Fit(Picture{Image: m, Turn: rapid.IntRange(1, 8).Draw(t, "turn")}, w, h)
		if got.Bounds() != image.Rect(0, 0, w, h) {
			t.Fatalf("%v, want %d by %d", got.Bounds(), w, h)
		}
		box := image.Rectangle{}
		for y := range h {
			for x := range w {
				if c := got.RGBAAt(x, y); c == (color.RGBA{255, 255, 255, 255}) {
					box = box.Union(image.Rect(x, y, x+1, y+1))
				} else if c != (color.RGBA{0, 0, 0, 255}) {
					t.Fatalf("a white picture on black has %v", c)
				}
			}
		}
		if box.Dx() != w && box.Dy() != h {
			t.Fatalf("the picture fills %v of %d by %d", box, w, h)
		}
	})
}

func TestInsideKeepsTheAspectRatio(t *testing.T) {
	for _, c := range []struct {
		src        image.Point
		w, h, x, y int
	}{
		{image.Pt(100, 100), 50, 50, 50, 50}, {image.Pt(200, 100), 50, 50, 50, 25}, {image.Pt(100, 200), 50, 50, 25, 50},
		{image.Pt(3, 2), 600, 600, 600, 400}, {image.Pt(1000, 1), 20, 20, 20, 1}, {image.Pt(1, 1000), 20, 20, 1, 20},
		{image.Pt(65535, 65535), 8192, 1, 1, 1}, {image.Pt(7, 5), 10, 10, 10, 7},
	} {
		if got := Inside(c.src, c.w, c.h); got != image.Pt(c.x, c.y) {
			t.Errorf("%v in %d by %d: %v, want %d by %d", c.src, c.w, c.h, got, c.x, c.y)
		}
	}
}

// bomb is a PNG of few bytes that says it is huge.
func bomb(w, h uint32) []byte {
	head := make([]byte, 13)
	binary.BigEndian.PutUint32(head, w)
	binary.BigEndian.PutUint32(head[4:], h)
	head[8], head[9] = 8, 2
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", head)...)
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		code fault.Code
		says string
	}{
		"too many pixels": {bomb(30_000, 30_000), fault.TooLarge, "30000 by 30000 pixels"},
		"too wide":        {bomb(1<<20, 1), fault.TooLarge, "pixels"},
		"too many bytes":  {make([]byte, MaxBytes+1), fault.TooLarge, "bytes"},
		"nothing":         {nil, fault.Invalid, "JPEG, PNG, GIF or WebP"},
		"no picture":      {[]byte("<html>not found</html>"), fault.Invalid, "JPEG, PNG, GIF or WebP"},
		"cut off":         {pngOf(t, quadrants(30, 30))[:60], fault.Invalid, "damaged"},
	} {
		_, err := Decode(c.data)
		if fault.CodeOf(err) != c.code || !bytes.Contains([]byte(fmt.Sprint(err)), []byte(c.says)) {
			t.Errorf("%s: %v, want %s that says %q", name, err, c.code, c.says)
		}
	}
	for _, s := range [][2]int{{0, 5}, {5, 0}, {-1, 5}, {8193, 1}, {5000, 5000}} {
		if fault.CodeOf(CheckSize(s[0], s[1])) != fault.OutOfRange {
			t.Errorf("a size of %v is taken", s)
		}
	}
	if err := CheckSize(4096, 4096); err != nil {
		t.Error(err)
	}
}

func FuzzOrientation(f *testing.F) {
	file := jpegOf(f, quadrants(8, 8))
	f.Add(file)
	for n := range 10 {
		f.Add(withOrientation(file, binary.BigEndian, n)[:80])
		f.Add(withOrientation(file, binary.LittleEndian, n))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := orientation(data); n < 1 || n > 8 {
			t.Errorf("orientation %d", n)
		}
	})
}
