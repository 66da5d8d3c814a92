//go:build !unix

package ctlcmd

import (
	"context"
	"io"
)

// canAwait reports whether awaitInput can give up on in.
func canAwait(io.Reader) bool { return false }

// awaitInput leaves the waiting to the read.
func awaitInput(ctx context.Context, _ io.Reader) bool { return ctx.Err() == nil }
