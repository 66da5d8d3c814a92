// Package ffmpeg runs ffmpeg and ffprobe as supervised children, for the formats that no
// good pure Go decoder exists for. A child gets one medium, and nothing else of the
// machine or the network: its input is an open file, a pipe, or an address on the
// loopback that only it knows; the demuxer is chosen by us; playlists and references
// inside a medium cannot make it open another. Its memory, its silence and its words are
// bounded, back-pressure bounds its output, and no process outlives its Decoder.
package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// ErrMissing is the cause when ffmpeg or ffprobe is not installed.
var ErrMissing = errors.New("ffmpeg is not installed")

// Tool is where the programs are.
type Tool struct{ FFmpeg, FFprobe string }

// Find looks the programs up in the search path, each time anew, so that an installation
// takes effect without a restart. The error satisfies errors.Is(err, ErrMissing).
func Find() (Tool, error) {
	var t Tool
	for name, dst := range map[string]*string{"ffmpeg": &t.FFmpeg, "ffprobe": &t.FFprobe} {
		p, err := exec.LookPath(name)
		if err != nil {
			return Tool{}, fmt.Errorf("%w: install Debian's package ffmpeg, or put %s into the search path", ErrMissing, name)
		}
		*dst = p
	}
	return t, nil
}

// Input is one medium. Exactly one of File, Stream and URL is set.
type Input struct {
	// Format is the name of the demuxer, as `ffmpeg -formats` lists it. It is forced, so
	// that no content can pick one that opens other files or addresses.
	Format string
	File   *os.File      // seekable; stays open and belongs to the caller
	Stream io.ReadCloser // read to its end; the Decoder closes it
	URL    string        // http on the loopback, see Serve
}

// Limits bound a child. The zero value is the default.
type Limits struct {
	FirstByte time.Duration // until the first audio; 0: 20 s
	Stall     time.Duration // of a Read without a byte; 0: 30 s
	Memory    uint64        // bytes of data that the child may have (Linux); 0: 512 MiB
}

// fill sets defaults. A damaged file on a slow disk may take seconds; nobody waits longer.
func (l Limits) fill() Limits {
	if l.FirstByte == 0 {
		l.FirstByte = 20 * time.Second
	}
	if l.Stall == 0 {
		l.Stall = 30 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 512 << 20
	}
	return l
}

// maxAlloc bounds one allocation inside ffmpeg: more than any real cover or frame.
const maxAlloc = 256 << 20

// args are the arguments that describe the input, for ffmpeg and ffprobe alike, and the
// file that the child gets as its descriptor 3.
func (in Input) args() (args []string, extra []*os.File) {
	switch {
	case in.File != nil:
		// Opened anew through its descriptor: no name can be swapped underneath.
		return []string{"-protocol_whitelist", "file", "-f", in.Format, "-i", "file:/dev/fd/3"}, []*os.File{in.File}
	case in.Stream != nil:
		return []string{"-protocol_whitelist", "pipe", "-f", in.Format, "-i", "pipe:0"}, nil
	}
	return []string{"-protocol_whitelist", "http,tcp", "-f", in.Format, "-i", in.URL}, nil
}
