package group

import (
	"context"
	"fmt"
	"path"
	"strings"

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

// failure says in one sentence what was given up, why, and what to do.
func failure(e pipeline.Failed) string {
	if e.Item.Captured() {
		return fmt.Sprintf("%s is not heard any more: %v", titleOf(e.Item), e.Err)
	}
	what := "was skipped"
	if e.Partial {
		what = "breaks off and was skipped"
	}
	return fmt.Sprintf("%s %s: %s", e.Item.Label(), what, cause(e.Item, e.Err))
}

// cause is an error without the name of the item, which package source puts before it, and
// with the next step, which it often has already.
func cause(it playback.Item, err error) string {
	s := err.Error()
	for _, name := range []string{it.URI, it.Label(), path.Base(it.Label())} {
		s = strings.TrimPrefix(s, name+": ")
	}
	for _, step := range []string{"install ", "convert it", "remove it", "check ", "make it ", "look for it", "try again", "start with "} {
		if strings.Contains(s, step) {
			return s
		}
	}
	return s + "; check the file or address, or remove it from the queue"
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
