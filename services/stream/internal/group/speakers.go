package group

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
)

// This file is what an announcement does to each speaker, and what each of them received.

// listenEveryUS is how often it is looked at what the players were sent.
const listenEveryUS = 500_000

// lostMS is how much of a clip may be missing at its ends for it to count as played: the
// length of a chunk, and the clocks' grain.
const lostMS = 150

// restore is a volume that is put back after an announcement, unless somebody has
// changed it meanwhile.
type restore struct {
	before, set int
	id          string // of the announcement
}

// setLoud sets the players to the announcement's volume, inside their limits. Who is
// muted stays muted.
func (g *Group) setLoud(j *job, now int64) {
	j.loud = true
	if j.req.Volume == nil {
		return
	}
	players, levels := g.levels(now)
	for i, m := range players {
		before := levels[i].Volume
		set := min(max(int(j.req.GetVolume()), levels[i].Min), levels[i].Max)
		if r, ok := g.ann.restore[m.id]; ok && r.set == before { // one announcement follows another
			before = r.before
		}
		delete(g.ann.restore, m.id)
		if set == levels[i].Volume && set == before {
			continue
		}
		g.ann.restore[m.id] = restore{before, set, j.id}
		g.order(m, set, now)
	}
	g.noteVolumes(j.id)
}

// order sets one player's volume.
func (g *Group) order(m *member, v int, now int64) {
	g.orders++
	g.hopeUS = now + hopeTime
	m.volume = order{seq: g.orders, value: int32(v), session: m.p.GetSessionId()}
	m.hope, m.hopeUS = v, g.hopeUS
	g.dirty[m.id] = true
}

// restoreVolumes puts volumes back whose announcement is over. A player that is away is
// put back when it returns; one whose volume is not what was set was changed by somebody,
// and stays.
func (g *Group) restoreVolumes(now int64) {
	for id, r := range g.ann.restore {
		if g.ann.now != nil && g.ann.now.id == r.id {
			continue
		}
		m := g.members[id]
		if m == nil {
			delete(g.ann.restore, id) // it has left the group: it is not ours any more
			g.noteVolumes(r.id)
			continue
		}
		p := presence.Player(m.p)
		if p == nil || !presence.Takes(p, "volume") {
			continue
		}
		if m.level(now) == r.set {
			g.order(m, r.before, now)
		}
		delete(g.ann.restore, id)
		g.noteVolumes(r.id)
	}
}

// noteVolumes keeps in the record what must be put back, should this holder be lost.
func (g *Group) noteVolumes(id string) {
	g.note(id, func(a *tuttiv1.Announcement) {
		for _, p := range a.Players {
			p.VolumeBefore, p.VolumeSet = nil, nil
		}
		for client, r := range g.ann.restore {
			if r.id != id {
				continue
			}
			before, set := int32(r.before), int32(r.set)
			i := slices.IndexFunc(a.Players, func(p *tuttiv1.AnnouncementPlayer) bool { return p.GetClientId() == client })
			if i < 0 {
				a.Players = append(a.Players, &tuttiv1.AnnouncementPlayer{ClientId: client, State: "pending"})
				i = len(a.Players) - 1
			}
			a.Players[i].VolumeBefore, a.Players[i].VolumeSet = &before, &set
		}
	})
}

// heard is what one speaker received of a clip so far.
type heard struct {
	fromUS int64 // house time of the first of it that it can have
	sentUS int64 // house time up to which it was sent; 0: nothing
	lostUS int64 // what was not sent in between, or too late
	late   uint64
	seen   bool   // late counts from here
	why    string // why it receives nothing now
}

// listen looks at what the players were sent of the clip.
func (g *Group) listen(j *job, now int64) {
	for id, m := range g.members {
		p := g.Hub.Get(id)
		if !isSpeaker(p) {
			continue
		}
		h := j.heard[id]
		if h == nil {
			h = &heard{fromUS: j.startUS}
			j.heard[id] = h
		}
		was := h.why
		if h.why = g.silentWhy(m, p); h.why != "" {
			continue
		}
		if soon := now + presence.Full(p.GetPlayer()); was != "" && soon > j.startUS { // it is (back) there
			if h.sentUS == 0 {
				h.fromUS = soon
			} else {
				h.lostUS += max(soon-h.sentUS, 0)
			}
			h.seen = false
		}
		h.follow(g, j, p.GetStream())
	}
}

// askEarlyUS is how long before the end of a clip its speakers are asked what they were
// sent: it was sent long before, and so the report is there with the end.
const (
	askEarlyUS = 150_000
	askTimeout = 5 * time.Second
)

// spoken is what the sessions said of a clip.
type spoken struct {
	id      string
	streams map[string]*tuttiv1.StreamStatus
}

func (spoken) message() {}

// askSpeakers asks the sessions, beside the actor.
func (g *Group) askSpeakers(j *job) {
	j.asked = true
	var ids []string
	for id, h := range j.heard {
		if h.why == "" {
			ids = append(ids, id)
		}
	}
	self, life, ask := g.self, g.ctx, g.Stream
	g.wg.Go(func() {
		ctx, cancel := context.WithTimeout(life, askTimeout)
		defer cancel()
		_ = self.Send(life, spoken{j.id, askAll(ctx, ids, ask)}) // fails only when the actor has ended
	})
}

// askAll asks a number of sessions at the same time.
func askAll(ctx context.Context, ids []string, ask func(context.Context, string) (*tuttiv1.StreamStatus, error)) map[string]*tuttiv1.StreamStatus {
	out := map[string]*tuttiv1.StreamStatus{}
	var mu sync.Mutex // of out
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for _, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if s, err := ask(ctx, id); err == nil && s != nil {
				mu.Lock()
				defer mu.Unlock()
				out[id] = s
			}
		})
	}
	wg.Wait()
	return out
}

// spoken takes what the sessions said, when the clip is over as well.
func (g *Group) spoken(m spoken) {
	j := g.ann.now
	if j == nil || j.id != m.id {
		if j = g.ann.last; j == nil || j.id != m.id {
			return
		}
	}
	for id, s := range m.streams {
		if h := j.heard[id]; h != nil {
			h.follow(g, j, s)
		}
	}
	if j == g.ann.last {
		players := g.reports(j, j.startUS+j.clip.DurationUS(), annDone)
		g.note(j.id, func(a *tuttiv1.Announcement) { a.Players = players })
	}
}

// isSpeaker reports whether a client is one that announcements are for.
func isSpeaker(p *tuttiv1.ClientPresence) bool {
	return slices.ContainsFunc(p.GetSupportedRoles(), isPlayerRole) || slices.ContainsFunc(p.GetActiveRoles(), isPlayerRole)
}

func isPlayerRole(role string) bool { return len(role) >= 6 && role[:6] == "player" }

// silentWhy is why a speaker receives nothing now; "" when it should.
func (g *Group) silentWhy(m *member, p *tuttiv1.ClientPresence) string {
	switch {
	case !p.GetConnected():
		return "it is not connected"
	case presence.Player(p) == nil:
		return "it is not admitted as a player: look at the inbox"
	case !p.GetAvailable():
		return "it is in use by something else"
	case !m.streams:
		return "it plays no format that can be produced"
	}
	return ""
}

// follow takes a player's stream as it is.
func (h *heard) follow(g *Group, j *job, s *tuttiv1.StreamStatus) {
	if s.GetGroupId() != g.id || s.GetEpoch() != j.epoch || s.GetSentUntilUs() == 0 {
		return
	}
	if h.seen && s.GetChunksLate() > h.late {
		h.lostUS += int64(s.GetChunksLate()-h.late) * int64(g.ChunkMS) * 1000
	}
	h.seen, h.late = true, s.GetChunksLate()
	h.sentUS = max(h.sentUS, s.GetSentUntilUs())
}

// reports is what each speaker received of a clip that ends now.
func (g *Group) reports(j *job, now int64, state string) (out []*tuttiv1.AnnouncementPlayer) {
	if j.startUS != 0 && j != g.ann.last {
		g.listen(j, now)
	}
	for _, id := range g.rec.GetMembers() {
		p := g.Hub.Get(id)
		if !isSpeaker(p) {
			continue
		}
		r := &tuttiv1.AnnouncementPlayer{ClientId: id, State: "missed", Reason: "the announcement ended before it began"}
		if h := j.heard[id]; h != nil {
			end := now
			if state == annDone {
				end = j.startUS + j.clip.DurationUS()
			}
			h.report(r, j, end)
			if r.State == "played" && p.GetPlayer().GetMuted() {
				r.Reason = "it is muted"
			}
		}
		out = append(out, r)
	}
	for client, r := range g.ann.restore {
		for _, p := range out {
			if p.GetClientId() == client && r.id == j.id {
				before, set := int32(r.before), int32(r.set)
				p.VolumeBefore, p.VolumeSet = &before, &set
			}
		}
	}
	return out
}

// report words what was heard of a clip that sounded until end.
func (h *heard) report(r *tuttiv1.AnnouncementPlayer, j *job, end int64) {
	all := j.clip.DurationUS() / 1000
	r.SentMs = min(max((min(h.sentUS, end)-h.fromUS-h.lostUS)/1000, 0), all)
	switch {
	case r.SentMs >= all-lostMS:
		r.State, r.Reason = "played", ""
	case r.SentMs > 0:
		r.State = "partly"
		r.Reason = h.partly(j, end)
	default:
		if r.Reason = h.why; r.Reason == "" {
			r.Reason = "its session did not take the stream in time"
		}
	}
}

func (h *heard) partly(j *job, end int64) string {
	switch {
	case h.why != "":
		return h.why
	case h.lostUS > 0:
		return fmt.Sprintf("%d ms came too late or not at all", h.lostUS/1000)
	case h.fromUS > j.startUS+lostMS*1000:
		return "it joined when the clip had begun"
	case end < j.startUS+j.clip.DurationUS():
		return "the announcement was ended"
	}
	return "its connection was too slow"
}
