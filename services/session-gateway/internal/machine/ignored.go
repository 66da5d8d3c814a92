package machine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// What a client says that this server does not know is ignored (specification, Forward
// compatibility), counted by kind, and shown: a device that speaks a newer revision than
// its server is something an operator wants to hear of. Application-specific roles are
// none of that.

// Kinds of what is ignored: a metric label, so a closed set.
const (
	KindRole    = "role"    // a role or a version of one
	KindMessage = "message" // a JSON message type
	KindBinary  = "binary"  // a binary message id
	KindValue   = "value"   // an identifier in a known field
)

// Kinds lists them.
func Kinds() []string { return []string{KindRole, KindMessage, KindBinary, KindValue} }

// Ignored counts something that was ignored.
type Ignored struct{ Kind string }

func (Ignored) effect() {}

const (
	// maxIgnored bounds what is remembered of one session, and maxIgnoredName each
	// name: both come from the peer.
	maxIgnored     = 32
	maxIgnoredName = 64
)

// ignored is what a session has ignored, sorted, each once.
type ignored []string

// add notes something; false: it is known already, or there is no room.
func (i *ignored) add(kind, name string) bool {
	s := kind + ":" + plainName(name)
	at, found := slices.BinarySearch(*i, s)
	if found || len(*i) >= maxIgnored {
		return false
	}
	*i = slices.Insert(*i, at, s)
	return true
}

// plainName makes a peer's identifier fit to be stored and shown.
func plainName(s string) string {
	if len(s) > maxIgnoredName {
		s = s[:maxIgnoredName]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// ignore counts what was ignored, and shows what is new.
func (m *Machine) ignore(kind string, names ...string) (out []Effect) {
	fresh := false
	for _, name := range names {
		out = append(out, Ignored{kind})
		fresh = m.ignored.add(kind, name) || fresh
	}
	if fresh && m.activated {
		out = append(out, Changed{})
	}
	return out
}

// ignoreHello notes what of a hello is not known. Its effects are carried out with the
// first activation.
func (m *Machine) ignoreHello(h *wire.ClientHello) {
	m.helloIgnored = append(m.ignore(KindRole, wire.UnimplementedRoles(Implemented(), h)...), m.ignore(KindValue, h.Ignored...)...)
}

// ignoreBinary notes a binary message whose id is not implemented here.
func (m *Machine) ignoreBinary(id byte) []Effect {
	return m.ignore(KindBinary, strconv.Itoa(int(id)))
}
