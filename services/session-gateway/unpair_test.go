package gateway

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

var allFamilies = []string{"player", "metadata", "controller"}

// obedient makes a device remove its record and leave at server/unpair.
func obedient(d *device) { d.obeysUnpair = true }

func TestUnpairWhileConnected(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, obedient)
	keyed(r, d, "lt")
	d.join(r)
	r.waitPlayer(d)
	begin := r.soon()
	r.recorder("g1", "a", 1, begin).write(5)
	r.mustCommand(d.id(), startCmd("g1", "a", 1, begin))
	d.waitChunks(5)
	session := r.presence(d.id()).GetSessionId()
	r.pairing.say(d.id(), "unpaired", &tuttiv1.AdmitResponse{State: unapproved, Unpair: true})
	d.waitEnd()
	report := r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_UNPAIRED)
	if report.GetGoodbye() != wire.GoodbyeUnpaired || report.GetSessionId() != session {
		t.Errorf("report: %v", report)
	}
	types := d.types()
	end, unpair := slices.Index(types, wire.TypeStreamEnd), slices.Index(types, wire.TypeServerUnpair)
	if end < 0 || unpair < end {
		t.Errorf("messages %v", types)
	}
	if last := waitLastActivation(d); len(last.ActiveRoles) != 0 {
		t.Errorf("roles %v before server/unpair", last.ActiveRoles)
	}
	if !d.record().IsZero() {
		t.Error("the device still has its record")
	}
	r.waitPresence(d.id(), func(p *tuttiv1.ClientPresence) string {
		if p.GetConnected() || p.GetLastGoodbye() != wire.GoodbyeUnpaired {
			return p.String()
		}
		return ""
	})
	d.clean()
}

// An absent device is told when it next appears, after the activation that must come
// first.
func TestUnpairAtTheNextAppearance(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, obedient)
	keyed(r, d, "lt")
	r.pairing.say(d.id(), "", &tuttiv1.AdmitResponse{State: unapproved, Unpair: true})
	d.join(r)
	d.waitEnd()
	r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_UNPAIRED)
	d.clean() // its first message is server/activate
}

// A device that does not answer server/unpair is let go after a moment. The report says
// that it was sent.
func TestUnpairWithoutGoodbye(t *testing.T) {
	r := newRig(t)
	d := newDevice(r)
	keyed(r, d, "lt")
	d.join(r)
	r.pairing.say(d.id(), "unpaired", &tuttiv1.AdmitResponse{State: unapproved, Unpair: true})
	waitType[*wire.ServerUnpair](d, 1)
	if err := r.command(d.id(), startCmd("g1", "a", 1, 0)); err == nil {
		t.Error("a stream was opened to a client that is being unpaired")
	}
	d.waitEnd()
	if report := r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_UNPAIRED); report.GetGoodbye() != "" {
		t.Errorf("report: %v", report)
	}
	d.clean()
}

// An unpaired session has nothing that server/unpair could remove.
func TestUnpairIsNotSentOnAnUnpairedSession(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, obedient).join(r)
	r.pairing.say(d.id(), "unpaired", &tuttiv1.AdmitResponse{State: unapproved, Unpair: true})
	a := waitType[*wire.ServerActivate](d, 2)
	if len(a.ActiveRoles) != 0 {
		t.Errorf("roles %v", a.ActiveRoles)
	}
	d.settle(r)
	if slices.Contains(d.types(), wire.TypeServerUnpair) {
		t.Error("server/unpair was sent")
	}
}

func TestForgettingAPairedDeviceUnpairsIt(t *testing.T) {
	r := newRig(t)
	d := newDevice(r, obedient)
	keyed(r, d, "lt")
	d.join(r)
	r.pairing.decide(d.id(), unapproved, "forgotten", true)
	d.waitEnd()
	if !slices.Contains(d.types(), wire.TypeServerUnpair) {
		t.Errorf("messages %v", d.types())
	}
	d.clean()
}

func TestEndIsReportedWherePairingWants(t *testing.T) {
	r := newRig(t)
	d := newDevice(r)
	r.pairing.say(d.id(), "", &tuttiv1.AdmitResponse{State: approved, AllowedFamilies: allFamilies, ReportEnd: true})
	other := newDevice(r).join(r)
	d.join(r)
	other.cancel()
	other.waitEnd()
	d.send(&wire.ClientGoodbye{Reason: wire.GoodbyeRestart})
	if report := r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_ENDED); report.GetGoodbye() != wire.GoodbyeRestart {
		t.Errorf("report: %v", report)
	}
	r.waitConnected(other, false)
	r.pairing.mu.Lock()
	defer r.pairing.mu.Unlock()
	for _, report := range r.pairing.reports {
		if report.GetClientId() == other.id() {
			t.Errorf("reported without being asked: %v", report)
		}
	}
}

// A report waits for a pairing service that is away for a moment.
func TestReportsOutliveTheSessionAndPairing(t *testing.T) {
	r := newRig(t)
	d := newDevice(r)
	r.pairing.say(d.id(), "", &tuttiv1.AdmitResponse{State: approved, AllowedFamilies: allFamilies, ReportEnd: true})
	d.join(r)
	r.pairing.stops()
	d.cancel()
	d.waitEnd()
	r.waitConnected(d, false)
	r.pairing.start()
	r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_ENDED)
}

func TestEndpointOfThePersona(t *testing.T) {
	r := newRig(t)
	d := r.ready(func(d *device) {
		d.player.SupportedCommands = []string{wire.PlayerVolume, wire.PlayerSetOutputDelay}
	})
	r.pairing.say(d.id(), "persona", &tuttiv1.AdmitResponse{
		State: approved, AllowedFamilies: allFamilies,
		Endpoint: &tuttiv1.Endpoint{PersonaId: "p-1", VolumeMin: proto.Int32(10), VolumeMax: proto.Int32(40), OutputDelayMs: proto.Int32(120)},
	})
	delay := waitType[*wire.ServerCommand](d, 1).Player
	volume := waitType[*wire.ServerCommand](d, 2).Player
	if delay.Command != wire.PlayerSetOutputDelay || *delay.OutputDelayMS != 120 {
		t.Errorf("first command %+v", delay)
	}
	if volume.Command != wire.PlayerVolume || *volume.Volume != 40 {
		t.Errorf("second command %+v", volume)
	}
	for want, asked := range map[int]int32{40: 90, 10: 3, 25: 25} {
		n := len(d.messages())
		r.mustCommand(d.id(), &tuttiv1.SessionCommand{Command: &tuttiv1.SessionCommand_Player{
			Player: &tuttiv1.PlayerCommand{Command: &tuttiv1.PlayerCommand_Volume{Volume: asked}},
		}})
		eventually(t, func() string {
			for _, m := range d.messages()[n:] {
				if c, ok := m.(*wire.ServerCommand); ok && *c.Player.Volume == want {
					return ""
				}
			}
			return "the command is not inside the limits"
		})
	}
	// It is set once: a device that has its own way keeps it.
	d.sendState()
	d.settle(r)
	count := 0
	for _, m := range d.messages() {
		if c, ok := m.(*wire.ServerCommand); ok && c.Player.Command == wire.PlayerSetOutputDelay {
			count++
		}
	}
	if count != 1 {
		t.Errorf("the output delay was set %d times", count)
	}
	d.clean()
}

func TestRosterReachesPairedClientsThatKeepIt(t *testing.T) {
	r := newRig(t)
	r.withSettings(func(s *tuttiv1.ServerSettings) { s.Roster, s.RosterSeq = "roster \"one\"", 1 })
	keeps := func(d *device) { d.hello.SupportedRoles = append(d.hello.SupportedRoles, "_tutti_persona@v1") }
	d := newDevice(r, keeps)
	keyed(r, d, "lt")
	d.join(r)
	unpaired := newDevice(r, keeps).join(r)
	plain := newDevice(r)
	keyed(r, plain, "lt")
	plain.join(r)
	if a := waitType[*wire.ServerActivate](d, 1); !slices.Contains(a.ActiveRoles, "_tutti_persona@v1") {
		t.Fatalf("roles %v", a.ActiveRoles)
	}
	roster := func(d *device, want string) {
		t.Helper()
		d.waitFor("roster "+want, func(m wire.Message) bool {
			s, ok := m.(*wire.ServerState)
			return ok && string(s.App["_tutti_persona"]) == want
		})
	}
	roster(d, `{"roster":"roster \"one\""}`)
	if report := r.pairing.waitReport(d.id(), tuttiv1.SessionEvent_SESSION_EVENT_ROSTER); report.GetRosterSeq() != 1 {
		t.Errorf("report: %v", report)
	}
	r.withSettings(func(s *tuttiv1.ServerSettings) { s.Roster, s.RosterSeq = "two", 2 })
	roster(d, `{"roster":"two"}`)
	for _, other := range []*device{unpaired, plain} {
		other.settle(r)
		for _, m := range other.messages() {
			switch m := m.(type) {
			case *wire.ServerState:
				if m.App != nil {
					t.Errorf("a roster went to a client that is not to have it: %v", m.App)
				}
			case *wire.ServerActivate:
				if slices.Contains(m.ActiveRoles, "_tutti_persona@v1") {
					t.Errorf("roles %v", m.ActiveRoles)
				}
			}
		}
	}
	d.clean()
}
