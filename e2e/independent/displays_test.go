package independent

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

var (
	red  = color.RGBA{R: 200, G: 30, B: 30, A: 255}
	blue = color.RGBA{R: 30, G: 60, B: 200, A: 255}
)

// album makes a folder with two titles and a cover: 200 by 100 pixels, red on the left,
// blue on the right.
func album(t testing.TB, music library) {
	t.Helper()
	dir := filepath.Join(music.dir, "album")
	check(t, os.MkdirAll(dir, 0o700))
	harness.MusicFile(t, dir, "one.flac", 40, 11)
	harness.MusicFile(t, dir, "two.flac", 40, 12)
	img := image.NewRGBA(image.Rect(0, 0, 200, 100))
	for y := range 100 {
		for x := range 200 {
			if img.SetRGBA(x, y, red); x >= 100 {
				img.SetRGBA(x, y, blue)
			}
		}
	}
	f, err := os.Create(filepath.Join(dir, "cover.png"))
	check(t, err)
	check(t, png.Encode(f, img))
	check(t, f.Close())
}

// shown are the complete pictures of one channel.
func (d *device) shown(channel int) []*picture {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.ref.pictures.all), func(p *picture) bool { return p.channel != channel })
}

// flashes are the visualizer's frames of one type.
func (d *device) flashes(typ byte) []seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.ref.frames.all), func(s seen) bool { return s.typ != typ })
}

// awaitPicture waits for the n-th complete picture of a channel.
func (d *device) awaitPicture(channel, n int) *picture {
	d.t.Helper()
	harness.Eventually(d.t, patience, fmt.Sprintf("%s: picture %d of channel %d", d.o.name, n, channel), func() string {
		if have := len(d.shown(channel)); have < n {
			return fmt.Sprintf("%d so far, closed: %v; %s", have, d.closedNow(), d.tail())
		}
		return ""
	})
	return d.shown(channel)[n-1]
}

func (d *device) awaitFlashes(typ byte, n int) []seen {
	d.t.Helper()
	before := len(d.flashes(typ))
	harness.Eventually(d.t, patience, fmt.Sprintf("%s: %d more %s messages", d.o.name, n, frameNames[typ]), func() string {
		if have := len(d.flashes(typ)) - before; have < n {
			return fmt.Sprintf("%d so far, closed: %v; %s", have, d.closedNow(), d.tail())
		}
		return ""
	})
	return d.flashes(typ)[before:]
}

var displayRoles = []string{"artwork@v1", "color@v1", "metadata@v1", "visualizer@v1"}

// testDisplays: covers, colors and the visualizer of one group, from the first picture to
// the end. The referee judges every byte.
func testDisplays(t *testing.T, s *harness.Server, music library) {
	album(t, music)
	speaker := ready(t, s, options{})
	d := ready(t, s, options{roles: displayRoles})
	g := group(t, s, "Displays", speaker, d)
	play(t, s, g, "album/one.flac")
	fitted(t, d.awaitPicture(0, 1), 120, 120)
	_, mark := d.await("colors", 0, func(m msg) bool { return len(sub(m.payload, "color")) > 1 })
	inTime(t, d, d.awaitFlashes(16, 40))

	// Another picture, and a second channel.
	d.o.artwork = []obj{{"source": "album", "format": "jpeg", "width": 64, "height": 32}, {"source": "album", "format": "png", "width": 30, "height": 90}}
	had := len(d.shown(0))
	d.state(true)
	d.await("stream/start with two channels", mark, isType("stream/start"))
	fitted(t, d.awaitPicture(0, had+1), 64, 32)
	fitted(t, d.awaitPicture(1, 1), 30, 90)

	// The first channel is cleared before it becomes none.
	mark = d.mark()
	d.o.artwork[0] = obj{"source": "none"}
	d.state(true)
	d.await("stream/start without the first channel", mark, func(m msg) bool {
		l, _ := sub(m.payload, "artwork")["channels"].([]any)
		return m.typ == "stream/start" && len(l) == 2 && l[0].(obj)["source"] == "none"
	})
	if all := d.shown(0); all[len(all)-1].size != 0 {
		t.Error("the channel was not cleared before it became none")
	}

	testBars(t, d)
	late := ready(t, s, options{name: "late display", roles: displayRoles})
	s.Must(t, "PUT", "/api/v1/groups/"+g+"/members/"+late.id, nil, nil)
	current := late.awaitPicture(0, 1)
	fitted(t, current, 120, 120)
	late.mu.Lock()
	if late.ref.future(current) {
		t.Error("the late display's first picture is scheduled; what is shown now comes first")
	}
	late.mu.Unlock()
	late.awaitFlashes(16, 5)

	// The next title, a seek and the end.
	s.Must(t, "POST", "/api/v1/groups/"+g+"/queue", obj{"uris": []string{"album/two.flac"}}, nil)
	mark = late.mark()
	s.Must(t, "POST", "/api/v1/groups/"+g+"/next", obj{}, nil)
	late.await("stream/clear for a jump", mark, isType("stream/clear"))
	late.awaitFlashes(16, 20)
	s.Must(t, "POST", "/api/v1/groups/"+g+"/stop", obj{}, nil)
	for _, d := range []*device{d, late} {
		harness.Eventually(t, patience, d.o.name+" hears of the end", func() string {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.ref.pictures.open || d.ref.frames.open {
				return fmt.Sprint("still open: ", d.ref.open())
			}
			return ""
		})
		d.sync(1)
		d.unhinted()
	}
}

// testBars changes what a display wants of the visualizer.
func testBars(t *testing.T, d *device) {
	t.Helper()
	mark := d.mark()
	d.o.visual = obj{"types": []string{"spectrum", "f_peak", "peak", "loudness"}, "rate_max": 12,
		"spectrum": obj{"n_disp_bins": 9, "scale": "log", "f_min": 60, "f_max": 12_000}}
	d.state(true)
	d.await("stream/start with a spectrum", mark, func(m msg) bool {
		return m.typ == "stream/start" && sub(sub(m.payload, "visualizer"), "spectrum") != nil
	})
	inTime(t, d, d.awaitFlashes(19, 20))
	inTime(t, d, d.awaitFlashes(18, 5))
}

// inTime checks that frames come before they are to be shown, most of them.
func inTime(t *testing.T, d *device, all []seen) {
	t.Helper()
	d.mu.Lock()
	best := d.ref.best
	d.mu.Unlock()
	late := 0
	for _, s := range all {
		if best != nil && s.ts < s.at+best.offset-best.maxErr {
			late++
		}
	}
	if late > len(all)/2 {
		t.Errorf("%s: %d of %d frames came late", d.o.name, late, len(all))
	}
}

// fitted checks the cover's place in a picture: as large as it fits, in the middle, black
// around it.
func fitted(t *testing.T, p *picture, w, h int) {
	t.Helper()
	if p.img == nil || p.img.Bounds().Dx() != w || p.img.Bounds().Dy() != h {
		t.Errorf("channel %d: a picture of %d bytes (%v), want %d by %d", p.channel, p.size, p.wanted, w, h)
		return
	}
	wide, high := w, w/2 // the cover is twice as wide as high
	if high > h {
		wide, high = 2*h, h
	}
	left, top := (w-wide)/2, (h-high)/2
	look := func(what string, x, y int, want color.RGBA) {
		t.Helper()
		r, g, b, _ := p.img.At(x, y).RGBA()
		if far(r, want.R) || far(g, want.G) || far(b, want.B) {
			t.Errorf("channel %d, %d by %d: %s at %d,%d is %d %d %d, want %v", p.channel, w, h, what, x, y, r>>8, g>>8, b>>8, want)
		}
	}
	look("the cover's left", left+wide/4, top+high/2, red)
	look("the cover's right", left+wide*3/4, top+high/2, blue)
	if top > 4 {
		look("the padding above", w/2, top/2, color.RGBA{})
		look("the padding below", w/2, h-1-top/2, color.RGBA{})
	}
	if left > 4 {
		look("the padding on the left", left/2, h/2, color.RGBA{})
	}
}

func far(a uint32, b uint8) bool { return abs(int64(a>>8)-int64(b)) > 24 }

// testBadDisplays: what a display must not ask for ends its connection.
func testBadDisplays(t *testing.T, s *harness.Server) {
	five := make([]obj, 5)
	for i := range five {
		five[i] = obj{"source": "album", "format": "png", "width": 10, "height": 10}
	}
	d := ready(t, s, options{roles: []string{"artwork@v1"}})
	d.send("client/state", obj{"available": true, "artwork": obj{"channels": five}})
	d.awaitClosed("five artwork channels")
	d = ready(t, s, options{roles: []string{"visualizer@v1"}})
	d.send("client/state", obj{"available": true, "visualizer": obj{"types": []string{"spectrum"}, "rate_max": 10}})
	d.awaitClosed("a spectrum without its object")
}
