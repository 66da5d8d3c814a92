// Package pairing is the service that owns trust: the deployment's identity,
// which devices are paired, approved or waiting, the settings of the server, and
// the audit ledger.
package pairing

import (
	"context"
	"errors"
)

// Service is the pairing service.
type Service struct{ cfg Config }

// New checks cfg and opens nothing.
func New(cfg Config, deps Deps) (*Service, error) { return &Service{cfg: cfg}, nil }

// Run serves until ctx ends or the service cannot go on; it returns within 10 s
// of ctx's end, when everything that it started has stopped.
func (s *Service) Run(ctx context.Context) error { return errors.New("pairing: not built yet") }

// Ready is nil when the service can serve, else it says why not.
func (s *Service) Ready() error { return errors.New("pairing: not built yet") }

// CheckDatabase opens and closes the database that url names (PostgreSQL) and
// says in one sentence, without the password, what is wrong with it.
func CheckDatabase(ctx context.Context, url string) error {
	return errors.New("pairing: not built yet")
}
