// Package audio is the root of Tutti's audio module. It holds no code of its own:
//
//   - pcm: formats, bit depths, channel mapping and packing of samples
//   - source: FLAC, MP3 and WAV files, HTTP addresses and test tones as PCM
//   - resample: rational sample-rate conversion on an exact integer timeline
//   - convert: channel mapping, resampling and bit depth in the right order
//   - eq: parametric equalizer and peak limiter, aligned to the sample
//   - analysis: loudness, spectra, onsets, beats and bars for visualizers
//   - encode, decode: Sendspin codec units (pcm, flac) to and from samples
//   - wav: a streaming RIFF/WAVE writer and a bounded reader
//   - internal/flacenc, internal/flacdec: FLAC frames, one at a time, without allocations
//   - synth: music that Tutti synthesises for the demo and for tests
//
// Everywhere samples are []int32, interleaved by channel and right-aligned at the
// stream's bit depth. Nothing here starts a goroutine, and nothing knows of
// sockets, clocks or Sendspin sessions.
package audio
