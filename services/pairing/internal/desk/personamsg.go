package desk

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/proto/roster"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// PersonaMessage is what everyone may know of a persona.
func PersonaMessage(p persona.Persona) *pb.Persona {
	out := &pb.Persona{
		PersonaId: p.ID, Name: p.Name, Kind: p.Kind.String(), PublicKey: p.Key, Seq: p.Seq, Roster: p.Roster,
		VolumeMin: set(p.VolumeMin), VolumeMax: set(p.VolumeMax), OutputDelayMs: set(p.OutputDelayMS),
		Replaced: p.Replaced, Retired: p.Retired, Imported: p.Imported(), CreatedAt: stamp(p.Created), UpdatedAt: stamp(p.Updated),
	}
	for _, d := range p.Devices {
		out.Devices = append(out.Devices, &pb.PersonaDevice{ClientId: d.ID, Active: d.Active, AddedAt: timestamppb.New(d.Added)})
	}
	return out
}

func set(n int) *int32 {
	if n == persona.Unset {
		return nil
	}
	return proto.Int32(int32(n))
}

// endpointOf is the persona whose active device the client is; false without one.
func endpointOf(ctx context.Context, tx Tx, clientID string) (persona.Persona, bool, error) {
	id, err := tx.PersonaOf(ctx, clientID)
	if errors.Is(err, ErrNotFound) {
		return persona.Persona{}, false, nil
	}
	if err != nil {
		return persona.Persona{}, false, err
	}
	p, err := tx.Persona(ctx, id)
	if err != nil {
		return persona.Persona{}, false, err
	}
	return p, p.Kind == roster.Endpoint && p.Active() == clientID, nil
}

// endpointMessage is what a device inherits; nil without a persona.
func endpointMessage(p persona.Persona, active bool) *pb.Endpoint {
	if !active {
		return nil
	}
	return &pb.Endpoint{
		PersonaId: p.ID, Name: p.Name, VolumeMin: set(p.VolumeMin), VolumeMax: set(p.VolumeMax), OutputDelayMs: set(p.OutputDelayMS),
	}
}

// RecordOf is the public half of what is on record. The active device of a persona is
// labelled with the persona's name.
func RecordOf(ctx context.Context, tx Tx, c trust.Client) (*pb.TrustRecord, error) {
	r := Record(c)
	p, active, err := endpointOf(ctx, tx, c.ID)
	if err == nil && active {
		r.PersonaId, r.Label = p.ID, p.Name
	}
	return r, err
}
