package session

import (
	"context"
	"slices"
	"sync"

	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/sendspin/wire"

	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/gallery"
	"github.com/tutti-audio/tutti/services/session-gateway/internal/machine"
)

// Pictures brings images to sessions. Get blocks until it has one, or ctx ends; the result
// is shared and never changed.
type Pictures interface {
	Get(ctx context.Context, k gallery.Key) ([]byte, error)
}

// artworkLane is the writer's fourth lane: images for a display. Package gallery says what
// is next; here is what that needs of the world. A session without the artwork role has
// none.
type artworkLane struct {
	gallery  *gallery.Gallery
	pictures Pictures
	spawn    func(func(ctx context.Context)) // runs until the session ends
	pinging  bool
	buf      []byte

	mu   sync.Mutex
	news []news
}

// news is what the lane's goroutines bring: an image, or an answer to a ping.
type news struct {
	key      gallery.Key
	data     []byte
	answered int // bytes; with it there is no image
}

// showArtwork gives a writer its fourth lane. Call it before run.
func (w *writer) showArtwork(p Pictures, spawn func(func(ctx context.Context))) {
	w.artwork = &artworkLane{gallery: gallery.New(), pictures: p, spawn: spawn}
}

// artworkOp carries out an effect of the artwork role.
func (w *writer) artworkOp(ctx context.Context, op op) error {
	a := w.artwork
	if a == nil {
		return nil
	}
	switch op := op.(type) {
	case machine.ShowArtwork:
		a.gallery.Show(op.Album, op.Artist)
	case machine.StartArtwork:
		if err := w.sendArtwork(ctx, a.gallery.Configure(op.Config, w.house.NowMicros())...); err != nil {
			return err
		}
		return w.stamped(ctx, func(now int64) wire.Message {
			return &wire.StreamStart{ServerTransmitted: now, Artwork: &wire.ArtworkStream{Channels: truncated(op.Config)}}
		})
	case machine.EndArtwork:
		if !a.gallery.Active() {
			return nil
		}
		if err := w.sendArtwork(ctx, a.gallery.End()...); err != nil {
			return err
		}
		body, err := w.codec.Encode(&wire.StreamEnd{Roles: []string{wire.RoleArtwork}})
		if err != nil {
			return err
		}
		return w.conn.WriteJSON(ctx, body)
	}
	return nil
}

// truncated is the list up to the last channel that is streamed.
func truncated(c gallery.Config) []wire.ArtworkChannel {
	n := len(c)
	for n > 0 && c[n-1].Source == wire.ArtworkNone {
		n--
	}
	return slices.Clone(c[:n])
}

// stepArtwork sends the next artwork message, if one may go at house time now.
func (w *writer) stepArtwork(ctx context.Context, now int64) (until int64, worked bool, err error) {
	a := w.artwork
	if a == nil || !a.gallery.Active() {
		return 0, false, nil
	}
	w.hear(now)
	for _, k := range a.gallery.Fetch(now) {
		w.fetch(k)
	}
	m, ok, until := a.gallery.Next(now)
	if !ok {
		return until, false, nil
	}
	err = w.sendArtwork(ctx, m)
	if n := a.gallery.InWindow(); n > 0 && !a.pinging && err == nil {
		a.pinging = true
		w.await(n)
	}
	w.refresh(now, false)
	return 0, true, err
}

func (w *writer) sendArtwork(ctx context.Context, messages ...wire.ArtworkMessage) error {
	a := w.artwork
	for _, m := range messages {
		a.buf = wire.AppendArtwork(a.buf[:0], m)
		if err := w.conn.WritePlain(ctx, a.buf); err != nil {
			return err
		}
		w.m.ArtworkBytes.Add(float64(len(a.buf)))
	}
	return nil
}

// hear takes what the lane's goroutines brought.
func (w *writer) hear(now int64) {
	a := w.artwork
	a.mu.Lock()
	list := a.news
	a.news = nil
	a.mu.Unlock()
	for _, n := range list {
		if n.answered > 0 {
			a.pinging = false
			a.gallery.Answered(n.answered)
			continue
		}
		a.gallery.Deliver(n.key, n.data, now)
	}
	if n := a.gallery.InWindow(); n > 0 && !a.pinging {
		a.pinging = true
		w.await(n)
	}
}

// tellLane brings news to the writer.
func (w *writer) tellLane(n news) {
	w.artwork.mu.Lock()
	w.artwork.news = append(w.artwork.news, n)
	w.artwork.mu.Unlock()
	w.poke()
}

// fetch gets an image beside the writer.
func (w *writer) fetch(k gallery.Key) {
	w.artwork.spawn(func(ctx context.Context) {
		data, err := w.artwork.pictures.Get(ctx, k)
		if err != nil && ctx.Err() == nil {
			w.m.ArtworkMissing.Inc()
			w.log.Info("image cannot be shown", "image", k.ID, "width", k.Width, "height", k.Height, obs.KeyErr, err)
		}
		w.tellLane(news{key: k, data: data})
	})
}

// await pings behind the n bytes that are on their way: the answer says that they have
// arrived. A ping that fails is the business of the session's own.
func (w *writer) await(n int) {
	w.artwork.spawn(func(ctx context.Context) {
		_ = w.conn.Ping(ctx)
		w.tellLane(news{answered: n})
	})
}

// display is the part of a presence record that the writer knows.
func display(p *tuttiv1.ClientPresence, artwork bool, st status) {
	if !artwork {
		return
	}
	if p.Display == nil {
		p.Display = &tuttiv1.DisplayStatus{}
	}
	p.Display.Artwork, p.Display.ImagesSent, p.Display.ImagesCancelled = true, st.images, st.imagesCancelled
}
