package group

import (
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// TestHistoryCountsUntilTheNextTitle: a title has sounded until the next one did, also
// when the group looks only later; without a next one, until the group looks.
func TestHistoryCountsUntilTheNextTitle(t *testing.T) {
	var h history
	wall := time.Unix(1000, 0)
	one := mark{item: playback.Item{ID: "1"}, startUS: 10 * second}
	two := mark{item: playback.Item{ID: "2"}, startUS: 12 * second}
	h.follow(one, true, 10*second, wall)
	h.follow(two, true, 15*second, wall) // three seconds late
	h.follow(mark{}, false, 16*second, wall)
	if len(h.items) != 2 || h.items[1].GetPlayedMs() != 2000 || h.items[0].GetPlayedMs() != 4000 {
		t.Errorf("history %v, want 2 s of the first title and 4 s of the second", h.items)
	}
}
