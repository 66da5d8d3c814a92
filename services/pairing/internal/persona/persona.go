// Package persona holds the rules of personas: lasting endpoints whose devices change.
//
// A [Persona] is a value. Each operation returns the persona as it would be, unsigned;
// [Persona.Signed] then makes its next roster. No clock, no storage, no bus: what is
// allowed to a device, and that it is in one persona only, is the desk's to check.
package persona

import (
	"crypto/ed25519"
	"slices"
	"time"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/roster"
	"github.com/tutti-audio/tutti/services/pairing/internal/trust"
)

// Unset is the value of a limit or delay that the persona does not set.
const Unset = -1

// maxDelay is the specification's bound of output_delay_ms.
const maxDelay = 5000

// Persona is a lasting endpoint, or the server itself.
type Persona struct {
	ID   string
	Kind roster.Kind
	Name string
	Key  ed25519.PublicKey
	// Sealed is the private key's seed under the deployment key; empty for a persona of
	// another site.
	Sealed  []byte
	Seq     uint64
	Roster  string
	Devices []Device
	// Replaced is the device that the active one took over from; "" for the first.
	Replaced string
	// What the active device inherits; Unset when the persona does not say.
	VolumeMin, VolumeMax, OutputDelayMS int
	Retired                             bool
	Created, Updated                    time.Time
}

// Device is one device of a persona.
type Device struct {
	ID     string // client_id, or server_id
	Active bool
	Added  time.Time
}

// New is a persona without a device, for a key.
func New(kind roster.Kind, name string, key ed25519.PublicKey, now time.Time) (Persona, error) {
	p := Persona{
		ID: roster.NewID(key).String(), Kind: kind, Key: key, VolumeMin: Unset, VolumeMax: Unset, OutputDelayMS: Unset, Created: now,
	}
	return p.Named(name)
}

// Imported reports whether the persona is another site's: its private key is there.
func (p *Persona) Imported() bool { return len(p.Sealed) == 0 }

// Active is the active device's id, "" without one.
func (p *Persona) Active() string {
	for _, d := range p.Devices {
		if d.Active {
			return d.ID
		}
	}
	return ""
}

// Has reports whether the device belongs to the persona.
func (p *Persona) Has(id string) bool { return p.index(id) >= 0 }

func (p *Persona) index(id string) int {
	return slices.IndexFunc(p.Devices, func(d Device) bool { return d.ID == id })
}

// Named gives the persona a name. OutOfRange for one that a roster cannot carry.
func (p Persona) Named(name string) (Persona, error) {
	err := roster.CheckName(name)
	if err != nil || trust.Clean(name, trust.MaxText) != name {
		return p, fault.New(fault.OutOfRange, "the name of a persona is at most %d characters and %d bytes that print, without leading, trailing or double spaces",
			trust.MaxText, roster.MaxName).WithField("name", "is empty, too long, or has characters that do not print")
	}
	p.Name = name
	return p, nil
}

// Add adds a device: the first one becomes active, every other one is a spare.
func (p Persona) Add(id string, now time.Time) (Persona, error) {
	if p.Has(id) {
		return p, nil
	}
	if len(p.Devices) == roster.MaxDevices {
		return p, fault.New(fault.Conflict, "persona %q has %d devices already: remove one first", p.Name, roster.MaxDevices)
	}
	p.Devices = append(slices.Clone(p.Devices), Device{ID: id, Active: len(p.Devices) == 0, Added: now})
	return p, nil
}

// Activate makes one of the devices the active one.
func (p Persona) Activate(id string) (Persona, error) {
	if !p.Has(id) {
		return p, fault.New(fault.Conflict, "device %s does not belong to persona %q: add it first", id, p.Name)
	}
	if a := p.Active(); a != id {
		p.Replaced = a
	}
	p.Devices = slices.Clone(p.Devices)
	for i, d := range p.Devices {
		p.Devices[i].Active = d.ID == id
	}
	return p, nil
}

// Remove takes a device out. The active one goes only when it is the last.
func (p Persona) Remove(id string) (Persona, error) {
	i := p.index(id)
	if i < 0 {
		return p, nil
	}
	if p.Devices[i].Active && len(p.Devices) > 1 {
		return p, fault.New(fault.Conflict, "device %s is the active one of persona %q: activate another one first", id, p.Name)
	}
	p.Devices = slices.Delete(slices.Clone(p.Devices), i, i+1)
	return p, nil
}

// Retire takes all devices out and ends the persona.
func (p Persona) Retire() Persona {
	p.Devices, p.Retired = nil, true
	return p
}

// Settings are what an operator changes of a persona; nil leaves a thing as it is.
type Settings struct {
	Name                                *string
	VolumeMin, VolumeMax, OutputDelayMS *int // Unset takes it away
}

// Set applies settings. OutOfRange names what is wrong.
func (p Persona) Set(s Settings) (Persona, error) {
	var err error
	if s.Name != nil {
		if p, err = p.Named(*s.Name); err != nil {
			return p, err
		}
	}
	for _, f := range []struct {
		name string
		to   *int
		v    *int
		most int
	}{{"volume_min", &p.VolumeMin, s.VolumeMin, 100}, {"volume_max", &p.VolumeMax, s.VolumeMax, 100}, {"output_delay_ms", &p.OutputDelayMS, s.OutputDelayMS, maxDelay}} {
		if f.v == nil {
			continue
		}
		if *f.v < Unset || *f.v > f.most {
			return p, fault.New(fault.OutOfRange, "%s is 0 to %d, or -1 for none", f.name, f.most).WithField(f.name, "out of range")
		}
		*f.to = *f.v
	}
	if p.VolumeMin != Unset && p.VolumeMax != Unset && p.VolumeMin > p.VolumeMax {
		return p, fault.New(fault.OutOfRange, "volume_min %d is above volume_max %d", p.VolumeMin, p.VolumeMax).
			WithField("volume_min", "above volume_max")
	}
	return p, nil
}
