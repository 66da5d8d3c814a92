package clock

// Exchange computes one measurement.
func Exchange(t1, t2, t3, t4 int64) (measurement, maxErr int64) { return }

// Filter is the time filter.
type Filter struct{}

// New returns a new filter.
func New() *Filter { return &Filter{} }

// Update feeds one measurement.
func (f *Filter) Update(measurement, maxErr, t4 int64) {}

// ServerTime converts a client time.
func (f *Filter) ServerTime(client int64) int64 { return client }

// ClientTime converts a server time.
func (f *Filter) ClientTime(server int64) int64 { return server }

// StdDev is the standard deviation of the offset in microseconds.
func (f *Filter) StdDev() float64 { return 0 }

// Count is the number of measurements, up to min_samples.
func (f *Filter) Count() int { return 0 }

// Converged reports whether playback can be scheduled.
func (f *Filter) Converged() bool { return false }
