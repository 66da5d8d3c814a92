package management

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/platform/actor"
	"github.com/tutti-audio/tutti/services/management/internal/api"
	"github.com/tutti-audio/tutti/services/management/internal/auth"
	"github.com/tutti-audio/tutti/services/management/internal/ledger"
	"github.com/tutti-audio/tutti/services/management/internal/model"
	"github.com/tutti-audio/tutti/services/management/internal/oidc"
	"github.com/tutti-audio/tutti/services/management/internal/password"
	"github.com/tutti-audio/tutti/services/management/internal/sessions"
	"github.com/tutti-audio/tutti/services/management/internal/signin"
	"github.com/tutti-audio/tutti/services/management/internal/users"
)

// people opens what signing in needs. ctx bounds the opening, life what runs.
func (s *Service) people(ctx, life context.Context, sup *actor.Supervisor, p *parts, guard *auth.Guard, d *api.Deps) error {
	clock, log := s.deps.Clock, s.deps.Log
	us, err := users.Open(ctx, s.deps.Bus, log)
	if err != nil {
		return err
	}
	stop, err := us.Watch(life, ctx)
	if err != nil {
		return err
	}
	p.stops = append(p.stops, stop)
	ss, err := sessions.Open(ctx, s.deps.Bus, sup, clock, log)
	if err != nil {
		return err
	}
	if stop, err = ss.Watch(life); err != nil {
		return err
	}
	p.stops = append(p.stops, stop)
	book := d.Ledger
	d.Door, err = signin.New(sup, signin.Options{
		Users: us, Sessions: ss, Passwords: password.New(password.Cost), Guard: guard, Clock: clock, Log: log, DataDir: s.cfg.DataDir,
		Audit: func(ctx context.Context, actor, kind, detail string) {
			book.Append(ctx, ledger.Act{Actor: actor, Kind: kind, Detail: detail})
		},
	})
	if err != nil {
		return err
	}
	d.Auth = append(d.Auth, d.Door)
	s.provider(life, p, d)
	return s.offerSetUp(ctx, us)
}

// provider lets people sign in with accounts of elsewhere, where that is set up.
func (s *Service) provider(life context.Context, p *parts, d *api.Deps) {
	c := s.cfg.OIDC
	if c.Issuer == "" {
		return
	}
	if c.Name == "" {
		c.Name = "Single sign-on"
	}
	d.Flow = oidc.New(life, oidc.Config{Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, UserClaim: c.UserClaim, RoleClaim: c.RoleClaim}, s.deps.Clock)
	d.OIDC, d.OIDCRoles, d.OIDCAdmins = &model.SignInWay{Name: c.Name}, c.RoleClaim != "", c.Admins
	p.stops = append(p.stops, d.Flow.Close)
}

// offerSetUp makes the set-up code while there is no user. The code is a secret: it goes
// to the terminal and to a file, and not into the log.
func (s *Service) offerSetUp(ctx context.Context, us *users.Store) error {
	code, err := us.OfferSetUp(ctx, s.cfg.DataDir)
	if err != nil || code == "" {
		return err
	}
	s.deps.Log.Info("nobody can sign in to the console yet: the set-up code is on standard output and in the file", "path", s.setUpPath())
	s.mu.Lock()
	s.setUpCode = code
	s.mu.Unlock()
	if s.deps.SetUp != nil {
		s.deps.SetUp(code)
	}
	return nil
}

// SetUpCode is the code that makes the first administrator; "" when the server was set up
// before it started. It is a secret.
func (s *Service) SetUpCode() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setUpCode
}

func (s *Service) setUpPath() string {
	if s.cfg.DataDir == "" {
		return ""
	}
	return fmt.Sprintf("%s/%s", s.cfg.DataDir, users.SetUpFile)
}
