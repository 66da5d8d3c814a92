// Package readmodel merges what the other services publish in their KV buckets
// into the objects of the operator API.
//
// One actor (Projection) owns the merge. It swaps an immutable Snapshot
// atomically, so a GET never waits for a writer, and appends changes to the live
// feed in the same order.
package readmodel

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// Snapshot is the read model at one moment. Nothing in it changes after it was
// published; readers may keep it as long as they like.
type Snapshot struct {
	// Clients are ordered by client id, Groups by group id.
	Clients   []*model.Client
	Groups    []*pb.Group
	Pairings  []*model.Pairing // the newest attempt of each client, ordered by client id
	Inbox     []model.InboxEntry
	Personas  []*model.Persona   // ordered by id
	Schedules []*model.Schedule  // ordered by id
	Days      *pb.Holidays       // nil: none were set
	Settings  *pb.ServerSettings // nil until pairing has spoken
	Instances []model.Instance
	Sightings []model.Sighting
	// Alive are the last heartbeats of Instances, with their load, in the same order.
	Alive    []*pb.Instance
	Gateways []Gateway // that listen for devices, newest first
}

// Client finds a client by id; nil when unknown.
func (s *Snapshot) Client(id string) *model.Client {
	i, ok := slices.BinarySearchFunc(s.Clients, id, byClientID)
	if !ok {
		return nil
	}
	return s.Clients[i]
}

// Group finds a group by id; nil when unknown.
func (s *Snapshot) Group(id string) *pb.Group {
	i, ok := slices.BinarySearchFunc(s.Groups, id, byGroupID)
	if !ok {
		return nil
	}
	return s.Groups[i]
}

// Pairing finds the newest attempt to pair a client; nil when there was none.
func (s *Snapshot) Pairing(id string) *model.Pairing {
	i, ok := slices.BinarySearchFunc(s.Pairings, id, pairingByClientID)
	if !ok {
		return nil
	}
	return s.Pairings[i]
}

// Waiting is the inbox without the entries that have expired at now.
func (s *Snapshot) Waiting(now time.Time) model.Inbox {
	out := model.Inbox{Waiting: make([]model.InboxEntry, 0, len(s.Inbox))}
	for _, e := range s.Inbox {
		if e.ExpiresAt == nil || e.ExpiresAt.After(now) {
			out.Waiting = append(out.Waiting, e)
		}
	}
	return out
}

func byClientID(c *model.Client, id string) int { return strings.Compare(c.ClientID, id) }
func byGroupID(g *pb.Group, id string) int      { return strings.Compare(g.GetGroupId(), id) }

func pairingByClientID(p *model.Pairing, id string) int { return strings.Compare(p.ClientID, id) }

// change is one thing that a flush altered.
type change struct {
	kind string // one of the Event constants
	id   string
	zone string // of what is removed, where it cannot be looked up any more
	// telemetry: nothing but counters and times moved (see significant).
	telemetry bool
}

// flush folds what is dirty into a new snapshot and says what changed, clients
// first. Unchanged parts are shared with prev.
func (s *state) flush(prev *Snapshot, now time.Time) (*Snapshot, []change) {
	next := *prev
	var changes []change
	if len(s.dirtyClients) > 0 {
		next.Clients, changes = s.flushClients(prev, now)
	}
	if len(s.dirtyGroups) > 0 {
		var more []change
		next.Groups, more = s.flushGroups(prev)
		changes = append(changes, more...)
	}
	if len(s.dirtyPairings) > 0 {
		var more []change
		next.Pairings, more = s.flushPairings(prev)
		changes = append(changes, more...)
	}
	if s.dirtyInbox {
		next.Inbox = s.buildInbox(&next)
		changes = append(changes, change{kind: EventInboxUpdated})
		s.dirtyInbox = false
	}
	if len(s.dirtyPersonas) > 0 {
		var more []change
		next.Personas, more = s.flushPersonas(prev)
		changes = append(changes, more...)
	}
	if len(s.dirtySchedules) > 0 {
		var more []change
		next.Schedules, more = s.flushSchedules(prev)
		changes = append(changes, more...)
	}
	if s.dirtyHolidays {
		next.Days, s.dirtyHolidays = s.holidays, false
		changes = append(changes, change{kind: EventHolidaysUpdated})
	}
	if s.dirtyServer {
		next.Settings, next.Instances, next.Gateways = s.settings, s.buildInstances(), s.buildGateways()
		changes = append(changes, change{kind: EventServerUpdated})
		s.dirtyServer = false
	}
	if s.dirtyAlive {
		next.Alive = s.buildAlive()
		s.dirtyAlive = false
	}
	if s.dirtySightings {
		next.Sightings = s.buildSightings()
		s.dirtySightings = false
	}
	return &next, changes
}

func (s *state) flushClients(prev *Snapshot, now time.Time) ([]*model.Client, []change) {
	out := slices.Clone(prev.Clients)
	var changes []change
	for _, id := range sortedKeys(s.dirtyClients) {
		c := s.client(id, now)
		i, known := slices.BinarySearchFunc(out, id, byClientID)
		switch {
		case c == nil && known:
			out = slices.Delete(out, i, i+1)
			changes = append(changes, change{kind: EventClientRemoved, id: id})
		case c != nil && !known:
			out = slices.Insert(out, i, c)
			changes = append(changes, change{kind: EventClientUpdated, id: id})
		case c != nil:
			if reflect.DeepEqual(out[i], c) {
				break
			}
			changes = append(changes, change{kind: EventClientUpdated, id: id, telemetry: !significant(out[i], c)})
			s.memberChanged(out[i], c)
			out[i] = c
		}
	}
	clear(s.dirtyClients)
	return out, changes
}

// memberChanged has a group shown again when the status of one of its members changed in
// more than numbers.
func (s *state) memberChanged(before, after *model.Client) {
	id := after.GroupID
	g := s.groups[id]
	if g == nil {
		return
	}
	a, b := memberStatus(g, after.ClientID, before), memberStatus(g, after.ClientID, after)
	if a.State != b.State || !reflect.DeepEqual(a.Format, b.Format) {
		s.dirtyGroups[id] = struct{}{}
	}
}

func (s *state) flushGroups(prev *Snapshot) ([]*pb.Group, []change) {
	out := slices.Clone(prev.Groups)
	var changes []change
	for _, id := range sortedKeys(s.dirtyGroups) {
		g := s.groups[id]
		i, known := slices.BinarySearchFunc(out, id, byGroupID)
		switch {
		case g == nil && known:
			out = slices.Delete(out, i, i+1)
			changes = append(changes, change{kind: EventGroupRemoved, id: id})
		case g != nil:
			var before *pb.Group
			if known {
				before, out[i] = out[i], g
			} else {
				out = slices.Insert(out, i, g)
			}
			changes = append(changes, change{kind: EventGroupUpdated, id: id})
			if !sameQueue(before, g) {
				changes = append(changes, change{kind: EventQueueUpdated, id: id})
			}
		}
	}
	clear(s.dirtyGroups)
	return out, changes
}

func (s *state) buildInbox(snap *Snapshot) []model.InboxEntry {
	var out []model.InboxEntry
	for id, t := range s.trust {
		if t.GetWaitingReason() == "" {
			continue
		}
		if c := snap.Client(id); c != nil {
			out = append(out, buildInboxEntry(c, t))
		}
	}
	slices.SortFunc(out, func(a, b model.InboxEntry) int {
		return cmp.Or(a.FirstSeenAt.Compare(b.FirstSeenAt), strings.Compare(a.ClientID, b.ClientID))
	})
	return out
}

func (s *state) buildInstances() []model.Instance {
	var out []model.Instance
	for _, v := range s.instances {
		i := model.Instance{
			Service: v.GetService(), InstanceID: v.GetInstanceId(),
			Version: v.GetVersion(), Host: v.GetHost(), Addresses: v.GetAddresses(),
			Ready: IsReady(v), NotReady: v.GetReadiness().GetReason(), Draining: v.GetDraining(), Capacity: v.GetLoad().GetCapacity(),
		}
		if t := at(v.GetStartedAt()); t != nil {
			i.StartedAt = *t
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b model.Instance) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.InstanceID, b.InstanceID))
	})
	return out
}

// IsReady reports whether a process says that it can do its work. One of an older version
// does not say, and counts as ready.
func IsReady(v *pb.Instance) bool { return v.GetReadiness() == nil || v.GetReadiness().GetReady() }

func (s *state) buildAlive() []*pb.Instance {
	out := slices.Collect(maps.Values(s.instances))
	slices.SortFunc(out, func(a, b *pb.Instance) int {
		return cmp.Or(strings.Compare(a.GetService(), b.GetService()), strings.Compare(a.GetInstanceId(), b.GetInstanceId()))
	})
	return out
}

func (s *state) buildSightings() []model.Sighting {
	var out []model.Sighting
	for _, key := range sortedKeys(s.sightings) {
		out = append(out, BuildSighting(s.sightings[key]))
	}
	return out
}

// BuildSighting renders what discovery knows of one address.
func BuildSighting(v *pb.Sighting) model.Sighting {
	return model.Sighting{
		Key: v.GetKey(), URL: v.GetUrl(), Name: v.GetName(), Via: v.GetVia(),
		Interface: v.GetInterface(), Present: v.GetPresent(),
		FirstSeen: at(v.GetFirstSeen()), LastSeen: at(v.GetLastSeen()), Appearances: v.GetAppearances(),
	}
}

// significant reports whether b differs from a in more than counters and times
// that move all the while a device plays.
func significant(a, b *model.Client) bool {
	x, y := *a, *b
	for _, c := range []*model.Client{&x, &y} {
		c.LastSeenAt, c.Sync = time.Time{}, nil
		if c.Player != nil {
			p := *c.Player
			p.BufferedMS, p.BufferedBytes, p.ChunksSent, p.ChunksLate, p.ChunksLateNow, p.MinLeadMS = 0, 0, 0, 0, 0, 0
			c.Player = &p
		}
	}
	return !reflect.DeepEqual(&x, &y)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
