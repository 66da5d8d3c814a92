package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// screen is a machine whose client has the visualizer role, before its first
// client/state.
func screen(t *testing.T) *Machine {
	t.Helper()
	h := hello()
	h.SupportedRoles, h.Player = []string{"visualizer@v1"}, nil
	h.Visualizer = &wire.VisualizerSupport{BufferCapacity: 1000}
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
	expect(t, "first activation", m.Admit(all, 0), "activate [] [visualizer@v1]; presence")
	return m
}

func visualState(available bool, rate int, types ...string) *wire.ClientState {
	return &wire.ClientState{Available: available, Visualizer: &wire.VisualizerState{Types: types, RateMax: rate,
		Spectrum: &wire.Spectrum{Bins: 4, Scale: "mel", FMin: 40, FMax: 16_000}}}
}

// visualCmd is a VisualStart of a tape that has beats and, with bins, a spectrum.
func visualCmd(group string, epoch uint64, bins int32) *tuttiv1.SessionCommand {
	v := &tuttiv1.VisualStart{RenditionId: "visual", Epoch: epoch, NotBeforeUs: 77, FrameRate: 60, Beats: true, Downbeats: true}
	if bins > 0 {
		v.RenditionId = fmt.Sprintf("visual-%d-mel-40-16000", bins)
		v.Spectrum = &tuttiv1.SpectrumConfig{Bins: bins, Scale: "mel", FMin: 40, FMax: 16_000}
	}
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_VisualStart{VisualStart: v}}
}

func visualEndCmd(group string, at int64) *tuttiv1.SessionCommand {
	return &tuttiv1.SessionCommand{GroupId: group, Command: &tuttiv1.SessionCommand_VisualEnd{VisualEnd: &tuttiv1.VisualEnd{AtUs: at}}}
}

// visuals is lines with the effects of this file.
func visuals(effects []Effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case StartVisual:
			out = append(out, fmt.Sprintf("visual %s/%s@%d %v %d", e.GroupID, e.Rendition, e.Epoch, e.Config.Stream.Types, e.Config.Stream.RateMax))
		case EndVisual:
			out = append(out, fmt.Sprintf("visual ends at %d", e.At))
		case Changed:
		default:
			out = append(out, lines([]Effect{e}))
		}
	}
	return strings.Join(out, "; ")
}

func doVisual(t *testing.T, m *Machine, c *tuttiv1.SessionCommand) string {
	t.Helper()
	out, err := m.Command(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	return visuals(out)
}

func TestVisualizerStreamWaitsForTheClientsState(t *testing.T) {
	m := screen(t)
	want(t, "before client/state", doVisual(t, m, visualCmd("g", 1, 0)), "")
	want(t, "not available", visuals(m.Message(visualState(false, 30, "beat"), nil, 0)), "")
	want(t, "available", visuals(m.Message(visualState(true, 30, "beat"), nil, 0)),
		"activate [playback] [visualizer@v1]; visual g/visual@1 [beat] 30")
	want(t, "the same again", visuals(m.Message(visualState(true, 30, "beat"), nil, 0)), "")
	want(t, "said again by another holder", doVisual(t, m, visualCmd("g", 1, 0)), "")
	want(t, "end", doVisual(t, m, visualEndCmd("g", 0)), "visual ends at 0; activate [] [visualizer@v1]")
	want(t, "end again", doVisual(t, m, visualEndCmd("g", 0)), "")
}

func TestVisualizerConfigurationChangesAnActiveStreamOnly(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 30, "beat"), nil, 0)
	want(t, "without a stream", visuals(m.Message(visualState(true, 25, "loudness", "spectrum"), nil, 0)), "")
	want(t, "the tape has no spectrum", doVisual(t, m, visualCmd("g", 1, 0)), "activate [playback] [visualizer@v1]; visual g/visual@1 [loudness] 20")
	want(t, "now it has", doVisual(t, m, visualCmd("g", 1, 4)), "visual g/visual-4-mel-40-16000@1 [loudness spectrum] 20")
	want(t, "another rate, the same frames", visuals(m.Message(visualState(true, 20, "loudness", "spectrum"), nil, 0)), "")
	want(t, "another rate", visuals(m.Message(visualState(true, 60, "loudness", "spectrum"), nil, 0)), "visual g/visual-4-mel-40-16000@1 [loudness spectrum] 60")
	want(t, "nothing", visuals(m.Message(visualState(true, 60), nil, 0)), "visual g/visual-4-mel-40-16000@1 [] 60")
	other := visualState(true, 60, "spectrum")
	other.Visualizer.Spectrum.Bins = 5
	want(t, "a spectrum that the tape has not", visuals(m.Message(other, nil, 0)), "")
	want(t, "end", doVisual(t, m, visualEndCmd("g", 0)), "visual ends at 0; activate [] [visualizer@v1]")
	want(t, "after the end", visuals(m.Message(visualState(true, 10, "beat"), nil, 0)), "")
}

func TestVisualizerFollowsEpochsAndGroups(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 60, "beat"), nil, 0)
	doVisual(t, m, visualCmd("g", 1, 0))
	want(t, "a seek", doVisual(t, m, visualCmd("g", 2, 0)), "visual g/visual@2 [beat] 60")
	do(t, m, &tuttiv1.SessionCommand{GroupId: "h", Command: &tuttiv1.SessionCommand_Group{Group: &tuttiv1.GroupInfo{GroupId: "h", PlaybackState: "playing"}}})
	if _, err := m.Command(visualCmd("g", 3, 0), 0); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("frames of the group it has left: %v", err)
	}
	want(t, "the new group", doVisual(t, m, visualCmd("h", 1, 0)), "visual h/visual@1 [beat] 60")
	want(t, "the old group's end", doVisual(t, m, visualEndCmd("g", 0)), "")
	want(t, "the new group's end", doVisual(t, m, visualEndCmd("h", 0)), "visual ends at 0; activate [] [visualizer@v1]")
}

func TestVisualizerEndsByItself(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 60, "beat"), nil, 0)
	doVisual(t, m, visualCmd("g", 1, 0))
	want(t, "scheduled", doVisual(t, m, visualEndCmd("g", 500)), "visual ends at 500")
	gen := m.visual.gen
	want(t, "an old word", visuals(m.VisualEnded(gen-1)), "")
	want(t, "ended", visuals(m.VisualEnded(gen)), "activate [] [visualizer@v1]")
	want(t, "once", visuals(m.VisualEnded(gen)), "")
	want(t, "the next one", doVisual(t, m, visualCmd("g", 1, 0)), "activate [playback] [visualizer@v1]; visual g/visual@1 [beat] 60")
	doVisual(t, m, visualEndCmd("g", 500))
	want(t, "music goes on before the end", doVisual(t, m, visualCmd("g", 1, 0)), "visual g/visual@1 [beat] 60")
	want(t, "the end does not count", visuals(m.VisualEnded(gen+2)), "")
}

func TestVisualizerEndsWhileTheClientIsNotAvailable(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 60, "beat"), nil, 0)
	doVisual(t, m, visualCmd("g", 1, 0))
	want(t, "not available", visuals(m.Message(&wire.ClientState{Available: false}, nil, 0)), "visual ends at 0; activate [] [visualizer@v1]")
	want(t, "meanwhile", doVisual(t, m, visualCmd("g", 2, 0)), "")
	want(t, "available", visuals(m.Message(&wire.ClientState{Available: true}, nil, 0)), "activate [playback] [visualizer@v1]; visual g/visual@2 [beat] 60")
}

func TestVisualizerRoleGoesAfterItsStreamEnd(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 60, "beat"), nil, 0)
	doVisual(t, m, visualCmd("g", 1, 0))
	got := visuals(m.Admit(Admission{State: tuttiv1.TrustState_TRUST_STATE_APPROVED}, 0))
	if !strings.HasPrefix(got, "visual ends at 0; activate [] []") {
		t.Errorf("%s", got)
	}
	if _, err := m.Command(visualCmd("g", 1, 0), 0); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a stream without the role: %v", err)
	}
	m.Admit(all, 0)
	want(t, "state without the object", visuals(m.Message(&wire.ClientState{Available: true}, nil, 0)), "")
	want(t, "fresh state", visuals(m.Message(visualState(true, 60, "peak"), nil, 0)), "activate [playback] [visualizer@v1]; visual g/visual@1 [peak] 60")
}

func TestVisualizerNeedsItsSupportObject(t *testing.T) {
	h := hello()
	h.SupportedRoles, h.Player, h.Visualizer = []string{"visualizer@v1"}, nil, nil
	m := New(Config{ClientID: "c", SessionID: "s", Hello: h, Category: "sn"})
	expect(t, "without visualizer@v1_support", m.Admit(all, 0), "activate [] []; group solo-c stopped; presence")
}

func TestSpectrumWithoutItsConfigurationIsAProtocolError(t *testing.T) {
	m := screen(t)
	msg, err := wire.Current().DecodeFromClient([]byte(`{"type":"client/state","payload":{"available":true,"visualizer":{"types":["spectrum"],"rate_max":30}}}`))
	got := m.Message(msg, err, 0)
	if c, ok := got[0].(Close); !ok || c.Reason != ReasonProtocolError {
		t.Errorf("%v", got)
	}
	without := New(Config{ClientID: "c", SessionID: "s", Hello: hello(), Category: "sn"})
	without.Admit(all, 0)
	msg, err = wire.Current().DecodeFromClient([]byte(`{"type":"client/state","payload":{"available":true,"visualizer":{"types":["spectrum"],"rate_max":30}}}`))
	for _, e := range without.Message(msg, err, 0) {
		if c, ok := e.(Close); ok {
			t.Errorf("an object of an inactive role closes the session: %v", c)
		}
	}
}

func TestVisualizerIsShownInPresence(t *testing.T) {
	m := screen(t)
	m.Message(visualState(true, 1<<40, "spectrum"), nil, 0)
	doVisual(t, m, visualCmd("g", 1, 4))
	p := &tuttiv1.ClientPresence{}
	m.Fill(p)
	if p.GetVisualizerSupport().GetBufferCapacity() != 1000 || p.GetVisualizer().GetRateMax() != 1<<30 || p.GetVisualizer().GetSpectrum().GetBins() != 4 ||
		!p.GetDisplay().GetVisualizer() || p.GetDisplay().GetVisualRate() != 60 || p.GetDisplay().GetVisualTypes()[0] != "spectrum" {
		t.Errorf("%v", p)
	}
}
