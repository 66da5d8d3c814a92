package management_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// pictures stands in for a stream instance that has the cover "red", in parts of 10 bytes.
func (f *fakes) pictures(instance string) {
	f.t.Helper()
	image := func(r *pb.ArtworkRequest) []byte {
		return []byte(fmt.Sprintf("%s %s %dx%d unpadded=%v", r.GetImageId(), r.GetFormat(), r.GetWidth(), r.GetHeight(), r.GetUnpadded()))
	}
	part := func(_ context.Context, r *pb.ArtworkRequest) (*pb.ArtworkResponse, error) {
		if r.GetImageId() != "red" {
			return nil, fault.New(fault.NotFound, "there is no picture %q here", r.GetImageId())
		}
		all := image(r)
		return &pb.ArtworkResponse{TotalSize: int64(len(all)), Data: all[r.GetOffset():min(int(r.GetOffset())+10, len(all))], ImageId: "red", InstanceId: instance}, nil
	}
	for at, h := range map[string]func(context.Context, *pb.ArtworkRequest) (*pb.ArtworkResponse, error){
		subject.Artwork(instance): part,
		subject.StreamLibraryArt: func(ctx context.Context, r *pb.ArtworkRequest) (*pb.ArtworkResponse, error) {
			if r.GetPath() != "jazz/a.flac" {
				return nil, fault.New(fault.NotFound, "%s has no picture", r.GetPath())
			}
			r.ImageId = "red"
			return part(ctx, r)
		},
	} {
		stop, err := bus.HandleExclusive(f.bus, at, h)
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(stop)
	}
}

func TestArtworkOfAGroup(t *testing.T) {
	w := newWorld(t)
	w.fakes.pictures("i1")
	color := func(v uint32) *uint32 { return &v }
	put := func(n *pb.NowPlaying) {
		t.Helper()
		if _, err := w.fakes.groups.Put(t.Context(), "g1", &pb.Group{GroupId: "g1", Name: "Bar", PlaybackState: "playing", NowPlaying: n}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			r := w.get("/api/v1/groups/g1")
			if r.status != http.StatusOK {
				return fmt.Errorf("no group yet")
			}
			if g := decode[model.Group](r); (g.NowPlaying == nil) != (n == nil) || n != nil && g.NowPlaying.Title != n.GetTitle() {
				return fmt.Errorf("shows %+v", g.NowPlaying)
			}
			return nil
		})
	}
	put(nil)
	w.get("/api/v1/groups/g1/artwork").problem(http.StatusNotFound)
	put(&pb.NowPlaying{Title: "plain"})
	w.get("/api/v1/groups/g1/artwork").problem(http.StatusNotFound)
	if n := decode[model.Group](w.get("/api/v1/groups/g1")).NowPlaying; n.Artwork != "" || n.Colors != nil {
		t.Errorf("%+v", n)
	}
	put(&pb.NowPlaying{Title: "red", ArtworkId: "red", ArtworkInstanceId: "i1", Colors: &pb.ColorState{
		BackgroundDark: color(0x010203), BackgroundLight: color(0xfafbfc), Primary: color(0xff0000), Accent: color(0xff), OnDark: color(0xffffff), OnLight: color(0)}})
	n := decode[model.Group](w.get("/api/v1/groups/g1")).NowPlaying
	if n.Artwork != "/api/v1/groups/g1/artwork?v=red" || n.Colors == nil || n.Colors.Primary != "#ff0000" || n.Colors.Accent != "#0000ff" || n.Colors.BackgroundDark != "#010203" {
		t.Errorf("%+v, %+v", n, n.Colors)
	}
	got := w.get(n.Artwork + "&size=300")
	if want := "red jpeg 300x300 unpadded=true"; got.status != http.StatusOK || string(got.body) != want || got.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%d %s %q, want %q", got.status, got.header.Get("Content-Type"), got.body, want)
	}
	again := w.do("GET", n.Artwork+"&size=300", adminToken, nil, "If-None-Match", got.header.Get("ETag"))
	if again.status != http.StatusNotModified || len(again.body) != 0 {
		t.Errorf("with its ETag: %d %q", again.status, again.body)
	}
	if other := w.do("GET", n.Artwork+"&size=301", adminToken, nil, "If-None-Match", got.header.Get("ETag")); other.status != http.StatusOK {
		t.Errorf("another size with that ETag: %d", other.status)
	}
	w.get("/api/v1/groups/g1/artwork?size=5000").problem(http.StatusUnprocessableEntity)
	w.get("/api/v1/groups/none/artwork").problem(http.StatusNotFound)
	if r := w.do("GET", n.Artwork, "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", r.status)
	}
	put(&pb.NowPlaying{Title: "gone", ArtworkId: "gone", ArtworkInstanceId: "i1"})
	w.get("/api/v1/groups/g1/artwork").problem(http.StatusNotFound)
}

func TestArtworkOfTheLibrary(t *testing.T) {
	w := newWorld(t)
	w.fakes.pictures("i1")
	got := w.get("/api/v1/library/artwork?path=/jazz/a.flac&size=64")
	if got.status != http.StatusOK || !bytes.Equal(got.body, []byte("red jpeg 64x64 unpadded=true")) {
		t.Errorf("%d %q", got.status, got.body)
	}
	if again := w.do("GET", "/api/v1/library/artwork?path=/jazz/a.flac&size=64", adminToken, nil, "If-None-Match", got.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.status)
	}
	w.get("/api/v1/library/artwork?path=jazz/b.flac").problem(http.StatusNotFound)
	w.get("/api/v1/library/artwork").problem(http.StatusUnprocessableEntity)
}
