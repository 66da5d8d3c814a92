package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// Where a stranger's server leads is never closer to this machine than the server is; the
// check is of the numeric address, at the moment of connecting.
func TestFollowUpsStayAsFarAway(t *testing.T) {
	addresses := map[string]int{"203.0.113.7:80": scopePublic, "[2001:db8::1]:80": scopePublic, "10.1.2.3:80": scopePrivate, "192.168.0.9:80": scopePrivate,
		"172.16.0.1:80": scopePrivate, "100.64.0.1:80": scopePrivate, "[fd00::1]:80": scopePrivate, "127.0.0.1:80": scopeLoopback, "[::1]:80": scopeLoopback,
		"[::ffff:127.0.0.1]:80": scopeLoopback}
	for bound := range 4 {
		for a, s := range addresses {
			g := &guard{}
			g.bound.Store(int32(bound))
			err := g.control("tcp", a, nil)
			if refuse := bound != 0 && s > bound; refuse != errors.Is(err, errTooClose) {
				t.Errorf("bound %d, %s: %v", bound, a, err)
			}
		}
	}
	for _, a := range []string{"169.254.169.254:80", "[fe80::1%25eth0]:80", "224.0.0.1:80", "0.0.0.0:80", "[::]:80", "[::ffff:169.254.169.254]:80"} {
		if err := (&guard{}).control("tcp", a, nil); err == nil {
			t.Errorf("%s can be reached", a)
		}
	}
}

// The first connection sets the bound.
func TestTheFirstServerSetsTheBound(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := &guard{}
	c, err := g.dial(t.Context(), net.Dialer{}, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if g.bound.Load() != scopeLoopback {
		t.Errorf("bound %d", g.bound.Load())
	}
}

func TestStreamTitles(t *testing.T) {
	for in, want := range map[string]string{
		"StreamTitle='A - B';\x00\x00": "A - B", "StreamTitle='It's on';StreamUrl='x';": "It's on", "StreamTitle='x'; y';": "x'; y",
		"StreamTitle='';": "", "StreamTitle='cut off": "cut off", "StreamTitle='cut'": "cut", "StreamUrl='u';StreamTitle='t';": "t",
		"StreamTitle='M\xfcll \x96 \x80';": "Müll – €", "StreamTitle='Müll';": "Müll",
	} {
		if got, ok := streamTitle([]byte(in)); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	if _, ok := streamTitle([]byte("StreamUrl='x';")); ok {
		t.Error("a title out of nothing")
	}
}

func FuzzICY(f *testing.F) {
	f.Add([]byte("aaaa\x02StreamTitle='A - B';\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00bbbb\x00cccc"), 4)
	f.Add([]byte("aaaa\xFF"), 4)
	f.Fuzz(func(t *testing.T, b []byte, interval int) {
		interval = 1 + (interval&0x7FFFFFFF)%1000
		last := int64(0)
		r := newICY(bytes.NewReader(b), interval, func(at int64, text string) {
			if at < last || at%int64(interval) != 0 || !utf8.ValidString(text) {
				t.Errorf("%q at %d", text, at)
			}
			last = at
		})
		out, _ := io.ReadAll(r)
		if len(out) > len(b) {
			t.Error("more audio than there was")
		}
	})
}

func FuzzHLS(f *testing.F) {
	f.Add("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x00000000000000000000000000000001\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"10@0\"\n#EXTINF:6.0,\n#EXT-X-BYTERANGE:100@10\na\n#EXT-X-BYTERANGE:50\na\n#EXT-X-DISCONTINUITY\n#EXTINF:1\nb\n#EXT-X-ENDLIST")
	f.Add("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"x\",DEFAULT=YES\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"avc1\",RESOLUTION=1x1,AUDIO=\"a\"\nv")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := parseHLS(s)
		if err != nil {
			return
		}
		if l.variant == "" && l.target <= 0 || len(l.segments) > maxHLSSegments || l.length() < 0 {
			t.Errorf("%+v", l)
		}
		for i, seg := range l.segments {
			if seg.uri == "" || seg.offset < 0 || seg.length < 0 || seg.number != l.first+int64(i) {
				t.Errorf("%+v", seg)
			}
		}
	})
}

func TestHLSVariants(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"audio before pictures": {"#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1x1\nv\n#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"\na\n", "a"},
		"the better audio":      {"#EXT-X-STREAM-INF:BANDWIDTH=64000\nlo\n#EXT-X-STREAM-INF:BANDWIDTH=256000\nhi\n#EXT-X-STREAM-INF:BANDWIDTH=900000\nlossless\n", "hi"},
		"a rendition of audio":  {"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"x, y\",URI=\"r\"\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1x1,AUDIO=\"g\"\nv\n", "r"},
		"the fewest pictures":   {"#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1x1\nbig\n#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=1x1\nsmall\n", "small"},
	} {
		if l, err := parseHLS("#EXTM3U\n" + c.in); err != nil || l.variant != c.want {
			t.Errorf("%s: %q, %v", name, l.variant, err)
		}
	}
}

// bytesMedia is media in memory.
type bytesMedia struct{ *bytes.Reader }

func (m bytesMedia) Size() int64  { return m.Reader.Size() }
func (m bytesMedia) Local() bool  { return true }
func (m bytesMedia) Close() error { return nil }

func FuzzContainerHeads(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08moov"))
	f.Add([]byte("\x00\x00\x00\x10ftypM4A \x00\x00\x00\x00\x00\x00\x00\x28moov\x00\x00\x00\x20udta\x00\x00\x00\x18meta\x00\x00\x00\x00\x00\x00\x00\x0cilst\xff\xff\xff\xff"))
	f.Add([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, codec := range []string{"mp4", "ogg"} {
			i, ok := headInfo(bytesMedia{bytes.NewReader(b)}, kind{codec: codec})
			if ok && (checkInfo(i) != nil || i.Tags.DurationMS < 0 || !utf8.ValidString(i.Tags.Title)) {
				t.Errorf("%+v", i)
			}
		}
	})
}

// A source whose connections fail for too long ends with the reason, and not before.
func TestLiveSourceGivesUp(t *testing.T) {
	cfg := liveConfig{name: "x", info: Info{SampleRate: 8000, Channels: 1, BitDepth: 16}, block: 20 * time.Millisecond, buffer: 100 * time.Millisecond, giveUp: time.Nanosecond,
		connect: func(context.Context) (conn, error) { return nil, errors.New("no route") }}
	var now atomic.Int64
	cfg.house = func() int64 { return now.Add(1000) }
	l := newLive(t.Context(), cfg, nil)
	defer l.Close()
	buf := make([]int32, 800)
	for {
		if _, err := l.Read(buf); err != nil {
			if !strings.Contains(err.Error(), "no audio for") || !strings.Contains(err.Error(), "no route") {
				t.Error(err)
			}
			return
		}
	}
}

// lastMoment is a body that gives a byte at the moment when the time runs out.
type lastMoment struct {
	ended <-chan struct{}
	gave  bool
}

func (b *lastMoment) Read(p []byte) (int, error) {
	<-b.ended
	if b.gave {
		return 0, context.Canceled
	}
	b.gave = true
	return copy(p, "x"), nil
}

func (b *lastMoment) Close() error { return nil }

// What comes at the last moment is taken; the request has ended all the same, and the error
// that shows says why.
func TestTheTimeThatRanOutIsTheReason(t *testing.T) {
	ended := make(chan struct{})
	cancel := sync.OnceFunc(func() { close(ended) })
	r := &remote{ctx: t.Context(), caller: t.Context(), uri: "http://h/x", timeout: time.Millisecond, cancel: cancel, body: &lastMoment{ended: ended}}
	buf := make([]byte, 8)
	if n, err := r.readBody(buf); n != 1 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, err := r.readBody(buf); err == nil || !strings.Contains(err.Error(), "no answer within 1ms") {
		t.Errorf("then %v", err)
	}
}
