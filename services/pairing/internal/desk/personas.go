package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
	"github.com/tutti-audio/tutti/services/pairing/internal/secret"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Persona carries out one command about a persona.
func (d *Desk) Persona(ctx context.Context, req *pb.PersonaRequest) (*pb.PersonaReply, error) {
	actor, err := checkActor(req.GetActor())
	if err != nil {
		return nil, err
	}
	w := &personaWork{d: d, actor: actor, id: req.GetPersonaId()}
	switch c := req.GetCommand().(type) {
	case *pb.PersonaRequest_Create:
		return w.create(ctx, c.Create)
	case *pb.PersonaRequest_Add:
		return w.change(ctx, w.add(c.Add))
	case *pb.PersonaRequest_Activate:
		return w.change(ctx, w.activate(c.Activate))
	case *pb.PersonaRequest_Remove:
		return w.change(ctx, w.remove(c.Remove))
	case *pb.PersonaRequest_Retire:
		return w.change(ctx, w.retire)
	case *pb.PersonaRequest_RotateKey:
		return w.rotate(ctx)
	case *pb.PersonaRequest_Settings:
		return w.settings(ctx, c.Settings)
	case *pb.PersonaRequest_Import:
		return w.imports(ctx, c.Import)
	case *pb.PersonaRequest_Export:
		return w.export(ctx, c.Export)
	}
	return nil, fault.New(fault.Invalid, "the request does not say what to do with the persona")
}

// personaWork is one command on its way.
type personaWork struct {
	d         *Desk
	actor, id string
}

// deed is what a command comes to. A zero audit kind: nothing changed.
type deed struct {
	next     persona.Persona
	audit    string
	detail   string
	clientID string   // the device that the audit line is about
	tell     []string // devices whose sessions ask again
	unsigned bool     // the roster says nothing of it
}

// change loads a persona that is this site's, rules, signs, writes, and announces.
func (w *personaWork) change(ctx context.Context, rule func(context.Context, Tx, persona.Persona) (deed, error)) (*pb.PersonaReply, error) {
	var done deed
	err := w.d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockOpen, LockPersonas); err != nil {
			return err
		}
		p, err := loadPersona(ctx, tx, w.id)
		if err != nil {
			return err
		}
		if p.Retired {
			return fault.New(fault.Conflict, "persona %q is retired: make a new one", p.Name)
		}
		if done, err = rule(ctx, tx, p); err != nil || done.audit == "" {
			return err
		}
		if !done.unsigned {
			if done.next, err = w.d.signed(done.next); err != nil {
				return err
			}
		} else {
			done.next.Updated = w.d.now()
		}
		return w.d.keep(ctx, tx, w.actor, &p, done)
	})
	return w.reply(ctx, done, err)
}

func (w *personaWork) reply(ctx context.Context, done deed, err error) (*pb.PersonaReply, error) {
	if err != nil {
		return nil, err
	}
	if done.audit != "" {
		w.d.Metrics.decisions.WithLabelValues(done.audit).Inc()
		w.d.log(ctx, done.clientID).Info(done.audit, "actor", w.actor, "persona", done.next.ID, "seq", done.next.Seq)
		w.d.Announcer.Flush(ctx)
	}
	return &pb.PersonaReply{Persona: PersonaMessage(done.next)}, nil
}

func loadPersona(ctx context.Context, tx Tx, id string) (persona.Persona, error) {
	p, err := tx.Persona(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return p, fault.New(fault.NotFound, "there is no persona %q", trust.Clean(id, maxActor))
	}
	return p, err
}

// own refuses what only the site that holds the persona's key can do, and what only a
// rotation of the server's key does.
func own(p persona.Persona) error {
	switch {
	case p.Imported():
		return fault.New(fault.Conflict, "persona %q belongs to another site: change it there and import its roster again", p.Name)
	case p.Kind == roster.Server:
		return fault.New(fault.Conflict, "%q is the server's own persona: its devices are the server's keys, which 'tutti server rotate-key' changes", p.Name)
	}
	return nil
}

// member loads a device that is to stand in a persona: it has connected before.
func member(ctx context.Context, tx Tx, id string) (trust.Client, error) {
	if err := checkClient(id); err != nil {
		return trust.Client{}, err
	}
	return load(ctx, tx, id)
}

// free refuses a device that belongs to another persona.
func free(ctx context.Context, tx Tx, id, personaID string) error {
	of, err := tx.PersonaOf(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && of == personaID {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := tx.Persona(ctx, of)
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, "device %s belongs to persona %q: remove it there first", id, p.Name)
}

// trusted refuses to let a device stand for a persona that may not play by itself: a
// roster moves a place, it gives no trust.
func trusted(c trust.Client) error {
	if s := c.State(); s != trust.Paired && s != trust.Approved {
		return fault.New(fault.Conflict, "device %s is %s, and a persona gives no trust: pair or approve it first", c.ID, s)
	}
	return nil
}

// unnamed refuses a name that another persona has.
func unnamed(ctx context.Context, tx Tx, name, personaID string) error {
	id, err := tx.PersonaNamed(ctx, name)
	if errors.Is(err, ErrNotFound) || err == nil && id == personaID {
		return nil
	}
	if err == nil {
		err = fault.New(fault.Conflict, "another persona is called %q, or nearly so: choose another name", name)
	}
	return err
}

func (w *personaWork) create(ctx context.Context, c *pb.CreatePersona) (*pb.PersonaReply, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	p, err := persona.New(roster.Endpoint, c.GetName(), pub, w.d.now())
	if err != nil {
		return nil, err
	}
	if p.Sealed, err = w.d.key.Seal(priv.Seed(), personaPlace(p.ID)); err != nil {
		return nil, err
	}
	done := deed{audit: "persona.created", clientID: c.GetClientId()}
	err = w.d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockOpen, LockPersonas); err != nil {
			return err
		}
		if err := unnamed(ctx, tx, p.Name, p.ID); err != nil {
			return err
		}
		next := p
		done.detail = fmt.Sprintf("%q (%s), key %s", p.Name, p.ID, persona.KeyName(p.Key))
		if id := c.GetClientId(); id != "" {
			added, err := w.add(id)(ctx, tx, p)
			if err != nil {
				return err
			}
			next, done.tell = added.next, added.tell
			done.detail += ", " + added.detail
		}
		signed, err := w.d.signed(next)
		if err != nil {
			return err
		}
		done.next = signed
		return w.d.keep(ctx, tx, w.actor, nil, done)
	})
	return w.reply(ctx, done, err)
}

func (w *personaWork) add(id string) func(context.Context, Tx, persona.Persona) (deed, error) {
	return func(ctx context.Context, tx Tx, p persona.Persona) (deed, error) {
		if err := own(p); err != nil {
			return deed{}, err
		}
		c, err := member(ctx, tx, id)
		if err != nil {
			return deed{}, err
		}
		if err := free(ctx, tx, id, p.ID); err != nil {
			return deed{}, err
		}
		if p.Has(id) {
			return deed{next: p}, nil
		}
		if len(p.Devices) == 0 {
			if err := trusted(c); err != nil {
				return deed{}, err
			}
		}
		next, err := p.Add(id, w.d.now())
		d := deed{next: next, audit: "persona.device_added", clientID: id, tell: []string{id}, detail: fmt.Sprintf("spare of %q, %s", p.Name, describe(c))}
		if next.Active() == id {
			d.detail = fmt.Sprintf("active in %q, %s", p.Name, describe(c))
		}
		return d, err
	}
}

func (w *personaWork) activate(id string) func(context.Context, Tx, persona.Persona) (deed, error) {
	return func(ctx context.Context, tx Tx, p persona.Persona) (deed, error) {
		if err := own(p); err != nil {
			return deed{}, err
		}
		c, err := member(ctx, tx, id)
		if err != nil {
			return deed{}, err
		}
		if p.Active() == id {
			return deed{next: p}, nil
		}
		next, err := p.Activate(id)
		if err != nil {
			return deed{}, err
		}
		if err := trusted(c); err != nil {
			return deed{}, err
		}
		return deed{next: next, audit: "persona.activated", clientID: id, tell: []string{p.Active(), id},
			detail: fmt.Sprintf("in %q instead of %s, %s", p.Name, p.Active(), describe(c))}, nil
	}
}

func (w *personaWork) remove(id string) func(context.Context, Tx, persona.Persona) (deed, error) {
	return func(_ context.Context, _ Tx, p persona.Persona) (deed, error) {
		if err := own(p); err != nil {
			return deed{}, err
		}
		if !p.Has(id) {
			return deed{next: p}, nil
		}
		next, err := p.Remove(id)
		return deed{next: next, audit: "persona.device_removed", clientID: id, tell: []string{id}, detail: fmt.Sprintf("from %q", p.Name)}, err
	}
}

func (w *personaWork) retire(_ context.Context, _ Tx, p persona.Persona) (deed, error) {
	if p.Kind == roster.Server {
		return deed{}, own(p)
	}
	done := deed{next: p.Retire(), audit: "persona.retired", detail: fmt.Sprintf("%q (%s)", p.Name, p.ID), unsigned: p.Imported()}
	for _, dev := range p.Devices {
		done.tell = append(done.tell, dev.ID)
	}
	return done, nil
}

func (w *personaWork) settings(ctx context.Context, s *pb.PersonaSettings) (*pb.PersonaReply, error) {
	number := func(v *int32) *int {
		if v == nil {
			return nil
		}
		n := int(*v)
		return &n
	}
	return w.change(ctx, func(ctx context.Context, tx Tx, p persona.Persona) (deed, error) {
		if p.Kind == roster.Server || p.Imported() && s.Name != nil {
			return deed{}, own(p)
		}
		next, err := p.Set(persona.Settings{Name: s.Name, VolumeMin: number(s.VolumeMin), VolumeMax: number(s.VolumeMax), OutputDelayMS: number(s.OutputDelayMs)})
		if err != nil {
			return deed{}, err
		}
		var changes []string
		if next.Name != p.Name {
			if err := unnamed(ctx, tx, next.Name, p.ID); err != nil {
				return deed{}, err
			}
			changes = append(changes, fmt.Sprintf("name %q instead of %q", next.Name, p.Name))
		}
		for _, f := range []struct {
			name     string
			old, new int
		}{{"volume_min", p.VolumeMin, next.VolumeMin}, {"volume_max", p.VolumeMax, next.VolumeMax}, {"output_delay_ms", p.OutputDelayMS, next.OutputDelayMS}} {
			if f.old != f.new {
				changes = append(changes, fmt.Sprintf("%s %s instead of %s", f.name, limit(f.new), limit(f.old)))
			}
		}
		if len(changes) == 0 {
			return deed{next: p}, nil
		}
		return deed{next: next, audit: "persona.updated", detail: fmt.Sprintf("%q: %s", p.Name, strings.Join(changes, ", ")),
			tell: []string{p.Active()}, unsigned: next.Name == p.Name}, nil
	})
}

func limit(n int) string {
	if n == persona.Unset {
		return "none"
	}
	return fmt.Sprint(n)
}

func personaPlace(id string) secret.Place {
	return secret.Place{Table: "personas", Column: "sealed_key", Row: id}
}

// leavePersona takes a device that is forgotten out of its persona.
func (d *Desk) leavePersona(ctx context.Context, tx Tx, actor, id string) error {
	pid, err := tx.PersonaOf(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := tx.Persona(ctx, pid)
	if err != nil || p.Imported() { // the other site's list stays as it is
		return err
	}
	done := deed{audit: "persona.device_removed", clientID: id, detail: fmt.Sprintf("from %q, forgotten", p.Name)}
	if done.next, err = p.Remove(id); err != nil {
		return err
	}
	if done.next, err = d.signed(done.next); err != nil {
		return err
	}
	return d.keep(ctx, tx, actor, &p, done)
}

// unlabelled refuses a label for the active device of a persona: it is called like that.
func (d *Desk) unlabelled(ctx context.Context, id string) error {
	return d.Store.View(ctx, func(ctx context.Context, tx Tx) error {
		p, active, err := endpointOf(ctx, tx, id)
		if err == nil && active {
			err = fault.New(fault.Conflict, "device %s is the active one of persona %q and is called like it: rename the persona ('tutti personas rename')", id, p.Name)
		}
		return err
	})
}
