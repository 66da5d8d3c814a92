package group

import (
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
)

// specOf is what a member is to be sent: the format that it prefers, or that was chosen
// for it, with what the operator set. It is false when nothing that it lists can be made.
func (g *Group) specOf(m *member) (rendition.Spec, bool) {
	support := m.p.GetPlayerSupport()
	f, ok := rendition.Choose(support.GetSupportedFormats(), m.p.GetPlayer().GetFormat())
	if !ok {
		return rendition.Spec{}, false
	}
	return rendition.NewSpec(f, m.tuning, support.GetBufferCapacity(), g.ChunkMS), true
}

// moveEveryUS is the least time between two changes of what one member is sent while it
// sounds: a player whose preference flaps, or an operator who drags an equalizer about,
// makes one rendition in that time, and the newest wish wins.
const moveEveryUS = 2_000_000

// respec is specOf for a member that may be sounding: before is its presence until now,
// sounds whether it was sent audio.
func (g *Group) respec(m *member, before *tuttiv1.ClientPresence, sounds bool) (rendition.Spec, bool) {
	spec, ok := g.specOf(m)
	delete(g.later, m.id)
	if !ok || spec == m.spec || !sounds || g.stream == nil || before.GetSessionId() != m.p.GetSessionId() {
		return spec, ok
	}
	now := g.House.NowMicros()
	if due := m.movedUS + moveEveryUS; now < due && rendition.Lists(m.p.GetPlayerSupport().GetSupportedFormats(), rendition.Proto(m.spec.Format)) {
		g.later[m.id] = due
		return m.spec, true
	}
	m.movedUS = now
	return spec, true
}

// lookLater looks again at the members whose time has come.
func (g *Group) lookLater(now int64) {
	for id, us := range g.later {
		if us > now {
			continue
		}
		delete(g.later, id)
		if m := g.members[id]; m != nil {
			g.look(m)
		}
	}
}

// remarks is what a person should know of the members' audio, by client id: a preference
// that is none, a buffer that is too small.
func (g *Group) remarks() map[string]string {
	out := map[string]string{}
	for id, m := range g.members {
		if !m.streams {
			continue
		}
		support := m.p.GetPlayerSupport()
		var says []string
		if f := m.p.GetPlayer().GetFormat(); f != nil && !rendition.Lists(support.GetSupportedFormats(), f) {
			says = append(says, fmt.Sprintf("it prefers %s, which its supported_formats do not hold: ignored", rendition.FromProto(f)))
		}
		if c := support.GetBufferCapacity(); c > 0 {
			if why := m.spec.Starves(c); why != "" {
				says = append(says, why)
			}
		}
		if len(says) > 0 {
			out[id] = strings.Join(says, "; ")
		}
	}
	return out
}

// specs is the set of renditions that the members need now, and the clients of each by
// rendition id.
func (g *Group) specs() (specs []rendition.Spec, clients map[string][]string) {
	clients = map[string][]string{}
	for _, id := range g.rec.GetMembers() {
		m := g.members[id]
		if m == nil || !m.streams {
			continue
		}
		spec := m.spec
		if g.run != nil && g.run.capture {
			spec = short(spec)
		}
		r := spec.ID()
		if clients[r] == nil {
			specs = append(specs, spec)
		}
		clients[r] = append(clients[r], id)
	}
	return specs, clients
}

// setRenditions tells the pipeline what the members need now.
func (g *Group) setRenditions() {
	if g.run == nil {
		return
	}
	specs, _ := g.specs()
	g.run.p.SetRenditions(specs)
}

// start is the StreamStart of the present epoch in one rendition; nil when that cannot
// be encoded.
func (g *Group) start(spec rendition.Spec) *tuttiv1.StreamStart {
	id := spec.ID()
	if s, ok := g.shared.starts[id]; ok {
		return s
	}
	header, err := rendition.Header(spec, spec.ChunkFrames(g.ChunkMS))
	var s *tuttiv1.StreamStart
	if err != nil {
		g.log.Error("rendition cannot be made", obs.KeyRendition, id, obs.KeyErr, err)
	} else {
		s = &tuttiv1.StreamStart{RenditionId: id, Format: rendition.Proto(spec.Format), CodecHeader: header, Epoch: g.shared.stream.epoch,
			NotBeforeUs: g.shared.stream.t0, SendAheadUs: g.shared.stream.leadUS, Live: g.shared.stream.live}
	}
	if g.shared.starts == nil {
		g.shared.starts = map[string]*tuttiv1.StreamStart{}
	}
	g.shared.starts[id] = s
	return s
}
