package pipeline

import (
	"sync/atomic"

	"github.com/tutti-audio/tutti/audio/convert"
	"github.com/tutti-audio/tutti/audio/mix"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/source"
	"github.com/tutti-audio/tutti/services/stream/internal/playback"
	"github.com/tutti-audio/tutti/services/stream/internal/timeline"
)

// Processing is what happens to items before they are cut into blocks. The zero value
// does nothing: samples stay bit-exact, in the medium's own format.
type Processing struct {
	// CrossfadeMS is how long an item and its successor sound together; 0: gapless.
	CrossfadeMS int64
	// Gain is by how many dB an item is made louder. It is asked when the item opens, and
	// must not wait. nil: normalization is off.
	Gain func(it playback.Item, i source.Info) float64
}

// MaxCrossfadeMS is the longest crossfade.
const MaxCrossfadeMS = 15_000

// workDepth is the least depth that processed samples have, so that nothing of the
// medium's 16 bits is lost.
const workDepth = 24

// desk stands between the decoder and the blocks: gain, crossfade, and a clip over the
// music. It belongs to the feed's goroutine. Where nothing is to be done it passes
// samples on as they are.
//
// For a crossfade it keeps back the end of each item until the successor's audio is
// there, or until it is told that there is none in time.
type desk struct {
	proc  func() Processing
	over  *over // nil: no clip
	emit  func(m any) error
	fixed timeline.Format // that of crossfaded items: the first one's; zero: none yet
	hurry *atomic.Bool    // the clock is near: keep nothing back now

	// The item that is being read.
	begin  feedBegin
	tagged playback.Item
	begun  bool
	conv   *convert.Converter // nil: passed on as it is
	factor float64
	length int64 // frames in begin.format that it will have; -1 unknown
	hold   int64 // frames to keep back of its end
	pos    int64 // frames so far
	fade   *mix.Fade
	leaves []int32 // of the item before, what is still to be faded out

	held   []int32 // in heldIn
	heldIn timeline.Format
	marks  []heldMark
	out    []int32
}

// heldMark is a feedBegin that belongs before frame `at` of what is held.
type heldMark struct {
	at    int64
	begin feedBegin
}

// open prepares for an item that will be read from frame media of its medium on.
func (d *desk) open(start Start, i source.Info, media int64) error {
	p := d.proc()
	ms := p.CrossfadeMS
	if i.Live || i.Frames == 0 && !i.Seekable {
		ms = 0
	}
	before := d.tagged
	d.tagged, d.begun, d.pos, d.hold, d.fade, d.conv = tagged(start.Item, i), false, 0, 0, nil, nil
	own := format(i)
	d.begin = feedBegin{start: start, info: i, media: media, format: own, at: media}
	if ms == 0 && p.Gain == nil && !d.over.active() {
		return d.release(false)
	}
	if err := d.process(p, ms > 0, own); err != nil {
		return err
	}
	d.begin.at = timeline.Scale(media, int64(d.begin.format.SampleRate), int64(i.SampleRate))
	d.length = -1
	if i.Frames > 0 {
		d.length = d.conv.OutputFrames(max(i.Frames-media, 0))
	}
	return d.meet(ms, before)
}

// process makes the item's converter and gain.
func (d *desk) process(p Processing, fades bool, own timeline.Format) error {
	f := own
	f.BitDepth = max(f.BitDepth, workDepth)
	if fades {
		if d.fixed == (timeline.Format{}) {
			d.fixed = timeline.Format{SampleRate: own.SampleRate, Channels: 2, BitDepth: f.BitDepth}
		}
		f = d.fixed
	}
	conv, err := convert.New(pcmFormat(own), pcmFormat(f))
	if err != nil {
		return err
	}
	d.conv, d.factor, d.begin.format = conv, 1, f
	if p.Gain != nil {
		d.factor = mix.DB(p.Gain(d.begin.start.Item, d.begin.info))
	}
	return nil
}

func pcmFormat(f timeline.Format) pcm.Format {
	return pcm.Format{Codec: pcm.CodecPCM, SampleRate: f.SampleRate, Channels: f.Channels, BitDepth: f.BitDepth}
}

// meet decides how the item follows the one before: what was kept back of that fades out
// over it, or goes out before it.
func (d *desk) meet(ms int64, before playback.Item) error {
	f := d.begin.format
	d.hold = ms * int64(f.SampleRate) / 1000
	if d.length >= 0 {
		d.hold = min(d.hold, d.length/2)
	}
	if ms == 0 || d.heldIn != f || follows(before, d.tagged) {
		return d.release(false)
	}
	n := int64(len(d.held) / f.Channels)
	if d.length >= 0 {
		n = min(n, d.length/2)
	}
	if err := d.send(int64(len(d.held)/f.Channels) - n); err != nil || n == 0 {
		return err
	}
	d.leaves, d.held = d.held, nil
	d.fade = &mix.Fade{Length: n, Channels: f.Channels, Depth: f.BitDepth}
	return nil
}

// follows reports whether two titles belong together: consecutive tracks of an album are
// never faded into each other.
func follows(a, b playback.Item) bool {
	return a.Album != "" && a.Album == b.Album && a.AlbumArtist == b.AlbumArtist && a.Track > 0 && b.Track == a.Track+1
}

// write takes decoded samples of the item.
func (d *desk) write(samples []int32) error {
	if d.conv == nil {
		if !d.begun {
			d.begun = true
			if err := d.emit(d.begin); err != nil {
				return err
			}
		}
		return d.emit(feedBlock{frames: int64(len(samples) / d.begin.format.Channels), data: pcm.Pack(nil, samples, d.begin.format.BitDepth)})
	}
	d.out = d.conv.Process(d.out[:0], samples)
	return d.add(d.out)
}

// add takes converted samples of the item: gain, fade, and what is not kept back goes out.
func (d *desk) add(out []int32) error {
	if len(out) == 0 {
		return nil
	}
	f := d.begin.format
	mix.Scale(out, d.factor, f.BitDepth)
	if d.fade != nil {
		d.cross(out)
	}
	if !d.begun {
		d.begun = true
		d.marks = append(d.marks, heldMark{int64(len(d.held) / f.Channels), d.begin})
	}
	d.held, d.heldIn = append(d.held, out...), f
	d.pos += int64(len(out) / f.Channels)
	return d.send(int64(len(d.held)/f.Channels) - d.keep())
}

// cross fades the item before out over out.
func (d *desk) cross(out []int32) {
	n := min(int(d.fade.Left())*d.fade.Channels, len(out))
	k := min(n, len(d.leaves))
	d.fade.Mix(out[:n], d.leaves[:k])
	if d.leaves = d.leaves[k:]; d.fade.Left() == 0 {
		d.fade, d.leaves = nil, nil
	}
}

// keep is how many of the held frames must stay.
func (d *desk) keep() int64 {
	switch {
	case d.hurry.Load():
		return 0
	case d.length < 0:
		return d.hold
	}
	return max(d.pos-(d.length-d.hold), 0)
}

// live is the beginning of a capture whose first block is c.
func (d *desk) live(c *Captured) feedBegin {
	d.begun, d.begin.capture = true, c
	return d.begin
}

// through is what becomes of samples of a capture: nothing of it is kept back. The result
// is good until the next call.
func (d *desk) through(samples []int32) ([]int32, error) {
	if d.conv == nil {
		return samples, nil
	}
	d.out = d.conv.Process(d.out[:0], samples)
	mix.Scale(d.out, d.factor, d.begin.format.BitDepth)
	return d.out, d.over.mix(d.out, d.begin.format)
}

// end takes the item's end. What fades out over an item that was too short goes out.
func (d *desk) end() error {
	if d.conv == nil {
		return nil
	}
	err := d.add(d.conv.Flush(d.out[:0]))
	if d.fade != nil && err == nil {
		err = d.add(make([]int32, int(d.fade.Left())*d.fade.Channels))
	}
	if err != nil {
		return err
	}
	ch := int64(d.begin.format.Channels)
	return d.send(int64(len(d.held))/ch - min(d.keep(), d.pos/2))
}

// release lets everything that is held go out. At the end of the music, the rest of a
// clip goes out, too.
func (d *desk) release(end bool) error {
	if d.heldIn.Channels > 0 {
		if err := d.send(int64(len(d.held) / d.heldIn.Channels)); err != nil {
			return err
		}
	}
	for end && d.over.active() && d.heldIn.Channels > 0 {
		d.held = append(d.held, make([]int32, d.heldIn.SampleRate*blockMS/1000*d.heldIn.Channels)...)
		if err := d.send(int64(len(d.held) / d.heldIn.Channels)); err != nil {
			return err
		}
	}
	return nil
}

// send lets the first n held frames go out, in blocks, with the marks where they belong.
func (d *desk) send(n int64) error {
	f := d.heldIn
	sent := int64(0)
	for sent < n {
		size := min(n-sent, int64(max(f.SampleRate*blockMS/1000, 1)))
		for len(d.marks) > 0 && d.marks[0].at == sent {
			if err := d.emit(d.marks[0].begin); err != nil {
				return err
			}
			d.marks = d.marks[1:]
		}
		if len(d.marks) > 0 {
			size = min(size, d.marks[0].at-sent)
		}
		block := d.held[sent*int64(f.Channels) : (sent+size)*int64(f.Channels)]
		if err := d.over.mix(block, f); err != nil {
			return err
		}
		if err := d.emit(feedBlock{frames: size, data: pcm.Pack(nil, block, f.BitDepth)}); err != nil {
			return err
		}
		sent += size
	}
	if sent > 0 {
		d.held = d.held[:copy(d.held, d.held[sent*int64(f.Channels):])]
		for i := range d.marks {
			d.marks[i].at -= sent
		}
	}
	return nil
}
