// Package run starts and stops the parts of a program.
package run

import (
	"context"
	"errors"
	"log/slog"
)

// Group runs parts until the first returns.
type Group struct{ Log *slog.Logger }

// Add adds a part.
func (g *Group) Add(name string, execute func(ctx context.Context) error, interrupt func(error)) {}

// Run runs the parts.
func (g *Group) Run(ctx context.Context) error { return errors.New("run: not built yet") }
