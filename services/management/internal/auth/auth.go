// Package auth says who calls the operator API and what they may do.
//
// A caller shows a bearer token. The first admin token is made on the first
// start (AdminToken); further tokens live in a bucket of the bus, by their hash
// alone (Store). The console's session cookie is a second Authenticator (package
// signin).
//
// A role counts everywhere, or in one zone (group) alone.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// Role is what a caller may do; a higher role may do all that a lower one may.
type Role int

// The roles, in rising order.
const (
	// RoleNone may only read what needs no token.
	RoleNone Role = iota
	// RoleViewer reads.
	RoleViewer
	// RoleOperator plays, sets volumes and forms groups.
	RoleOperator
	// RoleAdmin decides on trust, policy and tokens.
	RoleAdmin
)

// String is the role as the API names it.
func (r Role) String() string {
	switch r {
	case RoleViewer:
		return "viewer"
	case RoleOperator:
		return "operator"
	case RoleAdmin:
		return "admin"
	}
	return "none"
}

// ParseRole reads a role's name; ok is false for any other word.
func ParseRole(s string) (r Role, ok bool) {
	for _, r := range []Role{RoleNone, RoleViewer, RoleOperator, RoleAdmin} {
		if r.String() == s {
			return r, true
		}
	}
	return RoleNone, false
}

// MarshalText is String.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRole.
func (r *Role) UnmarshalText(b []byte) error {
	role, ok := ParseRole(string(b))
	if !ok {
		return fmt.Errorf("role %q is none", b)
	}
	*r = role
	return nil
}

// Principal is who makes a request.
type Principal struct {
	// Actor is the name in the audit ledger and in logs, such as "token:admin" or
	// "user:Maria".
	Actor string
	// Role is what the principal may do everywhere.
	Role Role
	// Zones is what it may do in single groups beyond that, by group id. It is not
	// changed after it was made.
	Zones map[string]Role
	// UserID is set when a person is signed in.
	UserID string
}

// In is what the principal may do in a group; in no group ("") it is the role that counts
// everywhere.
func (p Principal) In(groupID string) Role {
	if groupID == "" {
		return p.Role
	}
	return max(p.Role, p.Zones[groupID])
}

// Somewhere is the highest role that the principal has in any place.
func (p Principal) Somewhere() Role {
	best := p.Role
	for _, r := range p.Zones {
		best = max(best, r)
	}
	return best
}

// Limited says that there are groups which the principal must not see.
func (p Principal) Limited() bool { return p.Role < RoleViewer }

// Same says whether p and o may do the same in the same name.
func (p Principal) Same(o Principal) bool {
	return p.Actor == o.Actor && p.Role == o.Role && p.UserID == o.UserID && maps.Equal(p.Zones, o.Zones)
}

// Authenticator finds out who makes a request. found is false when the request
// carries no credential of its kind; err is set when it carries a wrong one.
type Authenticator interface {
	Authenticate(r *http.Request) (p Principal, found bool, err error)
}

// Hash is what is kept and compared of a token.
type Hash [sha256.Size]byte

// HashOf hashes a token. Tokens that Tutti makes have 256 random bits, so a plain
// hash is enough to keep them.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// Equal compares in constant time.
func (h Hash) Equal(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// Bearer takes the token out of the Authorization header.
func Bearer(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return token, true
}

type principalKey struct{}

// WithPrincipal puts p in ctx.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf is who makes the request that ctx belongs to; the zero Principal
// when nobody was asked for.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
