package source

import (
	"math"
	"strconv"
	"strings"

	"github.com/dhowden/tag"
)

// Gain is what a medium's tags say about its loudness: by how many dB it must be made
// louder to reach the reference of ReplayGain 2, -18 LUFS, and its largest sample. What
// is not known has its Has field false, or a peak of 0.
type Gain struct {
	TrackDB, AlbumDB       float64 // dB, -60 to +60
	TrackPeak, AlbumPeak   float64 // 1 is full scale
	HasTrackDB, HasAlbumDB bool
}

// r128ToReplayGain is from the reference of R128 tags, -23 LUFS (RFC 7845 section
// 5.2.1), to that of ReplayGain 2.
const r128ToReplayGain = 5

// maxGainDB is more than any sensible tag says.
const maxGainDB = 60

// set takes over a comment of that name, in upper case; the first of a name counts. What
// cannot be read is not known.
func (g *Gain) set(key, value string) {
	switch key {
	case "REPLAYGAIN_TRACK_GAIN":
		setDB(&g.TrackDB, &g.HasTrackDB, value)
	case "REPLAYGAIN_ALBUM_GAIN":
		setDB(&g.AlbumDB, &g.HasAlbumDB, value)
	case "REPLAYGAIN_TRACK_PEAK":
		setPeak(&g.TrackPeak, value)
	case "REPLAYGAIN_ALBUM_PEAK":
		setPeak(&g.AlbumPeak, value)
	case "R128_TRACK_GAIN":
		setR128(&g.TrackDB, &g.HasTrackDB, value)
	case "R128_ALBUM_GAIN":
		setR128(&g.AlbumDB, &g.HasAlbumDB, value)
	}
}

// setDB reads "-7.12 dB".
func setDB(db *float64, has *bool, value string) {
	fields := strings.Fields(value)
	if *has || len(fields) == 0 {
		return
	}
	number, _ := strings.CutSuffix(strings.ToLower(fields[0]), "db")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > maxGainDB {
		return
	}
	*db, *has = v, true
}

// setR128 reads an integer in 1/256 dB (RFC 7845 section 5.2.1).
func setR128(db *float64, has *bool, value string) {
	v, err := strconv.ParseInt(strings.TrimSpace(value), 10, 16)
	if *has || err != nil {
		return
	}
	if gain := float64(v)/256 + r128ToReplayGain; math.Abs(gain) <= maxGainDB {
		*db, *has = gain, true
	}
}

func setPeak(peak *float64, value string) {
	v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if *peak == 0 && err == nil && v > 0 && v < 100 {
		*peak = v
	}
}

// setID3 takes over the user-defined texts of ID3v2 (TXXX), where taggers put ReplayGain.
func (g *Gain) setID3(raw map[string]any) {
	for name, v := range raw {
		if c, ok := v.(*tag.Comm); ok && strings.HasPrefix(name, "TXX") {
			g.set(strings.ToUpper(strings.Trim(c.Description, "\x00 ")), strings.Trim(c.Text, "\x00 "))
		}
	}
}
