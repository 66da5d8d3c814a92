//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package playercmd

import (
	"context"
	"os"
)

const howWithoutKeyboard = "restart the player in a terminal, and press p and Enter there"

// readable cannot tell: the read itself waits.
func readable(*os.File) (bool, error) { return true, nil }

// singleKeys has nothing to change here: keys come with Enter.
func singleKeys(*os.File) (restore func()) { return func() {} }

// onGestureSignal knows no signal here.
func onGestureSignal(ctx context.Context, _ func(byte)) { <-ctx.Done() }

// terminalWidth cannot be told.
func terminalWidth(*os.File) int { return 0 }
