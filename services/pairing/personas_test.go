package pairing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/proto"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// persona asks for one command that must succeed.
func (r *rig) persona(id string, command any) *pb.PersonaReply {
	r.t.Helper()
	reply, err := r.tryPersona(id, command)
	if err != nil {
		r.t.Fatalf("%T: %v", command, err)
	}
	return reply
}

func (r *rig) tryPersona(id string, command any) (*pb.PersonaReply, error) {
	req := &pb.PersonaRequest{PersonaId: id, Actor: "admin"}
	switch c := command.(type) {
	case *pb.CreatePersona:
		req.Command = &pb.PersonaRequest_Create{Create: c}
	case *pb.PersonaSettings:
		req.Command = &pb.PersonaRequest_Settings{Settings: c}
	case *pb.ImportRoster:
		req.Command = &pb.PersonaRequest_Import{Import: c}
	case *pb.ExportRoster:
		req.Command = &pb.PersonaRequest_Export{Export: c}
	case add:
		req.Command = &pb.PersonaRequest_Add{Add: string(c)}
	case activate:
		req.Command = &pb.PersonaRequest_Activate{Activate: string(c)}
	case remove:
		req.Command = &pb.PersonaRequest_Remove{Remove: string(c)}
	case retire:
		req.Command = &pb.PersonaRequest_Retire{Retire: true}
	case rotate:
		req.Command = &pb.PersonaRequest_RotateKey{RotateKey: true}
	}
	reply := &pb.PersonaReply{}
	return reply, r.request(subject.PairingPersona, req, reply)
}

type (
	add      string
	activate string
	remove   string
	retire   struct{}
	rotate   struct{}
)

func (r *rig) refusesPersona(code fault.Code, text, id string, command any) {
	r.t.Helper()
	if _, err := r.tryPersona(id, command); fault.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		r.t.Fatalf("%T: got %v (%s), want %s with %q", command, err, fault.CodeOf(err), code, text)
	}
}

// approvedDevice knocks and is approved.
func (r *rig) approvedDevice(name string) string {
	r.t.Helper()
	id := newClientID()
	r.admit(knock(id, name))
	r.approve(id)
	return id
}

// personaEntry is the KV entry, nil when there is none.
func (r *rig) personaEntry(id string) *pb.Persona {
	r.t.Helper()
	b, err := bus.OpenBucket[pb.Persona](context.Background(), r.bus, subject.BucketPersonas, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	p, _, err := b.Get(context.Background(), id)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		r.t.Fatalf("persona %s: %v", id, err)
	}
	return p
}

func activeOf(p *pb.Persona) string {
	for _, d := range p.GetDevices() {
		if d.GetActive() {
			return d.GetClientId()
		}
	}
	return ""
}

// TestSwapASpeaker: label, limits, delay and the announcements follow the persona from a
// broken speaker to its replacement, and the roster proves it.
func TestSwapASpeaker(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		old, next := r.approvedDevice("sp-1"), r.approvedDevice("sp-2")
		p := r.persona("", &pb.CreatePersona{Name: "Lobby left", ClientId: old}).GetPersona()
		id := p.GetPersonaId()
		first, err := roster.Parse(p.GetRoster())
		if err != nil || first.ID.String() != id || first.Name != "Lobby left" {
			t.Fatalf("the first roster: %+v, %v", first, err)
		}
		r.persona(id, &pb.PersonaSettings{VolumeMin: proto.Int32(5), VolumeMax: proto.Int32(60), OutputDelayMs: proto.Int32(120)})
		r.persona(id, add(next))
		if e := r.admit(knock(next, "sp-2")).GetEndpoint(); e != nil {
			t.Fatalf("a spare inherits %v", e)
		}
		before := len(r.trustEvents())

		got := r.persona(id, activate(next)).GetPersona()
		if activeOf(got) != next || got.GetSeq() != p.GetSeq()+2 {
			t.Fatalf("after the swap: %v", got)
		}
		if again := r.persona(id, activate(next)).GetPersona(); again.GetSeq() != got.GetSeq() {
			t.Fatal("activating the active device made a new roster")
		}
		said, err := first.Pin().Accept(got.GetRoster())
		if err != nil {
			t.Fatal(err)
		}
		if a, _ := said.ActiveDevice(); a.String() != next {
			t.Fatalf("the roster names %s, want %s", a, next)
		}
		e := r.admit(knock(next, "sp-2")).GetEndpoint()
		want := &pb.Endpoint{PersonaId: id, Name: "Lobby left", VolumeMin: proto.Int32(5), VolumeMax: proto.Int32(60), OutputDelayMs: proto.Int32(120)}
		if !proto.Equal(e, want) {
			t.Fatalf("the new speaker inherits %v, want %v", e, want)
		}
		if e := r.admit(knock(old, "sp-1")).GetEndpoint(); e != nil {
			t.Fatalf("the old speaker still inherits %v", e)
		}
		r.atOnce("the entries of the two speakers", func() error {
			if rec := r.trustEntry(next); rec.GetLabel() != "Lobby left" || rec.GetPersonaId() != id {
				return fmt.Errorf("the new one: %v", rec)
			}
			if rec := r.trustEntry(old); rec.GetLabel() != "" || rec.GetPersonaId() != "" {
				return fmt.Errorf("the old one: %v", rec)
			}
			return nil
		})
		r.atOnce("the bucket", func() error {
			if is := r.personaEntry(id); !proto.Equal(is, got) {
				return fmt.Errorf("it says %v, want %v", is, got)
			}
			return nil
		})
		wantTold := []string{old + " persona", next + " persona"}
		r.atOnce("what the gateways are told", func() error {
			var told []string
			for _, e := range r.trustEvents()[before:] {
				told = append(told, e.GetClientId()+" "+e.GetKind())
			}
			if !slices.Equal(told, wantTold) {
				return fmt.Errorf("%v, want %v", told, wantTold)
			}
			return nil
		})
		r.atOnce("the roster", func() error {
			published := streamed[pb.RosterPublished](r, subject.EventRoster(id))
			if last := published[len(published)-1]; last.GetSeq() != got.GetSeq() || last.GetRoster() != got.GetRoster() {
				return fmt.Errorf("published last: %v", last)
			}
			return nil
		})
		r.restart()
		if again := r.personaEntry(id); !proto.Equal(again, got) {
			t.Fatalf("after a restart: %v, want %v", again, got)
		}
		wantKinds := []string{"persona.created", "persona.updated", "persona.device_added", "persona.activated"}
		kinds := slices.DeleteFunc(r.auditKinds(), func(k string) bool { return !strings.HasPrefix(k, "persona.") })
		if !slices.Equal(kinds, wantKinds) {
			t.Fatalf("ledger: %v, want %v", kinds, wantKinds)
		}
	})
}

func TestAPersonaGivesNoTrust(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		good := r.approvedDevice("good")
		stranger := newClientID()
		r.admit(knock(stranger, "stranger"))
		r.refusesPersona(fault.Conflict, "pair or approve it first", "", &pb.CreatePersona{Name: "Bar", ClientId: stranger})
		id := r.persona("", &pb.CreatePersona{Name: "Bar", ClientId: good}).GetPersona().GetPersonaId()
		r.persona(id, add(stranger))
		r.wantState(knock(stranger, "stranger"), unapproved, false) // a spare has what it had
		r.refusesPersona(fault.Conflict, "a persona gives no trust", id, activate(stranger))
		r.approve(stranger)
		r.persona(id, activate(stranger))
		r.decide(subject.PairingRevoke, stranger)
		r.wantState(knock(stranger, "stranger"), unapproved, false) // active, and not trusted any more
	})
}

// TestAnImpostorClaimsAPersona: a stranger with the persona's name is held back, also
// under the policy "optional"; a device of the persona may call itself like it.
func TestAnImpostorClaimsAPersona(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		cfg.Policy = PolicyOptional
		r := newRig(t, cfg).serve()
		first := r.approvedDevice("sp-1")
		id := r.persona("", &pb.CreatePersona{Name: "Lobby left", ClientId: first}).GetPersona().GetPersonaId()
		impostor := newClientID()
		if got := r.wantState(knock(impostor, "LOBBY-left"), unapproved, false); got.GetWarning() != "name_reused_by_new_key" {
			t.Fatalf("warning %q", got.GetWarning())
		}
		if other := newClientID(); r.admit(knock(other, "Bar")).GetState() != approved {
			t.Fatal("the policy holds back a stranger that claims nothing")
		}
		r.persona(id, retire{})
		if got := r.wantState(knock(newClientID(), "Lobby left"), unapproved, false); got.GetWarning() != "name_reused_by_new_key" {
			t.Fatal("the impostor's own claim is known by now: the next one is suspicious too")
		}
	})
}

func TestDevicesBelongToOnePersona(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		a, b := r.approvedDevice("a"), r.approvedDevice("b")
		one := r.persona("", &pb.CreatePersona{Name: "One", ClientId: a}).GetPersona().GetPersonaId()
		two := r.persona("", &pb.CreatePersona{Name: "Two"}).GetPersona().GetPersonaId()
		r.refusesPersona(fault.Conflict, `belongs to persona "One"`, two, add(a))
		r.refusesPersona(fault.Conflict, "another persona is called", "", &pb.CreatePersona{Name: "one."})
		r.refusesPersona(fault.Conflict, "another persona is called", two, &pb.PersonaSettings{Name: proto.String("ONE")})
		r.refusesPersona(fault.NotFound, "not known", two, add(newClientID()))
		r.refusesPersona(fault.Conflict, "does not belong", two, activate(b))
		r.refusesPersona(fault.NotFound, "no persona", "p-unknown", add(b))
		r.persona(one, add(b))
		r.refusesPersona(fault.Conflict, "activate another one first", one, remove(a))
		for _, s := range []*pb.PersonaSettings{{VolumeMin: proto.Int32(101)}, {VolumeMin: proto.Int32(50), VolumeMax: proto.Int32(40)},
			{OutputDelayMs: proto.Int32(5001)}, {Name: proto.String(" x")}, {Name: proto.String(strings.Repeat("🎵", 25))}} {
			r.refusesPersona(fault.OutOfRange, "", one, s)
		}
		r.wantFault(fault.Conflict, "rename the persona", subject.PairingLabel, &pb.SetLabelRequest{ClientId: a, Label: "x", Actor: "admin"})
		r.wantFault(fault.Conflict, "activate another one first", subject.PairingForget, &pb.ClientRequest{ClientId: a, Actor: "admin"})
		r.persona(one, activate(b))
		r.ask(subject.PairingForget, &pb.ClientRequest{ClientId: a, Actor: "admin"}, &pb.Empty{}) // a spare goes with itself
		r.atOnce("the entry after the spare was forgotten", func() error {
			if got := r.personaEntry(one); len(got.GetDevices()) != 1 || activeOf(got) != b {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
		r.persona(one, retire{})
		r.refusesPersona(fault.Conflict, "retired", one, add(b))
		r.persona(two, add(b)) // free again, and the first device is active
		r.atOnce("the first device", func() error {
			if got := r.personaEntry(two); activeOf(got) != b {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
	})
}

// TestRostersTravel: export, sealed to the other site, import there with a question
// first; a replay, a fork and a stranger's roster are refused; a rotated key is taken.
func TestRostersTravel(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		home := newRig(t, Config{DataDir: t.TempDir()}).serve()
		away := newRig(t, cfg).serve()
		var s pb.ServerSettings
		away.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &s)
		if !strings.HasPrefix(s.GetRecipient(), "age1") {
			t.Fatalf("recipient %q", s.GetRecipient())
		}
		a, b := home.approvedDevice("a"), home.approvedDevice("b")
		id := home.persona("", &pb.CreatePersona{Name: "Van", ClientId: a}).GetPersona().GetPersonaId()
		export := func() string { return home.persona(id, &pb.ExportRoster{}).GetExported() }
		first := export()
		sealed := home.persona(id, &pb.ExportRoster{Recipients: []string{s.GetRecipient()}}).GetExported()
		if strings.Contains(sealed, first) || !strings.HasPrefix(sealed, "-----BEGIN AGE") {
			t.Fatalf("sealed: %q", sealed)
		}
		home.refusesPersona(fault.Invalid, "does not open", "", &pb.ImportRoster{Roster: sealed})
		home.refusesPersona(fault.Conflict, "this site's own", "", &pb.ImportRoster{Roster: first})
		home.refusesPersona(fault.OutOfRange, "recipient 1", id, &pb.ExportRoster{Recipients: []string{"age1nonsense"}})

		asked := away.persona("", &pb.ImportRoster{Roster: sealed})
		if asked.GetAccepted() || len(asked.GetChanges()) != 2 {
			t.Fatalf("asked: %v", asked)
		}
		away.refusesPersona(fault.NotFound, "no persona", id, retire{}) // nothing was written
		got := away.persona("", &pb.ImportRoster{Roster: sealed, Accept: true}).GetPersona()
		if !got.GetImported() || got.GetPersonaId() != id || activeOf(got) != a {
			t.Fatalf("imported: %v", got)
		}
		away.refusesPersona(fault.Conflict, "another site", id, add(a))

		home.persona(id, add(b))
		home.persona(id, activate(b))
		second := export()
		away.persona("", &pb.ImportRoster{Roster: second, Accept: true})
		away.refusesPersona(fault.Conflict, "older", "", &pb.ImportRoster{Roster: first, Accept: true})
		home.persona(id, rotate{})
		third := export()
		for i, text := range []string{third, third} {
			reply := away.persona("", &pb.ImportRoster{Roster: text, Accept: true})
			if !reply.GetAccepted() || (len(reply.GetChanges()) == 0) != (i == 1) {
				t.Fatalf("import %d: %v", i, reply)
			}
		}
		// A standing yes takes what the pin vouches for.
		away.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{Actor: "admin", RosterPolicy: proto.String("accept")}, &s)
		if s.GetRosterPolicy() != "accept" {
			t.Fatalf("settings: %v", &s)
		}
		home.persona(id, &pb.PersonaSettings{Name: proto.String("Bus")})
		if reply := away.persona("", &pb.ImportRoster{Roster: export()}); !reply.GetAccepted() || reply.GetPersona().GetName() != "Bus" {
			t.Fatalf("under a standing yes: %v", reply)
		}
		other := home.persona("", &pb.CreatePersona{Name: "Tent"}).GetPersona().GetPersonaId()
		if reply := away.persona("", &pb.ImportRoster{Roster: home.persona(other, &pb.ExportRoster{}).GetExported()}); reply.GetAccepted() {
			t.Fatal("a new persona was taken without asking")
		}
		third = export()
		away.atOnce("the entry after the imports", func() error {
			if p := away.personaEntry(id); activeOf(p) != b || bytes.Equal(p.GetPublicKey(), got.GetPublicKey()) {
				return fmt.Errorf("%v", p)
			}
			return nil
		})
		away.refusesPersona(fault.Conflict, "another key", "", &pb.ImportRoster{Roster: second, Accept: true})
		away.refusesPersona(fault.Invalid, "no roster", "", &pb.ImportRoster{Roster: third[:200]})
		var server pb.ServerSettings
		home.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &server)
		away.refusesPersona(fault.Conflict, "only endpoints", "", &pb.ImportRoster{Roster: server.GetRoster()})
		away.persona(id, retire{})
		away.refusesPersona(fault.Conflict, "was retired here", "", &pb.ImportRoster{Roster: third, Accept: true})
	})
}

// TestRostersAreRepublished every hour, also when nothing changed.
func TestRostersAreRepublished(t *testing.T) {
	r := newRig(t, Config{DataDir: t.TempDir()})
	r.clk = clockwork.NewFakeClock()
	r.serve()
	id := r.persona("", &pb.CreatePersona{Name: "Bar"}).GetPersona().GetPersonaId()
	n := 0
	r.atOnce("the first roster", func() error {
		if n = len(streamed[pb.RosterPublished](r, subject.EventRoster(id))); n == 0 {
			return errors.New("it is not published")
		}
		return nil
	})
	r.eventually("it is published again", func() error {
		r.clk.Advance(15 * time.Minute)
		if now := len(streamed[pb.RosterPublished](r, subject.EventRoster(id))); now <= n {
			return fmt.Errorf("%d events", now)
		}
		return nil
	})
}

// TestTheServersPersona is there from the first start, and no command takes it apart.
func TestTheServersPersona(t *testing.T) {
	forEachStore(t, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg).serve()
		var s pb.ServerSettings
		r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &s)
		ro, err := roster.Parse(s.GetRoster())
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := ro.ActiveDevice(); !ok || d.String() != s.GetServerId() || ro.Kind != roster.Server || ro.Seq != s.GetRosterSeq() {
			t.Fatalf("the server's roster: %+v", ro)
		}
		id := ro.ID.String()
		for _, c := range []any{retire{}, add(r.approvedDevice("x")), remove(s.GetServerId()), &pb.PersonaSettings{VolumeMax: proto.Int32(5)}} {
			r.refusesPersona(fault.Conflict, "server's own persona", id, c)
		}
		key := r.persona(id, rotate{}).GetPersona()
		if _, err := ro.Pin().Accept(key.GetRoster()); err != nil {
			t.Fatal(err)
		}
		r.restart()
		var again pb.ServerSettings
		r.ask(subject.PairingSettings, &pb.UpdateSettingsRequest{}, &again)
		if again.GetRoster() != key.GetRoster() {
			t.Fatal("a restart made another roster")
		}
	})
}
