package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/playuri"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

type playGroup struct {
	GroupPath
	Body *struct {
		URI *string `json:"uri,omitempty" doc:"A path below the music folder (a file, a folder or a playlist); an http: or https: address of a file, a playlist, a radio station or an HLS stream; file:; what another program hands over (pipe:/path, tcp://host:port, tcp-listen:address:port, each with ?format=s16le:44100:2); what a device captures (source: and its client_id); or a sound for setting up (tone:440, noise:pink, sweep:20-20000, channels:). Without it what was paused or stopped resumes." example:"Albums/Blue/01.flac"`
	}
}

type seekGroup struct {
	GroupPath
	Body struct {
		PositionMS int64 `json:"position_ms" minimum:"0" maximum:"9007199254740991" doc:"From the start of the title." example:"90000"`
	}
}

type volumeGroup struct {
	GroupPath
	Body struct {
		Volume int32 `json:"volume" minimum:"0" maximum:"100" doc:"The group's average; the members keep their differences."`
	}
}

type muteGroup struct {
	GroupPath
	Body struct {
		Muted bool `json:"muted"`
	}
}

type repeatGroup struct {
	GroupPath
	Body struct {
		Mode string `json:"mode" enum:"off,one,all"`
	}
}

type shuffleGroup struct {
	GroupPath
	Body struct {
		Enabled bool `json:"enabled"`
	}
}

func (a *API) playbackRoutes() {
	register(a, a.playback("play", "Play or resume", "Starts the uri at once; without one, what was paused or stopped goes on.", true),
		func(ctx context.Context, in *playGroup) (*body[model.Group], error) {
			uri := ""
			if in.Body != nil && in.Body.URI != nil {
				if uri = *in.Body.URI; playuri.Check(uri) != nil {
					return nil, badField("body.uri", playuri.Check(uri).Error())
				}
				if err := a.mayHear(ctx, uri); err != nil {
					return nil, err
				}
			}
			out, err := a.control(ctx, in.ID, "play", uri, &pb.GroupCommand{Command: &pb.GroupCommand_Play{Play: &pb.Play{Uri: uri}}})
			return out, blame(err, "body.uri")
		})
	plain := func(verb, summary, doc string, cmd func() *pb.GroupCommand) {
		register(a, a.playback(verb, summary, doc, false),
			func(ctx context.Context, in *GroupPath) (*body[model.Group], error) {
				return a.control(ctx, in.ID, verb, "", cmd())
			})
	}
	plain("pause", "Pause", "The position is kept.", func() *pb.GroupCommand { return &pb.GroupCommand{Command: &pb.GroupCommand_Pause{Pause: &pb.Empty{}}} })
	plain("stop", "Stop", "", func() *pb.GroupCommand { return &pb.GroupCommand{Command: &pb.GroupCommand_Stop{Stop: &pb.Empty{}}} })
	plain("next", "Next title", "", func() *pb.GroupCommand { return &pb.GroupCommand{Command: &pb.GroupCommand_Next{Next: &pb.Empty{}}} })
	plain("previous", "Previous title", "", func() *pb.GroupCommand {
		return &pb.GroupCommand{Command: &pb.GroupCommand_Previous{Previous: &pb.Empty{}}}
	})
	register(a, a.playback("seek", "Seek", "409 when what plays cannot be sought in.", true),
		func(ctx context.Context, in *seekGroup) (*body[model.Group], error) {
			return a.control(ctx, in.ID, "seek", fmt.Sprintf("%d ms", in.Body.PositionMS), &pb.GroupCommand{Command: &pb.GroupCommand_SeekMs{SeekMs: in.Body.PositionMS}})
		})
	register(a, a.playback("volume", "Set the volume", "By the specification's algorithm, inside the limits of each member; what was set is read back.", true),
		func(ctx context.Context, in *volumeGroup) (*body[model.Group], error) {
			return a.control(ctx, in.ID, "volume", fmt.Sprint(in.Body.Volume), &pb.GroupCommand{Command: &pb.GroupCommand_Volume{Volume: in.Body.Volume}})
		})
	register(a, a.playback("mute", "Mute or unmute", "All members that can be muted.", true), a.mute)
	register(a, a.playback("repeat", "Set the repeat mode", "Of the title, the queue, or nothing; kept over restarts.", true),
		func(ctx context.Context, in *repeatGroup) (*body[model.Group], error) {
			return a.control(ctx, in.ID, "repeat", in.Body.Mode, &pb.GroupCommand{Command: &pb.GroupCommand_Repeat{Repeat: in.Body.Mode}})
		})
	register(a, a.playback("shuffle", "Set shuffle", "What plays goes on; off restores the order that the queue had.", true),
		func(ctx context.Context, in *shuffleGroup) (*body[model.Group], error) {
			return a.control(ctx, in.ID, "shuffle", fmt.Sprint(in.Body.Enabled), &pb.GroupCommand{Command: &pb.GroupCommand_Shuffle{Shuffle: in.Body.Enabled}})
		})
}

// playback is what the commands to a group have in common.
func (a *API) playback(verb, summary, doc string, hasBody bool) route {
	r := route{
		id: verb + "-group", method: http.MethodPost, path: "/api/v1/groups/{group_id}/" + verb,
		tag: tagPlay, role: auth.RoleOperator, zone: zoneGroup, summary: summary, doc: doc,
		errors:     []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		idempotent: verb == "play" || verb == "next" || verb == "previous",
	}
	if hasBody {
		r.errors = append(r.errors, http.StatusBadRequest)
	}
	return r
}

// control gives a command to a group and answers with the group after it. Whether
// the group exists is the stream service's to say: it may know more than the read
// model at this moment.
func (a *API) control(ctx context.Context, groupID, verb, detail string, cmd *pb.GroupCommand) (*body[model.Group], error) {
	if len(groupID) > maxGroupID {
		_, err := a.group(groupID)
		return nil, err
	}
	g, err := a.command(ctx, groupID, cmd)
	if err != nil {
		return nil, err
	}
	says := fmt.Sprintf("group %q (%s)", clip(g.GetName()), groupID)
	if detail != "" {
		says += ": " + detail
	}
	switch verb {
	case "play", "pause", "stop": // who started or silenced the music is worth a line
		a.act(ctx, "group."+verb, "", says)
	default:
		a.logAct(ctx, "group."+verb, "", says)
	}
	return answer(a.render(g)), nil
}

// mute waits a moment for the players' own word: a group is muted when they are.
func (a *API) mute(ctx context.Context, in *muteGroup) (*body[model.Group], error) {
	want := in.Body.Muted
	out, err := a.control(ctx, in.ID, "mute", fmt.Sprint(want), &pb.GroupCommand{Command: &pb.GroupCommand_Mute{Mute: want}})
	if err != nil || out.Body.Muted == want || !a.mutes(out.Body.Members) {
		return out, err
	}
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		g := s.Group(in.ID)
		return g == nil || g.GetMuted() == want
	})
	if g := snap.Group(in.ID); g != nil {
		out = answer(a.render(g))
	}
	return out, nil
}

// mutes tells whether any of the clients can be muted now.
func (a *API) mutes(clients []string) bool {
	snap := a.d.Projection.Snapshot()
	return slices.ContainsFunc(clients, func(id string) bool {
		c := snap.Client(id)
		return c != nil && playerRefusal(c, commandMute, "mute state") == nil
	})
}

// maxGroupID is longer than any group id; it keeps nonsense off the bus.
const maxGroupID = 128
