package soak

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/e2e/harness"
	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// kind is a sort of device.
type kind struct {
	name    string
	count   int
	roles   []string
	formats []wire.AudioFormat
	buffer  int
}

func (k kind) has(role string) bool { return slices.Contains(k.roles, role) }

var (
	flac44 = harness.FLAC44
	pcm44  = harness.PCM44
	flac48 = wire.AudioFormat{Codec: wire.CodecFLAC, SampleRate: 48000, Channels: 2, BitDepth: 24}
	pcm48  = harness.PCM48
	mono44 = wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: 44100, Channels: 1, BitDepth: 16}
)

// kinds are the fleet: 44 devices, all roles.
func kinds() []kind {
	const (
		player, controller, metadata = wire.RolePlayerV1, wire.RoleControllerV1, wire.RoleMetadataV1
		artwork, color, visualizer   = wire.RoleArtworkV1, wire.RoleColorV1, wire.RoleVisualizerV1
		source                       = wire.RoleSourceV1
	)
	return []kind{
		{"Small speaker", 8, []string{player}, []wire.AudioFormat{pcm44, flac44}, 200_000},
		{"Speaker", 6, []string{player, metadata}, []wire.AudioFormat{flac44, pcm44}, 1 << 20},
		{"Studio", 4, []string{player}, []wire.AudioFormat{pcm48, flac48, pcm44}, 1 << 20},
		{"Mono", 2, []string{player}, []wire.AudioFormat{mono44}, 300_000},
		{"Screen", 4, []string{player, metadata, artwork, color}, []wire.AudioFormat{flac44, pcm44}, 1 << 20},
		{"All in one", 2, []string{player, controller, metadata, artwork, color, visualizer}, []wire.AudioFormat{pcm44, flac44}, 500_000},
		{"Wall", 4, []string{controller, metadata}, nil, 0},
		{"Label", 2, []string{metadata}, nil, 0},
		{"Picture", 3, []string{artwork}, nil, 0},
		{"Lamp", 2, []string{color}, nil, 0},
		{"Bars", 4, []string{visualizer}, nil, 0},
		{"Line-in", 3, []string{source}, nil, 0},
	}
}

// fleet makes and connects all devices.
func fleet(t *testing.T, s *harness.Server, ref *reference) []*device {
	t.Helper()
	var all []*device
	for _, k := range kinds() {
		for i := range k.count {
			d := newDevice(t, k, fmt.Sprintf("%s %d", k.name, i+1), ref)
			d.proxy = harness.NewProxy(t, s.Sendspin)
			d.connect(t)
			all = append(all, d)
		}
	}
	return all
}

func newDevice(t *testing.T, k kind, name string, ref *reference) *device {
	t.Helper()
	d := &device{name: name, kind: k, ref: ref, last: map[string]int{}}
	volume, suite := 30, noise.ChaChaPoly
	if len(name)%2 == 0 {
		suite = noise.AESGCM
	}
	c, err := client.New(client.Config{
		Name: name, Suite: suite, Roles: k.roles, UnpairedAccess: true, Strict: true, Volume: &volume,
		Formats: k.formats, BufferCapacity: k.buffer, RequiredLeadMS: 100, MinBufferMS: 150,
		Artwork: []wire.ArtworkChannel{
			{Source: wire.ArtworkAlbum, Format: wire.ImageJPEG, Width: 320, Height: 240},
			{Source: wire.ArtworkArtist, Format: wire.ImagePNG, Width: 64, Height: 64},
		},
		VisualCapacity: 1 << 14, Visualizer: bars(20), LineSense: true,
		SyncInterval: 2 * time.Second, BackoffMin: 200 * time.Millisecond, BackoffMax: time.Second,
		OnEvent: d.event, OnChunk: d.chunk, OnVisual: d.visual,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.client = c
	return d
}

// bars is what a visualizer asks for.
func bars(rate int) *wire.VisualizerState {
	return &wire.VisualizerState{
		Types: []string{wire.VisualLoudness, wire.VisualSpectrum, wire.VisualPeak, wire.VisualFPeak, wire.VisualBeat}, RateMax: rate,
		Spectrum: &wire.Spectrum{Bins: 16, Scale: wire.ScaleMel, FMin: 40, FMax: 16000},
	}
}

// approveAll lets everybody in and waits until the server has given each device its roles
// and knows it available.
func approveAll(t *testing.T, s *harness.Server, all []*device) {
	t.Helper()
	yes := map[string]any{"controller": true, "source": true}
	harness.Eventually(t, 3*time.Minute, "every device is approved and ready", func() string {
		for _, w := range s.Inbox(t) {
			s.Must(t, "POST", "/api/v1/clients/"+w.ClientID+"/approve", yes, nil, 404, 409)
		}
		return unready(s.Clients(t), all)
	})
}

// unready names devices that are not available with all their roles.
func unready(clients []harness.Client, all []*device) string {
	var missing []string
	for _, d := range all {
		i := slices.IndexFunc(clients, func(c harness.Client) bool { return c.Name == d.name })
		if i < 0 {
			missing = append(missing, d.name+" (unknown)")
			continue
		}
		c := clients[i]
		for _, role := range d.kind.roles {
			if !slices.Contains(c.ActiveRoles, role) {
				missing = append(missing, d.name+" ("+role+")")
			}
		}
		if c.Trust != "approved" || c.Available == nil || !*c.Available {
			missing = append(missing, d.name+" (not available, "+c.Trust+")")
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%d things are missing, among them %v", len(missing), missing[:min(6, len(missing))])
}
