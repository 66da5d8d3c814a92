// Package users keeps the people who may sign in: who they are, what they may do and the
// hash of their password.
//
// All of them are in one record of the bucket "users", which is changed by compare and
// set. So unique names, the last administrator and the one first set-up hold over all
// instances without a lock. Every instance has a copy in memory that a watch keeps true.
package users

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/text/secure/precis"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

const (
	// Max bounds the users of a deployment, and maxRecord the record (bytes): a message of
	// NATS may have 1 MiB.
	Max       = 500
	maxRecord = 900_000

	// keyUsers is the record, keySetUp the hash of the set-up code; seenPrefix and a user's
	// id is when that user last signed in.
	keyUsers   = "users"
	keySetUp   = "setup"
	seenPrefix = "seen."

	// tries of compare and set before the change is given up.
	tries = 10
)

// User is one person.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Role counts everywhere, Zones in one group each.
	Role     auth.Role            `json:"role"`
	Zones    map[string]auth.Role `json:"zones,omitempty"`
	Disabled bool                 `json:"disabled,omitempty"`
	Language string               `json:"language,omitempty"`
	// Password is the PHC string; empty when the user has no password.
	Password string `json:"password,omitempty"`
	// Account is the account of a provider that signs in as this user; nil: none has yet.
	Account *Account `json:"account,omitempty"`
	// Epoch grows when all sessions of the user must end.
	Epoch     uint64    `json:"epoch"`
	CreatedAt time.Time `json:"created_at"`
}

// Account is an account of an OpenID Connect provider. Its subject never becomes another
// person's, unlike names and addresses.
type Account struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Principal is the user as the one who makes a request.
func (u User) Principal() auth.Principal {
	return auth.Principal{Actor: "user:" + u.Name, Role: u.Role, Zones: u.Zones, UserID: u.ID}
}

// admin says whether the user can administer the deployment now.
func (u User) admin() bool { return u.Role == auth.RoleAdmin && !u.Disabled }

// record is the value of keyUsers.
type record struct {
	Users []User `json:"users"`
}

// Store keeps the users. Safe for concurrent use.
type Store struct {
	bucket *bus.Bucket[wrapperspb.BytesValue, *wrapperspb.BytesValue]
	log    *slog.Logger
	view   atomic.Pointer[view] // replaced as a whole by the watch alone
}

// view is the copy in memory; nothing in it changes.
type view struct {
	rev    uint64 // of keyUsers; 0: there is none yet
	users  []User
	byID   map[string]*User
	byName map[string]*User // by Fold of the name
	seen   map[string]time.Time
	setUp  string // hash of the set-up code, hexadecimal
	// changed is closed when a newer view is there.
	changed chan struct{}
}

// Open opens the bucket.
func Open(ctx context.Context, c *bus.Conn, log *slog.Logger) (*Store, error) {
	b, err := bus.OpenBucket[wrapperspb.BytesValue](ctx, c, subject.BucketUsers, bus.BucketOptions{})
	if err != nil {
		return nil, fmt.Errorf("management: open bucket %s: %w", subject.BucketUsers, err)
	}
	s := &Store{bucket: b, log: log}
	s.view.Store(&view{changed: make(chan struct{})})
	return s, nil
}

// Watch keeps the copy in memory true until stop is called, and returns when the present
// users are known. ctx bounds the watch, first the wait for them.
func (s *Store) Watch(ctx, first context.Context) (stop func(), err error) {
	stop, err = s.bucket.Follow(ctx, first, ">", func(e bus.Entry[*wrapperspb.BytesValue]) {
		next, err := s.view.Load().with(e)
		if err != nil {
			s.log.Error("the record of users cannot be read; the one before counts", "key", e.Key, "err", err)
			return
		}
		old := s.view.Swap(next)
		close(old.changed)
	})
	if err != nil {
		return nil, fmt.Errorf("management: read the users: %w", err)
	}
	return stop, nil
}

// with is the view after a change of the bucket.
func (v *view) with(e bus.Entry[*wrapperspb.BytesValue]) (*view, error) {
	next := *v
	next.changed = make(chan struct{})
	value := e.Value.GetValue()
	id, seen := strings.CutPrefix(e.Key, seenPrefix)
	switch {
	case e.Key == keyUsers:
		next.rev = e.Rev
		return &next, next.read(value)
	case e.Key == keySetUp:
		next.setUp = string(value)
	case seen:
		next.seen = make(map[string]time.Time, len(v.seen)+1)
		for k, t := range v.seen {
			next.seen[k] = t
		}
		delete(next.seen, id)
		if t, err := time.Parse(time.RFC3339, string(value)); err == nil {
			next.seen[id] = t
		}
	}
	return &next, nil
}

// read takes a record over; an empty one is none.
func (v *view) read(b []byte) error {
	var r record
	if len(b) > 0 {
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
	}
	v.users = r.Users
	v.byID, v.byName = make(map[string]*User, len(r.Users)), make(map[string]*User, len(r.Users))
	for i := range r.Users {
		u := &r.Users[i]
		v.byID[u.ID], v.byName[Fold(u.Name)] = u, u
	}
	return nil
}

// Fold is the form of a name in which two names are compared (RFC 8266): without regard
// to case, and to ways to write the same letters.
func Fold(name string) string {
	key, err := precis.Nickname.CompareKey(name)
	if err != nil {
		return "" // is no name: Free refuses it
	}
	return key
}

// Find finds a user by id.
func (s *Store) Find(id string) (User, bool) {
	if u := s.view.Load().byID[id]; u != nil {
		return *u, true
	}
	return User{}, false
}

// FindName finds a user by name, in any case.
func (s *Store) FindName(name string) (User, bool) {
	if u := s.view.Load().byName[Fold(name)]; u != nil {
		return *u, true
	}
	return User{}, false
}

// FindAccount finds the user of a provider's account.
func (s *Store) FindAccount(a Account) (User, bool) {
	for _, u := range s.view.Load().users {
		if u.Account != nil && *u.Account == a {
			return u, true
		}
	}
	return User{}, false
}

// List returns the users in the order of their names.
func (s *Store) List() []User {
	out := slices.Clone(s.view.Load().users)
	slices.SortFunc(out, func(a, b User) int {
		return cmp.Or(strings.Compare(Fold(a.Name), Fold(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Empty says that there is nobody yet, so that the first set-up is open.
func (s *Store) Empty() bool { return len(s.view.Load().users) == 0 }

// LastSignIn is when a user last signed in, truncated to the second; zero when never.
func (s *Store) LastSignIn(id string) time.Time { return s.view.Load().seen[id] }

// Changed is closed when something about the users changed after the call.
func (s *Store) Changed() <-chan struct{} { return s.view.Load().changed }

// Saw remembers when a user signed in.
func (s *Store) Saw(ctx context.Context, id string, at time.Time) error {
	_, err := s.bucket.Put(ctx, seenPrefix+id, wrapperspb.Bytes([]byte(at.UTC().Format(time.RFC3339))))
	return err
}

// change reads the record, lets f change it and writes it when nobody else did meanwhile;
// else it begins anew, so f may run several times. It returns when this instance knows.
func (s *Store) change(ctx context.Context, f func(r *record) error) error {
	for range tries {
		var r record
		v, rev, err := s.bucket.Get(ctx, keyUsers)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("management: read the users: %w", err)
		}
		if b := v.GetValue(); len(b) > 0 {
			if err := json.Unmarshal(b, &r); err != nil {
				return fmt.Errorf("management: the record of users cannot be read: %w", err)
			}
		}
		if err := f(&r); err != nil {
			return err
		}
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("management: encode the users: %w", err)
		}
		if len(b) > maxRecord {
			return fault.New(fault.Conflict, "there are too many users with too many zones; delete some first")
		}
		value := wrapperspb.Bytes(b)
		if rev == 0 {
			rev, err = s.bucket.Create(ctx, keyUsers, value)
		} else {
			rev, err = s.bucket.Update(ctx, keyUsers, value, rev)
		}
		if fault.CodeOf(err) == fault.Conflict {
			continue
		}
		if err != nil {
			return fmt.Errorf("management: keep the users: %w", err)
		}
		s.await(ctx, rev)
		return nil
	}
	return fault.New(fault.Unavailable, "the users are being changed by others all the while; try again")
}

// await waits until the copy in memory is as new as rev. ctx bounds it; what was written
// is written.
func (s *Store) await(ctx context.Context, rev uint64) {
	for {
		v := s.view.Load()
		if v.rev >= rev {
			return
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return
		}
	}
}

// errNoUser is the answer about somebody who does not exist.
func errNoUser(id string) error {
	return fault.New(fault.NotFound, "there is no user %q; GET /api/v1/users lists those that are known", clip(id))
}

func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
