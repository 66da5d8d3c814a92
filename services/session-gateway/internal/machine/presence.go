package machine

import (
	"slices"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Fill writes what this machine knows into a presence record.
func (m *Machine) Fill(p *tuttiv1.ClientPresence) {
	h := m.cfg.Hello
	p.ClientId, p.SessionId = m.cfg.ClientID, m.cfg.SessionID
	p.PskCategory, p.CredentialMismatch = m.keys.category, m.keys.mismatch
	p.Name = h.Name
	p.DeviceInfo = DeviceInfo(h.DeviceInfo)
	p.SupportedRoles = h.SupportedRoles
	p.UnknownRoles = wire.UnimplementedRoles(Implemented(), h)
	if h.Player != nil {
		p.PlayerSupport = &tuttiv1.PlayerSupport{BufferCapacity: int64(h.Player.BufferCapacity)}
		for _, f := range h.Player.Formats {
			p.PlayerSupport.SupportedFormats = append(p.PlayerSupport.SupportedFormats, audioFormat(f))
		}
	}
	p.Ignored = slices.Clone(m.ignored)
	p.PairMethods = pairMethods(h.PairMethods)
	p.UnpairedAccess = h.UnpairedAccess.Enabled
	p.SourceLineSense = h.Source != nil && h.Source.LineSense != nil && *h.Source.LineSense
	p.Trust = m.trust
	p.Activities, p.ActiveRoles = slices.Clone(m.activities), slices.Clone(m.roles)
	if m.available != nil {
		v := *m.available
		p.Available = &v
	}
	p.Player, p.Limits = playerState(m.player), m.volume.own
	p.KeptVolume, p.OrderedVolume = m.volume.kept, m.volume.ordered
	p.Artwork = artworkProto(m.artwork.asked)
	m.fillVisual(p)
	m.fillSource(p)
	p.Stream = m.stream.status()
}

// LastStream describes the active player stream, or without one the one that ended last:
// of a short stream it is asked what was sent of it when it is over. It is nil when there
// was none. What was sent is for the caller to fill in.
func (m *Machine) LastStream() *tuttiv1.StreamStatus {
	if m.stream == nil {
		return m.past.status()
	}
	return m.stream.status()
}

func (s *StartStream) status() *tuttiv1.StreamStatus {
	if s == nil {
		return nil
	}
	return &tuttiv1.StreamStatus{
		GroupId: s.GroupID, RenditionId: s.Rendition, Format: audioFormat(s.Player.Format), Epoch: s.Epoch,
	}
}

// DeviceInfo translates the device_info of a hello; nil stays nil.
func DeviceInfo(d *wire.DeviceInfo) *tuttiv1.DeviceInfo {
	if d == nil {
		return nil
	}
	return &tuttiv1.DeviceInfo{
		ProductName: d.ProductName, Manufacturer: d.Manufacturer,
		SoftwareVersion: d.SoftwareVersion, MacAddress: d.MACAddress,
	}
}

func audioFormat(f wire.AudioFormat) *tuttiv1.AudioFormat {
	return &tuttiv1.AudioFormat{
		Codec: f.Codec, SampleRate: int32(f.SampleRate), Channels: int32(f.Channels), BitDepth: int32(f.BitDepth),
	}
}

func playerState(s *wire.PlayerState) *tuttiv1.PlayerState {
	if s == nil {
		return nil
	}
	out := &tuttiv1.PlayerState{
		Muted: s.Muted, OutputDelayMs: int32(s.OutputDelayMS),
		RequiredLeadTimeMs: int64(s.RequiredLeadMS), MinBufferMs: int64(s.MinBufferMS),
		SupportedCommands: s.SupportedCommands,
	}
	if s.Volume != nil {
		v := int32(*s.Volume)
		out.Volume = &v
	}
	if s.Format != nil {
		out.Format = audioFormat(*s.Format)
	}
	return out
}

func pairMethods(p wire.PairMethods) []*tuttiv1.PairMethod {
	var out []*tuttiv1.PairMethod
	if m := p.PSK; m != nil {
		out = append(out, &tuttiv1.PairMethod{Method: wire.MethodPSK, Locations: m.Locations})
	}
	if m := p.StaticCode; m != nil {
		out = append(out, &tuttiv1.PairMethod{Method: wire.MethodStaticCode, Locations: m.Locations})
	}
	if m := p.DynamicCode; m != nil {
		out = append(out, &tuttiv1.PairMethod{Method: wire.MethodDynamicCode, Formats: m.Formats, OutChannels: m.OutChannels})
	}
	return out
}
