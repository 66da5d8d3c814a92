package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/tutti-audio/tutti/audio/synth"
)

func TestGainTags(t *testing.T) {
	for name, c := range map[string]struct {
		tags [][2]string
		want Gain
	}{
		"replaygain":         {[][2]string{{"REPLAYGAIN_TRACK_GAIN", "-7.12 dB"}, {"REPLAYGAIN_TRACK_PEAK", "0.988525"}, {"REPLAYGAIN_ALBUM_GAIN", "+1.5dB"}, {"REPLAYGAIN_ALBUM_PEAK", "1.02"}}, Gain{-7.12, 1.5, 0.988525, 1.02, true, true}},
		"r128":               {[][2]string{{"R128_TRACK_GAIN", "-512"}, {"R128_ALBUM_GAIN", "256"}}, Gain{TrackDB: 3, AlbumDB: 6, HasTrackDB: true, HasAlbumDB: true}},
		"zero is known":      {[][2]string{{"REPLAYGAIN_TRACK_GAIN", "0.00 dB"}}, Gain{HasTrackDB: true}},
		"the first counts":   {[][2]string{{"REPLAYGAIN_TRACK_GAIN", "1 dB"}, {"REPLAYGAIN_TRACK_GAIN", "2 dB"}}, Gain{TrackDB: 1, HasTrackDB: true}},
		"nonsense":           {[][2]string{{"REPLAYGAIN_TRACK_GAIN", "loud"}, {"REPLAYGAIN_ALBUM_GAIN", "NaN dB"}, {"REPLAYGAIN_TRACK_PEAK", "-1"}, {"R128_TRACK_GAIN", "99999"}, {"REPLAYGAIN_ALBUM_GAIN", ""}}, Gain{}},
		"beyond any meaning": {[][2]string{{"REPLAYGAIN_TRACK_GAIN", "-90 dB"}}, Gain{}},
	} {
		t.Run(name, func(t *testing.T) {
			var tags Tags
			for _, kv := range c.tags {
				tags.set(kv[0], kv[1])
			}
			if tags.Gain != c.want {
				t.Errorf("%+v, want %+v", tags.Gain, c.want)
			}
		})
	}
}

// TestGainOfFiles reads the tags where FLAC and MP3 files have them.
func TestGainOfFiles(t *testing.T) {
	dir := t.TempDir()
	var flac bytes.Buffer
	if err := synth.GenerateFLAC(&flac, 0.5, 1); err != nil {
		t.Fatal(err)
	}
	mp3, err := os.ReadFile(filepath.Join("testdata", "notag.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"a.flac": withComment(flac.Bytes(), "replaygain_track_gain=-3.50 dB"),
		"a.mp3":  append(txxx("replaygain_track_gain", "-3.50 dB"), mp3...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := Open(context.Background(), name, Options{MusicDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if g := src.Info().Tags.Gain; g != (Gain{TrackDB: -3.5, HasTrackDB: true}) {
			t.Errorf("%s: %+v", name, g)
		}
		_ = src.Close()
	}
}

// withComment puts a VORBIS_COMMENT block behind the STREAMINFO of a FLAC file.
func withComment(flac []byte, comment string) []byte {
	body := binary.LittleEndian.AppendUint32(nil, 0)
	body = binary.LittleEndian.AppendUint32(body, 1)
	body = binary.LittleEndian.AppendUint32(body, uint32(len(comment)))
	body = append(body, comment...)
	last := flac[4] & 0x80
	block := append([]byte{last | 4, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	out := append([]byte{}, flac[:4+4+34]...)
	out[4] &= 0x7F
	return append(append(out, block...), flac[4+4+34:]...)
}

// txxx is an ID3v2.3 tag with one user-defined text.
func txxx(name, value string) []byte {
	body := append([]byte{0}, name...)
	body = append(append(append(body, 0), value...), 0)
	frame := append([]byte("TXXX"), 0, 0, 0, byte(len(body)), 0, 0)
	frame = append(frame, body...)
	return append([]byte{'I', 'D', '3', 3, 0, 0, 0, 0, 0, byte(len(frame))}, frame...)
}
