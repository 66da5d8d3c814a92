package management_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// startPersonas answers for pairing what is about personas.
func (f *fakes) startPersonas() {
	personas, err := bus.OpenBucket[pb.Persona](f.t.Context(), f.bus, subject.BucketPersonas, bus.BucketOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	s := f.service("pairing-personas")
	handle(f, s, subject.PairingRotateKey, func(ctx context.Context, r *pb.RotateServerKeyRequest) (*pb.ServerSettings, error) {
		v, _, err := f.settings.Get(ctx, subject.SettingsKey)
		if err != nil {
			return nil, err
		}
		v.ServerId = clientID("successor of " + v.GetServerId())
		f.append(ctx, r.GetActor(), "identity.rotated", "", "")
		_, err = f.settings.Put(ctx, subject.SettingsKey, v)
		return v, err
	})
	handle(f, s, subject.PairingPersona, func(ctx context.Context, r *pb.PersonaRequest) (*pb.PersonaReply, error) {
		p, reply := &pb.Persona{}, &pb.PersonaReply{}
		if c := r.GetCreate(); c != nil {
			p = &pb.Persona{PersonaId: "p-" + clientID(c.GetName())[:16], Name: c.GetName(), Kind: "endpoint", PublicKey: make([]byte, 32), CreatedAt: timestamppb.Now()}
			if c.GetClientId() != "" {
				p.Devices = []*pb.PersonaDevice{{ClientId: c.GetClientId(), Active: true, AddedAt: timestamppb.Now()}}
			}
		} else if r.GetPersonaId() != "" {
			if p, _, err = personas.Get(ctx, r.GetPersonaId()); err != nil {
				return nil, err
			}
		}
		switch c := r.GetCommand().(type) {
		case *pb.PersonaRequest_Add:
			p.Devices = append(p.Devices, &pb.PersonaDevice{ClientId: c.Add, AddedAt: timestamppb.Now()})
		case *pb.PersonaRequest_Activate:
			if !slices.ContainsFunc(p.GetDevices(), func(d *pb.PersonaDevice) bool { return d.GetClientId() == c.Activate }) {
				return nil, fault.New(fault.Conflict, "device %s does not belong to persona %q: add it first", c.Activate, p.GetName())
			}
			for _, d := range p.GetDevices() {
				d.Active = d.GetClientId() == c.Activate
			}
		case *pb.PersonaRequest_Remove:
			p.Devices = slices.DeleteFunc(p.GetDevices(), func(d *pb.PersonaDevice) bool { return d.GetClientId() == c.Remove })
		case *pb.PersonaRequest_Retire:
			p.Retired, p.Devices = true, nil
		case *pb.PersonaRequest_Settings:
			p.VolumeMax = c.Settings.VolumeMax
			if c.Settings.Name != nil {
				p.Name = c.Settings.GetName()
			}
		case *pb.PersonaRequest_Export:
			reply.Exported, reply.Persona = strings.Join(append([]string{"TR1.text"}, c.Export.GetRecipients()...), " for "), p
			return reply, nil
		case *pb.PersonaRequest_Import:
			p = &pb.Persona{PersonaId: "p-imported", Name: "Van", Kind: "endpoint", Imported: true, PublicKey: make([]byte, 32), CreatedAt: timestamppb.Now(), UpdatedAt: timestamppb.Now()}
			reply.Changes, reply.Persona, reply.Accepted = []string{"new persona"}, p, c.Import.GetAccept()
			if !c.Import.GetAccept() {
				return reply, nil
			}
		}
		p.Seq, p.UpdatedAt = p.GetSeq()+1, timestamppb.Now()
		f.append(ctx, r.GetActor(), fmt.Sprintf("persona.%T", r.GetCommand()), "", "")
		_, err := personas.Put(ctx, p.GetPersonaId(), p)
		reply.Persona = proto.CloneOf(p)
		return reply, err
	})
}

func TestPersonas(t *testing.T) {
	w := newWorld(t)
	old, next := w.fakes.device("sp-1"), w.fakes.device("sp-2")
	w.known(old, next)
	group := decode[model.Group](w.post("/api/v1/groups", map[string]any{"name": "Lobby", "members": []string{old}}).want(http.StatusCreated))
	made := w.post("/api/v1/personas", map[string]string{"name": "Lobby left", "client_id": old}).want(http.StatusCreated)
	p := decode[model.Persona](made)
	path := "/api/v1/personas/" + p.PersonaID
	if p.ActiveDevice != old || p.Kind != "endpoint" || made.header.Get("Location") != path {
		t.Fatalf("made %+v at %s", p, made.header.Get("Location"))
	}
	l := w.listen("")
	defer l.close()
	if p = decode[model.Persona](w.post(path+"/devices", map[string]string{"client_id": next}).want(http.StatusOK)); len(p.Devices) != 2 || p.ActiveDevice != old {
		t.Fatalf("with a spare: %+v", p)
	}
	l.next("persona.updated", next)
	w.post(path+"/activate", map[string]string{"client_id": clientID("stranger")}).problem(http.StatusConflict)
	if p = decode[model.Persona](w.post(path+"/activate", map[string]string{"client_id": next}).want(http.StatusOK)); p.ActiveDevice != next {
		t.Fatalf("after the swap: %+v", p)
	}
	w.put("/api/v1/groups/" + group.GroupID + "/members/" + next).want(http.StatusOK)
	eventually(t, func() error { // where its active device plays
		if got := decode[model.Persona](w.get(path).want(http.StatusOK)); got.GroupID != group.GroupID {
			return fmt.Errorf("group %q", got.GroupID)
		}
		return nil
	})
	if p = decode[model.Persona](w.patch(path, `{"volume_max":60}`).want(http.StatusOK)); p.VolumeMax == nil || *p.VolumeMax != 60 {
		t.Fatalf("with a limit: %+v", p)
	}
	w.patch(path, `{"volume_max":101}`).problem(http.StatusUnprocessableEntity)
	if p = decode[model.Persona](w.delete(path + "/devices/" + old).want(http.StatusOK)); len(p.Devices) != 1 {
		t.Fatalf("without the old one: %+v", p)
	}
	w.post(path+"/rotate-key", nil).want(http.StatusOK)
	if x := decode[model.RosterExport](w.post(path+"/export", map[string]any{"recipients": []string{"age1x"}}).want(http.StatusOK)); !x.Sealed || x.Roster != "TR1.text for age1x" {
		t.Fatalf("export: %+v", x)
	}
	w.post(path+"/export", nil).want(http.StatusOK)
	w.delete(path).want(http.StatusNoContent)
	w.delete(path).want(http.StatusNoContent)
	if all := decode[model.Personas](w.get("/api/v1/personas").want(http.StatusOK)); len(all.Personas) != 0 {
		t.Fatalf("retired and listed: %+v", all.Personas)
	}
	if all := decode[model.Personas](w.get("/api/v1/personas?retired=true").want(http.StatusOK)); len(all.Personas) != 1 || !all.Personas[0].Retired {
		t.Fatalf("all: %+v", all.Personas)
	}
	w.get("/api/v1/personas/p-none").problem(http.StatusNotFound)
	w.post("/api/v1/personas/p-none/rotate-key", nil).problem(http.StatusNotFound)
}

func TestRostersAreImportedOnAsking(t *testing.T) {
	w := newWorld(t)
	in := decode[model.RosterImport](w.post("/api/v1/personas/import", `{"roster":"TR1.x"}`).want(http.StatusOK))
	if in.Accepted || len(in.Changes) != 1 || in.Persona.Name != "Van" {
		t.Fatalf("asked: %+v", in)
	}
	w.get("/api/v1/personas/p-imported").problem(http.StatusNotFound)
	in = decode[model.RosterImport](w.post("/api/v1/personas/import", `{"roster":"TR1.x","accept":true}`).want(http.StatusOK))
	if !in.Accepted || !in.Persona.Imported {
		t.Fatalf("accepted: %+v", in)
	}
	w.get("/api/v1/personas/p-imported").want(http.StatusOK)
}

func TestTheServersKeyIsRotatedOnce(t *testing.T) {
	w := newWorld(t)
	was := decode[model.Server](w.get("/api/v1/server"))
	first := decode[model.Server](w.do("POST", "/api/v1/server/rotate-key", adminToken, nil, "Idempotency-Key", "k").want(http.StatusOK))
	again := decode[model.Server](w.do("POST", "/api/v1/server/rotate-key", adminToken, nil, "Idempotency-Key", "k").want(http.StatusOK))
	if first.ServerID == was.ServerID || again.ServerID != first.ServerID {
		t.Fatalf("was %s, then %s, then %s", was.ServerID, first.ServerID, again.ServerID)
	}
	if now := decode[model.Server](w.get("/api/v1/server")); now.ServerID != first.ServerID {
		t.Fatalf("GET shows %s, want %s", now.ServerID, first.ServerID)
	}
}
