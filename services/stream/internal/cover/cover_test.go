package cover

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/tutti-audio/tutti/platform/fault"
)

// picture is a PNG of one pixel whose red names it.
func picture(t *testing.T, red uint8) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	m.SetNRGBA(0, 0, color.NRGBA{red, 0, 0, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// flacPicture is a picture block of FLAC (section METADATA_BLOCK_PICTURE).
func flacPicture(data []byte) []byte {
	text := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	b := binary.BigEndian.AppendUint32(nil, 3) // front cover
	b = text(text(b, "image/png"), "")
	b = append(b, make([]byte, 16)...) // sizes and depth
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

func flacFile(data []byte) []byte {
	b := append([]byte("fLaC"), 0, 0, 0, 34)
	b = append(b, make([]byte, 34)...)
	p := flacPicture(data)
	return append(append(b, 0x80|6, byte(len(p)>>16), byte(len(p)>>8), byte(len(p))), p...)
}

// mp3File is an ID3v2.3 tag with an APIC frame.
func mp3File(data []byte) []byte {
	body := append([]byte("\x00image/png\x00\x03\x00"), data...)
	frame := append([]byte("APIC"), binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	frame = append(append(frame, 0, 0), body...)
	n := len(frame)
	head := append([]byte("ID3\x03\x00\x00"), byte(n>>21&0x7F), byte(n>>14&0x7F), byte(n>>7&0x7F), byte(n&0x7F))
	return append(append(head, frame...), 0xFF, 0xFB, 0x90, 0)
}

// mp4File is the atoms down to the cover.
func mp4File(data []byte) []byte {
	atom := func(name string, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), name...), body...)
	}
	value := atom("data", []byte{0, 0, 0, 14, 0, 0, 0, 0}, data) // PNG
	return append(atom("ftyp", []byte("M4A \x00\x00\x00\x00")),
		atom("moov", atom("udta", atom("meta", make([]byte, 4), atom("ilst", atom("covr", value)))))...)
}

// oggCRC is the checksum of a page (RFC 3533, section 6).
func oggCRC(b []byte) (crc uint32) {
	for _, v := range b {
		crc ^= uint32(v) << 24
		for range 8 {
			crc = crc<<1 ^ 0x04C11DB7*(crc>>31)
		}
	}
	return crc
}

// oggFile is the first two pages of a Vorbis file.
func oggFile(data []byte) []byte {
	page := func(n uint32, packet []byte) []byte {
		b := append([]byte("OggS\x00"), 0)
		b = append(b, make([]byte, 8)...)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, n)
		b = append(b, 0, 0, 0, 0)
		var lacing []byte
		for rest := len(packet); ; rest -= 255 {
			lacing = append(lacing, byte(min(rest, 255)))
			if rest < 255 {
				break
			}
		}
		b = append(append(b, byte(len(lacing))), lacing...)
		b = append(b, packet...)
		binary.LittleEndian.PutUint32(b[22:], oggCRC(b))
		return b
	}
	text := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	comment := text([]byte("\x03vorbis"), "tutti")
	comment = binary.LittleEndian.AppendUint32(comment, 1)
	comment = text(comment, "METADATA_BLOCK_PICTURE="+base64.StdEncoding.EncodeToString(flacPicture(data)))
	return append(page(0, append([]byte("\x01vorbis"), make([]byte, 23)...)), page(1, append(comment, 1))...)
}

// folder writes files below a new music folder.
func folder(t *testing.T, files map[string][]byte) Finder {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Finder{MusicDir: dir}
}

// named is the red of a picture that was found.
func named(t *testing.T, f Found, err error) int {
	t.Helper()
	if err != nil {
		if fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%v", err)
		}
		return -1
	}
	again, err := f.Reload(t.Context())
	if err != nil || !bytes.Equal(again, f.Data) {
		t.Errorf("read again: %d bytes of %d, %v", len(again), len(f.Data), err)
	}
	m, err := png.Decode(bytes.NewReader(f.Data))
	if err != nil {
		t.Fatal(err)
	}
	r, _, _, _ := m.At(0, 0).RGBA()
	return int(r >> 8)
}

func TestPictureInTags(t *testing.T) {
	for name, file := range map[string]func([]byte) []byte{"a.flac": flacFile, "a.mp3": mp3File, "a.m4a": mp4File, "a.ogg": oggFile} {
		f := folder(t, map[string][]byte{"x/" + name: file(picture(t, 7)), "x/cover.png": picture(t, 9), "x/plain.flac": file(nil)})
		found, err := f.Album(t.Context(), "x/"+name, "")
		if got := named(t, found, err); got != 7 {
			t.Errorf("%s: picture %d, want that of the file's own", name, got)
		}
		found, err = f.Album(t.Context(), "x/plain.flac", "")
		if got := named(t, found, err); got != 9 {
			t.Errorf("%s without a picture of its own: %d, want that of the folder", name, got)
		}
	}
}

func TestPictureInTheFolder(t *testing.T) {
	pic := func(n uint8) []byte { return picture(t, n) }
	for name, c := range map[string]struct {
		files map[string][]byte
		path  string
		album string
		want  int
	}{
		"cover before folder":  {map[string][]byte{"x/a.mp3": nil, "x/folder.png": pic(1), "x/cover.png": pic(2)}, "x/a.mp3", "", 2},
		"any case":             {map[string][]byte{"x/a.mp3": nil, "x/Front.PNG": pic(1), "x/z.png": pic(2)}, "x/a.mp3", "", 1},
		"named like the album": {map[string][]byte{"x/a.mp3": nil, "x/b.png": pic(1), "x/Blue Notes.jpg": pic(2)}, "x/a.mp3", "blue notes", 2},
		"like the folder":      {map[string][]byte{"Blue/a.mp3": nil, "Blue/b.png": pic(1), "Blue/blue.jpeg": pic(2)}, "Blue/a.mp3", "", 2},
		"the only one":         {map[string][]byte{"x/a.mp3": nil, "x/scan01.png": pic(3)}, "x/a.mp3", "", 3},
		"one of several":       {map[string][]byte{"x/a.mp3": nil, "x/scan01.png": pic(3), "x/scan02.png": pic(4)}, "x/a.mp3", "", -1},
		"above the discs":      {map[string][]byte{"x/CD 1/a.mp3": nil, "x/cover.png": pic(5)}, "x/CD 1/a.mp3", "", 5},
		"not above an album":   {map[string][]byte{"x/y/a.mp3": nil, "x/cover.png": pic(5)}, "x/y/a.mp3", "", -1},
		"not any in the root":  {map[string][]byte{"a.mp3": nil, "holiday.png": pic(5)}, "a.mp3", "", -1},
		"cover in the root":    {map[string][]byte{"a.mp3": nil, "cover.png": pic(5)}, "a.mp3", "", 5},
		"not a portrait":       {map[string][]byte{"x/a.mp3": nil, "x/artist.png": pic(5)}, "x/a.mp3", "", -1},
		"a damaged one":        {map[string][]byte{"x/a.mp3": nil, "x/cover.png": []byte("nothing"), "x/folder.png": pic(6)}, "x/a.mp3", "", 6},
		"of a folder":          {map[string][]byte{"x/a.mp3": nil, "x/cover.png": pic(8)}, "x", "", 8},
		"of nothing":           {map[string][]byte{"x/cover.png": pic(8)}, "x/a.mp3", "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := folder(t, c.files).Album(t.Context(), c.path, c.album)
			if got := named(t, found, err); got != c.want {
				t.Errorf("picture %d, want %d", got, c.want)
			}
		})
	}
}

func TestPortraitOfTheArtist(t *testing.T) {
	pic := func(n uint8) []byte { return picture(t, n) }
	for name, c := range map[string]struct {
		files  map[string][]byte
		artist string
		want   int
	}{
		"in the artist's folder": {map[string][]byte{"Ann/Album/a.mp3": nil, "Ann/artist.jpg": pic(1)}, "", 1},
		"beside the file":        {map[string][]byte{"Ann/Album/a.mp3": nil, "Ann/artist.jpg": pic(1), "Ann/Album/artist.png": pic(2)}, "", 2},
		"with the name":          {map[string][]byte{"Ann/Album/a.mp3": nil, "Ann/Ann Example.png": pic(3)}, "ann example", 3},
		"not the cover":          {map[string][]byte{"Ann/Album/a.mp3": nil, "Ann/Album/cover.png": pic(4)}, "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := folder(t, c.files).Artist(t.Context(), "Ann/Album/a.mp3", c.artist)
			if got := named(t, found, err); got != c.want {
				t.Errorf("picture %d, want %d", got, c.want)
			}
		})
	}
}

func TestPicturesStayInside(t *testing.T) {
	outer := t.TempDir()
	f := Finder{MusicDir: filepath.Join(outer, "music")}
	if err := os.MkdirAll(filepath.Join(f.MusicDir, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for p, data := range map[string][]byte{"secret.png": picture(t, 1), "music/x/a.mp3": nil} {
		if err := os.WriteFile(filepath.Join(outer, p), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../secret.png", filepath.Join(f.MusicDir, "x", "cover.png")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"x/a.mp3", "../secret.png", "x/../../secret.png", "/etc/passwd"} {
		if _, err := f.Album(t.Context(), p, ""); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := (Finder{}).Album(t.Context(), "x", ""); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("no folder: %v", err)
	}
}
