package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

// pictureType is what pictures are served as.
const pictureType = "image/jpeg"

// maxPicture bounds what is put together for one answer, bytes.
const maxPicture = 16 << 20

type (
	groupArtwork struct {
		GroupPath
		PictureQuery
	}
	libraryArtwork struct {
		Path string `query:"path" required:"true" minLength:"1" maxLength:"4096" doc:"A file or folder below the music folder."`
		PictureQuery
	}
	// PictureQuery is what every picture can be asked for with.
	PictureQuery struct {
		Size        int    `query:"size" default:"600" minimum:"16" maximum:"2048" doc:"Of the longer side, in pixels."`
		IfNoneMatch string `header:"If-None-Match" doc:"The ETag of a picture that the caller has."`
	}
	// picture is an answer with an image.
	picture struct {
		Status       int
		ContentType  string `header:"Content-Type"`
		ETag         string `header:"ETag"`
		CacheControl string `header:"Cache-Control"`
		Body         []byte
	}
)

func (a *API) artworkRoutes() {
	success := &huma.Response{Description: "The picture.", Content: map[string]*huma.MediaType{
		pictureType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}
	errors := []int{http.StatusNotFound, http.StatusUnprocessableEntity}
	register(a, route{
		id: "group-artwork", method: http.MethodGet, path: "/api/v1/groups/{group_id}/artwork", tag: tagGroups, role: auth.RoleViewer, zone: zoneGroup,
		summary: "The cover of what is audible", doc: "404 when nothing is loaded or it has no cover. With If-None-Match, 304 when the caller has it.",
		errors: errors, success: success, unchanged: true,
	}, a.groupArtwork)
	register(a, route{
		id: "library-artwork", method: http.MethodGet, path: "/api/v1/library/artwork", tag: tagLibrary, role: auth.RoleViewer, zone: zoneAny,
		summary: "The cover of a file or folder", doc: "The picture in the file's tags, else the one beside it; 404 without one.",
		errors: errors, success: success, unchanged: true,
	}, a.libraryArtwork)
}

func (a *API) groupArtwork(ctx context.Context, in *groupArtwork) (*picture, error) {
	g, err := a.group(in.ID)
	if err != nil {
		return nil, err
	}
	n := g.GetNowPlaying()
	if n.GetArtworkId() == "" {
		return nil, fault.New(fault.NotFound, "group %s plays nothing that has a cover", g.GetName())
	}
	req := &pb.ArtworkRequest{ImageId: n.GetArtworkId(), Format: "jpeg", Width: int32(in.Size), Height: int32(in.Size), Unpadded: true}
	if etag(req) == in.IfNoneMatch {
		return unchanged(req), nil
	}
	return a.picture(ctx, subject.Artwork(n.GetArtworkInstanceId()), req)
}

func (a *API) libraryArtwork(ctx context.Context, in *libraryArtwork) (*picture, error) {
	out, err := a.picture(ctx, subject.StreamLibraryArt, &pb.ArtworkRequest{
		Path: strings.Trim(in.Path, "/"), Format: "jpeg", Width: int32(in.Size), Height: int32(in.Size), Unpadded: true})
	if err != nil {
		return nil, blame(err, "query.path")
	}
	if out.ETag == in.IfNoneMatch {
		return &picture{Status: http.StatusNotModified, ETag: out.ETag, CacheControl: cached}, nil
	}
	return out, nil
}

// picture puts the parts of a picture together. The first one may come from anybody; it
// says who has the others.
func (a *API) picture(ctx context.Context, at string, req *pb.ArtworkRequest) (*picture, error) {
	var data []byte
	for {
		resp := &pb.ArtworkResponse{}
		if err := a.ask(ctx, "stream", at, req, resp); err != nil {
			return nil, err
		}
		data = append(data, resp.GetData()...)
		switch size := resp.GetTotalSize(); {
		case size > maxPicture || len(resp.GetData()) == 0 || int64(len(data)) > size:
			return nil, fault.New(fault.Internal, "the picture does not fit together: %d of %d bytes", len(data), size)
		case int64(len(data)) == size:
			req.ImageId = resp.GetImageId()
			return &picture{Status: http.StatusOK, ContentType: pictureType, ETag: etag(req), CacheControl: cached, Body: data}, nil
		}
		at = subject.Artwork(resp.GetInstanceId())
		req.ImageId, req.Path, req.Offset = resp.GetImageId(), "", int64(len(data))
	}
}

// cached: what is audible changes, so a caller asks each time; the ETag spares it the
// bytes.
const cached = "private, no-cache"

// etag names a picture in a size.
func etag(req *pb.ArtworkRequest) string {
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d", req.GetImageId(), req.GetWidth()))
}

func unchanged(req *pb.ArtworkRequest) *picture {
	return &picture{Status: http.StatusNotModified, ETag: etag(req), CacheControl: cached}
}
