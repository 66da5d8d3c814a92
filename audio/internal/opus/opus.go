//go:build opus && cgo

// Package opus binds libopus (RFC 6716), as little of it as Tutti needs: one encoder and
// one decoder of whole packets. It is built with the tag opus, with cgo, and needs
// libopus and its headers (Debian: libopus-dev, pkg-config).
package opus

/*
#cgo pkg-config: opus
#include <opus.h>

// The ctl functions are variadic, which cgo does not call.
static int tutti_set_bitrate(OpusEncoder *e, opus_int32 v) { return opus_encoder_ctl(e, OPUS_SET_BITRATE(v)); }
static int tutti_lookahead(OpusEncoder *e, opus_int32 *v) { return opus_encoder_ctl(e, OPUS_GET_LOOKAHEAD(v)); }
static int tutti_reset(OpusEncoder *e) { return opus_encoder_ctl(e, OPUS_RESET_STATE); }
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// MaxPacket is the most bytes that Encode writes: a packet of three frames (RFC 6716,
// section 3.2).
const MaxPacket = 3 * 1275

// maxFrames is the most frames per channel of a packet: 120 ms at 48 kHz.
const maxFrames = 5760

func check(op string, code C.int) error {
	if code >= 0 {
		return nil
	}
	return fmt.Errorf("opus: %s: %s", op, C.GoString(C.opus_strerror(code)))
}

// Encoder makes packets. Not safe for concurrent use.
type Encoder struct {
	e        *C.OpusEncoder
	channels int
	delay    int
}

// NewEncoder returns an encoder for music at rate Hz (8000, 12000, 16000, 24000 or
// 48000) with 1 or 2 channels. bitrate is in bit/s.
func NewEncoder(rate, channels, bitrate int) (*Encoder, error) {
	var code C.int
	e := C.opus_encoder_create(C.opus_int32(rate), C.int(channels), C.OPUS_APPLICATION_AUDIO, &code)
	if err := check("make an encoder", code); err != nil {
		return nil, err
	}
	enc := &Encoder{e: e, channels: channels}
	runtime.SetFinalizer(enc, func(enc *Encoder) { C.opus_encoder_destroy(enc.e) })
	if err := check("set the bit rate", C.tutti_set_bitrate(e, C.opus_int32(bitrate))); err != nil {
		return nil, err
	}
	var delay C.opus_int32
	if err := check("ask for the look-ahead", C.tutti_lookahead(e, &delay)); err != nil {
		return nil, err
	}
	enc.delay = int(delay)
	return enc, nil
}

// Delay is how many frames later a decoder gives out what Encode was given.
func (e *Encoder) Delay() int { return e.delay }

// Encode appends the packet of samples, interleaved, ±1 at full scale: 2.5, 5, 10, 20, 40
// or 60 ms.
func (e *Encoder) Encode(dst []byte, samples []float32) ([]byte, error) {
	if len(samples) == 0 {
		return dst, errors.New("opus: an empty packet")
	}
	start := len(dst)
	if cap(dst)-start < MaxPacket {
		dst = append(make([]byte, 0, start+MaxPacket), dst...)
	}
	out := dst[start : start+MaxPacket]
	n := C.opus_encode_float(e.e, (*C.float)(unsafe.Pointer(&samples[0])), C.int(len(samples)/e.channels),
		(*C.uchar)(unsafe.Pointer(&out[0])), C.opus_int32(MaxPacket))
	runtime.KeepAlive(e)
	if err := check("encode", C.int(n)); err != nil {
		return dst[:start], err
	}
	return dst[:start+int(n)], nil
}

// Reset forgets all input.
func (e *Encoder) Reset() {
	C.tutti_reset(e.e)
	runtime.KeepAlive(e)
}

// Decoder reads packets. Not safe for concurrent use.
type Decoder struct {
	d        *C.OpusDecoder
	channels int
	buf      []float32
}

// NewDecoder returns a decoder; the bounds are those of NewEncoder. It gives its own rate
// and channels whatever a packet holds.
func NewDecoder(rate, channels int) (*Decoder, error) {
	var code C.int
	d := C.opus_decoder_create(C.opus_int32(rate), C.int(channels), &code)
	if err := check("make a decoder", code); err != nil {
		return nil, err
	}
	dec := &Decoder{d: d, channels: channels, buf: make([]float32, maxFrames*channels)}
	runtime.SetFinalizer(dec, func(dec *Decoder) { C.opus_decoder_destroy(dec.d) })
	return dec, nil
}

// Decode returns the samples of one packet, interleaved, ±1 at full scale. They are
// valid until the next call.
func (d *Decoder) Decode(packet []byte) ([]float32, error) {
	if len(packet) == 0 {
		return nil, errors.New("opus: an empty packet")
	}
	n := C.opus_decode_float(d.d, (*C.uchar)(unsafe.Pointer(&packet[0])), C.opus_int32(len(packet)),
		(*C.float)(unsafe.Pointer(&d.buf[0])), maxFrames, 0)
	runtime.KeepAlive(d)
	if err := check("decode", n); err != nil {
		return nil, err
	}
	return d.buf[:int(n)*d.channels], nil
}
