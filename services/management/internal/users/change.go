package users

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
)

// maxName is the greatest length of a name in characters.
const maxName = 64

// Patch is a change of a user; nil stays.
type Patch struct {
	Name     *string
	Role     *auth.Role
	Zones    *map[string]auth.Role
	Disabled *bool
	Language *string
	// Password is a PHC string.
	Password *string
	// Account links a user that has no account yet; Unlink takes it away first.
	Account *Account
	Unlink  bool
}

// NewID draws an id.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "u-" + hex.EncodeToString(b[:])
}

// CheckName returns the form of a name that is kept, or fault.OutOfRange with the field
// location. Names are shown in the audit ledger and in terminals.
func CheckName(name, location string) (string, error) {
	bad := func(message string) error {
		return fault.New(fault.OutOfRange, "the name cannot be taken: it %s", message).WithField(location, message)
	}
	n, err := precis.Nickname.String(name)
	switch {
	case strings.TrimSpace(name) == "":
		return "", bad("is empty")
	case err != nil || Fold(n) == "":
		return "", bad("holds a character that names cannot have")
	case utf8.RuneCountInString(n) > maxName:
		return "", bad("is longer than 64 characters")
	case strings.ContainsFunc(n, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' || r == '\\' || r == '/' }):
		return "", bad("holds a character that names cannot have")
	}
	return n, nil
}

// Get finds a user by id, or answers fault.NotFound.
func (s *Store) Get(id string) (User, error) {
	u, ok := s.Find(id)
	if !ok {
		return u, errNoUser(id)
	}
	return u, nil
}

// Free is nil when a user of that name can be made now, else fault.Conflict.
func (s *Store) Free(name string) error {
	return (&record{Users: s.view.Load().users}).free(name, "")
}

// Create adds a user; fault.Conflict when the name is taken or there are too many. The
// name was checked by CheckName.
func (s *Store) Create(ctx context.Context, u User) error {
	return s.change(ctx, func(r *record) error {
		if err := r.free(u.Name, ""); err != nil {
			return err
		}
		if err := r.mayLink(u, u.Account); err != nil {
			return err
		}
		r.Users = append(r.Users, u)
		return nil
	})
}

// CreateFirst is Create for the first set-up: fault.Conflict when somebody is there.
func (s *Store) CreateFirst(ctx context.Context, u User) error {
	return s.change(ctx, func(r *record) error {
		if len(r.Users) > 0 {
			return errSetUp
		}
		r.Users = []User{u}
		return nil
	})
}

// errSetUp is the answer of the set-up when it is done.
var errSetUp = fault.New(fault.Conflict, "the server is set up already: sign in, or ask an administrator for an account")

func (r *record) free(name, but string) error {
	if len(r.Users) >= Max && but == "" {
		return fault.New(fault.Conflict, "there are %d users already, which is the limit; delete some first", len(r.Users))
	}
	for _, u := range r.Users {
		if u.ID != but && Fold(u.Name) == Fold(name) {
			return fault.New(fault.Conflict, "there is a user named %q already; choose another name", u.Name)
		}
	}
	return nil
}

// Change changes a user and returns it. With a new password, disabled, or unlinked from its
// account, all sessions of the user end. Errors are fault.NotFound, and
// fault.Conflict for a name that is taken and for the last administrator.
func (s *Store) Change(ctx context.Context, id string, p Patch) (User, error) {
	var out User
	err := s.change(ctx, func(r *record) error {
		i := r.index(id)
		if i < 0 {
			return errNoUser(id)
		}
		u := r.Users[i]
		if p.Name != nil {
			if err := r.free(*p.Name, id); err != nil {
				return err
			}
			u.Name = *p.Name
		}
		if p.Unlink && u.Account != nil {
			u.Account = nil
			u.Epoch++
		}
		if err := r.mayLink(u, p.Account); err != nil {
			return err
		}
		p.apply(&u)
		wasAdmin := r.Users[i].admin()
		r.Users[i], out = u, u
		return r.keepAdmin(wasAdmin, u.Name)
	})
	return out, err
}

func (p Patch) apply(u *User) {
	if p.Role != nil {
		u.Role = *p.Role
	}
	if p.Zones != nil {
		u.Zones = *p.Zones
	}
	if p.Language != nil {
		u.Language = *p.Language
	}
	if p.Password != nil {
		u.Password = *p.Password
		u.Epoch++
	}
	if p.Account != nil {
		u.Account = p.Account
	}
	if p.Disabled != nil {
		if *p.Disabled && !u.Disabled {
			u.Epoch++
		}
		u.Disabled = *p.Disabled
	}
}

// mayLink is nil when an account may sign in as u: nobody else's, and u has no other one.
func (r *record) mayLink(u User, a *Account) error {
	if a == nil {
		return nil
	}
	if u.Account != nil && *u.Account != *a {
		return ErrOtherAccount
	}
	for _, x := range r.Users {
		if x.ID != u.ID && x.Account != nil && *x.Account == *a {
			return ErrOtherAccount
		}
	}
	return nil
}

// ErrOtherAccount is the refusal to sign an account in as a user that is another one's.
var ErrOtherAccount = fault.New(fault.Conflict, "the user belongs to another account of the provider: an administrator can unlink it")

// Rehash replaces the hash of a password by a stronger one of the same password. It does
// nothing when the password is another meanwhile.
func (s *Store) Rehash(ctx context.Context, id, before, after string) error {
	return s.change(ctx, func(r *record) error {
		if i := r.index(id); i >= 0 && r.Users[i].Password == before {
			r.Users[i].Password = after
		}
		return nil
	})
}

// Delete removes a user and returns who it was; fault.NotFound, and fault.Conflict for the
// last administrator.
func (s *Store) Delete(ctx context.Context, id string) (User, error) {
	var out User
	err := s.change(ctx, func(r *record) error {
		i := r.index(id)
		if i < 0 {
			return errNoUser(id)
		}
		out = r.Users[i]
		r.Users = slices.Delete(r.Users, i, i+1)
		return r.keepAdmin(out.admin(), out.Name)
	})
	if err == nil {
		_ = s.bucket.Delete(ctx, seenPrefix+id) // it tells nothing without the user
	}
	return out, err
}

func (r *record) index(id string) int {
	return slices.IndexFunc(r.Users, func(u User) bool { return u.ID == id })
}

// keepAdmin refuses a record without an administrator who can sign in.
func (r *record) keepAdmin(was bool, name string) error {
	if !was || slices.ContainsFunc(r.Users, User.admin) {
		return nil
	}
	return fault.New(fault.Conflict, "%q is the last administrator who can sign in; make another one first", name)
}

// Created truncates a time as it is kept.
func Created(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
