package machine

import (
	"testing"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// Specification, group/update: promptly after the first server/activate, also for
// a client that waits without roles; and once per change.
func TestAClientWithoutRolesHearsOfItsGroupAtOnce(t *testing.T) {
	m := New(Config{ClientID: "0123456789abcdefXYZ", SessionID: "s", Hello: hello(), Category: "sn"})
	expect(t, "unapproved", m.Admit(Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}, 0),
		"activate [] []; group solo-0123456789abcdef stopped; presence")
	expect(t, "nothing is owed later", m.Overdue(1), "")
	expect(t, "approved", m.Admit(all, 2), "activate [] [player@v1 metadata@v1 controller@v1]; presence")
	effects, err := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Group{
		Group: &tuttiv1.GroupInfo{GroupId: "solo-0123456789abcdef", Name: hello().Name, PlaybackState: "stopped"}}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "the stream service says the same", effects, "")
}

// While the stream service is away, a client still hears what it must.
func TestWhatNobodyToldIsToldAfterTheGrace(t *testing.T) {
	m := New(Config{ClientID: "0123456789abcdefXYZ", SessionID: "s", Hello: hello(), Category: "sn"})
	expect(t, "approved", m.Admit(all, 0), "activate [] [player@v1 metadata@v1 controller@v1]; presence")
	expect(t, "after the grace", m.Overdue(5), `group solo-0123456789abcdef stopped; state metadata ""@5 controller 100`)
	expect(t, "once", m.Overdue(6), "")
	effects, err := m.Command(&tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Group{
		Group: &tuttiv1.GroupInfo{GroupId: "g-1", Name: "Hall", PlaybackState: "playing"}}}, 7)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "the stream service is back", effects, "group g-1 playing")
}

func TestWhatWasToldIsNotOverdue(t *testing.T) {
	m := New(Config{ClientID: "0123456789abcdefXYZ", SessionID: "s", Hello: hello(), Category: "sn"})
	expect(t, "too early", m.Overdue(0), "")
	m.Admit(all, 0)
	for _, c := range []*tuttiv1.SessionCommand{
		{Command: &tuttiv1.SessionCommand_Group{Group: &tuttiv1.GroupInfo{GroupId: "g", Name: "n", PlaybackState: "stopped"}}},
		{Command: &tuttiv1.SessionCommand_State{State: &tuttiv1.StateUpdate{
			Metadata: &tuttiv1.MetadataState{}, Controller: &tuttiv1.ControllerState{Volume: 5, Repeat: "off"}}}},
	} {
		if _, err := m.Command(c, 1); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "all told", m.Overdue(2), "")
}

// A client whose gateway was lost while it played is dialled for playback, so that it
// lets the new connection in beside one that it believes in; if nothing plays after the
// grace, the activity goes.
func TestSessionThatResumesBeginsWithPlayback(t *testing.T) {
	cfg := Config{ClientID: "0123456789abcdefXYZ", SessionID: "s", Hello: hello(), Category: "sn", Resumes: true}
	m := New(cfg)
	expect(t, "approved", m.Admit(all, 0), "activate [playback] [player@v1 metadata@v1 controller@v1]; presence")
	expect(t, "after the grace", m.Overdue(5),
		`group solo-0123456789abcdef stopped; state metadata ""@5 controller 100; activate [] [player@v1 metadata@v1 controller@v1]; presence`)
	expect(t, "once", m.Overdue(6), "")
	m = New(cfg) // without roles there is nothing to resume
	expect(t, "unapproved", m.Admit(Admission{State: tuttiv1.TrustState_TRUST_STATE_UNAPPROVED}, 0),
		"activate [] []; group solo-0123456789abcdef stopped; presence")
}
