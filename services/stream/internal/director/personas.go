package director

import (
	"context"
	"slices"

	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// A place in a named group belongs to the persona whose active device is there. When
// another device becomes active, it takes that place; a persona that is retired, or has
// no device any more, leaves it.
//
// What was carried out is kept as a seat, so that a change that happened while there was
// no director, or that failed half way, is made up for, and nothing is done twice: an
// operator may put both devices elsewhere afterwards.

// Seats is where seats are kept. bus.Bucket is one.
type Seats interface {
	Put(ctx context.Context, key string, s *tuttiv1.Seat) (uint64, error)
}

// Seated tells a new director which changes were carried out. Call it before Begin.
func (d *Director) Seated(seats []*tuttiv1.Seat) {
	for _, s := range seats {
		d.seats[s.GetPersonaId()] = s.GetClientId()
	}
}

// Persona takes news of a persona.
func (d *Director) Persona(ctx context.Context, p *tuttiv1.Persona) {
	if p.GetKind() != "endpoint" {
		return
	}
	d.personas[p.GetPersonaId()] = p
	if err := d.seat(ctx, p); err != nil {
		d.Log.Warn("the devices of a persona do not change places yet", "persona", p.GetPersonaId(), obs.KeyErr, err) // Tend tries again
	}
}

// seat carries out what changed of a persona's active device.
func (d *Director) seat(ctx context.Context, p *tuttiv1.Persona) error {
	id, now := p.GetPersonaId(), activeDevice(p)
	was, seen := d.seats[id]
	if !seen && belongs(p, p.GetReplaced()) {
		// The persona is younger than the last look at it, or its seat was lost. A device
		// that left the persona may be in a group of its own right, and stays there.
		was = p.GetReplaced()
	}
	if seen && was == now {
		return nil
	}
	if g := d.of(was); g != nil && !g.solo && was != now {
		if err := d.replace(ctx, g, was, now); err != nil {
			return err
		}
		d.Log.Info("a persona's place goes to another device", "persona", id, obs.KeyGroup, g.id, obs.KeyClient, now, "former", was)
		d.Presence(ctx, was) // it gets a group of its own
	} else if was != now { // it has left its zone by itself, where the place is all the same
		if err := d.inherit(ctx, was, now); err != nil {
			return err
		}
	}
	if was != "" && now != "" && was != now {
		// Limits, channels and equalizer are of the place, and go with it.
		if err := d.Tuning.Move(ctx, was, now); err != nil {
			return err
		}
	}
	if _, err := d.Seats.Put(ctx, id, &tuttiv1.Seat{PersonaId: id, ClientId: now}); err != nil {
		return err
	}
	d.seats[id] = now
	return nil
}

// replace puts one client into another's place in a group; "" leaves it empty.
func (d *Director) replace(ctx context.Context, g *entry, was, now string) error {
	if h := d.home[was]; h != g { // it is a guest here
		if err := d.inherit(ctx, was, now); err != nil {
			return err
		}
		return d.takeSeat(ctx, g, was, now, g.assigned)
	}
	if h := d.home[now]; h != nil && h != g {
		if err := d.evict(ctx, h, now); err != nil {
			return err
		}
	}
	return d.takeSeat(ctx, g, was, now, heirs(g.assigned, was, now))
}

// takeSeat is the moving part of replace; assigned are at home in the group afterwards.
func (d *Director) takeSeat(ctx context.Context, g *entry, was, now string, assigned []string) error {
	members := heirs(g.members, was, now)
	if now == "" || slices.Contains(g.members, now) {
		return d.order(ctx, g, members, assigned)
	}
	if from := d.of(now); from != nil {
		if err := d.remove(ctx, from, now); err != nil {
			return err
		}
	}
	if err := d.order(ctx, g, members, assigned); err != nil {
		d.Presence(ctx, now) // it must not be without a group meanwhile
		return err
	}
	return nil
}

// tendPersonas tries again what failed.
func (d *Director) tendPersonas(ctx context.Context) {
	for id, p := range d.personas {
		if was, seen := d.seats[id]; !seen || was != activeDevice(p) {
			d.Persona(ctx, p)
		}
	}
}

// activeDevice is the device that stands for a persona, "" without one.
func activeDevice(p *tuttiv1.Persona) string {
	for _, dev := range p.GetDevices() {
		if dev.GetActive() && !p.GetRetired() {
			return dev.GetClientId()
		}
	}
	return ""
}

func belongs(p *tuttiv1.Persona, client string) bool {
	return slices.ContainsFunc(p.GetDevices(), func(d *tuttiv1.PersonaDevice) bool { return d.GetClientId() == client })
}
