package player

// Accounting is the server's count of outstanding audio (section Player Buffer
// Accounting).
type Accounting struct{ capacity int }

// New returns an empty count with a buffer_capacity in bytes.
func New(capacity int) *Accounting { return &Accounting{capacity: capacity} }

// CanSend reports whether a chunk of size bytes, header included, may be sent.
func (a *Accounting) CanSend(size int, now int64) bool { return true }

// Sent records a chunk whose transmission starts at now.
func (a *Accounting) Sent(timestamp, duration int64, size int, now int64) {}

// SetOutputDelay recalculates completion times with a new output delay.
func (a *Accounting) SetOutputDelay(delayUS int64, now int64) {}

// Reset empties the count.
func (a *Accounting) Reset() {}

// Count returns outstanding bytes.
func (a *Accounting) Count(now int64) int { return 0 }

// Buffered returns outstanding microseconds of audio.
func (a *Accounting) Buffered(now int64) int64 { return 0 }

// NextRelease returns when the count next falls.
func (a *Accounting) NextRelease(now int64) (int64, bool) { return 0, false }

// VolumeAmplitude returns the gain of a volume 0-100.
func VolumeAmplitude(v int) float64 { return 0 }
