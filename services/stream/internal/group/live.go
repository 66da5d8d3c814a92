package group

import (
	"context"
	"fmt"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/pipeline"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/presence"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
)

// This file is what is different about a group that plays what a client captures now
// (docs/adr/0021): short chunks, a timeline of its own, and silence instead of an end when
// the source pauses.

// open opens an item's medium.
func (g *Group) open(ctx context.Context, uri string) (source.Source, error) {
	id, ok := playback.SourceOf(uri)
	if !ok {
		return g.Open(ctx, uri)
	}
	if g.OpenSource == nil {
		return nil, fmt.Errorf("%s: this instance does not hear sources", uri)
	}
	name := g.Hub.Get(id).GetName()
	if name == "" {
		name = uri
	}
	return g.OpenSource(ctx, id, name)
}

// failure says why an item was given up, for the operator.
func failure(e pipeline.Failed) string {
	switch {
	case e.Item.Captured():
		return fmt.Sprintf("%s is not heard any more: %v", titleOf(e.Item), e.Err)
	case e.Partial:
		return fmt.Sprintf("%s breaks off: %v. It was skipped; check the file or address, or remove it from the queue", e.Item.Label(), e.Err)
	}
	return fmt.Sprintf("%s cannot be played: %v. It was skipped; check the file or address, or remove it from the queue", e.Item.Label(), e.Err)
}

// short is spec in the chunks of live audio. An Opus packet is short anyway.
func short(spec rendition.Spec) rendition.Spec {
	spec.Short = spec.Format.Codec != pcm.CodecOpus
	return spec
}

// hand gives the pipeline what follows. What is captured is not joined to anything: it is
// begun when the item before it, or it itself, has ended.
func (g *Group) hand(it playback.Item) bool {
	if g.run == nil || g.run.capture || it.Captured() {
		return false
	}
	g.run.p.Hand(it)
	return true
}

// liveFloorUS is what a chunk takes to a player on top of its output delay, at least.
const liveFloorUS = 20_000

// liveFloor is how long before its time captured audio must be made so that every player
// can still get it: a quarter of what it asks for absorbs its network as well as it goes.
func (g *Group) liveFloor() int64 {
	us := int64(0)
	for _, m := range g.members {
		if p := presence.Player(m.p); p != nil && m.streams {
			delay := max(int64(p.GetOutputDelayMs()), 0) * 1000
			us = max(us, delay+(presence.Must(p)-delay)/4)
		}
	}
	return us + liveFloorUS
}
