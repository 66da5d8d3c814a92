package desk

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/services/pairing/internal/persona"
)

// LockPersonas: changes of personas. A device is in one of them only, so they follow
// one another. Take it after LockIdentity and LockOpen, before LockClient.
const LockPersonas Lock = "personas"

// Announcements about personas.
const (
	// AnnouncePersona: write KV "personas" of persona Key anew from the store.
	AnnouncePersona = "persona"
	// AnnounceRoster: publish the present roster of persona Key.
	AnnounceRoster = "roster"
)

// PersonaTx is what the desk keeps of personas, and of the server's keys.
type PersonaTx interface {
	// Persona is ErrNotFound for an unknown id.
	Persona(ctx context.Context, id string) (persona.Persona, error)
	// SavePersona writes the persona and its devices.
	SavePersona(ctx context.Context, p persona.Persona) error
	// Personas lists ids in order, after the given one.
	Personas(ctx context.Context, after string, limit int) ([]string, error)
	// PersonaOf is the id of the persona that a device belongs to, or ErrNotFound.
	PersonaOf(ctx context.Context, clientID string) (string, error)
	// PersonaNamed is the id of an endpoint that is not retired and is called like that
	// (trust.NameKey), or ErrNotFound.
	PersonaNamed(ctx context.Context, name string) (string, error)
	// ServerPersona is the id of the server's own persona, or ErrNotFound.
	ServerPersona(ctx context.Context) (string, error)

	// FormerIdentities are the server's former keys, the latest first.
	FormerIdentities(ctx context.Context) ([]Identity, error)
	// ReplaceIdentity makes next the identity and keeps was, the present one, as a
	// former one. Records without a known identity know that one from then on; what was
	// told of the present one does not count any more.
	ReplaceIdentity(ctx context.Context, was, next Identity, at time.Time) error
	// DropUnusedIdentities removes former keys that no record knows.
	DropUnusedIdentities(ctx context.Context) error
	// KnownServer is which identity the device of a record knows; ErrNotFound without
	// a record.
	KnownServer(ctx context.Context, clientID string) (KnownServer, error)
	SetKnownServer(ctx context.Context, clientID string, k KnownServer) error
	// Unrecorded lists clients without a pairing record, in order, after the given one.
	Unrecorded(ctx context.Context, after string, limit int) ([]string, error)
}

// KnownServer says which of the server's keys a paired device knows.
type KnownServer struct {
	// ServerID is a former key; "" is the present one.
	ServerID string
	// Told: the device keeps a roster that lists the present key; Tries is how often
	// it was presented since.
	Told  bool
	Tries int
	// FellBack: it was told before, and then did not take the present key.
	FellBack bool
}
