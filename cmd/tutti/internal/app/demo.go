package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tutti-audio/tutti/audio/synth"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/proto/subject"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/sendspin/noise"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

const (
	demoGroup = "Demo"
	demoActor = "demo"
	// demoStep bounds one step of the demo's start: connecting, approving, playing.
	demoStep = 20 * time.Second
	// demoBuffer is what each virtual room can hold: about 11 s of CD-quality PCM.
	demoBuffer = 2 << 20
)

// demo is three virtual rooms: real clients over real, encrypted sockets.
type demo struct{ rooms []*room }

// newDemo makes the rooms; their keys are kept below dataDir, so that they are
// the same devices the next time.
func newDemo(dataDir string, log *slog.Logger) (*demo, error) {
	dir := filepath.Join(dataDir, "demo")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("demo rooms: %w: choose another --data-dir", err)
	}
	d := &demo{}
	for _, spec := range []struct {
		name   string
		suite  noise.Suite
		format wire.AudioFormat
	}{
		{"Kitchen", noise.ChaChaPoly, wire.AudioFormat{Codec: wire.CodecFLAC, SampleRate: 44100, Channels: 2, BitDepth: 16}},
		{"Living room", noise.AESGCM, wire.AudioFormat{Codec: wire.CodecFLAC, SampleRate: 48000, Channels: 2, BitDepth: 24}},
		{"Terrace", noise.ChaChaPoly, wire.AudioFormat{Codec: wire.CodecPCM, SampleRate: 44100, Channels: 2, BitDepth: 16}},
	} {
		r, err := newRoom(dir, spec.name, spec.suite, spec.format, log)
		if err != nil {
			return nil, fmt.Errorf("demo room %s: %w", spec.name, err)
		}
		d.rooms = append(d.rooms, r)
	}
	return d, nil
}

// run connects the rooms, approves them, groups them, plays, and shows how they
// do until ctx ends.
func (d *demo) run(ctx context.Context, p *process, b *built, out io.Writer) error {
	if err := waitFor(ctx, func() bool { return b.gateway.Addr() != "" && p.ready() == nil }); err != nil {
		return err
	}
	url := urls("ws", b.gateway.Addr(), "/sendspin")[0]
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, r := range d.rooms {
		wg.Go(func() {
			if err := r.client.Dial(ctx, url); err != nil && ctx.Err() == nil {
				p.log.Error("demo room ended", obs.KeyName, r.name, obs.KeyErr, err)
			}
		})
	}
	if err := d.play(ctx, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The server itself is fine: say what failed and go on serving.
		p.log.Error("demo: no music", obs.KeyErr, err)
		return nil
	}
	d.show(ctx, p, out)
	return nil
}

// play does what an operator would: approve, group, queue, play.
func (d *demo) play(ctx context.Context, p *process) error {
	var members []string
	for _, r := range d.rooms {
		if err := r.approve(ctx, p); err != nil {
			return err
		}
		members = append(members, r.client.ID())
	}
	group, err := demoGroupFor(ctx, p, members)
	if err != nil {
		return err
	}
	var uris []string
	for _, t := range synth.Tracks() {
		uris = append(uris, "synth:"+t.Name)
	}
	for _, cmd := range []*tuttiv1.GroupCommand{
		{Command: &tuttiv1.GroupCommand_ClearQueue{ClearQueue: &tuttiv1.Empty{}}},
		{Command: &tuttiv1.GroupCommand_Enqueue{Enqueue: &tuttiv1.Enqueue{Uris: uris}}},
		{Command: &tuttiv1.GroupCommand_Repeat{Repeat: "all"}},
		{Command: &tuttiv1.GroupCommand_Play{Play: &tuttiv1.Play{}}},
	} {
		cmd.GroupId, cmd.Actor = group, demoActor
		if err := p.bus.Request(ctx, subject.StreamCommand, cmd, &tuttiv1.GroupReply{}); err != nil {
			return fmt.Errorf("group %s: %w", demoGroup, err)
		}
	}
	return nil
}

// demoGroupFor finds or makes the demo's group with these members.
func demoGroupFor(ctx context.Context, p *process, members []string) (string, error) {
	groups, err := openGroups(ctx, p.bus)
	if err != nil {
		return "", err
	}
	keys, err := groups.Keys(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if g, _, err := groups.Get(ctx, k); err == nil && g.GetName() == demoGroup {
			return g.GetGroupId(), nil
		}
	}
	reply := &tuttiv1.GroupReply{}
	err = p.bus.Request(ctx, subject.StreamCreateGroup, &tuttiv1.CreateGroupRequest{Name: demoGroup, Members: members, Actor: demoActor}, reply)
	return reply.GetGroup().GetGroupId(), err
}

// approve waits until the server has heard of the room and approves it.
func (r *room) approve(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, demoStep)
	defer cancel()
	var last error
	err := waitFor(ctx, func() bool {
		last = p.bus.Request(ctx, subject.PairingApprove, &tuttiv1.ApproveRequest{ClientId: r.client.ID(), Actor: demoActor}, &tuttiv1.TrustRecord{})
		return last == nil || fault.CodeOf(last) != fault.NotFound && ctx.Err() == nil && !errors.Is(last, context.DeadlineExceeded)
	})
	if err == nil {
		err = last
	}
	if err != nil {
		return fmt.Errorf("approving the room %s: %w", r.name, err)
	}
	return nil
}
