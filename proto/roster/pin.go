package roster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
)

// Pin is what a verifier remembers of a persona: whom it believes, and how far it
// has come.
type Pin struct {
	Kind   Kind
	ID     ID
	Key    [ed25519.PublicKeySize]byte
	Seq    uint64
	Digest [sha256.Size]byte // of what the last roster says
}

// Pin is what to remember of r once it is believed.
func (r *Roster) Pin() Pin {
	return Pin{Kind: r.Kind, ID: r.ID, Key: r.Key, Seq: r.Seq, Digest: sha256.Sum256(r.unsigned())}
}

// Accept verifies a roster against the pin: it is the same persona's, signed by the
// pinned key or by one that the pinned key leads to through the links, and newer
// than the last one or the last one itself. A replayed older roster, and another
// content under the same sequence number, are refused. Errors are the sentinels of
// this package.
func (p Pin) Accept(text string) (Roster, error) {
	r, err := Parse(text)
	if err != nil {
		return Roster{}, err
	}
	switch {
	case r.ID != p.ID || r.Kind != p.Kind:
		return Roster{}, fmt.Errorf("%w: %s %s instead of %s %s", ErrPersona, r.Kind, r.ID, p.Kind, p.ID)
	case !r.follows(p.Key):
		return Roster{}, ErrKey
	case r.Seq < p.Seq:
		return Roster{}, fmt.Errorf("%w: number %d after %d", ErrOld, r.Seq, p.Seq)
	case r.Seq == p.Seq && r.Pin().Digest != p.Digest:
		return Roster{}, fmt.Errorf("%w %d", ErrFork, r.Seq)
	}
	return r, nil
}

// follows reports whether key is r's, or a former one that r proves.
func (r *Roster) follows(key [ed25519.PublicKeySize]byte) bool {
	if r.Key == key {
		return true
	}
	for _, l := range r.Links {
		if l.Key == key {
			return true
		}
	}
	return false
}

// VerifyServer is what a paired device asks before it lets other server keys use the
// pairing record of serverID: known is the roster that it keeps for that record, "" for
// none, and text is the one that was sent on a session keyed by the record. It returns
// the server_ids that the roster lists, the active one first.
//
// The first roster of a record pins the persona: the record vouches for it. A later one
// must be accepted by that pin, and each must list serverID itself, so that no server
// can name the successors of another.
func VerifyServer(known, text, serverID string) ([]string, error) {
	var r Roster
	var err error
	if known == "" {
		r, err = Parse(text)
	} else {
		var last Roster
		if last, err = Parse(known); err != nil {
			return nil, fmt.Errorf("the roster that is kept: %w", err)
		}
		r, err = last.Pin().Accept(text)
	}
	if err != nil {
		return nil, err
	}
	if r.Kind != Server {
		return nil, fmt.Errorf("%w: of kind %s", ErrPersona, r.Kind)
	}
	active, ok := r.ActiveDevice()
	if !ok {
		return nil, fmt.Errorf("%w: it lists no server", ErrFormat)
	}
	ids := []string{active.String()}
	for i, d := range r.Devices {
		if i != r.Active {
			ids = append(ids, d.String())
		}
	}
	for _, id := range ids {
		if id == serverID {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("%w: it does not list server %s", ErrPersona, serverID)
}
