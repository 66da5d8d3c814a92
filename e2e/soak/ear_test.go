package soak

import (
	"fmt"
	"math"
	"sort"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/sendspin/wire"
)

// ear compares what a player is told to play with the music.
type ear struct {
	dec       decode.Decoder
	format    wire.AudioFormat
	follows   bool  // the next chunk goes on with the last one
	next      place // where it does in the music
	nextAt    int64 // and on the server's clock
	heard     []heard
	disturbed []int64 // when the timeline changed, on the server's clock
	frames    int64   // that were compared
	skipped   int
}

// heard is a chunk that was not taken back.
type heard struct {
	at      int64 // server µs
	in      place // of its first frame; of no meaning with samples
	group   string
	format  wire.AudioFormat
	samples []int32 // kept now and then for a player that gets resampled audio
}

// exact reports whether the samples are the music's own.
func (e *ear) exact() bool {
	return e.format.SampleRate == rate && e.format.Channels == channels && e.format.BitDepth == 16
}

// take takes a chunk and says what is wrong with it.
func (e *ear) take(ref *reference, at int64, samples []int32, group string) (fault string) {
	n := int64(len(samples) / e.format.Channels)
	defer func() { e.follows, e.nextAt = true, at+n*1_000_000/int64(e.format.SampleRate) }()
	if !e.exact() {
		if e.skipped++; e.skipped%40 == 0 {
			e.heard = append(e.heard, heard{at: at, group: group, format: e.format, samples: samples})
		}
		return ""
	}
	if silent(samples) { // a line-in, or a hole in what one captured
		e.next = place{file: -1}
		return ""
	}
	p, ok := e.expected(ref, at), true
	if p.file < 0 || !ref.matches(samples, p) {
		expected := p
		if p, ok = ref.find(samples); !ok {
			e.next = place{file: -1}
			return fmt.Sprintf("the chunk at %d (%d frames, %s) is nowhere in the music", at, n, e.format)
		}
		if expected.file >= 0 && e.follows && at-e.nextAt <= 1 && expected.file == p.file {
			fault = fmt.Sprintf("the chunk at %d follows in time, but goes from frame %d of %s to %d", at, expected.frame, ref.names[p.file], p.frame)
		}
	}
	e.next, e.frames = ref.after(p, samples), e.frames+n
	e.heard = append(e.heard, heard{at: at, in: p, group: group, format: e.format})
	return fault
}

// silent reports whether there is nothing to hear; dither is not.
func silent(samples []int32) bool {
	for _, s := range samples {
		if s > 3 || s < -3 {
			return false
		}
	}
	return true
}

// expected is where in the music a chunk at this time has to be, after a hole too.
func (e *ear) expected(ref *reference, at int64) place {
	if !e.follows || e.next.file < 0 {
		return place{file: -1}
	}
	p := e.next
	p.frame += int(math.Round(float64(at-e.nextAt) * rate / 1e6))
	if p.frame < 0 || p.frame >= ref.frames(p.file) {
		return place{file: -1}
	}
	return p
}

// calm reports whether the timeline was left alone around a time: for as long as a busy
// machine may need until the last player of a group heard of a change that the first one
// has carried out.
func (e *ear) calm(at int64) bool {
	const around = 8_000_000
	i := sort.Search(len(e.disturbed), func(i int) bool { return e.disturbed[i] > at-around })
	return i == len(e.disturbed) || e.disturbed[i] >= at+around
}
