package api

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type announce struct {
	GroupPath
	Body struct {
		URI      *string   `json:"uri,omitempty" doc:"A file below the music folder, an http(s) address of one, or a clip that was sent in (clip:); at most 10 minutes long." example:"bell.flac"`
		Text     *string   `json:"text,omitempty" minLength:"1" maxLength:"2000" doc:"Spoken, where espeak-ng is installed. One of uri and text." example:"Dinner is ready"`
		Language *string   `json:"language,omitempty" maxLength:"35" doc:"Of the text, BCP 47; the server's first one when left out." example:"en"`
		Volume   *int32    `json:"volume,omitempty" minimum:"0" maximum:"100" doc:"The players' volume meanwhile, inside their limits. Who is muted stays muted." example:"60"`
		DuckDB   *int32    `json:"duck_db,omitempty" minimum:"0" maximum:"60" doc:"How much quieter the music is meanwhile; 18 when left out." example:"18"`
		Priority *int32    `json:"priority,omitempty" doc:"A higher one interrupts; the same or a lower one waits." example:"10"`
		Groups   *[]string `json:"groups,omitempty" nullable:"false" maxItems:"100" doc:"More groups that play it, by their ids." example:"[\"g-3f2a\"]"`
	}
}

type announcing struct {
	Body model.Announcing
}

// AnnouncementPath is the path of one announcement (exported as ClientPath is).
type AnnouncementPath struct {
	GroupPath
	AnnouncementID string `path:"announcement_id" maxLength:"64" doc:"What POST announce answered."`
}

func (a *API) announceRoutes() {
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	register(a, route{
		id: "announce", method: http.MethodPost, path: "/api/v1/groups/{group_id}/announce", tag: tagPlay, role: auth.RoleOperator, zone: zoneGroup, status: http.StatusAccepted,
		summary: "Announce something", idempotent: true,
		doc:    "Plays a clip over the music, which is quieter meanwhile, and restores it. In a group where nothing plays it plays the clip and stops. 409 when too many wait.",
		errors: append([]int{http.StatusBadRequest}, errors...),
	}, a.announce)
	register(a, route{
		id: "get-announcement", method: http.MethodGet, path: "/api/v1/groups/{group_id}/announcements/{announcement_id}", tag: tagPlay, role: auth.RoleViewer, zone: zoneGroup,
		summary: "How an announcement does", doc: "The last 32 of a group are known.", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *AnnouncementPath) (*body[model.Announcement], error) {
		g, err := a.group(in.ID)
		if err != nil {
			return nil, err
		}
		for _, x := range g.GetAnnouncements() {
			if x.GetAnnouncementId() == in.AnnouncementID {
				return answer(*readmodel.BuildAnnouncement(x)), nil
			}
		}
		return nil, fault.New(fault.NotFound, "there is no announcement %q in group %q", clip(in.AnnouncementID), clip(g.GetName()))
	})
	register(a, route{
		id: "cancel-announcement", method: http.MethodDelete, path: "/api/v1/groups/{group_id}/announcements/{announcement_id}", tag: tagPlay, role: auth.RoleOperator, zone: zoneGroup, status: http.StatusNoContent,
		summary: "Cancel an announcement", doc: "One that has ended stays as it is.", errors: errors,
	}, func(ctx context.Context, in *AnnouncementPath) (*struct{}, error) {
		if _, err := a.group(in.ID); err != nil {
			return nil, err
		}
		g, err := a.command(ctx, in.ID, &pb.GroupCommand{Command: &pb.GroupCommand_CancelAnnouncement{CancelAnnouncement: in.AnnouncementID}})
		if err == nil {
			a.act(ctx, "group.announcement_cancelled", "", fmt.Sprintf("group %q (%s): %s", clip(g.GetName()), in.ID, clip(in.AnnouncementID)))
		}
		return nil, err
	})
}

// announce gives every group the same announcement, or none of them.
func (a *API) announce(ctx context.Context, in *announce) (*announcing, error) {
	cmd, err := a.announceCommand(in)
	if err != nil {
		return nil, err
	}
	if err := a.mayHear(ctx, cmd.GetUri()); err != nil {
		return nil, err
	}
	if err := a.knownClip(ctx, cmd.GetUri()); err != nil {
		return nil, err
	}
	groups := []string{in.ID}
	for i, id := range deref(in.Body.Groups) {
		if _, err := a.group(id); err != nil {
			return nil, badField(indexed("body.groups", i), fmt.Sprintf("there is no group %q", clip(id)))
		}
		if err := a.demand(ctx, auth.RoleOperator, id); err != nil {
			return nil, err
		}
		if !slices.Contains(groups, id) {
			groups = append(groups, id)
		}
	}
	if _, err := a.group(in.ID); err != nil {
		return nil, err
	}
	for i, id := range groups {
		if _, err := a.command(ctx, id, &pb.GroupCommand{Command: &pb.GroupCommand_Announce{Announce: cmd}}); err != nil {
			for _, done := range groups[:i] {
				_, _ = a.command(ctx, done, &pb.GroupCommand{Command: &pb.GroupCommand_CancelAnnouncement{CancelAnnouncement: cmd.GetAnnouncementId()}}) // the first error says more
			}
			return nil, blame(err, "body.uri")
		}
	}
	what := cmd.GetUri()
	if cmd.GetText() != "" {
		what = "a text"
	}
	a.act(ctx, "group.announced", "", fmt.Sprintf("%s in group %s", clip(what), strings.Join(groups, ", ")))
	a.await(ctx, func(s *readmodel.Snapshot) bool { return knows(s, groups, cmd.GetAnnouncementId()) })
	return &announcing{Body: model.Announcing{AnnouncementID: cmd.GetAnnouncementId(), Groups: groups}}, nil
}

func (a *API) announceCommand(in *announce) (*pb.Announce, error) {
	b := in.Body
	cmd := &pb.Announce{AnnouncementId: newAnnouncementID(), Volume: b.Volume, DuckDb: b.DuckDB}
	if b.Priority != nil {
		cmd.Priority = *b.Priority
	}
	switch {
	case (b.URI == nil) == (b.Text == nil):
		return nil, badField("body.uri", "say what to announce: one of uri and text")
	case b.URI != nil:
		if err := playuri.CheckAnnounce(*b.URI); err != nil {
			return nil, badField("body.uri", err.Error())
		}
		cmd.Uri = *b.URI
		return cmd, nil
	}
	if cmd.Text = strings.TrimSpace(*b.Text); cmd.Text == "" {
		return nil, badField("body.text", "is blank")
	}
	if b.Language != nil {
		cmd.Language = *b.Language
	} else if l := a.d.Projection.Snapshot().Settings.GetLanguages(); len(l) > 0 {
		cmd.Language = l[0]
	}
	return cmd, nil
}

// knows reports whether the read model shows an announcement in every group.
func knows(s *readmodel.Snapshot, groups []string, id string) bool {
	return !slices.ContainsFunc(groups, func(g string) bool {
		x := s.Group(g)
		return x != nil && !slices.ContainsFunc(x.GetAnnouncements(), func(a *pb.Announcement) bool { return a.GetAnnouncementId() == id })
	})
}

func newAnnouncementID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "a-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func deref(p *[]string) []string {
	if p == nil {
		return nil
	}
	return *p
}
