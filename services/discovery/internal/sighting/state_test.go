package sighting

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/discovery/internal/record"
)

const fresh = time.Minute

func heardOn(link string, ips ...string) record.Observation {
	o := record.Observation{Key: "k", Name: "Room", Interface: link, Path: "/sendspin", Port: 8928}
	for _, ip := range ips {
		o.Addresses = append(o.Addresses, netip.MustParseAddr(ip))
	}
	return o
}

func url(ip string) string { return record.URL(netip.MustParseAddr(ip), 8928, "/sendspin") }

func TestPresence(t *testing.T) {
	at := time.Unix(1000, 0)
	s := NewState("k", nil)
	if !s.Observe(heardOn("eth0", "10.0.0.1"), at, fresh) {
		t.Error("the first observation is no change")
	}
	if s.Observe(heardOn("eth0", "10.0.0.1"), at.Add(time.Second), fresh) {
		t.Error("hearing the same again is a change")
	}
	if s.Expire(at.Add(fresh), fresh) {
		t.Error("absent too early")
	}
	if !s.Expire(at.Add(fresh+time.Second), fresh) || s.Expire(at.Add(time.Hour), fresh) {
		t.Error("absence is to be reported once")
	}
	if !s.Observe(heardOn("eth0", "10.0.0.1"), at.Add(2*time.Hour), fresh) {
		t.Error("coming back is no change")
	}
	v := s.Value()
	if v.Appearances != 2 || !v.Present || !v.FirstSeen.AsTime().Equal(at) || v.Via != ViaMDNS {
		t.Errorf("got %v", v)
	}
}

func TestAddressesDoNotFlap(t *testing.T) {
	at := time.Unix(1000, 0)
	s := NewState("k", nil)
	s.Observe(heardOn("eth1", "10.0.0.9"), at, fresh)
	s.Observe(heardOn("eth0", "10.0.0.1", "fe80::1"), at, fresh)
	if v := s.Value(); v.Url != url("10.0.0.9") || !slices.Equal(v.OtherUrls, []string{url("10.0.0.1"), url("fe80::1")}) {
		t.Errorf("an equal address took over: %v", v)
	}
	// The one in use is not heard any more: the other takes over, the old one goes.
	s.Observe(heardOn("eth0", "10.0.0.1"), at.Add(2*fresh), fresh)
	if v := s.Value(); v.Url != url("10.0.0.1") || len(v.OtherUrls) != 0 {
		t.Errorf("got %v", v)
	}
	// A better kind takes over at once.
	s = NewState("k", nil)
	s.Observe(heardOn("eth0", "fd00::1"), at, fresh)
	s.Observe(heardOn("eth0", "10.0.0.1", "fd00::1"), at, fresh)
	if v := s.Value(); v.Url != url("10.0.0.1") {
		t.Errorf("got %v", v)
	}
}

func TestMerge(t *testing.T) {
	at := time.Unix(1000, 0)
	s := NewState("k", nil)
	s.Observe(heardOn("eth0", "10.0.0.1"), at, fresh)
	s.Merge(&tuttiv1.Sighting{FirstSeen: timestamppb.New(at.Add(-time.Hour)), LastSeen: timestamppb.New(at.Add(time.Second)), Appearances: 7, Present: true})
	v := s.Value()
	if !v.FirstSeen.AsTime().Equal(at.Add(-time.Hour)) || v.Appearances != 7 || !v.LastSeen.AsTime().Equal(at.Add(time.Second)) {
		t.Errorf("got %v", v)
	}
	s.Merge(&tuttiv1.Sighting{})
	if got := s.Value(); got.Appearances != 7 || !got.Present {
		t.Errorf("an empty value took something away: %v", got)
	}
}
