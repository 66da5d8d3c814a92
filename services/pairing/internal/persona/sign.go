package persona

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
)

// Signed is p with its next roster.
func (p Persona) Signed(key ed25519.PrivateKey, now time.Time) (Persona, error) {
	r, err := p.next(now)
	if err != nil {
		return p, err
	}
	return p.sign(r, key, now)
}

// Rotated is p with a new key, proven by the old one, and its next roster. The caller
// seals the new key.
func (p Persona) Rotated(old, next ed25519.PrivateKey, now time.Time) (Persona, error) {
	pub := next.Public().(ed25519.PublicKey)
	r, err := p.next(now)
	if err == nil {
		r, err = r.Rotated(old, pub)
	}
	if err != nil {
		return p, err
	}
	p.Key = pub
	return p.sign(r, next, now)
}

func (p Persona) sign(r roster.Roster, key ed25519.PrivateKey, now time.Time) (Persona, error) {
	text, err := roster.Sign(r, key)
	if err != nil {
		return p, err
	}
	p.Roster, p.Seq, p.Updated = text, r.Seq, now
	return p, nil
}

// next is the roster that says what p is; its links are those of the last one.
func (p *Persona) next(now time.Time) (roster.Roster, error) {
	r := roster.Roster{Kind: p.Kind, Key: [ed25519.PublicKeySize]byte(p.Key), Seq: p.Seq + 1, Time: now, Name: p.Name}
	if p.Roster == "" {
		r.ID = roster.NewID(p.Key)
	} else {
		last, err := roster.Parse(p.Roster)
		if err != nil {
			return r, fmt.Errorf("read the last roster of persona %s: %w", p.ID, err)
		}
		r.ID, r.Links = last.ID, last.Links
	}
	if r.ID.String() != p.ID {
		return r, fmt.Errorf("persona %s: its roster is that of %s", p.ID, r.ID)
	}
	for i, d := range p.Devices {
		key, err := roster.ParseDevice(d.ID)
		if err != nil {
			return r, fmt.Errorf("persona %s: %w", p.ID, err)
		}
		r.Devices = append(r.Devices, key)
		if d.Active {
			r.Active = i
		}
	}
	return r, nil
}

// Import is what a roster of another site makes of old (nil: not known here). Devices
// keep the time at which they were first listed. Conflict says why it is refused.
func Import(old *Persona, text string, now time.Time) (Persona, error) {
	r, err := accept(old, text)
	if err != nil {
		return Persona{}, err
	}
	var p Persona
	if old != nil {
		p = *old
	} else if p, err = New(r.Kind, r.Name, r.Key[:], now); err != nil {
		return p, err
	}
	if p, err = p.Named(r.Name); err != nil {
		return p, err
	}
	was := p
	p.ID, p.Key, p.Seq, p.Roster, p.Updated, p.Devices = r.ID.String(), r.Key[:], r.Seq, text, now, nil
	for i, d := range r.Devices {
		dev := Device{ID: d.String(), Active: i == r.Active, Added: now}
		if j := was.index(dev.ID); j >= 0 {
			dev.Added = was.Devices[j].Added
		}
		p.Devices = append(p.Devices, dev)
	}
	if a := was.Active(); a != p.Active() {
		p.Replaced = a
	}
	return p, nil
}

func accept(old *Persona, text string) (roster.Roster, error) {
	r, err := roster.Parse(text)
	switch {
	case errors.Is(err, roster.ErrSignature):
		return r, fault.New(fault.Invalid, "the roster's signature does not verify: it was changed on its way").WithField("roster", "bad signature")
	case err != nil:
		why := strings.TrimPrefix(err.Error(), roster.ErrFormat.Error()+": ")
		return r, fault.New(fault.Invalid, "this is no roster, or a damaged one: %s", why).WithField("roster", "not readable")
	case r.Kind != roster.Endpoint:
		return r, fault.New(fault.Conflict, "this is the roster of a %s: only endpoints are imported", r.Kind)
	case old == nil:
		return r, nil
	case !old.Imported():
		return r, fault.New(fault.Conflict, "persona %q is this site's own: its roster is made here and not imported", old.Name)
	}
	last, err := roster.Parse(old.Roster)
	if err != nil {
		return r, fmt.Errorf("read the last roster of persona %s: %w", old.ID, err)
	}
	if _, err := last.Pin().Accept(text); err != nil {
		return r, fault.New(fault.Conflict, "the roster of %q is refused: %v", old.Name, err)
	}
	return r, nil
}

// Changes says in words what p is different in from old (nil: new).
func (p *Persona) Changes(old *Persona) []string {
	if old == nil {
		out := []string{fmt.Sprintf("new persona %q (%s), signed by key %s", p.Name, p.ID, KeyName(p.Key))}
		for _, d := range p.Devices {
			out = append(out, "device "+d.ID+role(d))
		}
		return out
	}
	var out []string
	if p.Name != old.Name {
		out = append(out, fmt.Sprintf("name %q instead of %q", p.Name, old.Name))
	}
	if !p.Key.Equal(old.Key) {
		out = append(out, fmt.Sprintf("key %s instead of %s, which signed the change", KeyName(p.Key), KeyName(old.Key)))
	}
	for _, d := range p.Devices {
		switch i := old.index(d.ID); {
		case i < 0:
			out = append(out, "device "+d.ID+" comes"+role(d))
		case d.Active && !old.Devices[i].Active:
			out = append(out, "device "+d.ID+" becomes the active one")
		}
	}
	for _, d := range old.Devices {
		if !p.Has(d.ID) {
			out = append(out, "device "+d.ID+" goes")
		}
	}
	return out
}

func role(d Device) string {
	if d.Active {
		return ", the active one"
	}
	return ", a spare"
}
