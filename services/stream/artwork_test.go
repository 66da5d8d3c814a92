package stream

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// album writes a piece of music and a cover of one color, twice as wide as high.
func (r *rig) album(name string, seconds float64, c color.RGBA) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.music, name), 0o700); err != nil {
		r.t.Fatal(err)
	}
	r.file(name+"/music.wav", seconds, 1)
	if c == (color.RGBA{}) {
		return
	}
	m := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], []byte{c.R, c.G, c.B, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.music, name, "cover.png"), b.Bytes(), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// display is a device that also shows pictures and colors.
func (r *rig) display(name string) *device {
	d := r.device(name, "pcm:44100:16:2")
	d.change(func(p *tuttiv1.ClientPresence) {
		p.ActiveRoles = append(p.ActiveRoles, "artwork@v1", "color@v1")
	})
	return d
}

// shown is the last ArtworkShow, and the colors of now and next, that a session was told.
func (d *device) shown() (show *tuttiv1.ArtworkShow, colors, coming *tuttiv1.ColorState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, c := range d.commands {
		if a := c.GetArtwork(); a != nil {
			show = a
		}
		k := c.GetState().GetColor()
		if k != nil && coming != nil && coming.GetTimestampUs() <= d.at[i] {
			colors, coming = coming, nil
		}
		switch {
		case k == nil:
		case k.GetTimestampUs() > d.at[i]:
			coming = k
		default:
			colors, coming = k, nil
		}
	}
	if coming != nil && coming.GetTimestampUs() <= houseclock.MonotonicMicros() {
		colors, coming = coming, nil
	}
	return show, colors, coming
}

// waitShow waits for something that ok is content with.
func (d *device) waitShow(what string, ok func(show *tuttiv1.ArtworkShow, colors, coming *tuttiv1.ColorState) bool) *tuttiv1.ArtworkShow {
	d.r.t.Helper()
	var show *tuttiv1.ArtworkShow
	until(d.r.t, func() string {
		var c, n *tuttiv1.ColorState
		if show, c, n = d.shown(); ok(show, c, n) {
			return ""
		}
		return fmt.Sprintf("%s: the display was told %v, colors %v, then %v", what, show, c, n)
	})
	return show
}

// fetch gets a picture as a gateway does, and returns the color of its center and its edge.
func (r *rig) fetch(p *tuttiv1.Picture, w, h int) (center, edge color.RGBA) {
	r.t.Helper()
	var data []byte
	for {
		resp := ask[tuttiv1.ArtworkResponse](r, subject.Artwork(p.GetInstanceId()), &tuttiv1.ArtworkRequest{
			ImageId: p.GetImageId(), Format: "png", Width: int32(w), Height: int32(h), Offset: int64(len(data))})
		if data = append(data, resp.GetData()...); int64(len(data)) >= resp.GetTotalSize() {
			break
		}
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	if m.Bounds().Dx() != w || m.Bounds().Dy() != h {
		r.t.Errorf("a picture of %v, want %d by %d", m.Bounds(), w, h)
	}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(m.At(x, y)).(color.RGBA) }
	return at(w/2, h/2), at(w/2, 0)
}

var (
	red  = color.RGBA{200, 20, 30, 255}
	blue = color.RGBA{20, 40, 190, 255}
)

// primary reports whether colors are those of a cover of one color.
func primary(c *tuttiv1.ColorState, want color.RGBA) bool {
	return c != nil && c.GetPrimary() == uint32(want.R)<<16|uint32(want.G)<<8|uint32(want.B)
}

func TestDisplaysFollowTheTitles(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("red", 6, red)
	r.album("blue", 30, blue)
	d := r.display("screen")
	g := r.make("House", d)
	r.command(play(g, "red/music.wav"))
	r.command(enqueue(g, "blue/music.wav"))
	s := d.playing(0)
	start, change := s.GetNotBeforeUs(), s.GetNotBeforeUs()+6_000_000
	show := d.waitShow("the first title sounds", func(a *tuttiv1.ArtworkShow, c, n *tuttiv1.ColorState) bool {
		return a.GetActive() && len(a.GetAlbum()) == 2 && a.GetAlbum()[0].GetImageId() != "" && primary(c, red) && primary(n, blue)
	})
	if a := show.GetAlbum(); a[0].GetAtUs() != start || a[1].GetAtUs() != change {
		t.Errorf("pictures at %d and %d, the titles are at %d and %d", a[0].GetAtUs(), a[1].GetAtUs(), start, change)
	}
	if _, _, next := d.shown(); next != nil && next.GetTimestampUs() != change {
		t.Errorf("colors at %d, the title is at %d", next.GetTimestampUs(), change)
	}
	for i, want := range []color.RGBA{red, blue} {
		if center, edge := r.fetch(show.GetAlbum()[i], 30, 30); center != want || edge != (color.RGBA{0, 0, 0, 255}) {
			t.Errorf("picture %d: %v with %v above, want %v on black", i, center, edge, want)
		}
	}
	d.waitShow("the second title sounds", func(a *tuttiv1.ArtworkShow, c, n *tuttiv1.ColorState) bool {
		return len(a.GetAlbum()) == 1 && a.GetAlbum()[0].GetAtUs() == change && primary(c, blue) && n == nil
	})
	if p := r.get(g).GetNowPlaying(); p.GetArtworkId() != show.GetAlbum()[1].GetImageId() || !primary(p.GetColors(), blue) || p.GetArtworkInstanceId() != "one" {
		t.Errorf("the record shows %v", p)
	}
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Pause{Pause: &tuttiv1.Empty{}}})
	d.silent()
	if a, c, _ := d.shown(); !a.GetActive() || !primary(c, blue) {
		t.Errorf("a paused title is not shown: %v, %v", a, c)
	}
	r.command(&tuttiv1.GroupCommand{GroupId: g, Command: &tuttiv1.GroupCommand_Stop{Stop: &tuttiv1.Empty{}}})
	d.waitShow("stopped", func(a *tuttiv1.ArtworkShow, c, n *tuttiv1.ColorState) bool {
		return !a.GetActive() && c != nil && c.Primary == nil && n == nil
	})
}

// A change of the queue takes back what was scheduled.
func TestJumpCancelsWhatWasScheduled(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("red", 10, red)
	r.album("blue", 30, blue)
	d := r.display("screen")
	g := r.make("House", d)
	r.command(play(g, "red/music.wav"))
	r.command(enqueue(g, "blue/music.wav"))
	d.waitShow("scheduled", func(a *tuttiv1.ArtworkShow, _, n *tuttiv1.ColorState) bool {
		return len(a.GetAlbum()) == 2 && primary(n, blue)
	})
	item := r.get(g).GetQueue()[1].GetId()
	r.command(remove(g, item))
	d.waitShow("removed", func(a *tuttiv1.ArtworkShow, c, n *tuttiv1.ColorState) bool {
		return len(a.GetAlbum()) == 1 && primary(c, red) && n == nil
	})
}

func TestTitlesWithoutACoverHaveColorsOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("plain", 20, color.RGBA{})
	d := r.display("screen")
	g := r.make("House", d)
	r.command(play(g, "plain/music.wav"))
	d.waitShow("playing", func(a *tuttiv1.ArtworkShow, c, _ *tuttiv1.ColorState) bool {
		return a.GetActive() && len(a.GetAlbum()) > 0 && a.GetAlbum()[0].GetImageId() == "" &&
			c != nil && c.Primary != nil && c.OnDark != nil && c.OnLight != nil && c.BackgroundDark != nil && c.BackgroundLight != nil
	})
}

// A display that is used by something else, or has left, is not shown anything.
func TestDisplayThatIsAwayShowsNothing(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("red", 20, red)
	speaker, d := r.device("speaker", "pcm:44100:16:2"), r.display("screen")
	g := r.make("House", speaker, d)
	r.command(play(g, "red/music.wav"))
	active := func(want bool) func(a *tuttiv1.ArtworkShow, _, _ *tuttiv1.ColorState) bool {
		return func(a *tuttiv1.ArtworkShow, _, _ *tuttiv1.ColorState) bool { return a.GetActive() == want }
	}
	d.waitShow("playing", active(true))
	for _, c := range speaker.sent() {
		if c.GetArtwork() != nil || c.GetState().GetColor() != nil {
			t.Errorf("a speaker is told %v", c)
		}
	}
	d.change(func(p *tuttiv1.ClientPresence) { p.Available = proto.Bool(false) })
	d.waitShow("in use by something else", active(false))
}

func (d *device) sent() []*tuttiv1.SessionCommand {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*tuttiv1.SessionCommand(nil), d.commands...)
}

func TestCoversOfTheLibrary(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("red", 1, red)
	r.album("plain", 1, color.RGBA{})
	for path, code := range map[string]fault.Code{"red/music.wav": "", "red": "", "plain/music.wav": fault.NotFound, "../red": fault.NotFound, "http://x/a": fault.NotFound} {
		var resp tuttiv1.ArtworkResponse
		err := try(r, subject.StreamLibraryArt, &tuttiv1.ArtworkRequest{Path: path, Format: "jpeg", Width: 16, Height: 16, Unpadded: true}, &resp)
		if got := fault.CodeOf(err); err != nil && got != code || err == nil && code != "" {
			t.Errorf("%s: %v, want %q", path, err, code)
		}
		if err == nil && (resp.GetInstanceId() != "one" || resp.GetImageId() == "" || int64(len(resp.GetData())) != resp.GetTotalSize()) {
			t.Errorf("%s: %d bytes of %d from %q", path, len(resp.GetData()), resp.GetTotalSize(), resp.GetInstanceId())
		}
		if err != nil && strings.Contains(err.Error(), r.music) {
			t.Errorf("the error tells the server's folders: %v", err)
		}
	}
}

func TestPicturePartsEndWhereThePictureEnds(t *testing.T) {
	t.Parallel()
	r := embedded(t)
	r.album("red", 1, red)
	var first tuttiv1.ArtworkResponse
	req := &tuttiv1.ArtworkRequest{Path: "red", Format: "png", Width: 16, Height: 16}
	if err := try(r, subject.StreamLibraryArt, req, &first); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]*tuttiv1.ArtworkRequest{
		"behind the end": {ImageId: first.GetImageId(), Format: "png", Width: 16, Height: 16, Offset: first.GetTotalSize()},
		"before it":      {ImageId: first.GetImageId(), Format: "png", Width: 16, Height: 16, Offset: -1},
		"too large":      {ImageId: first.GetImageId(), Format: "png", Width: 9000, Height: 16},
		"no format":      {ImageId: first.GetImageId(), Format: "bmp", Width: 16, Height: 16},
	} {
		if err := try(r, subject.Artwork("one"), q, &tuttiv1.ArtworkResponse{}); fault.CodeOf(err) != fault.OutOfRange {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := try(r, subject.Artwork("one"), &tuttiv1.ArtworkRequest{ImageId: "x", Format: "png", Width: 1, Height: 1}, &tuttiv1.ArtworkResponse{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an unknown picture: %v", err)
	}
}
