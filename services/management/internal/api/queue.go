package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type enqueue struct {
	GroupPath
	Body struct {
		URIs []string `json:"uris" nullable:"false" minItems:"1" maxItems:"1000" doc:"As for play; each is appended."`
	}
}

type libraryQuery struct {
	Path string `query:"path" maxLength:"4096" doc:"Below the music folder; its root when left out."`
}

func (a *API) queueRoutes() {
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "get-queue", method: http.MethodGet, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleViewer,
		summary: "The queue of a group", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *GroupPath) (*body[model.Queue], error) {
		g, err := a.group(in.ID)
		if err != nil {
			return nil, err
		}
		return answer(readmodel.BuildQueue(g)), nil
	})
	register(a, route{
		id: "enqueue", method: http.MethodPost, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleOperator,
		summary: "Append to the queue", doc: "Does not start playback.", idempotent: true,
		errors: append([]int{http.StatusBadRequest}, errors...),
	}, a.enqueue)
	register(a, route{
		id: "clear-queue", method: http.MethodDelete, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleOperator,
		summary: "Empty the queue", errors: errors,
	}, a.clearQueue)
	register(a, route{
		id: "browse-library", method: http.MethodGet, path: "/api/v1/library", tag: tagLibrary, role: auth.RoleViewer,
		summary: "Browse the music folder", errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.library)
}

func (a *API) enqueue(ctx context.Context, in *enqueue) (*body[model.Queue], error) {
	for i, uri := range in.Body.URIs {
		if err := playuri.Check(uri); err != nil {
			return nil, badField(indexed("body.uris", i), err.Error())
		}
	}
	if _, err := a.group(in.ID); err != nil {
		return nil, err
	}
	g, err := a.command(ctx, in.ID, &pb.GroupCommand{Command: &pb.GroupCommand_Enqueue{Enqueue: &pb.Enqueue{Uris: in.Body.URIs}}})
	if err != nil {
		return nil, blame(err, "body.uris")
	}
	a.logAct(ctx, "group.enqueue", "", fmt.Sprintf("group %q (%s): %d titles", clip(g.GetName()), in.ID, len(in.Body.URIs)))
	a.awaitQueue(ctx, g)
	return answer(readmodel.BuildQueue(g)), nil
}

func (a *API) clearQueue(ctx context.Context, in *GroupPath) (*body[model.Queue], error) {
	if _, err := a.group(in.ID); err != nil {
		return nil, err
	}
	g, err := a.command(ctx, in.ID, &pb.GroupCommand{Command: &pb.GroupCommand_ClearQueue{ClearQueue: &pb.Empty{}}})
	if err != nil {
		return nil, err
	}
	a.logAct(ctx, "group.clear_queue", "", fmt.Sprintf("group %q (%s)", clip(g.GetName()), in.ID))
	a.awaitQueue(ctx, g)
	return answer(readmodel.BuildQueue(g)), nil
}

// awaitQueue waits until a GET shows the queue as it is in g.
func (a *API) awaitQueue(ctx context.Context, g *pb.Group) {
	a.await(ctx, func(s *readmodel.Snapshot) bool {
		now := s.Group(g.GetGroupId())
		return now == nil || len(now.GetQueue()) == len(g.GetQueue())
	})
}

func (a *API) library(ctx context.Context, in *libraryQuery) (*body[model.Library], error) {
	reply := &pb.LibraryResponse{}
	// A person writes /jazz/ as well as jazz.
	if err := a.ask(ctx, "stream", subject.StreamLibrary, &pb.LibraryRequest{Path: strings.Trim(in.Path, "/")}, reply); err != nil {
		return nil, blame(err, "query.path")
	}
	out := model.Library{Path: reply.GetPath(), Entries: make([]model.LibraryEntry, 0, len(reply.GetEntries()))}
	for _, e := range reply.GetEntries() {
		out.Entries = append(out.Entries, model.LibraryEntry{
			Name: e.GetName(), Path: e.GetPath(), Folder: e.GetFolder(),
			Title: e.GetTitle(), Artist: e.GetArtist(), Album: e.GetAlbum(), DurationMS: e.GetDurationMs(),
			SampleRate: e.GetSampleRate(), BitDepth: e.GetBitDepth(), Channels: e.GetChannels(), Error: e.GetError(),
		})
	}
	return answer(out), nil
}
