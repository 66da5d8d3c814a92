package readmodel

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// BuildPersona renders a persona; groupID is where its active device plays.
func BuildPersona(v *pb.Persona, groupID string) *model.Persona {
	p := &model.Persona{
		PersonaID: v.GetPersonaId(), Name: v.GetName(), Kind: v.GetKind(),
		PublicKey: base64.RawURLEncoding.EncodeToString(v.GetPublicKey()), Devices: make([]model.PersonaDevice, 0, len(v.GetDevices())),
		VolumeMin: v.VolumeMin, VolumeMax: v.VolumeMax, OutputDelayMS: v.OutputDelayMs, GroupID: groupID,
		Seq: v.GetSeq(), Roster: v.GetRoster(), Imported: v.GetImported(), Retired: v.GetRetired(),
	}
	for _, d := range v.GetDevices() {
		p.Devices = append(p.Devices, model.PersonaDevice{ClientID: d.GetClientId(), Active: d.GetActive(), AddedAt: at(d.GetAddedAt())})
	}
	p.ActiveDevice = activeDevice(v)
	if t := at(v.GetCreatedAt()); t != nil {
		p.CreatedAt = *t
	}
	if t := at(v.GetUpdatedAt()); t != nil {
		p.UpdatedAt = *t
	}
	return p
}

// Persona finds a persona by id; nil when unknown.
func (s *Snapshot) Persona(id string) *model.Persona {
	i, ok := slices.BinarySearchFunc(s.Personas, id, byPersonaID)
	if !ok {
		return nil
	}
	return s.Personas[i]
}

func byPersonaID(p *model.Persona, id string) int { return strings.Compare(p.PersonaID, id) }

func (s *state) putPersona(id string, v *pb.Persona) {
	if a := activeDevice(s.personas[id]); s.personaOf[a] == id {
		delete(s.personaOf, a)
	}
	if a := activeDevice(v); a != "" {
		s.personaOf[a] = id
	}
	put(s.personas, id, v, v == nil)
	s.dirtyPersonas[id] = struct{}{}
}

// placed notes that a device plays elsewhere, or may: its persona shows where.
func (s *state) placed(clientID string) {
	if id := s.personaOf[clientID]; id != "" {
		s.dirtyPersonas[id] = struct{}{}
	}
}

func activeDevice(p *pb.Persona) string {
	for _, d := range p.GetDevices() {
		if d.GetActive() {
			return d.GetClientId()
		}
	}
	return ""
}

// flushPersonas folds the changed personas in. Personas are never removed, they
// retire; one whose entry goes was never whole, and nobody is told.
func (s *state) flushPersonas(prev *Snapshot) ([]*model.Persona, []change) {
	out := slices.Clone(prev.Personas)
	var changes []change
	for _, id := range sortedKeys(s.dirtyPersonas) {
		i, known := slices.BinarySearchFunc(out, id, byPersonaID)
		v := s.personas[id]
		if v == nil {
			if known {
				out = slices.Delete(out, i, i+1)
			}
			continue
		}
		p := BuildPersona(v, "")
		p.PersonaID = id
		if p.ActiveDevice != "" {
			p.GroupID = s.groupOf(p.ActiveDevice)
		}
		switch {
		case !known:
			out = slices.Insert(out, i, p)
		case reflect.DeepEqual(out[i], p):
			continue
		default:
			out[i] = p
		}
		changes = append(changes, change{kind: EventPersonaUpdated, id: id})
	}
	clear(s.dirtyPersonas)
	return out, changes
}
