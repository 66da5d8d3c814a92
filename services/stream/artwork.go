package stream

import (
	"context"
	"time"

	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/fault"
	"github.com/tutti-audio/tutti/platform/obs"
	tuttiv1 "github.com/tutti-audio/tutti/proto/tutti/v1"
	"github.com/tutti-audio/tutti/services/stream/internal/art"
	"github.com/tutti-audio/tutti/services/stream/internal/cover"
	"github.com/tutti-audio/tutti/services/stream/internal/group"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
)

// partBytes is how much of a picture one answer carries.
const partBytes = 256 << 10

// lookTimeout bounds the search for the pictures of a title: a dead disk must not keep
// its goroutines for ever.
const lookTimeout = 20 * time.Second

// look finds the pictures and colors of a title. It reads from the disk and waits for the
// worker that counts colors, so it is not for a group's own goroutine.
func (s *Service) look(ctx context.Context, it playback.Item) group.Art {
	var a group.Art
	p, ok := source.LocalPath(it.URI, s.cfg.MusicDir)
	if !ok {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	artist := it.AlbumArtist
	if artist == "" {
		artist = it.Artist
	}
	album, err := s.covers.Album(ctx, p, it.Album)
	a.Album = s.take(it, album, err)
	portrait, err := s.covers.Artist(ctx, p, artist)
	a.Artist = s.take(it, portrait, err)
	if a.Album == "" {
		return a
	}
	c, err := s.art.Palette(ctx, a.Album)
	if err != nil {
		s.d.Log.Info("cover cannot be shown", "item", it.Label(), obs.KeyErr, err)
		a.Album = ""
		return a
	}
	a.Palette = &c
	return a
}

// take hands a picture that was found to the store; "" when there is none to be had.
func (s *Service) take(it playback.Item, f cover.Found, err error) (id string) {
	if err == nil {
		id, err = s.art.Add(f.Data, f.Reload)
	}
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		s.d.Log.Info("picture cannot be used", "item", it.Label(), obs.KeyErr, err)
	}
	return id
}

// artwork answers for a part of a picture that this instance has.
func (s *Service) artwork(ctx context.Context, r *tuttiv1.ArtworkRequest) (*tuttiv1.ArtworkResponse, error) {
	make := s.art.Picture
	if r.GetUnpadded() {
		make = s.art.Bare
	}
	data, err := make(ctx, r.GetImageId(), r.GetFormat(), int(r.GetWidth()), int(r.GetHeight()))
	if err != nil {
		return nil, err
	}
	offset := r.GetOffset()
	if offset < 0 || offset >= int64(len(data)) {
		return nil, fault.New(fault.OutOfRange, "offset %d is outside of the picture, which has %d bytes", offset, len(data))
	}
	end := min(offset+partBytes, int64(len(data)))
	return &tuttiv1.ArtworkResponse{TotalSize: int64(len(data)), Data: data[offset:end], ImageId: r.GetImageId(), InstanceId: s.cfg.InstanceID}, nil
}

// libraryArtwork answers with the first part of a file's cover; who asks goes on at the
// instance that the answer names.
func (s *Service) libraryArtwork(ctx context.Context, r *tuttiv1.ArtworkRequest) (*tuttiv1.ArtworkResponse, error) {
	p, ok := source.LocalPath(r.GetPath(), s.cfg.MusicDir)
	if !ok {
		return nil, fault.New(fault.NotFound, "%q names nothing below the music folder", r.GetPath())
	}
	found, err := s.covers.Album(ctx, p, "")
	if err != nil {
		return nil, err
	}
	id, err := s.art.Add(found.Data, art.Reload(found.Reload))
	if err != nil {
		return nil, err
	}
	r.ImageId = id
	return s.artwork(ctx, r)
}
