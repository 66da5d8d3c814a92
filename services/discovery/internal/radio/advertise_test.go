package radio

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, name := range []string{"Tutti", strings.Repeat("a", 300), strings.Repeat("ü", 200), strings.Repeat("音", 100)} {
		got := clip(name)
		if len("name="+got) > 255 || !utf8.ValidString(got) || !strings.HasPrefix(name, got) || len(name) < 200 && got != name {
			t.Errorf("%d bytes became %d", len(name), len(got))
		}
	}
}
