package health

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/platform/houseclock"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

var pcm = model.AudioFormat{Codec: "pcm", SampleRate: 44100, Channels: 2, BitDepth: 16}

// scene is facts that a test changes.
type scene struct {
	*facts
	shown map[string]bool
}

// well is a deployment in which all is well: two speakers play in the lobby.
func well() *scene {
	s := &scene{shown: map[string]bool{}}
	a, b := speaker("a"), speaker("b")
	a.Name, b.Name = "Terrace left", "Terrace right"
	snap := &readmodel.Snapshot{Clients: []*model.Client{a, b}}
	s.facts = &facts{
		now: base, local: time.UTC, snap: snap, series: map[string]*Series{}, ten: map[string]sums{}, hour: map[string]sums{},
		hours: map[string][24]hourSum{}, starts: map[string]int{}, house: &houseclock.Info{Leader: "s1", UncertaintyUS: 20},
		groups: []model.Group{{GroupID: "lobby", Name: "Lobby", PlaybackState: "playing", QueueLength: 3, Members: []string{"a", "b"},
			MemberStatus: []model.MemberStatus{{ClientID: "a", State: model.MemberOK}, {ClientID: "b", State: model.MemberOK}}}},
		library: &model.LibraryStatus{State: "ready", Encoders: []string{"pcm", "flac"}},
		active:  func(id string) bool { return s.shown[id] },
	}
	for _, p := range parts {
		s.services = append(s.services, model.ServiceHealth{Service: p.name, InstanceID: p.name + "-1", Host: "h", Version: "1.0", Up: true, Ready: true, CPUs: 4, CPU: 0.3})
	}
	for _, c := range snap.Clients {
		s.series[c.ClientID] = newSeries()
		s.steps(c.ClientID, 60, step{of: 1, up: 1, playing: 1, rtt: 2000, buffered: 20_000, lead: 900})
	}
	return s
}

// steps adds n equal steps, which end at base.
func (s *scene) steps(id string, n int, x step) {
	s.series[id] = newSeries()
	for i := range n {
		s.series[id].add(fineOf(base)-int64(n-i), x)
	}
}

func (s *scene) client(id string) *model.Client { return s.snap.Client(id) }

// evening makes a client lose its buffer in the hours from..to of the day, and play well
// in the two before.
func (s *scene) evening(id string, from, to int) {
	var h [24]hourSum
	for i := range 24 {
		switch {
		case i >= from && i < to:
			h[i] = hourSum{playing: 720, weak: 100}
		case i >= from-2 && i < from:
			h[i] = hourSum{playing: 720}
		}
	}
	s.hours[id] = h
}

func (s *scene) find() (out []model.Finding) {
	for _, r := range rules {
		out = append(out, r.find(s.facts)...)
	}
	return out
}

func TestAllIsWell(t *testing.T) {
	if got := well().find(); len(got) != 0 {
		t.Errorf("findings %+v", got)
	}
}

func TestRules(t *testing.T) {
	for name, v := range map[string]struct {
		given    func(s *scene)
		id, code string
		severity string
		clients  []string
		text     string // a part of it
		params   map[string]any
		remedy   string // code
		path     string
	}{
		"late for one": {
			given: func(s *scene) { s.steps("a", 5, step{of: 1, up: 1, late: 2}) },
			id:    "late:lobby", code: "late", severity: "warning", clients: []string{"a"}, text: "Terrace left in Lobby too late (10 pieces", remedy: "improve_link",
		},
		"late for all": {
			given: func(s *scene) {
				s.steps("a", 5, step{of: 1, up: 1, late: 2})
				s.steps("b", 5, step{of: 1, up: 1, late: 2})
			},
			id: "late:lobby", code: "late_all", severity: "serious", clients: []string{"a", "b"}, text: "every speaker in Lobby", remedy: "relieve_server",
		},
		"a weak link in the evening": {
			given: func(s *scene) {
				s.evening("a", 19, 21)
				s.evening("b", 20, 22)
				for _, c := range s.snap.Clients {
					c.Player.StreamFormat, c.Player.SupportedFormats = &pcm, []model.AudioFormat{pcm, flac}
				}
			},
			id: "weak_link_hours:lobby", code: "weak_link_hours", severity: "warning", clients: []string{"a", "b"},
			text: "Terrace left and Terrace right in Lobby lose buffer between 19:00 and 22:00", params: map[string]any{"from": "19:00", "to": "22:00", "zone": "Lobby"},
			remedy: "use_flac", path: "/api/v1/clients/a",
		},
		"a weak link all the time": {
			given: func(s *scene) {
				s.hours["a"] = [24]hourSum{9: {playing: 300, weak: 60}}
				s.hour["a"] = sums{playing: 300, weak: 60}
			},
			id: "weak_link:lobby", code: "weak_link", severity: "warning", clients: []string{"a"}, text: "again and again", remedy: "improve_link",
		},
		"a device without audio": {
			given: func(s *scene) {
				s.groups[0].MemberStatus[0] = model.MemberStatus{ClientID: "a", State: model.MemberNotStreaming, Detail: "no format in common"}
			},
			id: "no_audio:a", code: "no_audio", severity: "warning", clients: []string{"a"}, text: "gets no audio while Lobby plays: no format in common.",
		},
		"a device that waits in a zone": {
			given: func(s *scene) {
				c := s.client("a")
				c.Waiting, c.UnpairedOK, c.Fingerprint = "new", true, "amber-fox"
				s.groups[0].MemberStatus[0] = model.MemberStatus{ClientID: "a", State: model.MemberNotStreaming, Detail: "it may do nothing yet"}
			},
			id: "no_audio:a", code: "no_audio_waiting", severity: "warning", clients: []string{"a"}, remedy: "approve", path: "/api/v1/clients/a/approve",
		},
		"a group that stopped": {
			given: func(s *scene) {
				s.groups[0].PlaybackState, s.groups[0].LastError = "stopped", "the station does not answer"
			},
			id: "group_error:lobby", code: "group_error", severity: "warning", text: "Lobby stopped by itself: the station does not answer.", remedy: "play_again", path: "/api/v1/groups/lobby/play",
		},
		"a device that comes and goes": {
			given: func(s *scene) { s.hour["a"] = sums{reconnects: 3} },
			id:    "reconnects:a", code: "reconnects", severity: "warning", clients: []string{"a"}, params: map[string]any{"n": 3}, remedy: "check_device",
		},
		"a slow link": {
			given: func(s *scene) { s.steps("a", 30, step{of: 1, up: 1, rtt: 180_000}) },
			id:    "rtt:a", code: "rtt_high", severity: "warning", clients: []string{"a"}, params: map[string]any{"ms": 180},
		},
		"an unsteady link": {
			given: func(s *scene) {
				s.steps("a", 24, step{of: 1, up: 1, rtt: 3000})
				for i := range int64(6) {
					s.series["a"].add(fineOf(base)+i, step{of: 1, up: 1, rtt: 200_000})
				}
			},
			id: "rtt:a", code: "rtt_jumps", severity: "info", clients: []string{"a"}, params: map[string]any{"low": 3, "high": 200},
		},
		"a clock that nobody asks for": {
			given: func(s *scene) { s.now = base.Add(4 * time.Minute) },
			id:    "clock_stale:a", code: "clock_stale", severity: "warning", clients: []string{"a"}, params: map[string]any{"n": 4},
		},
		"a lost credential": {
			given: func(s *scene) { s.client("a").Trust = model.TrustMismatch },
			id:    "credential_mismatch:a", code: "credential_mismatch", severity: "serious", clients: []string{"a"}, remedy: "pair_again",
		},
		"an impostor": {
			given: func(s *scene) {
				s.client("a").Warning, s.client("a").Trust = "name_reused_by_new_key", model.TrustUnapproved
			},
			id: "impostor:a", code: "impostor", severity: "serious", clients: []string{"a"}, remedy: "look_at_inbox",
		},
		"away for a day": {
			given: func(s *scene) { c := s.client("a"); c.Connected, c.LastSeenAt = false, base.Add(-50*time.Hour) },
			id:    "away:lobby", code: "away", severity: "info", clients: []string{"a"}, params: map[string]any{"days": 2},
		},
		"a newer device": {
			given: func(s *scene) { s.client("a").UnknownRoles = []string{"hologram@v1"} },
			id:    "newer_device", code: "newer_device", severity: "info", clients: []string{"a"},
		},
		"a service that is missing": {
			given: func(s *scene) { s.services[2].Up = false },
			id:    "service_missing:pairing", code: "service_missing", severity: "serious", text: "The pairing service does not run",
		},
		"a process that is lost": {
			given: func(s *scene) {
				s.services = append(s.services, model.ServiceHealth{Service: "stream", InstanceID: "stream-2", Host: "h2"})
			},
			id: "service_lost:stream:stream-2", code: "service_lost", severity: "warning", text: "on h2",
		},
		"a service that is not ready": {
			given: func(s *scene) {
				s.services[2].Ready, s.services[2].NotReady = false, "the database does not answer."
			},
			id: "not_ready:pairing:pairing-1", code: "service_not_ready", severity: "serious", text: "runs on h and is not ready: the database does not answer. Until it is, no device can be admitted",
			params: map[string]any{"service": "pairing", "host": "h", "detail": "the database does not answer"}, remedy: "mend_cause",
		},
		"an instance that is not ready": {
			given: func(s *scene) {
				s.services = append(s.services, model.ServiceHealth{Service: "stream", InstanceID: "stream-2", Host: "h2", Up: true, Version: "1.0"})
			},
			id: "not_ready:stream:stream-2", code: "instance_not_ready", severity: "warning", text: "on h2 runs and is not ready: it does not say why. Another one", remedy: "mend_cause",
		},
		"an instance that is not ready, beside one that leaves": {
			given: func(s *scene) {
				s.services[3].Ready, s.services[3].Draining = false, true // not ready by intent: it makes no finding itself
				s.services = append(s.services, model.ServiceHealth{Service: "stream", InstanceID: "stream-2", Host: "h2", Up: true, Version: "1.0"})
			},
			id: "not_ready:stream:stream-2", code: "service_not_ready", severity: "serious", text: "nothing plays",
		},
		"a service that restarts": {
			given: func(s *scene) { s.starts["stream"] = 3 },
			id:    "service_restarts:stream", code: "service_restarts", severity: "warning", params: map[string]any{"n": 3},
		},
		"two versions": {
			given: func(s *scene) { s.services[0].Version = "1.1" },
			id:    "version_skew", code: "version_skew", severity: "warning", text: "1.0, 1.1",
		},
		"a busy gateway": {
			given: func(s *scene) { s.services[1].CPU = 3.6 },
			id:    "overload:session-gateway-1", code: "overload", severity: "warning", params: map[string]any{"percent": 90},
		},
		"an uncertain clock": {
			given: func(s *scene) { s.house.UncertaintyUS = 1500 },
			id:    "house_clock", code: "clock_uncertain", severity: "warning", params: map[string]any{"us": int64(1500)},
		},
		"a clock without a leader": {
			given: func(s *scene) { s.house.Leader = "" },
			id:    "house_clock", code: "clock_no_leader", severity: "serious",
		},
		"a library that cannot be read": {
			given: func(s *scene) { s.library = &model.LibraryStatus{State: "failed", Error: "permission denied"} },
			id:    "library_failed", code: "library_failed", severity: "warning", text: "permission denied", remedy: "rescan", path: "/api/v1/library/rescan",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := well()
			v.given(s)
			got := s.find()
			i := slices.IndexFunc(got, func(x model.Finding) bool { return x.FindingID == v.id })
			if i < 0 {
				t.Fatalf("no finding %s among %+v", v.id, got)
			}
			x := got[i]
			if x.Code != v.code || x.Severity != v.severity || !slices.Equal(x.Clients, v.clients) && v.clients != nil || !strings.Contains(x.Text, v.text) {
				t.Errorf("got %+v", x)
			}
			for k, want := range v.params {
				if !reflect.DeepEqual(x.Params[k], want) {
					t.Errorf("param %s is %v, want %v", k, x.Params[k], want)
				}
			}
			if v.remedy != "" && (x.Remedy == nil || x.Remedy.Code != v.remedy || x.Remedy.Path != v.path) {
				t.Errorf("remedy %+v", x.Remedy)
			}
			if x.Text == "" || strings.Contains(x.Text, "  ") {
				t.Errorf("text %q", x.Text)
			}
		})
	}
}

// The remedy of a weak link is one request for each client, and Opus where the server can
// make it.
func TestTheRemedyOfAWeakLink(t *testing.T) {
	s := well()
	opus := model.AudioFormat{Codec: "opus", SampleRate: 48000, Channels: 2}
	s.client("a").Player = &model.Player{StreamFormat: &pcm, SupportedFormats: []model.AudioFormat{flac, pcm, opus}}
	s.client("b").Player = &model.Player{StreamFormat: &flac, SupportedFormats: []model.AudioFormat{flac, pcm, opus}}
	r := s.compress([]string{"a", "b"})
	if r.Code != "use_flac" || r.Method != "PATCH" || r.Path != "/api/v1/clients/a" || len(r.Also) != 0 || !reflect.DeepEqual(r.Body["preferred_format"], &flac) {
		t.Errorf("without Opus: %+v", r)
	}
	s.library.Encoders = append(s.library.Encoders, "opus")
	r = s.compress([]string{"a", "b"})
	if r.Code != "use_opus" || len(r.Also) != 1 || r.Also[0].Path != "/api/v1/clients/b" || !reflect.DeepEqual(r.Body["preferred_format"], &opus) {
		t.Errorf("with Opus: %+v", r)
	}
	s.client("a").Player.StreamFormat, s.client("b").Player.StreamFormat = &opus, &opus
	if r = s.compress([]string{"a", "b"}); r.Method != "" || r.Text == "" {
		t.Errorf("with nothing smaller: %+v", r)
	}
}

func TestAnHourExplainsOnlyWhatOthersDoNotShow(t *testing.T) {
	s := well()
	s.evening("a", 19, 21)
	if w, ok := weakWindow(s.hours["a"], false); !ok || w != (window{19, 21}) {
		t.Errorf("window %v, %v", w, ok)
	}
	h := [24]hourSum{19: {playing: 720, weak: 100}, 20: {playing: 720, weak: 100}}
	if _, ok := weakWindow(h, false); ok {
		t.Error("a window, although it played at no other hour")
	}
	h[23], h[0], h[1] = hourSum{720, 100}, hourSum{720, 100}, hourSum{720, 100}
	h[12] = hourSum{playing: 720}
	if w, ok := weakWindow(h, false); !ok || w != (window{23, 2}) {
		t.Errorf("the longest window over midnight is %v, %v", w, ok)
	}
	h = [24]hourSum{12: {playing: 720}, 19: {playing: 720, weak: 50}}
	if _, ok := weakWindow(h, false); ok {
		t.Error("7 % is weak")
	}
	if _, ok := weakWindow(h, true); !ok {
		t.Error("7 % is not weak any more: the limit has no hysteresis")
	}
}

func TestHoursAreOfTheVenue(t *testing.T) {
	s := newSeries()
	n := fineOf(base) // 10:00 UTC
	for i := range 2 * perCoarse {
		s.add(n+i, step{of: 1, up: 1, playing: 1, weak: 1})
	}
	got := s.byHour(time.FixedZone("venue", 2*3600), 0)
	if got[12].playing != int(perCoarse) || got[12].weak != int(perCoarse) || got[10].playing != 0 {
		t.Errorf("hours %+v", got)
	}
	if got := s.byHour(time.UTC, n/perCoarse+1); got[10].playing != 0 {
		t.Error("what was before the present codec counts")
	}
}

// What all links do at once is the server's, or its network's; what most of them do is
// each one's.
func TestAllLinksAtOnce(t *testing.T) {
	venue := func() *scene {
		s := well()
		for _, id := range []string{"c", "d"} {
			c := speaker(id)
			c.Name = "Speaker " + id
			s.snap.Clients = append(s.snap.Clients, c)
			s.steps(id, 60, step{of: 1, up: 1, playing: 1, rtt: 2000, buffered: 20_000, lead: 900})
		}
		return s
	}
	slow := func(s *scene, ids ...string) {
		for _, id := range ids {
			s.steps(id, 30, step{of: 1, up: 1, rtt: 180_000})
		}
	}
	flaps := func(s *scene, ids ...string) {
		for _, id := range ids {
			s.hour[id] = sums{reconnects: 3}
		}
	}
	codes := func(s *scene) (out []string) {
		for _, x := range s.find() {
			out = append(out, x.Code)
		}
		return out
	}
	for name, v := range map[string]struct {
		given func(s *scene)
		want  []string
	}{
		"all slow":                 {func(s *scene) { slow(s, "a", "b", "c", "d") }, []string{"links_all"}},
		"slow and unsteady":        {func(s *scene) { slow(s, "a", "b", "c"); s.steps("d", 30, step{of: 1, up: 1, rtt: 151_000}) }, []string{"links_all"}},
		"most of them":             {func(s *scene) { slow(s, "a", "b", "c") }, []string{"rtt_high", "rtt_high", "rtt_high"}},
		"most of them, as before":  {func(s *scene) { slow(s, "a", "b", "c"); s.shown["links_all"] = true }, []string{"links_all"}},
		"half of them, as before":  {func(s *scene) { slow(s, "a", "b"); s.shown["links_all"] = true }, []string{"rtt_high", "rtt_high"}},
		"all come back":            {func(s *scene) { flaps(s, "a", "b", "c", "d") }, []string{"reconnects_all"}},
		"most of them come back":   {func(s *scene) { flaps(s, "a", "b", "d") }, []string{"reconnects", "reconnects", "reconnects"}},
		"one that is quiet by now": {func(s *scene) { flaps(s, "a", "b", "c", "d"); s.hour["d"] = sums{reconnects: 2} }, []string{"reconnects", "reconnects", "reconnects"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := venue()
			v.given(s)
			if got := codes(s); !slices.Equal(got, v.want) {
				t.Errorf("found %q, want %q", got, v.want)
			}
		})
	}
	s := venue()
	slow(s, "a", "b", "c", "d")
	x := s.find()[0]
	if x.Severity != model.SeveritySerious || !slices.Equal(x.Clients, []string{"a", "b", "c", "d"}) || x.Params["n"] != 4 || !strings.Contains(x.Text, "all 4 speakers") ||
		x.Remedy == nil || x.Remedy.Code != "check_server" || x.Remedy.Method != "" {
		t.Errorf("it says %+v, %+v", x, x.Remedy)
	}
	// Two speakers may share a bad corner.
	s = well()
	slow(s, "a", "b")
	if got := codes(s); !slices.Equal(got, []string{"rtt_high", "rtt_high"}) {
		t.Errorf("two speakers: %q", got)
	}
}
