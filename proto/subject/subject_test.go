package subject

import (
	"strings"
	"testing"
)

// Client ids are base64url; every address made of one must be one subject token longer.
func TestAddressesAreValidSubjects(t *testing.T) {
	id := "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd-_8"
	for _, s := range []string{Session(id), Group("lobby-1"), EventTrust(id), Tape("g1", "flac-44100-2-16")} {
		if !strings.HasPrefix(s, Prefix) || strings.ContainsAny(s, " *>") || strings.Contains(s, "..") {
			t.Errorf("%q is not a subject of ours", s)
		}
	}
	if got, want := strings.Count(Tape("g", "r"), "."), strings.Count(TapeAll, ".")+1; got != want {
		t.Errorf("a tape has %d dots, the pattern %q expects %d", got, TapeAll, want)
	}
}
