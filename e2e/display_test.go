package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// A display shows what plays: the cover in its size, colors, title, and peaks at the
// moments at which the speaker beside it clicks.
func TestADisplayShowsWhatPlays(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, mode string) {
		music := t.TempDir()
		harness.ClickFile(t, music, "clicks.wav", 20)
		writeCover(t, filepath.Join(music, "cover.png"))
		s := harness.StartServer(t, mode, harness.Options{Music: music})
		speaker := harness.NewDevice(t, "Speaker", harness.PCM44, harness.DeviceOptions{Buffer: 4 << 20})
		screen := harness.NewDevice(t, "Screen", harness.PCM44, harness.DeviceOptions{
			Roles:      []string{wire.RoleMetadataV1, wire.RoleArtworkV1, wire.RoleColorV1, wire.RoleVisualizerV1},
			Artwork:    []wire.ArtworkChannel{{Source: wire.ArtworkAlbum, Format: wire.ImagePNG, Width: 96, Height: 64}},
			Visualizer: &wire.VisualizerState{Types: []string{wire.VisualPeak, wire.VisualLoudness}, RateMax: 30},
		})
		speaker.Connect(t, s.Sendspin)
		screen.Connect(t, s.Sendspin)
		ids := []string{approve(t, s, "Speaker"), approveDisplay(t, s, "Screen")}
		g := group(t, s, "Hall", ids...)
		s.Must(t, "POST", "/api/v1/groups/"+g+"/play", map[string]any{"uri": "clicks.wav"}, nil)
		wantCover(t, screen)
		harness.Eventually(t, patience, "title and colors", func() string {
			if m, ok := harness.Last[client.MetadataChanged](screen); !ok || m.Metadata == nil || m.Metadata.Title == "" {
				return "no title"
			}
			if c, ok := harness.Last[client.ColorChanged](screen); !ok || c.Color == nil || c.Color.BackgroundDark == nil {
				return "no colors"
			}
			return ""
		})
		waitEnded(t, speaker)
		heard := clicks(speaker)
		if len(heard) < 30 {
			t.Fatalf("%d clicks on the speaker", len(heard))
		}
		checkPeaks(t, screen, heard)
	})
}

// checkPeaks checks that there is a peak at nearly every click, and no click's peak is off.
func checkPeaks(t *testing.T, screen *harness.Device, heard []harness.Click) {
	t.Helper()
	const tolerance = 25_000 // µs: onsets are looked for a hundred times a second
	missing := 0
	for _, c := range heard {
		best := math.Inf(1)
		for _, v := range screen.Visuals() {
			if v.ID == wire.IDPeak {
				best = min(best, math.Abs(float64(v.Timestamp)-c.AtUS))
			}
		}
		if best > tolerance {
			missing++
		}
	}
	// A busy machine may drop frames that come too late.
	if missing > len(heard)/3 {
		t.Errorf("%d of %d clicks have no peak within %d ms", missing, len(heard), tolerance/1000)
	}
}

func writeCover(t *testing.T, path string) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 300, 300))
	for i := range img.Pix {
		img.Pix[i] = []uint8{30, 140, 60, 255}[i%4]
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantCover waits for the green square in the middle of a picture of 96 by 64.
func wantCover(t *testing.T, d *harness.Device) {
	t.Helper()
	var img image.Image
	harness.Eventually(t, patience, "the cover", func() string {
		e, ok := harness.Last[client.ArtworkChanged](d)
		if !ok || e.Image == nil || len(e.Image.Data) == 0 {
			return "none"
		}
		var err error
		if img, err = png.Decode(bytes.NewReader(e.Image.Data)); err != nil {
			return err.Error()
		}
		return ""
	})
	if b := img.Bounds(); b.Dx() != 96 || b.Dy() != 64 {
		t.Fatalf("the cover is %v", b)
	}
	for _, p := range []struct {
		x, y int
		want color.RGBA
	}{{48, 32, color.RGBA{30, 140, 60, 255}}, {4, 32, color.RGBA{0, 0, 0, 255}}, {92, 32, color.RGBA{0, 0, 0, 255}}} {
		if r, g, b, _ := img.At(p.x, p.y).RGBA(); uint8(r>>8) != p.want.R || uint8(g>>8) != p.want.G || uint8(b>>8) != p.want.B {
			t.Errorf("the cover has %d %d %d at %d,%d, want %v", r>>8, g>>8, b>>8, p.x, p.y, p.want)
		}
	}
}

// approveDisplay approves a device without a player and waits for its roles.
func approveDisplay(t *testing.T, s *harness.Server, name string) string {
	t.Helper()
	c := waitInbox(t, s, name)
	s.Must(t, "POST", "/api/v1/clients/"+c.ClientID+"/approve", nil, nil)
	harness.Eventually(t, patience, name+" approved", func() string {
		got, _ := s.ClientNamed(t, name)
		if !slices.Contains(got.ActiveRoles, wire.RoleVisualizerV1) || got.Available == nil || !*got.Available {
			return "it has no roles yet"
		}
		return ""
	})
	return c.ClientID
}
