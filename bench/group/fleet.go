package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tutti-audio/tutti/sendspin/client"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// fleet are the devices of a stage, connected.
type fleet struct {
	clients []*client.Client
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// connect connects the devices and approves them.
func connect(ctx context.Context, s *server, devices []Device) (*fleet, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &fleet{cancel: cancel}
	for _, d := range devices {
		c, err := d.client()
		if err != nil {
			f.stop()
			return nil, err
		}
		f.clients = append(f.clients, c)
		f.wg.Go(func() { _ = c.Dial(ctx, s.sendspin) })
	}
	if err := eventually(ctx, func() error { return f.approve(s) }); err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (d Device) client() (*client.Client, error) {
	volume := 40
	return client.New(client.Config{
		Name: d.Name, Roles: d.Roles, UnpairedAccess: true, Strict: true, Volume: &volume,
		Formats: []wire.AudioFormat{d.Format}, BufferCapacity: 1 << 20, RequiredLeadMS: 200, MinBufferMS: 200,
		Artwork: []wire.ArtworkChannel{
			{Source: wire.ArtworkAlbum, Format: wire.ImageJPEG, Width: 800, Height: 800},
			{Source: wire.ArtworkAlbum, Format: wire.ImagePNG, Width: 320, Height: 240},
		},
		VisualCapacity: 1 << 16,
		Visualizer: &wire.VisualizerState{
			Types: []string{wire.VisualLoudness, wire.VisualFPeak, wire.VisualSpectrum, wire.VisualPeak, wire.VisualBeat}, RateMax: 30,
			Spectrum: &wire.Spectrum{Bins: 32, Scale: wire.ScaleMel, FMin: 30, FMax: 16000},
		},
	})
}

// approve approves who waits, and fails until everybody has roles and is available.
func (f *fleet) approve(s *server) error {
	var inbox struct {
		Waiting []struct {
			ClientID string `json:"client_id"`
		}
	}
	if err := s.do("GET", "/api/v1/inbox", nil, &inbox); err != nil {
		return err
	}
	for _, w := range inbox.Waiting {
		if err := s.do("POST", "/api/v1/clients/"+w.ClientID+"/approve", map[string]any{"controller": true}, nil); err != nil {
			return err
		}
	}
	var list struct {
		Clients []struct {
			ClientID    string   `json:"client_id"`
			Available   *bool    `json:"available"`
			ActiveRoles []string `json:"active_roles"`
		}
	}
	if err := s.do("GET", "/api/v1/clients", nil, &list); err != nil {
		return err
	}
	ready := 0
	for _, c := range list.Clients {
		if c.Available != nil && *c.Available && len(c.ActiveRoles) > 0 {
			ready++
		}
	}
	if ready < len(f.clients) {
		return fmt.Errorf("group: %d of %d devices are ready", ready, len(f.clients))
	}
	return nil
}

// play makes the group and starts the music, again and again.
func (f *fleet) play(s *server, uri string) error {
	var members []string
	for _, c := range f.clients {
		members = append(members, c.ID())
	}
	var g struct {
		GroupID string `json:"group_id"`
	}
	if err := s.do("POST", "/api/v1/groups", map[string]any{"name": "Bench", "members": members}, &g); err != nil {
		return err
	}
	path := "/api/v1/groups/" + g.GroupID
	return errors.Join(
		s.do("POST", path+"/repeat", map[string]any{"mode": "all"}, nil),
		s.do("POST", path+"/play", map[string]any{"uri": uri}, nil),
	)
}

// counts sums what the strict clients counted.
func (f *fleet) counts() (late, violations uint64) {
	for _, c := range f.clients {
		s := c.Stats()
		if slices.Contains(s.Roles, wire.RolePlayerV1) {
			late += s.Late
		}
		violations += s.Violations
	}
	return late, violations
}

func (f *fleet) stop() {
	f.cancel()
	f.wg.Wait()
}
