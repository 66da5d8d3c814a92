package api

import (
	"context"
	"net/http"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/readmodel"
)

// PersonaPath is the path parameter of one persona (exported as ClientPath is).
type PersonaPath struct {
	ID string `path:"persona_id" maxLength:"64" doc:"The persona."`
}

type listPersonas struct {
	Retired bool `query:"retired" doc:"Also those that are retired."`
}

type createPersona struct {
	Body struct {
		Name     string  `json:"name" minLength:"1" maxLength:"64" doc:"At most 96 bytes." example:"Lobby left"`
		ClientID *string `json:"client_id,omitempty" doc:"Its first device, which must be paired or approved."`
	}
}

type createdPersona struct {
	Location string `header:"Location"`
	Body     *model.Persona
}

type patchPersona struct {
	PersonaPath
	Body struct {
		Name          *string `json:"name,omitempty" minLength:"1" maxLength:"64"`
		VolumeMin     *int32  `json:"volume_min,omitempty" minimum:"-1" maximum:"100" doc:"-1 takes the limit away."`
		VolumeMax     *int32  `json:"volume_max,omitempty" minimum:"-1" maximum:"100" doc:"-1 takes the limit away."`
		OutputDelayMS *int32  `json:"output_delay_ms,omitempty" minimum:"-1" maximum:"5000" doc:"-1 takes it away."`
	}
}

type personaDevice struct {
	PersonaPath
	Body struct {
		ClientID string `json:"client_id" doc:"The device's key."`
	}
}

type personaDevicePath struct {
	PersonaPath
	ClientID string `path:"client_id" maxLength:"64" doc:"The device's key."`
}

type exportRoster struct {
	PersonaPath
	Body *struct {
		Recipients *[]string `json:"recipients,omitempty" nullable:"false" maxItems:"20" doc:"age recipients (age1…) that it is sealed to; none: in clear. A server shows its own in GET /api/v1/server."`
	}
}

type importRoster struct {
	Body struct {
		Roster string `json:"roster" minLength:"1" maxLength:"65536" doc:"The text of an export, sealed or not."`
		Accept *bool  `json:"accept,omitempty" doc:"false, the default, only says what would change."`
	}
}

func (a *API) personaRoutes() {
	register(a, route{
		id: "list-personas", method: http.MethodGet, path: "/api/v1/personas", tag: tagPersonas, role: auth.RoleViewer, summary: "All personas",
	}, func(_ context.Context, in *listPersonas) (*body[model.Personas], error) {
		out := model.Personas{Personas: []*model.Persona{}}
		for _, p := range a.d.Projection.Snapshot().Personas {
			if !p.Retired || in.Retired {
				out.Personas = append(out.Personas, p)
			}
		}
		return answer(out), nil
	})
	register(a, route{
		id: "get-persona", method: http.MethodGet, path: "/api/v1/personas/{persona_id}", tag: tagPersonas, role: auth.RoleViewer,
		summary: "One persona", errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, func(_ context.Context, in *PersonaPath) (*body[*model.Persona], error) {
		p, err := a.persona(in.ID)
		if err != nil {
			return nil, err
		}
		return answer(p), nil
	})
	register(a, route{
		id: "create-persona", method: http.MethodPost, path: "/api/v1/personas", tag: tagPersonas, role: auth.RoleAdmin, status: http.StatusCreated,
		summary: "Make a persona", doc: "A place that outlives its hardware. Its group, name, limits and output delay go over to whichever of its devices is active.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}, idempotent: true,
	}, a.createPersona)
	a.personaChangeRoutes()
	a.rosterRoutes()
	register(a, route{
		id: "rotate-server-key", method: http.MethodPost, path: "/api/v1/server/rotate-key", tag: tagServer, role: auth.RoleAdmin, idempotent: true,
		summary: "Give the server a new key",
		doc: "Paired devices that keep the server's roster take the new key at once, in a new session; all other paired devices are presented the key that they know, and play on. " +
			"Sessions of devices without a pairing record end and begin anew. 409 when too many devices know former keys only.",
		errors: []int{http.StatusConflict},
	}, a.rotateServerKey)
}

func (a *API) personaChangeRoutes() {
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	withBody := append([]int{http.StatusBadRequest}, errors...)
	register(a, route{
		id: "patch-persona", method: http.MethodPatch, path: "/api/v1/personas/{persona_id}", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Rename a persona, set its limits and delay", errors: withBody,
	}, func(ctx context.Context, in *patchPersona) (*body[*model.Persona], error) {
		b := in.Body
		return a.changePersona(ctx, "persona.updated", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Settings{
			Settings: &pb.PersonaSettings{Name: b.Name, VolumeMin: b.VolumeMin, VolumeMax: b.VolumeMax, OutputDelayMs: b.OutputDelayMS}}})
	})
	register(a, route{
		id: "retire-persona", method: http.MethodDelete, path: "/api/v1/personas/{persona_id}", tag: tagPersonas, role: auth.RoleAdmin,
		status:  http.StatusNoContent,
		summary: "Retire a persona", doc: "Its devices are free again and keep their own trust; the active one leaves its group.", errors: errors,
	}, a.retirePersona)
	register(a, route{
		id: "add-persona-device", method: http.MethodPost, path: "/api/v1/personas/{persona_id}/devices", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Add a spare", doc: "The first device of a persona becomes active and must be paired or approved; a spare need not be, and gets nothing by it.", errors: withBody,
	}, func(ctx context.Context, in *personaDevice) (*body[*model.Persona], error) {
		return a.changePersona(ctx, "persona.device_added", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Add{Add: in.Body.ClientID}})
	})
	register(a, route{
		id: "remove-persona-device", method: http.MethodDelete, path: "/api/v1/personas/{persona_id}/devices/{client_id}", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Take a device out", doc: "The active one only when it is the last.", errors: errors,
	}, func(ctx context.Context, in *personaDevicePath) (*body[*model.Persona], error) {
		return a.changePersona(ctx, "persona.device_removed", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Remove{Remove: in.ClientID}})
	})
	register(a, route{
		id: "activate-persona-device", method: http.MethodPost, path: "/api/v1/personas/{persona_id}/activate", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Make another device the active one", doc: "It takes the place in the group, the name, the limits and the delay. It must be paired or approved by itself.",
		errors: withBody,
	}, func(ctx context.Context, in *personaDevice) (*body[*model.Persona], error) {
		return a.changePersona(ctx, "persona.activated", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Activate{Activate: in.Body.ClientID}})
	})
	register(a, route{
		id: "rotate-persona-key", method: http.MethodPost, path: "/api/v1/personas/{persona_id}/rotate-key", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Give a persona a new signing key", doc: "The former key signs it, so that who pinned that one takes the new one.", errors: errors, idempotent: true,
	}, func(ctx context.Context, in *PersonaPath) (*body[*model.Persona], error) {
		return a.changePersona(ctx, "persona.key_rotated", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_RotateKey{RotateKey: true}})
	})
}

func (a *API) rosterRoutes() {
	register(a, route{
		id: "export-roster", method: http.MethodPost, path: "/api/v1/personas/{persona_id}/export", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "The signed roster, for another site",
		errors:  []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.exportRoster)
	register(a, route{
		id: "import-roster", method: http.MethodPost, path: "/api/v1/personas/import", tag: tagPersonas, role: auth.RoleAdmin,
		summary: "Take the roster of another site",
		doc: "Verified: one that is older than the last (a replay), differs under the same number, or is signed by another key is refused with 409. " +
			"A roster gives its devices no trust here.",
		errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity},
	}, a.importRoster)
}

// persona finds a persona or answers fault.NotFound.
func (a *API) persona(id string) (*model.Persona, error) {
	if p := a.d.Projection.Snapshot().Persona(id); p != nil {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "there is no persona %q; GET /api/v1/personas lists those that are known", clip(id))
}

// askPersona has pairing do something with a persona.
func (a *API) askPersona(ctx context.Context, req *pb.PersonaRequest) (*pb.PersonaReply, error) {
	if id := req.GetPersonaId(); id != "" {
		if _, err := a.persona(id); err != nil {
			return nil, err
		}
	}
	req.Actor = who(ctx)
	reply := &pb.PersonaReply{}
	return reply, a.ask(ctx, "pairing", subject.PairingPersona, req, reply)
}

// shown waits until the read model shows a persona as pairing has it.
func (a *API) shown(ctx context.Context, p *pb.Persona) *model.Persona {
	want := readmodel.BuildPersona(p, "")
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool {
		now := s.Persona(want.PersonaID)
		return now != nil && !now.UpdatedAt.Before(want.UpdatedAt)
	})
	if now := snap.Persona(want.PersonaID); now != nil && !now.UpdatedAt.Before(want.UpdatedAt) {
		return now
	}
	return want
}

func (a *API) changePersona(ctx context.Context, kind string, req *pb.PersonaRequest) (*body[*model.Persona], error) {
	reply, err := a.askPersona(ctx, req)
	if err != nil {
		return nil, err
	}
	a.logAct(ctx, kind, "", reply.GetPersona().GetName())
	return answer(a.shown(ctx, reply.GetPersona())), nil
}

func (a *API) createPersona(ctx context.Context, in *createPersona) (*createdPersona, error) {
	c := &pb.CreatePersona{Name: in.Body.Name}
	if in.Body.ClientID != nil {
		c.ClientId = *in.Body.ClientID
	}
	p, err := a.changePersona(ctx, "persona.created", &pb.PersonaRequest{Command: &pb.PersonaRequest_Create{Create: c}})
	if err != nil {
		return nil, err
	}
	return &createdPersona{Location: "/api/v1/personas/" + p.Body.PersonaID, Body: p.Body}, nil
}

func (a *API) retirePersona(ctx context.Context, in *PersonaPath) (*nothing, error) {
	p, err := a.persona(in.ID)
	if err != nil {
		return nil, err
	}
	if p.Retired {
		return nil, nil
	}
	_, err = a.changePersona(ctx, "persona.retired", &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Retire{Retire: true}})
	return nil, err
}

func (a *API) exportRoster(ctx context.Context, in *exportRoster) (*body[model.RosterExport], error) {
	x := &pb.ExportRoster{}
	if in.Body != nil && in.Body.Recipients != nil {
		x.Recipients = *in.Body.Recipients
	}
	reply, err := a.askPersona(ctx, &pb.PersonaRequest{PersonaId: in.ID, Command: &pb.PersonaRequest_Export{Export: x}})
	if err != nil {
		return nil, err
	}
	a.logAct(ctx, "persona.exported", "", reply.GetPersona().GetName())
	return answer(model.RosterExport{PersonaID: in.ID, Seq: reply.GetPersona().GetSeq(), Roster: reply.GetExported(), Sealed: len(x.GetRecipients()) > 0}), nil
}

func (a *API) importRoster(ctx context.Context, in *importRoster) (*body[model.RosterImport], error) {
	accept := in.Body.Accept != nil && *in.Body.Accept
	reply, err := a.askPersona(ctx, &pb.PersonaRequest{Command: &pb.PersonaRequest_Import{Import: &pb.ImportRoster{Roster: in.Body.Roster, Accept: accept}}})
	if err != nil {
		return nil, err
	}
	out := model.RosterImport{Changes: append([]string{}, reply.GetChanges()...), Accepted: reply.GetAccepted()}
	if out.Accepted {
		a.logAct(ctx, "persona.imported", "", reply.GetPersona().GetName())
		out.Persona = a.shown(ctx, reply.GetPersona())
	} else {
		out.Persona = readmodel.BuildPersona(reply.GetPersona(), "")
	}
	return answer(out), nil
}

func (a *API) rotateServerKey(ctx context.Context, _ *nothing) (*body[model.Server], error) {
	settings := &pb.ServerSettings{}
	if err := a.ask(ctx, "pairing", subject.PairingRotateKey, &pb.RotateServerKeyRequest{Actor: who(ctx)}, settings); err != nil {
		return nil, err
	}
	a.logAct(ctx, "identity.rotated", "", settings.GetServerId())
	snap := a.await(ctx, func(s *readmodel.Snapshot) bool { return s.Settings.GetServerId() == settings.GetServerId() })
	shown := *snap
	shown.Settings = settings
	return answer(a.Server(&shown)), nil
}
