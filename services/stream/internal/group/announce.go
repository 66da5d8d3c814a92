package group

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tutti-audio/tutti/platform/fault"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// This file is the queue of a group's announcements. Each of them ends: the clip is read
// as a whole before it begins, within clipTimeout, and is of bounded length; a holder of
// the group that finds one in the record that was not ended ends it.

// States of an announcement.
const (
	annQueued    = "queued" // waits, or is being read
	annPlaying   = "playing"
	annDone      = "done"
	annFailed    = "failed"
	annCancelled = "cancelled"
)

const (
	maxAnnouncements = 16 // that wait
	maxAnnounced     = 32 // that are remembered, those that wait included
	// clipTimeout is how long a clip may take to be opened, spoken or loaded.
	clipTimeout   = 20 * time.Second
	defaultDuckDB = 18
	maxDuckDB     = 60
	maxSpoken     = 2000 // bytes of a text
)

// announcing is what a group announces. Its announcements are never changed in place:
// records share them.
type announcing struct {
	known   []*tuttiv1.Announcement // newest first
	waiting []*job                  // in the order in which they go
	now     *job                    // is being read, or plays
	last    *job                    // that was done last: what its speakers say may come late
	restore map[string]restore      // volumes to be put back, by client
}

// job is an announcement on its way.
type job struct {
	id     string
	req    *tuttiv1.Announce
	trace  string             // of the order
	cancel context.CancelFunc // of reading the clip
	clip   *pipeline.Clip     // nil until it was read
	// Once it plays: when the clip's first sample sounds, on the house clock. 0 before.
	startUS int64
	epoch   uint64 // that it plays in
	loud    bool   // volumes were set
	asked   bool   // the sessions are asked for the last time
	heard   map[string]*heard
}

// clipRead says that a clip was read.
type clipRead struct {
	id   string
	clip *pipeline.Clip
	err  error
}

func (clipRead) message() {}

// announce takes an announcement. The same id twice is one announcement.
func (g *Group) announce(a *tuttiv1.Announce) error {
	if g.announcement(a.GetAnnouncementId()) != nil {
		return nil
	}
	if err := checkAnnounce(a); err != nil {
		return err
	}
	if len(g.ann.waiting) >= maxAnnouncements {
		return fault.New(fault.Conflict, "%d announcements wait in this group already: try again when some are done, or cancel one", len(g.ann.waiting))
	}
	j := &job{id: a.GetAnnouncementId(), req: a, trace: g.trace, heard: map[string]*heard{}}
	known := &tuttiv1.Announcement{AnnouncementId: j.id, State: annQueued, Uri: a.GetUri(), Text: a.GetText(), Priority: a.GetPriority()}
	if a.GetText() != "" {
		known.Uri = "text:"
	}
	g.ann.known = append([]*tuttiv1.Announcement{known}, g.ann.known[:min(len(g.ann.known), maxAnnounced-1)]...)
	// Behind those of the same priority.
	at := slices.IndexFunc(g.ann.waiting, func(w *job) bool { return w.req.GetPriority() < a.GetPriority() })
	if at < 0 {
		at = len(g.ann.waiting)
	}
	g.ann.waiting = slices.Insert(g.ann.waiting, at, j)
	if now := g.ann.now; now != nil && now.req.GetPriority() < a.GetPriority() {
		g.endAnnouncement(annCancelled, "a more urgent announcement interrupted it")
	}
	g.nextAnnouncement()
	return nil
}

func checkAnnounce(a *tuttiv1.Announce) error {
	switch {
	case a.GetAnnouncementId() == "":
		return fault.New(fault.Invalid, "an announcement needs an id")
	case (a.GetUri() == "") == (a.GetText() == ""):
		return fault.New(fault.OutOfRange, "say what to announce: a uri or a text, not both").WithField("body.uri", "one of uri and text")
	case len(a.GetText()) > maxSpoken:
		return fault.New(fault.OutOfRange, "the text has %d bytes; %d can be spoken", len(a.GetText()), maxSpoken).WithField("body.text", "too long")
	case a.Volume != nil && (a.GetVolume() < 0 || a.GetVolume() > 100):
		return fault.New(fault.OutOfRange, "volume %d is not in 0-100", a.GetVolume()).WithField("body.volume", "not in 0-100")
	case a.DuckDb != nil && (a.GetDuckDb() < 0 || a.GetDuckDb() > maxDuckDB):
		return fault.New(fault.OutOfRange, "ducking by %d dB is not in 0-%d", a.GetDuckDb(), maxDuckDB).WithField("body.duck_db", "not in 0-60")
	}
	return nil
}

// announcement is what is known of an announcement; nil when nothing is.
func (g *Group) announcement(id string) *tuttiv1.Announcement {
	for _, a := range g.ann.known {
		if a.GetAnnouncementId() == id {
			return a
		}
	}
	return nil
}

// note changes what is known of an announcement.
func (g *Group) note(id string, change func(a *tuttiv1.Announcement)) {
	for i, a := range g.ann.known {
		if a.GetAnnouncementId() == id {
			a = proto.CloneOf(a)
			change(a)
			g.ann.known = slices.Clone(g.ann.known)
			g.ann.known[i] = a
			g.touched = true
		}
	}
}

// nextAnnouncement has the next clip read, when none plays.
func (g *Group) nextAnnouncement() {
	if g.ann.now != nil || len(g.ann.waiting) == 0 {
		return
	}
	j := g.ann.waiting[0]
	g.ann.waiting, g.ann.now = slices.Delete(slices.Clone(g.ann.waiting), 0, 1), j
	ctx, cancel := context.WithCancel(g.ctx)
	j.cancel = cancel
	self, read, timeout := g.self, g.Clip, g.Clock.After(clipTimeout)
	done := make(chan clipRead, 1)
	g.wg.Go(func() {
		clip, err := read(ctx, j.req)
		done <- clipRead{j.id, clip, err}
	})
	life := g.ctx
	g.wg.Go(func() {
		r := clipRead{id: j.id}
		select {
		case r = <-done:
		case <-timeout: // whoever reads it may take longer to notice
			r.err = fault.New(fault.Timeout, "it could not be read within %v: check the address, or announce a file", clipTimeout)
		case <-ctx.Done():
			return
		}
		cancel()
		_ = self.Send(life, r) // fails only when the actor has ended
	})
}

// clipRead begins an announcement whose clip was read.
func (g *Group) clipRead(r clipRead) {
	j := g.ann.now
	if j == nil || j.id != r.id || j.clip != nil {
		return // it was cancelled
	}
	if r.err != nil {
		g.endAnnouncement(annFailed, r.err.Error())
		g.nextAnnouncement()
		return
	}
	j.clip = r.clip
	g.note(j.id, func(a *tuttiv1.Announcement) { a.DurationMs = r.clip.DurationUS() / 1000 })
	g.log.Info("announcement begins", "announcement", j.id, "duration_ms", r.clip.DurationUS()/1000, "music", modeName(g.s.Mode))
	if g.s.Mode == playback.Playing {
		_ = g.apply(playback.Restart{}) // it cannot fail
		return
	}
	g.clipAlone()
}

// cancelAnnouncement ends an announcement; one that has ended stays as it is.
func (g *Group) cancelAnnouncement(id string) error {
	a := g.announcement(id)
	if a == nil {
		return fault.New(fault.NotFound, "there is no announcement %q in group %s", id, g.id)
	}
	if i := slices.IndexFunc(g.ann.waiting, func(j *job) bool { return j.id == id }); i >= 0 {
		g.ann.waiting = slices.Delete(slices.Clone(g.ann.waiting), i, i+1)
		g.note(id, func(a *tuttiv1.Announcement) { a.State, a.EndedAt = annCancelled, timestamppb.New(g.Clock.Now()) })
		return nil
	}
	if g.ann.now != nil && g.ann.now.id == id {
		g.endAnnouncement(annCancelled, "")
		g.nextAnnouncement()
	}
	return nil
}

// endAnnouncement ends the one that is being read or plays. When its clip has not sounded
// to its end, what is on the tapes of it must not sound.
func (g *Group) endAnnouncement(state, reason string) {
	j := g.ann.now
	now := g.House.NowMicros()
	g.ann.now = nil
	j.cancel()
	if state == annDone {
		g.ann.last = j
	}
	players := g.reports(j, now, state)
	g.note(j.id, func(a *tuttiv1.Announcement) {
		a.State, a.Error, a.EndedAt, a.Players = state, reason, timestamppb.New(g.Clock.Now()), players
	})
	g.log.Info("announcement ended", "announcement", j.id, "state", state, "reason", reason)
	switch {
	case g.run == nil || g.run.clip != j:
	case g.run.alone:
		g.halt()
	case state != annDone:
		_ = g.apply(playback.Restart{}) // the music without it; it cannot fail
	}
}

// adopt takes over what the record of an earlier holder says: what had not ended has now.
func (g *Group) adopt(rec *tuttiv1.Group) {
	g.ann.known, g.ann.restore = rec.GetAnnouncements(), map[string]restore{}
	for _, a := range rec.GetAnnouncements() {
		for _, p := range a.GetPlayers() {
			if p.VolumeBefore != nil && p.VolumeSet != nil {
				g.ann.restore[p.GetClientId()] = restore{int(p.GetVolumeBefore()), int(p.GetVolumeSet()), a.GetAnnouncementId()}
			}
		}
		if s := a.GetState(); s == annQueued || s == annPlaying {
			g.note(a.GetAnnouncementId(), func(a *tuttiv1.Announcement) {
				a.State, a.Error, a.EndedAt = annFailed, "the server that played it has ended: announce it again", timestamppb.New(g.Clock.Now())
			})
		}
	}
}
