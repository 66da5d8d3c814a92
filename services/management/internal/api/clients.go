package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

const (
	// defaultDevicePort and defaultDevicePath are the specification's
	// recommendations (section Server Initiated Connections).
	defaultDevicePort = "8928"
	defaultDevicePath = "/sendspin"
)

// ClientPath is the path parameter of one client. It is exported because huma
// looks into embedded exported structs alone.
type ClientPath struct {
	ID string `path:"client_id" doc:"The device's key." example:"gH2Lr3xgBN2ZtsJMtTLZ8Xr8mZb6cLZ9kq0p6Y3Wm1A"`
}

type addClient struct {
	Body struct {
		URL string `json:"url" minLength:"1" maxLength:"2048" doc:"Where the device listens; port 8928 and path /sendspin when left out." example:"ws://192.168.1.20:8928/sendspin"`
	}
}

type added struct {
	Location string `header:"Location"`
	Body     model.Sighting
}

type patchClient struct {
	ClientPath
	Body patchClientBody
}

type patchClientBody struct {
	Label           *string      `json:"label,omitempty" maxLength:"64" doc:"The operator's name for the device; an empty one removes it."`
	Volume          *int32       `json:"volume,omitempty" minimum:"0" maximum:"100" doc:"Perceived loudness."`
	Muted           *bool        `json:"muted,omitempty"`
	OutputDelayMS   *int32       `json:"output_delay_ms,omitempty" minimum:"0" maximum:"5000" doc:"What the device's output adds after it."`
	GroupID         *string      `json:"group_id,omitempty" doc:"Move into this group; an empty one leaves the present group."`
	PreferredFormat formatChoice `json:"preferred_format,omitempty"`

	VolumeMin     percentChoice `json:"volume_min,omitempty" doc:"Least volume that the server sets; null takes the limit away."`
	VolumeMax     percentChoice `json:"volume_max,omitempty" doc:"Greatest volume that the server sets; null takes the limit away. A louder device is brought down to it."`
	VolumeStartup percentChoice `json:"volume_startup,omitempty" doc:"Volume that is set once when a session with the device begins, unless the player comes back with the volume that it left with; null leaves the device's own."`

	Channels  channelsChoice  `json:"channels,omitempty" doc:"Which channels the player gives out: stereo (also null) as the source has them, mono the mix of both, left or right that one on every output."`
	Equalizer equalizerChoice `json:"equalizer,omitempty"`
	AutoStart autoStartChoice `json:"auto_start,omitempty"`
}

func (a *API) clientRoutes() {
	register(a, route{
		id: "list-clients", method: http.MethodGet, path: "/api/v1/clients", tag: tagClients, role: auth.RoleViewer, zone: zoneAny,
		summary: "All clients", doc: "Every device that was ever seen and not forgotten, ordered by key. Of a caller with a role in single zones alone: those that play there.",
	}, func(ctx context.Context, _ *nothing) (*body[model.Clients], error) {
		out := model.Clients{Clients: []*model.Client{}}
		for _, c := range a.d.Projection.Snapshot().Clients {
			if sees(ctx, c.GroupID) {
				out.Clients = append(out.Clients, c)
			}
		}
		return answer(out), nil
	})
	register(a, route{
		id: "get-client", method: http.MethodGet, path: "/api/v1/clients/{client_id}", tag: tagClients, role: auth.RoleViewer, zone: zoneClient,
		summary: "One client", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *ClientPath) (*body[*model.Client], error) {
		c, err := a.client(in.ID)
		return answer(c), err
	})
	register(a, route{
		id: "add-client", method: http.MethodPost, path: "/api/v1/clients", tag: tagClients, role: auth.RoleAdmin, status: http.StatusCreated,
		summary: "Add a device by address", doc: "For devices that mDNS does not reach. The server dials it from now on; it becomes a client, and waits in the inbox, when it has answered.",
		errors:     []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
		idempotent: true,
	}, a.addClient)
	register(a, route{
		id: "patch-client", method: http.MethodPatch, path: "/api/v1/clients/{client_id}", tag: tagClients, role: auth.RoleOperator, zone: zoneClient,
		summary: "Change a client", doc: "What is absent stays as it is. Volume, mute and output delay are the device's to keep: 409 when it does not let the server set them (player.supported_commands) or is not connected. Limits, start-up volume, channels, equalizer and format are kept by the server and count whenever the device is there.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.patchClient)
	register(a, route{
		id: "forget-client", method: http.MethodDelete, path: "/api/v1/clients/{client_id}", tag: tagClients, role: auth.RoleAdmin, status: http.StatusNoContent,
		summary: "Forget a client", doc: "Unpairs it, revokes its approval, takes it out of its group, ends its session and removes it. If it comes back it is a stranger.",
		errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, a.forgetClient)
}

func (a *API) addClient(ctx context.Context, in *addClient) (*added, error) {
	u, err := DeviceURL(in.Body.URL)
	if err != nil {
		return nil, badField("body.url", err.Error())
	}
	out := &pb.Sighting{}
	if err := a.ask(ctx, "discovery", subject.DiscoveryAdd, &pb.AddStaticRequest{Url: u, Actor: who(ctx)}, out); err != nil {
		return nil, err
	}
	a.act(ctx, "client.added", "", "address "+u)
	if out.GetUrl() == "" {
		out.Url = u
	}
	return &added{Location: "/api/v1/sightings", Body: readmodel.BuildSighting(out)}, nil
}

// DeviceURL checks and completes the address of a device. The specification's
// transport is plain ws: confidentiality is the Noise layer's.
func DeviceURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	switch {
	case err != nil:
		return "", fmt.Errorf("is not an address such as ws://192.168.1.20:8928/sendspin")
	case u.Scheme != "ws":
		return "", fmt.Errorf("has the scheme %q; Sendspin devices are reached by ws:// (the session inside is encrypted)", u.Scheme)
	case u.Hostname() == "":
		return "", fmt.Errorf("names no host")
	case !hostName(u.Hostname()):
		return "", fmt.Errorf("names the host %q, which is neither a name nor an IP address", u.Hostname())
	case u.User != nil:
		return "", fmt.Errorf("holds a user name or password, which Sendspin does not know")
	case u.Fragment != "":
		return "", fmt.Errorf("holds a fragment")
	}
	if p := u.Port(); p == "" {
		u.Host = strings.TrimSuffix(u.Host, ":") + ":" + defaultDevicePort
	} else if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("port %q is not between 1 and 65535", p)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultDevicePath
	}
	return u.String(), nil
}

// hostName takes IP addresses, with a zone too, and names of letters, digits, dots
// and hyphens.
func hostName(s string) bool {
	if strings.Contains(s, ":") {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return false
		}
		s = ip.Zone()
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' && r != '_'
	})
}

// patchClient checks everything before it changes anything.
func (a *API) patchClient(ctx context.Context, in *patchClient) (*body[*model.Client], error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	if err := b.tuning().check(c); err != nil {
		return nil, err
	}
	if err := b.AutoStart.check(c, a.group); err != nil {
		return nil, err
	}
	if err := a.encodes(ctx, b.PreferredFormat); err != nil {
		return nil, err
	}
	if b.GroupID != nil && *b.GroupID != "" {
		if _, err := a.group(*b.GroupID); err != nil {
			return nil, badField("body.group_id", fmt.Sprintf("there is no group %q", clip(*b.GroupID)))
		}
	}
	if err := a.mayPlace(ctx, c, b); err != nil {
		return nil, err
	}
	commands := playerCommands(b)
	for _, pc := range commands {
		if err := playerRefusal(c, pc.name, pc.what); err != nil {
			return nil, err
		}
	}
	if b.Label != nil && *b.Label != c.Label {
		if err := a.setLabel(ctx, c, *b.Label); err != nil {
			return nil, err
		}
	}
	if p := b.tuning(); p.any() {
		if err := a.tune(ctx, c, p); err != nil {
			return nil, err
		}
	}
	if b.GroupID != nil {
		if err := a.moveClient(ctx, c, *b.GroupID); err != nil {
			return nil, err
		}
	}
	for _, pc := range commands {
		if err := a.commandPlayer(ctx, c, pc); err != nil {
			return nil, err
		}
	}
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool { return b.shownBy(s.Client(in.ID)) })
	if now := snap.Client(in.ID); now != nil {
		c = now
	}
	return answer(c), nil
}

// shownBy reports whether c shows what the patch asked for.
func (b patchClientBody) shownBy(c *model.Client) bool {
	if c == nil {
		return true // gone meanwhile: nothing more will come
	}
	ok := b.tuning().shownBy(c) && (b.Label == nil || c.Label == *b.Label) &&
		(b.GroupID == nil || *b.GroupID == "" || c.GroupID == *b.GroupID)
	if p := c.Player; p != nil {
		ok = ok && (b.Volume == nil || p.Volume != nil && *p.Volume == c.Limits.Clamp(*b.Volume)) &&
			(b.Muted == nil || p.Muted != nil && *p.Muted == *b.Muted) &&
			(b.OutputDelayMS == nil || p.OutputDelayMS == *b.OutputDelayMS)
	}
	return ok
}

func (a *API) setLabel(ctx context.Context, c *model.Client, label string) error {
	err := a.ask(ctx, "pairing", subject.PairingLabel,
		&pb.SetLabelRequest{ClientId: c.ClientID, Label: label, Actor: who(ctx)}, &pb.TrustRecord{})
	if err != nil {
		return err
	}
	a.logAct(ctx, "client.labelled", c.ClientID, label)
	return nil
}

// moveClient puts c into a group, or out of its present one.
func (a *API) moveClient(ctx context.Context, c *model.Client, groupID string) error {
	g := a.d.Projection.Snapshot().Group(c.GroupID)
	switch {
	case groupID == c.GroupID && (g == nil || readmodel.AtHome(g, c.ClientID)):
		return nil
	case groupID == "" && (g == nil || g.GetSolo()): // it is alone already
		return a.removeMember(ctx, c.HomeID, c)
	case groupID == "":
		return a.removeMember(ctx, c.GroupID, c)
	}
	_, err := a.addMember(ctx, groupID, c)
	return err
}

// forgetClient removes every trace but the ledger's.
func (a *API) forgetClient(ctx context.Context, in *ClientPath) (*struct{}, error) {
	c, err := a.client(in.ID)
	if err != nil {
		return nil, err
	}
	before, _, err := a.d.Presence.Get(ctx, in.ID)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	req := &pb.ClientRequest{ClientId: in.ID, Actor: who(ctx)}
	// Pairing first: whatever fails after it, the device has no rights any more.
	if err := a.ask(ctx, "pairing", subject.PairingForget, req, &pb.Empty{}); err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	a.logAct(ctx, "client.forgotten", in.ID, c.DisplayName())
	err = a.ask(ctx, "stream", subject.StreamForgetClient,
		&pb.ForgetClientRequest{ClientId: in.ID, Actor: who(ctx)}, &pb.Empty{})
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	return nil, a.dropPresence(ctx, in.ID, before)
}

// dropPresence removes the presence of a forgotten client once the gateway has
// ended its session, which it does on its own when it hears of the decision. A
// newer session is another story: that is the device back as a stranger.
func (a *API) dropPresence(ctx context.Context, id string, before *pb.ClientPresence) error {
	if before == nil {
		return nil
	}
	same := func(p *pb.ClientPresence) bool { return p.GetSessionId() == before.GetSessionId() }
	if before.GetConnected() {
		a.await(ctx, func(s *readmodel.Snapshot) bool { c := s.Client(id); return c == nil || !c.Connected })
	}
	now, _, err := a.d.Presence.Get(ctx, id)
	switch {
	case fault.CodeOf(err) == fault.NotFound, err == nil && !same(now):
		return nil
	case err != nil:
		return err
	}
	if err := a.d.Presence.Delete(ctx, id); err != nil {
		return err
	}
	a.await(ctx, func(s *readmodel.Snapshot) bool { return s.Client(id) == nil })
	return nil
}

func indexed(location string, i int) string { return location + "[" + strconv.Itoa(i) + "]" }
