// Package sighting is one device address: the state machine that decides what is
// known of it, and the actor that writes it to the bucket.
package sighting

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

// Ways by which a device became known (Sighting.via).
const (
	ViaMDNS   = record.ViaMDNS
	ViaDNSSD  = record.ViaDNSSD
	ViaStatic = "static"
	ViaAPI    = "api"
)

// Heard reports whether a sighting that became known this way is there for as long as the
// network tells of it; the others are what somebody wrote down.
func Heard(via string) bool { return via == ViaMDNS || via == ViaDNSSD }

// State is what one instance of the service knows of one device that the network tells of.
// Absence is a remark, never a removal: mDNS and DNS-SD are hints.
type State struct {
	value *tuttiv1.Sighting
	heard map[string]heard // by interface
}

// heard is the latest observation on one interface.
type heard struct {
	o  record.Observation
	at time.Time
}

// NewState starts from what the bucket has, which may be nil.
func NewState(key string, stored *tuttiv1.Sighting) *State {
	v := &tuttiv1.Sighting{Key: key, Via: ViaMDNS}
	if stored != nil {
		v = proto.CloneOf(stored)
	}
	return &State{value: v, heard: map[string]heard{}}
}

// Value is a copy of the present value.
func (s *State) Value() *tuttiv1.Sighting { return proto.CloneOf(s.value) }

// Observe takes an observation in. It reports whether something changed beside the
// time; freshness bounds how long an address counts that is not heard any more.
func (s *State) Observe(o record.Observation, now time.Time, freshness time.Duration) bool {
	before := s.Value()
	s.heard[o.Interface] = heard{o, now}
	s.value.Name, s.value.Interface = o.Name, o.Interface
	if o.Via != "" {
		s.value.Via = o.Via
	}
	s.choose(now, freshness)
	if !s.value.Present {
		s.value.Present = true
		s.value.Appearances++
	}
	if s.value.FirstSeen == nil {
		s.value.FirstSeen = timestamppb.New(now)
	}
	s.value.LastSeen = timestamppb.New(now)
	return significant(before, s.value)
}

// Expire marks the device absent when it was not heard for freshness, and reports
// whether it did.
func (s *State) Expire(now time.Time, freshness time.Duration) bool {
	if !s.value.Present || now.Sub(s.value.LastSeen.AsTime()) < freshness {
		return false
	}
	s.value.Present = false
	return true
}

// Merge takes in what another instance of the service wrote meanwhile.
func (s *State) Merge(other *tuttiv1.Sighting) {
	if f := other.GetFirstSeen(); f != nil && (s.value.FirstSeen == nil || f.AsTime().Before(s.value.FirstSeen.AsTime())) {
		s.value.FirstSeen = f
	}
	s.value.Appearances = max(s.value.Appearances, other.GetAppearances())
	if l := other.GetLastSeen(); l != nil && (s.value.LastSeen == nil || l.AsTime().After(s.value.LastSeen.AsTime())) {
		s.value.LastSeen = l
		s.value.Present = s.value.Present || other.GetPresent()
	}
}

// choose sets the addresses: the best kind first; among equals the one that is in
// use stays, so that a device with two addresses does not flap.
func (s *State) choose(now time.Time, freshness time.Duration) {
	type candidate struct {
		url  string
		rank int
	}
	var all []candidate
	seen := map[string]bool{}
	for ifi, h := range s.heard {
		if now.Sub(h.at) > freshness {
			delete(s.heard, ifi)
			continue
		}
		for i, u := range h.o.URLs() {
			if !seen[u] {
				seen[u] = true
				all = append(all, candidate{u, record.Rank(h.o.Addresses[i])})
			}
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		switch {
		case a.rank != b.rank:
			return a.rank - b.rank
		case a.url == s.value.Url:
			return -1
		case b.url == s.value.Url:
			return 1
		case a.url < b.url:
			return -1
		}
		return 1
	})
	s.value.Url, s.value.OtherUrls = all[0].url, nil
	for _, c := range all[1:] {
		s.value.OtherUrls = append(s.value.OtherUrls, c.url)
	}
}

// significant reports whether a and b differ in more than the time.
func significant(a, b *tuttiv1.Sighting) bool {
	return a.Url != b.Url || a.Name != b.Name || a.Present != b.Present || !slices.Equal(a.OtherUrls, b.OtherUrls)
}
