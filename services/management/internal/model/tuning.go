package model

// Tuning is what the operator set for a client.
type Tuning struct {
	VolumeMin       *int32       `json:"volume_min,omitempty" doc:"Least volume that the server sets."`
	VolumeMax       *int32       `json:"volume_max,omitempty" doc:"Greatest volume that the server sets."`
	VolumeStartup   *int32       `json:"volume_startup,omitempty" doc:"Set once when a session begins, unless the player comes back with the volume that it left with."`
	Channels        string       `json:"channels,omitempty" doc:"stereo (also when absent), mono, left or right."`
	Equalizer       *Equalizer   `json:"equalizer,omitempty" doc:"Absent when it is off."`
	PreferredFormat *AudioFormat `json:"preferred_format,omitempty" doc:"The operator's choice of a format."`
	AutoStart       *AutoStart   `json:"auto_start,omitempty" doc:"Of a source: absent when it does not start by itself."`
}

// AutoStart makes a group play a source when that has a signal.
type AutoStart struct {
	GroupID     string `json:"group_id"`
	StopAfterMS int64  `json:"stop_after_ms" doc:"Silence until the group stops."`
}

// Equalizer is a chain of parametric bands, with a limiter behind it.
type Equalizer struct {
	PreampDB  float64         `json:"preamp_db" minimum:"-24" maximum:"12"`
	Bands     []EqualizerBand `json:"bands" nullable:"false" maxItems:"10"`
	Limiter   bool            `json:"limiter" doc:"Whether peaks are held at limiter_db."`
	LimiterDB float64         `json:"limiter_db" minimum:"-24" maximum:"0" doc:"dB below full scale."`
}

// EqualizerBand is one filter of an equalizer.
type EqualizerBand struct {
	Kind      string  `json:"kind" enum:"peak,low_shelf,high_shelf,low_pass,high_pass"`
	Frequency float64 `json:"frequency" minimum:"10" maximum:"22000" doc:"Hz."`
	GainDB    float64 `json:"gain_db" minimum:"-24" maximum:"24" doc:"Means nothing for passes."`
	Q         float64 `json:"q" minimum:"0.1" maximum:"20"`
}

// Limits are what the server holds a player's volume to now: the narrower of the
// client's and its persona's.
type Limits struct {
	VolumeMin     int32  `json:"volume_min"`
	VolumeMax     int32  `json:"volume_max"`
	VolumeStartup *int32 `json:"volume_startup,omitempty"`
}

// Clamp brings a volume inside the limits; a nil l has none.
func (l *Limits) Clamp(v int32) int32 {
	if l == nil {
		return v
	}
	return min(max(v, l.VolumeMin), l.VolumeMax)
}
