package wire

// Metadata is the metadata object of server/state. Empty strings and nil pointers
// are absent fields.
type Metadata struct {
	// Timestamp is when the object takes effect, in server microseconds. A future
	// one schedules the update (section Scheduled metadata updates).
	Timestamp   int64
	Title       string
	Artist      string
	AlbumArtist string
	Album       string
	ArtworkURL  string
	// Year has four digits, Track counts from 1.
	Year     *int
	Track    *int
	Progress *Progress
}

// Progress is the position in the track, measured at Metadata.Timestamp.
type Progress struct {
	// PositionMS is milliseconds since the start of the track.
	PositionMS int64
	// DurationMS is the length of the track, 0 when unknown or without end.
	DurationMS int64
	// Speed is the playback speed times 1000; 0 is paused.
	Speed int
}

// PositionAt returns the position in milliseconds at the given server time in
// microseconds (section Calculating current track position), clamped to the
// track. ok is false when the object carries no progress.
func (m *Metadata) PositionAt(serverTime int64) (ms int64, ok bool) {
	if m.Progress == nil {
		return 0, false
	}
	p := m.Progress
	// Split so that the product cannot overflow for any pause that fits a life.
	dt := serverTime - m.Timestamp
	speed := int64(p.Speed)
	ms = p.PositionMS + dt/1_000_000*speed + dt%1_000_000*speed/1_000_000
	if p.DurationMS != 0 {
		ms = min(ms, p.DurationMS)
	}
	return max(ms, 0), true
}

// RGB is a color, red, green and blue, each 0-255.
type RGB [3]uint8

// Color is the color object of server/state. Nil pointers are absent fields.
type Color struct {
	// Timestamp is as in [Metadata].
	Timestamp       int64
	BackgroundDark  *RGB
	BackgroundLight *RGB
	Primary         *RGB
	Accent          *RGB
	OnDark          *RGB
	OnLight         *RGB
}
