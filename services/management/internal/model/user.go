package model

import "time"

// ZoneRole is what a user or a token may do in one group.
type ZoneRole struct {
	GroupID string `json:"group_id" minLength:"1" maxLength:"64" doc:"The group that is the zone."`
	Role    string `json:"role" enum:"viewer,operator"`
}

// SessionUser is the person who is signed in.
type SessionUser struct {
	UserID   string     `json:"user_id"`
	Name     string     `json:"name" example:"Maria"`
	Role     string     `json:"role" enum:"none,viewer,operator,admin" doc:"What the user may do everywhere."`
	Zones    []ZoneRole `json:"zones" nullable:"false" doc:"What the user may do in single groups beyond that."`
	Language string     `json:"language,omitempty" doc:"Of the console, BCP 47; absent: the browser's." example:"fr"`
}

// SignInWay is another way to sign in.
type SignInWay struct {
	Name string `json:"name" doc:"What the button says." example:"Hotel account"`
	URL  string `json:"url" doc:"Where it leads, relative to the server."`
}

// Session says who is signed in, if anybody.
type Session struct {
	SignedIn    bool         `json:"signed_in"`
	SetUpNeeded bool         `json:"setup_needed" doc:"There is no user yet: POST /api/v1/setup makes the first one, with the code that the server printed."`
	User        *SessionUser `json:"user,omitempty"`
	CSRFToken   string       `json:"csrf_token,omitempty" doc:"To be sent as X-CSRF-Token with every change that the cookie authenticates."`
	ExpiresAt   *time.Time   `json:"expires_at,omitempty" doc:"When the session ends if nobody uses it."`
	OIDC        *SignInWay   `json:"oidc,omitempty" doc:"Absent when no other way is set up."`
}

// User is a person who may sign in.
type User struct {
	SessionUser
	Disabled     bool       `json:"disabled" doc:"Cannot sign in, and has no session."`
	HasPassword  bool       `json:"has_password" doc:"Whether there is a password to sign in with."`
	Account      *Account   `json:"account,omitempty" doc:"The account of the OpenID Connect provider that signs in as this user, since it first did."`
	CreatedAt    time.Time  `json:"created_at"`
	LastSignInAt *time.Time `json:"last_sign_in_at,omitempty" doc:"Absent when never."`
}

// Account is an account of an OpenID Connect provider.
type Account struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject" doc:"The provider's lasting name of it (sub)."`
}

// Users is what GET /api/v1/users returns.
type Users struct {
	Users []User `json:"users" nullable:"false"`
}
