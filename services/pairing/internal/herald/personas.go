package herald

import (
	"context"
	"errors"

	"github.com/tutti-audio/tutti/proto/subject"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/desk"
)

// persona reads a persona; nil when there is none.
func (c *crier) persona(ctx context.Context, id string) (*pb.Persona, error) {
	var out *pb.Persona
	err := c.Store.View(ctx, func(ctx context.Context, tx desk.Tx) error {
		p, err := tx.Persona(ctx, id)
		if err != nil {
			return err
		}
		out = desk.PersonaMessage(p)
		return nil
	})
	if errors.Is(err, desk.ErrNotFound) {
		return nil, nil
	}
	return out, err
}

// writePersona makes the entry of one persona what the database says.
func (c *crier) writePersona(ctx context.Context, id string) error {
	return write(ctx, c.Buckets.Personas, id, func(ctx context.Context) (*pb.Persona, error) { return c.persona(ctx, id) })
}

// publishRoster publishes what a persona's roster is now: of several changes that wait
// in the outbox the last one counts, and rosters never go back.
func (c *crier) publishRoster(ctx context.Context, id string) error {
	p, err := c.persona(ctx, id)
	if err != nil || p == nil {
		return err
	}
	return c.Bus.PublishEvent(ctx, subject.EventRoster(id), &pb.RosterPublished{PersonaId: id, Roster: p.GetRoster(), Seq: p.GetSeq(), Venue: c.Venue})
}

// publishRosters publishes the roster of every endpoint and of the server that is this
// site's own and in use.
func (c *crier) publishRosters(ctx context.Context) error {
	return c.eachPersona(ctx, func(id string) error {
		p, err := c.persona(ctx, id)
		if err != nil || p == nil || p.GetImported() || p.GetRetired() {
			return err
		}
		return c.publishRoster(ctx, id)
	})
}

// comparePersonas makes the bucket equal to the database.
func (c *crier) comparePersonas(ctx context.Context) error {
	keys, err := c.Buckets.Personas.Keys(ctx)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, id := range keys {
		gone[id] = true
	}
	err = c.eachPersona(ctx, func(id string) error {
		delete(gone, id)
		return c.writePersona(ctx, id)
	})
	for id := range gone {
		if err == nil {
			err = c.writePersona(ctx, id)
		}
	}
	return err
}

// eachPersona goes through all personas, page by page.
func (c *crier) eachPersona(ctx context.Context, f func(id string) error) error {
	for after := ""; ; {
		var ids []string
		err := c.Store.View(ctx, func(ctx context.Context, tx desk.Tx) (err error) {
			ids, err = tx.Personas(ctx, after, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := f(id); err != nil {
				return err
			}
			after = id
		}
		if len(ids) < page {
			return nil
		}
	}
}
