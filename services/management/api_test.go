package management_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// known waits until the API shows the clients.
func (w *world) known(ids ...string) {
	w.t.Helper()
	eventually(w.t, func() error {
		for _, id := range ids {
			r := w.get("/api/v1/clients/" + id)
			if r.status != http.StatusOK {
				return fmt.Errorf("client %s: status %d", id, r.status)
			}
			// Presence and trust come each by its own watch.
			if c := decode[model.Client](r); c.DeviceInfo == nil || c.Fingerprint == "" {
				return fmt.Errorf("client %s: half of it is known: %+v", id, c)
			}
		}
		return nil
	})
}

func TestServer(t *testing.T) {
	w := newWorld(t)
	eventually(t, func() error {
		s := decode[model.Server](w.get("/api/v1/server").want(http.StatusOK))
		if s.ServerID != clientID("server") || s.Name != "Tutti" || s.Version != "1.2.3" || s.Mode != "embedded" ||
			s.Policy.Pairing != "required" || s.HouseClock.NowUS != 1_000_000_000 || s.HouseClock.Leader != "manual" {
			t.Fatalf("server = %+v", s)
		}
		if len(s.Instances) != 1 || s.Instances[0].Service != "management" || s.Instances[0].StartedAt.IsZero() {
			return fmt.Errorf("instances = %+v", s.Instances)
		}
		if i := s.Instances[0]; !i.Ready || i.NotReady != "" || i.Draining {
			return fmt.Errorf("instances = %+v", s.Instances)
		}
		return nil
	})
	s := decode[model.Server](w.patch("/api/v1/server", `{"name":"Hotel","languages":["de-CH","en"],"policy":{"pairing":"optional"}}`).want(http.StatusOK))
	if s.Name != "Hotel" || s.Policy.Pairing != "optional" || !slices.Equal(s.Languages, []string{"de-CH", "en"}) {
		t.Errorf("PATCH answered %+v", s)
	}
	if got := decode[model.Server](w.get("/api/v1/server")); got.Name != "Hotel" {
		t.Errorf("GET after PATCH shows %q", got.Name)
	}
	// What is absent stays.
	if s = decode[model.Server](w.patch("/api/v1/server", `{}`).want(http.StatusOK)); s.Name != "Hotel" || len(s.Languages) != 2 {
		t.Errorf("an empty PATCH changed %+v", s)
	}
}

func TestClientsShowWhatTheServicesKnow(t *testing.T) {
	w := newWorld(t)
	kitchen := w.fakes.device("Kitchen", func(p *pb.ClientPresence, tr *pb.TrustRecord) {
		tr.Label = "Galley"
		p.Stream = &pb.StreamStatus{Format: &pb.AudioFormat{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}, BufferedMs: 4200, BufferedBytes: 99}
		p.Activities = []string{"playback"}
	})
	porch := w.fakes.device("Porch", offline)
	stranger := w.fakes.device("Stranger", waiting("new"))
	w.known(kitchen, porch, stranger)

	c := decode[model.Client](w.get("/api/v1/clients/" + kitchen))
	if c.Name != "Kitchen" || c.Label != "Galley" || !c.Connected || *c.Connection != "outbound" || c.Trust != "approved" ||
		*c.Dialect != "current" || c.Available == nil || !*c.Available || c.DeviceInfo.Manufacturer != "Acme" ||
		c.Player == nil || *c.Player.Volume != 50 || c.Player.BufferedMS != 4200 || c.Player.StreamFormat.Codec != "flac" ||
		c.PairMethods[0].Method != "pairing_psk" || c.Sync.RTTUS != 900 || c.FirstSeenAt.After(time.Now().Add(-50*time.Minute)) {
		t.Errorf("kitchen = %+v", c)
	}
	c = decode[model.Client](w.get("/api/v1/clients/" + porch))
	if c.Connected || c.Connection != nil || c.Available != nil || len(c.ActiveRoles) != 0 || c.LastGoodbye != "shutdown" {
		t.Errorf("porch = %+v", c)
	}
	var all struct{ Clients []map[string]any }
	w.get("/api/v1/clients").want(http.StatusOK).into(&all)
	if len(all.Clients) != 3 {
		t.Fatalf("%d clients, want 3", len(all.Clients))
	}
	for _, m := range all.Clients { // names that scripts rely on, null where the page says null
		for _, key := range []string{"client_id", "name", "supported_roles", "active_roles", "activities", "connected", "connection", "dialect", "trust", "pair_methods", "unpaired_access", "available", "first_seen_at", "last_seen_at"} {
			if _, ok := m[key]; !ok {
				t.Errorf("a client lacks %q: %v", key, m)
			}
		}
	}
	in := decode[model.Inbox](w.get("/api/v1/inbox").want(http.StatusOK))
	if len(in.Waiting) != 1 || in.Waiting[0].ClientID != stranger || in.Waiting[0].Reason != "new" ||
		in.Waiting[0].Fingerprint != "tiger-nine-Stranger" || in.Waiting[0].Address == "" || in.Waiting[0].ExpiresAt == nil {
		t.Errorf("inbox = %+v", in)
	}
}

func TestTrustDecisions(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("Stranger", waiting("new"))
	w.known(id)
	base := "/api/v1/clients/" + id
	if c := decode[model.Client](w.post(base+"/approve", `{"label":"Bar","source":true}`).want(http.StatusOK)); c.Trust != "approved" || c.Label != "Bar" || !c.SourceAllowed {
		t.Errorf("approve answered %+v", c)
	}
	if in := decode[model.Inbox](w.get("/api/v1/inbox")); len(in.Waiting) != 0 {
		t.Errorf("the approved device still waits: %+v", in)
	}
	if c := decode[model.Client](w.delete(base + "/approval").want(http.StatusOK)); c.Trust != "unapproved" || c.Waiting != "revoked" {
		t.Errorf("revoke answered trust %s, waiting %q", c.Trust, c.Waiting)
	}
	if c := decode[model.Client](w.post(base+"/deny", nil).want(http.StatusOK)); c.Trust != "denied" {
		t.Errorf("deny answered %s", c.Trust)
	}
	// A body is not needed, and what tools send as one is taken.
	w.post(base+"/approve", nil).want(http.StatusOK)
	w.do("POST", base+"/approve", adminToken, `{}`, "Content-Type", "application/x-www-form-urlencoded").want(http.StatusOK)
	eventually(t, func() error {
		if got := w.fakes.audited(); !slices.Contains(got, "token:admin client.approved") || !slices.Contains(got, "token:admin client.denied") {
			return fmt.Errorf("ledger: %v", got)
		}
		return nil
	})
}

// editQueue changes a queue of three titles in every way.
func (w *world) editQueue(base string, q model.Queue) {
	w.t.Helper()
	order := func(q model.Queue) (out string) {
		for _, it := range q.Items {
			out += it.URI + " "
		}
		return out
	}
	first := q.Items[0].URI
	q = decode[model.Queue](w.post(base+"/queue", `{"uris":["n.flac"],"at":"next"}`).want(http.StatusOK))
	q = decode[model.Queue](w.post(base+"/queue", `{"uris":["i.flac"],"index":3}`).want(http.StatusOK))
	if got, want := order(q), first+" n.flac x.flac i.flac http://h/y.mp3 "; got != want {
		w.t.Errorf("queue %s, want %s", got, want)
	}
	q = decode[model.Queue](w.post(base+"/queue/"+q.Items[3].ID+"/move", `{"index":1}`).want(http.StatusOK))
	q = decode[model.Queue](w.delete(base + "/queue/" + q.Items[2].ID).want(http.StatusOK))
	if got, want := order(q), first+" i.flac x.flac http://h/y.mp3 "; got != want {
		w.t.Errorf("queue %s, want %s", got, want)
	}
	if g := decode[model.Group](w.post(base+"/queue/"+q.Items[1].ID+"/play", nil).want(http.StatusOK)); g.PlaybackState != "playing" {
		w.t.Errorf("play of a title answered %+v", g)
	}
	if h := decode[model.History](w.get(base + "/history").want(http.StatusOK)); len(h.Items) != 1 || h.Items[0].URI != "i.flac" || h.Items[0].PlayedMS != 1500 || h.Items[0].PlayedAt == nil {
		w.t.Errorf("history = %+v", h)
	}
	w.delete(base + "/queue/nothing").problem(http.StatusNotFound)
	w.post(base+"/queue/nothing/play", nil).problem(http.StatusNotFound)
	w.post(base+"/queue/"+q.Items[1].ID+"/move", `{"index":-1}`).problem(http.StatusUnprocessableEntity)
	w.post(base+"/queue", `{"uris":["x"],"at":"start"}`).problem(http.StatusUnprocessableEntity)
}

func TestForgetRemovesEveryTrace(t *testing.T) {
	w := newWorld(t)
	on, off := w.fakes.device("On"), w.fakes.device("Off", offline)
	w.known(on, off)
	w.delete("/api/v1/clients/" + off).want(http.StatusNoContent)
	w.get("/api/v1/clients/" + off).problem(http.StatusNotFound)
	w.delete("/api/v1/clients/" + on).want(http.StatusNoContent)
	w.get("/api/v1/clients/" + on).problem(http.StatusNotFound)
	w.delete("/api/v1/clients/" + on).problem(http.StatusNotFound)
}

func TestForgetLeavesTheNextSessionAlone(t *testing.T) {
	w := newHurriedWorld(t) // the answer waits for an end of the session that does not show
	id := w.fakes.device("Quick")
	w.known(id)
	w.fakes.onForget = func() { // the device is back as a stranger before the API looks
		w.fakes.device("Quick", waiting("new"), func(p *pb.ClientPresence, _ *pb.TrustRecord) { p.SessionId = "s-2" })
	}
	w.delete("/api/v1/clients/" + id).want(http.StatusNoContent)
	if p, _, err := w.fakes.presence.Get(t.Context(), id); err != nil || p.GetSessionId() != "s-2" {
		t.Errorf("the new session is gone: %v, %v", p, err)
	}
	eventually(t, func() error {
		if c := decode[model.Client](w.get("/api/v1/clients/" + id).want(http.StatusOK)); c.Trust != "unapproved" || !c.Connected {
			return fmt.Errorf("the new session shows as %+v", c)
		}
		return nil
	})
}

func TestAddClientByAddress(t *testing.T) {
	w := newWorld(t)
	r := w.post("/api/v1/clients", `{"url":"ws://192.0.2.9"}`).want(http.StatusCreated)
	if s := decode[model.Sighting](r); s.URL != "ws://192.0.2.9:8928/sendspin" || s.Via != "api" {
		t.Errorf("answered %+v", s)
	}
	eventually(t, func() error {
		if s := decode[model.Sightings](w.get("/api/v1/sightings")); len(s.Sightings) != 1 {
			return fmt.Errorf("sightings: %+v", s)
		}
		return nil
	})
	key := decode[model.Sightings](w.get("/api/v1/sightings")).Sightings[0].Key
	w.delete("/api/v1/sightings/" + key).want(http.StatusNoContent)
	if s := decode[model.Sightings](w.get("/api/v1/sightings")); len(s.Sightings) != 0 {
		t.Errorf("after DELETE: %+v", s)
	}
	w.delete("/api/v1/sightings/" + key).problem(http.StatusNotFound)
	for _, bad := range []string{"http://h/x", "ws://", "192.0.2.1:8928", "ws://u:p@h/", "ws://h:0/", "ws://h:99999"} {
		p := w.post("/api/v1/clients", map[string]string{"url": bad}).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Location != "body.url" {
			t.Errorf("%q: errors = %+v", bad, p.Errors)
		}
	}
}

func TestPatchClient(t *testing.T) {
	w := newWorld(t)
	id, off, stranger := w.fakes.device("Kitchen"), w.fakes.device("Porch", offline), w.fakes.device("Stranger", waiting("new"))
	w.known(id, off, stranger)
	path := "/api/v1/clients/" + id
	c := decode[model.Client](w.patch(path, `{"volume":31,"label":"Galley"}`).want(http.StatusOK))
	if *c.Player.Volume != 31 || c.Label != "Galley" {
		t.Errorf("answered volume %d, label %q", *c.Player.Volume, c.Label)
	}
	if p := w.patch(path, `{"muted":true}`).problem(http.StatusConflict); !strings.Contains(p.Detail, "supported_commands: volume") {
		t.Errorf("detail = %q", p.Detail)
	}
	w.patch(path, `{"output_delay_ms":20}`).problem(http.StatusConflict)
	if p := w.patch("/api/v1/clients/"+off, `{"volume":10}`).problem(http.StatusConflict); !strings.Contains(p.Detail, "not connected") {
		t.Errorf("detail = %q", p.Detail)
	}
	if p := w.patch("/api/v1/clients/"+stranger, `{"volume":10}`).problem(http.StatusConflict); !strings.Contains(p.Detail, "approve it first") {
		t.Errorf("detail = %q", p.Detail)
	}
	// Nothing is done when one part cannot be done.
	w.patch(path, `{"label":"Other","muted":true}`).problem(http.StatusConflict)
	if c = decode[model.Client](w.get(path)); c.Label != "Galley" {
		t.Errorf("the label is %q after a refused PATCH", c.Label)
	}
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"All"}`).want(http.StatusCreated))
	if c = decode[model.Client](w.patch(path, map[string]string{"group_id": g.GroupID}).want(http.StatusOK)); c.GroupID != g.GroupID {
		t.Errorf("group_id = %q, want %q", c.GroupID, g.GroupID)
	}
	if c = decode[model.Client](w.patch(path, `{"group_id":""}`).want(http.StatusOK)); c.GroupID == g.GroupID {
		t.Error("the client is still in the group")
	}
	w.patch(path, `{"group_id":"nope"}`).problem(http.StatusUnprocessableEntity)
}

func TestPreferredFormat(t *testing.T) {
	w := newWorld(t)
	flac := &pb.AudioFormat{Codec: "flac", SampleRate: 44100, Channels: 2, BitDepth: 16}
	id := w.fakes.device("Kitchen", func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.PlayerSupport.SupportedFormats = []*pb.AudioFormat{flac, {Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 16}, {Codec: "opus", SampleRate: 48000, Channels: 2}}
		p.Player.Format = flac
	})
	wall := w.fakes.device("Wall", func(p *pb.ClientPresence, _ *pb.TrustRecord) {
		p.SupportedRoles, p.PlayerSupport = []string{"controller@v1"}, nil
	})
	w.known(id, wall)
	path := "/api/v1/clients/" + id
	const pcm = `{"preferred_format":{"codec":"pcm","sample_rate":44100,"channels":2,"bit_depth":16}}`
	for range 2 {
		c := decode[model.Client](w.patch(path, pcm).want(http.StatusOK))
		if f := c.Player.PreferredFormat; f == nil || f.Codec != "pcm" {
			t.Errorf("PATCH answered %+v", f)
		}
	}
	w.patch("/api/v1/clients/"+wall, pcm).problem(http.StatusConflict)
	for body, want := range map[string]string{
		`{"preferred_format":{"codec":"pcm","sample_rate":96000,"channels":2,"bit_depth":16}}`: "supported_formats: flac:44100:16:2, pcm:44100:16:2",
		`{"preferred_format":{"codec":"opus","sample_rate":48000,"channels":2,"bit_depth":0}}`: "does not encode opus",
		`{"preferred_format":{"codec":"pcm"}}`:                                                 "is required",
		`{"preferred_format":"pcm"}`:                                                           "expected object",
	} {
		p := w.patch(path, body).problem(http.StatusUnprocessableEntity)
		if !strings.HasPrefix(p.Errors[0].Location, "body.preferred_format") || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	w.patch(path, `{"preferred_format":null}`).want(http.StatusOK)
	eventually(t, func() error {
		if f := decode[model.Client](w.get(path)).Player.PreferredFormat; f == nil || f.Codec != "flac" {
			return fmt.Errorf("after null: %+v, want the device's own", f)
		}
		return nil
	})
}

func TestGroupsAndPlayback(t *testing.T) {
	w := newWorld(t)
	a, b := w.fakes.device("A"), w.fakes.device("B")
	w.known(a, b)
	r := w.post("/api/v1/groups", map[string]any{"name": "Both", "members": []string{a}}).want(http.StatusCreated)
	g := decode[model.Group](r)
	if g.Name != "Both" || !slices.Equal(g.Members, []string{a}) || g.PlaybackState != "stopped" || r.header.Get("Location") != "/api/v1/groups/"+g.GroupID {
		t.Fatalf("created %+v, Location %q", g, r.header.Get("Location"))
	}
	base := "/api/v1/groups/" + g.GroupID
	if c := decode[model.Client](w.get("/api/v1/clients/" + a)); c.GroupID != g.GroupID {
		t.Errorf("the member's group_id is %q", c.GroupID)
	}
	if g = decode[model.Group](w.put(base + "/members/" + b).want(http.StatusOK)); !slices.Equal(g.Members, []string{a, b}) {
		t.Errorf("members = %v", g.Members)
	}
	w.put(base + "/members/" + b).want(http.StatusOK) // nothing happens, so there is nothing to audit
	if n := strings.Count(strings.Join(w.fakes.audited(), "\n"), "group.member_added"); n > 1 {
		t.Errorf("%d lines in the ledger for one member", n)
	}
	w.put(base + "/members/" + clientID("nobody")).problem(http.StatusNotFound)

	w.post(base+"/play", nil).problem(http.StatusConflict)
	if g = decode[model.Group](w.post(base+"/play", `{"uri":"Blue/a.flac"}`).want(http.StatusOK)); g.PlaybackState != "playing" || g.Source != "Blue/a.flac" || g.QueueLength != 1 {
		t.Errorf("play answered %+v", g)
	}
	w.house.Advance(2500 * time.Millisecond)
	eventually(t, func() error {
		if g = decode[model.Group](w.get(base)); g.NowPlaying == nil || g.NowPlaying.PositionMS != 3500 {
			return fmt.Errorf("now playing %+v, want position 3500", g.NowPlaying)
		}
		return nil
	})
	w.house.Advance(time.Hour)
	if g = decode[model.Group](w.get(base)); g.NowPlaying.PositionMS != g.NowPlaying.DurationMS {
		t.Errorf("the position passed the end: %+v", g.NowPlaying)
	}
	if g = decode[model.Group](w.post(base+"/pause", nil).want(http.StatusOK)); !g.Paused {
		t.Error("not paused")
	}
	if g = decode[model.Group](w.post(base+"/play", `{}`).want(http.StatusOK)); g.PlaybackState != "playing" {
		t.Error("not resumed")
	}
	if g = decode[model.Group](w.post(base+"/seek", `{"position_ms":42000}`).want(http.StatusOK)); g.NowPlaying.PositionMS != 42000 {
		t.Errorf("position after seek: %+v", g.NowPlaying)
	}
	for verb, body := range map[string]string{"next": "", "previous": "", "volume": `{"volume":77}`, "mute": `{"muted":true}`, "repeat": `{"mode":"all"}`, "shuffle": `{"enabled":true}`} {
		if body == "" {
			w.post(base+"/"+verb, nil).want(http.StatusOK)
		} else {
			w.post(base+"/"+verb, body).want(http.StatusOK)
		}
	}
	eventually(t, func() error {
		if g = decode[model.Group](w.get(base)); g.Volume != 77 || !g.Muted || g.Repeat != "all" || !g.Shuffle {
			return fmt.Errorf("group = %+v", g)
		}
		return nil
	})
	q := decode[model.Queue](w.post(base+"/queue", `{"uris":["x.flac","http://h/y.mp3"]}`).want(http.StatusOK))
	if len(q.Items) != 3 || q.Items[2].URI != "http://h/y.mp3" {
		t.Errorf("queue = %+v", q)
	}
	if q = decode[model.Queue](w.get(base + "/queue").want(http.StatusOK)); len(q.Items) != 3 || q.Index != 0 {
		t.Errorf("queue = %+v", q)
	}
	w.editQueue(base, q)
	if q = decode[model.Queue](w.delete(base + "/queue").want(http.StatusOK)); len(q.Items) != 0 || q.Index != -1 {
		t.Errorf("queue = %+v", q)
	}
	if g = decode[model.Group](w.post(base+"/stop", nil).want(http.StatusOK)); g.PlaybackState != "stopped" || g.NowPlaying != nil {
		t.Errorf("stop answered %+v", g)
	}
	if g = decode[model.Group](w.delete(base + "/members/" + b).want(http.StatusOK)); !slices.Equal(g.Members, []string{a}) {
		t.Errorf("members = %v", g.Members)
	}
	w.delete(base + "/members/" + b).want(http.StatusOK) // idempotent
	if g = decode[model.Group](w.patch(base, `{"name":"One"}`).want(http.StatusOK)); g.Name != "One" {
		t.Errorf("name = %q", g.Name)
	}
	if all := decode[model.Groups](w.get("/api/v1/groups").want(http.StatusOK)); len(all.Groups) != 1 || all.Groups[0].Name != "One" {
		t.Errorf("groups = %+v", all)
	}
	w.delete(base).want(http.StatusNoContent)
	w.get(base).problem(http.StatusNotFound)
	eventually(t, func() error {
		got := w.fakes.audited()
		for _, kind := range []string{"group.created", "group.member_added", "group.play", "group.stop", "group.renamed", "group.deleted"} {
			if !slices.Contains(got, "token:admin "+kind) {
				return fmt.Errorf("the ledger lacks %s: %v", kind, got)
			}
		}
		return nil
	})
}

func TestPlayChecksTheURI(t *testing.T) {
	w := newWorld(t)
	g := decode[model.Group](w.post("/api/v1/groups", `{"name":"G"}`).want(http.StatusCreated))
	base := "/api/v1/groups/" + g.GroupID
	for _, uri := range []string{"pipe:x", "source:x", "../etc/passwd", "/etc/passwd", "", "tone:x", "ftp://h/x"} {
		p := w.post(base+"/play", map[string]string{"uri": uri}).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Location != "body.uri" {
			t.Errorf("%q: errors = %+v", uri, p.Errors)
		}
		p = w.post(base+"/queue", map[string]any{"uris": []string{"ok.flac", uri}}).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) != 1 || p.Errors[0].Location != "body.uris[1]" {
			t.Errorf("queue %q: errors = %+v", uri, p.Errors)
		}
	}
	w.post(base+"/play", `{"uri":"tone:440"}`).want(http.StatusOK)
	w.post(base+"/play", map[string]string{"uri": "source:" + clientID("x")}).want(http.StatusOK)
	w.post(base+"/play", `{"uri":"missing.flac"}`).problem(http.StatusNotFound)
}

// The answer to a mute is the group as its players then are.
func TestMuteAnswersWhatThePlayersSay(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("A", func(p *pb.ClientPresence, _ *pb.TrustRecord) { p.Player.SupportedCommands = []string{"mute"} })
	w.known(id)
	g := decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": slowPlayers, "members": []string{id}}).want(http.StatusCreated))
	for _, muted := range []bool{true, false} {
		got := decode[model.Group](w.post("/api/v1/groups/"+g.GroupID+"/mute", map[string]bool{"muted": muted}).want(http.StatusOK))
		if got.Muted == muted {
			continue
		}
		// The answer waits for the players for a bounded time, which a starved machine
		// may use up; what they say is shown then, and not what was asked for.
		eventually(t, func() error {
			if got := decode[model.Group](w.get("/api/v1/groups/" + g.GroupID).want(http.StatusOK)); got.Muted != muted {
				return fmt.Errorf("mute %t shows %t", muted, got.Muted)
			}
			return nil
		})
	}
}

// What a device calls itself is in sentences, which people read in terminals.
func TestSentencesCutHostileNames(t *testing.T) {
	w := newWorld(t)
	id := w.fakes.device("\x1b[31mEvil\r\n"+strings.Repeat("A", 5000), waiting("new"))
	w.known(id)
	p := w.patch("/api/v1/clients/"+id, `{"volume":10}`).problem(http.StatusConflict)
	if len(p.Detail) > 300 || strings.ContainsAny(p.Detail, "\x1b\r\n") {
		t.Errorf("detail = %.200q", p.Detail)
	}
}

func TestLibraryAndAudit(t *testing.T) {
	w := newWorld(t)
	l := decode[model.Library](w.get("/api/v1/library").want(http.StatusOK))
	if len(l.Entries) != 3 || !l.Entries[0].Folder || l.Entries[1].SampleRate != 44100 || l.Entries[2].Error == "" {
		t.Errorf("library = %+v", l)
	}
	found := decode[model.LibrarySearch](w.get("/api/v1/library/search?q=blu&limit=1").want(http.StatusOK))
	if found.Found != 2 || len(found.Entries) != 1 || !found.Entries[0].Folder {
		t.Errorf("search = %+v", found)
	}
	if e := decode[model.LibrarySearch](w.get("/api/v1/library/search?q=a").want(http.StatusOK)).Entries; len(e) != 2 || !e[1].Cover || e[1].Track != 3 {
		t.Errorf("search = %+v", e)
	}
	for query, field := range map[string]string{"": "query.q", "?q=": "query.q", "?q=!": "query.q", "?q=a&limit=0": "query.limit", "?q=a&limit=501": "query.limit"} {
		if p := w.get("/api/v1/library/search" + query).problem(http.StatusUnprocessableEntity); len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("search%s: %+v", query, p)
		}
	}
	if s := decode[model.LibraryStatus](w.get("/api/v1/library/status").want(http.StatusOK)); s.State != "scanning" || s.FilesFound != 10 || s.ScannedAt == nil || s.Encoders == nil {
		t.Errorf("status = %+v", s)
	}
	if s := decode[model.LibraryStatus](w.post("/api/v1/library/rescan", "").want(http.StatusAccepted)); s.FilesFound != 11 {
		t.Errorf("rescan = %+v", s)
	}
	w.get("/api/v1/library?path=Blue").want(http.StatusOK)
	w.get("/api/v1/library?path=/Blue/").want(http.StatusOK)
	w.get("/api/v1/library?path=none").problem(http.StatusNotFound)
	// 403 is about roles alone.
	if p := w.get("/api/v1/library?path=../x").problem(http.StatusUnprocessableEntity); len(p.Errors) != 1 || p.Errors[0].Location != "query.path" {
		t.Errorf("outside: %+v", p)
	}

	w.post("/api/v1/groups", `{"name":"1"}`).want(http.StatusCreated)
	w.post("/api/v1/groups", `{"name":"2"}`).want(http.StatusCreated)
	var page model.Audit
	eventually(t, func() error {
		if page = decode[model.Audit](w.get("/api/v1/audit").want(http.StatusOK)); len(page.Events) < 3 {
			return fmt.Errorf("audit = %+v", page)
		}
		return nil
	})
	for i, kind := range []string{"library.rescan", "group.created", "group.created"} {
		if e := page.Events[i]; e.Actor != "token:admin" || e.Kind != kind || e.At.IsZero() {
			t.Errorf("line %d = %+v", i+1, e)
		}
	}
	page = decode[model.Audit](w.get(fmt.Sprintf("/api/v1/audit?since=%d&limit=1", page.Events[0].ID)))
	if len(page.Events) != 1 || page.Events[0].ID != 2 {
		t.Errorf("second page = %+v", page)
	}
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "since=-1"} {
		w.get("/api/v1/audit?" + q).problem(http.StatusUnprocessableEntity)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	create := func(key, body string) reply {
		return w.do("POST", "/api/v1/groups", adminToken, body, "Idempotency-Key", key)
	}
	first := create("k1", `{"name":"Once"}`).want(http.StatusCreated)
	second := create("k1", `{"name":"Once"}`).want(http.StatusCreated)
	if string(first.body) != string(second.body) || second.header.Get("Idempotency-Replayed") != "true" ||
		second.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("replay: %s (%v), want %s", second.body, second.header, first.body)
	}
	create("k1", `{"name":"Other"}`).problem(http.StatusUnprocessableEntity)
	create("k2", `{"name":"Once"}`).want(http.StatusCreated)
	if all := decode[model.Groups](w.get("/api/v1/groups")); len(all.Groups) != 2 {
		t.Errorf("%d groups were made, want 2", len(all.Groups))
	}
	create(strings.Repeat("k", 256), `{"name":"X"}`).problem(http.StatusUnprocessableEntity)

	// The same holds at another instance, to which a balancer sends who had no answer.
	other := w.instance("m2")
	elsewhere := func(body string) reply {
		return other.do("POST", "/api/v1/groups", adminToken, body, "Idempotency-Key", "k1")
	}
	third := elsewhere(`{"name":"Once"}`).want(http.StatusCreated)
	if string(first.body) != string(third.body) || third.header.Get("Idempotency-Replayed") != "true" ||
		third.header.Get("Location") != first.header.Get("Location") || third.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("replay at another instance: %s (%v), want %s", third.body, third.header, first.body)
	}
	elsewhere(`{"name":"Other"}`).problem(http.StatusUnprocessableEntity)
	// Somebody else's key of the same name is another key.
	n := decode[model.NewToken](w.post("/api/v1/tokens", map[string]string{"name": "the admin", "role": "admin"}).want(http.StatusCreated))
	eventually(t, func() error { // the other one hears of the token by the bus
		if l := decode[model.Tokens](other.get("/api/v1/tokens").want(http.StatusOK)); len(l.Tokens) != 1 {
			return fmt.Errorf("tokens: %+v", l)
		}
		return nil
	})
	if r := other.do("POST", "/api/v1/groups", n.Secret, `{"name":"Mine"}`, "Idempotency-Key", "k1"); r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("with another token: status %d, %v", r.status, r.header)
	}

	// Two at once start one.
	release := w.fakes.hang()
	done := make(chan reply, 3)
	for range 2 {
		go func() { done <- create("k3", `{"name":"Race"}`) }()
	}
	go func() {
		done <- other.do("POST", "/api/v1/groups", adminToken, `{"name":"Race"}`, "Idempotency-Key", "k3")
	}()
	release()
	x, y, z := <-done, <-done, <-done
	if string(x.body) != string(y.body) || string(y.body) != string(z.body) {
		t.Errorf("three at once, one of them elsewhere, answered %s, %s and %s", x.body, y.body, z.body)
	}
	// A failure of ours may be tried again with the same key.
	w.fakes.kill("stream")
	create("k4", `{"name":"Later"}`).problem(http.StatusServiceUnavailable)
	w.fakes.startStream()
	create("k4", `{"name":"Later"}`).want(http.StatusCreated)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	made := map[string]model.NewToken{}
	for _, role := range []string{"viewer", "operator", "admin"} {
		n := decode[model.NewToken](w.post("/api/v1/tokens", map[string]string{"name": "the " + role, "role": role}).want(http.StatusCreated))
		if n.Secret == "" || n.Role != role || n.TokenID == "" {
			t.Fatalf("made %+v", n)
		}
		made[role] = n
		w.do("GET", "/api/v1/server", n.Secret, nil).want(http.StatusOK) // valid at once
	}
	r := w.get("/api/v1/tokens").want(http.StatusOK)
	if l := decode[model.Tokens](r); len(l.Tokens) != 3 {
		t.Errorf("tokens = %+v", l)
	}
	for _, n := range made {
		if strings.Contains(string(r.body), n.Secret) {
			t.Error("the list holds a secret")
		}
	}
	w.post("/api/v1/tokens", `{"name":"the viewer","role":"admin"}`).problem(http.StatusConflict)
	w.post("/api/v1/tokens", `{"name":"admin","role":"admin"}`).problem(http.StatusConflict)
	w.post("/api/v1/tokens", `{"name":"x","role":"root"}`).problem(http.StatusUnprocessableEntity)
	w.delete("/api/v1/tokens/" + made["viewer"].TokenID).want(http.StatusNoContent)
	w.do("GET", "/api/v1/server", made["viewer"].Secret, nil).problem(http.StatusUnauthorized) // not valid at once
	w.delete("/api/v1/tokens/" + made["viewer"].TokenID).problem(http.StatusNotFound)

	// No credential without a trace.
	w.fakes.kill("pairing")
	w.post("/api/v1/tokens", `{"name":"ghost","role":"admin"}`).problem(http.StatusServiceUnavailable)
	if l := decode[model.Tokens](w.get("/api/v1/tokens")); len(l.Tokens) != 2 {
		t.Errorf("a token without a ledger line: %+v", l)
	}
}

func TestAuditLinesWaitForPairing(t *testing.T) {
	w := newWorld(t)
	w.fakes.kill("pairing")
	w.post("/api/v1/groups", `{"name":"Night"}`).want(http.StatusCreated) // music goes on without pairing
	w.fakes.startPairing()
	eventually(t, func() error {
		if got := w.fakes.audited(); !slices.Contains(got, "token:admin group.created") {
			return fmt.Errorf("ledger: %v", got)
		}
		return nil
	})
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if b := string(w.getRaw(path)); b != "ok\n" {
			t.Errorf("GET %s = %q", path, b)
		}
	}
	w.get("/api/v1/server")
	if b := string(w.getRaw("/metrics")); !strings.Contains(b, `tutti_management_http_request_duration_seconds_count{route="GET /api/v1/server",status="200"}`) {
		t.Errorf("/metrics lacks the requests:\n%s", b)
	}
	if err := w.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAnnounceAndGroupSettings(t *testing.T) {
	w := newWorld(t)
	one := decode[model.Group](w.post("/api/v1/groups", `{"name":"One"}`).want(http.StatusCreated)).GroupID
	two := decode[model.Group](w.post("/api/v1/groups", `{"name":"Two"}`).want(http.StatusCreated)).GroupID
	base := "/api/v1/groups/" + one
	if g := decode[model.Group](w.get(base)); g.CrossfadeMS != 0 || g.Normalization != "off" || g.Announcement != nil {
		t.Errorf("a new group: %+v", g)
	}
	if g := decode[model.Group](w.patch(base, `{"crossfade_ms":4000,"normalization":"album"}`).want(http.StatusOK)); g.CrossfadeMS != 4000 || g.Normalization != "album" || g.Name != "One" {
		t.Errorf("settings: %+v", g)
	}
	for _, bad := range []string{`{"crossfade_ms":15001}`, `{"normalization":"loud"}`} {
		w.patch(base, bad).problem(http.StatusUnprocessableEntity)
	}
	w.patch("/api/v1/server", `{"languages":["de-CH","en"]}`).want(http.StatusOK)
	eventually(t, func() error { // the read model hears of the languages
		id := decode[model.Announcing](w.post("/api/v1/groups/"+two+"/announce", `{"text":"x"}`).want(http.StatusAccepted)).AnnouncementID
		if x := decode[model.Announcement](w.get("/api/v1/groups/" + two + "/announcements/" + id)); x.Text != "xde-CH" {
			return fmt.Errorf("spoken in %q", x.Text)
		}
		return nil
	})
	r := w.post(base+"/announce", fmt.Sprintf(`{"text":"Das Essen ist fertig","volume":60,"duck_db":12,"priority":2,"groups":[%q,%q]}`, two, one)).want(http.StatusAccepted)
	a := decode[model.Announcing](r)
	if !slices.Equal(a.Groups, []string{one, two}) || a.AnnouncementID == "" {
		t.Fatalf("announced: %+v", a)
	}
	for _, id := range a.Groups {
		x := decode[model.Announcement](w.get("/api/v1/groups/" + id + "/announcements/" + a.AnnouncementID).want(http.StatusOK))
		if x.State != "playing" || x.Text != "Das Essen ist fertigde-CH" || len(x.Players) != 1 || x.Players[0].SentMS != 700 || x.Players[0].Reason == "" {
			t.Errorf("announcement: %+v", x)
		}
		if g := decode[model.Group](w.get("/api/v1/groups/" + id)); g.Announcement == nil || g.Announcement.AnnouncementID != a.AnnouncementID {
			t.Errorf("group: %+v", g.Announcement)
		}
	}
	w.delete(base + "/announcements/" + a.AnnouncementID).want(http.StatusNoContent)
	eventually(t, func() error {
		if x := decode[model.Announcement](w.get(base + "/announcements/" + a.AnnouncementID)); x.State != "cancelled" {
			return fmt.Errorf("after DELETE: %+v", x)
		}
		return nil
	})
	w.delete(base + "/announcements/none").problem(http.StatusNotFound)
	w.get(base + "/announcements/none").problem(http.StatusNotFound)
	// Where one group refuses, none of them plays it.
	three := decode[model.Group](w.post("/api/v1/groups", `{"name":"Three"}`).want(http.StatusCreated)).GroupID
	w.post("/api/v1/groups/"+three+"/announce", fmt.Sprintf(`{"uri":"full.flac","groups":[%q]}`, two)).problem(http.StatusConflict)
	eventually(t, func() error {
		if g := decode[model.Group](w.get("/api/v1/groups/" + three)); g.Announcement == nil || g.Announcement.State != "cancelled" {
			return fmt.Errorf("the first group: %+v", g.Announcement)
		}
		return nil
	})
	for body, field := range map[string]string{
		`{}`: "body.uri", `{"uri":"a","text":"b"}`: "body.uri", `{"text":"  "}`: "body.text", `{"uri":"gopher://x"}`: "body.uri",
		`{"uri":"a","volume":101}`: "body.volume", `{"uri":"a","duck_db":61}`: "body.duck_db", `{"uri":"a","groups":["none"]}`: "body.groups[0]",
	} {
		p := w.post(base+"/announce", body).problem(http.StatusUnprocessableEntity)
		if len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
	w.post("/api/v1/groups/none/announce", `{"uri":"a"}`).problem(http.StatusNotFound)
}
