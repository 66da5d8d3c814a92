package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tutti-audio/tutti/audio/pcm"
)

// ErrNotWAV is the cause when a stream does not begin like a WAVE file.
var ErrNotWAV = errors.New("not a RIFF/WAVE stream")

// maxChunks bounds the chunks before the audio, and maxText what is kept of a text.
const (
	maxChunks = 1000
	maxText   = 4096
)

// Reader reads the samples of a WAVE file of integer PCM: 8, 16, 24 or 32 bits, plain
// or WAVE_FORMAT_EXTENSIBLE. Not safe for concurrent use.
type Reader struct {
	r      io.ReadSeeker
	format pcm.Format
	bits   int   // in the file: 8 is delivered as 16
	start  int64 // offset of the first sample
	frames int64
	next   int64
	info   map[string]string
	buf    []byte
}

// NewReader parses the header of r. It reads nothing beyond the audio, so that tags
// after it are not seen. A length of "unknown", or one beyond the end of the file,
// means until the end of the file.
func NewReader(r io.ReadSeeker) (*Reader, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("wav: find the length: %w", err)
	}
	if _, err = r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("wav: rewind: %w", err)
	}
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("wav: %w", ErrNotWAV)
	}
	w := &Reader{r: r, info: map[string]string{}}
	if err := w.chunks(12, size); err != nil {
		return nil, err
	}
	return w, nil
}

// chunks walks the chunks from offset at until the one with the samples.
func (w *Reader) chunks(at, size int64) error {
	for range maxChunks {
		var head [8]byte
		if _, err := io.ReadFull(w.r, head[:]); err != nil {
			return errors.New("wav: the file ends before its data chunk")
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		at += 8
		switch string(head[:4]) {
		case "fmt ":
			if err := w.parseFormat(length); err != nil {
				return err
			}
		case "LIST":
			w.parseList(length)
		case "data":
			return w.foundData(at, length, size)
		}
		at += length + length&1
		if at > size {
			return fmt.Errorf("wav: chunk %q of %d bytes reaches beyond the end of the file", head[:4], length)
		}
		if _, err := w.r.Seek(at, io.SeekStart); err != nil {
			return fmt.Errorf("wav: skip chunk %q: %w", head[:4], err)
		}
	}
	return fmt.Errorf("wav: more than %d chunks before the audio", maxChunks)
}

func (w *Reader) foundData(at, length, size int64) error {
	if w.bits == 0 {
		return errors.New("wav: data chunk without a fmt chunk before it")
	}
	if length >= unknown-headerSize || at+length > size {
		length = size - at
	}
	w.start = at
	w.frames = length / int64(w.format.Channels*w.bits/8)
	return nil
}

// parseFormat reads a fmt chunk (16, 18 or 40 bytes).
func (w *Reader) parseFormat(length int64) error {
	var b [40]byte
	n := min(length, 40)
	if n < 16 {
		return fmt.Errorf("wav: fmt chunk of %d bytes, want at least 16", length)
	}
	if _, err := io.ReadFull(w.r, b[:n]); err != nil {
		return fmt.Errorf("wav: read fmt chunk: %w", err)
	}
	le := binary.LittleEndian
	tag := le.Uint16(b[0:])
	if tag == formatExt && n == 40 {
		tag = le.Uint16(b[24:])
		if string(b[26:40]) != subFormatTail {
			return errors.New("wav: unknown sub-format: convert the file to integer PCM")
		}
	}
	if tag != formatPCM {
		return fmt.Errorf("wav: encoding %#04x is not integer PCM: convert the file", tag)
	}
	w.bits = int(le.Uint16(b[14:]))
	w.format = pcm.Format{Codec: pcm.CodecPCM, Channels: int(le.Uint16(b[2:])), SampleRate: int(le.Uint32(b[4:])), BitDepth: max(16, w.bits)}
	if w.bits%8 != 0 || w.bits == 0 {
		return fmt.Errorf("wav: %d bits per sample are not 8, 16, 24 or 32", w.bits)
	}
	if err := w.format.Validate(); err != nil {
		return fmt.Errorf("wav: %w", err)
	}
	if align := int(le.Uint16(b[12:])); align != w.format.Channels*w.bits/8 {
		return fmt.Errorf("wav: frames of %d bytes do not hold %d channels of %d bits", align, w.format.Channels, w.bits)
	}
	return nil
}

// parseList keeps the texts of an INFO list; what is malformed in it is left out.
func (w *Reader) parseList(length int64) {
	b := make([]byte, min(length, 64<<10))
	n, _ := io.ReadFull(w.r, b)
	b = b[:n]
	if len(b) < 4 || string(b[:4]) != "INFO" {
		return
	}
	for b = b[4:]; len(b) >= 8; {
		id, size := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:8]))
		b = b[8:]
		if size < 0 || size > len(b) {
			return
		}
		text := b[:min(size, maxText)]
		for len(text) > 0 && text[len(text)-1] == 0 {
			text = text[:len(text)-1]
		}
		w.info[id] = string(text)
		b = b[min(len(b), size+size&1):]
	}
}

// Format is the format of the samples that Read delivers.
func (w *Reader) Format() pcm.Format { return w.format }

// Frames is the length of the file in frames.
func (w *Reader) Frames() int64 { return w.frames }

// Text is an entry of the file's INFO list, such as INAM (title) or IART (artist).
func (w *Reader) Text(id string) string { return w.info[id] }

// SeekFrame makes the next Read start at frame, or at the end if that comes first.
func (w *Reader) SeekFrame(frame int64) error {
	frame = min(max(frame, 0), w.frames)
	if _, err := w.r.Seek(w.start+frame*w.size(), io.SeekStart); err != nil {
		return fmt.Errorf("wav: seek: %w", err)
	}
	w.next = frame
	return nil
}

func (w *Reader) size() int64 { return int64(w.format.Channels * w.bits / 8) }

// Read fills dst with whole interleaved frames and returns their number; at the end it
// returns 0, io.EOF.
func (w *Reader) Read(dst []int32) (int, error) {
	want := min(int64(len(dst)/w.format.Channels), w.frames-w.next)
	if want <= 0 {
		return 0, io.EOF
	}
	need := int(want * w.size())
	if cap(w.buf) < need {
		w.buf = make([]byte, need)
	}
	n, err := io.ReadFull(w.r, w.buf[:need])
	got := int64(n) / w.size()
	if got == 0 {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, io.EOF // the file is shorter than it was
		}
		return 0, fmt.Errorf("wav: read: %w", err)
	}
	w.next += got
	data := w.buf[:got*w.size()]
	if w.bits == 8 { // unsigned, and delivered as 16 bits
		for i, b := range data {
			dst[i] = (int32(b) - 128) << 8
		}
		return int(got), nil
	}
	if _, err := pcm.Unpack(dst[:0], data, w.bits); err != nil {
		return 0, fmt.Errorf("wav: %w", err)
	}
	return int(got), nil
}
