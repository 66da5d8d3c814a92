// Package signin is the door for people: the first set-up, signing in with a password,
// and the cookie with which a browser stays signed in.
//
// A cookie travels by itself, unlike a token. So a change that comes with one must come
// from a page of this server (Sec-Fetch-Site, Origin), with a content type that no form
// has, and with the session's CSRF token in a header.
package signin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/password"
	"github.com/tutti-audio/tutti/services/management/internal/sessions"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// limiterMailbox bounds the tries that wait for the limiter; each takes microseconds.
const limiterMailbox = 256

// setUpName stands for the set-up code among the names that are tried. No user has it.
const setUpName = "\x00set-up"

// Options are what the door works with. All are required, except DataDir.
type Options struct {
	Users     *users.Store
	Sessions  *sessions.Store
	Passwords *password.Hasher
	Guard     *auth.Guard
	Clock     clockwork.Clock
	Log       *slog.Logger
	// Audit puts a line into the ledger without waiting for it.
	Audit func(ctx context.Context, actor, kind, detail string)
	// DataDir is where the set-up code is, if anywhere.
	DataDir string
}

// Door lets people in. Safe for concurrent use.
type Door struct {
	o     Options
	tries *actor.Ref[limiterMsg]
}

var _ auth.Authenticator = (*Door)(nil)

// Visit is a session with whose it is.
type Visit struct {
	User    users.User
	Session sessions.Session
	// Secret is the cookie's value when the session began just now.
	Secret string
}

// New spawns the limiter under sup.
func New(sup *actor.Supervisor, o Options) (*Door, error) {
	state := newLimits() // outlives a crash: guessing must not begin anew
	ref, err := actor.Spawn(sup, actor.Options{Key: "sign-in", Size: limiterMailbox, Full: actor.Block, Clock: o.Clock, Log: o.Log},
		func(*actor.Ref[limiterMsg]) actor.Handler[limiterMsg] { return &limiter{o.Clock.Now, state} })
	if err != nil {
		return nil, fmt.Errorf("management: start the limiter of sign-in: %w", err)
	}
	return &Door{o: o, tries: ref}, nil
}

// errWrong is the one answer to a wrong name, a wrong password and a disabled user.
func errWrong() error {
	return fault.New(fault.Unauthorized, "the name or the password is wrong; an administrator can set a new password")
}

// SignIn begins a session for who knows the password. Errors are fault.Unauthorized and
// fault.RateLimited with RetryAfter.
func (d *Door) SignIn(r *http.Request, name, pass string) (Visit, error) {
	ctx := r.Context()
	w := who{auth.Peer(r), users.Fold(name)}
	if err := d.begin(ctx, w); err != nil {
		return Visit{}, err
	}
	u, known := d.o.Users.FindName(name)
	right, stale, err := d.o.Passwords.Verify(ctx, u.Password, pass)
	if err != nil {
		return Visit{}, err
	}
	if !right || !known || u.Disabled {
		d.failed(ctx, w, u.Name)
		return Visit{}, errWrong()
	}
	if err := d.tries.Send(ctx, limiterMsg{who: w}); err != nil {
		return Visit{}, fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
	}
	if stale {
		d.rehash(ctx, u, pass)
	}
	return d.Begin(ctx, u, "from "+w.addr)
}

// begin counts a try before it is looked at.
func (d *Door) begin(ctx context.Context, w who) error {
	v, err := actor.Ask(ctx, d.tries, func(reply chan<- verdict) limiterMsg { return limiterMsg{who: w, begun: reply} })
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
	}
	if !v.ok {
		return fault.New(fault.RateLimited, "too many wrong tries; wait %s before the next", v.wait.Truncate(time.Second)+time.Second).WithRetryAfter(v.wait)
	}
	return nil
}

// failed writes a line about a wrong try, unless there were many just now. A name that is
// not known is not written: it may be a password in the wrong field.
func (d *Door) failed(ctx context.Context, w who, name string) {
	l, err := actor.Ask(ctx, d.tries, func(reply chan<- line) limiterMsg { return limiterMsg{who: w, failed: reply} })
	if err != nil || !l.write {
		return
	}
	by, detail := "user:"+name, "from "+w.addr
	switch {
	case w.name == setUpName:
		by, detail = "anonymous", "wrong set-up code from "+w.addr
	case name == "":
		by, detail = "anonymous", "unknown name from "+w.addr
	}
	if l.unwritten > 0 {
		detail += fmt.Sprintf(" (%d more are not listed)", l.unwritten)
	}
	d.o.Audit(ctx, by, "user.sign_in_failed", detail)
}

func (d *Door) rehash(ctx context.Context, u users.User, pass string) {
	phc, err := d.o.Passwords.Rehash(ctx, pass)
	if err == nil {
		err = d.o.Users.Rehash(ctx, u.ID, u.Password, phc)
	}
	if err != nil {
		d.o.Log.WarnContext(ctx, "a password's hash was not made stronger; the next sign-in tries again", "err", err)
	}
}

// Begin begins a session for a user whose identity was proven; how says by what, for the
// ledger.
func (d *Door) Begin(ctx context.Context, u users.User, how string) (Visit, error) {
	s, secret, err := d.o.Sessions.Start(ctx, u.ID, u.Epoch)
	if err != nil {
		return Visit{}, err
	}
	d.o.Audit(ctx, "user:"+u.Name, "user.signed_in", how)
	if err := d.o.Users.Saw(ctx, u.ID, d.o.Clock.Now()); err != nil {
		d.o.Log.WarnContext(ctx, "the time of a sign-in was not kept", "err", err)
	}
	return Visit{u, s, secret}, nil
}

// SetUp makes the first user, an administrator, for who knows the set-up code, and signs
// them in. record writes the line in the ledger that must be there first.
func (d *Door) SetUp(r *http.Request, code, name, pass string, record func(actor, detail string) error) (Visit, error) {
	ctx := r.Context()
	w := who{auth.Peer(r), setUpName}
	if err := d.begin(ctx, w); err != nil {
		return Visit{}, err
	}
	if err := d.o.Users.CheckSetUp(ctx, code); err != nil {
		if fault.CodeOf(err) == fault.Unauthorized {
			d.failed(ctx, w, "")
		}
		return Visit{}, err
	}
	if err := d.tries.Send(ctx, limiterMsg{who: w}); err != nil { // the code was right
		return Visit{}, fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
	}
	name, err := users.CheckName(name, "body.name")
	if err != nil {
		return Visit{}, err
	}
	phc, err := d.NewHash(ctx, name, pass, "body.password")
	if err != nil {
		return Visit{}, err
	}
	u := users.User{ID: users.NewID(), Name: name, Role: auth.RoleAdmin, Password: phc, Epoch: 1, CreatedAt: users.Created(d.o.Clock.Now())}
	if err := record("user:"+name, fmt.Sprintf("first administrator %q (%s) with the set-up code from %s", name, u.ID, w.addr)); err != nil {
		return Visit{}, err
	}
	if err := d.o.Users.CreateFirst(ctx, u); err != nil {
		return Visit{}, err
	}
	d.EndSetUp(ctx)
	return d.Begin(ctx, u, "after the set-up, from "+w.addr)
}

// EndSetUp removes the set-up code, once there is a user.
func (d *Door) EndSetUp(ctx context.Context) {
	if err := d.o.Users.EndSetUp(ctx, d.o.DataDir); err != nil {
		d.o.Log.WarnContext(ctx, "the set-up code was not removed; it opens nothing any more", "err", err)
	}
}

// ChangePassword gives the one who is signed in a new password. The sessions of the user
// end; the present one begins anew.
func (d *Door) ChangePassword(r *http.Request, before, after string) (Visit, error) {
	ctx := r.Context()
	v, ok, err := d.Current(r)
	if err != nil {
		return Visit{}, err
	}
	if !ok {
		return Visit{}, fault.New(fault.Forbidden, "only somebody who is signed in has a password of their own; PATCH /api/v1/users/{user_id} sets one")
	}
	w := who{auth.Peer(r), users.Fold(v.User.Name)}
	if err := d.begin(ctx, w); err != nil {
		return Visit{}, err
	}
	right, _, err := d.o.Passwords.Verify(ctx, v.User.Password, before)
	if err != nil {
		return Visit{}, err
	}
	if !right {
		d.failed(ctx, w, v.User.Name)
		return Visit{}, fault.New(fault.OutOfRange, "the present password is another").WithField("body.old_password", "is wrong")
	}
	if err := d.tries.Send(ctx, limiterMsg{who: w}); err != nil {
		return Visit{}, fault.Wrap(fault.Unavailable, err, "the server is stopping or overloaded; try again")
	}
	phc, err := d.NewHash(ctx, v.User.Name, after, "body.new_password")
	if err != nil {
		return Visit{}, err
	}
	u, err := d.o.Users.Change(ctx, v.User.ID, users.Patch{Password: &phc})
	if err != nil {
		return Visit{}, err
	}
	d.o.Sessions.EndAll(ctx, u.ID)
	s, secret, err := d.o.Sessions.Renew(ctx, v.Session, u.Epoch)
	if err != nil {
		return Visit{}, err
	}
	return Visit{u, s, secret}, nil
}

// NewHash checks a new password and returns its PHC string; location is the field that
// errors name.
func (d *Door) NewHash(ctx context.Context, name, pass, location string) (string, error) {
	prepared, err := password.Prepare(name, pass, location)
	if err != nil {
		return "", err
	}
	return d.o.Passwords.Hash(ctx, prepared)
}

// SetUpNeeded says that there is no user yet.
func (d *Door) SetUpNeeded() bool { return d.o.Users.Empty() }

// Users is the store of users.
func (d *Door) Users() *users.Store { return d.o.Users }

// EndAll removes what sessions a user has; they ended when the user's epoch grew.
func (d *Door) EndAll(ctx context.Context, userID string) { d.o.Sessions.EndAll(ctx, userID) }

// SignOut ends the sessions of the request's cookies.
func (d *Door) SignOut(r *http.Request) error {
	for _, secret := range secrets(r) {
		if err := d.o.Sessions.End(r.Context(), secret); err != nil {
			return err
		}
	}
	return nil
}
