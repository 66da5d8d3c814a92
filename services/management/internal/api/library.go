package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

type (
	libraryQuery struct {
		Path string `query:"path" maxLength:"4096" doc:"Below the music folder; its root when left out." example:"Albums/Blue"`
	}
	searchQuery struct {
		Query string `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"Words of a title, an artist, an album or a path; each matches the beginning of a word, whatever its case and accents." example:"bjork hunt"`
		Limit int32  `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Of the results."`
	}
)

func (a *API) libraryRoutes() {
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "browse-library", method: http.MethodGet, path: "/api/v1/library", tag: tagLibrary, role: auth.RoleViewer, zone: zoneAny,
		summary: "Browse the music folder", doc: "One folder as it is on the disk, with the tags of its files.", errors: errors,
	}, a.library)
	register(a, route{
		id: "search-library", method: http.MethodGet, path: "/api/v1/library/search", tag: tagLibrary, role: auth.RoleViewer, zone: zoneAny,
		summary: "Search the music folder", doc: "Tracks, playlists and folders that hold every word, the best first.",
		errors: []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.search)
	register(a, route{
		id: "library-status", method: http.MethodGet, path: "/api/v1/library/status", tag: tagLibrary, role: auth.RoleViewer, zone: zoneAny,
		summary: "How far the index of the music folder is, and what can be played", doc: "decoders and encoders name the codecs; those that need ffmpeg or a build tag say so.",
	}, func(ctx context.Context, _ *struct{}) (*body[model.LibraryStatus], error) {
		return a.libraryStatus(ctx, false)
	})
	register(a, route{
		id: "rescan-library", method: http.MethodPost, path: "/api/v1/library/rescan", tag: tagLibrary, role: auth.RoleOperator,
		summary: "Look at every folder again", doc: "Changes are followed by themselves; this is for file systems that do not tell them. Answered at once.",
		status: http.StatusAccepted,
	}, func(ctx context.Context, _ *struct{}) (*body[model.LibraryStatus], error) {
		out, err := a.libraryStatus(ctx, true)
		if err == nil {
			a.act(ctx, "library.rescan", "", "the music folder")
		}
		return out, err
	})
}

func (a *API) library(ctx context.Context, in *libraryQuery) (*body[model.Library], error) {
	reply := &pb.LibraryResponse{}
	// A person writes /jazz/ as well as jazz.
	if err := a.askAny(ctx, "stream", subject.StreamLibrary, &pb.LibraryRequest{Path: strings.Trim(in.Path, "/")}, reply); err != nil {
		return nil, blame(err, "query.path")
	}
	return answer(model.Library{Path: reply.GetPath(), Entries: libraryEntries(reply)}), nil
}

func (a *API) search(ctx context.Context, in *searchQuery) (*body[model.LibrarySearch], error) {
	reply := &pb.LibraryResponse{}
	if err := a.askAny(ctx, "stream", subject.StreamSearch, &pb.SearchRequest{Query: in.Query, Limit: in.Limit}, reply); err != nil {
		return nil, err
	}
	return answer(model.LibrarySearch{Query: in.Query, Found: reply.GetFound(), Entries: libraryEntries(reply)}), nil
}

func (a *API) libraryStatus(ctx context.Context, rescan bool) (*body[model.LibraryStatus], error) {
	s := &pb.LibraryStatus{}
	if err := a.ask(ctx, "stream", subject.StreamLibraryStatus, &pb.LibraryStatusRequest{Rescan: rescan}, s); err != nil {
		return nil, err
	}
	return answer(RenderLibraryStatus(s)), nil
}

// RenderLibraryStatus shows what the stream service said.
func RenderLibraryStatus(s *pb.LibraryStatus) model.LibraryStatus {
	out := model.LibraryStatus{
		State: s.GetState(), FilesFound: s.GetFilesFound(), FilesRead: s.GetFilesRead(), Tracks: s.GetTracks(), Playlists: s.GetPlaylists(),
		Unreadable: s.GetUnreadable(), Error: s.GetError(), Decoders: append([]string{}, s.GetDecoders()...), Encoders: append([]string{}, s.GetEncoders()...),
	}
	if s.GetScannedAt() != nil {
		at := s.GetScannedAt().AsTime().Truncate(time.Millisecond)
		out.ScannedAt = &at
	}
	return out
}

func libraryEntries(r *pb.LibraryResponse) []model.LibraryEntry {
	out := make([]model.LibraryEntry, 0, len(r.GetEntries()))
	for _, e := range r.GetEntries() {
		out = append(out, model.LibraryEntry{
			Name: e.GetName(), Path: e.GetPath(), Folder: e.GetFolder(), Playlist: e.GetPlaylist(),
			Title: e.GetTitle(), Artist: e.GetArtist(), Album: e.GetAlbum(), AlbumArtist: e.GetAlbumArtist(),
			Track: e.GetTrack(), Disc: e.GetDisc(), Year: e.GetYear(), DurationMS: e.GetDurationMs(),
			SampleRate: e.GetSampleRate(), BitDepth: e.GetBitDepth(), Channels: e.GetChannels(), Codec: e.GetCodec(), Cover: e.GetCover(),
			Error: e.GetError(),
		})
	}
	return out
}
