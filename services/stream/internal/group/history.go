package group

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// maxHistory bounds the titles that a group remembers; maxHistoryText their texts, in
// bytes, so that the record fits into one message of the bus.
const (
	maxHistory     = 200
	maxHistoryText = 200
)

// history is what was audible, newest first, and for how long. Its entries are never
// changed in place.
type history struct {
	items []*tuttiv1.HistoryItem
	// What is audible now: the mark that items[0] is of, and since when it counts.
	mark    mark
	open    bool
	sinceUS int64
	// What an earlier holder of the group counted ends at fromUS, and the first title
	// after that may be the one it counted.
	fromUS int64
	handed bool
}

// follow brings the history up to house time now; wall is the same moment. sounds is
// what is audible; ok is false when nothing is.
func (h *history) follow(sounds mark, ok bool, now int64, wall time.Time) {
	if h.open && (!ok || sounds != h.mark) {
		end := now
		if ok { // what sounds after it ended it, however late the group looks
			end = min(now, sounds.startUS)
		}
		h.add(end - h.sinceUS)
		h.open = false
	}
	if !ok || h.open {
		return
	}
	h.mark, h.open, h.sinceUS = sounds, true, max(sounds.startUS, h.fromUS)
	again := h.again(sounds)
	h.handed = false
	if again {
		return
	}
	it := queueItem(clipped(sounds.item))
	entry := &tuttiv1.HistoryItem{Item: it, PlayedAt: timestamppb.New(wall)}
	h.items = append([]*tuttiv1.HistoryItem{entry}, h.items[:min(len(h.items), maxHistory-1)]...)
}

// again reports whether a mark goes on with the newest entry: after a pause, a seek or
// a change of the holder, and not from the beginning.
func (h *history) again(m mark) bool {
	if len(h.items) == 0 || m.mediaMS == 0 && !h.handed {
		return false
	}
	it := h.items[0].GetItem()
	return it.GetId() == m.item.ID && it.GetTitle() == clipped(m.item).Title
}

// add counts us to the newest entry.
func (h *history) add(us int64) {
	if len(h.items) == 0 || us <= 0 {
		return
	}
	e := proto.CloneOf(h.items[0])
	e.PlayedMs += us / 1000
	h.items = append([]*tuttiv1.HistoryItem{e}, h.items[1:]...)
}

// at is the history as of now.
func (h *history) at(now int64) []*tuttiv1.HistoryItem {
	if !h.open {
		return h.items
	}
	c := history{items: h.items}
	c.add(now - h.sinceUS)
	return c.items
}

// clipped is it with texts of bounded length.
func clipped(it playback.Item) playback.Item {
	for _, s := range []*string{&it.Title, &it.Artist, &it.Album, &it.AlbumArtist} {
		if len(*s) > maxHistoryText {
			*s = (*s)[:maxHistoryText]
		}
	}
	it.Tidy()
	return it
}
