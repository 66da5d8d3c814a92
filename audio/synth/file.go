package synth

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/tutti-audio/tutti/audio/internal/flacenc"
	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
)

// fileBlock is the FLAC block size of written files, the usual one.
const fileBlock = 4096

// GenerateFLAC writes seconds of synthesised music as a 44.1 kHz/16-bit stereo FLAC
// file with tags, length and MD5; equal arguments give equal bytes. It holds the
// encoded file in memory.
func GenerateFLAC(w io.Writer, seconds float64, seed int64) error {
	frames, err := framesOf(seconds)
	if err != nil {
		return err
	}
	return writeFLAC(w, generate(frames, seed))
}

// GenerateWAV writes the same samples as GenerateFLAC as a WAVE file.
func GenerateWAV(w io.Writer, seconds float64, seed int64) error {
	frames, err := framesOf(seconds)
	if err != nil {
		return err
	}
	return writeWAV(w, generate(frames, seed))
}

// WriteFLAC writes a piece of Tracks as a FLAC file.
func WriteFLAC(w io.Writer, name string) error {
	p, err := Open(name)
	if err != nil {
		return err
	}
	return writeFLAC(w, p)
}

func framesOf(seconds float64) (int64, error) {
	if !(seconds > 0 && seconds <= 3600) {
		return 0, fmt.Errorf("synth: %v seconds is outside 0..3600", seconds)
	}
	return int64(math.Round(seconds * SampleRate)), nil
}

func writeFLAC(w io.Writer, p *Player) error {
	enc, err := flacenc.New(SampleRate, Channels, BitDepth, fileBlock)
	if err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	var data, packed []byte
	sum := md5.New()
	buf := make([]int32, fileBlock*Channels)
	for {
		n, err := p.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		packed = pcm.Pack(packed[:0], buf[:n*Channels], BitDepth)
		sum.Write(packed)
		if data, err = enc.Encode(data, buf[:n*Channels]); err != nil {
			return fmt.Errorf("synth: %w", err)
		}
	}
	info := flacenc.Info{Frames: p.track.Frames, MD5: [16]byte(sum.Sum(nil))}
	for _, part := range [][]byte{enc.StreamInfo(info), vorbisComment(p.track), data} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("synth: write flac: %w", err)
		}
	}
	return nil
}

// vorbisComment is the last metadata block of the file (RFC 9639 section 8.6).
func vorbisComment(t Track) []byte {
	le := binary.LittleEndian
	vendor := "Tutti"
	body := append(le.AppendUint32(nil, uint32(len(vendor))), vendor...)
	fields := []string{"TITLE=" + t.Title, "ARTIST=" + t.Artist, "ALBUM=" + t.Album}
	body = le.AppendUint32(body, uint32(len(fields)))
	for _, f := range fields {
		body = append(le.AppendUint32(body, uint32(len(f))), f...)
	}
	n := len(body)
	return append([]byte{0x84, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func writeWAV(w io.Writer, p *Player) error {
	out, err := wav.NewWriter(w, pcm.Format{SampleRate: SampleRate, Channels: Channels, BitDepth: BitDepth})
	if err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	buf := make([]int32, fileBlock*Channels)
	for {
		n, err := p.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err := out.Write(buf[:n*Channels]); err != nil {
			return fmt.Errorf("synth: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	return nil
}
