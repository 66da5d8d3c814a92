package ffmpeg

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// Output is the PCM to make. Zero fields: as the medium has it.
type Output struct {
	SampleRate int // Hz
	Channels   int
	BitDepth   int   // 16, 24 or 32; 0: 16
	SkipMicros int64 // of the medium, exact to the sample where the demuxer can
}

// Decoder is a medium as PCM. Not safe for concurrent use.
type Decoder struct {
	c      *child
	ctx    context.Context
	limits Limits
	r      *bufio.Reader
	format Output
	raw    []byte
	ended  error
}

// Start runs ffmpeg on in and waits until it tells the format. The child ends with ctx or
// Close. An Input.Stream is closed in every case.
func Start(ctx context.Context, t Tool, in Input, out Output, l Limits) (*Decoder, error) {
	if out.BitDepth == 0 {
		out.BitDepth = 16
	}
	l = l.fill()
	args, extra := in.args()
	c, err := start(ctx, t.FFmpeg, arguments(args, out), in, extra, l.Memory)
	if err != nil {
		if in.Stream != nil {
			_ = in.Stream.Close()
		}
		return nil, err
	}
	d := &Decoder{c: c, ctx: ctx, limits: l, r: bufio.NewReaderSize(c.out, 64<<10), format: out}
	if err := d.head(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// arguments are ffmpeg's. The output is an AU stream, whose short header tells the rate
// and channels, and whose samples are big-endian.
func arguments(input []string, out Output) []string {
	a := []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-max_alloc", strconv.Itoa(maxAlloc), "-threads", "1"}
	if out.SkipMicros > 0 {
		a = append(a, "-ss", fmt.Sprintf("%d.%06d", out.SkipMicros/1e6, out.SkipMicros%1e6))
	}
	a = append(a, input...)
	a = append(a, "-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-c:a", fmt.Sprintf("pcm_s%dbe", out.BitDepth))
	if out.SampleRate > 0 {
		a = append(a, "-ar", strconv.Itoa(out.SampleRate))
	}
	if out.Channels > 0 {
		a = append(a, "-ac", strconv.Itoa(out.Channels))
	}
	return append(a, "-f", "au", "pipe:1")
}

// head reads the AU header: magic, offset of the data, size, encoding, rate, channels,
// each in 32 bits, then an annotation.
func (d *Decoder) head() error {
	d.deadline(d.limits.FirstByte)
	var h [24]byte
	if _, err := io.ReadFull(d.r, h[:]); err != nil {
		return d.explain(err, d.limits.FirstByte)
	}
	word := func(i int) int { return int(binary.BigEndian.Uint32(h[4*i:])) }
	offset, rate, channels := word(1), word(4), word(5)
	if string(h[:4]) != ".snd" || word(3) != 1+d.format.BitDepth/8 || offset < 24 || offset > 4096 ||
		rate < 1 || rate > 1<<20 || channels < 1 || channels > 64 {
		return errors.New("ffmpeg gave no audio header: is another program installed under its name?")
	}
	if _, err := d.r.Discard(offset - 24); err != nil {
		return d.explain(err, d.limits.FirstByte)
	}
	d.format.SampleRate, d.format.Channels = rate, channels
	return nil
}

// Format is what Read delivers.
func (d *Decoder) Format() Output { return d.format }

// Read fills dst with interleaved samples, right-aligned at the bit depth, and returns the
// number of whole frames; 0, io.EOF at the end. A child that died on the way is an error
// after its last sample.
func (d *Decoder) Read(dst []int32) (int, error) {
	size := d.format.BitDepth / 8
	frame := size * d.format.Channels
	want := min(len(dst)/d.format.Channels*frame, 32<<10/frame*frame)
	if cap(d.raw) < want {
		d.raw = make([]byte, want)
	}
	if d.ended != nil {
		return 0, d.ended
	}
	d.deadline(d.limits.Stall)
	n, err := io.ReadAtLeast(d.r, d.raw[:want], frame)
	if err == nil && n%frame != 0 { // a frame is cut by the pipe's buffer: its rest is there soon
		var k int
		k, err = io.ReadFull(d.r, d.raw[n:n+frame-n%frame])
		n += k
	}
	if err != nil {
		d.ended = d.explain(err, d.limits.Stall)
		if n < frame {
			return 0, d.ended
		}
	}
	n -= n % frame
	unpack(dst, d.raw[:n], size)
	return n / frame, nil
}

// unpack reads big-endian samples of size bytes.
func unpack(dst []int32, raw []byte, size int) {
	for i := range len(raw) / size {
		b := raw[i*size:]
		switch size {
		case 2:
			dst[i] = int32(int16(binary.BigEndian.Uint16(b)))
		case 3:
			dst[i] = int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
		default:
			dst[i] = int32(binary.BigEndian.Uint32(b))
		}
	}
}

// deadline bounds the reads from the child that follow.
func (d *Decoder) deadline(in time.Duration) {
	_ = d.c.out.SetReadDeadline(time.Now().Add(in)) // fails only when closed; then Read fails, too
}

// explain words the end of the child's output. io.EOF stays what it is when the child
// ended well.
func (d *Decoder) explain(err error, waited time.Duration) error {
	if cause := context.Cause(d.ctx); cause != nil {
		return cause
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("ffmpeg gave nothing for %v%s", waited, d.c.words.because())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if werr := d.c.exit(waited); werr != nil {
			return fmt.Errorf("ffmpeg cannot decode it: %w", werr)
		}
		return io.EOF
	}
	return fmt.Errorf("read from ffmpeg: %w", err)
}

// Close ends the child and returns when it is gone.
func (d *Decoder) Close() { d.c.close() }
