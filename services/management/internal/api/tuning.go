package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// What an operator sets for a client is one object, its tuning, kept by the stream
// service and replaced as a whole. A PATCH reads it, changes its own part, and tries
// again when somebody else was faster.

// tuneTries bounds that.
const tuneTries = 5

// Tunings is the bucket of what is set for clients, by client id; the stream service
// writes it.
type Tunings interface {
	Get(ctx context.Context, key string) (*pb.ClientTuning, uint64, error)
}

// percentChoice is a volume of a PATCH: absent, null (none) or 0 to 100.
type percentChoice struct {
	set   bool
	value *int32
}

// UnmarshalJSON tells null from absent.
func (p *percentChoice) UnmarshalJSON(b []byte) error {
	*p = percentChoice{set: true}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	p.value = new(int32)
	return json.Unmarshal(b, p.value)
}

// Schema implements huma.SchemaProvider.
func (percentChoice) Schema(huma.Registry) *huma.Schema {
	low, high := 0.0, 100.0
	return &huma.Schema{Type: huma.TypeInteger, Format: "int32", Minimum: &low, Maximum: &high, Nullable: true}
}

// says is the choice for the ledger.
func (p percentChoice) says(name string) string {
	if p.value == nil {
		return "no " + name
	}
	return fmt.Sprintf("%s %d", name, *p.value)
}

func (p percentChoice) shownBy(v *int32) bool {
	return !p.set || p.value == nil && v == nil || p.value != nil && v != nil && *p.value == *v
}

// tuningPatch is the part of a PATCH that belongs to the tuning.
type tuningPatch struct {
	PreferredFormat formatChoice
	Min, Max, Start percentChoice
	Channels        channelsChoice
	Equalizer       equalizerChoice
	AutoStart       autoStartChoice
}

func (b patchClientBody) tuning() tuningPatch {
	return tuningPatch{PreferredFormat: b.PreferredFormat, Min: b.VolumeMin, Max: b.VolumeMax, Start: b.VolumeStartup,
		Channels: b.Channels, Equalizer: b.Equalizer, AutoStart: b.AutoStart}
}

// any reports whether the patch changes a tuning.
func (p tuningPatch) any() bool {
	return p.PreferredFormat.set || p.Min.set || p.Max.set || p.Start.set || p.AutoStart.set || p.sound()
}

// sound reports whether the patch changes what the player is sent, apart from the format.
func (p tuningPatch) sound() bool { return p.Channels.set || p.Equalizer.set }

// check says why c cannot be tuned like this, or nil. What depends on what is set already
// the stream service checks.
func (p tuningPatch) check(c *model.Client) error {
	if (p.Min.set || p.Max.set || p.Start.set) && c.Player == nil {
		return fault.New(fault.Conflict, "%s is no player (its roles: %s), so it has no volume to be limited", c.DisplayName(), words(c.SupportedRoles))
	}
	if p.sound() && c.Player == nil {
		return fault.New(fault.Conflict, "%s is no player (its roles: %s), so it has no channels or equalizer", c.DisplayName(), words(c.SupportedRoles))
	}
	return p.PreferredFormat.check(c)
}

// apply changes t and says what was set.
func (p tuningPatch) apply(t *pb.ClientTuning) string {
	var says []string
	for _, v := range []struct {
		name string
		p    percentChoice
		to   **int32
	}{{"volume_min", p.Min, &t.VolumeMin}, {"volume_max", p.Max, &t.VolumeMax}, {"volume_startup", p.Start, &t.VolumeStartup}} {
		if v.p.set {
			*v.to = v.p.value
			says = append(says, v.p.says(v.name))
		}
	}
	if p.PreferredFormat.set {
		says = append(says, p.PreferredFormat.apply(t))
	}
	if p.Channels.set {
		t.Channels = p.Channels.mode
		says = append(says, p.Channels.says())
	}
	if p.Equalizer.set {
		t.Equalizer = p.Equalizer.proto()
		says = append(says, p.Equalizer.says())
	}
	if p.AutoStart.set {
		t.AutoStart = p.AutoStart.proto()
		says = append(says, p.AutoStart.says())
	}
	return strings.Join(says, ", ")
}

// shownBy reports whether c shows what was set.
func (p tuningPatch) shownBy(c *model.Client) bool {
	t := c.Tuning
	if t == nil {
		t = &model.Tuning{}
	}
	return p.PreferredFormat.shownBy(c) && p.AutoStart.shownBy(t.AutoStart) && p.Channels.shownBy(t.Channels) && p.Equalizer.shownBy(t.Equalizer) && p.Min.shownBy(t.VolumeMin) && p.Max.shownBy(t.VolumeMax) && p.Start.shownBy(t.VolumeStartup)
}

// tune has the stream service keep the change.
func (a *API) tune(ctx context.Context, c *model.Client, p tuningPatch) error {
	for try := 1; ; try++ {
		was, rev, err := a.d.Tunings.Get(ctx, c.ClientID)
		switch {
		case fault.CodeOf(err) == fault.NotFound:
			was, rev = &pb.ClientTuning{ClientId: c.ClientID}, 0
		case err != nil:
			return err
		}
		now := proto.CloneOf(was)
		says := p.apply(now)
		if proto.Equal(was, now) {
			return nil
		}
		err = a.ask(ctx, "stream", subject.StreamTune, &pb.TuneRequest{Tuning: now, Actor: who(ctx), Revision: &rev}, &pb.ClientTuning{})
		if fault.CodeOf(err) == fault.Conflict && try < tuneTries {
			continue // somebody else was faster
		}
		if err == nil {
			a.act(ctx, "client.tuned", c.ClientID, says)
		}
		return err
	}
}
