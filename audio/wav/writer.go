// Package wav writes and reads RIFF/WAVE files of integer PCM.
//
// The writer is made for streams that may be cut at any time: until Close the header
// claims "until the end of the file", and on a seekable output it is brought up to
// date about once a second of audio, so that even a killed program leaves a file that
// other programs open.
package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/audio/pcm"
)

const (
	headerSize = 68         // RIFF, fmt (extensible) and the data chunk's head
	unknown    = 0xFFFFFFFF // the length that streaming writers agree on
	formatPCM  = 1
	formatExt  = 0xFFFE
)

// subFormatTail is the fixed part of the GUID of WAVE_FORMAT_EXTENSIBLE sub-formats.
const subFormatTail = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// Writer writes a WAVE file as a stream. Not safe for concurrent use.
type Writer struct {
	w       io.Writer
	seek    io.WriteSeeker // nil when the output cannot seek
	format  pcm.Format
	buf     []byte
	frames  int64
	updated int64 // frames that the header on disk knows of
}

// NewWriter writes the header for integer PCM of f (f.Codec is ignored) at the
// beginning of w. When w is an io.WriteSeeker whose seeks work, lengths are kept right.
func NewWriter(w io.Writer, f pcm.Format) (*Writer, error) {
	f.Codec = pcm.CodecPCM
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("wav: %w", err)
	}
	out := &Writer{w: w, format: f}
	if s, ok := w.(io.WriteSeeker); ok {
		// A pipe or a terminal is an *os.File, too, but its seeks fail.
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			out.seek = s
		}
	}
	if _, err := w.Write(header(f, -1)); err != nil {
		return nil, fmt.Errorf("wav: write header: %w", err)
	}
	return out, nil
}

// header builds the file's head for frames of f; -1 means not known yet. Lengths that
// RIFF's 32 bits cannot hold are given as unknown.
func header(f pcm.Format, frames int64) []byte {
	data := int64(unknown)
	riff := int64(unknown)
	if n := frames * int64(f.BytesPerFrame()); frames >= 0 && n+headerSize < unknown {
		data, riff = n, n+n&1+headerSize-8
	}
	le := binary.LittleEndian
	h := append(make([]byte, 0, headerSize), "RIFF"...)
	h = le.AppendUint32(h, uint32(riff))
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 40)
	h = le.AppendUint16(h, formatExt)
	h = le.AppendUint16(h, uint16(f.Channels))
	h = le.AppendUint32(h, uint32(f.SampleRate))
	h = le.AppendUint32(h, uint32(f.SampleRate*f.BytesPerFrame()))
	h = le.AppendUint16(h, uint16(f.BytesPerFrame()))
	h = le.AppendUint16(h, uint16(f.BitDepth))
	h = le.AppendUint16(h, 22) // size of what follows
	h = le.AppendUint16(h, uint16(f.BitDepth))
	h = le.AppendUint32(h, 0) // channel mask: unspecified
	h = le.AppendUint16(h, formatPCM)
	h = append(h, subFormatTail...)
	h = append(h, "data"...)
	return le.AppendUint32(h, uint32(data))
}

// Format is the format of the file.
func (w *Writer) Format() pcm.Format { return w.format }

// Frames is the number of frames written.
func (w *Writer) Frames() int64 { return w.frames }

// Write appends interleaved samples: whole frames within the bit depth.
func (w *Writer) Write(samples []int32) error {
	if len(samples)%w.format.Channels != 0 {
		return fmt.Errorf("wav: %d samples are not whole frames of %d channels", len(samples), w.format.Channels)
	}
	w.buf = pcm.Pack(w.buf[:0], samples, w.format.BitDepth)
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("wav: write samples: %w", err)
	}
	w.frames += int64(len(samples) / w.format.Channels)
	if w.seek != nil && w.frames-w.updated >= int64(w.format.SampleRate) {
		return w.update()
	}
	return nil
}

// Silence appends frames of zeros.
func (w *Writer) Silence(frames int64) error {
	zeros := make([]int32, min(frames, 4096)*int64(w.format.Channels))
	for frames > 0 {
		n := min(frames, 4096)
		if err := w.Write(zeros[:n*int64(w.format.Channels)]); err != nil {
			return err
		}
		frames -= n
	}
	return nil
}

// Close completes the header when the output can seek. It does not close the output,
// and nothing may be written afterwards.
func (w *Writer) Close() error {
	if w.frames*int64(w.format.BytesPerFrame())%2 != 0 { // chunks have even lengths
		if _, err := w.w.Write([]byte{0}); err != nil {
			return fmt.Errorf("wav: write padding: %w", err)
		}
	}
	if w.seek == nil {
		return nil
	}
	return w.update()
}

// update rewrites the header and goes back to the end.
func (w *Writer) update() error {
	w.updated = w.frames
	_, err := w.seek.Seek(0, io.SeekStart)
	if err == nil {
		_, err = w.seek.Write(header(w.format, w.frames))
	}
	_, err2 := w.seek.Seek(0, io.SeekEnd)
	if err = errors.Join(err, err2); err != nil {
		return fmt.Errorf("wav: update header: %w", err)
	}
	return nil
}
