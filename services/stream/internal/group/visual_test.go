package group

import (
	"fmt"
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// TestVisualizersAreToldOfTapes plays starts, seeks, changes and ends of the visualizer
// stream against what a session knows.
func TestVisualizersAreToldOfTapes(t *testing.T) {
	visual := func(id string, epoch uint64) want {
		return want{sessionID: "1", group: &tuttiv1.GroupInfo{}, visual: &tuttiv1.VisualStart{RenditionId: id, Epoch: epoch}}
	}
	dark := want{sessionID: "1", group: &tuttiv1.GroupInfo{}}
	ending := dark
	ending.endAt = 500
	both := visual("visual", 7)
	both.stream = &tuttiv1.StreamStart{RenditionId: "flac", Epoch: 7}
	type step struct {
		w    want
		now  int64
		sent string
	}
	for name, steps := range map[string][]step{
		"a start":              {{visual("visual", 7), 0, "group visual(visual,7)"}, {visual("visual", 7), 0, ""}},
		"after the audio":      {{both, 0, "group start(flac,7) visual(visual,7)"}},
		"a seek":               {{visual("visual", 7), 0, "group visual(visual,7)"}, {visual("visual", 8), 0, "visual(visual,8)"}},
		"another spectrum":     {{visual("visual", 7), 0, "group visual(visual,7)"}, {visual("visual-8", 7), 0, "visual(visual-8,7)"}},
		"a pause":              {{visual("visual", 7), 0, "group visual(visual,7)"}, {dark, 0, "dark(0)"}, {dark, 0, ""}, {visual("visual", 8), 0, "visual(visual,8)"}},
		"the end":              {{visual("visual", 7), 0, "group visual(visual,7)"}, {ending, 0, "dark(500)"}, {ending, 400, ""}, {ending, 600, ""}, {visual("visual", 8), 700, "visual(visual,8)"}},
		"it goes on":           {{visual("visual", 7), 0, "group visual(visual,7)"}, {ending, 0, "dark(500)"}, {visual("visual", 7), 400, "visual(visual,7)"}},
		"a pause near the end": {{visual("visual", 7), 0, "group visual(visual,7)"}, {ending, 0, "dark(500)"}, {dark, 400, "dark(0)"}, {dark, 600, ""}},
		"leaving":              {{visual("visual", 7), 0, "group visual(visual,7)"}, {want{sessionID: "1", last: true}, 0, "dark(0)"}},
		"leaving in the dark":  {{dark, 0, "group"}, {want{sessionID: "1", last: true}, 0, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var known told
			for i, s := range steps {
				var sent string
				if sent, known = drive(known, s.w, s.now); sent != s.sent {
					t.Fatalf("step %d: sent %q, want %q", i, sent, s.sent)
				}
			}
		})
	}
}

func screenPresence(types []string, bins int32) *tuttiv1.ClientPresence {
	yes := true
	return &tuttiv1.ClientPresence{Connected: true, ActiveRoles: []string{"visualizer@v1"}, Available: &yes, Visualizer: &tuttiv1.VisualizerState{
		Types: types, RateMax: 30, Spectrum: &tuttiv1.SpectrumConfig{Bins: bins, Scale: "mel", FMin: 40, FMax: 16_000}}}
}

func TestWhichTapeAVisualizerReads(t *testing.T) {
	check := func(what string, p *tuttiv1.ClientPresence, id string, watches bool) {
		t.Helper()
		if v, w := visualOf(p); v.ID != id || w != watches || (v.Spectrum != nil) != (len(id) > len("visual")) {
			t.Errorf("%s: %q, watches %v", what, v.ID, w)
		}
	}
	check("spectrum", screenPresence([]string{"beat", "spectrum"}, 32), "visual-32-mel-40-16000", true)
	check("no spectrum asked for", screenPresence([]string{"beat"}, 32), "visual", true)
	check("nothing asked for", screenPresence(nil, 32), "visual", false)
	check("too many bins", screenPresence([]string{"spectrum"}, 257), "visual", true)
	empty := screenPresence([]string{"spectrum"}, 8)
	empty.Visualizer.Spectrum.FMax = 40
	check("no frequencies", empty, "visual", true)
	away := screenPresence([]string{"beat"}, 8)
	*away.Available = false
	check("not available", away, "", false)
	silent := screenPresence([]string{"beat"}, 8)
	silent.Visualizer = nil
	check("no client/state yet", silent, "", false)
	other := screenPresence([]string{"beat"}, 8)
	other.ActiveRoles = []string{"metadata@v1"}
	check("without the role", other, "", false)
}

// TestOneTapeForEqualDisplays: tapes are per configuration and not per display, and
// their number is bounded.
func TestOneTapeForEqualDisplays(t *testing.T) {
	g := &Group{rec: &tuttiv1.Group{}, members: map[string]*member{}}
	add := func(n int, p *tuttiv1.ClientPresence) *member {
		m := &member{id: fmt.Sprint(n), p: p}
		g.rec.Members = append(g.rec.Members, m.id)
		g.members[m.id] = m
		g.lookVisual(m)
		return m
	}
	for n := range 40 {
		add(n, screenPresence([]string{"spectrum"}, int32(8+n%2)))
	}
	if tapes := g.visualTapes(); len(tapes) != 2 || tapes[0].ID != "visual-8-mel-40-16000" || tapes[1].Spectrum.Bins != 9 {
		t.Errorf("%v", tapes)
	}
	add(100, screenPresence(nil, 8))
	if tapes := g.visualTapes(); len(tapes) != 2 {
		t.Errorf("a display that asks for nothing has a tape: %v", tapes)
	}
	var last *member
	for n := range 20 {
		last = add(200+n, screenPresence([]string{"spectrum"}, int32(20+n)))
	}
	tapes := g.visualTapes()
	if len(tapes) != maxSpectra+1 || tapes[0].ID != "visual" {
		t.Errorf("%d tapes: %v", len(tapes), tapes)
	}
	g.shared.visuals, g.shared.stream = tapes, stream{epoch: 3, t0: 77}
	var w want
	g.wantVisual(last, &w)
	if w.visual.GetRenditionId() != "visual" || w.visual.GetSpectrum() != nil || w.visual.GetEpoch() != 3 || w.visual.GetNotBeforeUs() != 77 || w.visual.GetFrameRate() != 60 {
		t.Errorf("one spectrum too many gets %v", w.visual)
	}
	g.shared.stream.endUS = 100
	w = want{}
	if g.wantVisual(last, &w); w.visual != nil {
		t.Error("a stream that ends is started")
	}
}
