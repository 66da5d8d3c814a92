package session

import (
	"errors"
	"io"
	"slices"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// OnlyPairing reports whether a drop without goodbye is a session's end instead of
// a restart (specification, client/goodbye).
func (e Ended) OnlyPairing() bool { return len(e.Activities) > 0 && !hasPlayback(e.Activities) }

// hasPlayback reports whether 'playback' is among activities.
func hasPlayback(activities []string) bool { return slices.Contains(activities, wire.ActivityPlayback) }

// isEOF reports whether the peer's socket ended.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
