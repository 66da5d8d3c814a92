package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
)

// personaKey opens a persona's private key.
func (d *Desk) personaKey(p persona.Persona) (ed25519.PrivateKey, error) {
	seed, err := d.key.Open(p.Sealed, personaPlace(p.ID))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the private key of persona %q cannot be opened", p.Name)
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return nil, fault.New(fault.Internal, "the private key of persona %q is damaged", p.Name)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// signed is p with its next roster.
func (d *Desk) signed(p persona.Persona) (persona.Persona, error) {
	key, err := d.personaKey(p)
	if err != nil {
		return p, err
	}
	defer clear(key)
	return p.Signed(key, d.now())
}

// keep writes a persona, its audit line, and what must be announced: the persona, its
// roster, and every device that it was or is about.
func (d *Desk) keep(ctx context.Context, tx Tx, actor string, old *persona.Persona, done deed) error {
	if err := tx.SavePersona(ctx, done.next); err != nil {
		return err
	}
	if _, err := d.append(ctx, tx, actor, done.audit, done.clientID, done.detail); err != nil {
		return err
	}
	items := []Announcement{{Kind: AnnouncePersona, Key: done.next.ID}}
	if !done.unsigned && !done.next.Imported() {
		items = append(items, Announcement{Kind: AnnounceRoster, Key: done.next.ID})
	}
	if done.next.Kind == roster.Server {
		return tx.Enqueue(ctx, append(items, Announcement{Kind: AnnounceSettings})...)
	}
	devices := map[string]bool{}
	for _, p := range []*persona.Persona{old, &done.next} {
		if p == nil {
			continue
		}
		for _, dev := range p.Devices {
			if !devices[dev.ID] {
				items = append(items, Announcement{Kind: AnnounceClient, Key: dev.ID})
			}
			devices[dev.ID] = true
		}
	}
	for _, id := range done.tell {
		c, err := tx.Client(ctx, id)
		if errors.Is(err, ErrNotFound) { // another site's, or none was active
			continue
		}
		if err != nil {
			return err
		}
		items = append(items, trustAnnouncement(id, c.State(), "persona", false))
	}
	return tx.Enqueue(ctx, items...)
}

// rotate gives a persona a new key that the old one signs.
func (w *personaWork) rotate(ctx context.Context) (*pb.PersonaReply, error) {
	_, next, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer clear(next)
	var done deed
	err = w.d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockPersonas); err != nil {
			return err
		}
		p, err := loadPersona(ctx, tx, w.id)
		if err != nil {
			return err
		}
		if p.Imported() {
			return own(p)
		}
		if p.Retired {
			return fault.New(fault.Conflict, "persona %q is retired", p.Name)
		}
		old, err := w.d.personaKey(p)
		if err != nil {
			return err
		}
		defer clear(old)
		q, err := p.Rotated(old, next, w.d.now())
		if err != nil {
			return err
		}
		if q.Sealed, err = w.d.key.Seal(next.Seed(), personaPlace(q.ID)); err != nil {
			return err
		}
		done = deed{next: q, audit: "persona.key_rotated",
			detail: fmt.Sprintf("%q: key %s, signed by %s", p.Name, persona.KeyName(q.Key), persona.KeyName(p.Key))}
		return w.d.keep(ctx, tx, w.actor, &p, done)
	})
	return w.reply(ctx, done, err)
}

// imports takes the roster of another site, or says what it would change.
func (w *personaWork) imports(ctx context.Context, in *pb.ImportRoster) (*pb.PersonaReply, error) {
	var done deed
	var changes []string
	accepted := false
	err := w.d.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.Lock(ctx, LockOpen, LockPersonas); err != nil {
			return err
		}
		done, accepted = deed{}, false
		ids, err := w.d.ageIdentities(ctx, tx)
		if err != nil {
			return err
		}
		text, err := persona.Open(in.GetRoster(), ids...)
		if err != nil {
			return err
		}
		old, next, err := w.proposed(ctx, tx, text)
		if err != nil {
			return err
		}
		changes = next.Changes(old)
		done.next = next
		known := old != nil && old.Seq == next.Seq
		s, err := LoadSettings(ctx, tx)
		if err != nil {
			return err
		}
		// The standing yes is for what a pin vouches for; a new persona is asked about.
		standing := old != nil && s.Rosters == rostersAccept
		if accepted = in.GetAccept() || standing || known; !accepted || known {
			return nil
		}
		done.audit, done.detail = "persona.imported", fmt.Sprintf("%q (%s), number %d: %s", next.Name, next.ID, next.Seq, strings.Join(changes, "; "))
		if old != nil {
			done.tell = append(done.tell, old.Active())
		}
		if a := next.Active(); len(done.tell) == 0 || done.tell[0] != a {
			done.tell = append(done.tell, a)
		}
		return w.d.keep(ctx, tx, w.actor, old, done)
	})
	reply, err := w.reply(ctx, done, err)
	if err != nil {
		return nil, err
	}
	reply.Changes, reply.Accepted = changes, accepted
	return reply, nil
}

// proposed is the persona as it is and as the roster would make it. Devices that stand
// in other personas, and a name that another one has, are refused.
func (w *personaWork) proposed(ctx context.Context, tx Tx, text string) (old *persona.Persona, next persona.Persona, err error) {
	r, err := roster.Parse(text)
	if err == nil {
		p, err := tx.Persona(ctx, r.ID.String())
		switch {
		case err == nil:
			old = &p
		case !errors.Is(err, ErrNotFound):
			return nil, next, err
		}
	}
	if next, err = persona.Import(old, text, w.d.now()); err != nil {
		return nil, next, err
	}
	if next.Retired {
		return nil, next, fault.New(fault.Conflict, "persona %q was retired here: it is not imported again", next.Name)
	}
	if err := unnamed(ctx, tx, next.Name, next.ID); err != nil {
		return nil, next, err
	}
	for _, dev := range next.Devices {
		if err := free(ctx, tx, dev.ID, next.ID); err != nil {
			return nil, next, err
		}
	}
	return old, next, nil
}

// export gives the roster, sealed to recipients when there are any.
func (w *personaWork) export(ctx context.Context, in *pb.ExportRoster) (*pb.PersonaReply, error) {
	var p persona.Persona
	text := ""
	err := w.d.Store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if p, err = loadPersona(ctx, tx, w.id); err != nil {
			return err
		}
		text = p.Roster
		detail := fmt.Sprintf("%q (%s), number %d", p.Name, p.ID, p.Seq)
		if n := len(in.GetRecipients()); n > 0 {
			if text, err = persona.SealTo(p.Roster, in.GetRecipients()); err != nil {
				return err
			}
			detail += fmt.Sprintf(", sealed to %d recipients", n)
		}
		_, err = w.d.append(ctx, tx, w.actor, "persona.exported", "", detail)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.d.Announcer.Kick()
	return &pb.PersonaReply{Persona: PersonaMessage(p), Exported: text}, nil
}

// ageIdentities open what was sealed to this server, or to one of its former keys.
func (d *Desk) ageIdentities(ctx context.Context, tx Tx) ([]age.Identity, error) {
	k, err := d.serverKeys(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []age.Identity
	for _, key := range k.all() {
		raw := key.Bytes()
		id, err := persona.AgeIdentity(raw)
		clear(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}
