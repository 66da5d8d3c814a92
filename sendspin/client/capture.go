package client

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tutti-audio/tutti/sendspin/wire"
)

// Bounds of a source audio chunk in microseconds (section Source Audio Chunks).
const (
	shortestCaptured = int64(5_000)
	longestCaptured  = int64(150_000)
)

// captureBacklog is how much captured audio may wait for the connection, in
// microseconds. What comes on top is dropped: the server wants what is heard now.
const captureBacklog = int64(300_000)

// Errors of capturing.
var (
	// ErrNotRequested: the server has not asked for the source's audio, or takes its
	// request back. A source must not stream unasked.
	ErrNotRequested = errors.New("client: the server has not asked this source to stream")
	// ErrBacklog: the connection does not take audio as fast as it is captured; the
	// chunk is dropped.
	ErrBacklog = errors.New("client: captured audio is dropped, the connection is too slow")
)

// CaptureEnd is why capturing has ended.
type CaptureEnd string

// Values of [CaptureEnd].
const (
	CaptureStoppedByServer CaptureEnd = "stop"
	CaptureRoleRemoved     CaptureEnd = "role removed"
	CaptureUnavailable     CaptureEnd = "not available"
	CaptureDisconnected    CaptureEnd = "disconnected"
)

// CaptureRequested tells that the server asks for the source's audio: one call of
// [Client.OpenCapture] is allowed, with one of the codecs.
type CaptureRequested struct {
	ServerID string
	Codecs   []string
}

// CaptureStopped tells that the audio is not wanted any more, or cannot be sent. What is
// open is closed already; a new CaptureRequested has to come first.
type CaptureStopped struct {
	ServerID string
	Reason   CaptureEnd
}

func (CaptureRequested) event() {}
func (CaptureStopped) event()   {}

// Capture is an open input stream. Its methods are safe for concurrent use; what is
// written by one goroutine is sent in its order.
type Capture struct {
	c       *Client
	format  wire.AudioFormat
	header  []byte
	ended   atomic.Bool
	waiting atomic.Int64 // µs of audio that the core has not sent
}

// captured is a chunk on its way to the core.
type captured struct {
	at   int64
	data []byte
}

// OpenCapture announces the format of the audio that will follow: client-stream/start.
// The codec has to be one that [CaptureRequested] names; header is the codec header,
// which is required for flac: "fLaC" and STREAMINFO. While a stream is open, another
// call replaces its format in place, and the former Capture ends. Without a request of
// the server the error is [ErrNotRequested].
func (c *Client) OpenCapture(format wire.AudioFormat, header []byte) (*Capture, error) {
	codecs := c.stats.capture.Load()
	if codecs == nil {
		return nil, ErrNotRequested
	}
	if !slices.Contains(*codecs, format.Codec) {
		return nil, fmt.Errorf("%w: the server accepts %v, not %s", ErrInvalid, *codecs, format.Codec)
	}
	x := &Capture{c: c, format: format, header: slices.Clone(header)}
	if _, err := wire.Current().Encode(&wire.ClientStreamStart{Source: wire.InputStream{Format: format, CodecHeader: header}}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.do(func(k *core) { k.openCapture(x) }); err != nil {
		return nil, err
	}
	return x, nil
}

// Format returns the format that was announced.
func (x *Capture) Format() wire.AudioFormat { return x.format }

// Write sends whole codec units of 5 to 150 ms together. at is the client's time
// ([Client.Now]) when their first sample reached the input. data is copied. The errors
// are [ErrNotRequested] once the stream has ended, [ErrBacklog] for a chunk that was
// dropped, and [ErrInvalid] for one that must not be sent.
func (x *Capture) Write(at int64, data []byte) error { return x.write(at, data, shortestCaptured) }

// WriteLast is Write for the final chunk, which may be shorter than 5 ms, followed by
// Close.
func (x *Capture) WriteLast(at int64, data []byte) error {
	return errors.Join(x.write(at, data, 0), x.Close())
}

func (x *Capture) write(at int64, data []byte, least int64) error {
	if x.ended.Load() {
		return ErrNotRequested
	}
	samples, err := chunkSamples(x.format, data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	us := int64(samples) * 1_000_000 / int64(x.format.SampleRate)
	if us < least || us > longestCaptured {
		return fmt.Errorf("%w: a chunk of %d µs, want %d to %d", ErrInvalid, us, least, longestCaptured)
	}
	if x.waiting.Add(us) > captureBacklog {
		x.waiting.Add(-us)
		x.c.stats.captureDropped.Add(1)
		return ErrBacklog
	}
	c := captured{at: at, data: slices.Clone(data)}
	err = x.c.do(func(k *core) {
		x.waiting.Add(-us)
		k.sendCaptured(x, c)
	})
	if err != nil {
		x.waiting.Add(-us)
	}
	return err
}

// Close ends the input stream: client-stream/end. Another one needs another request of
// the server.
func (x *Capture) Close() error { return x.c.do(func(k *core) { k.closeCapture(x) }) }

// SetSignal tells whether the input has a signal, for a client with Config.LineSense.
func (c *Client) SetSignal(present bool) error {
	return c.do(func(k *core) { k.setSignal(present) })
}
