package playback

import (
	"strings"

	"github.com/tutti-audio/tutti/platform/fault"
)

// sourceScheme is that of addresses of sources: source:<client_id>.
const sourceScheme = "source:"

// SourceURI is the address of a client's source.
func SourceURI(clientID string) string { return sourceScheme + clientID }

// SourceOf is the client whose captured audio uri names; ok is false for other addresses.
func SourceOf(uri string) (clientID string, ok bool) {
	if len(uri) < len(sourceScheme) || !strings.EqualFold(uri[:len(sourceScheme)], sourceScheme) {
		return "", false
	}
	return uri[len(sourceScheme):], true
}

// Captured reports whether the item is a source's captured audio. Such an item has a
// timeline of its own: nothing is joined to it.
func (it Item) Captured() bool {
	_, ok := SourceOf(it.URI)
	return ok
}

// errLive refuses to seek in what has no past.
func (it Item) errLive() error {
	return fault.New(fault.Conflict, "%s is live: it cannot be sought in; pause it, or play something else", it.Label())
}
