package stream

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
)

// persona writes what pairing would: the first device is active.
func (r *rig) persona(id, replaced string, devices ...*device) {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.Persona](context.Background(), r.bus, subject.BucketPersonas, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	p := &tuttiv1.Persona{PersonaId: id, Kind: "endpoint", Name: "Lobby left", Replaced: replaced, Retired: len(devices) == 0}
	for i, d := range devices {
		p.Devices = append(p.Devices, &tuttiv1.PersonaDevice{ClientId: d.id, Active: i == 0})
	}
	if _, err := b.Put(context.Background(), id, p); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) members(group string, want ...*device) {
	r.t.Helper()
	var ids []string
	for _, d := range want {
		ids = append(ids, d.id)
	}
	until(r.t, func() string {
		if got := r.get(group).GetMembers(); !slices.Equal(got, ids) {
			return fmt.Sprintf("members %v, want %v", got, ids)
		}
		return ""
	})
}

// seated waits until the director has carried out that the device stands for the persona.
func (r *rig) seated(persona string, d *device) {
	r.t.Helper()
	b, err := bus.OpenBucket[tuttiv1.Seat](context.Background(), r.bus, subject.BucketSeats, bus.BucketOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	until(r.t, func() string {
		s, _, err := b.Get(context.Background(), persona)
		if err != nil || s.GetClientId() != d.id {
			return fmt.Sprintf("seat %v, %v", s, err)
		}
		return ""
	})
}

// TestMusicFollowsThePersona: while a group plays, a swap moves the stream from the old
// speaker to the new one; a swap while the service is down is made up for.
func TestMusicFollowsThePersona(t *testing.T) {
	t.Parallel()
	r := newRig(t, bustest.Embedded(t))
	stop := r.service(r.bus, "one")
	r.file("long.wav", 30, 1)
	a, b, other := r.device("a", "pcm:44100:16:2"), r.device("b", "pcm:44100:16:2"), r.device("other", "pcm:44100:16:2")
	g := r.make("Lobby", a, other)
	r.groupOf(b)
	r.persona("p-lobby", "", a, b)
	r.seated("p-lobby", a)
	r.command(play(g, "long.wav"))
	playing := other.playing(0)
	a.playing(0)

	r.persona("p-lobby", a.id, b, a)
	r.members(g, b, other)
	if s := b.playing(0); s.GetEpoch() != playing.GetEpoch() {
		t.Errorf("the new speaker plays epoch %d, the group %d", s.GetEpoch(), playing.GetEpoch())
	}
	a.silent()
	until(t, func() string {
		if _, info, _, _ := a.now(); info.GetGroupId() == g {
			return "the old speaker still shows the group"
		}
		return ""
	})
	r.seated("p-lobby", b)

	stop()
	r.persona("p-lobby", b.id, a, b)
	r.service(r.bus, "two")
	r.members(g, a, other)
	r.persona("p-lobby", "") // retired
	r.members(g, other)
}
