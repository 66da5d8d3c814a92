package independent

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-audio/tutti/e2e/harness"
)

// tagged rewrites a FLAC file with these Vorbis comments alone.
func tagged(t testing.TB, dir, from, to string, comments ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, from))
	check(t, err)
	var vorbis []byte
	add := func(s string) {
		vorbis = append(binary.LittleEndian.AppendUint32(vorbis, uint32(len(s))), s...)
	}
	add("independent")
	vorbis = binary.LittleEndian.AppendUint32(vorbis, uint32(len(comments)))
	for _, c := range comments {
		add(c)
	}
	out := append([]byte("fLaC"), b[4]&0x7F)
	out = append(out, b[5:8+34]...) // STREAMINFO comes first
	out = append(out, 0x84, byte(len(vorbis)>>16), byte(len(vorbis)>>8), byte(len(vorbis)))
	out = append(out, vorbis...)
	for rest := b[4:]; ; { // the frames follow the last block
		n := 4 + int(be32(rest)&0xFFFFFF)
		last := rest[0]&0x80 != 0
		rest = rest[n:]
		if last {
			check(t, os.WriteFile(filepath.Join(dir, to), append(out, rest...), 0o600))
			return
		}
	}
}

// testOddTags: whatever a file claims, server/state is of the defined shape, in
// valid UTF-8, and fragmented when it is long. The referee judges every field.
func testOddTags(t *testing.T, s *harness.Server, music library) {
	d := ready(t, s, options{})
	g := group(t, s, "Tags", d)
	for _, c := range []struct {
		comments []string
		want     string // of the title
	}{
		{[]string{"TITLE=Odd", "TRACKNUMBER=0", "DATE=2021-05-03", "ARTIST=\xff\xfe", "ALBUM=\x00\x01"}, "Odd"},
		{[]string{"title=Lower", "TRACKNUMBER=3/12", "DATE=someday", "ALBUMARTIST=", "ARTIST=a", "ARTIST=b"}, "Lower"},
		{[]string{"TITLE=Negative", "TRACKNUMBER=-4", "DATE=-44", "YEAR=99999"}, "Negative"},
		{[]string{"TITLE=Huge", "TRACKNUMBER=99999999999999999999", "YEAR=20210503", "ARTIST=" + strings.Repeat("Ж\"\\", 40_000)}, "Huge"},
	} {
		name := "odd-" + c.want + ".flac"
		tagged(t, music.dir, "next.flac", name, c.comments...)
		mark := d.mark()
		play(t, s, g, name)
		m, _ := d.await("metadata of "+c.want, mark, func(m msg) bool { return sub(m.payload, "metadata")["title"] == c.want })
		md := sub(m.payload, "metadata")
		if c.want == "Lower" && num(md["track"]) != 3 {
			t.Errorf("track 3/12 became %v", md["track"])
		}
		if c.want == "Odd" && num(md["year"]) != 2021 {
			t.Errorf("date 2021-05-03 became %v", md["year"])
		}
	}
}
