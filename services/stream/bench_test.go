package stream

import (
	"context"
	"testing"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/platform/bus"
	"github.com/tutti-audio/tutti/platform/bus/bustest"
	"github.com/tutti-audio/tutti/proto/subject"
	"github.com/tutti-audio/tutti/services/stream/internal/rendition"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// BenchmarkEncodeAndPublish is what one 100 ms chunk of one rendition of 44.1 kHz/16-bit
// music costs, from packed source audio to the acknowledged tape. One core carries
// 100 ms / (ns/op) renditions.
func BenchmarkEncodeAndPublish(b *testing.B) {
	for _, name := range []string{"pcm:44100:16:2", "flac:44100:16:2", "flac:48000:24:2"} {
		b.Run(name, func(b *testing.B) {
			c := bustest.Embedded(b)
			ctx := context.Background()
			if err := c.EnsureStream(ctx, bus.StreamConfig{Name: subject.StreamTape, Subjects: []string{subject.TapeAll}, Memory: true, MaxBytes: 64 << 20}); err != nil {
				b.Fatal(err)
			}
			epoch := timeline.New(1, 0)
			store := rendition.NewStore(epoch)
			fill(b, epoch, store)
			f, err := pcm.ParseFormat(name)
			if err != nil {
				b.Fatal(err)
			}
			subj := subject.Tape("g", rendition.Spec{Format: f}.ID())
			var r *rendition.Rendition
			b.ReportAllocs()
			for b.Loop() {
				if r == nil || r.Done() {
					if r, err = rendition.New(rendition.Spec{Format: f}, epoch, store, rendition.Spec{Format: f}.ChunkFrames(100), 0); err != nil {
						b.Fatal(err)
					}
				}
				data, _, _, err := r.Chunk(nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := c.PublishRaw(ctx, subj, data); err != nil {
					b.Fatal(err)
				}
			}
			if err := c.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// fill puts a piece of synthesised music into the store.
func fill(b *testing.B, epoch *timeline.Epoch, store *rendition.Store) {
	b.Helper()
	src, err := source.Open(context.Background(), "synth:together", source.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // read only
	i := src.Info()
	seg, _, _ := epoch.Begin("x", timeline.Format{SampleRate: i.SampleRate, Channels: i.Channels, BitDepth: i.BitDepth}, 0, 0)
	buf := make([]int32, 4410*i.Channels)
	at := int64(0)
	for range 200 {
		n, err := src.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		store.Append(rendition.Block{Seg: seg, Frame: at, Frames: int64(n), Data: pcm.Pack(nil, buf[:n*i.Channels], i.BitDepth)})
		at += int64(n)
	}
	epoch.Close(at)
}
