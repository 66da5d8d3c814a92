// Package sessions keeps who is signed in: a bucket of sessions by the hash of the secret
// in the browser's cookie, and a copy of them in memory, so that authentication seldom
// asks the bus.
package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

const (
	// Idle ends a session that nobody uses; each use pushes that end out, at most once in
	// refreshEvery. Absolute ends every session.
	Idle         = 30 * 24 * time.Hour
	Absolute     = 90 * 24 * time.Hour
	refreshEvery = time.Hour

	// maxPerUser bounds the sessions of one user; the oldest gives way.
	maxPerUser = 50

	refreshMailbox = 64

	// heardTimeout bounds how long a new session waits until this instance has heard of it.
	heardTimeout = 2 * time.Second
)

// Session is one browser that is signed in.
type Session struct {
	UserID string `json:"user_id"`
	// Epoch is the user's when the session began: with another one it has ended.
	Epoch uint64 `json:"epoch"`
	// CSRF is the token that proves that a change was asked for by our own page.
	CSRF      string    `json:"csrf"`
	CreatedAt time.Time `json:"created_at"`
	// UsedAt is when it was last used, give or take refreshEvery.
	UsedAt time.Time `json:"used_at"`
}

// ExpiresAt is when the session ends if nobody uses it any more.
func (s Session) ExpiresAt() time.Time {
	if idle, all := s.UsedAt.Add(Idle), s.CreatedAt.Add(Absolute); idle.Before(all) {
		return idle
	}
	return s.CreatedAt.Add(Absolute)
}

// Store keeps the sessions. Safe for concurrent use.
type Store struct {
	bucket *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]
	clock  clockwork.Clock
	log    *slog.Logger
	// known is key -> Session. The watch alone adds to it: it tells the end of what it told the
	// beginning of, and of nothing else.
	known sync.Map
	heard sync.Map // key -> chan struct{}, closed when the watch tells of the key
	used  *actor.Ref[string]
}

// Open opens the bucket and spawns, under sup, the actor that notes uses.
func Open(ctx context.Context, c *bus.Conn, sup *actor.Supervisor, clock clockwork.Clock, log *slog.Logger) (*Store, error) {
	b, err := bus.OpenBucket[wrapperspb.BytesValue](ctx, c, subject.BucketSessions, bus.BucketOptions{TTL: Idle})
	if err != nil {
		return nil, fmt.Errorf("management: open bucket %s: %w", subject.BucketSessions, err)
	}
	s := &Store{bucket: b, clock: clock, log: log}
	s.used, err = actor.Spawn(sup, actor.Options{Key: "session-use", Size: refreshMailbox, Full: actor.DropOldest, Clock: clock, Log: log},
		func(*actor.Ref[string]) actor.Handler[string] { return actor.HandlerFunc[string](s.refresh) })
	if err != nil {
		return nil, fmt.Errorf("management: start session actor: %w", err)
	}
	return s, nil
}

// Watch keeps the copy in memory true until stop is called.
func (s *Store) Watch(ctx context.Context) (stop func(), err error) {
	stop, err = s.bucket.Watch(ctx, ">", func(e bus.Entry[*wrapperspb.BytesValue]) {
		defer s.told(e.Key)
		if e.Value == nil {
			s.known.Delete(e.Key)
			return
		}
		v, err := decode(e.Value)
		if err != nil {
			s.log.Error("a session cannot be read and does not count", "err", err)
			s.known.Delete(e.Key)
			return
		}
		s.known.Store(e.Key, v)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("management: watch sessions: %w", err)
	}
	return stop, nil
}

// told wakes who waits for a key.
func (s *Store) told(k string) {
	if ch, ok := s.heard.LoadAndDelete(k); ok {
		close(ch.(chan struct{}))
	}
}

func decode(v *wrapperspb.BytesValue) (s Session, err error) {
	return s, json.Unmarshal(v.GetValue(), &s)
}

func encode(s Session) (*wrapperspb.BytesValue, error) {
	b, err := json.Marshal(s)
	return wrapperspb.Bytes(b), err
}

// key is where a session is kept. The secret has 256 random bits, so a plain hash is
// enough to keep it.
func key(secret string) string {
	h := auth.HashOf(secret)
	return hex.EncodeToString(h[:])
}

func draw() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Start begins a session and returns the secret of its cookie, which is kept nowhere. It
// returns when this instance knows the session, and after heardTimeout anyway.
func (s *Store) Start(ctx context.Context, userID string, epoch uint64) (Session, string, error) {
	return s.start(ctx, userID, epoch, draw())
}

// Renew begins a session in place of one whose user has a new epoch. The page that is open
// goes on with its CSRF token.
func (s *Store) Renew(ctx context.Context, old Session, epoch uint64) (Session, string, error) {
	return s.start(ctx, old.UserID, epoch, old.CSRF)
}

func (s *Store) start(ctx context.Context, userID string, epoch uint64, csrf string) (Session, string, error) {
	now, secret := s.clock.Now().UTC(), draw()
	v := Session{UserID: userID, Epoch: epoch, CSRF: csrf, CreatedAt: now, UsedAt: now}
	b, err := encode(v)
	if err != nil {
		return v, "", fmt.Errorf("management: encode a session: %w", err)
	}
	k, heard := key(secret), make(chan struct{})
	s.heard.Store(k, heard)
	defer s.heard.Delete(k)
	if _, err := s.bucket.Create(ctx, k, b); err != nil {
		return v, "", fmt.Errorf("management: keep a session: %w", err)
	}
	select {
	case <-heard:
	case <-s.clock.After(heardTimeout): // Find asks the bus until then
	case <-ctx.Done():
	}
	s.makeRoom(ctx, userID)
	return v, secret, nil
}

// makeRoom ends the oldest sessions of a user who has too many.
func (s *Store) makeRoom(ctx context.Context, userID string) {
	all := s.of(userID)
	if len(all) <= maxPerUser {
		return
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Or(a.UsedAt.Compare(b.UsedAt), cmp.Compare(a.key, b.key)) })
	for _, k := range all[:len(all)-maxPerUser] {
		s.end(ctx, k.key)
	}
}

type kept struct {
	Session
	key string
}

func (s *Store) of(userID string) (out []kept) {
	s.known.Range(func(k, v any) bool {
		if x := v.(Session); x.UserID == userID {
			out = append(out, kept{x, k.(string)})
		}
		return true
	})
	return out
}

// Find finds the session of a secret; fault.NotFound when there is none, or none any more.
// Another instance may have begun it a moment ago, so what is not known here is asked for.
func (s *Store) Find(ctx context.Context, secret string) (Session, error) {
	k := key(secret)
	x, ok := s.known.Load(k)
	if !ok {
		b, _, err := s.bucket.Get(ctx, k)
		if err != nil {
			return Session{}, err
		}
		if x, err = decode(b); err != nil {
			return Session{}, fault.Wrap(fault.NotFound, err, "the session cannot be read")
		}
	}
	v := x.(Session)
	now := s.clock.Now()
	if !now.Before(v.ExpiresAt()) {
		return Session{}, fault.New(fault.NotFound, "the session has expired")
	}
	if now.Sub(v.UsedAt) >= refreshEvery {
		_ = s.used.Send(ctx, k) // fails only when the service stops
	}
	return v, nil
}

// refresh notes that a session is used, which keeps it.
func (s *Store) refresh(ctx context.Context, k string) error {
	b, rev, err := s.bucket.Get(ctx, k)
	if err != nil {
		return nil // it has ended, or the next use will find the bus
	}
	v, err := decode(b)
	now := s.clock.Now().UTC()
	if err != nil || now.Sub(v.UsedAt) < refreshEvery {
		return nil
	}
	v.UsedAt = now
	if b, err = encode(v); err != nil {
		return nil
	}
	_, _ = s.bucket.Update(ctx, k, b, rev) // the next use tries again
	return nil
}

// End ends the session of a secret. It is no error when there is none.
func (s *Store) End(ctx context.Context, secret string) error {
	k := key(secret)
	if err := s.bucket.Delete(ctx, k); err != nil {
		return fmt.Errorf("management: end a session: %w", err)
	}
	s.known.Delete(k)
	return nil
}

// EndAll removes the sessions of a user. Their epoch ended them already: this tidies up,
// so a failure is no more than a line in the log.
func (s *Store) EndAll(ctx context.Context, userID string) {
	for _, k := range s.of(userID) {
		s.end(ctx, k.key)
	}
}

func (s *Store) end(ctx context.Context, k string) {
	if err := s.bucket.Delete(ctx, k); err != nil {
		s.log.WarnContext(ctx, "a session could not be removed; it ends by itself", "err", err)
		return
	}
	s.known.Delete(k)
}
