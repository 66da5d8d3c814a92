package group

import (
	"errors"
	"testing"

	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// TestWhyATitleWasSkippedIsOneSentence: thing, cause, next step, each once.
func TestWhyATitleWasSkippedIsOneSentence(t *testing.T) {
	it := playback.Item{URI: "jazz/a.m4a"}
	for _, x := range []struct {
		err  string
		part bool
		want string
	}{
		{"a.m4a: it is AAC, which needs ffmpeg: ffmpeg is not installed: install Debian's package ffmpeg", false,
			"jazz/a.m4a was skipped: it is AAC, which needs ffmpeg: ffmpeg is not installed: install Debian's package ffmpeg"},
		{"jazz/a.m4a: file does not exist below the music folder: check its path, or look for it with 'tutti library search'", false,
			"jazz/a.m4a was skipped: file does not exist below the music folder: check its path, or look for it with 'tutti library search'"},
		{"a.m4a: the disk does not answer", true,
			"jazz/a.m4a breaks off and was skipped: the disk does not answer; check the file or address, or remove it from the queue"},
	} {
		if got := failure(pipeline.Failed{Item: it, Err: errors.New(x.err), Partial: x.part}); got != x.want {
			t.Errorf("got  %q\nwant %q", got, x.want)
		}
	}
}
