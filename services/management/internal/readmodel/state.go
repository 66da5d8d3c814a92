package readmodel

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// state is everything the buckets said, and what changed since the last flush.
// It is plain data: no goroutine, no clock, no bus.
type state struct {
	presence  map[string]*pb.ClientPresence
	trust     map[string]*pb.TrustRecord
	groups    map[string]*pb.Group
	groupsOf  map[string][]string         // client id -> ids of the groups that name it
	homeOf    map[string]string           // client id -> its home zone
	tuning    map[string]*pb.ClientTuning // the operator's choices
	sightings map[string]*pb.Sighting
	personas  map[string]*pb.Persona
	personaOf map[string]string // active device -> persona id
	settings  *pb.ServerSettings
	instances map[string]*pb.Instance
	pairings  map[string]*pb.PairingAttempt
	schedules map[string]*pb.Schedule
	holidays  *pb.Holidays
	firstSeen map[string]time.Time // of keys for which nobody stated a time

	dirtyClients   map[string]struct{}
	dirtyGroups    map[string]struct{}
	dirtyPairings  map[string]struct{}
	dirtyPersonas  map[string]struct{}
	dirtySchedules map[string]struct{}
	dirtyHolidays  bool
	dirtyServer    bool
	dirtyAlive     bool
	dirtyInbox     bool
	dirtySightings bool
}

func newState() *state {
	return &state{
		presence:       map[string]*pb.ClientPresence{},
		trust:          map[string]*pb.TrustRecord{},
		groups:         map[string]*pb.Group{},
		groupsOf:       map[string][]string{},
		homeOf:         map[string]string{},
		tuning:         map[string]*pb.ClientTuning{},
		sightings:      map[string]*pb.Sighting{},
		instances:      map[string]*pb.Instance{},
		pairings:       map[string]*pb.PairingAttempt{},
		personas:       map[string]*pb.Persona{},
		personaOf:      map[string]string{},
		firstSeen:      map[string]time.Time{},
		dirtyClients:   map[string]struct{}{},
		dirtyGroups:    map[string]struct{}{},
		dirtyPairings:  map[string]struct{}{},
		dirtyPersonas:  map[string]struct{}{},
		schedules:      map[string]*pb.Schedule{},
		dirtySchedules: map[string]struct{}{},
	}
}

// dirty reports whether a flush would change anything.
func (s *state) dirty() bool {
	return len(s.dirtyClients) > 0 || len(s.dirtyGroups) > 0 || len(s.dirtyPairings) > 0 || len(s.dirtyPersonas) > 0 ||
		len(s.dirtySchedules) > 0 || s.dirtyHolidays || s.dirtyServer || s.dirtyAlive || s.dirtyInbox || s.dirtySightings
}

func (s *state) putPresence(id string, p *pb.ClientPresence) {
	put(s.presence, id, p, p == nil)
	s.dirtyClients[id] = struct{}{}
	// The inbox shows the name, the address and the roles that presence tells.
	if s.trust[id].GetWaitingReason() != "" {
		s.dirtyInbox = true
	}
}

func (s *state) putTrust(id string, t *pb.TrustRecord) {
	if t.GetWaitingReason() != "" || s.trust[id].GetWaitingReason() != "" {
		s.dirtyInbox = true
	}
	put(s.trust, id, t, t == nil)
	s.dirtyClients[id] = struct{}{}
}

func (s *state) putGroup(id string, g *pb.Group) {
	for _, m := range s.groups[id].GetMembers() {
		s.groupsOf[m] = slices.DeleteFunc(s.groupsOf[m], func(x string) bool { return x == id })
		if len(s.groupsOf[m]) == 0 {
			delete(s.groupsOf, m)
		}
		s.dirtyClients[m] = struct{}{}
		s.placed(m)
	}
	s.settle(s.groups[id], g, id)
	s.scheduled(s.groups[id].GetSchedule(), g.GetSchedule())
	put(s.groups, id, g, g == nil)
	for _, m := range g.GetMembers() {
		if !slices.Contains(s.groupsOf[m], id) {
			s.groupsOf[m] = append(s.groupsOf[m], id)
		}
		s.dirtyClients[m] = struct{}{}
		s.placed(m)
	}
	s.dirtyGroups[id] = struct{}{}
}

// settle notes whose home a group is, before and now.
func (s *state) settle(before, now *pb.Group, id string) {
	for _, c := range before.GetAssigned() {
		if s.homeOf[c] == id && !slices.Contains(now.GetAssigned(), c) {
			delete(s.homeOf, c)
			s.dirtyClients[c] = struct{}{}
		}
	}
	for _, c := range now.GetAssigned() {
		if s.homeOf[c] != id {
			s.homeOf[c] = id
			s.dirtyClients[c] = struct{}{}
		}
	}
}

func (s *state) putTuning(id string, t *pb.ClientTuning) {
	put(s.tuning, id, t, t == nil)
	s.dirtyClients[id] = struct{}{}
}

func (s *state) putPairing(id string, v *pb.PairingAttempt) {
	put(s.pairings, id, v, v == nil)
	s.dirtyPairings[id] = struct{}{}
}

func (s *state) putSighting(key string, v *pb.Sighting) {
	put(s.sightings, key, v, v == nil)
	s.dirtySightings = true
}

func (s *state) putSettings(v *pb.ServerSettings) {
	s.settings = v
	s.dirtyServer = true
}

// putInstance takes a heartbeat; the bucket's TTL tells of the last one. The load, which
// every heartbeat tells anew, is no change of the server.
func (s *state) putInstance(key string, v *pb.Instance) {
	if !proto.Equal(s.instances[key], v) {
		s.dirtyAlive = true
		s.dirtyServer = s.dirtyServer || !sameInstance(s.instances[key], v)
	}
	put(s.instances, key, v, v == nil)
}

// sameInstance reports whether a and b differ in their load at most. The capacity is with
// the load, and no part of it.
func sameInstance(a, b *pb.Instance) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := proto.CloneOf(a), proto.CloneOf(b)
	x.Load, y.Load = nil, nil
	return proto.Equal(x, y) && a.GetLoad().GetCapacity() == b.GetLoad().GetCapacity()
}

// groupOf is the group a client plays in. A client belongs to one group; while a
// move is under way two may name it, and then the lasting one counts.
func (s *state) groupOf(id string) string {
	best := ""
	for _, g := range s.groupsOf[id] {
		switch {
		case best == "":
			best = g
		case s.groups[best].GetSolo() && !s.groups[g].GetSolo():
			best = g
		case s.groups[best].GetSolo() == s.groups[g].GetSolo() && g < best:
			best = g
		}
	}
	return best
}

// client builds the API object of a key, or nil when neither the gateway nor
// pairing knows it.
func (s *state) client(id string, now time.Time) *model.Client {
	p, t := s.presence[id], s.trust[id]
	if p == nil && t == nil {
		delete(s.firstSeen, id)
		return nil
	}
	fallback := now
	if t.GetFirstSeenAt() == nil && p.GetConnectedAt() == nil {
		seen, ok := s.firstSeen[id]
		if !ok {
			seen = now
			s.firstSeen[id] = seen
		}
		fallback = seen
	}
	c := buildClient(id, p, t, s.groupOf(id), s.homeOf[id], fallback)
	c.Tuning = buildTuning(s.tuning[id])
	if f := s.tuning[id].GetFormat(); f != nil && c.Player != nil {
		c.Player.PreferredFormat = buildFormat(f)
	}
	return c
}

func put[V any](m map[string]V, key string, v V, gone bool) {
	if gone {
		delete(m, key)
		return
	}
	m[key] = v
}
