// Package group measures what one group costs the whole server: the real binary, with
// decoding, resampling, encoding, analysis, pictures, tapes and delivery, and devices of
// every role on it. The devices run in another process than the server, whose processor
// time alone counts.
package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tutti-audio/tutti/audio/synth"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Stage is one measurement: who is in the group.
type Stage struct {
	Name    string
	Devices []Device
}

// Device is what one client is.
type Device struct {
	Name   string
	Roles  []string
	Format wire.AudioFormat // of a player
}

// Stages are the group from one player to ten renditions and every display. Each has the
// devices of the one before.
func Stages() []Stage {
	one := []Device{player(0, wire.CodecFLAC, 44100, 2, 16)}
	ten := append(one[:1:1],
		player(1, wire.CodecPCM, 44100, 2, 16),
		player(2, wire.CodecPCM, 44100, 2, 24),
		player(3, wire.CodecFLAC, 44100, 1, 16),
		player(4, wire.CodecFLAC, 48000, 2, 24),
		player(5, wire.CodecPCM, 48000, 2, 16),
		player(6, wire.CodecFLAC, 88200, 2, 24),
		player(7, wire.CodecFLAC, 96000, 2, 24),
		player(8, wire.CodecPCM, 96000, 2, 24),
		player(9, wire.CodecFLAC, 48000, 1, 16),
	)
	shown := append(ten[:10:10],
		Device{Name: "controller", Roles: []string{wire.RoleControllerV1}},
		Device{Name: "metadata", Roles: []string{wire.RoleMetadataV1}},
		Device{Name: "artwork", Roles: []string{wire.RoleArtworkV1}},
		Device{Name: "color", Roles: []string{wire.RoleColorV1}},
	)
	all := append(shown[:14:14],
		Device{Name: "visualizer", Roles: []string{wire.RoleVisualizerV1}},
		Device{Name: "visualizer 2", Roles: []string{wire.RoleVisualizerV1}},
	)
	return []Stage{
		{"one player, one rendition", one},
		{"ten players, ten renditions", ten},
		{"and controller, metadata, artwork, color", shown},
		{"and two visualizers (all types, 30 Hz, 32 bins)", all},
	}
}

func player(i int, codec string, rate, channels, depth int) Device {
	return Device{
		Name: fmt.Sprintf("player %d", i), Roles: []string{wire.RolePlayerV1},
		Format: wire.AudioFormat{Codec: codec, SampleRate: rate, Channels: channels, BitDepth: depth},
	}
}

// Result is what a stage cost.
type Result struct {
	Cores    float64 // of the server process
	Resident int64   // bytes
	// Late counts chunks that came after they should have been heard, Violations rules
	// of the specification that were broken. Both should be 0.
	Late, Violations uint64
}

// ahead is how long the server works ahead of the present after a start: the tape's 30 s,
// with time to decode and encode them.
const ahead = 30 * time.Second

// Run measures one stage: the binary serves the folder that Music has filled, the stage's
// devices are one group, and it plays. It waits until the tapes are full.
func Run(ctx context.Context, binary, music string, st Stage, d time.Duration) (res Result, err error) {
	dir, err := os.MkdirTemp("", "tutti-bench")
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := serve(ctx, binary, music, dir)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	f, err := connect(ctx, s, st.Devices)
	if err != nil {
		return Result{}, err
	}
	defer f.stop()
	if err := f.play(s, title); err != nil {
		return Result{}, err
	}
	if err := pause(ctx, ahead); err != nil {
		return Result{}, err
	}
	from, err := s.used()
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	if err := pause(ctx, d); err != nil {
		return Result{}, err
	}
	to, err := s.used()
	if err != nil {
		return Result{}, err
	}
	res.Cores = (to.cpu - from.cpu).Seconds() / time.Since(start).Seconds()
	res.Resident = to.resident
	res.Late, res.Violations = f.counts()
	return res, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// title is what is played, again and again.
const title = "music.flac"

// Music writes a minute of synthesised music and a cover beside it.
func Music(dir string) error {
	f, err := os.Create(filepath.Join(dir, title))
	if err != nil {
		return err
	}
	if err := errors.Join(synth.GenerateFLAC(f, 60, 1), f.Close()); err != nil {
		return err
	}
	return cover(filepath.Join(dir, "cover.jpg"))
}
