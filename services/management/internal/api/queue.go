package api

import (
	"context"
	"fmt"
	"net/http"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type enqueue struct {
	GroupPath
	Body struct {
		URIs  []string `json:"uris" nullable:"false" minItems:"1" maxItems:"1000" doc:"As for play; each may be a folder or a playlist." example:"[\"Albums/Blue/01.flac\",\"source:JrfByJgEuQSS45-9kuHCmR7eLzFn6qxtSCAEqtiKJ38\"]"`
		At    *string  `json:"at,omitempty" enum:"end,next" doc:"Behind the last title (default) or behind the one that plays." example:"next"`
		Index *int32   `json:"index,omitempty" minimum:"0" doc:"Before the title that has this index now; instead of at."`
	}
}

// ItemPath is the path of one title of a queue (exported as ClientPath is).
type ItemPath struct {
	GroupPath
	ItemID string `path:"item_id" maxLength:"64" doc:"The title's id in the queue."`
}

type moveItem struct {
	ItemPath
	Body struct {
		Index int32 `json:"index" minimum:"0" doc:"Where the title is afterwards."`
	}
}

func (a *API) queueRoutes() {
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "get-queue", method: http.MethodGet, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleViewer, zone: zoneGroup,
		summary: "The queue of a group", doc: "In the order in which it plays; index is the title that plays, or would.", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *GroupPath) (*body[model.Queue], error) {
		g, err := a.group(in.ID)
		if err != nil {
			return nil, err
		}
		return answer(readmodel.BuildQueue(g)), nil
	})
	register(a, route{
		id: "enqueue", method: http.MethodPost, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Add to the queue", doc: "Does not start playback.", idempotent: true,
		errors: append([]int{http.StatusBadRequest}, errors...),
	}, a.enqueue)
	register(a, route{
		id: "clear-queue", method: http.MethodDelete, path: "/api/v1/groups/{group_id}/queue", tag: tagQueue, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Empty the queue", doc: "What plays goes on to its end. Then play without a uri plays the last title again.", errors: errors,
	}, a.clearQueue)
	a.itemRoutes(errors)
	register(a, route{
		id: "get-history", method: http.MethodGet, path: "/api/v1/groups/{group_id}/history", tag: tagQueue, role: auth.RoleViewer, zone: zoneGroup,
		summary: "What a group played", doc: "The last 200 titles, newest first, with how long each sounded.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *GroupPath) (*body[model.History], error) {
		g, err := a.group(in.ID)
		if err != nil {
			return nil, err
		}
		return answer(readmodel.BuildHistory(g)), nil
	})
}

// itemRoutes are about one title of a queue.
func (a *API) itemRoutes(errors []int) {
	const later = "What sounds is not touched. When the title that follows it changes after its audio was made (up to half a minute ahead), the changed one begins with a short pause."
	register(a, route{
		id: "remove-item", method: http.MethodDelete, path: "/api/v1/groups/{group_id}/queue/{item_id}", tag: tagQueue, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Take a title out of the queue", doc: "When it plays, the next one plays. " + later, errors: errors,
	}, func(ctx context.Context, in *ItemPath) (*body[model.Queue], error) {
		return a.edit(ctx, in.ID, "remove", in.ItemID, &pb.GroupCommand{Command: &pb.GroupCommand_RemoveItem{RemoveItem: in.ItemID}})
	})
	register(a, route{
		id: "move-item", method: http.MethodPost, path: "/api/v1/groups/{group_id}/queue/{item_id}/move", tag: tagQueue, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Move a title in the queue", doc: later, errors: append([]int{http.StatusBadRequest}, errors...),
	}, func(ctx context.Context, in *moveItem) (*body[model.Queue], error) {
		move := &pb.MoveItem{ItemId: in.ItemID, Index: in.Body.Index}
		return a.edit(ctx, in.ID, "move", fmt.Sprintf("%s to %d", in.ItemID, in.Body.Index), &pb.GroupCommand{Command: &pb.GroupCommand_MoveItem{MoveItem: move}})
	})
	register(a, route{
		id: "play-item", method: http.MethodPost, path: "/api/v1/groups/{group_id}/queue/{item_id}/play", tag: tagQueue, role: auth.RoleOperator, zone: zoneGroup,
		summary: "Play a title of the queue now", doc: "The queue stays as it is.", errors: errors, idempotent: true,
	}, func(ctx context.Context, in *ItemPath) (*body[model.Group], error) {
		return a.control(ctx, in.ID, "play", "title "+in.ItemID, &pb.GroupCommand{Command: &pb.GroupCommand_Jump{Jump: in.ItemID}})
	})
}

func (a *API) enqueue(ctx context.Context, in *enqueue) (*body[model.Queue], error) {
	for i, uri := range in.Body.URIs {
		if err := playuri.Check(uri); err != nil {
			return nil, badField(indexed("body.uris", i), err.Error())
		}
		if err := a.mayHear(ctx, uri); err != nil {
			return nil, err
		}
	}
	e := &pb.Enqueue{Uris: in.Body.URIs, Index: in.Body.Index}
	if in.Body.At != nil {
		e.At = *in.Body.At
	}
	out, err := a.edit(ctx, in.ID, "enqueue", enqueued(in.Body.URIs), &pb.GroupCommand{Command: &pb.GroupCommand_Enqueue{Enqueue: e}})
	return out, blame(err, "body.uris")
}

// enqueued says for the log what was added: its name, or how many there are.
func enqueued(uris []string) string {
	if len(uris) == 1 {
		return uris[0]
	}
	return fmt.Sprintf("%d titles", len(uris))
}

func (a *API) clearQueue(ctx context.Context, in *GroupPath) (*body[model.Queue], error) {
	return a.edit(ctx, in.ID, "clear_queue", "", &pb.GroupCommand{Command: &pb.GroupCommand_ClearQueue{ClearQueue: &pb.Empty{}}})
}

// edit gives a command that changes the queue, and answers with the queue after it.
func (a *API) edit(ctx context.Context, groupID, verb, detail string, cmd *pb.GroupCommand) (*body[model.Queue], error) {
	if _, err := a.group(groupID); err != nil {
		return nil, err
	}
	g, err := a.command(ctx, groupID, cmd)
	if err != nil {
		return nil, err
	}
	says := fmt.Sprintf("group %q (%s)", clip(g.GetName()), groupID)
	if detail != "" {
		says += ": " + clip(detail)
	}
	a.logAct(ctx, "group."+verb, "", says)
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
