// Package roster is the signed list of a persona's devices: which hardware stands
// for a lasting endpoint ("Lobby left") now, or which keys are the server's.
//
// A roster is a text: "TR1.", then the base64url form (no padding) of the deflated
// body. The body is
//
//	kind            1 byte: 1 endpoint, 2 server
//	id             12 bytes: names the persona for ever
//	key            32 bytes: Ed25519 public key of the persona now
//	seq             uvarint, 1 to 2⁵³-1: grows with every roster of the persona
//	time            uvarint: seconds since 1970, UTC
//	name            1 byte length, then UTF-8
//	devices         1 byte count, then 1 byte index of the active one, then 32 bytes each
//	links           1 byte count, then for each: the former key (32 bytes) and its
//	                signature (64 bytes) of "tutti-roster-key-v1" 0 id, former key, next key
//	signature      64 bytes, by key, of "tutti-roster-v1" 0 and all of the above
//
// Each body has one form only: what does not encode to the same bytes again is
// refused. The package is pure: no clock, no storage, no bus.
package roster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits. Within them every roster is at most MaxText bytes long.
const (
	// MaxText is the longest roster, in bytes: it fits into one DNS-SD record or one
	// small message.
	MaxText = 1007
	// MaxDevices counts the active device too.
	MaxDevices = 10
	// MaxName is in bytes of UTF-8.
	MaxName = 96
	// MaxLinks is how many changes of the persona's key a roster can prove. A
	// verifier that missed more than that has to be told the new key by a person.
	MaxLinks = 2

	maxSeq  = 1<<53 - 1 // exact in JSON numbers
	maxTime = 1<<35 - 1 // in five bytes, until the year 3058
	keySize = 32
)

// The errors that a caller branches on.
var (
	// ErrFormat: this is no roster, or it was damaged or changed on its way.
	ErrFormat = errors.New("not a roster, or a damaged one")
	// ErrSignature: the signature, or one of the links, does not verify.
	ErrSignature = errors.New("the roster's signature does not verify")
	// ErrKey: signed by a key that is neither the pinned one nor its proven successor.
	ErrKey = errors.New("the roster is signed by another key than the pinned one")
	// ErrPersona: a roster of another persona.
	ErrPersona = errors.New("the roster is another persona's")
	// ErrOld: older than what was accepted before.
	ErrOld = errors.New("the roster is older than the last one")
	// ErrFork: another content under the sequence number that was accepted before.
	ErrFork = errors.New("the roster differs from the last one and has the same sequence number")
)

// Kind is what a persona stands for.
type Kind uint8

// The kinds.
const (
	Endpoint Kind = 1 // a place where music plays
	Server   Kind = 2 // the server: its devices are server keys
)

// String is the kind's name on the bus and in the API.
func (k Kind) String() string {
	switch k {
	case Endpoint:
		return "endpoint"
	case Server:
		return "server"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ID names a persona for ever.
type ID [12]byte

// NewID is the id of a persona that begins with key.
func NewID(key ed25519.PublicKey) ID {
	sum := sha256.Sum256(append([]byte("tutti-persona-id-v1\x00"), key...))
	return ID(sum[:12])
}

// String is "p-" and 16 characters of base64url.
func (id ID) String() string { return "p-" + base64.RawURLEncoding.EncodeToString(id[:]) }

// Device is the Curve25519 key of a client, or of a server.
type Device [keySize]byte

// ParseDevice reads the 43 characters of a client_id or server_id.
func ParseDevice(s string) (Device, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != keySize {
		return Device{}, errors.New("a device is a key of 32 bytes as 43 characters of base64url")
	}
	return Device(b), nil
}

// String is the client_id or server_id.
func (d Device) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// Link proves that a persona's key was replaced by the next one.
type Link struct {
	Key       [ed25519.PublicKeySize]byte // the former key
	Signature [ed25519.SignatureSize]byte // by the former key
}

// Roster is what a roster says. Links lead from former keys, oldest first, to Key.
type Roster struct {
	Kind    Kind
	ID      ID
	Key     [ed25519.PublicKeySize]byte
	Seq     uint64
	Time    time.Time // whole seconds
	Name    string
	Devices []Device
	Active  int // index in Devices; 0 when there are none
	Links   []Link
}

// ActiveDevice is the device that stands for the persona; false when it has none.
func (r *Roster) ActiveDevice() (Device, bool) {
	if len(r.Devices) == 0 {
		return Device{}, false
	}
	return r.Devices[r.Active], true
}

// check refuses what has no canonical body.
func (r *Roster) check() error {
	switch {
	case r.Kind != Endpoint && r.Kind != Server:
		return errors.New("its kind is unknown")
	case r.Seq == 0 || r.Seq > maxSeq:
		return errors.New("its sequence number is out of range")
	case r.Time.Unix() < 0 || r.Time.Unix() > maxTime:
		return errors.New("its time is out of range")
	case len(r.Devices) > MaxDevices:
		return fmt.Errorf("it lists more than %d devices", MaxDevices)
	case len(r.Links) > MaxLinks:
		return fmt.Errorf("it holds more than %d links", MaxLinks)
	case r.Active < 0 || r.Active >= max(1, len(r.Devices)):
		return errors.New("its active device is not one of its devices")
	}
	seen := map[Device]bool{}
	for _, d := range r.Devices {
		if seen[d] {
			return errors.New("it lists a device twice")
		}
		seen[d] = true
	}
	return CheckName(r.Name)
}

// CheckName refuses a name that a roster cannot carry.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
		return fmt.Errorf("the name of a persona is 1 to %d bytes of UTF-8", MaxName)
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return errors.New("the name of a persona has only characters that print")
		}
	}
	return nil
}
