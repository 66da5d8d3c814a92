package deck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tutti-audio/tutti/audio/pcm"
	"github.com/tutti-audio/tutti/audio/wav"
)

// Null is an output that hears and forgets.
type Null struct{}

// Segment does nothing.
func (Null) Segment(pcm.Format, int64) error { return nil }

// Write does nothing.
func (Null) Write([]int32) error { return nil }

// Silence does nothing.
func (Null) Silence(int64) error { return nil }

// LeadUS is 0: samples are wanted at their moment.
func (Null) LeadUS() int64 { return 0 }

// Clear does nothing.
func (Null) Clear() error { return nil }

// SyncErrorUS cannot be told.
func (Null) SyncErrorUS() (int64, bool) { return 0, false }

// Close does nothing.
func (Null) Close() error { return nil }

// WAV is an output that records what is played, bit for bit, in the stream's own
// format. Each segment is a file: the first at the given path, later ones with -2, -3
// and so on before the extension.
type WAV struct {
	path    string
	started func(path string, f pcm.Format, firstTS int64)
	first   *os.File // made by NewWAV for the first segment
	files   int
	file    *os.File
	w       *wav.Writer
}

// NewWAV makes the file at path, so that a path that cannot be written is known at
// once. started is told of each segment: its first sample belongs to server time
// firstTS.
func NewWAV(path string, started func(path string, f pcm.Format, firstTS int64)) (*WAV, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("record to %s: %w: choose a path that can be written", path, err)
	}
	return &WAV{path: path, started: started, first: f}, nil
}

// Segment completes the file before and begins the next.
func (o *WAV) Segment(f pcm.Format, firstTS int64) error {
	if err := o.finish(); err != nil {
		return err
	}
	o.files++
	path := o.path
	if o.files > 1 {
		ext := filepath.Ext(path)
		path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), o.files, ext)
	}
	var err error
	if o.file, o.first = o.first, nil; o.file == nil {
		if o.file, err = os.Create(path); err != nil {
			return fmt.Errorf("record to %s: %w", path, err)
		}
	}
	if o.w, err = wav.NewWriter(o.file, f); err != nil {
		return fmt.Errorf("record to %s: %w", path, err)
	}
	o.started(path, f, firstTS)
	return nil
}

// Write appends samples.
func (o *WAV) Write(samples []int32) error { return o.w.Write(samples) }

// Silence appends zeros.
func (o *WAV) Silence(frames int64) error { return o.w.Silence(frames) }

// LeadUS is 0: only what was played is recorded.
func (o *WAV) LeadUS() int64 { return 0 }

// Clear does nothing: what is in the file was played.
func (o *WAV) Clear() error { return nil }

// SyncErrorUS cannot be told.
func (o *WAV) SyncErrorUS() (int64, bool) { return 0, false }

// Close completes the last file.
func (o *WAV) Close() error {
	err := o.finish()
	if o.first != nil { // nothing was played
		err = errors.Join(err, o.first.Close())
		o.first = nil
	}
	return err
}

func (o *WAV) finish() error {
	if o.file == nil {
		return nil
	}
	var err error
	if o.w != nil {
		err = o.w.Close()
	}
	err = errors.Join(err, o.file.Close())
	o.file, o.w = nil, nil
	return err
}
