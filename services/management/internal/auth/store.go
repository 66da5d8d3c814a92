package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
)

// MaxTokens bounds the tokens of a deployment: each costs memory in every instance.
const MaxTokens = 1000

// Token is one API token, without its secret.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	Hash      string    `json:"hash"` // SHA-256 of the secret, hexadecimal
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	// Zones is what the token may do in single groups beyond Role.
	Zones map[string]Role `json:"zones,omitempty"`
	// ExpiresAt is when it is not valid any more; nil: never.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// expired says whether the token's time is over.
func (t Token) expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

const (
	// usedPrefix and a token's id is the key of when it was last used; usedEvery is how
	// exact that is.
	usedPrefix = "used."
	usedEvery  = 5 * time.Minute

	usedMailbox = 64
)

// Store keeps the API tokens in the bucket "tokens" and a copy of all of them in
// memory, for authentication must not wait for the bus.
type Store struct {
	bucket *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]
	admin  Hash
	clock  clockwork.Clock
	log    *slog.Logger
	tokens atomic.Pointer[map[string]tokenEntry] // by id; replaced as a whole by the watch alone
	byHash atomic.Pointer[map[Hash]tokenEntry]
	used   *uses
	// changed is closed and replaced when the copy in memory moves on.
	changed atomic.Pointer[chan struct{}]
}

type tokenEntry struct {
	Token
	hash Hash
}

func (t tokenEntry) principal() Principal {
	return Principal{Actor: "token:" + t.Name, Role: t.Role, Zones: t.Zones}
}

// OpenStore opens the bucket, and spawns under sup the actor that notes uses. adminToken is
// the first admin token; the store keeps its hash alone.
func OpenStore(ctx context.Context, sup *actor.Supervisor, c *bus.Conn, adminToken string, clock clockwork.Clock, log *slog.Logger) (*Store, error) {
	b, err := bus.OpenBucket[wrapperspb.BytesValue](ctx, c, subject.BucketTokens, bus.BucketOptions{})
	if err != nil {
		return nil, fmt.Errorf("management: open token bucket: %w", err)
	}
	s := &Store{bucket: b, admin: HashOf(adminToken), clock: clock, log: log}
	if s.used, err = newUses(sup, b, clock, log); err != nil {
		return nil, err
	}
	s.publish(map[string]tokenEntry{})
	return s, nil
}

// Watch keeps the copy in memory true until the returned stop is called, and returns when
// the present tokens are known. ctx bounds the watch, first the wait for them.
func (s *Store) Watch(ctx, first context.Context) (stop func(), err error) {
	return s.bucket.Follow(ctx, first, ">", func(e bus.Entry[*wrapperspb.BytesValue]) {
		if id, ok := strings.CutPrefix(e.Key, usedPrefix); ok {
			s.used.heard(id, e.Value)
			return
		}
		next := maps.Clone(*s.tokens.Load())
		delete(next, e.Key)
		if e.Value != nil {
			entry, err := decode(e.Value.GetValue())
			if err != nil {
				s.log.ErrorContext(ctx, "an API token cannot be read and is not valid", "token_id", e.Key, "err", err)
			} else {
				next[e.Key] = entry
			}
		}
		s.publish(next)
	})
}

func (s *Store) publish(tokens map[string]tokenEntry) {
	byHash := make(map[Hash]tokenEntry, len(tokens))
	for _, t := range tokens {
		byHash[t.hash] = t
	}
	s.byHash.Store(&byHash) // first: who waits for a token, or for its end, looks at the other
	s.tokens.Store(&tokens)
	next := make(chan struct{})
	if old := s.changed.Swap(&next); old != nil {
		close(*old)
	}
}

// await waits until the copy in memory has, or has not, the id; so that a token
// can be used, or not any more, when the answer is out. ctx bounds it; the other
// instances follow within the time of a message.
func (s *Store) await(ctx context.Context, id string, want bool) {
	for {
		changed := *s.changed.Load()
		if _, has := (*s.tokens.Load())[id]; has == want {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func decode(b []byte) (tokenEntry, error) {
	var e tokenEntry
	if err := json.Unmarshal(b, &e.Token); err != nil {
		return e, err
	}
	raw, err := hex.DecodeString(e.Token.Hash)
	if err != nil || len(raw) != len(e.hash) {
		return e, fmt.Errorf("its hash is not 32 bytes in hexadecimal")
	}
	copy(e.hash[:], raw)
	return e, nil
}

// Find finds the owner of a token. The map is indexed by a hash of the secret, so
// the time of a look-up tells nothing that helps to find the secret.
func (s *Store) Find(h Hash) (Principal, bool) {
	if s.admin.Equal(h) {
		return Principal{Actor: "token:admin", Role: RoleAdmin}, true
	}
	t, ok := (*s.byHash.Load())[h]
	if now := s.clock.Now(); !ok || t.expired(now) {
		return Principal{}, false
	} else if now.Sub(s.used.at(t.ID)) >= usedEvery {
		s.used.note(t.ID)
	}
	return t.principal(), true
}

// LastUsed is when a token was last used, give or take minutes; zero when never.
func (s *Store) LastUsed(id string) time.Time { return s.used.at(id) }

// List returns the tokens, oldest first.
func (s *Store) List() []Token {
	out := []Token{}
	for _, t := range *s.tokens.Load() {
		out = append(out, t.Token)
	}
	slices.SortFunc(out, func(a, b Token) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Free is nil when a token of that name can be made, else fault.Conflict: the
// ledger names actors by it.
func (s *Store) Free(name string) error {
	known := *s.tokens.Load()
	if len(known) >= MaxTokens {
		return fault.New(fault.Conflict, "there are %d tokens already, which is the limit; delete some first", len(known))
	}
	for _, t := range known {
		if t.Name == name {
			return fault.New(fault.Conflict, "there is a token named %q already; delete it or choose another name", name)
		}
	}
	if name == "admin" {
		return fault.New(fault.Conflict, "the name \"admin\" belongs to the first admin token; choose another")
	}
	return nil
}

// Create makes a token and returns its secret, which is kept nowhere. Errors
// are those of Free and of the bus. t says all but the hash and the time.
func (s *Store) Create(ctx context.Context, t Token) (Token, string, error) {
	if err := s.Free(t.Name); err != nil {
		return Token{}, "", err
	}
	secret := NewSecret()
	h := HashOf(secret)
	t.Hash, t.CreatedAt = hex.EncodeToString(h[:]), s.clock.Now().UTC().Truncate(time.Second)
	b, err := json.Marshal(t)
	if err != nil {
		return Token{}, "", fmt.Errorf("management: encode token: %w", err)
	}
	if _, err := s.bucket.Create(ctx, t.ID, wrapperspb.Bytes(b)); err != nil {
		return Token{}, "", fmt.Errorf("management: keep token: %w", err)
	}
	s.await(ctx, t.ID, true)
	return t, secret, nil
}

// Delete makes a token invalid; fault.NotFound when there is none of that id.
func (s *Store) Delete(ctx context.Context, id string) (Token, error) {
	t, ok := (*s.tokens.Load())[id]
	if !ok {
		return Token{}, fault.New(fault.NotFound, "there is no token %q", id)
	}
	if err := s.bucket.Delete(ctx, id); err != nil {
		return Token{}, fmt.Errorf("management: delete token: %w", err)
	}
	_ = s.bucket.Delete(ctx, usedPrefix+id) // it tells nothing without the token
	s.await(ctx, id, false)
	return t.Token, nil
}
